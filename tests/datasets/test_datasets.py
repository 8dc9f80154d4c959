"""Datasets: what is bundled, what is read from files, and what hostile files are told."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from sklearn.datasets import load_sample_image
from sklearn.feature_extraction.image import extract_patches_2d

from regexp.core.errors import DataError
from regexp.datasets.base import CATALOGUE, Dataset, Limit
from regexp.datasets.csv import CSV
from regexp.datasets.fashion_mnist import FashionMNIST
from regexp.datasets.idx import PARTS, read_idx
from regexp.datasets.mnist import MNIST
from regexp.datasets.npz import NPZ
from regexp.datasets.splits import largest_remainder, split
from regexp.preprocessing.base import apply_all, fit_all
from tests.lab import images, table


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 8, 8, 1), 10),
        ("breast_cancer", (569, 30), 2),
        ("wine", (178, 13), 3),
        ("diabetes", (442, 10), 0),
        ("china_flower", (520, 32, 32, 3), 2),
    ],
)
def test_bundled(name, shape, classes):
    dataset = CATALOGUE[name]()
    data = dataset.load()
    assert data.inputs.shape == shape
    assert len(data.classes) == classes
    assert data.task == dataset.task
    assert data.is_image == dataset.is_image
    assert dataset.channels == (shape[-1] if data.is_image else None)
    assert dataset.examples == shape[0]


def test_patches_are_those_of_scikit_learn():
    """Every 32nd of all that there are in the lower right corner of the 13 x 20."""
    data = CATALOGUE["china_flower"]().load()
    assert np.bincount(data.targets).tolist() == [260, 260]
    for k, name in enumerate(data.classes):
        corner = load_sample_image(f"{name}.jpg")[416 - 64 : 416, 640 - 96 :]
        every = extract_patches_2d(corner, (32, 32)).reshape(33, 65, 32, 32, 3)
        ours = data.inputs[data.targets == k].reshape(13, 20, 32, 32, 3)
        np.testing.assert_array_equal(ours[-2:, -3:], every[::32, ::32])


def test_digits_are_those_of_scikit_learn(monkeypatch):
    from sklearn.datasets import load_digits

    from regexp.datasets import digits

    inputs, labels = load_digits(return_X_y=True)
    data = digits.Digits().load()
    np.testing.assert_array_equal(data.inputs.reshape(-1, 64), (inputs / 16).astype(np.float32))
    np.testing.assert_array_equal(data.targets, labels)
    monkeypatch.setattr(digits, "find_spec", lambda name: None)  # a release that keeps the file elsewhere
    np.testing.assert_array_equal(digits.Digits().load().inputs, data.inputs)


@pytest.mark.parametrize("cls", [MNIST, FashionMNIST])
def test_real_idx_files(cls, data_folder, monkeypatch):
    monkeypatch.setenv("REGEXP_DATA", str(data_folder))
    data = cls().load()
    assert data.inputs.shape == (70000, 28, 28, cls.channels)
    assert data.inputs.dtype == np.uint8
    np.testing.assert_array_equal(data.test, np.arange(60000, 70000))
    parts = split(cls(), data, 0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (51000, 9000, 10000)


# -- splits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_parts_are_disjoint_complete_stratified_and_of_the_same_size(seed):
    data = images(n=203, classes=3)
    dataset = Dataset(validation=0.15, test=0.2)
    parts = split(dataset, data, seed)
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(every) == list(range(203))
    assert (len(parts.test), len(parts.validation)) == (41, 24)
    for rows in (parts.train, parts.validation, parts.test):
        counts = np.bincount(data.targets[rows], minlength=3)
        assert counts.max() - counts.min() <= 2
    again = split(dataset, data, seed)
    np.testing.assert_array_equal(parts.train, again.train)
    assert not np.array_equal(parts.train, split(dataset, data, seed + 1).train)


def test_largest_remainder_is_hamiltons_method():
    assert largest_remainder([50, 30, 20], 10) == [5, 3, 2]
    assert largest_remainder([47, 16, 158], 10) == [2, 1, 7]
    assert largest_remainder([1, 1, 1], 3) == [1, 1, 1]
    assert sum(largest_remainder([7, 5, 3, 11], 13)) == 13


def test_limits_keep_validation_and_test():
    data = images(n=240, classes=3)
    whole = split(Dataset(), data, 0)
    limited = split(Dataset(limit=30), data, 0)
    np.testing.assert_array_equal(limited.train, whole.train[:30])
    np.testing.assert_array_equal(limited.test, whole.test)
    by_class = split(Dataset(limit=Limit(n=31, by="class")), data, 0)
    assert sorted(np.bincount(data.targets[by_class.train])) == [10, 10, 11]
    with pytest.raises(DataError, match="above the"):
        split(Dataset(limit=1000), data, 0)
    with pytest.raises(DataError, match="needs a classification"):
        split(Dataset(limit=Limit(n=10, by="class")), table(), 0)


# -- npz --------------------------------------------------------------------------------------------------------------


def save(path, **arrays):
    np.savez(path, **arrays)
    return NPZ(path=str(path))


def test_npz_images_tables_and_published_test(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (20, 5, 5), dtype=np.uint8)
    y = np.arange(20) % 3 + 4
    data = save(tmp_path / "a.npz", inputs=x, targets=y, test_inputs=x[:6], test_targets=y[:6]).load()
    assert data.inputs.shape == (26, 5, 5, 1)
    assert data.classes == ("4", "5", "6")
    np.testing.assert_array_equal(data.test, np.arange(20, 26))
    regression = save(tmp_path / "b.npz", inputs=np.ones((9, 2)), targets=np.linspace(0, 1, 9)).load()
    assert regression.task == "regression"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": np.ones((3, 2))}, "has no array 'targets'"),
        ({"inputs": np.ones((3, 2)), "targets": np.arange(4)}, "3 inputs but 4 targets"),
        ({"inputs": np.ones(3), "targets": np.arange(3)}, "inputs must be"),
        ({"inputs": np.full((3, 2), np.nan), "targets": np.arange(3)}, "NaN or infinity"),
        ({"inputs": np.full((3, 2, 2, 1), 7.0), "targets": np.arange(3)}, r"lie in \[0, 1\]"),
        ({"inputs": np.array([["a"]]), "targets": np.arange(1)}, "not numbers"),
        ({"inputs": np.array([{}], object), "targets": np.arange(1)}, "pickled Python objects"),
    ],
)
def test_npz_of_the_wrong_kind(arrays, message, tmp_path):
    with pytest.raises(DataError, match=message):
        save(tmp_path / "bad.npz", **arrays).load()


def test_npz_missing_damaged_or_no_npz(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        NPZ(path=str(tmp_path / "none.npz")).load()
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError):
        NPZ(path=str(tmp_path / "text.npz")).load()
    np.savez(tmp_path / "cut.npz", inputs=np.ones((100, 9)), targets=np.arange(100))
    raw = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError):
        NPZ(path=str(tmp_path / "cut.npz")).load()


# -- IDX --------------------------------------------------------------------------------------------------------------


def idx(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_idx_plain_and_gzipped(tmp_path):
    x = np.arange(24).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx(x))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(x)))
    np.testing.assert_array_equal(read_idx(tmp_path / "plain"), x)
    np.testing.assert_array_equal(read_idx(tmp_path / "packed.gz"), x)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not an IDX file"),
        (b"hello world", "not an IDX file"),
        (idx(np.ones((2, 3)))[:-1], "but the file holds 5"),
        (idx(np.ones((2, 3))) + b"x", "but the file holds 7"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
    ],
)
def test_idx_damaged(raw, message, tmp_path):
    (tmp_path / "file").write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "file")


def test_idx_truncated_gzip(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(idx(np.ones((50, 50))))[:-20])
    with pytest.raises(DataError, match=r"cut.gz"):
        read_idx(tmp_path / "cut.gz")


def test_idx_folder_incomplete_or_inconsistent(tmp_path):
    dataset = MNIST(path=str(tmp_path))
    for part, n in (("train", 12), ("test", 4)):
        for stem, array in zip(PARTS[part], (np.ones((n, 3, 3)), np.arange(n) % 10), strict=True):
            (tmp_path / stem).write_bytes(idx(array))
    assert dataset.load().inputs.shape == (16, 3, 3, 1)
    (tmp_path / PARTS["test"][1]).write_bytes(idx(np.arange(5)))
    with pytest.raises(DataError, match=r"t10k-images.* is \(4, 3, 3\) but .* is \(5,\)"):
        dataset.load()
    (tmp_path / PARTS["test"][1]).unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz is missing"):
        dataset.load()


def test_idx_absent_offline_names_every_place(tmp_path, monkeypatch):
    import sklearn.datasets

    def offline(*arguments, **options):
        raise OSError("offline")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    monkeypatch.setenv("REGEXP_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        FashionMNIST().load()
    with pytest.raises(DataError, match="no train-images"):
        FashionMNIST(path=str(tmp_path)).load()
    for place in (f"{tmp_path}/fashion_mnist", "/usr/share/dataset-fashion-mnist", "OpenML", "dataset.path"):
        assert place in str(caught.value)


# -- csv --------------------------------------------------------------------------------------------------------------

TEXT = "age,colour,size,label\n30,red,1.5,yes\n?,blue,2,no\n50,red,,yes\n41,?,3,no\n"


def csv_file(folder, text, **fields):
    path = folder / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CSV(path=str(path), **fields)


def test_csv_codes_numbers_categories_and_missing(tmp_path):
    dataset = csv_file(tmp_path, TEXT)
    data = dataset.load()
    assert data.columns == ("age", "colour=blue", "colour=red", "colour=?", "size")
    assert data.classes == ("no", "yes")
    np.testing.assert_array_equal(data.targets, [1, 0, 1, 0])
    steps = dataset.steps(data.codec)
    assert [s.name for s in steps] == ["impute"]
    out = apply_all(steps, fit_all(steps, data.inputs[:3]), data.inputs)
    np.testing.assert_allclose(out[1], [40, 1, 0, 0, 2, 1, 0])  # age imputed by the mean of 30 and 50, indicator on
    np.testing.assert_allclose(out[2, -1], 1)
    np.testing.assert_allclose(out[3, :4], [41, 0, 0, 0])  # a missing colour was not seen in training


def test_csv_target_by_name_number_and_kind(tmp_path):
    data = csv_file(tmp_path, TEXT, target="size", kind="regression")
    with pytest.raises(DataError, match=r"t.csv:4: the target is missing"):
        data.load()
    assert csv_file(tmp_path, "1,2.5\n3,4.5\n5,6.25\n", target=0).load().columns == ("column_1",)
    assert csv_file(tmp_path, "1,2.5\n3,4.5\n").load().task == "regression"
    assert csv_file(tmp_path, "1.5,2\n3,4\n").load().classes == ("2", "4")
    with pytest.raises(DataError, match="no column 'weight'"):
        csv_file(tmp_path, TEXT, target="weight").load()
    with pytest.raises(DataError, match="no column 9"):
        csv_file(tmp_path, TEXT, target=9).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "a header and no rows"),
        ("1\n2\n", "a single column"),
        ("1,2\n3\n", r"t.csv:2: has 1 cells, the first row has 2"),
        ("a,a\n1,2\n", r"t.csv:1: the column name 'a' appears twice"),
        ("1,2\n\n3,4,5\n", r"t.csv:3: has 3 cells"),
        (b"1,\xff\n", "not UTF-8"),
        ("1,\0\n", "NUL"),
        ('1,"2\n', r"t.csv:"),
        ("\n".join(f"{i},0" for i in range(99)) + "\noops,0\n", r"t.csv:100: column 'column_0' holds 'oops'"),
        ("\n".join(f"id{i},0" for i in range(1500)), "holds 1500 different texts"),
    ],
)
def test_csv_hostile(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        csv_file(tmp_path, text).load()


def test_csv_of_another_file_with_and_without_target(tmp_path):
    dataset = csv_file(tmp_path, TEXT)
    codec = dataset.load().codec
    other = tmp_path / "new.csv"
    other.write_text("colour,size,age\ngreen,1,20\nred,2,?\n")
    np.testing.assert_allclose(dataset.read_inputs(str(other), codec)[0], [20, 0, 0, 0, 1])
    other.write_text("colour,size\nred,2\n")
    with pytest.raises(DataError, match="lacks the column 'age'"):
        dataset.read_inputs(str(other), codec)
    other.write_text("age,colour,size\nold,red,2\n")
    with pytest.raises(DataError, match="holds 'old', not a number"):
        dataset.read_inputs(str(other), codec)


@pytest.mark.parametrize("name", ["adult-train", "german", "abalone", "sonar", "winequality-white"])
def test_real_tables(name, data_folder):
    data = CSV(path=str(data_folder / "tables" / f"{name}.csv")).load()
    assert len(data.inputs) == len(data.targets) > 100
    assert data.inputs.shape[1] == len(data.columns)
