"""The few file operations that runs/ needs. All of them go through this module, so that a test can break each."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regexp.errors import RunError

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
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
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


def clean(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for leftover in folder.rglob(f"*{TEMPORARY}"):
        leftover.unlink(missing_ok=True)


def to_json(value: Any, indent: int | None = None) -> bytes:
    """Valid JSON: NaN and infinity become null."""
    return json.dumps(finite(value), indent=indent, allow_nan=False, ensure_ascii=False).encode()


def finite(value: Any) -> Any:
    """A tree of plain values without NaN and infinity."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path) -> Any:
    """Raises RunError for a missing or damaged file."""
    with explained(path):
        raw = path.read_bytes()
    try:
        return json.loads(raw)
    except ValueError as error:
        raise RunError(f"{path}: damaged: {error}") from None
