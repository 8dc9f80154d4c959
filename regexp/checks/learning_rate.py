"""Check that the learning rate lies where the loss falls, by a learning-rate range test over several seeds."""

from __future__ import annotations

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.checks.chart import curve, figure
from regexp.checks.range_test import range_test

ENOUGH = 10.0  # summed learning rate of the run, relative to the sum after which the range test's loss began to fall


def check(bench: Bench) -> Finding:
    """Compare the configured rate with the interval of the range test.

    The schedule is ignored: it only lowers the rate. A run is longer than the range test, so a rate below the interval
    suffices if the rates summed over the run are at least `ENOUGH` times the sum at which the loss began to fall.
    """
    rate, measured = float(bench.experiment.optimizer.learning_rate), range_test(bench)
    reached = rate * bench.total_steps / measured.needed
    explodes, high = measured.explodes is not None and rate >= measured.explodes, rate > measured.high
    place = "above" if high else "below" if rate < measured.low else "inside"
    end = measured.rates[-1]
    limit = f"explodes at {measured.explodes:.1g}" if measured.explodes else f"does not explode up to {end:g}"
    advice = ""
    if high or reached < ENOUGH:
        advice = f"{'lower' if high else 'raise'} it: --set optimizer.learning_rate={measured.middle:.1g}"
    return Finding(
        verdict(explodes or reached < 1 or measured.never_falls, high or reached < ENOUGH),
        f"optimizer.learning_rate {rate:g} is {place} the interval where the loss falls, {measured.low:.1g} to "
        f"{measured.high:.1g}; the loss {limit}; summed over the run, the learning rate is {reached:.3g}x what the "
        f"range test needed before the loss began to fall",
        f"inside, or below with a sum of at least {ENOUGH:g}x; fails if the loss explodes or the sum is below 1x",
        "no rate lowers the loss: look at the checks gradients and symmetry" if measured.never_falls else advice,
        {"rate": rate, "low": measured.low, "high": measured.high, "explodes": measured.explodes, "reached": reached,
         "rates": measured.rates.tolist(), "losses": measured.smooth.tolist()},
        curve(measured, rate),
        lambda axes: figure(axes, measured, rate),
    )  # fmt: skip
