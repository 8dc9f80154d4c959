"""One run's folder: made once, locked while it is worked on, readable at any moment."""

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
# Every file that this package writes into a run's folder, and into its checkpoints/; nothing else is ever removed.
FILES = (
    "config.yaml", "manifest.json", "metrics.jsonl", "summary.json", "predictions.npz", "diagnostics.json",
    "checks.json", "winner.yaml", "study.db", "study.db-wal", "study.db-shm", "study.db-journal", ".lock",
)  # fmt: skip
RESULTS = ("metrics.jsonl", "summary.json", "predictions.npz", "winner.yaml")  # whose checksums the manifest holds
CHECKPOINTS = tuple(f"{kind}{version}" for kind in ("last", "best") for version in ("", ".new", ".previous"))


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
        files.clean(run.path, FILES)
        files.clean(run.path / "checkpoints", CHECKPOINTS)
        return run

    @staticmethod
    def read(root: str | Path, name: str) -> Run:
        """An existing run by name or path, to look at. Raises UsageError where there is none, with what is there."""
        reasons: dict[str, None] = {}
        for path in (Path(root) / name, Path(name)):
            reason = _no_run(path)
            if reason is None:
                return Run(path)
            reasons[reason] = None
        raise UsageError("; ".join([f"no run {name!r} in {root}", *filter(None, reasons)]))

    def resume_command(self, command: str = "train") -> str:
        """The command that goes on with this run, as a person can type it."""
        where = [] if self.path.parent == Path("runs") else ["--runs-dir", str(self.path.parent)]
        return shlex.join(["regexp", command, "--resume", self.name, *where])

    def lock(self) -> None:
        """Keep other processes out; the kernel lets go when this process ends, however it does."""
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
        """Remove the folder of a run that came to nothing; what this package did not write stays, and the folder too."""
        self.close()
        for folder, names in ((self.path / "checkpoints", CHECKPOINTS), (self.path, FILES)):
            if folder.is_symlink():
                continue
            for name in names:
                files.remove(folder / name)
                files.remove(folder / f"{name}{files.TEMPORARY}")
            with contextlib.suppress(OSError):  # something else is in it
                folder.rmdir()

    @staticmethod
    def remove_remains(path: Path) -> None:
        """Remove the folder of a run that was killed before its config was written.

        Raises RunError where the folder is another process's, or holds anything that such a run does not leave.
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
                f"{path}: is no run and holds {', '.join(foreign[:3])}, which regexp did not write there: move it away, "
                "or choose another --name"
            )
        run.lock()
        run.discard()

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
        if files.exists(path):
            files.rename(path, self._checkpoint(f"{kind}.previous"))
        files.rename(fresh, path)

    def has_checkpoint(self, kind: str) -> bool:
        """Whether anything was ever saved."""
        return bool(self._versions(kind))

    def load_checkpoint(self, kind: str, rows: int | None = None) -> tuple[Arrays, dict[str, Any], str | None]:
        """(arrays, meta, warning): the newest checkpoint that is whole; the warning says what was passed over.

        rows: of metrics.jsonl; a checkpoint that counts more is passed over, too
        Raises RunError where none is left.
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
                return arrays, meta, "; ".join([*reasons, "went back to the one before"]) if reasons else None
        raise RunError("; ".join(reasons) or f"{self._checkpoint(kind)}: no checkpoint")

    def _versions(self, kind: str) -> list[Path]:
        """Those there are, the newest first."""
        paths = [self._checkpoint(f"{kind}{suffix}") for suffix in (".new", "", ".previous")]
        return [path for path in paths if files.exists(path)]

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
        rows, bad = [], 0
        for line in self._read_metrics().splitlines():
            try:
                rows.append(files.mapping(line))
            except ValueError:
                bad += 1
        return rows, f"{self._metrics}: {bad} damaged lines passed over" if bad else None

    def whole_rows(self) -> int:
        """Lines of metrics.jsonl that are complete."""
        return self._read_metrics().count(b"\n")

    def truncate_metrics(self, rows: int) -> None:
        """Keep the first `rows` lines, byte for byte. Raises RunError where the file is shorter than that."""
        raw, end = self._read_metrics(), 0
        for _ in range(rows):
            end = raw.find(b"\n", end) + 1
            if not end:
                raise RunError(f"{self._metrics}: has fewer rows than the {rows} that the checkpoint counts")
        if end != len(raw):
            files.write_atomic(self._metrics, raw[:end])

    def _read_metrics(self) -> bytes:
        return files.read(self._metrics) if files.exists(self._metrics) else b""

    def metrics_sha256(self, rows: int) -> str:
        """The checksum of the first `rows` lines of metrics.jsonl, or of all where there are fewer."""
        lines = self._read_metrics().splitlines(keepends=True)
        return hashlib.sha256(b"".join(lines[:rows])).hexdigest()

    # -- checksums ----------------------------------------------------------------------------------------------------

    def checksums(self) -> dict[str, str]:
        """{file: sha256} of the results in this folder, for the manifest of a run that is over."""
        there = [name for name in RESULTS if files.exists(self.path / name)]
        return {name: hashlib.sha256(files.read(self.path / name)).hexdigest() for name in there}

    def check_results(self, recorded: Mapping[str, Any]) -> None:
        """Raises RunError where a result is missing or is not what the run wrote; `recorded`: see `checksums`."""
        for name in RESULTS:
            if name not in recorded:
                continue
            if not files.exists(self.path / name):
                raise RunError(f"{self.path / name}: is missing")
            if hashlib.sha256(files.read(self.path / name)).hexdigest() != recorded[name]:
                raise RunError(f"{self.path / name}: is not what the run wrote (its checksum in manifest.json differs)")

    # -- whole files --------------------------------------------------------------------------------------------------

    def write_config(self, text: str, inferred: Sequence[str] = ()) -> None:
        """Write the resolved config; the lines that say what was inferred from the data become comments at its end.

        A folder is a run once this file is there.
        """
        comments = [f"#   {escaping.plain(line, LONGEST_COMMENT)}\n" for line in inferred]
        heading = ["# Inferred from the data:\n"] if inferred else []
        files.write_atomic(self.path / "config.yaml", "".join([text, *heading, *comments]).encode())

    def write_text(self, name: str, text: str) -> None:
        """A file for people or for another command."""
        files.write_atomic(self.path / name, text.encode())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """manifest.json or summary.json."""
        files.write_atomic(self.path / name, files.to_json(value, indent=2) + b"\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Raises RunError for a missing or damaged file."""
        return files.read_json(self.path / name)

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
        raw = files.read(path)
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                _check_whole(archive)
                members = {name: io.BytesIO(archive.read(name)) for name in archive.namelist()}  # checks each CRC
            return {
                name.removesuffix(".npy"): np.lib.format.read_array(member, allow_pickle=False)
                for name, member in members.items()
            }
        except Exception as error:  # zipfile and NumPy raise a dozen kinds for damage
            raise RunError(f"{path}: damaged: {str(error) or type(error).__name__}") from None


def _check_whole(archive: zipfile.ZipFile) -> None:
    """Raises ValueError where members are missing from a zip's list: no checksum covers that."""
    end = 0
    for member in archive.infolist():
        if member.header_offset != end:
            raise ValueError("its list of members does not fit what it holds")
        end += 30 + len(member.filename.encode()) + member.compress_size  # a local header has 30 bytes and the name
    if end != archive.start_dir:
        raise ValueError("its list of members does not fit what it holds")


DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def check_name(name: str) -> None:
    """Raises UsageError for a name that is not one plain folder name on every system, or looks like an option."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    taken = name.startswith((".", "-")) or name.endswith(".") or name.partition(".")[0].lower() in DEVICES
    if not name or not plain or taken or name != name.strip() or len(name.encode()) > 200:
        shown = "".join(c if c.isprintable() else "?" for c in name)[:60]
        raise UsageError(
            f'the run name "{shown}" must be a plain folder name of at most 200 bytes that does not begin with - or . '
            "and is no device name such as CON"
        )


def _no_run(path: Path) -> str | None:
    """Why a path is no run's folder: "" where nothing is there; None where it is one."""
    config = path / "config.yaml"
    try:
        return None if stat.S_ISREG(config.stat().st_mode) else f"{config}: not a file"
    except FileNotFoundError:
        if path.is_symlink() and not path.exists():
            return f"{path}: a link to what is not there"
        return f"{config}: not there" if path.exists() else ""
    except (OSError, ValueError) as error:  # ValueError: a null byte
        return f"{config}: {getattr(error, 'strerror', error)}"


def list_runs(root: str | Path) -> list[tuple[str, dict[str, Any] | None, str | None]]:
    """(name, manifest, None) of each run below `root`, or (name, None, what is wrong with it); sorted by name.

    Raises RunError where `root` cannot be listed; of one that is not there, nothing is.
    """
    root = Path(root)
    with files.explained(root):
        paths = sorted(path for path in root.iterdir() if path.name[0] != ".") if files.exists(root) else []
    found: list[tuple[str, dict[str, Any] | None, str | None]] = []
    for path in paths:
        try:
            found.append((path.name, Run(path).read_json("manifest.json"), None))
        except RunError as error:
            found.append((path.name, None, str(error)))
    return found
