"""The contract of a dataset, and the splits: index arrays into one resident array.

load()            -> Data: everything, as read; loading.load_data prepares it for training
split(data, seed) -> Split: which rows train, validate and test
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
    test     the rows of a published test split; None: one is drawn
    extra    (n, k) float64 columns that are no inputs, for a second task (NaN: missing); None: there are none
    columns  the inputs' names, for a table; () for images
    codec    what turns another file of the same form into inputs (JSON-able); for `predict`
    source   where it was read from, for the manifest
    notes    what a user should know of how it was read
    inferred  what the file did not say and was inferred from its content, in words, with the keys that change it
    input_offset, target_offset   float64 (D,) and (outputs,), or () for none: what `loading.load_data` has subtracted
             from inputs and targets; everything on the device is relative to it, what a user reads is not
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
        """Of a model: classes, or target columns."""
        return len(self.classes) or self.targets.shape[1]

    @property
    def is_image(self) -> bool:
        return self.inputs.ndim == 4


@dataclass(frozen=True)
class Split:
    """Row numbers (int32) of the three parts; disjoint."""

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
    """Fields that every dataset has.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test where no test split is published, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}; validation and test keep their size
    """

    task: ClassVar[str | None] = None  # classification or regression, where the class alone tells
    is_image: ClassVar[bool | None] = None
    channels: ClassVar[int | None] = None  # of its images, where the class alone tells
    examples: ClassVar[int | None] = None  # without those of a published test split, where the class alone tells
    published_test: ClassVar[bool] = False

    validation: Rate = 0.15
    test: Rate = 0.2
    preprocess: tuple[Preprocessor, ...] = ()
    limit: Limit | Count | None = None

    def training_examples(self) -> int | None:
        """How many examples of this dataset train before `limit`; None where only the data tells."""
        if self.examples is None:
            return None
        rest = self.examples if self.published_test else self.examples - round(self.test * self.examples)
        return rest - round(self.validation * rest)

    def steps(self, codec: dict[str, Any]) -> tuple[Preprocessor, ...]:
        """All preprocessing: what the data itself needs (missing values), then what the config asks for."""
        return self.preprocess

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        """Inputs of another file, for prediction: .npz with an array `inputs` of the shape trained on.

        notes: is given a warning for each thing in the file that was not expected
        Raises DataError naming the file and what is wrong with it.
        """
        from regexp.datasets.arrays import check_inputs, read_array

        if not path.endswith(".npz"):
            raise DataError(f"{path}: this run predicts from an .npz file with an array `inputs`, as it was trained on")
        return check_inputs(path, read_array(path, "inputs"))

    def row_names(self, path: str) -> list[str] | None:
        """What the rows of `read_inputs` are called, where they have names of their own."""
        return None

    def load(self) -> Data:
        """Read everything. Raises DataError naming the file (and row) that is missing or damaged."""
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
