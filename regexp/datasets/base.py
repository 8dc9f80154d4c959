"""The contract of a dataset. Splits are arrays of row numbers, so all seeds share one copy of the data.

load()            -> Data: everything, as read; loading.load_data prepares it for training
split(data, seed) -> Split: the rows for training, validation and test; see splits.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from regexp.core.component import Catalogue, Component, Count, Rate, component
from regexp.core.errors import DataError
from regexp.preprocessing.base import Preprocessor


@dataclass(frozen=True)
class Data:
    """A dataset in memory.

    inputs   (n, H, W, C) uint8 or float32 in [0, 1], or (n, D) float64 or float32 (NaN: missing)
    targets  (n,) int32 class numbers, or (n, outputs) float64
    classes  the classes' names in the order of their numbers; () for regression
    test     the rows of a published test split; None if one is drawn
    extra    (n, k) float64 targets of a second task, which are not inputs (NaN: missing); None if there are none
    columns  the names of a table's inputs; () for images
    codec    the encoding of the inputs as JSON, with which `predict` encodes another file of the same form
    source   the file or folder that was read, for the manifest
    notes    warnings about how the data was read
    inferred  sentences about what was inferred from the content of the file, with the keys that change it
    input_offset, target_offset   float64 (D,) and (outputs,), or () for none: the offsets that `loading.load_data`
             subtracted from inputs and targets; values on the device are relative to them, values in reports are not
    """

    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...] = ()
    test: np.ndarray | None = None
    extra: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    codec: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()
    input_offset: np.ndarray = field(default_factory=lambda: np.zeros(()))
    target_offset: np.ndarray = field(default_factory=lambda: np.zeros(()))

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return "classification" if self.classes else "regression"

    @property
    def outputs(self) -> int:
        """The number of a model's outputs: classes, or target columns."""
        return len(self.classes) or self.targets.shape[1]

    @property
    def is_image(self) -> bool:
        """Whether the inputs are images."""
        return self.inputs.ndim == 4


@dataclass(frozen=True)
class Split:
    """The row numbers (int32) of the three disjoint parts."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@component
class Limit(Component):
    """Train on the first n examples of the training split, or on n in equal parts by class."""

    n: Count
    by: Literal["order", "class"] = "order"


@component
class Dataset(Component):
    """The base class of all datasets, with the fields that every dataset has.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test if no test split is published, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}; validation and test keep their size
    """

    # Facts that are known before the data is loaded; None if only the data shows them.
    task: ClassVar[str | None] = None  # classification or regression
    is_image: ClassVar[bool | None] = None
    channels: ClassVar[int | None] = None  # of its images
    examples: ClassVar[int | None] = None  # without those of a published test split
    published_test: ClassVar[bool] = False

    validation: Rate = 0.15
    test: Rate = 0.2
    preprocess: tuple[Preprocessor, ...] = ()
    limit: Limit | Count | None = None

    def training_examples(self) -> int | None:
        """Return the size of the training split before `limit`; None if only the data shows it."""
        if self.examples is None:
            return None
        rest = self.examples if self.published_test else self.examples - round(self.test * self.examples)
        return rest - round(self.validation * rest)

    def steps(self, codec: dict[str, Any]) -> tuple[Preprocessor, ...]:
        """Return all preprocessing steps: those that the data needs (imputation), then those of the config."""
        return self.preprocess

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        """Read the inputs of another file, for prediction: an .npz file with an array `inputs` of the trained shape.

        notes: a list to which warnings about the content of the file are appended

        Raises DataError that names the file and the problem.
        """
        from regexp.datasets.arrays import check_inputs, read_array

        if not path.endswith(".npz"):
            raise DataError(f"{path}: this run predicts from an .npz file with an array `inputs`, as it was trained on")
        return check_inputs(path, read_array(path, "inputs"))

    def row_names(self, path: str) -> list[str] | None:
        """Return the names of the rows of `read_inputs`, such as file names; None if they have none."""
        return None

    def load(self) -> Data:
        """Read all examples. Raises DataError that names the file (and row) that is missing or damaged."""
        raise TypeError(f"{type(self).__name__} defines no load")


CATALOGUE: Catalogue[Dataset] = Catalogue(
    "dataset",
    "regexp.datasets",
    "digits",
    "breast_cancer",
    "wine",
    "diabetes",
    "china_flower",
    "mnist",
    "fashion_mnist",
    "npz",
    "csv",
    "image_folder",
)
