"""Encode a table as numbers: one-hot categories, NaN where a number is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.datasets.table import Table, number
from regexp.errors import DataError, join_problems

MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class Codec:
    """How each column of a table becomes numbers; kept with a run so that another file is coded alike.

    columns: (name, categories), categories None for a number; a category of None stands for missing
    missing_in: the numeric columns that may miss
    extra: columns that are neither inputs nor the target
    """

    columns: tuple[tuple[str, tuple[str | None, ...] | None], ...]
    missing_in: tuple[str, ...]
    target: str
    header: bool
    extra: tuple[str, ...] = ()

    @staticmethod
    def fit(table: Table, target: int, extra: tuple[str, ...] = ()) -> Codec:
        """Kinds of columns and their categories, from the whole file; no statistic of any row's value is taken."""
        columns: list[tuple[str, tuple[str | None, ...] | None]] = []
        missing = []
        for index, name in enumerate(table.names):
            if index == target or name in extra:
                continue
            values = table.numbers(index)
            if values is None:
                columns.append((name, _categories(table, index)))
                continue
            columns.append((name, None))
            if np.isnan(values).any():
                missing.append(name)
        return Codec(tuple(columns), tuple(missing), table.names[target], table.header, extra)

    def names(self) -> tuple[str, ...]:
        """The names of the coded columns: `age`, `colour=red`."""
        return tuple(
            name if kinds is None else f"{name}={kind if kind is not None else '?'}"
            for name, kinds in self.columns
            for kind in (kinds or (None,))
        )

    def missing(self) -> tuple[int, ...]:
        """The coded columns that get an indicator."""
        return tuple(i for i, (name, numeric) in enumerate(self._coded()) if numeric and name in self.missing_in)

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
        parts, problems = [], []
        for name, kinds in self.columns:
            index = table.index(name)
            if kinds is None:
                values, bad_cells = _numeric(table, index, accepts_missing)
                parts.append(values[:, None])
                problems += bad_cells
            else:
                parts.append(_one_hot(table.column(index), kinds))
        if problems:
            raise DataError(join_problems(problems))
        return np.concatenate(parts, axis=1)

    def aligned(self, table: Table) -> Table:
        """Another file's columns under the names trained on: by name with a header, else by place."""
        names = [name for name, _ in self.columns]
        if self.header and table.header:
            absent = [name for name in names if name not in table.names]
            if absent:
                raise DataError(f"{table.places[0]}: lacks the column {absent[0]!r}")
            return table
        width = len(table.names)
        if width == len(names):
            return Table(tuple(names), table.rows, table.places, table.header)
        if width == len(names) + 1 + len(self.extra):  # with the target and the others, at their old places
            return table
        raise DataError(f"{table.places[0]}: has {width} columns, expected {len(names)} without the target")

    def to_json(self) -> dict[str, Any]:
        """For the run folder."""
        columns = [[name, None if kinds is None else list(kinds)] for name, kinds in self.columns]
        return {
            "columns": columns,
            "missing_in": list(self.missing_in),
            "target": self.target,
            "header": self.header,
            "extra": list(self.extra),
        }

    @staticmethod
    def from_json(saved: dict[str, Any]) -> Codec:
        """From the run folder."""
        columns = tuple((name, None if kinds is None else tuple(kinds)) for name, kinds in saved["columns"])
        return Codec(
            columns, tuple(saved["missing_in"]), saved["target"], saved["header"], tuple(saved.get("extra", ()))
        )


def _numeric(table: Table, index: int, accepts_missing: bool) -> tuple[np.ndarray, list[str]]:
    """(a column as float64, NaN where missing; a message for each cell that does not fit)."""
    cells = table.column(index)
    values = [number(cell) for cell in cells]
    problems = []
    for row, value in enumerate(values):
        place = f"{table.place(row)}: column {table.names[index]!r}"
        if value is None:
            problems.append(f"{place} holds {cells[row]!r}, not a number")
        elif value != value and not accepts_missing:
            problems.append(f"{place} is missing; no row trained on missed a value, so nothing fills it in")
    return np.asarray([np.nan if value is None else value for value in values], np.float64), problems


def _one_hot(cells: list[str | None], kinds: tuple[str | None, ...]) -> np.ndarray:
    places = {kind: k for k, kind in enumerate(kinds)}
    found = np.asarray([places.get(cell, -1) for cell in cells])
    coded = np.zeros((len(cells), len(kinds)))
    rows = np.flatnonzero(found >= 0)
    coded[rows, found[rows]] = 1
    return coded


def _categories(table: Table, index: int) -> tuple[str | None, ...]:
    kinds = set(table.column(index))
    if len(kinds) > MOST_CATEGORIES:
        raise DataError(
            f"{table.places[0]}: column {table.names[index]!r} holds {len(kinds)} different texts; at most "
            f"{MOST_CATEGORIES} are coded. Leave it out or group it."
        )
    return tuple(sorted(k for k in kinds if k is not None)) + ((None,) if None in kinds else ())
