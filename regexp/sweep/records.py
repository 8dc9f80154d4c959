"""What a trial came to, and the store that outlives the process.

A trial enters the database when it has ended, in one transaction: killed at any moment, none is half written and none
stays RUNNING. What was announced (each stage's ranges and settings) is in the study's attributes, written before the
first of its trials begins; a resume trains what is announced and not there.
"""

from __future__ import annotations

import itertools
import json
import time
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from regexp.errors import RunError, UsageError
from regexp.sweep.database import Database
from regexp.sweep.samplers import distribution
from regexp.sweep.space import Setting, Space

PATIENCE = 600.0  # seconds that the end of a stage waits for a database that is away
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
    """

    def __init__(self, database: Database, space: Space):
        self.database, self.space = database, space
        self.waiting: deque[tuple[str, Any]] = deque()
        self.writer = ThreadPoolExecutor(1)
        self.hurry = Event()  # somebody waits for the writer

    @staticmethod
    def create(folder: Path, name: str, url: str | None, space: Space, smaller: bool) -> Store:
        """With a new study. Raises UsageError where the name is taken."""
        return Store(Database.create(folder, name, url, smaller), space)

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

    def add(self, record: Record) -> None:
        """A trial that has ended."""
        self.waiting.append(("trial", record))
        self.writer.submit(self._write, GATHERED)

    def records(self) -> list[Record]:
        """All trials that have ended, each once; not those that someone else has put into the study."""
        trials = self.database.trials()
        found = [Record(**json.loads(trial.user_attrs["record"])) for trial in trials if "record" in trial.user_attrs]
        return list({(r.stage, r.number): r for r in found}.values())

    def _write(self, pause: float = 0.0) -> Exception | None:
        """Write what waits; returns why the database cannot take it now."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import DBAPIError

        if self.waiting:
            self.hurry.wait(pause)
        while self.waiting:
            trials = [what for _, what in itertools.takewhile(lambda one: one[0] == "trial", tuple(self.waiting))]
            try:
                if trials:
                    self.database.add([self._frozen(record) for record in trials])
                else:
                    self.database.note(*self.waiting[0][1])
            except (StorageInternalError, DBAPIError) as error:
                return error
            for _ in range(max(1, len(trials))):
                self.waiting.popleft()
        return None

    def flush(self) -> None:
        """Wait until all is written. Raises RunError where the database stays away."""
        self.hurry.set()
        pause, until = 0.1, time.monotonic() + PATIENCE
        while (error := self.writer.submit(self._write).result()) is not None:
            if time.monotonic() > until:
                reason = str(error).splitlines()[0]
                raise RunError(f"the database has not answered for {PATIENCE:.0f} s: {reason}") from None
            time.sleep(pause)
            pause = min(5.0, 2 * pause)
        self.hurry.clear()

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
