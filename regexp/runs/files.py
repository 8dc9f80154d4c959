"""The few file operations that runs/ needs. All of them go through this module, so that a test can break each."""

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
    """OSErrors (disk full, read-only, ...) as RunError with the path and the reason."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}") from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write all of a file or nothing: a temporary one beside it -> fsync -> rename -> fsync of the folder.

    Raises RunError; what stood at `path` before then still stands there.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    with explained(path):
        # Not through a link: what it points to is somebody else's, and so is the link.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        _put_in_place(os.open(temporary, flags, 0o644), temporary, path, data)


def _put_in_place(descriptor: int, temporary: str | Path, path: Path, data: bytes) -> None:
    """Fill the temporary file, and rename it to `path`; after a failure it is removed."""
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
    """Write a file that a user names: atomically, through links; straight into what is no file (`/dev/stdout`, a pipe).

    Raises RunError, also for a folder.
    """
    with explained(path):
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path = path.resolve()
        # A name that nobody has: the user's folder may hold NAME.writing.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        os.fchmod(descriptor, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        _put_in_place(descriptor, temporary, path, data)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def append(path: Path, data: bytes) -> None:
    """Append and fsync. After a failure the file has its old length again."""
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
    """Rename within a folder, for good."""
    with explained(new):
        os.replace(old, new)
        sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def clean(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed process left half written of the files with these names."""
    with explained(folder):
        for name in names:
            remove(folder / f"{name}{TEMPORARY}")


def remove(path: Path) -> None:
    """Remove a regular file, if one is there; never a folder, nor what a link points to."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)


def exists(path: Path) -> bool:
    """Whether anything has this name, be it a link to nothing. Raises RunError where that cannot be seen."""
    with explained(path):
        try:
            os.lstat(path)
        except FileNotFoundError:
            return False
        return True


def read(path: Path) -> bytes:
    """All of a file. Raises RunError."""
    with explained(path):
        return path.read_bytes()


def read_json(path: Path) -> dict[str, Any]:
    """Raises RunError for a missing or damaged file."""
    with undamaged(path):
        return mapping(read(path))


@contextlib.contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """ValueErrors about what a file holds as RunError with the path and the reason."""
    try:
        yield
    except ValueError as error:
        raise RunError(f"{path}: damaged: {error}") from None


def mapping(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError for anything else."""
    try:
        found = json.loads(raw.decode())
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("not a mapping")
    return found


def to_json(value: Any, indent: int | None = None) -> bytes:
    """Valid JSON, in UTF-8."""
    return json.dumps(finite(value), indent=indent, allow_nan=False, ensure_ascii=False).encode()


def finite(value: Any) -> Any:
    """A tree that is valid JSON: NaN and infinity as None, NumPy's scalars as Python's, any text as Unicode.

    The bytes of a command line that are no UTF-8 reach Python as lone surrogates; they become `\\udcff`, in letters.
    """
    if isinstance(value, dict):
        return {finite(str(key)): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, np.generic):
        value = float(value) if isinstance(value, np.floating) else value.item()  # a longdouble's item is itself
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
