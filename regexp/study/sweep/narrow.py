"""The next stage's ranges: the span of the best, padded, in the parameter's scale; wider where they lean on an edge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from regexp.config.search.space import Parameter, Space

PADDING = 0.1  # of the span of the best, on each side
LEAST_PADDING = 0.02  # of the old range: the best may all have one value
NEAR = 0.05  # of the range: so close to an edge is at it
LEANING = 1 / 3  # the best touch an edge if their mean is in the third of the range beside it, too
WIDENING = 0.25  # of the old range
LEAST_ACTIVE = 2  # settings with a method in, from which the ranges of its parameters are narrowed


def narrow(
    space: Space, ranked: Sequence[Mapping[str, Any]], keep: float, tried: Sequence[Mapping[str, Any]]
) -> tuple[Space, list[str]]:
    """(the space of the next stage, a line for each change with its reason).

    A parameter of a method that may be out is judged among the settings with the method in, and keeps its range where
    the best of these is a single setting, which spans no range.

    ranked: the settings that were measured, the best first; tried: all settings, those that failed included
    """
    changed, lines = [], []
    for parameter in space:
        measured = [setting for setting in ranked if space.active(parameter, setting)]
        total = sum(space.active(parameter, setting) for setting in tried)
        best = measured[: max(1, math.ceil(keep * total))]
        conditional = total < len(tried)
        counts = f"best {len(best)} of {total}" + (f" with {parameter.method} in" if conditional else "")
        if conditional and len(best) < LEAST_ACTIVE:
            changed.append(parameter)
            lines.append(f"{parameter.path} {parameter} stays ({counts}, which span no range)")
            continue
        values = [setting[parameter.path] for setting in best]
        new, reason = _narrowed(parameter, values) if values else (parameter, "")
        changed.append(new)
        if str(new) != str(parameter):
            lines.append(f"{parameter.path} {parameter} -> {new} ({counts + (f'; {reason}' if reason else '')})")
        elif reason:
            lines.append(f"{parameter.path} {parameter} stays ({counts}; {reason})")
    return space.narrowed(changed), lines


def _narrowed(parameter: Parameter, values: Sequence[Any]) -> tuple[Parameter, str]:
    if not parameter.is_range:
        few = len(values) < 2 * len(parameter.choices)  # too few to drop a choice for not being among them
        kept = tuple(c for c in parameter.choices if few or c in values)
        return replace(parameter, choices=kept), ""
    low, high = parameter.to_scale(parameter.low), parameter.to_scale(parameter.high)
    if high <= low:
        return parameter, ""
    places = [parameter.to_scale(value) for value in values]
    span, whole = max(places) - min(places), high - low
    padding = max(PADDING * span, LEAST_PADDING * whole)
    new_low, new_high = max(low, min(places) - padding), min(high, max(places) + padding)
    mean, reason = sum(places) / len(places), ""
    if min(places) <= low + NEAR * whole and mean <= low + LEANING * whole:
        new_low, reason = _beyond(parameter, low, -WIDENING * whole)
    elif max(places) >= high - NEAR * whole and mean >= high - LEANING * whole:
        new_high, reason = _beyond(parameter, high, WIDENING * whole)
    if parameter.scale == "int":
        return replace(parameter, low=math.floor(new_low), high=math.ceil(new_high)), reason
    return replace(parameter, low=_back(parameter, new_low), high=_back(parameter, new_high)), reason


def _beyond(parameter: Parameter, edge: float, by: float) -> tuple[float, str]:
    """(the new edge, the reason): past the old one, not past a limit; half the way to one that is itself outside."""
    upper = by > 0
    old, limit = (parameter.high, parameter.limits[1]) if upper else (parameter.low, parameter.limits[0])
    if old == limit:
        return edge, f"they touch {old:.4g}, its limit"
    wider = edge + by
    if parameter.scale == "log":
        value = math.exp(wider)
    else:
        value = max(wider, edge + 1) if parameter.scale == "int" and upper else wider
        value = min(value, edge - 1) if parameter.scale == "int" and not upper else value
    past = value >= limit if upper else value <= limit
    if past:
        value = (old + limit) / 2 if parameter.open[upper] else limit
    return parameter.to_scale(value), f"they touch {old:.4g}: widened"


def _back(parameter: Parameter, place: float) -> float:
    value = math.exp(place) if parameter.scale == "log" else place
    return min(max(float(f"{value:.4g}"), parameter.limits[0]), parameter.limits[1])
