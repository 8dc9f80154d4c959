"""Read the cells of a delimited text file: rows with their line numbers, numbers, and the texts of some columns.

Two readers give the same cells. `QuotedRows` reads any file with Python's csv module and locates every error.
`PlainRows` reads large files without quotes in their rows: Polars parses the numbers, about ten times as fast.
"""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.cells import CellFormat

LARGE = 1 << 20  # bytes above which Polars saves more time than its import takes
CHUNK = 1 << 23  # bytes parsed at a time
MASKED = 1 << 20  # bytes compared with a character at a time
BATCH = 1 << 16  # cells that the csv module reads at a time
SAMPLE = 1 << 14  # bytes searched for another delimiter
OTHER_DELIMITERS = ";\t|, "


@dataclass(frozen=True)
class Texts:
    """The texts of a column's cells, stripped: `levels[codes[row]]` is the cell of a row.

    codes: (n,) int32
    levels: the different texts
    """

    codes: np.ndarray
    levels: tuple[str, ...]

    def cells(self) -> list[str]:
        """Return the text of every row."""
        return list(map(self.levels.__getitem__, self.codes.tolist()))


class Rows(ABC):
    """The rows of a file, including the header. All have `width` cells, stripped of white space.

    path: the file, for messages
    width: the number of columns
    lines: (n,) the line on which each row ends
    """

    path: str
    width: int
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)

    @abstractmethod
    def numbers(self) -> np.ndarray:
        """Return the cells as (n, width) float64 by `CellFormat.number`; any other cell is NaN or beyond float32.

        A number surrounded by white space may also be NaN: callers decide by the text of the cell what a NaN is.
        """

    @abstractmethod
    def cells(self, rows: np.ndarray) -> Iterator[list[str]]:
        """Yield the cells of rows given by number, in ascending order."""

    @abstractmethod
    def texts(self, columns: Sequence[int]) -> list[Texts]:
        """Return the texts of whole columns."""


def read_rows(path: str, raw: bytes, delimiter: str, cell_format: CellFormat, to_predict: bool) -> Rows:
    """Read the rows of a file from its content. Lines without a cell are not rows.

    raw: UTF-8 text
    to_predict: accept a single column, and keep rows of empty cells at the end, which spreadsheets leave below a
        table: each row gets a prediction

    Raises DataError with the file and line of each row whose number of cells differs from that of the first row.
    """
    rows: Rows | None = None
    if len(raw) >= LARGE and cell_format.is_plain:
        rows = PlainRows.of(path, raw, delimiter, to_predict)
    return rows or QuotedRows(path, raw, delimiter, cell_format, to_predict)


# -- any file ---------------------------------------------------------------------------------------------------------


class QuotedRows(Rows):
    """Rows read by the csv module.

    The content is parsed again for each request: kept as Python objects, the cells would take many times its memory.
    """

    def __init__(self, path: str, raw: bytes, delimiter: str, cell_format: CellFormat, to_predict: bool):
        self.path, self.raw, self.delimiter, self.format = path, raw, delimiter, cell_format
        first = next(_csv_rows(path, raw, delimiter), None)
        self.width = len(first[1]) if first else 0
        if self.width == 1 and not to_predict:
            raise _single_column(path, raw, delimiter)
        lines: list[int] = []
        ragged: list[tuple[int, int]] = []
        ragged_count = used = ragged_used = 0
        for line, cells in _csv_rows(path, raw, delimiter):
            lines.append(line)
            if len(cells) != self.width:
                ragged_count += 1
                ragged += [(line, len(cells))] * (len(ragged) < MOST_PROBLEMS)
            if to_predict or any(cells):
                used, ragged_used = len(lines), ragged_count
        if ragged_used:
            expected = f"the first row has {self.width}"
            problems = [f"{path}:{line}: has {count} cells, {expected}" for line, count in ragged[:ragged_used]]
            raise DataError(join_problems(problems, ragged_used))
        self.lines = np.asarray(lines[:used], np.int64)

    def _batches(self) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield batches of rows, each with the number of its first row."""
        size = max(1, BATCH // self.width)
        reader = (cells for _, cells in islice(_csv_rows(self.path, self.raw, self.delimiter), len(self)))
        begin = 0
        while batch := list(islice(reader, size)):
            yield begin, batch
            begin += len(batch)

    def numbers(self) -> np.ndarray:
        values = np.empty((len(self), self.width))
        for begin, batch in self._batches():
            block = values[begin : begin + len(batch)]
            for index, cells in enumerate(zip(*batch, strict=True)):
                block[:, index] = _numbers(cells, self.format)
        return values

    def cells(self, rows: np.ndarray) -> Iterator[list[str]]:
        row_numbers = iter(rows.tolist())
        row = next(row_numbers, None)
        for begin, batch in self._batches():
            while row is not None and row < begin + len(batch):
                yield batch[row - begin]
                row = next(row_numbers, None)
            if row is None:
                return

    def texts(self, columns: Sequence[int]) -> list[Texts]:
        collected = [_Levels(len(self)) for _ in columns]
        for begin, batch in self._batches():
            for levels, index in zip(collected, columns, strict=True):
                levels.put(begin, [cells[index] for cells in batch])
        return [levels.texts() for levels in collected]


def _csv_rows(path: str, raw: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row ends, and its cells. Raises DataError for a quote that is not closed."""
    skip = delimiter != " "  # `1, "a, b"` is two cells
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=skip)
    is_single = None  # whether the first row has a single cell: then `""` is a row whose only value is missing
    begin = 1
    try:
        for cells in reader:
            stripped = list(map(str.strip, cells))
            if len(cells) > 1 or any(stripped) or (is_single and cells):
                is_single = len(cells) == 1 if is_single is None else is_single
                yield reader.line_num, stripped
            begin = reader.line_num + 1
    except csv.Error as error:
        place = f"{path}:{begin}: the row that begins here cannot be read up to line {reader.line_num}"
        raise DataError(f"{place}: {error}; is a quote missing?") from None


def _numbers(cells: Sequence[str], cell_format: CellFormat) -> list[float]:
    """Convert cells to numbers; NaN for any other text."""
    if cell_format.is_plain:
        try:
            values = [float(cell) if cell else np.nan for cell in cells]
        except ValueError:
            pass
        else:
            if "_" not in "".join(cells):  # Python reads 20_30 as 2030
                return values
    numbers = {text: cell_format.number(text) for text in set(cells)}  # columns of text repeat their values
    return [np.nan if (value := numbers[cell]) is None else value for cell in cells]


class _Levels:
    """Collects the texts of a column and stores each different text once."""

    def __init__(self, count: int):
        self.codes = np.empty(count, np.int32)
        self.numbers: dict[str, int] = {}

    def put(self, begin: int, cells: Sequence[str]) -> None:
        """Add the stripped texts of the rows from `begin` on."""
        numbers = self.numbers
        self.codes[begin : begin + len(cells)] = [numbers.setdefault(cell, len(numbers)) for cell in cells]

    def texts(self) -> Texts:
        """Return the collected column."""
        return Texts(self.codes, tuple(self.numbers))


def _single_column(path: str, raw: bytes, delimiter: str) -> DataError:
    """Return the error for a table whose first row is a single cell, with the delimiter that the file may use."""
    (line, _), *following = islice(_csv_rows(path, raw, delimiter), 2)
    text = raw.splitlines()[line - 1].decode()
    is_title = bool(following) and len(following[0][1]) > 1
    candidate = max(OTHER_DELIMITERS.rstrip(" ") if is_title else OTHER_DELIMITERS, key=text.count)
    message = f"{path}: has a single column; is the delimiter {delimiter!r} right?"
    if candidate in text:
        quoted = quoted_delimiter(candidate)
        message += f" Line {line} holds {text.count(candidate)} of {quoted}: set dataset.delimiter: {quoted}"
    elif is_title:
        message = f"{path}:{line}: has a single cell, line {following[0][0]} has {len(following[0][1])}; "
        message += "if the line is a title, remove it"
    return DataError(message, "dataset.delimiter")


def other_delimiter(raw: bytes, delimiter: str) -> str | None:
    """Return another common delimiter that every line contains equally often; None if there is none.

    Only the first lines are examined.
    """
    lines = raw[:SAMPLE].decode(errors="ignore").splitlines()
    # The last line of a sample is cut.
    lines = [line for line in lines[: len(lines) - (len(raw) > SAMPLE)] if line.strip()]
    for candidate in OTHER_DELIMITERS:
        counts = {line.count(candidate) for line in lines}
        if candidate not in (delimiter, " ", ",") and len(counts) == 1 and 0 not in counts:
            return candidate
    return None


def quoted_delimiter(delimiter: str) -> str:
    """Return a delimiter in YAML's double quotes."""
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'


# -- large files without quotes ---------------------------------------------------------------------------------------


class PlainRows(Rows):
    """Rows of a file without quotes below its first line, where each line is a row and each delimiter ends a cell."""

    @staticmethod
    def of(path: str, raw: bytes, delimiter: str, to_predict: bool) -> PlainRows | None:
        """Read a file; return None if it is not of this form, or if Polars cannot parse it."""
        rows = PlainRows(path, raw, delimiter, to_predict)
        if not rows._has_form():
            return None
        from polars.exceptions import PolarsError

        try:
            return rows if rows._parse() else None
        except PolarsError:
            return None

    def __init__(self, path: str, raw: bytes, delimiter: str, to_predict: bool):
        self.path, self.raw, self.delimiter = path, raw, delimiter
        ends = _line_ends(raw)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
        used = len(ends)
        while used and _is_unused(raw[starts[used - 1] : ends[used - 1]].decode(), delimiter, to_predict):
            used -= 1
        self.starts, self.ends, self.lines = starts[:used], ends[:used], np.arange(1, used + 1)
        self.first: list[str] = []
        self.width = 0
        self._values = np.empty((0, 0))

    def _has_form(self) -> bool:
        """Return whether every line below the first is a row with as many delimiters as the first row."""
        raw = self.raw
        if len(self) < 2 or not self.delimiter.isascii():
            return False
        body = int(self.starts[1])
        codes, returns = np.frombuffer(raw, np.uint8), ord("\r")
        if raw.find(b'"', body) >= 0:
            return False
        ends_return = codes[np.maximum(self.ends - 1, 0)] == returns
        if b"\r" in raw and _count(codes[: self.ends[-1]], returns) != np.count_nonzero(ends_return):
            return False  # the csv module ends a line at a carriage return alone, which _line_ends does not
        try:
            header = [cells for _, cells in _csv_rows(self.path, raw[:body], self.delimiter)]
        except DataError:  # a quote that is not closed on the first line: the header has several lines
            return False
        if len(header) != 1 or len(header[0]) < 2:
            return False
        self.first, self.width = header[0], len(header[0])
        if np.any(self.ends - self.starts <= ends_return):  # an empty line
            return False
        return all(np.all(counts == self.width - 1) for counts in self._delimiters(codes))

    def _delimiters(self, codes: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the number of delimiters in each line below the first, a block of lines at a time."""
        for begin, end in self._blocks(MASKED):
            first = self.starts[begin]
            is_delimiter = codes[first : self.ends[end - 1]] == ord(self.delimiter)
            yield np.add.reduceat(is_delimiter, self.starts[begin:end] - first, dtype=np.int64)

    def _parse(self) -> bool:
        """Parse the numbers; return whether Polars finds as many rows as there are lines."""
        import polars

        self._values = values = np.empty((len(self), self.width))
        values[0] = _numbers(self.first, CellFormat())
        schema = {str(index): polars.Float64 for index in range(self.width)}
        for begin, end, content in self._chunks():
            frame = polars.read_csv(
                content, has_header=False, schema=schema, separator=self.delimiter, quote_char=None, ignore_errors=True
            )
            if len(frame) != end - begin:
                return False
            values[begin:end] = frame.to_numpy(order="c")
        return True

    def _chunks(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the begin, end and content of blocks of rows, without the first row."""
        for begin, end in self._blocks(CHUNK):
            yield begin, end, self.raw[self.starts[begin] : self.ends[end - 1]] + b"\n"

    def _blocks(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the begin and end of blocks of rows of about `size` bytes, without the first row."""
        begin = 1
        while begin < len(self):
            end = max(int(np.searchsorted(self.ends, self.starts[begin] + size)), begin + 1)
            yield begin, min(end, len(self))
            begin = end

    def numbers(self) -> np.ndarray:
        return self._values

    def cells(self, rows: np.ndarray) -> Iterator[list[str]]:
        for row in rows.tolist():
            line = self.raw[self.starts[row] : self.ends[row]].decode()
            yield [cell.strip() for cell in line.split(self.delimiter)] if row else self.first

    def texts(self, columns: Sequence[int]) -> list[Texts]:
        import polars

        collected = [_Levels(len(self)) for _ in columns]
        for levels, index in zip(collected, columns, strict=True):
            levels.put(0, [self.first[index]])
        schema = {str(index): polars.String for index in range(self.width)}
        for begin, _, content in self._chunks():
            frame = polars.read_csv(
                content,
                has_header=False,
                columns=sorted(set(columns)),
                schema=schema,
                separator=self.delimiter,
                quote_char=None,
            )
            for levels, index in zip(collected, columns, strict=True):
                levels.put(begin, [cell.strip() if cell else "" for cell in frame[str(index)].to_list()])
        return [levels.texts() for levels in collected]


def _line_ends(raw: bytes) -> np.ndarray:
    """Return the offset (lines,) int64 at which each line ends, without its line feed."""
    codes = np.frombuffer(raw, np.uint8)
    blocks = range(0, len(codes), MASKED)
    ends = [begin + np.flatnonzero(codes[begin : begin + MASKED] == ord("\n")) for begin in blocks]
    last = [] if raw.endswith(b"\n") else [np.asarray([len(raw)])]
    return np.concatenate([*ends, *last])


def _count(codes: np.ndarray, code: int) -> int:
    return sum(int(np.count_nonzero(codes[at : at + MASKED] == code)) for at in range(0, len(codes), MASKED))


def _is_unused(line: str, delimiter: str, to_predict: bool) -> bool:
    """Return whether a line at the end is not a row: it is empty, or holds only empty cells and is not predicted."""
    if to_predict and delimiter in line:
        return False
    return not line.replace(delimiter, "").strip()
