"""Store named arrays and JSON values in one checksummed file, without pickle.

    magic  sha256 of the rest  length of the header  header (JSON: meta, and name, dtype, shape of each array)  bytes

All integers and floats are little endian.
"""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regexp.core.errors import RunError
from regexp.runs.files import mapping, read, to_json, undamaged, write_atomic

MAGIC = b"regexp checkpoint 1\n"
CODES = "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"]
NUMBERS = {np.dtype(code).name: np.dtype(code).newbyteorder("<") for code in CODES}  # bfloat16 is not a NumPy type, see `_dtype`
Arrays = dict[str, np.ndarray]


def save(path: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Write a checkpoint atomically. Raises RunError (disk full, ...), or TypeError for an array that is not numeric."""
    entries, parts = [], []
    for name, array in arrays.items():
        kind = _dtype(array.dtype.name)
        if kind is None:
            raise TypeError(f"{name}: an array of {array.dtype} is not saved; only booleans and numbers are")
        entries.append([name, kind.name, list(array.shape)])
        parts.append(array.astype(kind, copy=False).tobytes())
    header = to_json({"meta": meta, "arrays": entries})
    body = len(header).to_bytes(8, "little") + header + b"".join(parts)
    write_atomic(path, MAGIC + hashlib.sha256(body).digest() + body)


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return arrays and JSON values. Raises RunError naming the file and the problem."""
    raw = read(path)
    if not raw.startswith(MAGIC):
        raise RunError(f"{path}: not a checkpoint")
    checksum, body = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
    if hashlib.sha256(body).digest() != checksum:
        raise RunError(f"{path}: damaged (checksum mismatch)")
    with undamaged(path):
        return _unpacked(body)


def _unpacked(body: bytes) -> tuple[Arrays, dict[str, Any]]:
    """Decode the body of a checkpoint. Raises ValueError for anything `save` does not write, whatever its checksum."""
    position = 8 + int.from_bytes(body[:8], "little")
    header = mapping(body[8:position])
    entries, meta = header.get("arrays"), header.get("meta")
    if not isinstance(entries, list) or not isinstance(meta, dict):
        raise ValueError("the header has no arrays or no meta")
    arrays = {}
    for entry in entries:
        name, kind, shape = _described(entry)
        end = position + kind.itemsize * prod(shape)
        if end > len(body):
            raise ValueError(f"{name} is cut off")
        array = np.frombuffer(body[position:end], kind).reshape(shape)
        arrays[name] = array.astype(kind.newbyteorder("="), copy=False)
        position = end
    if position != len(body):
        raise ValueError("extra bytes after the arrays")
    return arrays, meta


def _described(entry: Any) -> tuple[str, np.dtype[Any], list[int]]:
    """Return name, dtype and shape of an array from its header entry. Raises ValueError."""
    match entry:
        case [str(name), str(dtype), [*shape]] if all(type(n) is int and 0 <= n < 2**63 for n in shape):
            kind = _dtype(dtype)
            if kind is not None:
                return name, kind, shape
    raise ValueError("invalid name, dtype or shape of an array")


def _dtype(name: str) -> np.dtype[Any] | None:
    """Return the little-endian dtype of booleans or numbers; None for other names."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return NUMBERS.get(name)
