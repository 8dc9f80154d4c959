"""The learning rate lies where the loss falls: the range test, one rising schedule for each of several seeds."""

from __future__ import annotations

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.checks.chart import curve, figure
from regexp.checks.range_test import range_test


def check(bench: Bench) -> Finding:
    """The config's rate against the interval; its schedule, which only lowers it, is left out."""
    rate, found = float(bench.experiment.optimizer.learning_rate), range_test(bench)
    reached = rate * bench.total_steps
    explodes, slow = found.explodes is not None and rate >= found.explodes, reached < found.needed
    outside = not found.low <= rate <= found.high
    until = f"explodes at {found.explodes:.1g}" if found.explodes else f"explodes nowhere up to {found.rates[-1]:g}"
    advice = ""
    if outside or slow:
        direction = "raise" if rate < found.low else "lower"
        advice = f"{direction} it: --set optimizer.learning_rate={found.middle:.1g}"
    return Finding(
        verdict(explodes or slow or found.never, outside),
        f"optimizer.learning_rate is {rate:g}; the loss falls from {found.low:.1g} to {found.high:.1g}, {until}",
        "inside the interval where the loss falls; fails where it explodes, or where a whole run moves too little",
        "no rate lowers the loss: look at the checks gradients and symmetry" if found.never else advice,
        {"rate": rate, "low": found.low, "high": found.high, "explodes": found.explodes, "seeds": len(found.losses),
         "rates": found.rates.tolist(), "losses": found.smooth.tolist()},
        curve(found, rate),
        lambda axes: figure(axes, found, rate),
    )  # fmt: skip
