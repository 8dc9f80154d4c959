"""Arrays in .npz files, never pickles."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from regexp.errors import DataError


def read_arrays(path: str, key: str | None = None) -> dict[str, np.ndarray]:
    """All arrays of a .npz file; `key` of the config names it, if any.

    Raises DataError for a damaged file or one that holds pickled objects.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; what fails here is the path, there the content
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", key) from None
    try:
        with file:
            if not zipfile.is_zipfile(file):  # else NumPy calls any other file pickled
                raise DataError(f"{path}: not an .npz file, or cut short")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except ValueError as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(f"{path}: holds pickled Python objects, which are never loaded") from None
        raise DataError(f"{path}: {error}") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, KeyError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable .npz file ({error})") from None
    except MemoryError as error:
        raise DataError(f"{path}: {error}") from None


def read_array(path: str, name: str) -> np.ndarray:
    """One array of a .npz file."""
    arrays = read_arrays(path)
    if name not in arrays:
        raise DataError(f"{path}: has no array {name!r}, only {', '.join(sorted(arrays)) or 'none'}")
    return arrays[name]


def check_finite(path: str, name: str, values: np.ndarray) -> None:
    """Raises DataError where a value is not finite, or is beyond the largest number of float32."""
    with np.errstate(over="ignore"):  # the cast overflows to infinity
        finite = np.isfinite(values.astype(np.float32))
    if not finite.all():
        raise DataError(f"{path}: {name} hold NaN or infinity")


def check_inputs(path: str, inputs: np.ndarray) -> np.ndarray:
    """Images (n, H, W, C) uint8 or float32 in [0, 1], or a table (n, D) of float64 or as float32. Raises DataError."""
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
