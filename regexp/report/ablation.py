"""Compute what each method of an ablation contributes, paired by seed, with a verdict; summarize it in words."""

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
MOST_METHODS = 100  # a manifest that lists more is damaged: the catalogue is smaller
MOST_NAMED = 10  # methods listed in a sentence; the table lists all
Values = Mapping[int, float]  # {seed: metric}


@dataclass(frozen=True)
class Contribution:
    """The contribution of one or more methods: a contrast of arms and its verdict.

    family: `together`, `leave one out`, `alone` or `interaction`
    methods: the methods whose contribution this is
    """

    family: str
    methods: tuple[str, ...]
    verdict: Verdict

    @property
    def what(self) -> str:
        """Return the label of the contribution: `l2`, `l2 x dropout` or `all`."""
        return "all" if self.family == "together" else " x ".join(self.methods)

    @property
    def word(self) -> str:
        """Return the verdict in the words of its family: `helps` or `hurts`, for an interaction `more together`, ..."""
        return (PAIR_WORDS if self.family == "interaction" else WORDS).get(self.verdict.word, self.verdict.word)


@dataclass(frozen=True)
class Ablation:
    """The contributions of all methods of an ablation to one metric.

    everything, nothing: summaries of the arms with all methods and with none; None if the arm has no value
    step_time: {method: time of a training step with the method / without it}; {} if it was not measured
    retuned: the hyperparameter that was retuned for every arm, or None
    at_edge: arms whose best value of that hyperparameter was the smallest or the largest one tried
    missing: arms without a value of the metric
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
        """Return the contributions of one family, which share one Holm correction."""
        return [contribution for contribution in self.contributions if contribution.family == name]


def ablations(records: Sequence[Record], metric: str, delta: float) -> list[Ablation]:
    """Return the ablations whose arms are among the records.

    An ablation whose manifest cannot be read is left out; its arms are still rows of the report.
    """
    folders: dict[Path, list[Record]] = {}
    for record in records:
        folders.setdefault(record.path.parent, []).append(record)
    candidates = [_ablation(folder, arms, metric, delta) for folder, arms in folders.items()]
    return [candidate for candidate in candidates if candidate is not None]


def _ablation(folder: Path, records: Sequence[Record], metric: str, delta: float) -> Ablation | None:
    try:
        manifest = Run(folder).read_json("manifest.json") if (folder / "manifest.json").is_file() else {}
        if manifest.get("kind") != "ablation":
            return None
        methods = _names(manifest.get("methods"))
        methods_by_arm = {arm: frozenset(_names(raw)) for arm, raw in checked_mapping(manifest.get("arms")).items()}
        at_edge = _names(manifest.get("at_edge") or [])
        times = {m: checked_number(t) for m, t in checked_mapping(manifest.get("step_time") or {}).items()}
    except (RunError, ValueError):
        return None
    if len(methods) > MOST_METHODS:
        return None
    measured = {record.path.name: record.metrics.get(metric, {}) for record in records}
    values = {arm_methods: measured.get(arm, {}) for arm, arm_methods in methods_by_arm.items()}
    smaller = smaller_is_better(metric)
    return Ablation(
        name=folder.name,
        metric=metric,
        smaller_is_better=smaller,
        methods=methods,
        contributions=tuple(judge_contrasts(methods, values, smaller, delta, bounds(metric))),
        everything=_summary(values.get(frozenset(methods), {}), metric),
        nothing=_summary(values.get(frozenset(), {}), metric),
        step_time={m: time for m, time in times.items() if m in methods and time is not None and 0 < time < 1e6},
        retuned=str(manifest["retune"]) if manifest.get("retune") else None,
        at_edge=at_edge,
        missing=tuple(arm for arm, arm_methods in methods_by_arm.items() if not values[arm_methods]),
    )


def judge_contrasts(
    methods: Sequence[str],
    values: Mapping[frozenset[str], Values],
    smaller: bool,
    delta: float = 0.0,
    limits: Bounds = UNBOUNDED,
) -> list[Contribution]:
    """Return the verdict on every contrast whose arms have values, with Holm's correction within each family.

    values: {methods of an arm: {seed: metric}}
    limits: the range of the metric
    """
    contrasts = [
        (family, subset, arms) for family, subset, arms in contributions(methods) if values.keys() >= arms.keys()
    ]
    judgements = []
    for family in dict.fromkeys(family for family, _, _ in contrasts):
        subsets = [subset for kind, subset, _ in contrasts if kind == family]
        weights = [arms for kind, _, arms in contrasts if kind == family]
        # A side of an interaction sums two arms, so its values range over twice the limits of the metric.
        terms = max(sum(weight > 0 for weight in by_arm.values()) for by_arm in weights)
        sides = (terms * limits[0], terms * limits[1])
        family_verdicts = verdicts([contrast(by_arm, values) for by_arm in weights], smaller, delta, bounds=sides)
        judgements += [
            Contribution(family, subset, verdict) for subset, verdict in zip(subsets, family_verdicts, strict=True)
        ]
    return judgements


def contrast(
    weights: Mapping[frozenset[str], int], values: Mapping[frozenset[str], Values]
) -> tuple[dict[int, float], dict[int, float]]:
    """Return {seed: sum of the arms with weight +1} and {seed: sum of the arms with -1}, on the seeds of all arms."""
    seeds = sorted(set.intersection(*(set(values[arm]) for arm in weights)))

    def side(sign: int) -> dict[int, float]:
        return {seed: sum(values[arm][seed] for arm, weight in weights.items() if weight == sign) for seed in seeds}

    return side(1), side(-1)


# -- in words ---------------------------------------------------------------------------------------------------------

VERBS = {
    "helps": "help",
    "hurts": "hurt",
    "equivalent": "make no relevant difference",
    "undecided": "may help or hurt (undecided)",
}
LEADS = {
    "leave one out": "Added to the others (all methods, against all without it)",
    "alone": "Alone (against no method)",
    "interaction": "Pairs (both, against the sum of their separate effects)",
}


def answer(ablation: Ablation) -> list[str]:
    """Summarize an ablation: one sentence on all methods together, and one on each family."""
    sentences = [_together(contribution, ablation) for contribution in ablation.family("together")]
    for family, lead in LEADS.items():
        groups: dict[str, list[str]] = {}
        for contribution in ablation.family(family):
            groups.setdefault(contribution.word, []).append(_amount(contribution))
        parts = [f"{word}: {_listed(groups[word])}" for word in ORDER if word in groups]
        sentences += [f"{lead}, {'; '.join(parts)}."] if parts else []
    return sentences


def _listed(amounts: Sequence[str]) -> str:
    return ", ".join(amounts) if len(amounts) <= MOST_NAMED else f"{len(amounts)} of them"


def _together(contribution: Contribution, ablation: Ablation) -> str:
    c = contribution.verdict.comparison
    if c is None or ablation.everything is None or ablation.nothing is None:
        return "Unknown whether the methods help together: the arms with all methods and with none share no seed."
    means = (
        f"{ablation.metric} {number(ablation.everything.mean)} with them, {number(ablation.nothing.mean)} without them"
    )
    difference = f"difference {signed(c.difference)} {interval(c.interval.low, c.interval.high)}"
    evidence = f"p = {p_value(contribution.verdict.p)} over {count(c.pairs, 'seed')}"
    why = f"; {because(contribution.verdict)}" if contribution.word == "undecided" else ""
    effect = f"All {len(ablation.methods)} methods together {VERBS[contribution.word]}"
    return f"{effect}: {means}, {difference}, {evidence}{why}."


def _amount(contribution: Contribution) -> str:
    """Return a contribution in a few words: `l2 (+0.0120, about 9 more seeds)`."""
    c, more = contribution.verdict.comparison, contribution.verdict.more_seeds
    if c is None:
        return contribution.what
    seeds = f", about {count(more, 'more seed')}" if more else ""
    return f"{contribution.what} ({signed(c.difference)}{seeds})"


# -- manifest.json, checked -------------------------------------------------------------------------------------------


def _names(value: Any) -> tuple[str, ...]:
    return tuple(checked_text(name, "manifest.json: methods") for name in checked_list(value, "manifest.json: methods"))


def _summary(values: Values, metric: str) -> Summary | None:
    return summarize(list(values.values()), bounds=bounds(metric)) if values else None
