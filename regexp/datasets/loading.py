"""Load a dataset for training, with columns relative to an offset if float32 cannot resolve their values.

The device holds tables in float32, whose step at 1.7e9 is 128: 60 UNIX times, one second apart, become a single value.
So a column whose step is a noticeable share of its spread is stored relative to its mean, in float64 on the host and in
float32 on the device. Preprocessing that removes offsets (standardize, minmax, ...) gives the same result; if no step
removes them, the column stays unchanged and a note reports the lost digits. Regression targets are always standardized,
so they are stored relative to their mean wherever that matters.
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

RESOLVED = 1e-5  # step of float32 over standard deviation up to which a column is stored unchanged
LOST = 1e-3  # the same ratio above which a note warns if no step removes the offset
MOST_COLUMNS_NAMED = 5
BLOCK = 64  # columns whose statistics are computed at a time, to avoid a copy of a large table


def load_data(dataset: Dataset) -> Data:
    """Load a dataset, with values relative to `Data.input_offset` and `Data.target_offset`.

    Raises DataError that names the file (and row) that is missing or damaged.
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
    """Return the dataset with `~` in its paths expanded.

    Raises DataError for a path with a variable, which a config does not expand, unless a file has exactly that name.
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
    """Return the ratio (D,) of float32's step at each column's largest magnitude to its standard deviation.

    0 for a column that is constant or has no values.

    values: (n, D), NaN for missing values
    """
    shares = np.zeros(values.shape[1])
    for begin in range(0, values.shape[1], BLOCK):
        block = np.ma.masked_invalid(values[:, begin : begin + BLOCK].astype(np.float64))
        largest, spread = (x.filled(0.0) for x in (np.ma.abs(block).max(0), block.std(0)))
        varies = spread > 1e-14 * largest  # rounding gives a large constant a small standard deviation
        step = np.spacing(largest.astype(np.float32)).astype(np.float64)
        shares[begin : begin + BLOCK] = np.divide(step, spread, out=np.zeros_like(spread), where=varies)
    return shares


def _column_means(values: np.ndarray) -> np.ndarray:
    """Return the means (D,) over the values that are not missing."""
    blocks = [values[:, begin : begin + BLOCK] for begin in range(0, values.shape[1], BLOCK)]
    means = [np.ma.masked_invalid(block.astype(np.float64)).mean(0).filled(0.0) for block in blocks]
    return np.concatenate(means)


def removes_offset(steps: Sequence[Preprocessor]) -> bool:
    """Return whether the result of preprocessing is unchanged when a constant is added to a column."""
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
