"""Settings to try. Those that do not look at results are a pure function of (space, number, stage); Optuna's learn."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from regexp.config.search.space import Parameter, Setting, Space
from regexp.core.errors import UsageError

if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial as OptunaTrial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, TrialState

ADAPTIVE = ("tpe", "gp", "cma_es")
NEEDS = {"gp": ("torch", "pip install '.[samplers]'"), "cma_es": ("cmaes", "pip install '.[samplers]'")}
BATCHES = 8  # an adaptive stage asks so many times
MOST_DRAWS = 64  # times the trials: so long a sampler looks for settings of a small space that it has not drawn yet


def check_installed(sampler: str) -> None:
    """Raises UsageError with what to install."""
    package, command = NEEDS.get(sampler, ("optuna", ""))
    if find_spec(package) is None:
        raise UsageError(f"the sampler {sampler} needs {package}: {command}")


def fixed(sampler: str, space: Space, trials: int, stage: int, known: Sequence[Setting] = ()) -> list[Setting]:
    """Different settings of a sampler that does not look at results; of a grid as many as fit below `trials`.

    known: settings that are not drawn again
    """
    if sampler == "grid":
        return different(space, grid(space, trials), trials, known)
    seed = [stage, zlib.crc32(b"sweep")]
    drawn, factor = different(space, _points(sampler, space, trials, seed), trials, known), 1
    while len(drawn) < trials and factor < MOST_DRAWS:  # a small space repeats itself
        factor *= 2
        drawn = different(space, _points(sampler, space, factor * trials, seed), trials, known)
    return drawn


def _points(sampler: str, space: Space, count: int, seed: Sequence[int]) -> list[Setting]:
    if sampler == "random":
        points = np.random.default_rng(seed).random((count, len(space)))
    else:
        points = _sobol(len(space), count, seed)
    return [{p.path: p.at(float(share)) for p, share in zip(space, point, strict=True)} for point in points]


def different(space: Space, settings: Sequence[Setting], most: int, known: Sequence[Setting] = ()) -> list[Setting]:
    """The first `most` settings that train different networks, in their order, without those that are known."""
    seen = {space.key(setting) for setting in known}
    kept: list[Setting] = []
    for setting in settings:
        key = space.key(setting)
        if key not in seen and len(kept) < most:
            seen.add(key)
            kept.append(setting)
    return kept


def _sobol(dimensions: int, trials: int, seed: Sequence[int]) -> np.ndarray:
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return np.asarray(sequence.random_base2(max(0, (trials - 1).bit_length()))[:trials])


def grid(space: Space, trials: int) -> list[Setting]:
    """All combinations of levels: all of each choice, of the ranges as many as `trials` allow, in turn one more."""
    counts = {p.path: 1 if p.is_range else len(p.choices) for p in space}
    ranges = [p for p in space if p.is_range]
    while ranges:
        for parameter in list(ranges):
            more = counts | {parameter.path: counts[parameter.path] + 1}
            useful = len(parameter.levels(more[parameter.path])) == more[parameter.path]
            if not useful or prod(more.values()) > trials:
                ranges.remove(parameter)
            else:
                counts = more
    levels = [p.levels(counts[p.path]) for p in space]
    return [dict(zip(counts, values, strict=True)) for values in product(*levels)]


class AskAndTell:
    """An adaptive sampler of Optuna, in memory, over the trials of one stage.

    TPE and the Gaussian process propose from the ended trials alone, each with the values of the methods that were in:
    a value that changed nothing says nothing about the score. So a resumed stage continues as if it had not stopped.
    CMA-ES keeps its state in the trials it proposed; resumed, it begins a new search.
    """

    def __init__(self, sampler: str, space: Space, trials: int, stage: int, smaller: bool):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name, self.space, self.stage = sampler, space, stage
        self.startup_trials = max(4, min(10, trials // 4))
        self.direction: Literal["minimize", "maximize"] = "minimize" if smaller else "maximize"
        self.distributions = {p.path: distribution(p) for p in space}
        self.ended: list[FrozenTrial] = []
        self.study = self._new_study()
        self.proposals: list[OptunaTrial] = []

    def _new_study(self) -> Study:
        """Return a study of the ended trials, with a sampler seeded by their number."""
        import optuna

        seed, startup, kinds = 1000 * self.stage + len(self.ended), self.startup_trials, optuna.samplers
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate, constant_liar and the Gaussian process are experimental
            sampler: BaseSampler
            if self.name == "tpe":
                sampler = kinds.TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=True)
            elif self.name == "gp":
                sampler = kinds.GPSampler(seed=seed, n_startup_trials=startup)
            else:
                sampler = kinds.CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)
            study = optuna.create_study(direction=self.direction, sampler=sampler)
            study.add_trials(self.ended)
        return study

    def ask(self, count: int) -> list[Setting]:
        """Return the next settings; `tell` answers them in this order."""
        if self.name != "cma_es":
            self.study = self._new_study()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.proposals = [self.study.ask(self.distributions) for _ in range(count)]
        return [self._setting(trial) for trial in self.proposals]

    def _setting(self, trial: OptunaTrial) -> Setting:
        return {p.path: _tidy(p, trial.params[p.path]) for p in self.space}

    def tell(self, scores: Sequence[float | None]) -> None:
        """Add the scores of the last proposals; None for a trial that failed, which ranks last."""
        for trial, score in zip(self.proposals, scores, strict=True):
            if self.name == "cma_es":
                self.study.tell(trial, score, _state(score))
            else:
                self.add(self._setting(trial), score)

    def add(self, setting: Setting, score: float | None) -> None:
        """Add a trial that this object did not propose: carried over, or proposed before a resume.

        Raises ValueError where a value is outside the ranges.
        """
        from optuna.trial import create_trial

        values = self.space.active_part(setting) if self.name != "cma_es" else setting
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            distributions = {path: self.distributions[path] for path in values}
            trial = create_trial(params=values, distributions=distributions, value=score, state=_state(score))
        if self.name == "cma_es":
            self.study.add_trial(trial)
        else:
            self.ended.append(trial)


def _state(score: float | None) -> TrialState:
    from optuna.trial import TrialState

    return TrialState.PRUNED if score is None else TrialState.COMPLETE


def _tidy(parameter: Parameter, value: Any) -> Any:
    return parameter.from_scale(parameter.to_scale(value)) if parameter.is_range else value


def distribution(parameter: Parameter, *values: Any) -> Any:
    """The parameter as Optuna has it; a range that holds `values`, too."""
    import optuna

    if not parameter.is_range:
        everything: list[Any] = [text for text, _ in parameter.values] or [False, True]
        return optuna.distributions.CategoricalDistribution(everything if values else list(parameter.choices))
    low, high = min(parameter.low, *values, parameter.high), max(parameter.high, *values, parameter.low)
    if parameter.scale == "int":
        return optuna.distributions.IntDistribution(int(low), int(high))
    return optuna.distributions.FloatDistribution(low, high, log=parameter.scale == "log")
