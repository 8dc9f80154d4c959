"""An ablation's run folders -> what each method contributes, paired by seed, with verdicts; and the answer in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regexp.core.errors import RunError
from regexp.metrics import bounds, smaller_is_better
from regexp.report.records import Record, checked_list, checked_mapping, checked_number, checked_text
from regexp.report.words import because, count, interval, number, p_value, signed
from regexp.runs import Run
from regexp.statistics import Summary, Verdict, summarize, verdicts
from regexp.statistics.contrasts import contributions
from regexp.statistics.intervals import UNBOUNDED, Bounds

WORDS = {"better": "helps", "worse": "hurts"}
PAIR_WORDS = {"better": "more together", "worse": "less together", "equivalent": "adds up"}
ORDER = ("helps", "more together", "hurts", "less together", "equivalent", "adds up", "undecided", "no pairs")
MOST_METHODS = 100  # there are no more
MOST_NAMED = 10  # in a sentence; the table has all
Values = Mapping[int, float]  # {seed: metric}


@dataclass(frozen=True)
class Contribution:
    """One contrast of arms. family: together, leave one out, alone or interaction; methods: whose it is."""

    family: str
    methods: tuple[str, ...]
    verdict: Verdict

    @property
    def what(self) -> str:
        """`l2`, `l2 x dropout`, `all`."""
        return "all" if self.family == "together" else " x ".join(self.methods)

    @property
    def word(self) -> str:
        """The verdict on it: helps, hurts, equivalent, undecided, no pairs; of an interaction whether it adds up."""
        return (PAIR_WORDS if self.family == "interaction" else WORDS).get(self.verdict.word, self.verdict.word)


@dataclass(frozen=True)
class Ablation:
    """Every contribution to one metric.

    everything, nothing: of the arms with all methods and with none; None where there is no value
    step_time: of each method, the time of a training step with it over one without; {} where it was not measured
    retuned: the value searched again for every arm, or none
    at_edge: arms whose best of the values tried was the least or the greatest
    missing: arms that have no value
    """

    name: str
    metric: str
    smaller_is_better: bool
    methods: tuple[str, ...]
    contributions: tuple[Contribution, ...]
    everything: Summary | None
    nothing: Summary | None
    step_time: Mapping[str, float]
    retuned: str | None
    at_edge: tuple[str, ...]
    missing: tuple[str, ...]

    def family(self, name: str) -> list[Contribution]:
        """Those that were corrected together."""
        return [one for one in self.contributions if one.family == name]


def ablations(records: Sequence[Record], metric: str, delta: float) -> list[Ablation]:
    """Of the ablations that these records are arms of. Where a manifest cannot be read, the arms are rows alone."""
    folders: dict[Path, list[Record]] = {}
    for record in records:
        folders.setdefault(record.path.parent, []).append(record)
    found = [_ablation(folder, arms, metric, delta) for folder, arms in folders.items()]
    return [one for one in found if one is not None]


def _ablation(folder: Path, records: Sequence[Record], metric: str, delta: float) -> Ablation | None:
    try:
        manifest = Run(folder).read_json("manifest.json") if (folder / "manifest.json").is_file() else {}
        if manifest.get("kind") != "ablation":
            return None
        methods = _names(manifest.get("methods"))
        names = {arm: frozenset(_names(own)) for arm, own in checked_mapping(manifest.get("arms")).items()}
        at_edge = _names(manifest.get("at_edge") or [])
        times = {m: checked_number(t) for m, t in checked_mapping(manifest.get("step_time") or {}).items()}
    except (RunError, ValueError):
        return None
    if len(methods) > MOST_METHODS:
        return None
    measured = {record.path.name: record.metrics.get(metric, {}) for record in records}
    values = {own: measured.get(arm, {}) for arm, own in names.items()}
    smaller = smaller_is_better(metric)
    return Ablation(
        name=folder.name,
        metric=metric,
        smaller_is_better=smaller,
        methods=methods,
        contributions=tuple(judged(methods, values, smaller, delta, bounds(metric))),
        everything=_summary(values.get(frozenset(methods), {}), metric),
        nothing=_summary(values.get(frozenset(), {}), metric),
        step_time={m: time for m, time in times.items() if m in methods and time is not None and 0 < time < 1e6},
        retuned=str(manifest["retune"]) if manifest.get("retune") else None,
        at_edge=at_edge,
        missing=tuple(arm for arm, own in names.items() if not values[own]),
    )


def judged(
    methods: Sequence[str],
    values: Mapping[frozenset[str], Values],
    smaller: bool,
    delta: float = 0.0,
    limits: Bounds = UNBOUNDED,
) -> list[Contribution]:
    """Every contrast whose arms are there, with its verdict; Holm's correction within a family.

    values: {methods of an arm: {seed: metric}}; limits: what the metric can be
    """
    found = [one for one in contributions(methods) if values.keys() >= one[2].keys()]
    made = []
    for family in dict.fromkeys(kind for kind, _, _ in found):
        own = [(what, weights) for kind, what, weights in found if kind == family]
        arms = max(sum(weight > 0 for weight in weights.values()) for _, weights in own)  # summed on each side
        sides = (arms * limits[0], arms * limits[1])
        said = verdicts([contrast(weights, values) for _, weights in own], smaller, delta, bounds=sides)
        made += [Contribution(family, what, verdict) for (what, _), verdict in zip(own, said, strict=True)]
    return made


def contrast(
    weights: Mapping[frozenset[str], int], values: Mapping[frozenset[str], Values]
) -> tuple[dict[int, float], dict[int, float]]:
    """(sum of the arms with weight +1, sum of those with -1), each {seed: value}, on the seeds that all arms have."""
    seeds = sorted(set.intersection(*(set(values[arm]) for arm in weights)))

    def side(sign: int) -> dict[int, float]:
        return {seed: sum(values[arm][seed] for arm, weight in weights.items() if weight == sign) for seed in seeds}

    return side(1), side(-1)


# -- in words ---------------------------------------------------------------------------------------------------------

VERBS = {
    "helps": "help",
    "hurts": "hurt",
    "equivalent": "make no difference that matters",
    "undecided": "may help or hurt, which is undecided",
}
LEADS = {
    "leave one out": "Among the others (all, against all without it)",
    "alone": "By itself (against none)",
    "interaction": "Two together (against the sum of each)",
}


def answer(found: Ablation) -> list[str]:
    """Does it help, by how much, how sure: a sentence on all methods together, and one on each family."""
    said = [_together(one, found) for one in found.family("together")]
    for family, lead in LEADS.items():
        groups: dict[str, list[str]] = {}
        for one in found.family(family):
            groups.setdefault(one.word, []).append(_amount(one))
        told = [f"{word}: {_listed(groups[word])}" for word in ORDER if word in groups]
        said += [f"{lead}, {'; '.join(told)}."] if told else []
    return said


def _listed(amounts: Sequence[str]) -> str:
    return ", ".join(amounts) if len(amounts) <= MOST_NAMED else f"{len(amounts)} of them"


def _together(one: Contribution, found: Ablation) -> str:
    c = one.verdict.comparison
    if c is None or found.everything is None or found.nothing is None:
        return "Whether the methods help together cannot be told: the arms with all and with none share no seed."
    means = f"{found.metric} {number(found.everything.mean)} with them, {number(found.nothing.mean)} without"
    difference = f"difference {signed(c.difference)} {interval(c.interval.low, c.interval.high)}"
    sure = f"p = {p_value(one.verdict.p)} over {count(c.pairs, 'seed')}"
    why = f"; {because(one.verdict)}" if one.word == "undecided" else ""
    return f"All {len(found.methods)} methods together {VERBS[one.word]}: {means}, {difference}, {sure}{why}."


def _amount(one: Contribution) -> str:
    """`l2 (+0.0120, about 9 more seeds)`."""
    c, more = one.verdict.comparison, one.verdict.more_seeds
    if c is None:
        return one.what
    seeds = f", about {count(more, 'more seed')}" if more else ""
    return f"{one.what} ({signed(c.difference)}{seeds})"


# -- manifest.json, checked -------------------------------------------------------------------------------------------


def _names(value: Any) -> tuple[str, ...]:
    return tuple(checked_text(name, "manifest.json: methods") for name in checked_list(value, "manifest.json: methods"))


def _summary(values: Values, metric: str) -> Summary | None:
    return summarize(list(values.values()), bounds=bounds(metric)) if values else None
