"""Trials in training: lanes of one structure in blocks of one size, so that a structure is compiled once per sweep.

A block has as many lanes in the last stage as in the first, the last of its trials repeated where there are fewer: the
program is the same. `block_size` chooses the number by what the stages need.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.datasets.splits import split
from regexp.errors import Interrupted
from regexp.experiment import Experiment, Trial
from regexp.lazy import jax
from regexp.scores import uses_population
from regexp.training.epoch import EVALUATION_BLOCK, monitor
from regexp.training.group import Group
from regexp.training.lanes import compile_seconds, group
from regexp.training.prepare import prepare_lane
from regexp.training.step import Lane

CHUNK_SECONDS = 0.4  # progress moves, and an interrupt is obeyed, at least this often
# What a step costs beside its lanes, in lanes (docs/architecture.md: digits MLP, 1 lane 58 us, 8 lanes 25 us each).
OVERHEAD = {"cpu": 2, "gpu": 256}
MOST_LANES = {"cpu": 32, "gpu": 1024}
MEMORY_SHARE = 0.25  # of what is free, for one block


@dataclass(frozen=True)
class Outcome:
    """How one lane ended. metrics: of the epoch selected; {} where it diverged or failed."""

    status: str
    epochs: int
    metrics: dict[str, float] = field(default_factory=dict)
    step: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Moved:
    """Lanes, by their index in the call, made so many steps, together."""

    lane_steps: int
    seconds: float
    lanes: Sequence[int]


@dataclass(frozen=True)
class Ended:
    """Lanes that are over, by their index in the call."""

    outcomes: dict[int, Outcome]


Survivors = Callable[[int, dict[int, Outcome]], set[int]]


class Blocks:
    """Trains lists of trials. needs: (lanes of one structure, epochs) of each stage, for the size of a block."""

    def __init__(self, data: Data, dataset: Any, needs: Sequence[tuple[int, int]], interrupted: Callable[[], int]):
        self.data, self.dataset, self.needs, self.interrupted = data, dataset, needs, interrupted
        self.splits: dict[int, Split] = {}
        self.lanes: dict[Any, Lane] = {}
        self.size: int | None = None
        self.step_seconds: float | None = None  # of one lane, as last measured

    def split(self, seed: int) -> Split:
        """The rows of a seed: every setting has the same."""
        if seed not in self.splits:
            self.splits[seed] = split(self.dataset, self.data, seed)
        return self.splits[seed]

    def train(self, trials: Sequence[Trial], rungs: Sequence[int] = (), survivors: Survivors | None = None
              ) -> Iterator[Moved | Ended]:  # fmt: skip
        """Train all trials to their epochs.

        rungs: epochs at which `survivors(number of the rung, outcomes so far)` says who goes on; the others end there
        """
        alive = list(range(len(trials)))
        states: dict[int, dict[str, np.ndarray]] = {}
        for number, rung in enumerate((*rungs, None)):
            found: dict[int, Outcome] = {}
            for block in self._blocks(trials, alive):
                for event in self._one(trials, block, rung, states):
                    if isinstance(event, Ended) and rung is not None:
                        found |= event.outcomes
                    else:
                        yield event
            if rung is not None and survivors is not None:
                on = survivors(number, found) & {i for i, o in found.items() if o.status == "done"}
                yield Ended({i: replace(o, status="pruned") if o.status == "done" else o
                             for i, o in found.items() if i not in on})  # fmt: skip
                alive = [i for i in alive if i in on]
                states = {i: states[i] for i in alive}

    # -- blocks -------------------------------------------------------------------------------------------------------

    def _blocks(self, trials: Sequence[Trial], alive: Sequence[int]) -> Iterator[list[int]]:
        lanes = [self._lane(trials[i]) for i in alive]
        for one in group([trials[i] for i in alive], lanes):
            members = [alive[i] for i in one]
            if self.size is None:
                self.size = self._choose_size(trials[members[0]])
            while members:  # the size may shrink meanwhile
                block, members = members[: self.size], members[self.size :]
                yield block

    def _lane(self, trial: Trial) -> Lane:
        """Made once for each seed, but for methods that prepare something of their own."""
        own = tuple(m for m in trial.experiment.regularizers if m.overrides("prepare"))
        limit = trial.experiment.evaluation.train_limit
        key = (trial.seed, repr(own), limit)
        if key not in self.lanes:
            self.lanes[key] = prepare_lane(trial, self.data, self.split(trial.seed))
        return self.lanes[key]

    def group(self, trials: Sequence[Trial]) -> Group:
        """A block of trials, compiled; the last is repeated to the block's size."""
        assert self.size is not None
        full = [*trials, *[trials[-1]] * (self.size - len(trials))]
        made = Group(full, [self._lane(t) for t in full], self.data, [self.split(t.seed) for t in full])
        made.compile()
        made.compile_evaluation()
        return made

    def _choose_size(self, trial: Trial) -> int:
        devices = jax.devices()
        kind = "cpu" if devices[0].platform == "cpu" else "gpu"
        return block_size(
            self.needs, len(devices), OVERHEAD[kind], min(MOST_LANES[kind], self._fitting(trial, devices[0]))
        )

    def _fitting(self, trial: Trial, device: Any) -> int:
        """Lanes that fit into memory, roughly: parameters with optimizer state and best epoch, batches, evaluation."""
        alone = Group([trial], [self._lane(trial)], self.data, [self.split(trial.seed)])
        width = int(np.prod(self.data.inputs.shape[1:]))
        numbers = 8 * alone.parameters + alone.capacity * alone.batch_size
        numbers += 4 * width * (alone.batch_size + EVALUATION_BLOCK)
        return max(1, int(_free_bytes(device) * MEMORY_SHARE / (4 * numbers)))

    # -- one block ----------------------------------------------------------------------------------------------------

    def _one(
        self, trials: Sequence[Trial], block: list[int], rung: int | None, states: dict[int, dict[str, np.ndarray]]
    ) -> Iterator[Moved | Ended]:
        """A block to a rung or to its end; where its memory does not suffice, in halves from now on."""
        while block:
            size = self.size or 1
            part = block[:size]
            try:
                yield from self._trained(trials, part, rung, states)
            except (jax.errors.JaxRuntimeError, MemoryError) as error:
                if _is_memory(error) and size > 1:
                    self.size = (size + 1) // 2
                    continue
                reason = str(error).partition("\n")[0][:200]
                yield Ended({i: Outcome("failed", 0, reason=reason) for i in part})
            block = block[len(part) :]

    def _trained(
        self, trials: Sequence[Trial], block: list[int], rung: int | None, states: dict[int, dict[str, np.ndarray]]
    ) -> Iterator[Moved | Ended]:
        made = self.group([trials[i] for i in block])
        if block[0] in states:
            own = [states[i] for i in block] + [states[block[-1]]] * (len(made.trials) - len(block))
            arrays = {name: np.stack([one[name] for one in own]) for name in own[0] if name != POSITION}
            made.restore(arrays, int(own[0][POSITION]))
        yield from self._advance(made, made.total_steps if rung is None else rung * made.steps_per_epoch, block)
        yield Ended(dict(zip(block, _outcomes(made), strict=False)))
        if rung is not None:
            for place, index in enumerate(block):
                kept = {name: array[place] for name, array in made.snapshot().items()}
                states[index] = kept | {POSITION: np.asarray(made.position)}

    def _advance(self, made: Group, end: int, lanes: Sequence[int]) -> Iterator[Moved]:
        steps = min(made.steps_per_epoch, 64)
        while made.position < end and not made.done:
            began, first = time.perf_counter(), made.position
            made.advance(min(steps, end - first))
            took, moved = time.perf_counter() - began, made.position - first
            self.step_seconds = took / moved / len(made.trials)
            steps = max(1, int(min(4.0, CHUNK_SECONDS / max(took, 1e-6)) * moved))
            yield Moved(moved * len(lanes), took, lanes)
            if number := self.interrupted():
                raise Interrupted("stopped by a signal", number)
        if made.position < end:  # all lanes have stopped before it
            yield Moved((end - made.position) * len(lanes), 0.0, lanes)

    def measure(self, trial: Trial) -> tuple[float, float, int]:
        """(seconds to compile, seconds of a lane's step, steps of an epoch), by training some steps of a block."""
        before = compile_seconds()
        if self.size is None:
            self.size = self._choose_size(trial)
        made = self.group([trial])
        for _ in range(2):  # the first has to warm up
            for _ in self._advance(made, made.position + min(made.steps_per_epoch, 256), [0]):
                pass
        return compile_seconds() - before, self.step_seconds or 0.0, made.steps_per_epoch


POSITION = "position of the group"


def _outcomes(made: Group) -> list[Outcome]:
    """Of each lane: its metrics at the epoch that is selected."""
    (variables,) = made.selected()
    if made.has_statistics and uses_population(made.trials[0].experiment):
        variables = made.recomputed(variables)
    metrics, _ = made.evaluate(variables)
    epochs, steps = np.asarray(made.state.epoch), np.asarray(made.state.diverged_at)
    found = []
    for lane, (epoch, step) in enumerate(zip(epochs.tolist(), steps.tolist(), strict=True)):
        own = {name: float(values[lane]) for name, values in metrics.items() if lane < len(values)}
        if step >= 0:
            found.append(Outcome("diverged", epoch, {}, step, f"the loss is not finite at step {step}"))
        else:
            found.append(Outcome("done", epoch, own))
    return found


def block_size(needs: Sequence[tuple[int, int]], devices: int, overhead: int, most: int) -> int:
    """Lanes of a block: a multiple of the devices, so that all stages take least time; at most `most`.

    A step of a block of B lanes takes as long as B + `overhead` lanes would if each cost the same.
    """
    sizes = [devices * 2**k for k in range(12) if devices * 2**k <= most] or [1]
    largest = max(ceil(lanes / devices) * devices for lanes, _ in needs)
    sizes = [size for size in sizes if size < largest] + [min(largest, max(sizes))]

    def cost(size: int) -> float:
        return sum(ceil(lanes / size) * (size + overhead) * epochs for lanes, epochs in needs)

    return min(sizes, key=lambda size: (cost(size), -size))


def lean(experiment: Experiment) -> Experiment:
    """Without what a search does not look at: training metrics after each epoch, Monte Carlo, attacks."""
    limit = experiment.evaluation.train_limit if monitor(experiment).startswith("train/") else 1
    evaluation = replace(experiment.evaluation, train_limit=limit, mc_samples=0, attacks=None)
    training = replace(experiment.training, seeds=(0,))
    return replace(experiment, evaluation=evaluation, training=training)


def structures(experiments: Sequence[Experiment]) -> int:
    """How many programs they need."""
    return len({(jax.tree.structure(e), e.training.batch_size) for e in experiments})


def _is_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _free_bytes(device: Any) -> float:
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        return float(stats["bytes_limit"] - stats["bytes_in_use"])
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
