"""Read a delimited text file into a Table. Every error names the file and the line."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError
from regexp.datasets.cells import LARGEST, CellFormat
from regexp.datasets.delimited import Rows, Texts, other_delimiter, quoted_delimiter, read_rows
from regexp.datasets.header import infer_header
from regexp.datasets.table import NonNumericCells, Table

ENTRIES = 1 << 20  # entries of a matrix examined at a time
MOST_SAMPLED = 100_000  # cells searched for codes with leading zeros
NUMBER, MISSING_VALUE, TEXT, TOO_LARGE = range(4)


@dataclass(frozen=True)
class FileFormat:
    """The format of a delimited file.

    header: whether the first line names the columns; auto infers it
    """

    delimiter: str = ","
    header: bool | Literal["auto"] = "auto"
    encoding: str = "utf-8"
    cells: CellFormat = field(default_factory=CellFormat)


def read_table(path: str, file_format: FileFormat, to_predict: bool = False, key: str | None = None) -> Table:
    """Read a .csv file. Empty lines are not rows.

    to_predict: accept a single column, and keep the empty rows below the table: each row gets a prediction
    key: the key in the config that names the file, for errors

    Raises DataError with the file and line of every bad row.
    """
    delimiter = file_format.delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n':
        message = f"dataset.delimiter must be one character other than a quote or line end, got {delimiter!r}"
        raise DataError(message, "dataset.delimiter")
    raw = _content(path, file_format.encoding, key)
    rows = read_rows(path, raw, delimiter, file_format.cells, to_predict)
    if not len(rows):
        raise DataError(f"{path}: is empty")
    first = next(rows.cells(np.zeros(1, np.int64)))
    header = file_format.header
    if header == "auto":
        header = infer_header(rows, file_format.cells)
    names = tuple(first) if header else tuple(f"column_{index}" for index in range(rows.width))
    place = f"{path}:{rows.lines[0]}"
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{place}: the column name {repeated[0]!r} appears twice; if the first line does not name the columns, set "
            "dataset.header: false",
            "dataset.header",
        )
    if header and len(rows) == 1:
        raise DataError(f"{path}: has a header and no rows")
    notes: tuple[str, ...] = ()
    if (alternative := other_delimiter(raw, delimiter)) is not None:
        advice = f"if these separate the cells, set dataset.delimiter: {quoted_delimiter(alternative)}"
        notes = (f"{path}: every line also holds {quoted_delimiter(alternative)}; {advice}",)
    return _table(rows, names, header, file_format, notes)


def _content(path: str, encoding: str, key: str | None) -> bytes:
    """Return the content of a text file as UTF-8, without a byte order mark."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", key) from None
    try:
        is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        if not is_utf8:
            raw = raw.decode(encoding).encode()
        elif not raw.isascii():
            raw.decode()
    except UnicodeDecodeError as error:
        advice = "; set dataset.encoding to the file's encoding: cp1252, utf-16, ..." if is_utf8 else ""
        name = "UTF-8" if is_utf8 else encoding
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: is not {name} text (byte {error.start}){advice}", "dataset.encoding") from None
    except (LookupError, UnicodeError):
        message = f"dataset.encoding {encoding!r} is unknown; try utf-8, cp1252, latin-1, utf-16"
        raise DataError(message, "dataset.encoding") from None
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise DataError(f"{path}:{line}: holds a NUL byte; is it a text file? (dataset.encoding: utf-16 may read it)")
    return raw


def _table(rows: Rows, names: tuple[str, ...], header: bool, file_format: FileFormat, notes: tuple[str, ...]) -> Table:
    begin = int(header)
    values = rows.numbers()[begin:]
    texts: dict[int, Texts] = {}
    # Before the table is built: this corrects `values` in place and fills `texts`.
    non_numeric = _non_numeric_cells(rows, begin, values, file_format.cells, texts)

    def read_texts(indices: Sequence[int]) -> list[Texts]:
        return [_below(texts, begin) for texts in rows.texts(indices)]

    return Table(
        names,
        values,
        non_numeric,
        rows.lines[begin:],
        ((rows.path, 0),),
        read_texts,
        file_format.cells,
        header,
        _leading_zeros(rows, begin),
        notes,
        texts,
    )


def _leading_zeros(rows: Rows, begin: int) -> dict[int, str]:
    """Return a cell such as 007 for each column that has one in the first rows."""
    count = min(len(rows), begin + max(1, MOST_SAMPLED // rows.width))
    zeros: dict[int, str] = {}
    for cells in rows.cells(np.arange(begin, count)):
        for index, text in enumerate(cells):
            if text[:1] == "0" and len(text) > 1 and text.isdecimal():
                zeros.setdefault(index, text)
    return zeros


def _below(texts: Texts, begin: int) -> Texts:
    """Return a column's texts from a row on, with only the levels that occur there."""
    if not begin:
        return texts
    codes, counts = texts.codes[begin:], np.bincount(texts.codes[begin:], minlength=len(texts.levels))
    if counts.all():
        return Texts(codes, texts.levels)
    new_codes = (np.cumsum(counts > 0) - 1).astype(np.int32)
    return Texts(new_codes[codes], tuple(text for text, count in zip(texts.levels, counts, strict=True) if count))


def _non_numeric_cells(
    rows: Rows, begin: int, values: np.ndarray, cells: CellFormat, texts: dict[int, Texts]
) -> dict[int, NonNumericCells]:
    """Classify the cells that are not numbers, by their texts, and set them to NaN in `values`.

    begin: the number of the first row
    values: (n, columns) the numbers of `Rows.numbers` from row `begin` on; corrected in place
    texts: receives the texts of the columns that are read as a whole

    A column is read as a whole if most of its cells are text; otherwise single cells are read.
    """
    is_text = np.empty(values.shape, bool)
    size = max(1, ENTRIES // values.shape[1])
    missing_numbers = cells.missing_numbers
    for row in range(0, len(values), size):
        block = values[row : row + size]
        for value in missing_numbers:
            block[block == value] = np.nan
        np.less_equal(np.abs(block), LARGEST, out=is_text[row : row + size])
    np.logical_not(is_text, out=is_text)  # negated: NaN compares as False, and counts as text here
    counts = np.count_nonzero(is_text, axis=0)
    mostly = np.flatnonzero(counts > len(values) / 2)
    non_numeric: dict[int, NonNumericCells] = {}
    if len(mostly):
        for index, column in zip(mostly.tolist(), rows.texts(mostly.tolist()), strict=True):
            texts[index] = _below(column, begin)
            non_numeric[index] = _classify_column(texts[index], values[:, index], cells)
    partly = np.flatnonzero((counts > 0) & (counts <= len(values) / 2))
    non_numeric |= _classify_cells(rows, begin, values, is_text, partly, cells)
    return {index: column for index, column in non_numeric.items() if column.missing or column.texts}


def _classify_column(texts: Texts, values: np.ndarray, cells: CellFormat) -> NonNumericCells:
    """Classify all cells of a column by their texts, and correct its `values` in place."""
    meanings = [_meaning(text, cells) for text in texts.levels]
    kinds = np.asarray([kind for kind, _ in meanings])[texts.codes]
    is_number = kinds == NUMBER
    values[:] = np.where(is_number, np.asarray([value for _, value in meanings])[texts.codes], np.nan)
    is_text = (kinds == TEXT) | (kinds == TOO_LARGE)
    first = np.flatnonzero(is_text)[:MOST_PROBLEMS].tolist()
    return NonNumericCells(
        int(np.count_nonzero(kinds == MISSING_VALUE)),
        int(np.count_nonzero(is_text)),
        int(np.count_nonzero(kinds == TOO_LARGE)),
        tuple((row, texts.levels[texts.codes[row]]) for row in first),
    )


def _classify_cells(
    rows: Rows, begin: int, values: np.ndarray, is_text: np.ndarray, columns: np.ndarray, cells: CellFormat
) -> dict[int, NonNumericCells]:
    """Classify single cells of some columns by their texts, and correct their `values` in place.

    is_text: (n, columns) the cells to classify
    """
    counts = {index: [0, 0, 0] for index in columns.tolist()}  # missing, texts, too large
    first: dict[int, list[tuple[int, str]]] = {index: [] for index in columns.tolist()}
    meanings: dict[str, tuple[int, float]] = {}
    row_numbers, places = np.nonzero(is_text[:, columns])
    bounds = np.flatnonzero(np.diff(row_numbers, prepend=-1))
    marked = columns[places]
    for number, (row_cells, start) in enumerate(
        zip(rows.cells(row_numbers[bounds] + begin), bounds.tolist(), strict=True)
    ):
        end = bounds[number + 1] if number + 1 < len(bounds) else len(marked)
        row = int(row_numbers[start])
        for index in marked[start:end].tolist():
            text = row_cells[index]
            meaning = meanings.get(text)
            if meaning is None:
                if len(meanings) > ENTRIES:  # bounds the memory of a column of unique texts
                    meanings.clear()
                meaning = meanings[text] = _meaning(text, cells)
            kind, value = meaning
            values[row, index] = value
            if kind == NUMBER:
                continue
            counts[index][0] += kind == MISSING_VALUE
            counts[index][1] += kind != MISSING_VALUE
            counts[index][2] += kind == TOO_LARGE
            if kind != MISSING_VALUE and len(first[index]) < MOST_PROBLEMS:
                first[index].append((row, text))
    return {
        index: NonNumericCells(missing, texts, too_large, tuple(first[index]))
        for index, (missing, texts, too_large) in counts.items()
    }


def _meaning(text: str, cells: CellFormat) -> tuple[int, float]:
    """Return the kind of a cell, and its number or NaN."""
    if cells.is_missing(text):
        return MISSING_VALUE, np.nan
    value = cells.number(text)
    if value is None:
        return TOO_LARGE if cells.is_too_large(text) else TEXT, np.nan
    return (MISSING_VALUE, np.nan) if value in cells.missing_numbers else (NUMBER, value)
