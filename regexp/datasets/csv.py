"""A table of your own, from a .csv file."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from regexp.core.component import component
from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.base import Data, Dataset
from regexp.datasets.cells import CellFormat
from regexp.datasets.codec import Codec, listed
from regexp.datasets.described import describe_table, notes_of
from regexp.datasets.identifiers import identifier_note
from regexp.datasets.reading import FileFormat, read_table
from regexp.datasets.table import Table
from regexp.datasets.targets import Targets, encode_targets
from regexp.preprocessing.base import Preprocessor
from regexp.preprocessing.impute import Impute


@component
class CSV(Dataset):
    """A table from a .csv file: numbers as they are, text one-hot, missing values imputed with an indicator.

    A column is a number where every value in it that is not missing is one; of one that holds both a run warns. Missing
    are empty cells, ?, NA, N/A, nan, null and None. Means and the categories known are those of the training split.

    path: the file, relative to the working folder
    test_path: a second file of the same form whose rows are the test split; named columns may be in another order
    target: the column to predict, by name or by number (0 is the first, -1 the last)
    extra: names of numeric columns that are no inputs but targets of the regularizer `auxiliary`; cells may be missing
    drop: names of columns to leave out, such as row numbers and names; of a file without names column_0, column_1, ...
    categories: names of columns whose numbers are categories, such as postal codes; leading zeros are kept
    header: true: the first line names the columns; false: it is data; auto (default): an error where that is unclear
    delimiter: the character between cells
    decimal: the decimal sign, . or ,
    thousands: the sign between groups of digits: a comma, point, space or apostrophe; default: numbers have no groups
    encoding: of the file's text: utf-8 (default), cp1252, latin-1, utf-16 or another one that Python knows
    na_values: texts that mean missing, instead of those above; otherwise NA and the like are classes in a text target
    kind: auto (text, or whole numbers of at most 20 kinds: classification), classification or regression
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test where there is no test_path, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Before training a run shows what it inferred: whether the first line names the columns, which columns are numbers
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
                *notes_of(table, codec, bool(targets.classes), self.categories),
            ),
            inferred=describe_table(table, codec, targets, self.header == "auto", self.kind == "auto"),
        )

    def steps(self, codec: dict[str, Any]) -> tuple[Preprocessor, ...]:
        known = Codec.from_json(codec)
        missing, categories = known.missing(), known.categories()
        imputed = (Impute(missing=missing, categories=categories),) if missing or categories else ()
        return imputed + self.preprocess

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        """A file with the columns trained on, with or without the target's."""
        known = Codec.from_json(codec)
        table = read_table(path, self._format(known.header), to_predict=True)
        return known.encode(known.aligned(table), [] if notes is None else notes)

    def _format(self, header: bool | Literal["auto"]) -> FileFormat:
        if self.thousands == self.decimal:
            message = f"dataset.thousands and dataset.decimal are both {self.decimal!r}"
            raise DataError(message, "dataset.thousands")
        return FileFormat(
            self.delimiter, header, self.encoding, CellFormat(self.decimal, self.thousands, self.na_values)
        )

    def _check_columns(self, table: Table, target: int) -> None:
        """Raises DataError where a key names no column, the target or a column twice, or leaves no input."""
        key_of = {target: "dataset.target"}
        for key, names in (("extra", self.extra), ("drop", self.drop), ("categories", self.categories)):
            key = f"dataset.{key}"
            for name in names:
                index = table.index(name, key)
                other = key_of.setdefault(index, key)
                if other not in (key, "dataset.target"):
                    raise DataError(f"{table.place(0)}: {key} and {other} both name the column {name!r}", key)
            if len({table.index(name) for name in names} - {target}) < len(names):
                advice = "; for a target use dataset.kind: classification" if key == "dataset.categories" else ""
                raise DataError(f"{table.place(0)}: {key} names the target, or a column twice{advice}", key)
        if len(self.extra) + len(self.drop) + 1 == len(table.names):
            key = "dataset.drop" if self.drop else "dataset.extra"
            raise DataError(f"{table.place(0)}: {key} leaves no column for the inputs", key)

    def _check_test_classes(self, table: Table, targets: Targets, test: np.ndarray) -> None:
        is_known = np.isin(targets.values[test], np.delete(targets.values, test))
        rows = test[~is_known]
        if len(rows):
            first = [(table.place(row), targets.classes[targets.values[row]]) for row in rows[:MOST_PROBLEMS].tolist()]
            problems = [f"{place}: the class {name!r} is in no row of {self.path}" for place, name in first]
            raise DataError(join_problems(problems, len(rows)), "dataset.test_path")


def extra_columns(table: Table, names: tuple[str, ...]) -> np.ndarray | None:
    """(n, k) float64, NaN where missing; None for no names. Raises DataError for what is no column of numbers."""
    values, problems = [], []
    for name in names:
        index = table.index(name, "dataset.extra")
        numbers = table.numbers(index)
        if numbers is None:
            row, text = table.others(index).first[0]
            problems.append(
                f"{table.place(row)}: column {name!r} holds text; dataset.extra takes numbers, got {text!r}"
            )
        else:
            values.append(numbers)
    if problems:
        raise DataError(join_problems(problems), "dataset.extra")
    return np.stack(values, 1) if values else None


def _aligned_test(table: Table, test: Table) -> tuple[Table, tuple[str, ...]]:
    """(the test table with the columns of the training table, notes); by name with a header, else by place."""
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
