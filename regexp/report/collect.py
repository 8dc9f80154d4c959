"""Collect the records of run folders. A folder that cannot be read is skipped, with a reason; the others remain."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regexp.core.errors import RegexpError, UsageError
from regexp.report.records import Record, record
from regexp.report.sweeps import confirmed, is_sweep
from regexp.runs.provenance import has_config, settings_hash

CHECKED = "checks.json"  # a folder with this file holds the result of `regexp check --save`, not a run


@dataclass(frozen=True)
class Skipped:
    """A folder that is not a readable run, and the reason."""

    name: str
    reason: str


def collect(root: Path, names: Sequence[str] = ()) -> tuple[list[Record], list[Skipped]]:
    """Read the named runs, or all runs in `root` sorted by name; return their records and the folders skipped.

    Raises UsageError if a named run does not exist, or if `root` has no runs.
    """
    paths = [_named(root, name) for name in names] if names else _all(root)
    records: list[Record] = []
    skipped = []
    for folder in dict.fromkeys(run for path in paths for run in _runs(path)):
        name = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.name
        try:
            records += confirmed(folder, name) if is_sweep(folder) else [record(folder, name)]
        except (RegexpError, OSError, ValueError, RecursionError) as error:
            skipped.append(Skipped(name, _reason(error, folder)))
    return records, skipped


def edited(records: Sequence[Record]) -> list[str]:
    """Return a warning for each run whose config.yaml is not the config it was trained with.

    Runs of older versions, whose manifest has no hash of the config, are not checked.
    """
    warnings = {}
    for run in records:
        recorded = run.manifest.get("config")
        if not isinstance(recorded, dict) or run.path in warnings:
            continue
        sha256 = str(recorded.get("sha256"))
        if settings_hash(run.config) != sha256 and not has_config(run.path, sha256):
            warnings[run.path] = f"{run.path / 'config.yaml'} is not the config that the run was trained with"
    return list(warnings.values())


def _runs(folder: Path) -> list[Path]:
    """Return the folder itself if it is a run, else the runs inside it: the arms of an ablation."""
    inside = []
    if not (folder / "config.yaml").exists():
        with contextlib.suppress(OSError):
            inside = [path for path in _folders(folder) if (path / "config.yaml").exists()]
    return inside or [folder]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if not path.name.startswith(".") and path.is_dir())


def _named(root: Path, name: str) -> Path:
    for path in (root / name, Path(name)):
        if path.is_dir():
            return path
    raise UsageError(f"no run {name!r} in {root}")


def _all(root: Path) -> list[Path]:
    try:
        folders = [folder for folder in _folders(root) if not (folder / CHECKED).exists()]
    except OSError as error:
        raise UsageError(f"{root}: cannot be read: {error.strerror}") from None
    if not folders:
        raise UsageError(f"no runs in {root}; create one with `regexp train`")
    return folders


def _reason(error: Exception, folder: Path) -> str:
    text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return text.partition("\n")[0].replace(f"{folder}/", "")
