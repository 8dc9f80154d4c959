"""A run folder: created once, locked while a process works on it, readable at any time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shlex
import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regexp.core import escaping
from regexp.core.errors import RunError, UsageError
from regexp.runs import checkpoint, files
from regexp.runs.checkpoint import Arrays

LONGEST_COMMENT = 1000  # characters of a line of config.yaml that says what was inferred
# Every file this package writes into a run folder and its checkpoints/. No other file is ever removed.
FILES = (
    "config.yaml", "manifest.json", "metrics.jsonl", "summary.json", "predictions.npz", "diagnostics.json",
    "checks.json", "winner.yaml", "study.db", "study.db-wal", "study.db-shm", "study.db-journal", ".lock",
)  # fmt: skip
RESULTS = ("metrics.jsonl", "summary.json", "predictions.npz", "winner.yaml")  # the manifest holds their checksums
CHECKPOINTS = tuple(f"{kind}{version}" for kind in ("last", "best") for version in ("", ".new", ".previous"))


class Run:
    """A run folder. `create` and `open` lock it for this process; `read` does not."""

    def __init__(self, path: Path):
        self.path, self.name = path, path.name
        self._lock: int | None = None

    # -- creating and finding -----------------------------------------------------------------------------------------

    @staticmethod
    def create(root: str | Path, name: str) -> Run:
        """Create and lock a new folder; an existing name gets -2, -3, ...

        Raises UsageError for an invalid name, RunError if `root` cannot be written.
        """
        check_name(name)
        root = Path(root)
        with files.explained(root):
            root.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            run = Run(root / (name if number == 1 else f"{name}-{number}"))
            try:
                run.path.mkdir()  # exclusive: of two processes with one name, only one succeeds
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(f"{run.path}: cannot create the folder: {error.strerror}") from None
            run.lock()
            with files.explained(run.path):
                (run.path / "checkpoints").mkdir()
                files.sync_folder(root)
            return run
        raise RunError(f"{root / name}: 9999 runs already have this name")

    @staticmethod
    def open(root: str | Path, name: str) -> Run:
        """Lock an existing run to continue it. Raises UsageError if there is none, RunError if another process holds it."""
        run = Run.read(root, name)
        run.lock()
        files.clean(run.path, FILES)
        files.clean(run.path / "checkpoints", CHECKPOINTS)
        return run

    @staticmethod
    def read(root: str | Path, name: str) -> Run:
        """Return an existing run by name or path, without locking. Raises UsageError, with the reason, if there is none."""
        reasons: dict[str, None] = {}
        for path in (Path(root) / name, Path(name)):
            reason = _no_run(path)
            if reason is None:
                return Run(path)
            reasons[reason] = None
        raise UsageError("; ".join([f"no run {name!r} in {root}", *filter(None, reasons)]))

    def resume_command(self, command: str = "train") -> str:
        """Return the command that resumes this run, quoted for a shell."""
        where = [] if self.path.parent == Path("runs") else ["--runs-dir", str(self.path.parent)]
        return shlex.join(["regexp", command, "--resume", self.name, *where])

    def lock(self) -> None:
        """Lock the run for this process; the kernel releases the lock when the process ends, even if it is killed."""
        with files.explained(self.path / ".lock"):
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(descriptor)
                if isinstance(error, BlockingIOError):
                    raise RunError(f"{self.path}: another process is working on this run") from None
                raise
        self._lock = descriptor

    def discard(self) -> None:
        """Remove the files of a run that produced nothing; files of others stay, and then so does the folder."""
        self.close()
        for folder, names in ((self.path / "checkpoints", CHECKPOINTS), (self.path, FILES)):
            if folder.is_symlink():
                continue
            for name in names:
                files.remove(folder / name)
                files.remove(folder / f"{name}{files.TEMPORARY}")
            with contextlib.suppress(OSError):  # not empty: it holds files of others
                folder.rmdir()

    @staticmethod
    def remove_remains(path: Path) -> None:
        """Remove the folder of a run that was killed before its config was written.

        Raises RunError if another process holds the folder, or if it contains anything such a run does not leave.
        """
        run = Run(path)
        foreign = [] if path.is_dir() and not path.is_symlink() else [path.name]
        if not foreign:
            checkpoints = path / "checkpoints"
            inside = list(checkpoints.iterdir()) if checkpoints.is_dir() and not checkpoints.is_symlink() else []
            remains = {".lock", "checkpoints", f"config.yaml{files.TEMPORARY}"}
            foreign = sorted(entry.name for entry in [*path.iterdir(), *inside] if entry.name not in remains)
        if foreign:
            raise RunError(
                f"{path}: not a run, but contains {', '.join(foreign[:3])}, which regexp did not write there: move the folder, "
                "or choose another --name"
            )
        run.lock()
        run.discard()

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def _checkpoint(self, kind: str) -> Path:
        return self.path / "checkpoints" / kind

    def save_checkpoint(self, kind: str, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Write a checkpoint and keep its predecessor as `<kind>.previous`; at any moment one of the two is intact."""
        path, fresh = self._checkpoint(kind), self._checkpoint(f"{kind}.new")
        checkpoint.save(fresh, arrays, meta)
        if files.exists(path):
            files.rename(path, self._checkpoint(f"{kind}.previous"))
        files.rename(fresh, path)

    def has_checkpoint(self, kind: str) -> bool:
        """Whether a checkpoint of this kind was ever saved."""
        return bool(self._versions(kind))

    def load_checkpoint(self, kind: str, rows: int | None = None) -> tuple[Arrays, dict[str, Any], str | None]:
        """Return arrays, meta and a warning: the newest intact checkpoint, and which ones were skipped.

        rows: the rows in metrics.jsonl; checkpoints saved after more rows are skipped, too
        Raises RunError if there is no intact checkpoint.
        """
        reasons: list[str] = []
        for path in self._versions(kind):
            try:
                arrays, meta = checkpoint.load(path)
                if rows is not None and meta["rows"] > rows:
                    raise RunError(f"{self._metrics}: has {rows} rows; {path.name} was saved after {meta['rows']}")
            except RunError as error:
                reasons.append(str(error))
            else:
                return arrays, meta, "; ".join([*reasons, "using the previous checkpoint"]) if reasons else None
        raise RunError("; ".join(reasons) or f"{self._checkpoint(kind)}: no checkpoint")

    def _versions(self, kind: str) -> list[Path]:
        """Return the existing files of a checkpoint, newest first."""
        paths = [self._checkpoint(f"{kind}{suffix}") for suffix in (".new", "", ".previous")]
        return [path for path in paths if files.exists(path)]

    # -- metrics ------------------------------------------------------------------------------------------------------

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def append_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Append one line per row; the lines are on disk when this returns."""
        if rows:
            files.append(self._metrics, b"".join(files.to_json(row) + b"\n" for row in rows))

    def metrics(self) -> tuple[list[dict[str, Any]], str | None]:
        """Return all intact rows, and a warning about damaged lines or None."""
        rows, bad = [], 0
        for line in self._read_metrics().splitlines():
            try:
                rows.append(files.mapping(line))
            except ValueError:
                bad += 1
        return rows, f"{self._metrics}: {bad} damaged lines ignored" if bad else None

    def whole_rows(self) -> int:
        """Return the number of complete lines in metrics.jsonl."""
        return self._read_metrics().count(b"\n")

    def truncate_metrics(self, rows: int) -> None:
        """Keep the first `rows` lines, byte for byte. Raises RunError if the file has fewer."""
        raw, end = self._read_metrics(), 0
        for _ in range(rows):
            end = raw.find(b"\n", end) + 1
            if not end:
                raise RunError(f"{self._metrics}: has fewer rows than the {rows} that the checkpoint records")
        if end != len(raw):
            files.write_atomic(self._metrics, raw[:end])

    def _read_metrics(self) -> bytes:
        return files.read(self._metrics) if files.exists(self._metrics) else b""

    def metrics_sha256(self, rows: int) -> str:
        """Return the sha256 of the first `rows` lines of metrics.jsonl, or of all lines if there are fewer."""
        lines = self._read_metrics().splitlines(keepends=True)
        return hashlib.sha256(b"".join(lines[:rows])).hexdigest()

    # -- checksums ----------------------------------------------------------------------------------------------------

    def checksums(self) -> dict[str, str]:
        """Return {file: sha256} of the results in this folder, for the manifest of a finished run."""
        existing = [name for name in RESULTS if files.exists(self.path / name)]
        return {name: hashlib.sha256(files.read(self.path / name)).hexdigest() for name in existing}

    def check_results(self, recorded: Mapping[str, Any]) -> None:
        """Raise RunError if a result is missing or modified; `recorded` is as in `checksums`."""
        for name in RESULTS:
            if name not in recorded:
                continue
            if not files.exists(self.path / name):
                raise RunError(f"{self.path / name}: missing")
            if hashlib.sha256(files.read(self.path / name)).hexdigest() != recorded[name]:
                raise RunError(f"{self.path / name}: is not what the run wrote (its checksum in manifest.json differs)")

    # -- other files --------------------------------------------------------------------------------------------------

    def write_config(self, text: str, inferred: Sequence[str] = ()) -> None:
        """Write the resolved config; the lines that say what was inferred from the data become comments at its end.

        Its existence makes the folder a run.
        """
        comments = [f"#   {escaping.plain(line, LONGEST_COMMENT)}\n" for line in inferred]
        heading = ["# Inferred from the data:\n"] if inferred else []
        files.write_atomic(self.path / "config.yaml", "".join([text, *heading, *comments]).encode())

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        files.write_atomic(self.path / name, text.encode())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a JSON file."""
        files.write_atomic(self.path / name, files.to_json(value, indent=2) + b"\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object. Raises RunError for a missing or damaged file."""
        return files.read_json(self.path / name)

    def write_predictions(self, arrays: Arrays) -> None:
        """Write predictions.npz, uncompressed; equal arrays give equal bytes."""
        # np.savez would store the time of writing, so equal arrays would give different bytes.
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                inner = io.BytesIO()
                np.lib.format.write_array(inner, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), inner.getvalue())
        files.write_atomic(self.path / "predictions.npz", buffer.getvalue())

    def read_predictions(self) -> Arrays:
        """Read predictions.npz. Raises RunError for a missing or damaged file."""
        path = self.path / "predictions.npz"
        raw = files.read(path)
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                _check_whole(archive)
                members = {name: io.BytesIO(archive.read(name)) for name in archive.namelist()}  # verifies each CRC
            return {
                name.removesuffix(".npy"): np.lib.format.read_array(member, allow_pickle=False)
                for name, member in members.items()
            }
        except Exception as error:  # zipfile and NumPy raise many types for a damaged file
            raise RunError(f"{path}: damaged: {str(error) or type(error).__name__}") from None


def _check_whole(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if members are missing from a zip's directory, which no checksum covers."""
    end = 0
    for member in archive.infolist():
        if member.header_offset != end:
            raise ValueError("the zip directory does not match the contents")
        end += 30 + len(member.filename.encode()) + member.compress_size  # a local header has 30 bytes and the name
    if end != archive.start_dir:
        raise ValueError("the zip directory does not match the contents")


DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def check_name(name: str) -> None:
    """Raise UsageError for a name that is not a plain folder name on every system, or looks like an option."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    reserved = name.startswith((".", "-")) or name.endswith(".") or name.partition(".")[0].lower() in DEVICES
    if not name or not plain or reserved or name != name.strip() or len(name.encode()) > 200:
        shown = "".join(c if c.isprintable() else "?" for c in name)[:60]
        raise UsageError(
            f'the run name "{shown}" must be a plain folder name of at most 200 bytes that does not begin with - or . '
            "and is not a device name such as CON"
        )


def _no_run(path: Path) -> str | None:
    """Return why a path is not a run folder: None if it is one, "" if nothing exists there."""
    config = path / "config.yaml"
    try:
        return None if stat.S_ISREG(config.stat().st_mode) else f"{config}: not a file"
    except FileNotFoundError:
        if path.is_symlink() and not path.exists():
            return f"{path}: a dangling link"
        return f"{config}: not found" if path.exists() else ""
    except (OSError, ValueError) as error:  # ValueError: a null byte
        return f"{config}: {getattr(error, 'strerror', error)}"


def list_runs(root: str | Path) -> list[tuple[str, dict[str, Any] | None, str | None]]:
    """Return (name, manifest, None) for each run in `root`, or (name, None, problem), sorted by name.

    Returns [] if `root` does not exist. Raises RunError if it cannot be listed.
    """
    root = Path(root)
    with files.explained(root):
        paths = sorted(path for path in root.iterdir() if path.name[0] != ".") if files.exists(root) else []
    runs: list[tuple[str, dict[str, Any] | None, str | None]] = []
    for path in paths:
        try:
            runs.append((path.name, Run(path).read_json("manifest.json"), None))
        except RunError as error:
            runs.append((path.name, None, str(error)))
    return runs
