"""Read a delimited text file into a Table of cells; every error names the file and the line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from regexp.errors import DataError

MISSING = frozenset({"", "?", "NA", "N/A", "na", "n/a", "nan", "NaN", "NAN", "null", "NULL", "None"})
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Table:
    """Cells as text, None where missing; `places` tells file and line of each row."""

    names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    places: tuple[str, ...]
    header: bool

    def place(self, row: int) -> str:
        """`file.csv:17` of a row."""
        return self.places[row]

    def column(self, index: int) -> list[str | None]:
        """All cells of one column."""
        return [row[index] for row in self.rows]

    def numbers(self, index: int) -> np.ndarray | None:
        """A column as float64, NaN where missing; None where it holds text.

        Raises DataError where all but a few cells are numbers, or the others are beyond float32: a slip more likely
        than a category.
        """
        cells = self.column(index)
        values = [number(cell) for cell in cells]
        bad = [i for i, value in enumerate(values) if value is None]
        if not bad:
            return np.asarray(values, np.float64)
        present = sum(cell is not None for cell in cells)
        if len(bad) < present and all(_is_too_large(cells[i]) for i in bad):
            raise DataError(
                f"{self.place(bad[0])}: column {self.names[index]!r} holds {cells[bad[0]]!r}, beyond the largest "
                f"number of float32, {LARGEST:.3g}; mend the cell, or leave it empty"
            )
        if present >= 50 and len(bad) <= present // 50:
            raise DataError(
                f"{self.place(bad[0])}: column {self.names[index]!r} holds {cells[bad[0]]!r}, but "
                f"{present - len(bad)} of its {present} values are numbers; mend the cell, or leave it empty"
            )
        return None

    def mixture(self, name: str) -> str | None:
        """Where a column holds numbers and text, its first cell of the rarer kind, in words; else None.

        Text that is numbers but for commas is told as such.
        """
        cells = self.column(self.names.index(name))
        texts = [row for row, cell in enumerate(cells) if number(cell) is None]
        if texts and all(number(str(cells[row]).replace(",", "")) is not None for row in texts):
            return f"{self.place(texts[0])}: column {name!r} holds {cells[texts[0]]!r}, which a comma makes a text"
        kinds = [None if cell is None else "text" if number(cell) is None else "number" for cell in cells]
        counts = Counter(kind for kind in kinds if kind).most_common()
        if len(counts) < 2:
            return None
        (usual, count), (rarer, _) = counts
        row = kinds.index(rarer)
        return f"{self.place(row)}: column {name!r} holds {cells[row]!r}, a {rarer}, beside {count} {usual}s"

    def index(self, column: str | int, key: str | None = None) -> int:
        """The number of a column that the config's `key` gives by name or number. Raises DataError for none."""
        if isinstance(column, int):
            if not -len(self.names) <= column < len(self.names):
                raise DataError(f"{self.places[0]}: no column {column}; there are {len(self.names)}", key)
            return column % len(self.names)
        if column not in self.names:
            raise DataError(f"{self.places[0]}: no column {column!r}; there are {', '.join(self.names[:20])}", key)
        return self.names.index(column)

    def joined(self, other: Table) -> Table:
        """The rows of two tables with the same columns."""
        if self.names != other.names:
            raise DataError(f"{other.places[0]}: its columns are not those of {self.places[0]}")
        return Table(self.names, self.rows + other.rows, self.places + other.places, self.header)


def read_table(
    path: str, delimiter: str, header: bool | Literal["auto"], to_predict: bool = False, key: str | None = None
) -> Table:
    """A .csv file as text. Empty lines are no rows.

    to_predict: it may have a single column, and empty rows below the table count, too: each gets its prediction
    key: of the config that names the file
    Raises DataError naming file and line of the first bad row.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        message = f"dataset.delimiter must be one character, no quote or line end, got {delimiter!r}"
        raise DataError(message, "dataset.delimiter")
    lines = _lines(path, delimiter, key)
    while not to_predict and lines and not any(lines[-1][1]):  # what spreadsheets leave below a table
        lines.pop()
    if not lines:
        raise DataError(f"{path}: is empty")
    width = len(lines[0][1])
    if width < 2 and not to_predict:
        message = f"{path}: has a single column; is the delimiter {delimiter!r} right?"
        raise DataError(message, "dataset.delimiter")
    for number, cells in lines:
        if len(cells) != width:
            raise DataError(f"{path}:{number}: has {len(cells)} cells, the first row has {width}")
    first = lines[0][1]
    has_header = _looks_like_header(first) if header == "auto" else header
    names = tuple(first) if has_header else tuple(f"column_{i}" for i in range(width))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}:{lines[0][0]}: the column name {twice[0]!r} stands twice (no header? header: false)")
    body = lines[1:] if has_header else lines
    if not body:
        raise DataError(f"{path}: has a header and no rows")
    rows = tuple(tuple(None if cell in MISSING else cell for cell in cells) for _, cells in body)
    return Table(names, rows, tuple(f"{path}:{number}" for number, _ in body), has_header)


def _lines(path: str, delimiter: str, key: str | None) -> list[tuple[int, list[str]]]:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", key) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise DataError(f"{path}: holds a NUL byte; is it a text file?")
    skip = delimiter != " "  # `1, "a, b"` is two cells
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=skip)
    found: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            single = bool(found) and len(found[0][1]) == 1  # there `""` is a row that misses its only value
            if len(cells) > 1 or any(cell.strip() for cell in cells) or (single and cells):
                found.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from None
    return found


def _looks_like_header(cells: list[str]) -> bool:
    names = cells if cells[0] else cells[1:]  # pandas leaves the name of its index empty
    return bool(names) and all(number(cell) is None and cell not in MISSING for cell in names)


def number(cell: str | None) -> float | None:
    """A cell as a number: NaN where missing, None where it is text or does not fit float32."""
    if cell is None:
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        return None
    fits = abs(value) <= LARGEST and "_" not in cell  # Python reads 20_30 as 2030
    return value if fits else None


def _is_too_large(cell: str | None) -> bool:
    """Whether it would be a number if float32 held it: `inf`, `1e300`."""
    try:
        return cell is not None and "_" not in cell and abs(float(cell)) > LARGEST
    except ValueError:
        return False
