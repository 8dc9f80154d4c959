"""What a sweep will train, known before its first step: seeds, trials, lanes and programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

from regexp.config import Search
from regexp.config.search.section import SweepStage
from regexp.config.search.space import Parameter, Setting
from regexp.core.lazy import jax
from regexp.experiment import Experiment, monitor
from regexp.study.sweep.events import Planned
from regexp.study.sweep.samplers import ADAPTIVE, BATCHES, different, fixed, grid
from regexp.study.sweep.tasks import Measured

SAMPLES = 64  # settings among which one that can be trained is looked for
MOST_STRUCTURES = 256  # combinations that are counted one by one


class Plan:
    """Of an experiment and its sweep section.

    seeds: of the stages; fresh: of the confirmation, if there is one
    structures: among which the trials of a stage are divided
    """

    def __init__(self, experiment: Experiment, search: Search):
        self.experiment, self.sweep = experiment, search.sweep
        self.space = replace(search.space, base=lean(search.space.base))
        given = list(dict.fromkeys(experiment.training.seeds))
        most = max(stage.seeds for stage in self.sweep.stages)
        self.seeds = (given + _unused(given, most))[:most]
        confirm = self.sweep.confirm
        self.fresh = (
            _unused([*given, *self.seeds], confirm.seeds) if confirm else self.seeds[: self.sweep.stages[-1].seeds]
        )
        self.structures = structures(self._experiments())

    # -- trials -------------------------------------------------------------------------------------------------------

    def trials(self, stage: int) -> int:
        """Settings of a stage, or of the confirmation with the file's own."""
        if stage == len(self.sweep.stages):
            return min(self.sweep.confirm.top, self.trials(stage - 1)) + 1 if self.sweep.confirm else 0
        one = self.sweep.stages[stage]
        if one.sampler == "grid":
            return len(different(self.space, grid(self.space, one.trials), one.trials))
        return int(min(one.trials, self.space.size()))

    def needs(self) -> list[tuple[int, int]]:
        """(lanes trained together, epochs) of each stage, batch and round of halving, were all of one structure."""
        last = len(self.sweep.stages)
        stages = [need for i, s in enumerate(self.sweep.stages) for need in _rounds(self.trials(i), s)]
        seeds = self.sweep.confirm.seeds if self.sweep.confirm else 0
        return [*stages, (self.trials(last) * seeds, self.sweep.stages[-1].epochs)]

    def divided(self) -> list[tuple[int, int]]:
        """(lanes of one structure, epochs)."""
        return [(-(-lanes // self.structures), epochs) for lanes, epochs in self.needs()]

    def samples(self) -> Iterator[tuple[str, Experiment]]:
        """(name, experiment of the first stage): the middle of all ranges, each other choice of one parameter, and
        settings from all over the space."""
        middle, epochs = self._middle(), self.sweep.stages[0].epochs
        yield "the middle of the space", self.space.experiment(middle, epochs)
        for parameter in self.space:
            for choice in parameter.choices:
                if choice != middle[parameter.path]:
                    name = f"{parameter.path} {choice}"
                    yield name, self.space.experiment(middle | {parameter.path: choice}, epochs)
        for number, setting in enumerate(fixed("sobol", self.space, SAMPLES, 0)):
            yield f"sample {number + 1}", self.space.experiment(setting, epochs)

    def of(self, setting: Setting, epochs: int) -> Experiment:
        """The experiment of a setting; of none, the file's own."""
        if setting:
            return self.space.experiment(setting, epochs)
        own = lean(self.experiment)
        return replace(own, training=replace(own.training, epochs=epochs))

    # -- programs -----------------------------------------------------------------------------------------------------

    def programs(self) -> int:
        """Structures in the space, and the file's own where it is trained beside them."""
        return structures([*self._experiments(), *([lean(self.experiment)] if self.sweep.confirm else [])])

    def _middle(self) -> Setting:
        return {p.path: p.at(0.5) for p in self.space}

    def _experiments(self) -> list[Experiment]:
        """One of each combination of the values that make other structures."""
        middle = self._middle()
        structural = {p.path: values for p in self.space if len(values := self._structural(p, middle)) > 1}
        combinations = islice(product(*structural.values()), MOST_STRUCTURES)
        settings = [middle | dict(zip(structural, c, strict=True)) for c in combinations]
        return [self.space.experiment(setting, 1) for setting in settings]

    def _structural(self, parameter: Parameter, setting: Setting) -> list[Any]:
        """The values of a parameter whose experiments differ in structure from one another."""
        if parameter.scale in ("log", "linear"):
            return []
        everything = parameter.choices
        if parameter.scale == "int":
            everything = tuple(range(int(parameter.low), int(parameter.high) + 1))
        ends = [self.space.experiment(setting | {parameter.path: v}, 1) for v in (everything[0], everything[-1])]
        changes = not parameter.is_range or structures(ends) > 1
        return list(everything) if changes else []

    # -- in numbers ---------------------------------------------------------------------------------------------------

    def planned(self, measured: Measured, workers: int) -> Planned:
        """What it takes, by some steps that were measured."""
        per_epoch, size = measured.steps_per_epoch, measured.size * workers
        steps = sum(lanes * epochs for lanes, epochs in self.needs()) * per_epoch
        padded = sum(self.structures * -(-n // size) * size * epochs for n, epochs in self.divided())
        counts = [self.trials(i) for i in range(len(self.sweep.stages) + 1)]
        seeds = [*(stage.seeds for stage in self.sweep.stages), len(self.fresh)]
        lanes = sum(n * own for n, own in zip(counts, seeds, strict=True))
        programs = self.programs()
        step = measured.step_seconds / workers  # of a lane, where all workers train
        seconds = programs * measured.seconds + padded * per_epoch * step
        most = seconds + (programs - 1) * measured.spared
        return Planned(counts, lanes, programs, measured.size, steps, seconds, most, 1e6 * step, workers)


def rungs(stage: SweepStage) -> list[int]:
    """Epochs at which halving chooses: epochs / n^k, from 1 on."""
    if stage.halving is None:
        return []
    found, rung = [], stage.epochs // stage.halving
    while rung >= 1:
        found.append(rung)
        rung //= stage.halving
    return found[::-1]


def lean(experiment: Experiment) -> Experiment:
    """Without what a search does not look at: training metrics after each epoch, Monte Carlo, attacks."""
    limit = experiment.evaluation.train_limit if monitor(experiment).startswith("train/") else 1
    evaluation = replace(experiment.evaluation, train_limit=limit, mc_samples=0, attacks=None)
    training = replace(experiment.training, seeds=(0,))
    return replace(experiment, evaluation=evaluation, training=training)


def structures(experiments: Sequence[Experiment]) -> int:
    """How many programs they need."""
    return len({(jax.tree.structure(e), e.training.batch_size) for e in experiments})


def _rounds(trials: int, stage: SweepStage) -> list[tuple[int, int]]:
    """(lanes, epochs trained by them) between two rungs, of each batch."""
    size = -(-trials // BATCHES) if stage.sampler in ADAPTIVE else trials
    ends = [0, *rungs(stage), stage.epochs]
    found = []
    for begin in range(0, trials, size):
        batch = min(size, trials - begin)
        counts = [max(1, batch // (stage.halving or 1) ** k) * stage.seeds for k in range(len(ends) - 1)]
        found += [(n, end - start) for n, start, end in zip(counts, ends, ends[1:], strict=False)]
    return found


def _unused(taken: Sequence[int], count: int) -> list[int]:
    """The smallest numbers that are not taken."""
    return list(islice((n for n in range(10**6) if n not in taken), count))
