"""File operations of runs/. All of them go through this module, so that tests can make each one fail."""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from regexp.core.errors import RunError

TEMPORARY = ".writing"


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn OSError (disk full, read-only, ...) into RunError with the path and the reason."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}") from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file completely or not at all: temporary file beside it -> fsync -> rename -> fsync of the folder.

    Raises RunError, and then leaves the previous file at `path` unchanged.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    with explained(path):
        # O_NOFOLLOW: a link at this name was not created by us, and its target must not be overwritten.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        _put_in_place(os.open(temporary, flags, 0o644), temporary, path, data)


def _put_in_place(descriptor: int, temporary: str | Path, path: Path, data: bytes) -> None:
    """Fill the temporary file and rename it to `path`; remove it after a failure."""
    try:
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def write_named(path: Path, data: bytes) -> None:
    """Write a file named by the user, following links: atomically, or directly to a device or pipe such as `/dev/stdout`.

    Raises RunError, also for a folder.
    """
    with explained(path):
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path = path.resolve()
        # A unique name: in a user's folder, NAME.writing may be a file of the user.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        os.fchmod(descriptor, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        _put_in_place(descriptor, temporary, path, data)


def _umask() -> int:
    # The umask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def append(path: Path, data: bytes) -> None:
    """Append and fsync; after a failure, restore the previous length."""
    with explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            length = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, length)
                raise
        finally:
            os.close(descriptor)


def rename(old: Path, new: Path) -> None:
    """Rename within a folder, durably."""
    with explained(new):
        os.replace(old, new)
        sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:  # os.write may write only a part
        view = view[os.write(descriptor, view) :]


def clean(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files that a killed process left behind, for files with these names."""
    with explained(folder):
        for name in names:
            remove(folder / f"{name}{TEMPORARY}")


def remove(path: Path) -> None:
    """Remove a regular file if it exists; never a folder, nor the target of a link."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)


def exists(path: Path) -> bool:
    """Whether a path exists, including dangling links. Raises RunError if that cannot be determined."""
    with explained(path):
        try:
            os.lstat(path)
        except FileNotFoundError:
            return False
        return True


def read(path: Path) -> bytes:
    """Read a file. Raises RunError."""
    with explained(path):
        return path.read_bytes()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises RunError for a missing or damaged file."""
    with undamaged(path):
        return mapping(read(path))


@contextlib.contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Turn ValueError about the contents of a file into RunError with the path and the reason."""
    try:
        yield
    except ValueError as error:
        raise RunError(f"{path}: damaged: {error}") from None


def mapping(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises ValueError for anything else."""
    try:
        document = json.loads(raw.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a mapping")
    return document


def to_json(value: Any, indent: int | None = None) -> bytes:
    """Encode a tree as valid JSON in UTF-8."""
    return json.dumps(finite(value), indent=indent, allow_nan=False, ensure_ascii=False).encode()


def finite(value: Any) -> Any:
    """Return a tree that is valid JSON: NaN and infinity as None, NumPy scalars as Python ones, text as Unicode.

    Bytes of a command line that are not UTF-8 reach Python as lone surrogates; they become `\\udcff` as plain text.
    """
    if isinstance(value, dict):
        return {finite(str(key)): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, np.generic):
        value = float(value) if isinstance(value, np.floating) else value.item()  # item() of a longdouble is a longdouble
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
