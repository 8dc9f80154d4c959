"""metrics.jsonl of a row's runs, checked: the values of each seed, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.errors import RunError
from regexp.report.records import Record
from regexp.runs import Run

LAST_EPOCH = 2**31
Lane = tuple[int, int]  # a seed, and the member of an ensemble
Table = Mapping[int, Mapping[Lane, float]]  # {epoch: {lane: value}}


@dataclass(frozen=True)
class Curve:
    """Over epochs: mean, least and greatest over the seeds still training."""

    epochs: np.ndarray
    mean: np.ndarray
    least: np.ndarray
    greatest: np.ndarray


def read(records: Sequence[Record]) -> dict[str, dict[int, dict[Lane, float]]]:
    """{metric: {epoch: {lane: value}}} of all the runs of a row; lines that are none of ours are passed over."""
    found: dict[str, dict[int, dict[Lane, float]]] = {}
    for record in records:
        try:
            lines, _ = Run(record.path).metrics()
        except (RunError, RecursionError):
            continue
        for line in lines:
            _add(found, line)
    return found


def _add(found: dict[str, dict[int, dict[Lane, float]]], line: Any) -> None:
    if not isinstance(line, dict):
        return
    epoch, seed, member = line.get("epoch"), line.get("seed"), line.get("member", 0)
    if not isinstance(epoch, int) or not isinstance(seed, int) or not isinstance(member, int):
        return
    if not 0 < epoch < LAST_EPOCH:
        return
    if "stage" in line:  # trained anew on training and validation data: nothing is measured on validation
        return
    for name, value in line.items():
        if "/" in name and isinstance(value, float) and math.isfinite(value):
            found.setdefault(name, {}).setdefault(epoch, {})[seed, member] = value


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
