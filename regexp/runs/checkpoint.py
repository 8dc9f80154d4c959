"""One file of named arrays and a few plain values, with a checksum over all of it; never a pickle.

    magic  sha256 of the rest  length of the header  header (JSON: meta, and name, dtype, shape of each array)  bytes

Integers, those of arrays included, and floats are little endian.
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
NUMBERS = {np.dtype(code).name: np.dtype(code).newbyteorder("<") for code in CODES}  # bfloat16 is not NumPy's own
Arrays = dict[str, np.ndarray]


def save(path: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Write atomically. Raises RunError (disk full, ...), TypeError for arrays of anything but booleans and numbers."""
    entries, parts = [], []
    for name, array in arrays.items():
        kind = _dtype(array.dtype.name)
        if kind is None:
            raise TypeError(f"{name}: an array of {array.dtype} is not saved; booleans and numbers are")
        entries.append([name, kind.name, list(array.shape)])
        parts.append(array.astype(kind, copy=False).tobytes())
    header = to_json({"meta": meta, "arrays": entries})
    body = len(header).to_bytes(8, "little") + header + b"".join(parts)
    write_atomic(path, MAGIC + hashlib.sha256(body).digest() + body)


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and plain values. Raises RunError naming the file and what is wrong with it."""
    raw = read(path)
    if not raw.startswith(MAGIC):
        raise RunError(f"{path}: not a checkpoint")
    checksum, body = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
    if hashlib.sha256(body).digest() != checksum:
        raise RunError(f"{path}: damaged (its checksum does not fit)")
    with undamaged(path):
        return _unpacked(body)


def _unpacked(body: bytes) -> tuple[Arrays, dict[str, Any]]:
    """Raises ValueError for what `save` does not write; a checksum can fit that."""
    position = 8 + int.from_bytes(body[:8], "little")
    header = mapping(body[8:position])
    entries, meta = header.get("arrays"), header.get("meta")
    if not isinstance(entries, list) or not isinstance(meta, dict):
        raise ValueError("its header has no arrays or no meta")
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
        raise ValueError("more bytes than its arrays have")
    return arrays, meta


def _described(entry: Any) -> tuple[str, np.dtype[Any], list[int]]:
    """Name, dtype and shape of an array, as the header has them."""
    match entry:
        case [str(name), str(dtype), [*shape]] if all(type(n) is int and 0 <= n < 2**63 for n in shape):
            kind = _dtype(dtype)
            if kind is not None:
                return name, kind, shape
    raise ValueError("an array's name, dtype or shape is none")


def _dtype(name: str) -> np.dtype[Any] | None:
    """Of booleans and numbers, little endian; None for anything else."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return NUMBERS.get(name)
