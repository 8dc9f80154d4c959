"""Load a data set for training: as float64 on the host, relative to an offset that float32 can resolve.

The device holds tables in float32, whose step at 1.7e9 is 128: of 60 UNIX times, one a second, it keeps a single value.
So a column whose step is a noticeable share of its spread is stored relative to its mean, in float64 on the host and in
float32 on the device. Preprocessing that removes offsets (standardize, minmax, ...) gives the same result; if no
step removes it, the column stays as it is and a note says what float32 loses. Regression targets are standardized in
any case, so they are stored relative to their mean wherever that matters.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.base import Data, Dataset
from regexp.preprocessing.base import Preprocessor

RESOLVED = 1e-5  # step of float32 over standard deviation, up to which a column is stored as it is
LOST = 1e-3  # and above which a note warns where nothing removes the offset
MOST_COLUMNS_NAMED = 5
BLOCK = 64  # columns whose statistics are taken at a time, so that no copy of a large table is made


def load_data(dataset: Dataset) -> Data:
    """Everything the dataset holds, stored relative to `Data.input_offset` and `Data.target_offset`.

    Raises DataError naming the file (and row) that is missing or damaged.
    """
    data = located(dataset).load()
    steps = coarseness(data.inputs) if data.inputs.ndim == 2 else np.zeros(0)
    inputs = data.inputs
    input_offset = target_offset = np.zeros(())
    notes: tuple[str, ...] = ()
    if np.any(steps > RESOLVED):
        if removes_offset(dataset.steps(data.codec)):
            input_offset = np.where(steps > RESOLVED, _column_means(inputs), 0.0)
            inputs = inputs.astype(np.float64)
            inputs -= input_offset
        else:
            notes = _notes_of_lost_digits(data, steps)
    targets = data.targets
    if data.task == "regression":
        steps = coarseness(targets)
        if np.any(steps > RESOLVED):
            target_offset = np.where(steps > RESOLVED, _column_means(targets), 0.0)
            targets = targets - target_offset
    return replace(
        data,
        inputs=inputs,
        targets=targets,
        input_offset=input_offset,
        target_offset=target_offset,
        notes=data.notes + notes,
    )


def located(dataset: Dataset) -> Dataset:
    """The dataset with `~` in its paths expanded.

    Raises DataError for a path with a variable, which no config expands, unless a file has that very name.
    """
    changes = {}
    for field in ("path", "test_path"):
        path = getattr(dataset, field, None)
        if path is None:
            continue
        changes[field] = os.path.expanduser(path)
        if "$" in path and not os.path.exists(changes[field]):
            raise DataError(
                f"{path}: no such file; a config does not expand variables such as $HOME: write the path out, or give "
                f"it on the command line, where the shell expands it: --set dataset.{field}=...",
                f"dataset.{field}",
            )
    return replace(cast("Any", dataset), **changes) if changes else dataset


def coarseness(values: np.ndarray) -> np.ndarray:
    """(D,) the step of float32 at each column's largest magnitude, over the column's standard deviation.

    values: (n, D), NaN where missing. 0 for columns that are constant or missing throughout.
    """
    shares = np.zeros(values.shape[1])
    for begin in range(0, values.shape[1], BLOCK):
        block = np.ma.masked_invalid(values[:, begin : begin + BLOCK].astype(np.float64))
        largest, spread = (x.filled(0.0) for x in (np.ma.abs(block).max(0), block.std(0)))
        varies = spread > 1e-14 * largest
        step = np.spacing(largest.astype(np.float32)).astype(np.float64)
        shares[begin : begin + BLOCK] = np.divide(step, spread, out=np.zeros_like(spread), where=varies)
    return shares


def _column_means(values: np.ndarray) -> np.ndarray:
    """(D,) over the values that are not missing."""
    blocks = [values[:, begin : begin + BLOCK] for begin in range(0, values.shape[1], BLOCK)]
    means = [np.ma.masked_invalid(block.astype(np.float64)).mean(0).filled(0.0) for block in blocks]
    return np.concatenate(means)


def removes_offset(steps: Sequence[Preprocessor]) -> bool:
    """Whether preprocessing gives the same result when a constant is added to a column."""
    deciding = next((step for step in steps if not step.passes_offset), None)
    return deciding is not None and deciding.removes_offset


def _notes_of_lost_digits(data: Data, steps: np.ndarray) -> tuple[str, ...]:
    lost = np.flatnonzero(steps > LOST)
    notes = [
        f"{_name(data, column)}: one step of float32 is {steps[column]:.2g} of the column's standard deviation, so "
        "most of its digits are lost; dataset.preprocess: [standardize] subtracts the mean before rounding"
        for column in lost[:MOST_COLUMNS_NAMED]
    ]
    if len(lost) > MOST_COLUMNS_NAMED:
        notes.append(f"{data.source}: {len(lost) - MOST_COLUMNS_NAMED} more columns lose digits in the same way")
    return tuple(notes)


def _name(data: Data, column: int) -> str:
    label = repr(data.columns[column]) if data.columns else str(column)
    return f"{data.source}: column {label}"
