"""What a trial came to, and the store that outlives the process.

A trial enters the database when it has ended, in one transaction: killed at any moment, none is half written and none
stays RUNNING. What was announced (each stage's ranges and settings) is in the study's attributes, written before the
first of its trials begins; a resume trains what is announced and not there.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from regexp.config.search.space import Setting, Space
from regexp.core.errors import Interrupted, RunError, UsageError
from regexp.study.sweep.database import Database
from regexp.study.sweep.samplers import distribution

# Seconds that the end of a stage waits for a database that is away, or for a disk that is full.
SERVER_PATIENCE, FILE_PATIENCE = 600.0, 60.0
QUIET_SECONDS = 3.0  # of a wait, before a person is told what it is for
SIGNAL_SECONDS = 0.2  # at most, until a signal is obeyed
GATHERED = 0.05  # seconds: trials that end together are written together, while the next ones are in training


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

    interrupted: returns a signal's number once one has arrived, else 0
    warn: is told what a wait of some seconds is for
    """

    def __init__(self, database: Database, space: Space):
        self.interrupted: Callable[[], int] = lambda: 0
        self.warn: Callable[[str], None] = lambda message: None
        self.database, self.space = database, space
        self.waiting: deque[tuple[str, Any]] = deque()
        self.writer = ThreadPoolExecutor(1)
        self.hurry = Event()  # somebody waits for the writer
        self.scheduled = False  # an attempt to write has been submitted and has not begun

    @staticmethod
    def create(
        folder: Path, name: str, url: str | None, space: Space, smaller: bool, objective: str = ""
    ) -> Store:  # fmt: skip
        """With a new study. Raises UsageError where the name is taken."""
        return Store(Database.create(folder, name, url, smaller, objective), space)

    @staticmethod
    def resume(
        folder: Path, name: str, url: str | None, space: Space, smaller: bool, objective: str = "",
        recorded: bool = False,
    ) -> Store:  # fmt: skip
        """The study of a sweep that was begun; a new one where the sweep ended before it had any.

        recorded: whether there was a study; then one that is missing is an error, as its trials would be lost
        Raises RunError for a record that is missing, empty or another's.
        """
        path = folder / "study.db"
        if url is None and path.exists():
            if not path.stat().st_size:
                raise RunError(f"{path}: is empty; put the sweep's record back, or start a new sweep")
            return Store.open(folder, name, url, space)
        if url is not None:
            try:
                return Store.open(folder, name, url, space)
            except UsageError as error:
                if recorded:
                    raise RunError(f"{error}, but this sweep has recorded trials there") from None
        elif recorded:
            raise RunError(f"{path}: is missing; put the sweep's record back, or start a new sweep")
        return Store.create(folder, name, url, space, smaller, objective)

    @staticmethod
    def open(folder: Path, name: str, url: str | None, space: Space) -> Store:
        """The study that is there. Raises UsageError where it is not."""
        return Store(Database.open(folder, name, url), space)

    def close(self) -> None:
        """End the connections; what could not be written is lost, so `flush` before."""
        self.writer.shutdown(cancel_futures=True)
        self.database.close()

    def note(self, key: str, value: Any) -> None:
        """Write what is announced, before any of its trials begins."""
        self.waiting.append(("note", (key, value)))
        self.flush()

    def notes(self) -> dict[str, Any]:
        """All that was announced."""
        return self.database.notes()

    def add(self, record: Record, began: float | None = None) -> None:
        """A trial that has ended; `began`: when it was first trained, in seconds since 1970."""
        ended = time.time()
        self.waiting.append(("trial", (record, (ended if began is None else began, ended))))
        if not self.scheduled:  # one attempt writes all that waits; on a full disk thousands would queue up
            self.scheduled = True
            self.writer.submit(self._write, GATHERED)

    def records(self) -> list[Record]:
        """All trials that have ended, each once; not those that someone else has put into the study."""
        trials = self.database.trials()
        found = [Record(**json.loads(trial.user_attrs["record"])) for trial in trials if "record" in trial.user_attrs]
        return list({(r.stage, r.number): r for r in found}.values())

    def _write(self, pause: float = 0.0) -> Exception | None:
        """Write what waits; returns why the database cannot take it now."""
        self.scheduled = False  # before the queue is read: what is added from here on has an attempt of its own
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import DBAPIError

        if self.waiting:
            self.hurry.wait(pause)
        while self.waiting:
            trials = [what for _, what in itertools.takewhile(lambda one: one[0] == "trial", tuple(self.waiting))]
            try:
                if trials:
                    self.database.add([self._frozen(*ended) for ended in trials])
                else:
                    self.database.note(*self.waiting[0][1])
            except (StorageInternalError, DBAPIError) as error:
                return error
            for _ in range(max(1, len(trials))):
                self.waiting.popleft()
        return None

    def flush(self, patience: float | None = None) -> None:
        """Wait until all is written. Raises RunError where the database stays away, Interrupted at a signal.

        patience: seconds; by default a server is waited for longer than a file
        """
        self.hurry.set()
        if patience is None:
            patience = FILE_PATIENCE if self.database.is_file else SERVER_PATIENCE
        began, pause, warned = time.monotonic(), 0.1, False
        while (error := self._written()) is not None:
            waited, reason = time.monotonic() - began, str(error).splitlines()[0]
            if waited > patience:
                raise RunError(f"{self.database.where} cannot be written for {waited:.0f} s: {reason}") from None
            if waited > QUIET_SECONDS and not warned:
                warned = True
                self.warn(f"waiting up to {patience:.0f} s for {self.database.where}: {reason}")
            time.sleep(pause)
            pause = min(1.0, 2 * pause)
        self.hurry.clear()

    def _written(self) -> Exception | None:
        """One attempt to write what waits; a signal is obeyed while it lasts."""
        attempt = self.writer.submit(self._write)
        while True:
            if number := self.interrupted():
                if attempt.done() and attempt.result() is None:
                    return None
                raise Interrupted("stopped by a signal while the record could not be written", number)
            with contextlib.suppress(FutureTimeout):
                return attempt.result(timeout=SIGNAL_SECONDS)

    def _frozen(self, record: Record, trained: tuple[float, float]) -> Any:
        """The trial as Optuna has it; trained: when it began and ended, in seconds since 1970."""
        import optuna

        states = optuna.trial.TrialState
        state = {"done": states.COMPLETE, "pruned": states.PRUNED}.get(record.status, states.FAIL)
        params = self.space.active_part(record.setting)
        shown = {"stage": record.stage + 1, "status": record.status, "reason": record.reason, "step": record.step}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = optuna.trial.create_trial(
                state=state,
                value=record.value,
                params=params,
                distributions={p.path: distribution(p, params[p.path]) for p in self.space if p.path in params},
                user_attrs=shown | {"record": json.dumps(asdict(record))},
            )
        # The record itself holds no times: a resumed sweep writes the same records as one that nobody stopped.
        trial.datetime_start, trial.datetime_complete = (datetime.fromtimestamp(moment) for moment in trained)
        return trial
