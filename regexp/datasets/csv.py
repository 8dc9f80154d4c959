"""A table of your own, from a .csv file."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from regexp.component import component
from regexp.datasets.base import Data, Dataset
from regexp.datasets.codec import Codec
from regexp.datasets.table import Table, number, read_table
from regexp.errors import DataError
from regexp.preprocessing.base import Preprocessor
from regexp.preprocessing.impute import Impute


@component
class CSV(Dataset):
    """A table from a .csv file: numbers as they are, text one-hot, missing values imputed with an indicator.

    A column is a number where every value in it that is not missing is one; of one that holds both a run warns. Missing
    are empty cells, ?, NA, N/A, nan, null and None. Means and the categories known are those of the training split.

    path: the file, relative to the working folder
    test_path: a second file of the same form whose rows are the test split
    target: the column to predict, by name or by number (0 is the first, -1 the last)
    extra: names of numeric columns that are no inputs but targets of the regularizer `auxiliary`; cells may be missing
    header: auto (default: a first row without a number is one), true or false
    delimiter: between cells
    kind: auto (text, or whole numbers of at most 20 kinds: classification), classification or regression
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test where there is no test_path, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many
    """

    is_image = False
    path: str
    test_path: str | None = None
    target: str | int = -1
    extra: tuple[str, ...] = ()
    header: bool | Literal["auto"] = "auto"
    delimiter: str = ","
    kind: Literal["auto", "classification", "regression"] = "auto"

    def load(self) -> Data:
        table = read_table(self.path, self.delimiter, self.header, key="dataset.path")
        test = None
        if self.test_path is not None:
            more = read_table(self.test_path, self.delimiter, self.header, key="dataset.test_path")
            test = np.arange(len(table.rows), len(table.rows) + len(more.rows), dtype=np.int32)
            table = table.joined(more)
        column = table.index(self.target, "dataset.target")
        extra = extra_columns(table, column, self.extra)
        codec = Codec.fit(table, column, self.extra)
        targets, classes = encode_targets(table, column, self.kind)
        if classes and test is not None:
            self._check_test_classes(table, targets, classes, test)
        return Data(
            inputs=codec.encode(table),
            targets=targets,
            classes=classes,
            test=test,
            extra=extra,
            columns=codec.names(),
            codec=codec.to_json(),
            source=self.path,
            notes=self._notes(table, codec, classes),
        )

    def _notes(self, table: Table, codec: Codec, classes: tuple[str, ...]) -> tuple[str, ...]:
        """A warning for each column of text that holds numbers, too."""
        coded = {name: "categories" for name, kinds in codec.columns if kinds is not None}
        if classes:
            coded[codec.target] = "classes"
        found = ((table.mixture(name), kinds) for name, kinds in coded.items())
        return tuple(f"{odd}; all its values are taken as {kinds}" for odd, kinds in found if odd)

    def steps(self, codec: dict[str, Any]) -> tuple[Preprocessor, ...]:
        known = Codec.from_json(codec)
        missing, categories = known.missing(), known.categories()
        imputed = (Impute(missing=missing, categories=categories),) if missing or categories else ()
        return imputed + self.preprocess

    def read_inputs(self, path: str, codec: dict[str, Any]) -> np.ndarray:
        """A file with the columns trained on, with or without the target's."""
        known = Codec.from_json(codec)
        header: bool | Literal["auto"] = self.header if self.header != "auto" else known.header
        table = read_table(path, self.delimiter, header, to_predict=True)
        return known.encode(known.aligned(table))

    def _check_test_classes(
        self, table: Table, targets: np.ndarray, classes: tuple[str, ...], test: np.ndarray
    ) -> None:
        trained = np.isin(targets[test], np.delete(targets, test))
        if not trained.all():
            row = int(test[trained.argmin()])
            raise DataError(f"{table.place(row)}: the class {classes[targets[row]]!r} is in no row of {self.path}")


def extra_columns(table: Table, target: int, names: tuple[str, ...]) -> np.ndarray | None:
    """(n, k) float64, NaN where missing; None of no names. Raises DataError for what is no column of numbers."""
    columns = [table.index(name, "dataset.extra") for name in names]
    if target in columns or len(set(columns)) < len(columns):
        raise DataError(f"{table.place(0)}: dataset.extra names the target, or a column twice", "dataset.extra")
    if names and len(names) + 1 == len(table.names):
        raise DataError(f"{table.place(0)}: dataset.extra leaves no column for the inputs", "dataset.extra")
    values = [table.numbers(column) for column in columns]
    for name, found in zip(names, values, strict=True):
        if found is None:
            message = f"{table.place(0)}: column {name!r} holds text; dataset.extra takes numbers"
            raise DataError(message, "dataset.extra")
    return np.stack(values, 1) if columns else None  # type: ignore[arg-type]


def encode_targets(
    table: Table, column: int, kind: Literal["auto", "classification", "regression"]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(class numbers, class names) or (numbers (n, 1), ()). Raises DataError for a row whose target is missing."""
    cells = table.column(column)
    for row, cell in enumerate(cells):
        if cell is None:
            raise DataError(f"{table.place(row)}: the target is missing")
    values = table.numbers(column)
    if kind == "auto":
        whole = values is not None and np.all(values == np.round(values))
        few = len(set(cells)) <= 20
        kind = "classification" if values is None or (whole and few) else "regression"
    if kind == "classification":
        # 1 and 1.0 are one class, named as it came first
        names = {_class_key(cell): str(cell) for cell in reversed(cells)}
        order = sorted(names)
        if len(order) < 2:
            raise DataError(f"{table.place(0)}: all targets are {cells[0]!r}; a classification needs two classes")
        numbers = {key: k for k, key in enumerate(order)}
        return np.asarray([numbers[_class_key(c)] for c in cells], np.int32), tuple(names[key] for key in order)
    if values is None:
        row = next(i for i, c in enumerate(cells) if number(c) is None)
        raise DataError(f"{table.place(row)}: the target {cells[row]!r} is not a number")
    return values[:, None], ()


def _class_key(cell: str | None) -> tuple[bool, float, str]:
    value = number(cell)
    return (True, 0.0, str(cell)) if value is None else (False, value, "")
