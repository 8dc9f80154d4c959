"""metrics.jsonl of a row's runs, checked: the values of each seed, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.core.errors import RunError
from regexp.report.records import Record
from regexp.runs import Run

GREATEST = 2**31  # of an epoch, a seed, a member
Lane = tuple[int, int]  # a seed, and the member of an ensemble
Table = Mapping[int, Mapping[Lane, float]]  # {epoch: {lane: value}}


@dataclass(frozen=True)
class Point:
    """What one lane measured at the end of one epoch. stage: `refit` where it trains again on all data, else empty."""

    epoch: int
    seed: int
    member: int
    stage: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Curve:
    """Over epochs: mean, least and greatest over the seeds still training."""

    epochs: np.ndarray
    mean: np.ndarray
    least: np.ndarray
    greatest: np.ndarray


def points(record: Record) -> Iterator[Point]:
    """Every line of a run's metrics.jsonl; lines that are none of ours are passed over."""
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
    """{metric: {epoch: {lane: value}}} of all the runs of a row, without a refit: it measures nothing on validation."""
    found: dict[str, dict[int, dict[Lane, float]]] = {}
    for point in (point for record in records for point in points(record) if not point.stage):
        for name, value in point.values.items():
            found.setdefault(name, {}).setdefault(point.epoch, {})[point.seed, point.member] = value
    return found


def curve(table: Table) -> Curve:
    """The curve of one metric."""
    epochs = sorted(table)
    values = [list(table[epoch].values()) for epoch in epochs]
    mean, least, greatest = ([reduce(v) for v in values] for reduce in (np.mean, np.min, np.max))
    return Curve(np.asarray(epochs), np.asarray(mean), np.asarray(least), np.asarray(greatest))


def difference(left: Table, right: Table) -> dict[int, dict[Lane, float]]:
    """left - right, where both have the epoch and the lane."""
    found = {e: {s: left[e][s] - right[e][s] for s in left[e].keys() & right[e].keys()} for e in left.keys() & right}
    return {epoch: by_seed for epoch, by_seed in found.items() if by_seed}
