"""Read and validate metrics.jsonl: the metrics of each seed by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.core.errors import RunError
from regexp.report.records import Record
from regexp.runs import Run

GREATEST = 2**31  # exclusive bound of an epoch, a seed and a member
Lane = tuple[int, int]  # a seed, and the member of an ensemble
Table = Mapping[int, Mapping[Lane, float]]  # {epoch: {lane: value}}


@dataclass(frozen=True)
class Point:
    """The metrics of one model after one epoch.

    stage: `refit` if the model was retrained on all data, else empty
    """

    epoch: int
    seed: int
    member: int
    stage: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Curve:
    """The mean, minimum and maximum over the seeds still training, all (epochs,)."""

    epochs: np.ndarray
    mean: np.ndarray
    least: np.ndarray
    greatest: np.ndarray


def points(record: Record) -> Iterator[Point]:
    """Yield every valid line of a run's metrics.jsonl; malformed lines are ignored."""
    try:
        lines, _ = Run(record.path).metrics()
    except (RunError, RecursionError):
        return
    for line in lines:
        epoch, seed, member = _count(line.get("epoch")), _count(line.get("seed")), _count(line.get("member", 0))
        if epoch and seed is not None and member is not None:
            named = {k: v for k, v in line.items() if "/" in k and isinstance(v, float) and math.isfinite(v)}
            yield Point(epoch, seed, member, str(line.get("stage", "")), named)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < GREATEST else None


def read(records: Sequence[Record]) -> dict[str, dict[int, dict[Lane, float]]]:
    """Return {metric: {epoch: {lane: value}}} over all runs of a row, without refits, which have no validation data."""
    values_by_metric: dict[str, dict[int, dict[Lane, float]]] = {}
    for point in (point for record in records for point in points(record) if not point.stage):
        for name, value in point.values.items():
            values_by_metric.setdefault(name, {}).setdefault(point.epoch, {})[point.seed, point.member] = value
    return values_by_metric


def curve(table: Table) -> Curve:
    """Return the curve of one metric."""
    epochs = sorted(table)
    values = [list(table[epoch].values()) for epoch in epochs]
    mean, least, greatest = ([reduce(v) for v in values] for reduce in (np.mean, np.min, np.max))
    return Curve(np.asarray(epochs), np.asarray(mean), np.asarray(least), np.asarray(greatest))


def difference(first: Table, second: Table) -> dict[int, dict[Lane, float]]:
    """Return first - second, for the epochs and lanes present in both."""
    differences = {
        epoch: {lane: first[epoch][lane] - second[epoch][lane] for lane in first[epoch].keys() & second[epoch].keys()}
        for epoch in first.keys() & second
    }
    return {epoch: by_seed for epoch, by_seed in differences.items() if by_seed}
