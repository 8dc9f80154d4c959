"""One run's folder: made once, locked while it is worked on, readable at any moment."""

from __future__ import annotations

import fcntl
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from regexp.errors import RunError, UsageError
from regexp.runs import checkpoint, files
from regexp.runs.checkpoint import Arrays

KINDS = ("last", "best")


class Run:
    """A run folder. `create` and `open` lock it for this process; `read` only reads."""

    def __init__(self, path: Path):
        self.path, self.name = path, path.name
        self._lock: int | None = None

    # -- making and finding -------------------------------------------------------------------------------------------

    @staticmethod
    def create(root: str | Path, name: str) -> Run:
        """A new folder by an exclusive mkdir; a taken name gets -2, -3, ...

        Raises UsageError for a name that is no folder name, RunError where `root` cannot be written.
        """
        check_name(name)
        root = Path(root)
        with files.explained(root):
            root.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            run = Run(root / (name if number == 1 else f"{name}-{number}"))
            try:
                run.path.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(f"{run.path}: cannot be made: {error.strerror}") from None
            run.lock()
            with files.explained(run.path):
                (run.path / "checkpoints").mkdir()
                files.sync_folder(root)
            return run
        raise RunError(f"{root / name}: ten thousand runs have this name")

    @staticmethod
    def open(root: str | Path, name: str) -> Run:
        """An existing run, to go on with. Raises UsageError where there is none, RunError where another process has it."""
        run = Run.read(root, name)
        run.lock()
        files.clean(run.path)
        return run

    @staticmethod
    def read(root: str | Path, name: str) -> Run:
        """An existing run by name or path, to look at. Raises UsageError where there is none."""
        for path in (Path(root) / name, Path(name)):
            if (path / "config.yaml").is_file():
                return Run(path)
        raise UsageError(f"no run {name!r} in {root}")

    def lock(self) -> None:
        """Keep other processes out; the kernel lets go when this process ends, however it does."""
        with files.explained(self.path):
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise RunError(f"{self.path}: another process is working on this run") from None

    def close(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def _checkpoint(self, kind: str) -> Path:
        return self.path / "checkpoints" / kind

    def save_checkpoint(self, kind: str, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Write a checkpoint; the one before stays as `<kind>.previous`. At any moment one of the two is whole."""
        path, fresh = self._checkpoint(kind), self._checkpoint(f"{kind}.new")
        checkpoint.save(fresh, arrays, meta)
        if path.exists():
            files.rename(path, self._checkpoint(f"{kind}.previous"))
        files.rename(fresh, path)

    def has_checkpoint(self, kind: str) -> bool:
        """Whether anything was ever saved."""
        return any(path.exists() for path in self._versions(kind))

    def load_checkpoint(self, kind: str) -> tuple[Arrays, dict[str, Any], str | None]:
        """(arrays, meta, warning): the newest checkpoint that is whole; the warning says what was passed over.

        Raises RunError where none is.
        """
        reasons: list[str] = []
        for path in self._versions(kind):
            if path.exists():
                try:
                    return *checkpoint.load(path), "; ".join(reasons) or None
                except RunError as error:
                    reasons.append(f"{error}; went back to the one before")
        raise RunError("; ".join(reasons) or f"{self._checkpoint(kind)}: no checkpoint")

    def _versions(self, kind: str) -> list[Path]:
        return [self._checkpoint(f"{kind}{suffix}") for suffix in (".new", "", ".previous")]

    # -- metrics ------------------------------------------------------------------------------------------------------

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def append_metrics(self, rows: list[dict[str, Any]]) -> None:
        """One line per row, on the disk when this returns."""
        if rows:
            files.append(self._metrics, b"".join(files.to_json(row) + b"\n" for row in rows))

    def metrics(self) -> tuple[list[dict[str, Any]], str | None]:
        """(rows, warning): every whole line; the warning tells of lines that are none."""
        if not self._metrics.exists():
            return [], None
        with files.explained(self._metrics):
            lines = self._metrics.read_bytes().splitlines()
        rows, bad = [], 0
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                bad += 1
        return rows, f"{self._metrics}: {bad} damaged lines passed over" if bad else None

    def truncate_metrics(self, rows: int) -> None:
        """Keep the first `rows` lines, byte for byte. Raises RunError where the file is shorter than that."""
        raw = self._metrics.read_bytes() if self._metrics.exists() else b""
        end = 0
        for _ in range(rows):
            end = raw.find(b"\n", end) + 1
            if not end:
                raise RunError(f"{self._metrics}: has fewer rows than the {rows} that the checkpoint counts")
        if end != len(raw):
            files.write_atomic(self._metrics, raw[:end])

    # -- whole files --------------------------------------------------------------------------------------------------

    def write_config(self, text: str) -> None:
        """The resolved config. A folder is a run once this is there."""
        files.write_atomic(self.path / "config.yaml", text.encode())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """manifest.json or summary.json."""
        files.write_atomic(self.path / name, files.to_json(value, indent=2) + b"\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Raises RunError for a missing or damaged file."""
        found = files.read_json(self.path / name)
        if not isinstance(found, dict):
            raise RunError(f"{self.path / name}: damaged: not a mapping")
        return found

    def write_predictions(self, arrays: Arrays) -> None:
        """predictions.npz, uncompressed; the same arrays give the same bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                inner = io.BytesIO()
                np.lib.format.write_array(inner, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), inner.getvalue())
        files.write_atomic(self.path / "predictions.npz", buffer.getvalue())

    def read_predictions(self) -> Arrays:
        """Raises RunError for a missing or damaged file."""
        path = self.path / "predictions.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise RunError(f"{path}: {error}") from None


def check_name(name: str) -> None:
    """Raises UsageError for a name that is not one plain folder name."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    if not name or not plain or name.startswith(".") or name != name.strip() or len(name.encode()) > 200:
        shown = "".join(c if c.isprintable() else "?" for c in name)[:60]
        raise UsageError(f'the run name "{shown}" must be a plain folder name of at most 200 bytes')


def list_runs(root: str | Path) -> list[tuple[str, dict[str, Any] | None, str | None]]:
    """(name, manifest, None) of each run below `root`, or (name, None, what is wrong with it); sorted by name."""
    found: list[tuple[str, dict[str, Any] | None, str | None]] = []
    for path in sorted(Path(root).iterdir()) if Path(root).is_dir() else []:
        if not path.is_dir() or path.name.startswith("."):
            continue
        try:
            found.append((path.name, Run(path).read_json("manifest.json"), None))
        except RunError as error:
            found.append((path.name, None, str(error)))
    return found
