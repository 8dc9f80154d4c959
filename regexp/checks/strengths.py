"""Check that the training loss rises monotonically with each regularization strength, up to noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
from annotated_types import Le, Lt

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench, Job, replace_method, strengths_of, weakened
from regexp.checks.initial_loss import chance_loss
from regexp.checks.range_test import range_test
from regexp.core.component import field_types
from regexp.experiment import Experiment
from regexp.regularizers.base import Regularizer

STEPS = 60
SEEDS = 2
FACTORS = (0.0, 1.0, 4.0, 16.0)
TOLERANCE, ERRORS = 0.05, 3.0  # a share of the chance-level loss; standard errors of the difference


def check(bench: Bench) -> Finding:
    """Train briefly with each method from off to strong, and measure the training loss without penalties and noise.

    Every strength trains on the same seeds, so that the differences between strengths are paired.
    """
    methods = [m for m in bench.experiment.regularizers if has_strength(m)]
    if not methods:
        return Finding("PASS", "no method with a strength in this config", "nothing")
    ladders = {method.name: levels(bench.experiment, method) for method in methods}
    distinct: list[Experiment] = []  # factor 1 is the config itself for every method: it is trained once
    for experiment in (level for ladder in ladders.values() for level in ladder):
        distinct += [] if experiment in distinct else [experiment]
    trained = _losses(bench, distinct)
    curves = {name: trained[:, [distinct.index(level) for level in ladder]] for name, ladder in ladders.items()}
    drops = {name: _drop(losses) for name, losses in curves.items()}
    tolerance = TOLERANCE * chance_loss(bench)
    falling = [name for name, (drop, noise) in drops.items() if drop > max(tolerance, ERRORS * noise)]
    shown = "; ".join(f"{n} " + " ".join(f"{x:.3g}" for x in losses.mean(0)) for n, losses in curves.items())
    return Finding(
        verdict(bool(falling)),
        f"training loss from off to strong: {shown}",
        f"rising; a drop of at most {tolerance:.2g}, or of {ERRORS:g} standard errors, counts as noise",
        f"a larger strength of {', '.join(falling)} regularizes less: look at its code" if falling else "",
        {name: losses.tolist() for name, losses in curves.items()},
    )


def has_strength(method: Regularizer) -> bool:
    """Return whether the method is off at strength 0, so that a larger strength regularizes more."""
    names = strengths_of(method)
    return bool(names) and all(method.neutral[name] == 0 for name in names)


def levels(experiment: Experiment, method: Regularizer) -> list[Experiment]:
    """Return the experiment with the method's strength times each of `FACTORS`: off, as configured, stronger twice."""
    return [replace_method(experiment, at_most(weakened(method, factor))) for factor in FACTORS]


def at_most(method: Regularizer) -> Regularizer:
    """Return the method with its strengths limited to 0.9 of the upper ends of their ranges, where they have one."""
    changes = {}
    for name in strengths_of(method):
        for limit in get_args(field_types(type(method))[name]):
            if isinstance(limit, Le | Lt):
                most: Any = limit.le if isinstance(limit, Le) else limit.lt
                changes[name] = min(getattr(method, name), 0.9 * most)
    return replace(method, **changes)  # type: ignore[type-var]


def _losses(bench: Bench, experiments: list[Experiment]) -> np.ndarray:
    """Return the losses (seeds, experiments) on training examples after training; infinite where not finite."""
    rates, seeds = np.full(STEPS, range_test(bench).middle), bench.seeds[:SEEDS]
    jobs = [Job(experiment, seed, rates) for seed in seeds for experiment in experiments]
    trained = zip(jobs, bench.train(jobs), strict=True)
    requests = [(job.seed, training.variables, bench.splits[job.seed].train) for job, training in trained]
    losses = np.asarray([np.mean(example_losses) for _, example_losses in bench.predict(requests)])
    return np.where(np.isfinite(losses), losses, np.inf).reshape(len(seeds), -1)


def _drop(losses: np.ndarray) -> tuple[float, float]:
    """Return the largest drop of the mean loss from one level to the next, and its standard error over seeds."""
    with np.errstate(invalid="ignore"):  # inf - inf: two levels that both diverged do not differ
        falls = np.nan_to_num(losses[:, :-1] - losses[:, 1:], nan=0.0)
    mean = falls.mean(0)
    worst = int(mean.argmax())
    return float(mean[worst]), float(falls[:, worst].std(ddof=1) / np.sqrt(len(losses)))
