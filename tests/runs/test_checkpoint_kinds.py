"""What a checkpoint takes and gives back: booleans and numbers, whatever their byte order."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from regexp.runs.checkpoint import NUMBERS, load, save


@pytest.mark.parametrize("name", [*NUMBERS, "bfloat16"])
def test_every_kind_of_number_comes_back(name, tmp_path):
    kind = np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
    given = {"a": np.arange(6).reshape(2, 3).astype(kind), "scalar": np.ones((), kind), "none": np.zeros((0, 3), kind)}
    save(tmp_path / "c", given, {})
    back, _ = load(tmp_path / "c")
    for key, array in given.items():
        assert back[key].dtype == array.dtype
        np.testing.assert_array_equal(back[key], array, strict=True)


@pytest.mark.parametrize("code", ["?", "i2", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order_and_strides_change_no_value(code, order, tmp_path):
    numbers = np.arange(-6, 6).reshape(3, 4).astype(code)
    given = numbers.astype(np.dtype(code).newbyteorder(order))
    save(tmp_path / "c", {"whole": given, "view": given.T[::2]}, {})
    back, _ = load(tmp_path / "c")
    np.testing.assert_array_equal(back["whole"], numbers, strict=True)
    np.testing.assert_array_equal(back["view"], numbers.T[::2], strict=True)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a"]),
        np.array([b"a"]),
        np.array([{}], object),
        np.zeros(2, [("x", "f4")]),
        np.zeros(2, "V4"),
        np.array(["2020-01-01"], "M8[D]"),
        np.zeros(2, ml_dtypes.float8_e4m3fn),
    ],
    ids=lambda array: array.dtype.name,
)
def test_what_is_no_number_is_refused_before_anything_is_written(array, tmp_path):
    with pytest.raises(TypeError, match="labels: an array of .* is not saved"):
        save(tmp_path / "c", {"w": np.ones(2), "labels": array}, {})
    assert list(tmp_path.iterdir()) == []
