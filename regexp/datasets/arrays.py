"""Arrays in .npz files, never pickles."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from regexp.errors import DataError


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """All arrays of a .npz file. Raises DataError for a damaged file or one that holds pickled objects."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except ValueError as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(f"{path}: holds pickled Python objects, which are never loaded") from None
        raise DataError(f"{path}: {error}") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, KeyError) as error:
        raise DataError(f"{path}: not a readable .npz file ({error})") from None


def read_array(path: str, name: str) -> np.ndarray:
    """One array of a .npz file."""
    arrays = read_arrays(path)
    if name not in arrays:
        raise DataError(f"{path}: has no array {name!r}, only {', '.join(sorted(arrays)) or 'none'}")
    return arrays[name]
