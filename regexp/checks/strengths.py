"""The training error rises with each regularisation strength, monotone within noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
from annotated_types import Le, Lt

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench, Job, replace_method, strengths_of, weakened
from regexp.checks.initial_loss import ignorance
from regexp.checks.range_test import range_test
from regexp.core.component import field_types
from regexp.experiment import Experiment
from regexp.regularizers.base import Regularizer

STEPS = 60
SEEDS = 2
FACTORS = (0.0, 1.0, 4.0, 16.0)
TOLERANCE, ERRORS = 0.05, 3.0  # a share of the loss of knowing nothing, and standard errors of the difference


def check(bench: Bench) -> Finding:
    """Training loss without penalties and noise after short trainings from off to strong, the same for each seed."""
    methods = [m for m in bench.experiment.regularizers if has_strength(m)]
    if not methods:
        return Finding("PASS", "no method with a strength in this config", "nothing")
    stages = {method.name: levels(bench.experiment, method) for method in methods}
    distinct: list[Experiment] = []  # all methods have the config itself in common
    for one in (stage for own in stages.values() for stage in own):
        distinct += [] if one in distinct else [one]
    trained = _losses(bench, distinct)
    curves = {name: trained[:, [distinct.index(stage) for stage in own]] for name, own in stages.items()}
    drops = {name: _drop(losses) for name, losses in curves.items()}
    tolerance = TOLERANCE * ignorance(bench)
    falling = [name for name, (drop, noise) in drops.items() if drop > max(tolerance, ERRORS * noise)]
    shown = "; ".join(f"{n} " + " ".join(f"{x:.3g}" for x in losses.mean(0)) for n, losses in curves.items())
    return Finding(
        verdict(bool(falling)),
        f"training loss from off to strong: {shown}",
        f"rising; a fall of at most {tolerance:.2g}, or of {ERRORS:g} standard errors, is noise",
        f"more of {', '.join(falling)} regularises less: its strength does not do what it says" if falling else "",
        {name: losses.tolist() for name, losses in curves.items()},
    )


def has_strength(method: Regularizer) -> bool:
    """Whether a number of the method is 0 when it is off, so that more of it regularises more."""
    names = strengths_of(method)
    return bool(names) and all(method.neutral[name] == 0 for name in names)


def levels(experiment: Experiment, method: Regularizer) -> list[Experiment]:
    """The experiment with the method off, as it is, and stronger twice."""
    return [replace_method(experiment, at_most(weakened(method, factor))) for factor in FACTORS]


def at_most(method: Regularizer) -> Regularizer:
    """The method with its strengths no larger than their ranges allow; rates end at 0.9."""
    changes = {}
    for name in strengths_of(method):
        for limit in get_args(field_types(type(method))[name]):
            if isinstance(limit, Le | Lt):
                most: Any = limit.le if isinstance(limit, Le) else limit.lt
                changes[name] = min(getattr(method, name), 0.9 * most)
    return replace(method, **changes)  # type: ignore[type-var]


def _losses(bench: Bench, experiments: list[Experiment]) -> np.ndarray:
    """(seeds, experiments) on training examples, after training."""
    rates, seeds = np.full(STEPS, range_test(bench).middle), bench.seeds[:SEEDS]
    who = [(seed, one) for seed in seeds for one in experiments]
    trained = bench.train([Job(stage, seed, rates) for seed, stage in who])
    asked = [(seed, t.variables, bench.splits[seed].train) for (seed, _), t in zip(who, trained, strict=True)]
    losses = np.asarray([np.mean(found) for _, found in bench.predict(asked)])
    return np.where(np.isfinite(losses), losses, np.inf).reshape(len(seeds), -1)


def _drop(losses: np.ndarray) -> tuple[float, float]:
    """(the largest fall from one level to the next, its standard error over seeds)."""
    with np.errstate(invalid="ignore"):
        falls = np.nan_to_num(losses[:, :-1] - losses[:, 1:], nan=0.0)
    mean = falls.mean(0)
    worst = int(mean.argmax())
    return float(mean[worst]), float(falls[:, worst].std(ddof=1) / np.sqrt(len(losses)))
