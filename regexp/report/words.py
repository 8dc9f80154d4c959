"""Format numbers, config keys and reasons for people. User text is not escaped here."""

from __future__ import annotations

import math

from regexp.statistics import Verdict

ROUNDING = 6e-8  # float32 rounding of metrics up to 1


def number(value: float | None) -> str:
    """Return `0.9812`, `54.1200` or `3.20e-05`; `-` for None and numbers that are not finite."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def interval(low: float, high: float) -> str:
    """Return `[0.9700, 0.9900]`; `-` for ends that are not finite."""
    return f"[{number(low)}, {number(high)}]" if math.isfinite(low) else "-"


def signed(value: float) -> str:
    """Return a difference with its sign, `+0.0120`; one smaller than the rounding of a metric counts as 0."""
    if abs(value) < ROUNDING:
        return number(0.0)
    return f"+{number(value)}" if value > 0 else number(value)


def p_value(p: float) -> str:
    """Return a p value with three digits; `-` for NaN."""
    return "-" if math.isnan(p) else f"{p:.3g}"


def count(number_: int, what: str) -> str:
    """Return a number with its noun: `1 seed`, `2 seeds`."""
    return f"{number_} {what}" if number_ == 1 else f"{number_} {what}s"


def heading(key: str) -> str:
    """Shorten a config key to a heading: `regularizers.dropout.rate` -> `dropout.rate`, `dataset.name` -> `dataset`."""
    key = key.removesuffix(".name")
    return key.partition(".")[2] if key.startswith(("regularizers.", "training.", "dataset.", "evaluation.")) else key


def because(verdict: Verdict) -> str:
    """Return the reason for a verdict, with the number of seeds that may decide an undecided one."""
    if verdict.more_seeds is None:
        return verdict.reason
    return f"{verdict.reason}; about {count(verdict.more_seeds, 'more seed')} needed"
