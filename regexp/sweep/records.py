"""What a trial came to, and the store that outlives the process: Optuna's RDB storage, SQLite unless another is named.

A trial enters the database when it has ended, in one transaction: killed at any moment, none is half written and none
stays RUNNING. What was announced (each stage's ranges and settings) is in the study's attributes, written before the
first of its trials begins; a resume trains what is announced and not there.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from regexp.errors import RunError, UsageError
from regexp.sweep.insert import insert
from regexp.sweep.samplers import distribution
from regexp.sweep.space import Setting, Space

PATIENCE = 600.0  # seconds that the end of a stage waits for a database that is away


@dataclass(frozen=True)
class Record:
    """One trial: a setting with all its seeds.

    stage, number: which one; the confirmation is the stage after the last, and its number 0 the file's own setting
    status: done, pruned (by halving), diverged, failed (it could not be trained)
    value: the objective, mean over seeds; None unless done or pruned
    scores: of each seed, metric -> value
    epochs: trained; of several seeds the most
    step: where the loss stopped being finite
    """

    stage: int
    number: int
    setting: Setting
    status: str
    value: float | None = None
    scores: list[dict[str, float]] = field(default_factory=list)
    epochs: int = 0
    step: int | None = None
    reason: str = ""

    @property
    def worked(self) -> bool:
        """Whether it may be chosen."""
        return self.status == "done"


class Store:
    """The record of a sweep. A thread writes while training goes on; what cannot be written now is kept for later.

    `flush` waits until all is written.
    """

    def __init__(self, study: Any, storage: Any, space: Space):
        self.study, self.storage, self.space = study, storage, space
        self.waiting: deque[tuple[str, Any]] = deque()
        self.writer = ThreadPoolExecutor(1)

    # -- opening ------------------------------------------------------------------------------------------------------

    @staticmethod
    def create(folder: Path, name: str, url: str | None, space: Space, smaller: bool) -> Store:
        """A new study; of SQLite the file is there whole or not at all. Raises UsageError where the name is taken."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        direction: Any = "minimize" if smaller else "maximize"
        with _explained(url):
            if url is None:
                fresh = folder / "study.db.writing"
                fresh.unlink(missing_ok=True)
                storage = optuna.storages.RDBStorage(f"sqlite:///{fresh}")
                optuna.create_study(storage=storage, study_name=name, direction=direction)
                storage.engine.dispose()
                os.replace(fresh, folder / "study.db")
                return Store.open(folder, name, None, space, made=True)
            storage = _storage(url)
            try:
                study = optuna.create_study(storage=storage, study_name=name, direction=direction)
            except optuna.exceptions.DuplicatedStudyError:
                storage.engine.dispose()
                raise UsageError(f"the database has a study {name} already; choose another --name") from None
        return Store(study, storage, space)

    @staticmethod
    def resume(folder: Path, name: str, url: str | None, space: Space, smaller: bool) -> Store:
        """The study of a sweep that was begun; a new one where it died before it had any."""
        if url is None and not (folder / "study.db").exists():
            return Store.create(folder, name, url, space, smaller)
        try:
            return Store.open(folder, name, url, space)
        except UsageError:
            return Store.create(folder, name, url, space, smaller)

    @staticmethod
    def open(folder: Path, name: str, url: str | None, space: Space, made: bool = False) -> Store:
        """The study that is there, made just now or by another release. Raises UsageError where it is not."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with _explained(url):
            storage = _storage(url or f"sqlite:///{folder / 'study.db'}", made)
            try:
                study = optuna.load_study(study_name=name, storage=storage)
            except KeyError:
                storage.engine.dispose()
                raise UsageError(f"the database has no study {name}") from None
        return Store(study, storage, space)

    def close(self) -> None:
        """End the connections; what could not be written is lost, so `flush` before."""
        self.writer.shutdown(cancel_futures=True)
        self.storage.engine.dispose()

    # -- what was announced -------------------------------------------------------------------------------------------

    def note(self, key: str, value: Any) -> None:
        """Write an attribute of the study."""
        self._put("note", (key, json.dumps(value)))
        self.flush()

    def notes(self) -> dict[str, Any]:
        """All attributes."""
        return {key: json.loads(value) for key, value in self.study.user_attrs.items()}

    # -- trials -------------------------------------------------------------------------------------------------------

    def add(self, record: Record) -> None:
        """A trial that has ended."""
        self._put("trial", record)

    def records(self) -> list[Record]:
        """All trials that have ended, each once."""
        found = [Record(**json.loads(t.user_attrs["record"])) for t in self.study.get_trials(deepcopy=False)]
        return list({(r.stage, r.number): r for r in found}.values())

    def _put(self, kind: str, what: Any) -> None:
        self.waiting.append((kind, what))
        self.writer.submit(self._write)

    def _write(self) -> Exception | None:
        """Write what waits; returns why the database cannot take it now."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import DBAPIError

        while self.waiting:
            trials = list(itertools.takewhile(lambda waiting: waiting[0] == "trial", tuple(self.waiting)))
            try:
                if trials:
                    insert(self.study, self.storage, [self._frozen(record) for _, record in trials])
                else:
                    self.study.set_user_attr(*self.waiting[0][1])
            except (StorageInternalError, DBAPIError) as error:
                return error
            for _ in range(max(1, len(trials))):
                self.waiting.popleft()
        return None

    def flush(self) -> None:
        """Wait until all is written. Raises RunError where the database stays away."""
        pause, until = 0.1, time.monotonic() + PATIENCE
        while (error := self.writer.submit(self._write).result()) is not None:
            if time.monotonic() > until:
                reason = str(error).splitlines()[0]
                raise RunError(f"the database has not answered for {PATIENCE:.0f} s: {reason}") from None
            time.sleep(pause)
            pause = min(5.0, 2 * pause)

    def _frozen(self, record: Record) -> Any:
        import optuna

        states = optuna.trial.TrialState
        state = {"done": states.COMPLETE, "pruned": states.PRUNED}.get(record.status, states.FAIL)
        params = {p.path: record.setting[p.path] for p in self.space if p.path in record.setting}
        shown = {"stage": record.stage + 1, "status": record.status, "reason": record.reason, "step": record.step}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return optuna.trial.create_trial(
                state=state,
                value=record.value,
                params=params,
                distributions={p.path: distribution(p, params[p.path]) for p in self.space if p.path in params},
                user_attrs=shown | {"record": json.dumps(asdict(record))},
            )


def check_storage(url: str) -> None:
    """Raises UsageError where it names no database, or one whose driver is not installed; nothing is connected."""
    import sqlalchemy

    with _explained(url):
        sqlalchemy.create_engine(_with_driver(url)).dispose()


def _with_driver(url: str) -> str:
    """PostgreSQL by psycopg, which SQLAlchemy 2.0 has to be told."""
    return url.replace("://", "+psycopg://", 1) if url.startswith("postgresql://") else url


def _storage(url: str, made: bool = False) -> Any:
    """SQLite with a write-ahead log: a commit need not wait for the disk, and a killed process loses none."""
    import optuna
    from sqlalchemy import event

    storage = optuna.storages.RDBStorage(_with_driver(url), skip_compatibility_check=made, skip_table_creation=made)
    if url.startswith("sqlite"):
        storage.engine.dispose()
        event.listen(storage.engine, "connect", _quick)
    return storage


def _quick(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


@contextmanager
def _explained(url: str | None) -> Iterator[None]:
    """What SQLAlchemy says of a database that is not there, in one line and without its password."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        yield
    except ArgumentError as error:
        raise UsageError(f"--storage names no database, as postgresql://user@host/name does: {error}") from None
    except ImportError:
        kind = str(url).partition(":")[0]
        hint = "pip install '.[postgresql]'" if kind.startswith("postgres") else "install it beside regexp"
        raise UsageError(f"the driver of {kind} databases is not installed: {hint}") from None
    except (SQLAlchemyError, StorageInternalError) as error:
        what = "study.db" if url is None else url.rpartition("@")[2].partition("?")[0]
        raise RunError(f"the database {what} cannot be used: {str(error).splitlines()[0]}") from None
