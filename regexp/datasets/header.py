"""Infer whether the first line of a delimited file holds the names of its columns, but only if that is certain.

Each column gives evidence by its first cell, compared with the cells below it:

    text above numbers                                      a name
    text above repeated texts, none of which is the same    a name, unless a number of the line cannot be a name
    text that also occurs below                             data
    a number with decimals or a minus sign                  not a name
    the same text in two columns                            data: names differ

The line is unclear if it shows both names and data, if text columns never repeat a value, if its numbers count up
(0, 1, 2: what pandas writes for columns without names; 2019, 2020, 2021: years), and if they are whole above columns of
fractions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.cells import CellFormat
from regexp.datasets.delimited import Rows

MOST_ROWS, FEWEST_ROWS, MOST_CELLS = 1000, 20, 400_000  # of the sample with which the first line is compared
REPEATS = 2.0  # rows per different text from which a text column counts as categories
FRACTIONS = 5  # rows of fractions below a whole number from which it cannot be a value of the column

_WHOLE = re.compile(r"\d+")


def infer_header(rows: Rows, cells: CellFormat) -> bool:
    """Return whether the first line holds names. Raises DataError with the key to set if that is unclear."""
    count = min(len(rows), 1 + max(FEWEST_ROWS, min(MOST_ROWS, MOST_CELLS // rows.width)))
    numbers = rows.numbers()[1:count]
    has_text = ~np.isfinite(numbers).all(0)
    text_columns = np.flatnonzero(has_text).tolist()
    (first, *_), body = _sample(rows, count, text_columns)
    evidence = _Evidence(first, numbers, dict(zip(text_columns, body, strict=True)), cells)
    decision = evidence.decision()
    if decision is None:
        shown = ",".join(first[:6]) + (",..." if len(first) > 6 else "")
        raise DataError(
            f"{rows.path}:{rows.lines[0]}: unclear whether the first line, {shown!r}, names the columns or is data: "
            f"{evidence.doubt}; set dataset.header: true (names) or false (data)",
            "dataset.header",
        )
    return decision


def _sample(rows: Rows, count: int, columns: Sequence[int]) -> tuple[list[list[str]], list[list[str]]]:
    """Return a list of the first row, and for each of the columns the texts below it."""
    sample = rows.cells(np.arange(count if columns else 1))
    first = next(sample)
    below = list(sample)
    return [first], [[cells[index] for cells in below] for index in columns]


class _Evidence:
    """The evidence of the columns about the first line.

    first: the cells of the first line
    numbers: (n, columns) the numbers in the rows below it
    texts: the texts below it, for each column that is not all numbers
    doubt: why the decision is unclear
    """

    def __init__(self, first: Sequence[str], numbers: np.ndarray, texts: dict[int, list[str]], cells: CellFormat):
        self.first, self.cells = first, cells
        self.doubt = ""
        self.name_above_numbers = self.new_text = self.data_text = self.is_fraction = 0
        self.integers: list[int] = []  # the whole numbers in the first line
        self.above_fractions = 0  # how many of them have only fractions below
        fractions = (numbers != np.round(numbers)).all(0) & (len(numbers) >= FRACTIONS)
        for index, text in enumerate(first):
            if self._is_missing(text) or (self.name_above_numbers and index not in texts):
                continue  # one name above numbers decides: more of them change nothing, and a table may be wide
            if self._is_number(text):
                self._number(text, bool(fractions[index]))
            elif index not in texts:
                self.name_above_numbers += 1
            else:
                self._text(text, texts[index])

    def decision(self) -> bool | None:
        """Return True for names, False for data, or None if that is unclear; then `doubt` says why."""
        names = [text for text in self.first if text]
        repeats = len(set(names)) < len(names)
        if self.name_above_numbers:
            if self.data_text:
                self.doubt = "one text has numbers below it, and another one occurs again below"
                return None
            return True
        if self.data_text or repeats or (self.is_fraction and not self.new_text):
            return False
        if self.new_text:
            if not self.is_fraction and (not self.integers or self._counts_up()):
                return True
            self.doubt = "it holds numbers, and a text that occurs in no other row"
            return None
        if self._counts_up():
            self.doubt = "its numbers count up, like names of columns"
            return None
        if self.integers:
            if len(self.integers) > 1 and self.above_fractions == len(self.integers):
                self.doubt = "its numbers are whole, and those below have decimals"
                return None
            return False
        self.doubt = "all cells are text, and no column repeats its values"
        return None

    def _is_missing(self, text: str) -> bool:
        return self.cells.is_missing(text)

    def _is_number(self, text: str) -> bool:
        cells = self.cells
        return cells.number(text) is not None or cells.is_too_large(text) or cells.almost_number(text) is not None

    def _number(self, text: str, above_fractions: bool) -> None:
        if _WHOLE.fullmatch(text):
            self.integers.append(int(text))
            self.above_fractions += above_fractions
        else:
            self.is_fraction += 1

    def _text(self, text: str, below: Sequence[str]) -> None:
        if text in below:
            self.data_text += 1
            return
        present = [cell for cell in below if not self._is_missing(cell)]
        if all(map(self._is_number, present)):
            self.name_above_numbers += bool(present)
        elif len(present) >= REPEATS * len(set(present)):
            self.new_text += 1

    def _counts_up(self) -> bool:
        """Return whether the whole numbers are consecutive: 0, 1, ..., or at least three from any number on."""
        steps = np.diff(self.integers)
        if len(self.integers) < 2 or np.any(steps != 1):
            return False
        return len(self.integers) > 2 or self.above_fractions == 2 or (self.integers[0] == 0 and self.new_text > 0)
