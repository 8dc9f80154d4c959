"""An ablation's run folders -> what each method contributes, paired by seed, with interval and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regexp.ablation import Arm, contributions
from regexp.report.tables import Table, interval, number, p_value
from regexp.statistics import verdicts

NOTES = {
    "leave one out": "what taking the method out of all costs: the metric with all, minus that with all but this one",
    "alone": "what the method brings by itself: the metric with it alone, minus that with none",
    "interaction": "how far two methods together are from the sum of what each brings alone",
}


def contrast(weights: Mapping[frozenset[str], int], values: Mapping[frozenset[str], Mapping[int, float]]) -> tuple[
    dict[int, float], dict[int, float]
]:  # fmt: skip
    """(sum of the arms with weight +1, sum of those with -1), each {seed: value}, on the seeds that all arms have."""
    seeds = set.intersection(*(set(values[arm]) for arm in weights))
    plus, minus = ([arm for arm, weight in weights.items() if weight == sign] for sign in (1, -1))
    return tuple({seed: sum(values[arm][seed] for arm in side) for seed in sorted(seeds)} for side in (plus, minus))  # type: ignore[return-value]


def table(
    arms: Sequence[Arm], methods: Sequence[str], values: Mapping[frozenset[str], Mapping[int, float]], metric: str,
    smaller: bool, delta: float, pairs: bool, retuned: bool, cost: Mapping[str, float],
) -> Table:  # fmt: skip
    """A row for each contribution; Holm's correction over all rows of a family.

    values: {methods of an arm: {seed: metric}}; cost: of each method, the time of a step with it over one without
    """
    found = contributions(methods, pairs)
    rows, notes = [], []
    for family in dict.fromkeys(kind for kind, _, _ in found):
        own = [(what, weights) for kind, what, weights in found if kind == family]
        judged = verdicts([contrast(weights, values) for _, weights in own], smaller, delta)
        for (what, _), verdict in zip(own, judged, strict=True):
            one = verdict.comparison
            shown = ("-", "-", "-") if one is None else (
                f"{one.difference:+.4f}", interval(one.interval.low, one.interval.high), str(one.pairs))  # fmt: skip
            word = {"better": "helps", "worse": "hurts"}.get(verdict.word, verdict.word)
            more = "" if verdict.more_seeds is None else f" (about {verdict.more_seeds} more seeds)"
            step = f"{cost[what]:.2f}x" if what in cost and family == "leave one out" else "-"
            rows.append((family, what, *shown, p_value(verdict.p), word + more, step))
        notes.append(f"{family}: {NOTES[family]}; p by exact sign flips, Holm over {len(own)} rows")
    if not retuned:
        notes.append("arms were not retuned: each has the config's own numbers (--retune learning_rate searches anew)")
    direction = "smaller" if smaller else "larger"
    least = ", ".join(f"{arm.name} {number(_mean(values[arm.methods]))}" for arm in arms if arm.name in ("all", "none"))
    header = ("family", "method", "difference", "95% interval", "pairs", "p", "verdict", "step time")
    title = f"What each method contributes to {metric} ({direction} is better): {least}"
    return Table(title, header, tuple(rows), tuple(notes), words=frozenset({0, 1, 6}))


def _mean(values: Mapping[int, float]) -> float:
    return sum(values.values()) / len(values) if values else float("nan")
