"""Read arrays from .npz files. Pickled objects are never loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.memory import check_size

MEMORY_SHARE = 0.1  # of this machine's memory, unless the config sets another share


class Archive:
    """An open .npz file of which only the headers have been read; a context manager that closes it.

    names: the names of its arrays
    key: the key in the config that names the file, for the error

    Raises DataError if the file is damaged or not an .npz file.
    """

    def __init__(self, path: str, key: str | None = None):
        self.path = path
        try:
            self._file = Path(path).open("rb")  # noqa: SIM115 - __exit__ closes it
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}", key) from None
        try:
            self._zip = self._opened()
        except DataError:
            self._file.close()
            raise
        self._members = {member.filename.removesuffix(".npy"): member for member in self._zip.infolist()}
        self.names = tuple(self._members)

    def _opened(self) -> zipfile.ZipFile:
        with self._readable():
            if not zipfile.is_zipfile(self._file):
                raise DataError(f"{self.path}: not an .npz file, or cut short")
            self._file.seek(0)
            return zipfile.ZipFile(self._file)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def read(self, names: Sequence[str], memory_share: float = MEMORY_SHARE) -> dict[str, np.ndarray]:
        """Read the named arrays that exist. Raises DataError if one is damaged, pickled, or all are too large."""
        present = [name for name in names if name in self._members]
        size = sum(self._bytes(name) for name in present)
        check_size(f"{self.path}: {', '.join(present)}", size, memory_share)
        return {name: self._array(name) for name in present}

    def _bytes(self, name: str) -> int:
        """Return the size of an array from its header. Raises DataError if it is above the archive's entry.

        NumPy allocates what the header says: a forged header must not make it allocate terabytes.
        """
        with self._readable(name), self._zip.open(self._members[name]) as stream:
            shape, _, dtype = _read_header(stream)
            if dtype.hasobject:
                raise DataError(f"{self.path}: {name!r} holds pickled Python objects, which are never loaded")
            size = dtype.itemsize
            for side in shape:
                if not isinstance(side, int) or isinstance(side, bool) or side < 0:
                    raise ValueError(f"a shape of {shape}")
                size *= side
            if size > self._members[name].file_size:
                raise ValueError(f"its header says {size:,} bytes, the archive {self._members[name].file_size:,}")
            return size

    def _array(self, name: str) -> np.ndarray:
        with self._readable(name), self._zip.open(self._members[name]) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    @contextmanager
    def _readable(self, name: str = "") -> Iterator[None]:
        where = f"{self.path}: {name!r}" if name else self.path
        try:
            yield
        except DataError:
            raise
        except MemoryError as error:
            raise DataError(f"{where}: {error}") from None
        except Exception as error:  # zipfile, zlib and NumPy raise a dozen types for damaged files
            raise DataError(f"{where}: not a readable array ({str(error) or type(error).__name__})") from None


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the shape, whether the order is Fortran's, and the dtype from the beginning of a .npy file."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"version {version[0]}.{version[1]} of the format; 1.0 and 2.0 are read")


def read_array(path: str, name: str, memory_share: float = MEMORY_SHARE) -> np.ndarray:
    """Read one array of a .npz file. Raises DataError if it is missing, damaged, pickled or too large."""
    with Archive(path) as archive:
        if name not in archive.names:
            raise DataError(f"{path}: has no array {name!r}, only {', '.join(sorted(archive.names)) or 'none'}")
        return archive.read([name], memory_share)[name]


def check_finite(path: str, name: str, values: np.ndarray) -> None:
    """Check that all values are finite in float32. Raises DataError if one is not."""
    with np.errstate(over="ignore"):  # the cast overflows to infinity
        finite = np.isfinite(values.astype(np.float32))
    if not finite.all():
        raise DataError(f"{path}: {name} hold NaN or infinity")


def check_inputs(path: str, inputs: np.ndarray) -> np.ndarray:
    """Check inputs and convert them to the form of `Data.inputs`. Raises DataError if they have no such form.

    Returns images (n, H, W, C) in uint8 or in float32 within [0, 1], or a table (n, D) in float32 or float64.
    """
    if inputs.dtype.kind not in "uifb":
        raise DataError(f"{path}: inputs are {inputs.dtype}, not numbers")
    if inputs.ndim == 3:
        inputs = inputs[..., None]
    if inputs.ndim not in (2, 4) or 0 in inputs.shape:
        raise DataError(f"{path}: inputs must be (n, H, W, C), (n, H, W) or (n, D), got {inputs.shape}")
    if inputs.ndim == 4 and inputs.dtype == np.uint8:
        return inputs
    check_finite(path, "inputs", inputs)
    values = inputs if inputs.dtype == np.float32 else inputs.astype(np.float32 if inputs.ndim == 4 else np.float64)
    if inputs.ndim == 4 and (values.min() < 0 or values.max() > 1):
        raise DataError(f"{path}: images must be uint8 or lie in [0, 1], got {values.min():g} to {values.max():g}")
    return values
