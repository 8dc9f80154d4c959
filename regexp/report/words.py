"""Numbers, keys and reasons as people read them; still of the user's own text."""

from __future__ import annotations

import math

from regexp.statistics import Verdict

ROUNDING = 6e-8  # of metrics up to 1 in float32


def number(value: float | None) -> str:
    """`0.9812`, `54.1200`, `3.2e-05`; `-` for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def interval(low: float, high: float) -> str:
    """`[0.9700, 0.9900]`."""
    return f"[{number(low)}, {number(high)}]" if math.isfinite(low) else "-"


def signed(value: float) -> str:
    """A difference: `+0.0120`; less than what rounds a metric is none."""
    if abs(value) < ROUNDING:
        return number(0.0)
    return f"+{number(value)}" if value > 0 else number(value)


def p_value(p: float) -> str:
    """Three digits."""
    return "-" if math.isnan(p) else f"{p:.3g}"


def count(number_: int, what: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number_} {what}" if number_ == 1 else f"{number_} {what}s"


def heading(key: str) -> str:
    """`regularizers.dropout.rate` -> `dropout.rate`, `dataset.name` -> `dataset`: the rest says what it is."""
    key = key.removesuffix(".name")
    return key.partition(".")[2] if key.startswith(("regularizers.", "training.", "dataset.", "evaluation.")) else key


def because(verdict: Verdict) -> str:
    """The reason, and for an undecided one the seeds that may decide it."""
    if verdict.more_seeds is None:
        return verdict.reason
    return f"{verdict.reason}; about {count(verdict.more_seeds, 'more seed')} needed"
