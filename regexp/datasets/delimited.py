"""Read the cells of a delimited text file: its rows with their line numbers, its numbers, the texts of some columns.

Two readers give the same cells. `QuotedRows` reads everything with Python's csv module and places every error.
`PlainRows` reads large files that hold no quotes in their rows: Polars parses the numbers, about ten times as fast.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.cells import CellFormat

LARGE = 1 << 20  # bytes from which on importing Polars pays
CHUNK = 1 << 23  # bytes parsed at a time
MASKED = 1 << 20  # bytes compared with a character at a time
BATCH = 1 << 16  # cells that the csv module reads at a time
SAMPLE = 1 << 14  # bytes in which another delimiter is looked for
OTHER_DELIMITERS = ";\t|, "


@dataclass(frozen=True)
class Texts:
    """A column's cells as text, stripped: `levels[codes[row]]` is the cell of a row."""

    codes: np.ndarray  # (n,) int32
    levels: tuple[str, ...]

    def cells(self) -> list[str]:
        """The text of every row."""
        return list(map(self.levels.__getitem__, self.codes.tolist()))


class Rows:
    """The rows of one file, that of the header among them: all have `width` cells, stripped of white space.

    lines (n,): the line on which each row ends
    """

    path: str
    width: int
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)

    def numbers(self) -> np.ndarray:
        """(n, width) float64 as `CellFormat.number` reads the cells; NaN, or beyond float32, for any other cell.

        A number that is surrounded by white space may also be NaN: the text of a NaN decides what the cell is.
        """
        raise NotImplementedError

    def cells(self, rows: np.ndarray) -> Iterator[list[str]]:
        """The cells of rows given by number, in ascending order."""
        raise NotImplementedError

    def texts(self, columns: Sequence[int]) -> list[Texts]:
        """The texts of whole columns."""
        raise NotImplementedError


def read_rows(path: str, raw: bytes, delimiter: str, cell_format: CellFormat, to_predict: bool) -> Rows:
    """The rows of a file's content, UTF-8. Lines without a cell are no rows.

    to_predict: it may have a single column, and rows of empty cells at the end, which spreadsheets leave below a
    table, count
    Raises DataError naming the file and the lines of rows that do not have as many cells as the first one.
    """
    rows: Rows | None = None
    if len(raw) >= LARGE and cell_format.is_plain:
        rows = PlainRows.of(path, raw, delimiter, to_predict)
    return rows or QuotedRows(path, raw, delimiter, cell_format, to_predict)


# -- any file ---------------------------------------------------------------------------------------------------------


class QuotedRows(Rows):
    """Rows read by the csv module; the content is read anew for each request, so memory holds no cell as an object."""

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
        """(number of the first row, rows) of some rows at a time."""
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
        wanted = iter(rows.tolist())
        row = next(wanted, None)
        for begin, batch in self._batches():
            while row is not None and row < begin + len(batch):
                yield batch[row - begin]
                row = next(wanted, None)
            if row is None:
                return

    def texts(self, columns: Sequence[int]) -> list[Texts]:
        collected = [_Levels(len(self)) for _ in columns]
        for begin, batch in self._batches():
            for levels, index in zip(collected, columns, strict=True):
                levels.put(begin, [cells[index] for cells in batch])
        return [levels.texts() for levels in collected]


def _csv_rows(path: str, raw: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row."""
    skip = delimiter != " "  # `1, "a, b"` is two cells
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=skip)
    is_single = None  # whether the first row has a single cell: then `""` is a row that misses its only value
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
        raise DataError(f"{place}: {error}; is a quote not closed?") from None


def _numbers(cells: Sequence[str], cell_format: CellFormat) -> list[float]:
    """The cells as numbers, NaN for any other text."""
    if cell_format.is_plain:
        try:
            values = [float(cell) if cell else np.nan for cell in cells]
        except ValueError:
            pass
        else:
            if "_" not in "".join(cells):
                return values
    numbers = {text: cell_format.number(text) for text in set(cells)}  # columns of text repeat their values
    return [np.nan if (value := numbers[cell]) is None else value for cell in cells]


class _Levels:
    """Collects the texts of a column, each different one once."""

    def __init__(self, count: int):
        self.codes = np.empty(count, np.int32)
        self.numbers: dict[str, int] = {}

    def put(self, begin: int, cells: Sequence[str]) -> None:
        """The stripped texts of the rows from `begin` on."""
        numbers = self.numbers
        self.codes[begin : begin + len(cells)] = [numbers.setdefault(cell, len(numbers)) for cell in cells]

    def texts(self) -> Texts:
        """The whole column."""
        return Texts(self.codes, tuple(self.numbers))


def _single_column(path: str, raw: bytes, delimiter: str) -> DataError:
    """The error for a table whose first row is a single cell, with the delimiter that the file may have."""
    (line, _), *following = islice(_csv_rows(path, raw, delimiter), 2)
    text = raw.splitlines()[line - 1].decode()
    is_title = bool(following) and len(following[0][1]) > 1
    candidate = max(OTHER_DELIMITERS.rstrip(" ") if is_title else OTHER_DELIMITERS, key=text.count)
    message = f"{path}: has a single column; is the delimiter {delimiter!r} right?"
    if candidate in text:
        written = shown_delimiter(candidate)
        message += f" Line {line} holds {text.count(candidate)} of {written}: set dataset.delimiter: {written}"
    elif is_title:
        message = f"{path}:{line}: has a single cell, line {following[0][0]} has {len(following[0][1])}; "
        message += "if the line is a title, remove it"
    return DataError(message, "dataset.delimiter")


def other_delimiter(raw: bytes, delimiter: str) -> str | None:
    """A character, often a delimiter, that every line holds equally often; None where there is none.

    Only the first lines are examined.
    """
    lines = raw[:SAMPLE].decode(errors="ignore").splitlines()
    lines = [line for line in lines[: len(lines) - (len(raw) > SAMPLE)] if line.strip()]
    for candidate in OTHER_DELIMITERS:
        counts = {line.count(candidate) for line in lines}
        if candidate not in (delimiter, " ", ",") and len(counts) == 1 and 0 not in counts:
            return candidate
    return None


def shown_delimiter(delimiter: str) -> str:
    """As YAML's double quotes write it."""
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'


# -- large files without quotes ---------------------------------------------------------------------------------------


class PlainRows(Rows):
    """Rows of a file without quotes below its first line: there a line is a row, and each delimiter parts two cells."""

    @staticmethod
    def of(path: str, raw: bytes, delimiter: str, to_predict: bool) -> PlainRows | None:
        """None where the file is not of this form, or Polars cannot read it."""
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
        raw = self.raw
        if len(self) < 2 or not self.delimiter.isascii():
            return False
        body = int(self.starts[1])
        codes, returns = np.frombuffer(raw, np.uint8), ord("\r")
        if raw.find(b'"', body) >= 0:
            return False
        ends_return = codes[np.maximum(self.ends - 1, 0)] == returns
        if b"\r" in raw and _count(codes[: self.ends[-1]], returns) != np.count_nonzero(ends_return):
            return False  # a carriage return that ends a line by itself
        try:
            header = [cells for _, cells in _csv_rows(self.path, raw[:body], self.delimiter)]
        except DataError:  # a quote that is not closed on the first line
            return False
        if len(header) != 1 or len(header[0]) < 2:
            return False
        self.first, self.width = header[0], len(header[0])
        if np.any(self.ends - self.starts <= ends_return):  # an empty line
            return False
        return all(np.all(counts == self.width - 1) for counts in self._delimiters(codes))

    def _delimiters(self, codes: np.ndarray) -> Iterator[np.ndarray]:
        """The number of delimiters in each line below the first, some lines at a time."""
        for begin, end in self._blocks(MASKED):
            first = self.starts[begin]
            is_delimiter = codes[first : self.ends[end - 1]] == ord(self.delimiter)
            yield np.add.reduceat(is_delimiter, self.starts[begin:end] - first, dtype=np.int64)

    def _parse(self) -> bool:
        """Whether Polars finds as many rows as there are lines."""
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
        """(begin, end, content) of some rows at a time, without the first row."""
        for begin, end in self._blocks(CHUNK):
            yield begin, end, self.raw[self.starts[begin] : self.ends[end - 1]] + b"\n"

    def _blocks(self, size: int) -> Iterator[tuple[int, int]]:
        """(begin, end) of rows of about `size` bytes, without the first row."""
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
    """(lines,) int64: where each line ends, without its line feed."""
    codes = np.frombuffer(raw, np.uint8)
    blocks = range(0, len(codes), MASKED)
    ends = [begin + np.flatnonzero(codes[begin : begin + MASKED] == ord("\n")) for begin in blocks]
    last = [] if raw.endswith(b"\n") else [np.asarray([len(raw)])]
    return np.concatenate([*ends, *last])


def _count(codes: np.ndarray, code: int) -> int:
    return sum(int(np.count_nonzero(codes[at : at + MASKED] == code)) for at in range(0, len(codes), MASKED))


def _is_unused(line: str, delimiter: str, to_predict: bool) -> bool:
    """Whether a line is no row, or is one of empty cells and these do not count."""
    if to_predict and delimiter in line:
        return False
    return not line.replace(delimiter, "").strip()
