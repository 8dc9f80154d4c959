"""The learning rate lies where the loss falls: the range test, one rising schedule for each of several seeds."""

from __future__ import annotations

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.checks.chart import curve, figure
from regexp.checks.range_test import range_test

ENOUGH = 10.0  # times the way


def check(bench: Bench) -> Finding:
    """The config's rate against the interval; its schedule, which only lowers it, is left out.

    The way is the sum of the rates. A run longer than the test does with less than the interval's lower end.
    """
    rate, found = float(bench.experiment.optimizer.learning_rate), range_test(bench)
    reached = rate * bench.total_steps / found.needed
    explodes, high = found.explodes is not None and rate >= found.explodes, rate > found.high
    place = "above" if high else "below" if rate < found.low else "inside"
    until = f"explodes at {found.explodes:.1g}" if found.explodes else f"explodes nowhere up to {found.rates[-1]:g}"
    advice = ""
    if high or reached < ENOUGH:
        advice = f"{'lower' if high else 'raise'} it: --set optimizer.learning_rate={found.middle:.1g}"
    return Finding(
        verdict(explodes or reached < 1 or found.never, high or reached < ENOUGH),
        f"optimizer.learning_rate {rate:g} is {place} the interval where the loss falls, {found.low:.1g} to "
        f"{found.high:.1g}; it {until}; the run's steps go {reached:.3g} times the way to its beginning",
        f"inside, or below with {ENOUGH:g} times that way to go; fails where the loss explodes, or with less than once",
        "no rate lowers the loss: look at the checks gradients and symmetry" if found.never else advice,
        {"rate": rate, "low": found.low, "high": found.high, "explodes": found.explodes, "reached": reached,
         "rates": found.rates.tolist(), "losses": found.smooth.tolist()},
        curve(found, rate),
        lambda axes: figure(axes, found, rate),
    )  # fmt: skip
