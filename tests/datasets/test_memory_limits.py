"""Small files that would take gigabytes are refused by their headers, and arrays that nobody asks for are not read."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from regexp.core.errors import DataError
from regexp.datasets.arrays import Archive
from regexp.datasets.idx import read_idx
from regexp.datasets.image_folder import ImageFolder
from regexp.datasets.memory import physical_bytes
from regexp.datasets.npz import NPZ

PEAK = """
import resource, sys
from regexp.config import loads
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    loads(sys.argv[1]).experiment.dataset.load()
except Exception as error:
    print(str(error))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def peak_megabytes(config: str) -> tuple[str, int]:
    """(the error, megabytes that loading adds) in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", PEAK, config], capture_output=True, text=True, timeout=120, check=True
    )
    *message, added = result.stdout.splitlines()
    return "\n".join(message), int(added)


def test_pictures_with_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("1", (13_000, 13_000)).save(tmp_path / name / "a.png")
        assert (tmp_path / name / "a.png").stat().st_size < 100_000
    message, added = peak_megabytes(f"dataset: {{name: image_folder, path: {tmp_path}}}")
    assert "13,000 x 13,000 pixels exceed dataset.max_pixels 100,000,000" in message
    assert added < 100


def test_scaled_images_have_to_fit_into_a_share_of_memory(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name / "a.png")
    with pytest.raises(DataError, match=r"above dataset.memory_share 0.1 .*raise dataset.memory_share"):
        ImageFolder(path=str(tmp_path), size=100_000).load()


def test_an_idx_file_is_refused_by_its_header(tmp_path):
    claimed = physical_bytes() // 8
    header = b"\0\0\x08\x03" + struct.pack(">3I", claimed // 10_000, 100, 100)
    (tmp_path / "images.gz").write_bytes(gzip.compress(header + bytes(1000)))
    with pytest.raises(DataError, match=r"above dataset.memory_share 0.1"):
        read_idx(tmp_path / "images.gz")


def test_an_unused_array_of_an_npz_file_is_not_read(tmp_path):
    path = tmp_path / "data.npz"
    np.savez_compressed(
        path, inputs=np.zeros((20, 3)), targets=np.arange(20) % 2, unused=np.zeros(400_000_000, np.uint8)
    )
    message, added = peak_megabytes(f"dataset: {{name: npz, path: {path}}}")
    assert message == ""
    assert added < 100
    assert NPZ(path=str(path)).load().inputs.shape == (20, 3)


def npy(header: dict[str, object], content: bytes = b"") -> bytes:
    """A .npy file with any header."""
    text = repr(header).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def npz(folder, *members: tuple[str, bytes]) -> str:
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(f"{name}.npy", content)
    return str(folder / "x.npz")


def test_an_npz_array_is_refused_by_its_header(tmp_path):
    claimed = physical_bytes() // 8
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (claimed,)})
    path = npz(tmp_path, ("inputs", stream.getvalue()))
    with Archive(path) as archive, pytest.raises(DataError, match="its header says"):
        archive.read(["inputs"])


def error_or_path(path: str) -> str:
    """The message of the DataError that loading raises, else the path; any other exception fails the test."""
    try:
        NPZ(path=path).load()
    except DataError as error:
        return str(error)
    return path


DTYPES = ["<f8", "|O", "|V4", "<U3", "<M8[s]", ">i2"]
values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.tuples(st.integers(-(2**70), 2**70)), st.tuples(st.integers(-3, 3), st.booleans()),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)  # fmt: skip


@given(descr=st.one_of(values, st.sampled_from(DTYPES)), order=values, shape=values)
@settings(max_examples=150, deadline=None)
def test_any_header_is_read_or_refused(tmp_path_factory, descr, order, shape):
    header = {"descr": descr, "fortran_order": order, "shape": shape}
    path = npz(tmp_path_factory.mktemp("header"), ("inputs", npy(header, bytes(64))), ("targets", npy(header)))
    assert "x.npz" in error_or_path(path)


@given(position=st.integers(0, 400), value=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_any_damaged_byte_is_harmless_or_refused(tmp_path_factory, position, value):
    folder = tmp_path_factory.mktemp("byte")
    np.savez(folder / "x.npz", inputs=np.ones((3, 2)), targets=np.arange(3) % 2)
    raw = bytearray((folder / "x.npz").read_bytes())
    raw[position % len(raw)] = value
    (folder / "x.npz").write_bytes(raw)
    assert "x.npz" in error_or_path(str(folder / "x.npz"))
