"""A table of your own, from a .csv file."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from regexp.core.component import component
from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.base import Data, Dataset
from regexp.datasets.cells import CellFormat
from regexp.datasets.codec import Codec, listed
from regexp.datasets.described import describe_table, misread_columns
from regexp.datasets.identifiers import identifier_note
from regexp.datasets.reading import FileFormat, read_table
from regexp.datasets.table import Table
from regexp.datasets.targets import Targets, encode_targets
from regexp.preprocessing.base import Preprocessor
from regexp.preprocessing.impute import Impute


@component
class CSV(Dataset):
    """A table from a .csv file: numbers unchanged, text one-hot, missing values imputed with an indicator.

    A column is numeric if all its values that are not missing are numbers; a run warns about a column with numbers and
    text. Empty cells, ?, NA, N/A, nan, null and None are missing. Means and categories come from the training split.

    path: the file, relative to the working folder
    test_path: a second file of the same form whose rows are the test split; named columns may be in another order
    target: the column to predict, by name or by number (0 is the first, -1 the last)
    extra: names of numeric columns that are targets of the regularizer `auxiliary`, not inputs; cells may be missing
    drop: names of columns to exclude, such as row numbers and names; without a header column_0, column_1, ...
    categories: names of columns whose numbers are categories, such as postal codes; leading zeros are kept
    header: true: the first line names the columns; false: it is data; auto (default): inferred, an error if unclear
    delimiter: the character between cells
    decimal: the decimal sign, . or ,
    thousands: the separator of groups of digits: a comma, point, space or apostrophe; default: none
    encoding: the encoding of the file: utf-8 (default), cp1252, latin-1, utf-16 or any other that Python knows
    na_values: texts that mean missing, instead of those above; without it, NA and the like are classes in a text target
    kind: auto (text, or at most 20 different whole numbers: classification), classification or regression
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test if there is no test_path, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Before training, a run shows what it inferred: whether the first line names the columns, which columns are numeric
    and which are categories, and whether the target is a class or a number.
    """

    is_image = False
    path: str
    test_path: str | None = None
    target: str | int = -1
    extra: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    header: bool | Literal["auto"] = "auto"
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    encoding: str = "utf-8"
    na_values: tuple[str, ...] | None = None
    kind: Literal["auto", "classification", "regression"] = "auto"

    def load(self) -> Data:
        table = read_table(self.path, self._format(self.header), key="dataset.path")
        test = None
        notes: tuple[str, ...] = table.notes
        if self.test_path is not None:
            test_table = read_table(self.test_path, self._format(table.header), key="dataset.test_path")
            test_table, test_notes = _aligned_test(table, test_table)
            notes += test_notes
            test = np.arange(len(table), len(table) + len(test_table), dtype=np.int32)
            table = table.joined(test_table)
        target = table.index(self.target, "dataset.target")
        self._check_columns(table, target)
        extra = extra_columns(table, self.extra)
        trained = None if test is None else int(test[0])
        codec = Codec.fit(table, target, self.extra, self.drop, self.categories, trained)
        targets = encode_targets(table, target, self.kind)
        if targets.classes and test is not None:
            self._check_test_classes(table, targets, test)
        return Data(
            inputs=codec.encode(table),
            targets=targets.values,
            classes=targets.classes,
            test=test,
            extra=extra,
            columns=codec.names(),
            codec=codec.to_json(),
            source=self.path,
            notes=(
                *notes,
                *(identifier_note(self.path, *pair) for pair in codec.identifiers),
                *targets.notes,
                *misread_columns(table, codec, bool(targets.classes), self.categories),
            ),
            inferred=describe_table(table, codec, targets, self.header == "auto", self.kind == "auto"),
        )

    def steps(self, codec: dict[str, Any]) -> tuple[Preprocessor, ...]:
        encoding = Codec.from_json(codec)
        missing, categories = encoding.missing(), encoding.categories()
        imputed = (Impute(missing=missing, categories=categories),) if missing or categories else ()
        return imputed + self.preprocess

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        """Read a file with the input columns of the training file, with or without the target."""
        encoding = Codec.from_json(codec)
        table = read_table(path, self._format(encoding.header), to_predict=True)
        return encoding.encode(encoding.aligned(table), [] if notes is None else notes)

    def _format(self, header: bool | Literal["auto"]) -> FileFormat:
        if self.thousands == self.decimal:
            message = f"dataset.thousands and dataset.decimal are both {self.decimal!r}"
            raise DataError(message, "dataset.thousands")
        return FileFormat(
            self.delimiter, header, self.encoding, CellFormat(self.decimal, self.thousands, self.na_values)
        )

    def _check_columns(self, table: Table, target: int) -> None:
        """Raise DataError if a key names the target or a column twice, or if no column is left for the inputs."""
        key_of = {target: "dataset.target"}
        for key, names in (("extra", self.extra), ("drop", self.drop), ("categories", self.categories)):
            key = f"dataset.{key}"
            for name in names:
                index = table.index(name, key)
                first_key = key_of.setdefault(index, key)
                if first_key not in (key, "dataset.target"):
                    raise DataError(f"{table.place(0)}: {key} and {first_key} both name the column {name!r}", key)
            if len({table.index(name) for name in names} - {target}) < len(names):
                advice = "; for a target use dataset.kind: classification" if key == "dataset.categories" else ""
                raise DataError(f"{table.place(0)}: {key} names the target, or a column twice{advice}", key)
        if len(self.extra) + len(self.drop) + 1 == len(table.names):
            key = "dataset.drop" if self.drop else "dataset.extra"
            raise DataError(f"{table.place(0)}: {key} leaves no column for the inputs", key)

    def _check_test_classes(self, table: Table, targets: Targets, test: np.ndarray) -> None:
        """Raise DataError if the test file contains a class that the training file does not."""
        is_trained = np.isin(targets.values[test], np.delete(targets.values, test))
        rows = test[~is_trained]
        if len(rows):
            first = [(table.place(row), targets.classes[targets.values[row]]) for row in rows[:MOST_PROBLEMS].tolist()]
            problems = [f"{place}: the class {name!r} is in no row of {self.path}" for place, name in first]
            raise DataError(join_problems(problems, len(rows)), "dataset.test_path")


def extra_columns(table: Table, names: tuple[str, ...]) -> np.ndarray | None:
    """Return the named columns as (n, k) float64, NaN for missing values; None without names.

    Raises DataError that lists the columns that are not numeric.
    """
    values, problems = [], []
    for name in names:
        index = table.index(name, "dataset.extra")
        numbers = table.numbers(index)
        if numbers is None:
            row, text = table.non_numeric(index).first[0]
            problems.append(
                f"{table.place(row)}: column {name!r} holds text; dataset.extra takes numbers, got {text!r}"
            )
        else:
            values.append(numbers)
    if problems:
        raise DataError(join_problems(problems), "dataset.extra")
    return np.stack(values, 1) if values else None


def _aligned_test(table: Table, test: Table) -> tuple[Table, tuple[str, ...]]:
    """Match the columns of the test table to the training table: by name with a header, else by position.

    Returns the matched test table and notes about ignored columns. Raises DataError if columns are missing.
    """
    path = test.path
    if not table.header:
        if len(test.names) != len(table.names):
            message = f"{path}: has {len(test.names)} columns, {table.path} has {len(table.names)}"
            raise DataError(message, "dataset.test_path")
        return test, ()
    absent = [repr(name) for name in table.names if not test.has_column(name)]
    if absent:
        raise DataError(
            f"{test.place(0)}: lacks the column{'s' * (len(absent) > 1)} {listed(absent)} of {table.path}; "
            "the first line of both files is taken as names (dataset.header)",
            "dataset.test_path",
        )
    more = [repr(name) for name in test.names if not table.has_column(name)]
    notes = (f"{path}: ignored the column{'s' * (len(more) > 1)} {listed(more)}, not in {table.path}",) if more else ()
    return test.reordered([test.index(name) for name in table.names]), notes
