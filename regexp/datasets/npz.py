"""Arrays of your own, from a .npz file."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from regexp.component import component
from regexp.datasets.arrays import read_arrays
from regexp.datasets.base import Data, Dataset
from regexp.errors import DataError


@component
class NPZ(Dataset):
    """Arrays from a .npz file: images (n, H, W, C) or (n, H, W), uint8 or floats in [0, 1]; or a table (n, D).

    path: the file
    inputs: name of the array of inputs
    targets: name of the array of targets: (n,) whole numbers for classes, floats (n,) or (n, outputs) for regression
    test_inputs, test_targets: names of a published test split; used where both are in the file
    kind: auto (by the type of the targets), classification or regression
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test where the file has no test split, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Pickled objects are refused.
    """

    path: str
    inputs: str = "inputs"
    targets: str = "targets"
    test_inputs: str = "test_inputs"
    test_targets: str = "test_targets"
    kind: Literal["auto", "classification", "regression"] = "auto"

    def load(self) -> Data:
        arrays = read_arrays(self.path)
        for name in (self.inputs, self.targets):
            if name not in arrays:
                raise DataError(f"{self.path}: has no array {name!r}, only {', '.join(sorted(arrays))}")
        inputs, targets = arrays[self.inputs], arrays[self.targets]
        test = None
        if self.test_inputs in arrays and self.test_targets in arrays:
            test = np.arange(len(inputs), len(inputs) + len(arrays[self.test_inputs]), dtype=np.int32)
            if arrays[self.test_inputs].shape[1:] != inputs.shape[1:]:
                raise DataError(f"{self.path}: train and test inputs differ in shape")
            inputs = np.concatenate([inputs, arrays[self.test_inputs]])
            targets = np.concatenate([targets, arrays[self.test_targets]])
        if len(inputs) != len(targets):
            raise DataError(f"{self.path}: {len(inputs)} inputs but {len(targets)} targets")
        encoded, classes = self._encode(targets)
        return Data(
            inputs=check_inputs(self.path, inputs),
            targets=encoded,
            classes=classes,
            test=test,
            source=self.path,
        )

    def _encode(self, targets: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        whole = targets.dtype.kind in "iub" and targets.ndim == 1
        if self.kind == "classification" or (self.kind == "auto" and (whole or targets.dtype.kind in "US")):
            if targets.ndim != 1:
                raise DataError(f"{self.path}: classes must be (n,), got {targets.shape}")
            names, numbers = np.unique(targets, return_inverse=True)
            return numbers.astype(np.int32), tuple(str(name) for name in names)
        values = targets.astype(np.float32).reshape(len(targets), -1)
        if not np.all(np.isfinite(values)):
            raise DataError(f"{self.path}: targets hold NaN or infinity")
        return values, ()

    def read_inputs(self, path: str, codec: dict[str, Any]) -> np.ndarray:
        arrays = read_arrays(path)
        if self.inputs not in arrays:
            raise DataError(f"{path}: has no array {self.inputs!r}, only {', '.join(sorted(arrays))}")
        return check_inputs(path, arrays[self.inputs])


def check_inputs(path: str, inputs: np.ndarray) -> np.ndarray:
    """Images (n, H, W, C) uint8 or float32 in [0, 1], or a table (n, D) float32. Raises DataError."""
    if inputs.dtype.kind not in "uifb":
        raise DataError(f"{path}: inputs are {inputs.dtype}, not numbers")
    if inputs.ndim == 3:
        inputs = inputs[..., None]
    if inputs.ndim not in (2, 4) or 0 in inputs.shape:
        raise DataError(f"{path}: inputs must be (n, H, W, C), (n, H, W) or (n, D), got {inputs.shape}")
    if inputs.ndim == 4 and inputs.dtype == np.uint8:
        return inputs
    values = inputs.astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise DataError(f"{path}: inputs hold NaN or infinity")
    if inputs.ndim == 4 and (values.min() < 0 or values.max() > 1):
        raise DataError(f"{path}: images must be uint8 or lie in [0, 1], got {values.min():g} to {values.max():g}")
    return values
