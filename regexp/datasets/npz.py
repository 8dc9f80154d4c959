"""Arrays of your own, from a .npz file."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from regexp.core.component import Share, component, static
from regexp.core.errors import DataError
from regexp.datasets.arrays import Archive, check_finite, check_inputs, read_array
from regexp.datasets.base import Data, Dataset


@component
class NPZ(Dataset):
    """Arrays from a .npz file: images (n, H, W, C) or (n, H, W), uint8 or floats in [0, 1]; or a table (n, D).

    path: the file
    inputs: name of the array of inputs
    targets: name of the array of targets: (n,) whole numbers for classes, floats (n,) or (n, outputs) for regression
    test_inputs, test_targets: names of the arrays of a published test split, if the file has them
    kind: auto (by the type of the targets), classification or regression
    memory_share: share of this machine's memory that these arrays may take, (0, 1]; no other array is read
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test if the file has no test split, [0, 1)
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
    memory_share: Share = static(default=0.1)

    def load(self) -> Data:
        published = (self.test_inputs, self.test_targets)
        with Archive(self.path, "dataset.path") as archive:
            self._check_names(archive, "inputs", "targets")
            if published != ("test_inputs", "test_targets") or not set(published).isdisjoint(archive.names):
                self._check_names(archive, "test_inputs", "test_targets")
            arrays = archive.read([self.inputs, self.targets, *published], self.memory_share)
        inputs, targets = self._pair(arrays, "inputs", "targets")
        test = None
        if self.test_inputs in arrays:
            test_inputs, test_targets = self._pair(arrays, "test_inputs", "test_targets")
            if test_inputs.shape[1:] != inputs.shape[1:] or test_targets.shape[1:] != targets.shape[1:]:
                raise DataError(f"{self.path}: train and test inputs, or targets, differ in shape")
            test = np.arange(len(inputs), len(inputs) + len(test_inputs), dtype=np.int32)
            inputs, targets = np.concatenate([inputs, test_inputs]), np.concatenate([targets, test_targets])
        inputs = check_inputs(self.path, inputs)
        encoded, classes = self._encode(targets)
        return Data(
            inputs=inputs,
            targets=encoded,
            classes=classes,
            test=test,
            source=self.path,
        )

    def _check_names(self, archive: Archive, *fields: str) -> None:
        for field in fields:
            if (name := getattr(self, field)) not in archive.names:
                message = f"{self.path}: has no array {name!r}, only {', '.join(sorted(archive.names))}"
                raise DataError(message, f"dataset.{field}")

    def _pair(self, arrays: dict[str, np.ndarray], *fields: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs and targets that the two fields name. Raises DataError if their lengths differ."""
        names = [getattr(self, field) for field in fields]
        for name in names:
            if not arrays[name].ndim:
                raise DataError(f"{self.path}: {name!r} is a single number, not one for each example")
        inputs, targets = (arrays[name] for name in names)
        if len(inputs) != len(targets):
            raise DataError(f"{self.path}: {len(inputs)} {names[0]} but {len(targets)} {names[1]}")
        return inputs, targets

    def _encode(self, targets: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the targets as class numbers with the classes' names, or as float64 (n, outputs) without names."""
        is_whole = targets.dtype.kind in "iub" and targets.ndim == 1
        if self.kind == "classification" or (self.kind == "auto" and (is_whole or targets.dtype.kind in "US")):
            if targets.ndim != 1:
                raise DataError(f"{self.path}: classes must be (n,), got {targets.shape}")
            if targets.dtype.kind not in "US" and not np.all(np.isfinite(targets)):
                raise DataError(f"{self.path}: targets hold NaN or infinity")
            names, numbers = np.unique(targets, return_inverse=True)
            if len(names) < 2:
                raise DataError(f"{self.path}: all targets are {names[0]!s}; a classification needs two classes")
            return numbers.astype(np.int32), tuple(str(name) for name in names)
        if targets.dtype.kind not in "uifb":
            raise DataError(f"{self.path}: targets are {targets.dtype}, not numbers")
        check_finite(self.path, "targets", targets)
        return targets.astype(np.float64).reshape(len(targets), -1), ()

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        return check_inputs(path, read_array(path, self.inputs, self.memory_share))
