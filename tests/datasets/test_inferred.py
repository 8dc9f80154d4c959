"""What a table does not say is inferred only where it is certain, told with the key that changes it, or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from regexp.config import load
from regexp.core.errors import DataError
from regexp.datasets.csv import CSV
from tests.cli.command import inside


def table(folder, text, name="t.csv", **fields):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CSV(path=str(path), **fields)


def rows(count, *columns):
    """Lines below a header: each column is a function of the row."""
    return "".join(",".join(str(column(row)) for column in columns) + "\n" for row in range(count))


def fraction(row):
    return f"{(row * 37 % 101) / 7 - 6.4:.2f}"


def whole(row):
    return (row * 37) % 101


def text(row):
    return "ab"[row * 7 % 5 % 2]


def unique(row):
    return f"id{row}"


# -- the header -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("x,y,label", (fraction, whole, text)),
        ("0,1,2,label", (fraction, fraction, fraction, text)),
        ("0,1,2,label", (whole, whole, whole, text)),
        ("country,2019,2020,growth", (text, fraction, fraction, fraction)),
        (",x,label", (lambda row: row, fraction, text)),
        (",0,1,target", (lambda row: row, fraction, fraction, fraction)),
        ("x0,,x2,label", (fraction, fraction, fraction, text)),
        ("x0,NA,x2,label", (fraction, fraction, fraction, text)),
        ("colour,size,label", (text, text, text)),
        ("name,colour,label", (unique, text, text)),
        ("income,label", (lambda row: f'"{row + 1},500"', text)),
        ("x,y", (lambda row: "" if row % 3 else row, text)),
    ],
)
def test_a_line_of_names_is_recognised_and_no_row_of_data(header, columns, tmp_path):
    dataset = table(tmp_path, f"{header}\n{rows(60, *columns)}")
    data = dataset.load()
    assert len(data.inputs) == len(data.targets) == 60
    assert set(data.classes) <= {"a", "b"}
    assert {name.partition("=")[0] for name in data.columns} == set(header.split(",")[:-1])
    assert data.inferred[0] == f"{dataset.path}: the first line names the columns (dataset.header)"


@pytest.mark.parametrize(
    "columns",
    [
        (fraction, fraction, fraction),
        (lambda row: row + 5, whole, text),
        (fraction, whole, text),
        (text, text, text),
        (unique, lambda row: row + 3, text),
        (lambda row: "?" if row == 0 else row, fraction, text),
        (lambda row: "inf" if row == 0 else row, fraction, text),
    ],
)
def test_a_line_of_data_is_recognised(columns, tmp_path):
    """The last one is refused for its cell beyond float32, at the first line."""
    dataset = table(tmp_path, rows(60, *columns))
    if columns[0](0) == "inf":
        with pytest.raises(DataError, match=r"t.csv:1: column 'column_0' holds 'inf'"):
            dataset.load()
        return
    data = dataset.load()
    assert len(data.inputs) == 60
    assert data.inferred[0].endswith("the first line is data: the columns have no names (dataset.header)")


@pytest.mark.parametrize(
    ("first", "columns", "reason"),
    [
        ("0,1,2,3", (fraction, fraction, fraction, fraction), "its numbers count up"),
        ("0,1,2,3", (whole, whole, whole, whole), "its numbers count up"),
        ("1,2,3", (whole, whole, fraction), "its numbers count up"),
        ("2019,2020,2021", (fraction, fraction, whole), "its numbers count up"),
        ("0,1", (fraction, fraction), "its numbers count up"),
        ("400,410,425", (fraction, fraction, fraction), "whole, and those below have decimals"),
        ("7,12,label", (whole, whole, text), "it holds numbers, and a text that occurs in no other row"),
        ("5.1,3.5,label", (fraction, fraction, text), "it holds numbers, and a text that occurs in no other row"),
        ("oops,1.5,a", (whole, fraction, text), "one text has numbers below it, and another one occurs again below"),
        ("one,two", (unique, lambda row: f"x{row}"), "all cells are text, and no column repeats its values"),
    ],
)
def test_an_unclear_first_line_is_refused_until_the_key_is_set(first, columns, reason, tmp_path):
    content = f"{first}\n{rows(60, *columns)}"
    with pytest.raises(DataError, match=reason) as caught:
        table(tmp_path, content).load()
    assert caught.value.key == "dataset.header"
    assert "set dataset.header: true (names) or false (data)" in str(caught.value)
    assert f"t.csv:1: unclear whether the first line, {first!r}," in str(caught.value)
    if len(set(first.split(","))) == len(columns):
        data = table(tmp_path, content, header=True).load()
        assert len(data.inputs) == 60
        assert not any("dataset.header" in line for line in data.inferred)
        if first != "oops,1.5,a":
            assert len(table(tmp_path, content, header=False).load().inputs) == 61


@pytest.mark.parametrize("header", [True, False])
def test_test_and_prediction_files_follow_the_training_file(header, tmp_path):
    """Alone, the test file's first line would be unclear, or be taken for data."""
    names = "a,b,label\n" if header else ""
    (tmp_path / "test.csv").write_text((names and "7,b,a\n".replace("7,b,a", "a,b,label")) + "0,1,a\n1,2,b\n")
    dataset = table(tmp_path, names + rows(60, whole, fraction, text), test_path=str(tmp_path / "test.csv"))
    data = dataset.load()
    np.testing.assert_array_equal(data.inputs[60:], [[0, 1], [1, 2]])
    np.testing.assert_array_equal(data.test, [60, 61])
    (tmp_path / "new.csv").write_text(("a,b\n" if header else "") + "0,1\n1,2\n")
    np.testing.assert_array_equal(dataset.read_inputs(str(tmp_path / "new.csv"), data.codec), [[0, 1], [1, 2]])


def test_a_test_file_is_read_by_the_names_of_its_columns(tmp_path):
    content = "x,colour,label\n" + rows(60, fraction, text, text)
    test_path = tmp_path / "test.csv"
    dataset = table(tmp_path, content, test_path=str(test_path))
    test_path.write_text("label,colour,id,x\na,b,9,1.5\nb,a,8,2.5\n")
    data = dataset.load()
    assert data.columns == ("x", "colour=a", "colour=b")
    np.testing.assert_array_equal(data.inputs[60:], [[1.5, 0, 1], [2.5, 1, 0]])
    np.testing.assert_array_equal(data.targets[60:], [0, 1])
    assert data.notes == (f"{test_path}: ignored the column 'id', not in {dataset.path}",)
    test_path.write_text("label,size\na,1\n")
    with pytest.raises(DataError, match=r"test.csv:2: lacks the columns 'x', 'colour' of .*t.csv") as caught:
        dataset.load()
    assert caught.value.key == "dataset.test_path"
    test_path.write_text("label,colour,x\na,b,1\na,b,old\nb,a,2\n")
    with pytest.raises(DataError, match=r"test.csv:3: column 'x' holds 'old', but 62 of its 63 values are numbers"):
        dataset.load()


# -- numbers and missing values ---------------------------------------------------------------------------------------


def test_decimal_commas_are_numbers_where_the_key_says_so(tmp_path):
    values = np.arange(-4, 4, 0.1)
    lines = [f"{value:.3f};{value + 1:.3f};{'ab'[i % 2]}".replace(".", ",") for i, value in enumerate(values)]
    content = "x;y;label\n" + "\n".join(lines)
    with pytest.raises(DataError, match=r'Line 1 holds 2 of ";": set dataset.delimiter: ";"'):
        table(tmp_path, content).load()
    notes = table(tmp_path, content, delimiter=";").load().notes
    assert "column 'x' holds '-4,000', which is text because of a comma" in notes[0]
    assert "dataset.decimal: ','" in notes[0]
    data = table(tmp_path, content, delimiter=";", decimal=",").load()
    assert (data.columns, data.notes) == (("x", "y"), ())
    np.testing.assert_allclose(data.inputs[:, 0], values, atol=5e-4)


@pytest.mark.parametrize(
    ("cells", "fields", "values"),
    [
        (["1,000", "12,345.5", "-1,234,567", "7"], {"thousands": ","}, [1000, 12345.5, -1234567, 7]),
        (
            ["1.000", "12.345,5", "-1.234.567", "7,25"],
            {"thousands": ".", "decimal": ","},
            [1000, 12345.5, -1234567, 7.25],
        ),
        (["1 000", "12\u00a0345", "1\u202f234\u202f567", "7"], {"thousands": " "}, [1000, 12345, 1234567, 7]),
        (["1'000", "12'345.5", "1'234'567", "1e3"], {"thousands": "'"}, [1000, 12345.5, 1234567, 1000]),
        (["12,34,567", "1", "2", "3"], {"thousands": ","}, [1234567, 1, 2, 3]),
    ],
)
def test_groups_of_digits(cells, fields, values, tmp_path):
    content = "x,y\n" + "".join(f'"{cell}",{i % 2}\n' for i, cell in enumerate(cells))
    np.testing.assert_array_equal(table(tmp_path, content, **fields).load().inputs[:, 0], values)


@pytest.mark.parametrize("cell", ["1,00", "1,0000", ",100", "1,000,", "1.5,000", "10,00,0"])
def test_wrong_groups_are_no_numbers(cell, tmp_path):
    content = "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(60)) + f'"{cell}",1\n'
    with pytest.raises(DataError, match=f"t.csv:62: column 'x' holds '{cell}'"):
        table(tmp_path, content, thousands=",").load()


@pytest.mark.parametrize(
    ("cells", "sign", "advice"),
    [
        (["3%", "4.5%"], "'3%', which is text because of a percent sign", "remove the percent sign from the file"),
        (["$3.50", "-€4"], "'$3.50', which is text because of a currency sign", "dataset.categories: [x]"),
        (["1'000", "2'000"], '"1\'000", which is text because of an apostrophe', 'dataset.thousands: "\'"'),
        (["1 000", "2 000"], "'1 000', which is text because of a space", "dataset.thousands: ' '"),
        (["1.000.000", "2.000.000"], "'1.000.000', which is text because of a point", "dataset.thousands: '.'"),
        (
            ["1.234,5", "2.000,25"],
            "'1.234,5', which is text because of a comma",
            "dataset.decimal: ',' and dataset.thousands: '.'",
        ),
    ],
)
def test_numbers_with_signs_are_not_one_hot_in_silence(cells, sign, advice, tmp_path):
    content = "x,y\n" + "".join(f'"{cells[i % 2]}",{i % 3 % 2}\n' for i in range(30))
    (note,) = table(tmp_path, content).load().notes
    assert f"t.csv:2: column 'x' holds {sign}; all its values are taken as categories; " in note
    assert advice in note
    assert table(tmp_path, content, categories=("x",)).load().notes == ()


def test_texts_with_digits_that_are_no_numbers_are_plain_categories(tmp_path):
    cells = ["10.0.0.1", "12:30", "2024-01-31", "31.12.2024", "A4", "1st"]
    content = "x,y\n" + "".join(f"{cells[i % 6]},{i % 2}\n" for i in range(30))
    assert table(tmp_path, content).load().notes == ()


def test_many_columns_make_few_notes(tmp_path):
    header = ",".join(f"x{i}" for i in range(300))
    content = f"{header},y\n" + "".join(
        ",".join(["3%", "4%"][row % 2] for _ in range(300)) + f",{row % 3}\n" for row in range(9)
    )
    data = table(tmp_path, content).load()
    assert len(data.notes) == 6
    assert data.notes[-1] == "... and 295 more columns like these"
    assert max(map(len, data.inferred)) < 250


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "N/A", "?"])
def test_a_word_in_a_target_of_text_is_a_class_and_told(word, tmp_path):
    content = "x,risk\n" + rows(60, fraction, lambda row: (word, "Low", "High")[row % 3])
    data = table(tmp_path, content).load()
    assert data.classes == tuple(sorted([word, "Low", "High"]))
    assert np.bincount(data.targets).tolist() == [20, 20, 20]
    assert f"target 'risk': {word!r} (20 rows) taken as a class, not as a missing value" in data.notes[0]
    with pytest.raises(
        DataError, match=rf"t.csv:2: the target is missing: '{word[:1] if word == '!' else ''}"
    ) as caught:
        table(tmp_path, content, na_values=(word,)).load()
    assert str(caught.value).count("the target is missing") == 10
    assert "... and 10 more, 20 in all" in str(caught.value)


def test_an_empty_target_is_missing_and_so_is_a_word_among_numbers(tmp_path):
    with pytest.raises(DataError, match=r"t.csv:3: the target is missing\n"):
        table(tmp_path, "x,y\n1,a\n2,\n3,b\n").load()
    with pytest.raises(DataError, match=r"t.csv:3: the target is missing: 'NA' means a missing value"):
        table(tmp_path, "x,y\n1,1.5\n2,NA\n3,2.5\n").load()


def test_na_values_replace_the_words_that_mean_missing(tmp_path):
    content = "x,region,y\n" + rows(
        60,
        lambda row: "-999" if row == 3 else "-999.0" if row == 4 else row,
        lambda row: ("NA", "EU", "")[row % 3],
        text,
    )
    default = table(tmp_path, content).load()
    assert default.columns == ("x", "region=EU", "region=?")
    assert "column 'region': 'NA' taken as missing; dataset.na_values lists" in default.notes[0]
    data = table(tmp_path, content, na_values=("-999",)).load()
    assert data.columns == ("x", "region=EU", "region=NA", "region=?")
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(data.inputs[:, 0])), [3, 4])
    assert data.notes == ()


def test_codes_become_categories_with_their_leading_zeros(tmp_path):
    content = "zip,x,y\n" + rows(60, lambda row: f"0{row % 4}001", fraction, text)
    data = table(tmp_path, content).load()
    assert data.columns == ("zip", "x")
    (note,) = data.notes
    assert "column 'zip' holds '00001', taken as the number 1; dataset.categories: [zip] keeps codes" in note
    dataset = table(tmp_path, content, categories=("zip",))
    data = dataset.load()
    assert data.columns == ("zip=00001", "zip=01001", "zip=02001", "zip=03001", "x")
    assert data.notes == ()
    (tmp_path / "new.csv").write_text("zip,x\n03001,1\n3001,2\n")
    found = dataset.read_inputs(str(tmp_path / "new.csv"), data.codec)
    np.testing.assert_array_equal(found, [[0, 0, 0, 1, 1], [0, 0, 0, 0, 2]])


def test_dropped_columns_are_left_out_of_everything(tmp_path):
    content = "id,x,name,y\n" + rows(1500, lambda row: row, fraction, unique, text)
    with pytest.raises(DataError, match=r"column 'name' holds 1500 different texts.*dataset.drop: \[name\]"):
        table(tmp_path, content).load()
    dataset = table(tmp_path, content, drop=("id", "name"))
    data = dataset.load()
    assert data.columns == ("x",)
    assert any("2 excluded (dataset.categories, dataset.drop)" in line for line in data.inferred)
    for new in ("x\n1.5\n", "y,name,id,x\na,n,7,1.5\n"):
        (tmp_path / "new.csv").write_text(new)
        np.testing.assert_array_equal(dataset.read_inputs(str(tmp_path / "new.csv"), data.codec), [[1.5]])
    nameless = table(tmp_path, content.partition("\n")[2], drop=("column_0", "column_2"))
    data = nameless.load()
    for new in ("1.5\n", "7,1.5,n,a\n"):
        (tmp_path / "new.csv").write_text(new)
        np.testing.assert_array_equal(nameless.read_inputs(str(tmp_path / "new.csv"), data.codec), [[1.5]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"drop": ("z",)}, "no column 'z'"),
        ({"drop": ("y",)}, "dataset.drop names the target, or a column twice"),
        ({"drop": ("x", "x")}, "dataset.drop names the target, or a column twice"),
        ({"drop": ("x",), "extra": ("x",)}, "dataset.drop and dataset.extra both name the column 'x'"),
        ({"categories": ("w",), "drop": ("w",)}, "dataset.categories and dataset.drop both name the column 'w'"),
        ({"categories": ("y",)}, "for a target use dataset.kind: classification"),
        ({"drop": ("w", "x")}, "dataset.drop leaves no column for the inputs"),
        ({"thousands": ",", "decimal": ","}, "dataset.thousands and dataset.decimal are both ','"),
        ({"encoding": "utf-99"}, "dataset.encoding 'utf-99' is unknown"),
        ({"encoding": "hex"}, "dataset.encoding 'hex' is unknown"),
        ({"encoding": "ascii"}, r"t.csv:3: is not ascii text \(byte \d+\)"),
    ],
)
def test_keys_that_do_not_fit_are_refused(fields, message, tmp_path):
    with pytest.raises(DataError, match=message) as caught:
        table(tmp_path, "w,x,y\n1,2.5,a\n2,3.5,ä\n", **fields).load()
    assert caught.value.key in {f"dataset.{key}" for key in fields}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-le"])
def test_encodings(encoding, tmp_path):
    content = "größe,y\n" + rows(20, fraction, lambda row: "äß"[row % 2])
    data = table(tmp_path, content.encode(encoding), encoding=encoding).load()
    assert (data.columns, data.classes) == (("größe",), ("ß", "ä"))
    if encoding in ("cp1252", "latin-1"):
        with pytest.raises(DataError, match=r"t.csv:1: is not UTF-8 text \(byte 2\); set dataset.encoding to"):
            table(tmp_path, content.encode(encoding)).load()


def test_a_line_that_holds_another_delimiter_throughout_is_told_of(tmp_path):
    content = "".join(f"{i},5;{i + 1},{i % 7};{'ab'[i % 3 % 2]}\n" for i in range(20))
    notes = table(tmp_path, content, header=False).load().notes
    assert 'every line also holds ";"; if these separate the cells, set dataset.delimiter: ";"' in notes[0]
    tabs = "x\ty\n" + "".join(f"{i}\t{i % 2}\n" for i in range(9))
    with pytest.raises(DataError, match=r'Line 1 holds 1 of "\\t": set dataset.delimiter: "\\t"'):
        table(tmp_path, tabs).load()
    assert table(tmp_path, tabs, delimiter="\t").load().columns == ("x",)
    with pytest.raises(DataError, match=r"t.csv:1: has a single cell, line 2 has 2; if the line is a title, remove it"):
        table(tmp_path, "My table\nx,y\n1,2\n").load()


def test_every_bad_row_and_cell_is_listed_at_once(tmp_path):
    lines = [f"{i},{i},{i % 2}" for i in range(2000)]
    for row in range(0, 30, 2):
        lines[row] = f"slip{row},{row},0"
    lines[41] = "41,bad,1"
    with pytest.raises(DataError) as caught:
        table(tmp_path, "a,b,y\n" + "\n".join(lines)).load()
    listed = str(caught.value).splitlines()
    assert listed[0].startswith(f"{tmp_path}/t.csv:2: column 'a' holds 'slip0'")
    assert listed[-1] == "... and 6 more, 16 in all"
    with pytest.raises(DataError) as caught:
        table(tmp_path, "a,b\n" + "1,2\n3\n" * 20).load()
    listed = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in listed[:-1]] == [f"{tmp_path}/t.csv:{3 + 2 * i}" for i in range(10)]
    assert listed[-1] == "... and 10 more, 20 in all"


# -- what is shown ----------------------------------------------------------------------------------------------------


RATINGS = (
    "classification, 6 classes: '3', '4', '5', '6', '7' and 1 more; inferred from whole numbers with 6 different values"
)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (lambda row: 3 + row % 6, f"{RATINGS} (dataset.kind: regression takes them as numbers)"),
        (
            whole,
            "regression; inferred from whole numbers with 60 different values "
            "(dataset.kind: classification takes them as classes)",
        ),
        (fraction, "regression; inferred from numbers with 60 different values (dataset.kind)"),
        (text, "classification, 2 classes: 'a', 'b'; inferred from text (dataset.kind)"),
    ],
)
def test_the_task_is_told_with_the_key_that_changes_it(target, told, tmp_path):
    content = "x,y\n" + rows(60, fraction, target)
    assert table(tmp_path, content).load().inferred[-1] == f"target 'y': {told}"
    kind = "classification" if "classification," in told else "regression"
    assert "inferred" not in table(tmp_path, content, kind=kind).load().inferred[-1]


CONFIG = """\
dataset: {name: csv, path: FOLDER/t.csv}
model: {name: mlp, hidden: [2]}
training: {epochs: 1, batch_size: 8, seeds: [0, 1]}
regularizers: {l2: }
sweep:
  stages: [{trials: 2, epochs: 1}]
  space: {optimizer.learning_rate: {log_uniform: [0.1, 0.2]}}
"""


COMMANDS = [("train",), ("check", "--only", "symmetry"), ("sweep",), ("ablate", "--no-cost")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_once_what_was_inferred(command, tmp_path, capsys):
    table(tmp_path, "x,y\n" + rows(60, fraction, lambda row: row % 3))
    (tmp_path / "c.yaml").write_text(CONFIG.replace("FOLDER", str(tmp_path)))
    name, *options = command
    assert inside(name, tmp_path / "c.yaml", "--runs-dir", tmp_path / "runs", *options) == 0
    shown = "".join(capsys.readouterr())
    assert shown.count("t.csv: the first line names the columns (dataset.header)") == 1
    assert shown.count("target 'y': classification, 3 classes: '0', '1', '2'; inferred from whole numbers") == 1
    if name == "train":
        manifest = json.loads((tmp_path / "runs" / "c" / "manifest.json").read_text())
        assert manifest["data"]["inferred"][0].endswith("the first line names the columns (dataset.header)")


@pytest.mark.parametrize("command", ["train", "sweep", "ablate"])
def test_the_resolved_config_says_what_was_inferred(command, tmp_path, capsys):
    table(tmp_path, "x,y\n" + rows(60, fraction, lambda row: row % 3))
    (tmp_path / "c.yaml").write_text(CONFIG.replace("FOLDER", str(tmp_path)))
    options = ("--no-cost",) if command == "ablate" else ()
    assert inside(command, tmp_path / "c.yaml", "--runs-dir", tmp_path / "runs", *options) == 0
    configs = list((tmp_path / "runs").rglob("config.yaml"))
    assert configs
    for config in configs:
        _, _, comments = config.read_text().partition("# Inferred from the data:\n")
        assert "t.csv: the first line names the columns (dataset.header)" in comments
        load(config)
    if command == "train":  # its comments change no hash
        assert inside("evaluate", "c", "--runs-dir", tmp_path / "runs") == 0
