"""Rows -> a Report: a summary of each, verdicts against a baseline, several data sets together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from regexp.core.errors import RunError, UsageError
from regexp.metrics import bounds, smaller_is_better
from regexp.report.ablation import Ablation, ablations
from regexp.report.collect import Skipped
from regexp.report.predictions import classified
from regexp.report.records import Record
from regexp.report.rows import OFF, Row, cell, differing, group
from regexp.report.searches import Search, searches
from regexp.statistics import Aggregate, McNemar, Summary, Verdict, iqm, mcnemar, mean_ranks, summarize, wilcoxon_holm
from regexp.statistics import verdicts as judge

# The first that was measured is compared: without a test split the validation's, without that the training's.
PREFERRED = tuple(f"{part}/{name}" for part in ("test", "validation", "train") for name in ("accuracy", "rmse", "loss"))


@dataclass(frozen=True)
class Line:
    """A row of the report.

    verdict: None for a baseline and where there is none
    models: McNemar, where the row and the baseline are single runs of one seed
    """

    row: Row
    summary: Summary | None
    is_baseline: bool = False
    verdict: Verdict | None = None
    models: McNemar | None = None


@dataclass(frozen=True)
class Datasets:
    """Methods that were measured on every data set.

    means: (data sets, methods); p: Holm's, of Wilcoxon's test against the baseline's column, NaN without one
    """

    names: tuple[str, ...]
    methods: tuple[str, ...]
    means: np.ndarray
    ranks: np.ndarray
    p: np.ndarray
    aggregates: tuple[Aggregate, ...]


@dataclass(frozen=True)
class Report:
    """Everything that any format shows.

    assumed_baseline: whether the baseline was not named: of two settings that differ in one method, the one without it
    """

    metric: str
    smaller_is_better: bool
    chosen: tuple[str, ...]
    delta: float
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    baseline: str | None
    assumed_baseline: bool
    datasets: Datasets | None
    skipped: tuple[Skipped, ...]
    searches: tuple[Search, ...] = ()
    ablations: tuple[Ablation, ...] = ()

    @cached_property
    def names_data(self) -> bool:
        """Whether the rows are of several data sets and no config column says which."""
        return "dataset.name" not in self.columns and len({line.row.data for line in self.lines}) > 1


def build(
    records: Sequence[Record],
    skipped: Sequence[Skipped] = (),
    metric: str | None = None,
    baseline: str | None = None,
    keys: Sequence[str] = (),
    delta: float = 0.0,
    first: str | None = None,
) -> Report:
    """The report. Raises UsageError for a metric, key or baseline that is not there.

    first: where there is no baseline, the run whose row leads the table and the charts
    """
    metric = _metric(records, metric)
    rows = group(records, keys)
    base, leader = _baseline(rows, baseline), _baseline(rows, baseline or first)
    assumed = base is None and first is None and (base := without_switch(rows)) is not None
    leader = leader or base
    smaller = smaller_is_better(metric)
    lines = _judged(_ordered([_line(row, metric) for row in rows], leader, smaller), base, metric, smaller, delta)
    return Report(
        metric=metric,
        smaller_is_better=smaller,
        chosen=tuple(sorted({record.chosen for record in records if metric in record.metrics})),
        delta=delta,
        keys=tuple(keys),
        columns=tuple(differing(rows)),
        lines=tuple(lines),
        baseline=base.name if base else None,
        assumed_baseline=assumed,
        datasets=_datasets(lines, metric, smaller),
        skipped=tuple(skipped),
        searches=tuple(searches(records)),
        ablations=tuple(ablations(records, metric, delta)),
    )


def _metric(records: Sequence[Record], metric: str | None) -> str:
    there = sorted({name for record in records for name in record.metrics})
    if metric is None:
        return next((name for name in PREFERRED if name in there), PREFERRED[0])
    if metric not in there:
        raise UsageError(f"no run has the metric {metric!r}; there are {', '.join(there) or 'none'}")
    return metric


def _baseline(rows: Sequence[Row], name: str | None) -> Row | None:
    if name is None:
        return None
    for row in rows:
        if any(name in (record.name, str(record.path)) for record in row.records):
            return row
    raise UsageError(f"--baseline {name}: not among the runs of this report")


def without_switch(rows: Sequence[Row]) -> Row | None:
    """The row with a method off, where the rows are two settings that differ in this method alone; else None."""
    by_method = {row.method: row for row in rows}
    columns = differing(rows)
    methods = {".".join(column.split(".")[:2]) for column in columns}
    if len(by_method) != 2 or len(methods) != 1 or not columns[0].startswith("regularizers."):
        return None
    (method,) = methods
    off = [row for row in by_method.values() if cell(row, method) == OFF]
    return off[0] if len(off) == 1 else None


def _line(row: Row, metric: str) -> Line:
    values = row.values(metric)
    return Line(row, summarize(list(values.values()), bounds=bounds(metric)) if values else None)


def _ordered(lines: Sequence[Line], base: Row | None, smaller: bool) -> list[Line]:
    """By data set, the baseline's first; in it the baseline first, then the best mean; what has no value last."""
    measured = {line.row.data for line in lines if line.summary}

    def place(line: Line) -> tuple[Any, ...]:
        mean = line.summary.mean if line.summary else 0.0
        first = base is None or line.row.method != base.method
        elsewhere = base is not None and line.row.data != base.data
        return (
            elsewhere,
            line.row.data not in measured,
            line.row.data,
            first,
            line.summary is None,
            mean if smaller else -mean,
            line.row.name,
        )

    return sorted(lines, key=place)


def _judged(lines: list[Line], base: Row | None, metric: str, smaller: bool, delta: float) -> list[Line]:
    """Against the baseline's setting on the same data."""
    if base is None:
        return lines
    bases = {line.row.data: line.row for line in lines if line.row.method == base.method}
    asked = [line for line in lines if line.row.data in bases and line.row.method != base.method]
    pairs = [(line.row.values(metric), bases[line.row.data].values(metric)) for line in asked]
    found = dict(zip(map(id, asked), judge(pairs, smaller, delta, bounds=bounds(metric)), strict=True))
    return [
        Line(
            line.row,
            line.summary,
            line.row.method == base.method,
            found.get(id(line)),
            _models(line.row, bases[line.row.data]) if id(line) in found else None,
        )
        for line in lines
    ]


def _models(row: Row, base: Row) -> McNemar | None:
    """McNemar of two single runs of one and the same seed; None where they are not or nothing is stored."""
    if [len(r.records) for r in (row, base)] != [1, 1] or len(base.records[0].seeds) != 1:
        return None
    if row.records[0].seeds != base.records[0].seeds:
        return None
    try:
        first, second = (next(iter(classified(r.records[0]).values()), None) for r in (row, base))
    except RunError:
        return None
    if first is None or second is None or not np.array_equal(first.rows, second.rows):
        return None
    return mcnemar(first.predicted == first.labels, second.predicted == second.labels)


def always_shown(line: Line) -> bool:
    """Whether a row is the baseline or an ablation's arm with all methods or with none."""
    return line.is_baseline or any(record.path.name in ("all", "none") for record in line.row.records)


def drawn(lines: Sequence[Line], most: int) -> list[Line]:
    """Return the rows that a chart shows: the first ones, and always the baseline and the ends of an ablation."""
    always = sorted(filter(always_shown, lines), key=lambda line: not line.is_baseline)[:most]
    first = [line for line in lines if line not in always][: max(0, most - len(always))]
    kept = {id(line) for line in [*always, *first]}
    return [line for line in lines if id(line) in kept]


def _method(by_data: Mapping[tuple[str, str], Line]) -> str:
    """What the names of its rows share besides the data set's, `l2` of digits-l2 and wine-l2; else the first."""
    names = [line.row.records[0].name for line in by_data.values()]
    rest = {name.replace(data, "").strip("-_/. ") for name, (data, _) in zip(names, by_data, strict=True) if data}
    return rest.pop() if len(rest) == 1 and rest != {""} else names[0]


def _datasets(lines: Sequence[Line], metric: str, smaller: bool) -> Datasets | None:
    """The methods measured on all of two or more data sets, where there are two or more such methods."""
    names = list(dict.fromkeys(line.row.data for line in lines if line.summary))
    found: dict[str, dict[tuple[str, str], Line]] = {}
    for line in lines:
        if line.summary:
            found.setdefault(line.row.method, {})[line.row.data] = line
    methods = [by_data for by_data in found.values() if len(by_data) == len(names)]
    if len(names) < 2 or len(methods) < 2:
        return None
    values = [[list(by_data[name].row.values(metric).values()) for name in names] for by_data in methods]
    means = np.asarray([[np.mean(own) for own in by_method] for by_method in values]).T
    base = next((i for i, by_data in enumerate(methods) if by_data[names[0]].is_baseline), None)
    return Datasets(
        names=tuple(name for name, _ in names),
        methods=tuple(_method(by_data) for by_data in methods),
        means=means,
        ranks=mean_ranks(means, smaller),
        p=np.full(len(methods), np.nan) if base is None else wilcoxon_holm(means, base),
        aggregates=tuple(iqm(by_method) for by_method in values),
    )
