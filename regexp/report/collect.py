"""Run folders -> records; a folder that cannot be read is skipped with its reason and hides no other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regexp.core.errors import RegexpError, UsageError
from regexp.report.records import Record, record
from regexp.report.sweeps import confirmed, is_sweep
from regexp.runs.provenance import has_config, settings_hash

CHECKED = "checks.json"  # what `regexp check --save` leaves: no run


@dataclass(frozen=True)
class Skipped:
    """A folder that is no readable run, and why."""

    name: str
    reason: str


def collect(root: Path, names: Sequence[str] = ()) -> tuple[list[Record], list[Skipped]]:
    """The named runs, or all below `root`, sorted by name.

    Raises UsageError where a named one is not there, or nothing is.
    """
    there = [_named(root, name) for name in names] if names else _all(root)
    records: list[Record] = []
    skipped = []
    for folder in dict.fromkeys(run for one in there for run in _runs(one)):
        name = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.name
        try:
            records += confirmed(folder, name) if is_sweep(folder) else [record(folder, name)]
        except (RegexpError, OSError, ValueError, RecursionError) as error:
            skipped.append(Skipped(name, _reason(error, folder)))
    return records, skipped


def edited(records: Sequence[Record]) -> list[str]:
    """A sentence for each run whose config.yaml is not the config that it was trained with.

    Runs of older versions, whose manifest has no hash of the config, are not judged.
    """
    sentences = {}
    for one in records:
        known = one.manifest.get("config")
        if not isinstance(known, dict) or one.path in sentences:
            continue
        sha256 = str(known.get("sha256"))
        if settings_hash(one.config) != sha256 and not has_config(one.path, sha256):
            sentences[one.path] = f"{one.path / 'config.yaml'} is not the config that the run was trained with"
    return list(sentences.values())


def _runs(folder: Path) -> list[Path]:
    """The run, or the runs inside of a folder that is none itself: the arms of an ablation."""
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
        found = [folder for folder in _folders(root) if not (folder / CHECKED).exists()]
    except OSError as error:
        raise UsageError(f"{root}: cannot be read: {error.strerror}") from None
    if not found:
        raise UsageError(f"no runs in {root}; regexp train makes one")
    return found


def _reason(error: Exception, folder: Path) -> str:
    text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return text.partition("\n")[0].replace(f"{folder}/", "")
