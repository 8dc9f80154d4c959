"""Encode a table as numbers: one-hot categories, NaN where a number is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.datasets.table import Table
from regexp.errors import MOST_PROBLEMS, DataError, join_problems

MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class Codec:
    """How each column of a table becomes numbers; kept with a run so that another file is coded alike.

    columns: (name, categories), categories None for a number; a category of None stands for missing
    missing_in: the numeric columns that may miss
    extra: columns that are neither inputs nor the target
    drop: columns that are left out
    """

    columns: tuple[tuple[str, tuple[str | None, ...] | None], ...]
    missing_in: tuple[str, ...]
    target: str
    header: bool
    extra: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @staticmethod
    def fit(
        table: Table,
        target: int,
        extra: tuple[str, ...] = (),
        drop: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
    ) -> Codec:
        """Kinds of columns and their categories, from the whole file; no statistic of any row's value is taken.

        categories: columns whose numbers are categories
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
        return Codec(tuple(columns), tuple(missing), table.names[target], table.header, extra, drop)

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

    def encode(self, table: Table) -> np.ndarray:
        """(n, D) float64, NaN where a number is missing.

        Raises DataError that lists the cells of numeric columns that hold text, or that are missing where no row
        trained on missed a value.
        """
        accepts_missing = bool(self.missing() or self.categories())
        indices = [table.index(name) for name, _ in self.columns]
        numeric = [index for index, (_, kinds) in zip(indices, self.columns, strict=True) if kinds is None]
        problems, count = _bad_cells(table, numeric, accepts_missing)
        if count:
            raise DataError(join_problems(problems, count))
        if len(numeric) == len(indices) and np.all(np.diff(numeric) == 1):
            return table.values[:, numeric[0] : numeric[-1] + 1]  # a view: a table may be large
        table.load_texts([index for index, (_, kinds) in zip(indices, self.columns, strict=True) if kinds is not None])
        inputs = np.empty((len(table), sum(1 if kinds is None else len(kinds) for _, kinds in self.columns)))
        begin = 0
        for index, (_, kinds) in zip(indices, self.columns, strict=True):
            if kinds is not None:
                _one_hot(table, index, kinds, inputs[:, begin : begin + len(kinds)])
            begin += 1 if kinds is None else len(kinds)
        places = np.flatnonzero([is_numeric for _, is_numeric in self._coded()])
        _copy_columns(table.values, np.asarray(numeric, int), inputs, places)
        return inputs

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
        }

    @staticmethod
    def from_json(saved: dict[str, Any]) -> Codec:
        """From the run folder."""
        columns = tuple((name, None if kinds is None else tuple(kinds)) for name, kinds in saved["columns"])
        extra, drop = tuple(saved.get("extra", ())), tuple(saved.get("drop", ()))
        return Codec(columns, tuple(saved["missing_in"]), saved["target"], saved["header"], extra, drop)


def _bad_cells(table: Table, numeric: list[int], accepts_missing: bool) -> tuple[list[str], int]:
    """(messages for the first of them in the order of rows, how many) of cells of numeric columns that do not fit."""
    problems, count = [], 0
    for index in numeric:
        others, column = table.others(index), f"column {table.names[index]!r}"
        count += others.texts
        problems += [(row, f"{column} holds {text!r}, not a number") for row, text in others.first]
        if others.missing and not accepts_missing:
            count += others.missing
            reason = "is missing; no row trained on missed a value, so nothing fills it in"
            problems += [(row, f"{column} {reason}") for row in table.missing_rows(index)[:MOST_PROBLEMS].tolist()]
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
