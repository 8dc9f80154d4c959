"""Encode a table as numbers: categories one-hot, missing numbers as NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.identifiers import identifier_columns
from regexp.datasets.table import Table

MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class Codec:
    """The encoding of each column of a table; stored with a run, so that another file is encoded in the same way.

    columns: (name, categories) of each input; categories are None for a number, and a category of None means missing
    missing_in: the numeric columns with missing values
    target: the name of the target column
    header: whether the file names its columns
    extra: columns that are neither inputs nor the target
    drop: columns that are not used
    means: the mean of each numeric column over the file with the training and validation data; None for categories
    identifiers: (name, reason) of columns that seem to identify rows
    """

    columns: tuple[tuple[str, tuple[str | None, ...] | None], ...]
    missing_in: tuple[str, ...]
    target: str
    header: bool
    extra: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    means: tuple[float | None, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def fit(
        table: Table,
        target: int,
        extra: tuple[str, ...] = (),
        drop: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        rows: int | None = None,
    ) -> Codec:
        """Infer which columns are numeric and the categories of the others, from all rows including the test split.

        Only the set of categories is taken from all rows: the means come from the first `rows` alone.

        categories: columns whose numbers are categories
        rows: the number of rows before a published test split; by default all

        Raises DataError that lists the typos in all columns, or the columns with too many categories.
        """
        excluded, categorical = {table.names[target], *extra, *drop}, set(categories)
        inputs = [index for index, name in enumerate(table.names) if name not in excluded]
        typos = [table.typos(index) for index in inputs if table.names[index] not in categorical]
        if any(count for _, count in typos):
            problems = [problem for problems, _ in typos for problem in problems]
            raise DataError(join_problems(problems, sum(count for _, count in typos)))
        coded = [i for i in inputs if table.non_numeric(i).texts or table.names[i] in categorical]
        table.load_texts(coded)
        kinds = {index: _categories(table, index) for index in coded}
        many = [_too_many(table, index, len(kinds[index])) for index in coded if len(kinds[index]) > MOST_CATEGORIES]
        if many:
            raise DataError(join_problems(many))
        missing = [table.names[index] for index in inputs if index not in kinds and table.non_numeric(index).missing]
        columns = [(table.names[index], kinds.get(index)) for index in inputs]
        column_means = _means(table.values[:rows])
        means = [None if index in kinds else float(column_means[index]) for index in inputs]
        free = [index for index in inputs if table.names[index] not in categorical]
        identifiers = identifier_columns(
            table, [index for index in free if index not in kinds], [index for index in free if index in kinds]
        )
        return Codec(
            tuple(columns), tuple(missing), table.names[target], table.header, extra, drop, tuple(means),
            tuple(identifiers),
        )  # fmt: skip

    def names(self) -> tuple[str, ...]:
        """Return the names of the encoded columns: `age`, `colour=red`."""
        return tuple(
            name if kinds is None else f"{name}={kind if kind is not None else '?'}"
            for name, kinds in self.columns
            for kind in (kinds or (None,))
        )

    def missing(self) -> tuple[int, ...]:
        """Return the encoded columns that get an indicator of missing values."""
        missing_in = set(self.missing_in)
        return tuple(i for i, (name, numeric) in enumerate(self._coded()) if numeric and name in missing_in)

    def categories(self) -> tuple[int, ...]:
        """Return the encoded columns that are one-hot."""
        return tuple(i for i, (_, numeric) in enumerate(self._coded()) if not numeric)

    def _coded(self) -> list[tuple[str, bool]]:
        return [(name, kinds is None) for name, kinds in self.columns for _ in (kinds or (None,))]

    def encode(self, table: Table, notes: list[str] | None = None) -> np.ndarray:
        """Encode a table as (n, D) float64, NaN for missing numbers.

        notes: for another file than the training file, a list to which a warning is appended for each column with
            unexpected values: a missing number in a column without an imputer becomes the column's mean, and a new
            category is 0 in all inputs of its column

        Raises DataError that lists the cells of numeric columns that contain text.
        """
        indices = [table.index(name) for name, _ in self.columns]
        numeric = [index for index, (_, kinds) in zip(indices, self.columns, strict=True) if kinds is None]
        problems, count = _bad_cells(table, numeric)
        if count:
            raise DataError(join_problems(problems, count))
        if len(numeric) == len(indices) and np.all(np.diff(numeric) == 1):
            inputs = table.values[:, numeric[0] : numeric[-1] + 1]  # a view: a table may be large
            return inputs if notes is None else self._filled(inputs.copy(), table, notes)
        table.load_texts([index for index, (_, kinds) in zip(indices, self.columns, strict=True) if kinds is not None])
        inputs = np.empty((len(table), sum(1 if kinds is None else len(kinds) for _, kinds in self.columns)))
        begin = 0
        for index, (_, kinds) in zip(indices, self.columns, strict=True):
            if kinds is not None:
                _one_hot(table, index, kinds, inputs[:, begin : begin + len(kinds)])
            begin += 1 if kinds is None else len(kinds)
        places = np.flatnonzero([is_numeric for _, is_numeric in self._coded()])
        _copy_columns(table.values, np.asarray(numeric, int), inputs, places)
        if notes is None:
            return inputs
        for index, (name, kinds) in zip(indices, self.columns, strict=True):
            notes += [] if kinds is None else _new_categories(table, index, name, kinds)
        filled = self._filled(inputs[:, places], table, notes)
        inputs[:, places] = filled
        return inputs

    def _filled(self, values: np.ndarray, table: Table, notes: list[str]) -> np.ndarray:
        """Fill missing values of numeric columns that have no imputer with the column's mean, and note it."""
        numbers = [(name, mean) for name, mean in zip(dict(self.columns), self.means, strict=True) if mean is not None]
        for place, (name, mean) in enumerate(numbers):
            rows = np.flatnonzero(np.isnan(values[:, place]))
            if len(rows) and name not in self.missing_in:
                values[rows, place] = mean
                notes.append(
                    f"{table.place(int(rows[0]))}: column {name!r} has {_count(len(rows), 'missing value')}, "
                    f"but had none in training; filled with the column's mean {mean:.6g}"
                )
        return values

    def aligned(self, table: Table) -> Table:
        """Match the columns of another file to those of the training file: by name with a header, else by position.

        Raises DataError if columns are missing.
        """
        names = [name for name, _ in self.columns]
        if self.header and table.header:
            absent = [repr(name) for name in names if not table.has_column(name)]
            if absent:
                raise DataError(f"{table.place(0)}: lacks the column{'s' * (len(absent) > 1)} {listed(absent)}")
            return table
        width, unused = len(table.names), 1 + len(self.extra) + len(self.drop)
        if width == len(names):
            return table.renamed(names)
        if width == len(names) + unused:  # with the target, extra and drop: the columns of the training file
            return table
        raise DataError(f"{table.place(0)}: has {width} columns, expected {len(names)} without the target")

    def to_json(self) -> dict[str, Any]:
        """Convert the codec to JSON for the run folder."""
        columns = [[name, None if kinds is None else list(kinds)] for name, kinds in self.columns]
        return {
            "columns": columns,
            "missing_in": list(self.missing_in),
            "target": self.target,
            "header": self.header,
            "extra": list(self.extra),
            "drop": list(self.drop),
            "means": list(self.means),
            "identifiers": [list(pair) for pair in self.identifiers],
        }

    @staticmethod
    def from_json(saved: dict[str, Any]) -> Codec:
        """Restore a codec from the JSON of a run folder; fields that older versions did not store get defaults."""
        columns = tuple((name, None if kinds is None else tuple(kinds)) for name, kinds in saved["columns"])
        extra, drop = tuple(saved.get("extra", ())), tuple(saved.get("drop", ()))
        identifiers = tuple((name, reason) for name, reason in saved.get("identifiers", ()))
        return Codec(
            columns, tuple(saved["missing_in"]), saved["target"], saved["header"], extra, drop,
            tuple(saved.get("means", [None if kinds is not None else 0.0 for _, kinds in columns])), identifiers,
        )  # fmt: skip


def _means(values: np.ndarray) -> np.ndarray:
    """Return the means (columns,) over the values that are not missing; 0 for a column without values."""
    size = max(1, (1 << 20) // values.shape[1])  # in blocks: a mask of a large table would take as much memory
    sums, counts = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for begin in range(0, len(values), size):
        block = values[begin : begin + size]
        is_present = ~np.isnan(block)
        sums += np.sum(block, axis=0, where=is_present)
        counts += np.count_nonzero(is_present, axis=0)
    return sums / np.maximum(counts, 1)


def _new_categories(table: Table, index: int, name: str, kinds: tuple[str | None, ...]) -> list[str]:
    """Return a warning, if a column contains categories that the training file does not."""
    texts = table.texts(index)
    new = [code for code, text in enumerate(texts.levels)
           if (None if table.cells.is_missing(text) else text) not in kinds]  # fmt: skip
    rows = np.flatnonzero(np.isin(texts.codes, new))
    if not len(rows):
        return []
    text = texts.levels[texts.codes[rows[0]]]
    shown = "a missing value" if table.cells.is_missing(text) else repr(text)
    return [
        f"{table.place(int(rows[0]))}: column {name!r} holds {shown}, which the training file does not contain, in "
        f"{_count(len(rows), 'row')}; all inputs of the column are 0 there"
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _bad_cells(table: Table, numeric: list[int]) -> tuple[list[str], int]:
    """Return messages about the first cells of numeric columns that hold text, by row, and the count of such cells."""
    problems, count = [], 0
    for index in numeric:
        cells, column = table.non_numeric(index), f"column {table.names[index]!r}"
        count += cells.texts
        problems += [(row, f"{column} holds {text!r}, not a number") for row, text in cells.first]
    return [f"{table.place(row)}: {problem}" for row, problem in sorted(problems)[:MOST_PROBLEMS]], count


def _one_hot(table: Table, index: int, kinds: tuple[str | None, ...], coded: np.ndarray) -> None:
    """Write a column one-hot into `coded` (n, categories); a row with an unknown category is all 0."""
    places = {kind: place for place, kind in enumerate(kinds)}
    texts = table.texts(index)
    levels = [None if table.cells.is_missing(text) else text for text in texts.levels]
    place = np.asarray([places.get(level, -1) for level in levels])[texts.codes]
    coded[:] = 0
    rows = np.flatnonzero(place >= 0)
    coded[rows, place[rows]] = 1


def _copy_columns(source: np.ndarray, columns: np.ndarray, target: np.ndarray, places: np.ndarray) -> None:
    """Set target[:, places] = source[:, columns].

    Runs of adjacent columns are copied by slices: an index array would copy the table once more in between.
    """
    breaks = np.flatnonzero((np.diff(columns) != 1) | (np.diff(places) != 1)) + 1
    for run, at in zip(np.split(columns, breaks), np.split(places, breaks), strict=True):
        if len(run):
            target[:, at[0] : at[-1] + 1] = source[:, run[0] : run[-1] + 1]


def _categories(table: Table, index: int) -> tuple[str | None, ...]:
    levels = table.texts(index).levels
    texts = sorted(text for text in levels if not table.cells.is_missing(text))
    return (*texts, None) if len(texts) < len(levels) else tuple(texts)


def _too_many(table: Table, index: int, count: int) -> str:
    name = table.names[index]
    return (
        f"{table.place(0)}: column {name!r} holds {count} different texts; at most {MOST_CATEGORIES} are encoded; "
        f"exclude it by dataset.drop: [{name}], or group its values"
    )


def listed(names: Sequence[str], most: int = MOST_PROBLEMS) -> str:
    """Join at most `most` names by commas, and add how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
