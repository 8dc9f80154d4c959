"""Encode a table as numbers: one-hot categories, NaN where a number is missing."""

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
    """How each column of a table becomes numbers; kept with a run so that another file is coded alike.

    columns: (name, categories), categories None for a number; a category of None stands for missing
    missing_in: the numeric columns that may miss
    extra: columns that are neither inputs nor the target
    drop: columns that are left out
    means: of each numeric column over the file that training and validation come from, None for categories
    identifiers: (name, reason) of columns that seem to name rows
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
        """Kinds of columns and their categories, from the whole file; no statistic of any row's value is taken.

        categories: columns whose numbers are categories
        rows: the first so many are not of a published test split; by default all
        Raises DataError that lists the slips of all columns, or the columns with too many categories.
        """
        left_out, categorical = {table.names[target], *extra, *drop}, set(categories)
        inputs = [index for index, name in enumerate(table.names) if name not in left_out]
        slips = [table.slips(index) for index in inputs if table.names[index] not in categorical]
        if any(count for _, count in slips):
            problems = [problem for problems, _ in slips for problem in problems]
            raise DataError(join_problems(problems, sum(count for _, count in slips)))
        coded = [i for i in inputs if table.others(i).texts or table.names[i] in categorical]
        table.load_texts(coded)
        kinds = {index: _categories(table, index) for index in coded}
        many = [_too_many(table, index, len(kinds[index])) for index in coded if len(kinds[index]) > MOST_CATEGORIES]
        if many:
            raise DataError(join_problems(many))
        missing = [table.names[index] for index in inputs if index not in kinds and table.others(index).missing]
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
        """The names of the coded columns: `age`, `colour=red`."""
        return tuple(
            name if kinds is None else f"{name}={kind if kind is not None else '?'}"
            for name, kinds in self.columns
            for kind in (kinds or (None,))
        )

    def missing(self) -> tuple[int, ...]:
        """The coded columns that get an indicator."""
        missing_in = set(self.missing_in)
        return tuple(i for i, (name, numeric) in enumerate(self._coded()) if numeric and name in missing_in)

    def categories(self) -> tuple[int, ...]:
        """The coded columns that are one-hot."""
        return tuple(i for i, (_, numeric) in enumerate(self._coded()) if not numeric)

    def _coded(self) -> list[tuple[str, bool]]:
        return [(name, kinds is None) for name, kinds in self.columns for _ in (kinds or (None,))]

    def encode(self, table: Table, notes: list[str] | None = None) -> np.ndarray:
        """(n, D) float64, NaN where a number is missing.

        notes: of another file than the one trained on: is given a warning for each column with values that were not
            expected. A number that is missing in a column that had all its values becomes the column's mean; a category
            that is new has 0 in all of its inputs.
        Raises DataError that lists the cells of numeric columns that hold text.
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
        """Values of the numeric columns, with the mean where one is missing in a column without an imputer."""
        numbers = [(name, mean) for name, mean in zip(dict(self.columns), self.means, strict=True) if mean is not None]
        for place, (name, mean) in enumerate(numbers):
            rows = np.flatnonzero(np.isnan(values[:, place]))
            if len(rows) and name not in self.missing_in:
                values[rows, place] = mean
                notes.append(
                    f"{table.place(int(rows[0]))}: column {name!r} misses {_count(len(rows), 'value')}, "
                    f"and missed none in training; filled in with the column's mean {mean:.6g}"
                )
        return values

    def aligned(self, table: Table) -> Table:
        """Another file's columns under the names trained on: by name with a header, else by place."""
        names = [name for name, _ in self.columns]
        if self.header and table.header:
            absent = [repr(name) for name in names if not table.has_column(name)]
            if absent:
                raise DataError(f"{table.place(0)}: lacks the column{'s' * (len(absent) > 1)} {listed(absent)}")
            return table
        width, others = len(table.names), 1 + len(self.extra) + len(self.drop)
        if width == len(names):
            return table.renamed(names)
        if width == len(names) + others:  # with the target and the others, at their old places
            return table
        raise DataError(f"{table.place(0)}: has {width} columns, expected {len(names)} without the target")

    def to_json(self) -> dict[str, Any]:
        """For the run folder."""
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
        """From the run folder."""
        columns = tuple((name, None if kinds is None else tuple(kinds)) for name, kinds in saved["columns"])
        extra, drop = tuple(saved.get("extra", ())), tuple(saved.get("drop", ()))
        identifiers = tuple((name, reason) for name, reason in saved.get("identifiers", ()))
        return Codec(
            columns, tuple(saved["missing_in"]), saved["target"], saved["header"], extra, drop,
            tuple(saved.get("means", [None if kinds is not None else 0.0 for _, kinds in columns])), identifiers,
        )  # fmt: skip


def _means(values: np.ndarray) -> np.ndarray:
    """(columns,) the mean over the values that are not missing; 0 where there are none."""
    size = max(1, (1 << 20) // values.shape[1])  # no copy of a large table
    sums, counts = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for begin in range(0, len(values), size):
        block = values[begin : begin + size]
        is_present = ~np.isnan(block)
        sums += np.sum(block, axis=0, where=is_present)
        counts += np.count_nonzero(is_present, axis=0)
    return sums / np.maximum(counts, 1)


def _new_categories(table: Table, index: int, name: str, kinds: tuple[str | None, ...]) -> list[str]:
    """A warning where a column holds categories that no row of the training file has."""
    texts = table.texts(index)
    new = [code for code, text in enumerate(texts.levels)
           if (None if table.cells.is_missing(text) else text) not in kinds]  # fmt: skip
    rows = np.flatnonzero(np.isin(texts.codes, new))
    if not len(rows):
        return []
    text = texts.levels[texts.codes[rows[0]]]
    shown = "a missing value" if table.cells.is_missing(text) else repr(text)
    return [
        f"{table.place(int(rows[0]))}: column {name!r} holds {shown}, which no row trained on had, in "
        f"{_count(len(rows), 'row')}; all inputs of the column are 0 there"
    ]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _bad_cells(table: Table, numeric: list[int]) -> tuple[list[str], int]:
    """(messages for the first of them in the order of rows, how many) of cells of numeric columns that do not fit."""
    problems, count = [], 0
    for index in numeric:
        others, column = table.others(index), f"column {table.names[index]!r}"
        count += others.texts
        problems += [(row, f"{column} holds {text!r}, not a number") for row, text in others.first]
    return [f"{table.place(row)}: {problem}" for row, problem in sorted(problems)[:MOST_PROBLEMS]], count


def _one_hot(table: Table, index: int, kinds: tuple[str | None, ...], coded: np.ndarray) -> None:
    """Writes a column's categories into `coded` (n, categories); other categories are 0 throughout."""
    places = {kind: place for place, kind in enumerate(kinds)}
    texts = table.texts(index)
    levels = [None if table.cells.is_missing(text) else text for text in texts.levels]
    place = np.asarray([places.get(level, -1) for level in levels])[texts.codes]
    coded[:] = 0
    rows = np.flatnonzero(place >= 0)
    coded[rows, place[rows]] = 1


def _copy_columns(source: np.ndarray, taken: np.ndarray, target: np.ndarray, places: np.ndarray) -> None:
    """target[:, places] = source[:, taken], by slices where the columns follow one another, without a copy between."""
    breaks = np.flatnonzero((np.diff(taken) != 1) | (np.diff(places) != 1)) + 1
    for run, at in zip(np.split(taken, breaks), np.split(places, breaks), strict=True):
        if len(run):
            target[:, at[0] : at[-1] + 1] = source[:, run[0] : run[-1] + 1]


def _categories(table: Table, index: int) -> tuple[str | None, ...]:
    levels = table.texts(index).levels
    texts = sorted(text for text in levels if not table.cells.is_missing(text))
    return (*texts, None) if len(texts) < len(levels) else tuple(texts)


def _too_many(table: Table, index: int, count: int) -> str:
    name = table.names[index]
    return (
        f"{table.place(0)}: column {name!r} holds {count} different texts; at most {MOST_CATEGORIES} are coded; "
        f"leave it out with dataset.drop: [{name}], or group its values"
    )


def listed(names: Sequence[str], most: int = MOST_PROBLEMS) -> str:
    """Names with commas between them, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
