"""A table in memory, stored by columns, with the file and line of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.cells import LARGEST, CellFormat
from regexp.datasets.delimited import Texts

# Texts in a column of numbers count as typos if the column has this many values and at most this share are texts.
FEWEST_FOR_TYPOS, TYPOS = 50, 0.02


@dataclass(frozen=True)
class NonNumericCells:
    """The cells of a column that are not numbers.

    missing: the number of missing values
    texts: the number of texts, including numbers beyond float32
    too_large: the number of numbers beyond float32
    first: (row, text) of the first texts, at most `MOST_PROBLEMS`
    """

    missing: int = 0
    texts: int = 0
    too_large: int = 0
    first: tuple[tuple[int, str], ...] = ()

    def after(self, above: NonNumericCells, rows: int) -> NonNumericCells:
        """Return the cells of this column joined below another column of `rows` rows."""
        first = above.first + tuple((row + rows, text) for row, text in self.first)
        return NonNumericCells(
            self.missing + above.missing,
            self.texts + above.texts,
            self.too_large + above.too_large,
            first[:MOST_PROBLEMS],
        )


ALL_NUMBERS = NonNumericCells()


@dataclass(frozen=True)
class Table:
    """The columns of a file.

    names: the names of the columns
    values: (n, columns) the numbers in float64, NaN for missing values and text
    non_numeric_cells: the cells that are not numbers, for each column that has any
    lines: (n,) the line on which each row ends
    paths: (file, number of its first row) of each file
    read_texts: a function that reads the texts of columns given by number
    cells: the notation of the cells
    header: whether the file names its columns
    leading_zeros: a cell such as 007 for each numeric column that has one near the top of the file
    notes: warnings about how the file was read
    """

    names: tuple[str, ...]
    values: np.ndarray
    non_numeric_cells: Mapping[int, NonNumericCells]
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
        """The file, or the first of two joined files."""
        return self.paths[0][0]

    def place(self, row: int) -> str:
        """Return the place of a row: `file.csv:17`."""
        path = next(path for path, begin in reversed(self.paths) if row >= begin)
        return f"{path}:{self.lines[row]}"

    # -- columns ------------------------------------------------------------------------------------------------------

    def index(self, column: str | int, key: str | None = None) -> int:
        """Return the number of a column given by name or number in `key` of the config. Raises DataError if unknown."""
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
        """Return whether a column has this name."""
        if not self._places:
            self._places.update(zip(self.names, range(len(self.names)), strict=True))
        return name in self._places

    def texts(self, index: int) -> Texts:
        """Return the cells of a column as written, stripped of white space; an empty cell is ""."""
        if index not in self._texts:
            (self._texts[index],) = self.read_texts([index])
        return self._texts[index]

    def load_texts(self, indices: Sequence[int]) -> None:
        """Read the texts of several columns in one pass over the file, for later calls of `texts`."""
        unread = [index for index in indices if index not in self._texts]
        if unread:
            self._texts.update(zip(unread, self.read_texts(unread), strict=True))

    def column(self, index: int) -> list[str | None]:
        """Return the text of each cell of a column; None for a missing value."""
        texts = self.texts(index)
        levels = [None if self.cells.is_missing(text) else text for text in texts.levels]
        return [levels[code] for code in texts.codes.tolist()]

    def non_numeric(self, index: int) -> NonNumericCells:
        """Return the cells of a column that are not numbers."""
        return self.non_numeric_cells.get(index, ALL_NUMBERS)

    def numbers(self, index: int) -> np.ndarray | None:
        """Return a column as float64, NaN for missing values; None if it holds text.

        Raises DataError if `typos` reports any.
        """
        problems, count = self.typos(index)
        if count:
            raise DataError(join_problems(problems, count))
        return None if self.non_numeric(index).texts else self.values[:, index]

    def typos(self, index: int) -> tuple[list[str], int]:
        """Return messages about the first texts that are typos rather than categories, and the number of typos.

        Texts are typos if nearly all cells of their column are numbers, or if they are numbers beyond float32.
        """
        cells, name = self.non_numeric(index), self.names[index]
        present = len(self) - cells.missing
        if cells.texts and cells.texts == cells.too_large < present:
            reason = f"beyond the largest number of float32, {LARGEST:.3g}; correct the cell, or leave it empty"
        elif present >= FEWEST_FOR_TYPOS and 0 < cells.texts <= TYPOS * present:
            share = f"{present - cells.texts} of its {present} values are numbers"
            reason = f"but {share}; correct the cell, leave it empty, or list its text in dataset.na_values"
        else:
            return [], 0
        places = [f"{self.place(row)}: column {name!r} holds {text!r}" for row, text in cells.first]
        return [f"{place}, {reason}" for place in places], cells.texts

    def missing_rows(self, index: int) -> np.ndarray:
        """Return the numbers of the rows in which a column's value is missing."""
        if not self.non_numeric(index).texts:
            return np.flatnonzero(np.isnan(self.values[:, index]))
        texts = self.texts(index)
        return np.flatnonzero(np.asarray([self.cells.is_missing(text) for text in texts.levels])[texts.codes])

    def cells_of(self, rows: Sequence[int], index: int) -> list[str]:
        """Return the texts of single cells of a column."""
        codes, levels = self.texts(index).codes, self.texts(index).levels
        return [levels[codes[row]] for row in rows]

    # -- other tables -------------------------------------------------------------------------------------------------

    def renamed(self, names: Sequence[str]) -> Table:
        """Return the same columns under other names."""
        return replace(self, names=tuple(names), _places={})

    def reordered(self, indices: Sequence[int]) -> Table:
        """Return some of the columns, in another order."""
        return replace(
            self,
            names=tuple(self.names[index] for index in indices),
            values=self.values[:, indices],
            non_numeric_cells={
                new: self.non_numeric_cells[index]
                for new, index in enumerate(indices)
                if index in self.non_numeric_cells
            },
            read_texts=lambda columns: self.read_texts([indices[index] for index in columns]),
            leading_zeros={},
            _texts={},
            _places={},
        )

    def joined(self, below: Table) -> Table:
        """Return the rows of this table followed by those of another one with the same columns."""
        count = len(self)
        indices = sorted(self.non_numeric_cells.keys() | below.non_numeric_cells.keys())
        return replace(
            self,
            values=np.concatenate([self.values, below.values]),
            non_numeric_cells={i: below.non_numeric(i).after(self.non_numeric(i), count) for i in indices},
            lines=np.concatenate([self.lines, below.lines]),
            paths=self.paths + tuple((path, begin + count) for path, begin in below.paths),
            read_texts=lambda columns: list(map(_joined, self.read_texts(columns), below.read_texts(columns))),
            _texts={},
        )


def _joined(first: Texts, second: Texts) -> Texts:
    numbers = {text: code for code, text in enumerate(first.levels)}
    codes = np.asarray([numbers.setdefault(text, len(numbers)) for text in second.levels], np.int32)
    return Texts(np.concatenate([first.codes, codes[second.codes]]), tuple(numbers))
