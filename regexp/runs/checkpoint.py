"""One file of named arrays and a few plain values, with a checksum over all of it; never a pickle.

    magic  sha256 of the rest  length of the header  header (JSON: meta, and name, dtype, shape of each array)  bytes
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regexp.errors import RunError
from regexp.runs.files import explained, to_json, write_atomic

MAGIC = b"regexp checkpoint 1\n"
Arrays = dict[str, np.ndarray]


def save(path: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Write atomically. Raises RunError (disk full, ...), ValueError for arrays of Python objects."""
    entries, parts = [], []
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name}: arrays of Python objects are not saved")
        entries.append([name, array.dtype.name, list(array.shape)])
        parts.append(np.ascontiguousarray(array).tobytes())
    header = to_json({"meta": meta, "arrays": entries})
    body = len(header).to_bytes(8, "little") + header + b"".join(parts)
    write_atomic(path, MAGIC + hashlib.sha256(body).digest() + body)


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and plain values. Raises RunError naming the file and what is wrong with it."""
    with explained(path):
        raw = path.read_bytes()
    if not raw.startswith(MAGIC):
        raise RunError(f"{path}: not a checkpoint")
    checksum, body = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
    if hashlib.sha256(body).digest() != checksum:
        raise RunError(f"{path}: damaged (its checksum does not fit)")
    length = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + length])
    position, arrays = 8 + length, {}
    for name, dtype, shape in header["arrays"]:
        kind = _dtype(dtype)
        end = position + kind.itemsize * prod(shape)
        arrays[name] = np.frombuffer(body[position:end], kind).reshape(shape)
        position = end
    return arrays, header["meta"]


def _dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
