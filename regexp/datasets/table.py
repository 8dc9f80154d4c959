"""A table in memory, column by column; each row knows its file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.cells import LARGEST, CellFormat
from regexp.datasets.delimited import Texts

FEWEST_FOR_SLIPS, SLIPS = 50, 0.02  # values of a column, and the share of texts that are taken as slips among numbers


@dataclass(frozen=True)
class NotNumbers:
    """What a column's cells are that are not numbers.

    missing: how many are missing values
    texts: how many are text, or numbers beyond float32
    too_large: how many of these are numbers beyond float32
    first: (row, text) of the first of the texts, at most `MOST_PROBLEMS`
    """

    missing: int = 0
    texts: int = 0
    too_large: int = 0
    first: tuple[tuple[int, str], ...] = ()

    def after(self, other: NotNumbers, rows: int) -> NotNumbers:
        """Those of this column below the `rows` rows of another one."""
        first = other.first + tuple((row + rows, text) for row, text in self.first)
        return NotNumbers(
            self.missing + other.missing,
            self.texts + other.texts,
            self.too_large + other.too_large,
            first[:MOST_PROBLEMS],
        )


ALL_NUMBERS = NotNumbers()


@dataclass(frozen=True)
class Table:
    """The columns of a file.

    names: of the columns
    values (n, columns): the numbers in float64, NaN where a cell is missing or text
    not_numbers: what the other cells are, for columns that have any
    lines (n,): the line on which each row ends; paths: (file, number of its first row)
    read_texts: reads the texts of columns given by number
    header: whether the file names its columns
    leading_zeros: a cell such as 007 of each column of numbers that has one near the top of the file
    notes: what a user should know of how it was read
    """

    names: tuple[str, ...]
    values: np.ndarray
    not_numbers: Mapping[int, NotNumbers]
    lines: np.ndarray
    paths: tuple[tuple[str, int], ...]
    read_texts: Callable[[Sequence[int]], Sequence[Texts]]
    cells: CellFormat
    header: bool
    leading_zeros: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    _texts: dict[int, Texts] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def path(self) -> str:
        """The file, or the first of two."""
        return self.paths[0][0]

    def place(self, row: int) -> str:
        """`file.csv:17` of a row."""
        path = next(path for path, begin in reversed(self.paths) if row >= begin)
        return f"{path}:{self.lines[row]}"

    # -- columns ------------------------------------------------------------------------------------------------------

    def index(self, column: str | int, key: str | None = None) -> int:
        """The number of a column that the config's `key` gives by name or number. Raises DataError for none."""
        if isinstance(column, int):
            if not -len(self.names) <= column < len(self.names):
                raise DataError(f"{self.place(0)}: no column {column}; there are {len(self.names)}", key)
            return column % len(self.names)
        if not self._places:
            self._places.update(zip(self.names, range(len(self.names)), strict=True))
        if column not in self._places:
            names = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
            raise DataError(f"{self.place(0)}: no column {column!r}; there are {names}", key)
        return self._places[column]

    def has_column(self, name: str) -> bool:
        """Whether a column has this name."""
        if not self._places:
            self._places.update(zip(self.names, range(len(self.names)), strict=True))
        return name in self._places

    def texts(self, index: int) -> Texts:
        """The cells of a column as they are written, stripped of white space; empty cells are ""."""
        if index not in self._texts:
            (self._texts[index],) = self.read_texts([index])
        return self._texts[index]

    def load_texts(self, indices: Sequence[int]) -> None:
        """Reads the texts of several columns at once, for later calls."""
        unread = [index for index in indices if index not in self._texts]
        if unread:
            self._texts.update(zip(unread, self.read_texts(unread), strict=True))

    def column(self, index: int) -> list[str | None]:
        """The text of each cell of a column, None where it is missing."""
        texts = self.texts(index)
        levels = [None if self.cells.is_missing(text) else text for text in texts.levels]
        return [levels[code] for code in texts.codes.tolist()]

    def others(self, index: int) -> NotNumbers:
        """What the cells of a column are that are not numbers."""
        return self.not_numbers.get(index, ALL_NUMBERS)

    def numbers(self, index: int) -> np.ndarray | None:
        """A column as float64, NaN where missing; None where it holds text.

        Raises DataError where `slips` finds any.
        """
        problems, count = self.slips(index)
        if count:
            raise DataError(join_problems(problems, count))
        return None if self.others(index).texts else self.values[:, index]

    def slips(self, index: int) -> tuple[list[str], int]:
        """(messages for the first of them, how many) of texts that are slips of the pen more likely than categories.

        All but a few cells of their column are numbers, or the texts are numbers beyond float32.
        """
        others, name = self.others(index), self.names[index]
        present = len(self) - others.missing
        if others.texts and others.texts == others.too_large < present:
            reason = f"beyond the largest number of float32, {LARGEST:.3g}; correct the cell, or leave it empty"
        elif present >= FEWEST_FOR_SLIPS and 0 < others.texts <= SLIPS * present:
            share = f"{present - others.texts} of its {present} values are numbers"
            reason = f"but {share}; correct the cell, leave it empty, or list its text in dataset.na_values"
        else:
            return [], 0
        cells = [f"{self.place(row)}: column {name!r} holds {text!r}" for row, text in others.first]
        return [f"{cell}, {reason}" for cell in cells], others.texts

    def missing_rows(self, index: int) -> np.ndarray:
        """The numbers of the rows in which a column misses its value."""
        if not self.others(index).texts:
            return np.flatnonzero(np.isnan(self.values[:, index]))
        texts = self.texts(index)
        return np.flatnonzero(np.asarray([self.cells.is_missing(text) for text in texts.levels])[texts.codes])

    def cells_of(self, rows: Sequence[int], index: int) -> list[str]:
        """The texts of single cells of a column."""
        codes, levels = self.texts(index).codes, self.texts(index).levels
        return [levels[codes[row]] for row in rows]

    # -- other tables -------------------------------------------------------------------------------------------------

    def renamed(self, names: Sequence[str]) -> Table:
        """The same columns under other names."""
        return replace(self, names=tuple(names), _places={})

    def reordered(self, indices: Sequence[int]) -> Table:
        """Some of the columns, in another order."""
        return replace(
            self,
            names=tuple(self.names[index] for index in indices),
            values=self.values[:, indices],
            not_numbers={
                new: self.not_numbers[index] for new, index in enumerate(indices) if index in self.not_numbers
            },
            read_texts=lambda asked: self.read_texts([indices[index] for index in asked]),
            leading_zeros={},
            _texts={},
            _places={},
        )

    def joined(self, other: Table) -> Table:
        """The rows of two tables with the same columns."""
        count = len(self)
        columns = self.not_numbers.keys() | other.not_numbers.keys()
        return replace(
            self,
            values=np.concatenate([self.values, other.values]),
            not_numbers={index: other.others(index).after(self.others(index), count) for index in sorted(columns)},
            lines=np.concatenate([self.lines, other.lines]),
            paths=self.paths + tuple((path, begin + count) for path, begin in other.paths),
            read_texts=lambda asked: list(map(_joined, self.read_texts(asked), other.read_texts(asked))),
            _texts={},
        )


def _joined(first: Texts, second: Texts) -> Texts:
    numbers = {text: code for code, text in enumerate(first.levels)}
    codes = np.asarray([numbers.setdefault(text, len(numbers)) for text in second.levels], np.int32)
    return Texts(np.concatenate([first.codes, codes[second.codes]]), tuple(numbers))
