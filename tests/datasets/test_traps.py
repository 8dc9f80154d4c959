"""Files that were once read wrong without a word, and splits that cannot be made."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import OneHotEncoder

from regexp.core.errors import DataError
from regexp.datasets.arrays import Archive, read_array
from regexp.datasets.base import Data, Dataset, Limit
from regexp.datasets.csv import CSV
from regexp.datasets.digits import Digits
from regexp.datasets.npz import NPZ
from regexp.datasets.splits import split
from regexp.preprocessing.base import apply_all, fit_all


def csv_file(folder, text, **fields):
    (folder / "t.csv").write_text(text)
    return CSV(path=str(folder / "t.csv"), **fields)


def predicted(folder, train, new, **fields):
    dataset = csv_file(folder, train, **fields)
    (folder / "new.csv").write_text(new)
    return dataset.read_inputs(str(folder / "new.csv"), dataset.load().codec)


def npz_file(folder, fields=None, **arrays):
    np.savez(folder / "t.npz", **arrays)
    return NPZ(path=str(folder / "t.npz"), **(fields or {}))


# -- splits -----------------------------------------------------------------------------------------------------------


def labelled(counts):
    targets = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    names = tuple(map(str, range(len(counts))))
    return Data(inputs=np.zeros((len(targets), 1), np.float32), targets=targets, classes=names)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(20, 90), min_size=2, max_size=5), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_sizes_of_parts_and_of_classes_in_them_do_not_depend_on_the_seed(counts, validation, test):
    data, dataset = labelled(counts), Dataset(validation=validation, test=test)
    sizes = set()
    for seed in range(3):
        parts = split(dataset, data, seed)
        rows = np.concatenate([parts.train, parts.validation, parts.test])
        assert sorted(rows) == list(range(len(data.targets)))
        sizes.add(tuple(tuple(np.bincount(data.targets[p])) for p in (parts.train, parts.validation, parts.test)))
    assert len(sizes) == 1


@pytest.mark.parametrize("counts", [[50, 30, 20], [97, 41, 13, 8], [500, 11]])
def test_classes_are_in_the_proportion_that_scikit_learn_gives(counts):
    data = labelled(counts)
    test = split(Dataset(test=0.2), data, 0).test
    shuffled = StratifiedShuffleSplit(1, test_size=len(test), random_state=0)
    _, theirs = next(shuffled.split(data.inputs, data.targets))
    ours = np.bincount(data.targets[test], minlength=len(counts))
    assert np.abs(ours - np.bincount(data.targets[theirs], minlength=len(counts))).max() <= 1


def test_published_test_rows_stay_where_they_are():
    data = labelled([40, 40])
    published = Data(inputs=data.inputs, targets=data.targets, classes=data.classes, test=np.arange(30, 50))
    for seed in range(3):
        parts = split(Dataset(test=0.5), published, seed)
        np.testing.assert_array_equal(np.sort(parts.test), np.arange(30, 50))
        assert not np.isin(np.concatenate([parts.train, parts.validation]), parts.test).any()


def test_a_class_without_a_training_example_is_refused_but_a_small_limit_is_not():
    with pytest.raises(DataError, match="class '1' has 1 examples, none of them in the training split"):
        split(Dataset(test=0.6), labelled([49, 1]), 0)
    assert len(split(Dataset(limit=2), labelled([40, 40, 40]), 0).train) == 2


@pytest.mark.parametrize("n", [7, 30, 31, 32])
def test_a_limit_by_class_is_as_equal_as_it_can_be(n):
    data = labelled([60, 90, 40])
    whole, limited = (split(Dataset(limit=limit), data, 3) for limit in (None, Limit(n=n, by="class")))
    counts = np.bincount(data.targets[limited.train])
    assert counts.sum() == n
    assert np.ptp(counts) <= 1
    np.testing.assert_array_equal(limited.validation, whole.validation)
    np.testing.assert_array_equal(limited.test, whole.test)


# -- csv --------------------------------------------------------------------------------------------------------------


def test_another_spelling_of_the_classes_in_the_test_file_is_an_error(tmp_path):
    (tmp_path / "test.csv").write_text("1,yes\n2,yes.\n")
    with pytest.raises(DataError, match=r"test.csv:2: the class 'yes.' is in no row of .*t.csv"):
        csv_file(tmp_path, "1,yes\n2,no\n", test_path=str(tmp_path / "test.csv")).load()


def test_adults_published_test_file_is_such_a_one(data_folder):
    tables = data_folder / "tables"
    with pytest.raises(DataError, match=r"adult-test.csv:1: the class '<=50K.'"):
        CSV(path=str(tables / "adult-train.csv"), test_path=str(tables / "adult-test.csv")).load()


def test_one_hot_is_scikit_learns_fitted_on_the_training_rows(tmp_path):
    colours = ["red", "blue", "red", "green", "blue", "black"]
    dataset = csv_file(tmp_path, "colour,y\n" + "".join(f"{c},{i % 2}\n" for i, c in enumerate(colours)))
    data = dataset.load()
    steps = dataset.steps(data.codec)
    ours = apply_all(steps, fit_all(steps, data.inputs[:4]), data.inputs)
    cells = np.asarray(colours)[:, None]
    theirs = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(cells[:4]).transform(cells)
    np.testing.assert_array_equal(ours[:, ours[:4].any(0)], theirs)
    np.testing.assert_array_equal(ours[5], 0)


def test_a_mostly_missing_column_of_text_is_text(tmp_path):
    rows = [f"{'red' if i < 2 else ''},{i % 2}" for i in range(100)]
    assert csv_file(tmp_path, "a,b\n" + "\n".join(rows)).load().columns == ("a=red", "a=?")


def test_numbers_spelt_differently_are_one_class(tmp_path):
    data = csv_file(tmp_path, "5,10\n6,2\n7,2.0\n8,1e1\n").load()
    assert data.classes == ("2", "10")
    np.testing.assert_array_equal(data.targets, [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("cells", "warning"),
    [
        (
            ["red", "7", "blue", "9"],
            "t.csv:3: column 'a' holds '7', a number, beside 2 texts; all its values are taken as",
        ),
        (
            ["1", "", "2", "x7", "3", "many"],
            "t.csv:5: column 'a' holds 'x7', a text, beside 3 numbers; all its values are",
        ),
        (
            ["0,5", "1", "", "2,25"],
            "t.csv:2: column 'a' holds '0,5', which is text because of a comma; all its values are",
        ),
        (
            ["1,000", "1,234,567"],
            "t.csv:2: column 'a' holds '1,000', which is text because of a comma; all its values are",
        ),
        (["1,000", "a, b"], None),
        (["red", "", "blue", "red"], None),
        (["1", "?", "2", "3.5"], None),
    ],
)
def test_a_column_of_numbers_and_text_is_told_of(cells, warning, tmp_path):
    """Whichever is rarer is the odd one; of an input as of the target."""
    advice = ""
    if warning is not None and "comma" in warning:
        thousands = "dataset.thousands: ',' or " if cells[0] == "1,000" else ""
        advice = f"; to read numbers, set {thousands}dataset.decimal: ','"
    rows = [f'"{cell}",{i % 2}' for i, cell in enumerate(cells)]
    notes = csv_file(tmp_path, "a,b\n" + "\n".join(rows)).load().notes
    assert len(notes) == (warning is not None)
    assert all(warning in note and note.removesuffix(advice).endswith("as categories") for note in notes)
    if "" not in cells and "?" not in cells:
        notes = csv_file(tmp_path, "a,b\n" + "\n".join(rows), target="a").load().notes
        assert all(warning in note and note.removesuffix(advice).endswith("as classes") for note in notes)


@pytest.mark.parametrize("cell", ["20_30", "1e39", "inf"])
def test_what_python_or_float32_would_bend_is_no_number(cell, tmp_path):
    rows = "".join(f"{i},0.5\n" for i in range(60))
    with pytest.raises(DataError, match=rf"t.csv:61: column 'column_0' holds '{cell}'"):
        csv_file(tmp_path, rows + f"{cell},0.5\n").load()


def test_the_header_pandas_writes_with_its_index(tmp_path):
    assert csv_file(tmp_path, ",x,y\n0,1.5,a\n1,2.5,b\n").load().columns == ("", "x")


def test_quotes_after_a_space_and_rows_a_spreadsheet_leaves_below(tmp_path):
    data = csv_file(tmp_path, '1, "a,b", x\n2, "c", y\n,,\n,,\n').load()
    assert data.columns == ("column_0", "column_1=a,b", "column_1=c")
    assert len(data.inputs) == 2


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("1,inf\n2,3\n", {}, "t.csv:1: column 'column_1' holds 'inf', beyond the largest number of float32"),
        ("1,a\n2,b\n-1e300,a\n", {}, "t.csv:3: column 'column_0' holds '-1e300', beyond the largest number"),
        ("x,y\n1,inf\n2,sup\n", {"kind": "regression"}, "t.csv:2: the target 'inf' is not a number"),
        ("1.5,a\n2.5,a\n", {}, "all targets are 'a'"),
        ("1,2\n", {"delimiter": '"'}, "delimiter must be one character"),
        ("1,2\n", {"delimiter": "\n"}, "delimiter must be one character"),
        ("1,2\n", {"delimiter": ""}, "delimiter must be one character"),
    ],
)
def test_csv_refused(text, fields, message, tmp_path):
    with pytest.raises(DataError, match=message):
        csv_file(tmp_path, text, **fields).load()


def test_a_single_feature_can_be_predicted_from(tmp_path):
    np.testing.assert_array_equal(predicted(tmp_path, "x,y\n1,2.5\n2,3.5\n", "x\n5\n6\n"), [[5], [6]])


@pytest.mark.parametrize("end", ["", ",\n", ",\n,\n"])
def test_no_row_to_predict_is_dropped_or_left_missing(end, tmp_path):
    """Nor one at the end, which in a table to train on is what a spreadsheet left there."""
    rows = predicted(tmp_path, "x,w,y\n1,,2.5\n,1,3.5\n", "x,w\n5,1\n,\n6,1\n" + end)
    np.testing.assert_array_equal(rows, [[5, 1], [np.nan, np.nan], [6, 1], *[[np.nan, np.nan]] * end.count("\n")])
    one = predicted(tmp_path, "x,y\n1,2.5\n,3.5\n", 'x\n5\n""\n6\n""\n\n')
    np.testing.assert_array_equal(one, [[5], [np.nan], [6], [np.nan]])
    filled = predicted(tmp_path, "x,w,y\n1,1,2.5\n2,1,3.5\n", "x,w\n5,1\n,2\n")
    np.testing.assert_array_equal(filled, [[5, 1], [1.5, 2]])  # the mean of x, which missed no value in training


def test_every_bad_cell_to_predict_from_is_listed_at_once(tmp_path):
    """Ten with their places, then how many there are."""
    rows = ["x,w", *(f"{'old' if i % 2 else i},{i}" for i in range(40))]
    with pytest.raises(DataError) as caught:
        predicted(tmp_path, "x,w,y\n1,1,2.5\n2,1,3.5\n", "\n".join(rows))
    *listed, rest = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in listed] == [f"{tmp_path}/new.csv:{3 + 2 * i}" for i in range(10)]
    assert all("column 'x' holds 'old', not a number" in line for line in listed)
    assert rest == "... and 10 more, 20 in all"


# -- npz --------------------------------------------------------------------------------------------------------------

X, Y = np.ones((4, 2)), np.arange(4) % 2


@pytest.mark.parametrize(
    ("arrays", "fields", "message"),
    [
        ({"inputs": X, "targets": Y[:3], "test_inputs": X[:2], "test_targets": Y[:3]}, {}, "4 inputs but 3 targets"),
        ({"inputs": X, "targets": Y, "test_inputs": X}, {}, "no array 'test_targets'"),
        ({"inputs": X, "targets": Y}, {"test_inputs": "xt", "test_targets": "yt"}, "no array 'xt'"),
        ({"inputs": X, "targets": Y, "test_inputs": X, "test_targets": Y[:, None]}, {}, "differ in shape"),
        ({"inputs": np.float32(1), "targets": Y}, {}, "'inputs' is a single number"),
        ({"inputs": X, "targets": np.float32(1)}, {}, "'targets' is a single number"),
        ({"inputs": X, "targets": np.array(list("abcd"))}, {"kind": "regression"}, "not numbers"),
        ({"inputs": X, "targets": np.array([0, 1, 0, np.nan])}, {"kind": "classification"}, "NaN or infinity"),
        ({"inputs": X, "targets": np.zeros(4, int)}, {}, "needs two classes"),
        ({"inputs": X * 1e300, "targets": Y}, {}, "NaN or infinity"),
    ],
)
def test_npz_refused(arrays, fields, message, tmp_path):
    with pytest.raises(DataError, match=message):
        npz_file(tmp_path, fields, **arrays).load()


def test_files_that_are_no_npz_or_claim_too_much(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "text.npz").write_text("hello")
    for name in ("x.npy", "text.npz"):
        with pytest.raises(DataError, match=r"not an .npz file"):
            Archive(str(tmp_path / name))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("inputs.npy", header.getvalue())
    with pytest.raises(DataError, match=r"huge.npz"):
        read_array(str(tmp_path / "huge.npz"), "inputs")


def test_inputs_to_predict_are_checked_for_every_dataset(tmp_path):
    np.savez(tmp_path / "text.npz", inputs=np.array([["a"]]))
    with pytest.raises(DataError, match="not numbers"):
        Digits().read_inputs(str(tmp_path / "text.npz"), {})
    np.savez(tmp_path / "flat.npz", inputs=np.ones((2, 8, 8)))
    assert Digits().read_inputs(str(tmp_path / "flat.npz"), {}).shape == (2, 8, 8, 1)
