"""Build a Report from rows: a summary of each, verdicts against a baseline, a comparison across datasets."""

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

# The default metric is the first of these that was measured: on test, else on validation, else on training data.
PREFERRED = tuple(f"{part}/{name}" for part in ("test", "validation", "train") for name in ("accuracy", "rmse", "loss"))


@dataclass(frozen=True)
class Line:
    """A row of the report with its statistics.

    verdict: against the baseline; None for the baseline itself and in a report without one
    models: McNemar's test, if the row and the baseline are single runs of the same seed
    """

    row: Row
    summary: Summary | None
    is_baseline: bool = False
    verdict: Verdict | None = None
    models: McNemar | None = None


@dataclass(frozen=True)
class Datasets:
    """The methods that were measured on every dataset.

    means: (datasets, methods)
    p: (methods,) Holm-adjusted p of Wilcoxon's test against the baseline; NaN for the baseline or without one
    """

    names: tuple[str, ...]
    methods: tuple[str, ...]
    means: np.ndarray
    ranks: np.ndarray
    p: np.ndarray
    aggregates: tuple[Aggregate, ...]


@dataclass(frozen=True)
class Report:
    """Everything a report shows, independent of the format.

    chosen: how the epoch was selected at which the metric is reported
    delta: the equivalence margin; 0 for none
    keys: the config keys of --group-by
    columns: the config keys shown as columns
    assumed_baseline: whether the user named no baseline, and the setting without the one differing method became it
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
        """Whether the rows span several datasets and no config column names them."""
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
    """Build the report. Raises UsageError for an unknown metric, key or baseline.

    first: in a report without a baseline, the run whose row comes first in the table and the charts
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
    available = sorted({name for record in records for name in record.metrics})
    if metric is None:
        return next((name for name in PREFERRED if name in available), PREFERRED[0])
    if metric not in available:
        raise UsageError(f"no run has the metric {metric!r}; available: {', '.join(available) or 'none'}")
    return metric


def _baseline(rows: Sequence[Row], name: str | None) -> Row | None:
    if name is None:
        return None
    for row in rows:
        if any(name in (record.name, str(record.path)) for record in row.records):
            return row
    raise UsageError(f"--baseline {name}: no run of this report has this name")


def without_switch(rows: Sequence[Row]) -> Row | None:
    """Return the row without the method if the rows are two settings that differ in one method only; else None."""
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
    """Sort by dataset, the baseline's first; then the baseline, then by mean, best first; rows without values last."""
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
    """Compare every row with the baseline's setting on the same data; rows without such a baseline get no verdict."""
    if base is None:
        return lines
    bases = {line.row.data: line.row for line in lines if line.row.method == base.method}
    compared = [line for line in lines if line.row.data in bases and line.row.method != base.method]
    pairs = [(line.row.values(metric), bases[line.row.data].values(metric)) for line in compared]
    verdict_by_line = dict(zip(map(id, compared), judge(pairs, smaller, delta, bounds=bounds(metric)), strict=True))
    return [
        Line(
            line.row,
            line.summary,
            line.row.method == base.method,
            verdict_by_line.get(id(line)),
            _models(line.row, bases[line.row.data]) if id(line) in verdict_by_line else None,
        )
        for line in lines
    ]


def _models(row: Row, base: Row) -> McNemar | None:
    """Return McNemar's test of two single runs of one seed; None for other rows, or if predictions are not stored."""
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
    """Whether charts always include a row: the baseline, and the arms of an ablation with all methods and with none."""
    return line.is_baseline or any(record.path.name in ("all", "none") for record in line.row.records)


def drawn(lines: Sequence[Line], most: int) -> list[Line]:
    """Return the rows a chart shows: those of `always_shown`, then the first others, at most `most`, in table order."""
    always = sorted(filter(always_shown, lines), key=lambda line: not line.is_baseline)[:most]
    first = [line for line in lines if line not in always][: max(0, most - len(always))]
    shown = {id(line) for line in [*always, *first]}
    return [line for line in lines if id(line) in shown]


def _method(by_data: Mapping[tuple[str, str], Line]) -> str:
    """Return what the run names share apart from the dataset: `l2` for digits-l2 and wine-l2; else the first name."""
    names = [line.row.records[0].name for line in by_data.values()]
    rest = {name.replace(data, "").strip("-_/. ") for name, (data, _) in zip(names, by_data, strict=True) if data}
    return rest.pop() if len(rest) == 1 and rest != {""} else names[0]


def _datasets(lines: Sequence[Line], metric: str, smaller: bool) -> Datasets | None:
    """Compare the methods measured on every dataset; None with fewer than two datasets or two such methods."""
    names = list(dict.fromkeys(line.row.data for line in lines if line.summary))
    lines_by_method: dict[str, dict[tuple[str, str], Line]] = {}
    for line in lines:
        if line.summary:
            lines_by_method.setdefault(line.row.method, {})[line.row.data] = line
    methods = [by_data for by_data in lines_by_method.values() if len(by_data) == len(names)]
    if len(names) < 2 or len(methods) < 2:
        return None
    values = [[list(by_data[name].row.values(metric).values()) for name in names] for by_data in methods]
    means = np.asarray([[np.mean(seed_values) for seed_values in by_method] for by_method in values]).T
    base = next((i for i, by_data in enumerate(methods) if by_data[names[0]].is_baseline), None)
    return Datasets(
        names=tuple(name for name, _ in names),
        methods=tuple(_method(by_data) for by_data in methods),
        means=means,
        ranks=mean_ranks(means, smaller),
        p=np.full(len(methods), np.nan) if base is None else wilcoxon_holm(means, base),
        aggregates=tuple(iqm(by_method) for by_method in values),
    )
