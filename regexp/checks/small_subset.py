"""Check that the model memorizes twenty examples without regularization, as any working model and gradient can."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import CAPACITY, Bench, Job, without_regularizers
from regexp.checks.range_test import range_test

EXAMPLES, TOLERANCE = 20, 0.01
ENOUGH = 0.002  # a batch's loss at which training ends


def check(bench: Bench) -> Finding:
    """Train with the configured optimizer at two rates from the range test, annealed to zero; the lower loss counts."""
    seed, experiment = bench.seeds[0], without_regularizers(bench.experiment)
    rows = bench.splits[seed].train[: _examples(bench)]
    cosine = (1 + np.cos(np.pi * np.arange(CAPACITY) / CAPACITY)) / 2
    interval = range_test(bench)
    rates = (interval.middle, np.sqrt(interval.middle * interval.high))
    trained = bench.train([Job(experiment, seed, rate * cosine, rows=rows, enough=ENOUGH) for rate in rates])
    losses = [float(np.mean(losses)) for _, losses in bench.predict([(seed, t.variables, rows) for t in trained])]
    best = int(np.nanargmin([*losses, np.inf])) % len(losses)  # inf: nanargmin raises if all losses are NaN
    fails = not losses[best] < TOLERANCE
    return Finding(
        verdict(fails),
        f"loss {losses[best]:.2g} on {len(rows)} examples after {len(trained[best].losses)} updates",
        f"below {TOLERANCE:g} within {CAPACITY} updates",
        "the model cannot memorize even these: look at its code, its size and the checks gradients and symmetry"
        if fails
        else "",
        {"losses": losses, "rates": [float(r) for r in rates], "examples": len(rows)},
    )


def _examples(bench: Bench) -> int:
    """Return the number of examples: a linear model of D inputs fits any D in general position, and no more."""
    if bench.experiment.model.has_hidden():
        return EXAMPLES
    return min(EXAMPLES, bench.inputs.shape[1])
