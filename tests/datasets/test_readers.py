"""The two readers of delimited files give the same cells, and these are what Python's csv module and float read."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regexp.core.errors import DataError
from regexp.datasets import delimited, reading
from regexp.datasets.cells import CellFormat
from regexp.datasets.csv import CSV
from regexp.datasets.delimited import PlainRows, QuotedRows
from regexp.datasets.reading import FileFormat, read_table

NUMBERS = [
    "0",
    "-0",
    "+5",
    "1.",
    ".5",
    "1e3",
    "1E-400",
    "123456789012345678901",
    "0.1",
    "5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "8.41e21",
    "9007199254740993",
]
OTHERS = [
    "?",
    "NA",
    "nan",
    "NaN",
    "nAn",
    "None",
    "inf",
    "-Infinity",
    "1e39",
    "1e400",
    "20_30",
    "0x1",
    "1d5",
    "red",
    "é",
    "٣",
    "007",
    "3%",
    "1;5",
    "'",
    "#1",
    "true",
    "--1",
    "1e",
    "e5",
    ".",
]
OTHERS += ["", " ", "New York", "1 2", "\u20031", "x\x1cy"]
CELLS = st.sampled_from(NUMBERS + OTHERS) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
PADDING = st.sampled_from(["", "", "", " ", "  "])
LINE_ENDS = st.sampled_from(["\n", "\r\n"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all examples."""
    return tmp_path_factory.mktemp("tables")


@st.composite
def files(draw):
    """(text, delimiter) of a table; now and then a row of another width, an empty line or none at the end."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    width = draw(st.integers(1, 4))
    line_end = draw(LINE_ENDS)
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    pad = (lambda cell: cell) if delimiter == " " else (lambda cell: draw(PADDING) + cell + draw(PADDING))
    lines = [delimiter.join(pad(cell) for cell in row) for row in rows]
    for _ in range(draw(st.integers(0, 1)) and draw(st.integers(0, 2))):
        odd_line = draw(st.sampled_from(["", " ", delimiter, delimiter * 3, "1", f"1{delimiter}2", '"a"', "a\rb"]))
        lines.insert(draw(st.integers(0, len(lines))), odd_line)
    return line_end.join(lines) + draw(st.sampled_from(["", line_end, line_end * 2, delimiter + line_end])), delimiter


def contents(path, delimiter, header, to_predict, cells=None):
    """Everything that a table holds, or the text of the error."""
    try:
        table = read_table(path, FileFormat(delimiter, header, cells=cells or CellFormat()), to_predict)
    except DataError as error:
        return str(error), error.key
    columns = range(len(table.names))
    return (
        table.names,
        table.header,
        table.values.tobytes(),
        dict(table.non_numeric_cells),
        [table.place(row) for row in range(len(table))],
        [table.texts(index).cells() for index in columns],
        table.leading_zeros,
        table.notes,
    )


@settings(max_examples=400, deadline=None)
@given(files(), st.sampled_from([True, False, "auto"]), st.booleans(), st.sampled_from([16, 1 << 24]))
@example(("1,2\n3\n4,5,6\n7,8\n", ","), False, False, 16)
@example(("1,2\n3,4\n\n5,6\n", ","), False, False, 16)
@example(("\n1,2\n3,4\n", ","), False, False, 16)
@example(('"a","b"\n1,2\n', ","), True, False, 16)
@example(('"a,\nb",c\n1,2\n', ","), True, False, 16)
@example(("a,b\n1,2\r3,4\n", ","), True, False, 16)
@example(("\t1\n\t2\n", "\t"), False, True, 16)
@example(("1 ,2 \n3 , 4\n", ","), False, False, 16)
@example(("0,0\n1,2\n,\n3\n4,5,\n", ","), False, False, 16)
@example(("0,0,0,0\n1,2,3,4\n,\n", ","), False, False, 16)
def test_both_readers_give_the_same_table(folder, file, header, to_predict, chunk):
    text, delimiter = file
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "LARGE", 1 << 60)
        slow = contents(str(path), delimiter, header, to_predict)
        patch.setattr(delimited, "LARGE", 0)
        patch.setattr(delimited, "CHUNK", chunk)
        assert contents(str(path), delimiter, header, to_predict) == slow


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELLS.filter(str.strip), min_size=3, max_size=3), min_size=2, max_size=8))
def test_cells_are_those_of_the_csv_module_and_float(folder, rows):
    path = folder / "t.csv"
    text = "\n".join(",".join(row) for row in rows)
    path.write_text(text)
    expected = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]
    for large in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delimited, "LARGE", large)
            table = read_table(str(path), FileFormat(header=False))
        assert [list(row) for row in zip(*(table.texts(index).cells() for index in range(3)), strict=True)] == expected
        for row, cells in enumerate(expected):
            for index, cell in enumerate(cells):
                value = table.values[row, index]
                if np.isnan(value):
                    assert cell in {"?", "NA", "nan", "NaN", "None"} or not is_finite_float32(cell)
                else:
                    assert is_finite_float32(cell)
                    assert value.tobytes() == np.float64(float(cell)).tobytes()


def is_finite_float32(cell):
    try:
        return "_" not in cell and abs(float(cell)) <= float(np.finfo(np.float32).max)
    except ValueError:
        return False


def large_file(path, rows=3000, columns=60):
    """A file above the size from which on Polars reads: numbers, one column of text, one with missing values."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((rows, columns))
    cells = [[repr(value) for value in row] for row in values.tolist()]
    for row, line in enumerate(cells):
        line[1] = "" if row % 7 == 0 else line[1]
        line[2] = ("red", "green", "blue")[row % 3]
    header = ",".join(f"x{index}" for index in range(columns))
    path.write_text("\n".join([header, *(",".join(line) for line in cells)]) + "\n")
    return values


def test_a_large_file_is_read_by_polars_with_the_digits_of_python(tmp_path):
    path = tmp_path / "t.csv"
    values = large_file(path)
    raw = path.read_bytes()
    assert len(raw) > delimited.LARGE
    rows = delimited.read_rows(str(path), raw, ",", CellFormat(), False)
    assert type(rows) is PlainRows
    data = CSV(path=str(path)).load()
    assert data.columns[:6] == ("x0", "x1", "x2=blue", "x2=green", "x2=red", "x3")
    np.testing.assert_array_equal(data.inputs[:, 0], values[:, 0])
    np.testing.assert_array_equal(data.inputs[:, 5:], values[:, 3:-1])
    np.testing.assert_array_equal(np.isnan(data.inputs[:, 1]), np.arange(3000) % 7 == 0)
    np.testing.assert_array_equal(data.inputs[:, 4], np.arange(3000) % 3 == 0)
    np.testing.assert_array_equal(data.targets[:, 0], values[:, -1])


@pytest.mark.parametrize("place", [0, 1500, 2999])
def test_every_error_of_a_large_file_names_its_line(place, tmp_path):
    path = tmp_path / "t.csv"
    large_file(path)
    lines = path.read_text().splitlines()

    def refused(line, message):
        path.write_text("\n".join([*lines[: place + 1], line, *lines[place + 2 :]]))
        with pytest.raises(DataError, match=message):
            CSV(path=str(path)).load()

    cells = lines[place + 1].split(",")
    refused(",".join(cells[:-1]), rf"t.csv:{place + 2}: has 59 cells, the first row has 60")
    refused(",".join([*cells, "1"]), rf"t.csv:{place + 2}: has 61 cells")
    refused(",".join(["oops", *cells[1:]]), rf"t.csv:{place + 2}: column 'x0' holds 'oops', but 2999 of its 3000")
    refused(",".join([*cells[:5], "1e400", *cells[6:]]), rf"t.csv:{place + 2}: column 'x5' holds '1e400', beyond")
    refused(",".join([*cells[:5], "20_30", *cells[6:]]), rf"t.csv:{place + 2}: column 'x5' holds '20_30'")
    refused(",".join([*cells[:-1], ""]), rf"t.csv:{place + 2}: the target is missing")
    refused(",".join([*cells[:5], '"1', *cells[6:]]), rf"t.csv:{place + 2}: the row that begins here cannot be read")


def test_a_large_file_that_is_not_utf8_or_holds_nul_is_refused_at_its_line(tmp_path):
    path = tmp_path / "t.csv"
    large_file(path)
    raw = path.read_bytes()
    half = raw.index(b"\n", len(raw) // 2) + 1
    line = raw.count(b"\n", 0, half) + 1
    path.write_bytes(raw[:half] + b"\xff" + raw[half:])
    with pytest.raises(DataError, match=rf"t.csv:{line}: is not UTF-8 text \(byte {half}\); set dataset.encoding to"):
        CSV(path=str(path)).load()
    path.write_bytes(raw[:half] + b"\0" + raw[half:])
    with pytest.raises(DataError, match=rf"t.csv:{line}: holds a NUL byte"):
        CSV(path=str(path)).load()


def test_quotes_in_the_header_alone_do_not_slow_a_large_file(tmp_path):
    path = tmp_path / "t.csv"
    values = large_file(path)
    header, _, body = path.read_text().partition("\n")
    quoted = ",".join(f'"{name}"' for name in header.split(","))
    path.write_bytes(b"\xef\xbb\xbf" + f"{quoted}\n{body}".replace("\n", "\r\n").encode())
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert type(delimited.read_rows(str(path), raw, ",", CellFormat(), False)) is PlainRows
    data = CSV(path=str(path)).load()
    assert data.columns[0] == "x0"
    np.testing.assert_array_equal(data.inputs[:, 5:], values[:, 3:-1])


@pytest.mark.parametrize(
    "cells", [CellFormat(decimal=","), CellFormat(thousands="'")], ids=["decimal comma", "thousands"]
)
def test_numbers_of_another_form_are_left_to_the_csv_module(cells):
    raw = b"x;y\n" + b"1;2\n" * (delimited.LARGE // 4)
    assert type(delimited.read_rows("t.csv", raw, ";", cells, False)) is QuotedRows


def test_memory_holds_no_cell_as_an_object(tmp_path):
    """The largest share are the numbers: 8 bytes for each cell, and the file."""
    import tracemalloc

    path = tmp_path / "t.csv"
    rng = np.random.default_rng(0)
    lines = (",".join(f'"{value:.3f}"' for value in row) for row in rng.standard_normal((4000, 50)))
    path.write_text("\n".join(lines))
    size = path.stat().st_size
    tracemalloc.start()
    table = read_table(str(path), FileFormat(header=False))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.values.shape == (4000, 50)
    assert peak < size + 2 * table.values.nbytes + (10 << 20)


def test_neither_polars_nor_jax_is_imported_for_a_small_table(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1.5,a\n2.5,b\n")
    code = (
        "import sys; from regexp.datasets.csv import CSV; CSV(path=sys.argv[1]).load(); "
        "print([name for name in ('polars', 'jax', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.csv")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("columns", [1000, 4000])
def test_reading_asks_for_each_column_a_fixed_number_of_times(columns, tmp_path, monkeypatch):
    """Once a table of 10,000 columns was scanned 10,000 times."""
    path = tmp_path / "t.csv"
    rows = [[f"x{i}" for i in range(columns)], *([f"{i + row}.5" for i in range(columns)] for row in range(5))]
    path.write_text("\n".join(map(",".join, rows)))
    asked = []
    original = reading.Table.non_numeric
    monkeypatch.setattr(
        reading.Table, "non_numeric", lambda table, index: asked.append(index) or original(table, index)
    )
    assert CSV(path=str(path)).load().inputs.shape == (5, columns - 1)
    assert len(asked) <= 10 * columns
