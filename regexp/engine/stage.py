"""A stage of a run: trials in training, as groups of one structure, one group after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.engine.group import Group
from regexp.engine.lanes import group
from regexp.engine.prepare import members_split, prepare_lane
from regexp.experiment import Trial

Arrays = dict[str, np.ndarray]


class Stage:
    """groups: the programs; members: the indices of the trials in each.

    splits: of each trial's seed; members of an ensemble may draw training rows of their own from it
    epochs, updates: where given, after how many of them each trial ends (the others' schedule stays what it is)
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        splits: Sequence[Split],
        data: Data,
        epochs: Sequence[int] | None = None,
        updates: Sequence[int] | None = None,
    ):
        self.trials = list(trials)
        self.splits = [members_split(t, s) for t, s in zip(trials, splits, strict=True)]
        three = zip(trials, self.splits, splits, strict=True)
        lanes = [prepare_lane(trial, data, own, base) for trial, own, base in three]
        if epochs is not None:
            lanes = [lane._replace(epochs=np.asarray(e, np.int32)) for lane, e in zip(lanes, epochs, strict=True)]
        # A group counts the updates of all its lanes together: other numbers of updates, other groups.
        self.members = [[i] for i in range(len(trials))] if updates is not None else group(trials, lanes)
        self.groups = [
            Group(
                [self.trials[i] for i in one], [lanes[i] for i in one], data, [self.splits[i] for i in one],
                None if updates is None else updates[one[0]],
            )
            for one in self.members
        ]  # fmt: skip

    def compile(self) -> None:
        """Make every program that training and evaluation need."""
        for one in self.groups:
            one.compile()
            one.compile_evaluation()

    def snapshot(self) -> Arrays:
        """The state of all trials as named host arrays."""
        return {f"{i}/{k}": v for i, one in enumerate(self.groups) for k, v in one.snapshot().items()}

    def restore(self, arrays: Mapping[str, np.ndarray], positions: Sequence[int]) -> None:
        """Go on from a snapshot."""
        for index, (one, position) in enumerate(zip(self.groups, positions, strict=True)):
            one.restore(below(arrays, f"{index}/"), position)

    @property
    def done(self) -> bool:
        """Whether every trial has come to its end."""
        return all(one.done for one in self.groups)

    @property
    def positions(self) -> list[int]:
        """Steps made, of each group."""
        return [one.position for one in self.groups]

    def outcomes(self) -> list[dict[str, Any]]:
        """How each trial ended; see Group.outcome."""
        found: list[dict[str, Any]] = [{} for _ in self.trials]
        for one, indices in zip(self.groups, self.members, strict=True):
            for place, index in enumerate(indices):
                found[index] = one.outcome(place)
        return found


def below(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """The arrays whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
