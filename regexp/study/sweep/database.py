"""A study in Optuna's RDB storage: SQLite in the run's folder, or the database that a URL names.

`Study.add_trial` asks the database some twenty things for each trial, nearly as long as a small model trains, on a core
that trains. So all that wait go in one transaction, by Optuna's table classes, or where a release has other tables by
`add_trial`.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regexp.core.errors import RunError, UsageError

SCHEMA = 12  # of Optuna 3.0 to 5.0


class Database:
    """A connection to a study."""

    def __init__(self, study: Any, storage: Any):
        self.study, self.storage = study, storage

    @staticmethod
    def create(folder: Path, name: str, url: str | None, smaller: bool, objective: str = "") -> Database:
        """A new study; of SQLite the file is there whole or not at all. Raises UsageError where the name is taken."""
        optuna = _optuna()
        if url is None and (folder / "study.db").exists():
            raise RunError(f"{folder / 'study.db'}: is there already; a new sweep does not replace a record")
        direction: Any = "minimize" if smaller else "maximize"
        with _explained(url):
            if url is None:
                fresh = folder / "study.db.writing"
                fresh.unlink(missing_ok=True)
                storage = optuna.storages.RDBStorage(f"sqlite:///{fresh}")
                _named(optuna.create_study(storage=storage, study_name=name, direction=direction), objective)
                storage.engine.dispose()
                os.replace(fresh, folder / "study.db")
                return Database.open(folder, name, None, made=True)
            storage = _storage(url)
            try:
                study = optuna.create_study(storage=storage, study_name=name, direction=direction)
                return Database(_named(study, objective), storage)
            except optuna.exceptions.DuplicatedStudyError:
                storage.engine.dispose()
                raise UsageError(f"the database has a study {name} already; choose another --name") from None

    @staticmethod
    def open(folder: Path, name: str, url: str | None, made: bool = False) -> Database:
        """The study that is there, made just now or by another release. Raises UsageError where it is not.

        name: of the study; in study.db the only study counts, whatever it is called, since a folder can be renamed
        """
        optuna = _optuna()
        with _explained(url):
            storage = _storage(url or f"sqlite:///{folder / 'study.db'}", made)
            try:
                if url is None:
                    name = _only_study(folder / "study.db", optuna.get_all_study_names(storage))
                return Database(optuna.load_study(study_name=name, storage=storage), storage)
            except KeyError:
                storage.engine.dispose()
                raise UsageError(f"the database has no study {name}") from None
            except RunError:
                storage.engine.dispose()
                raise

    @property
    def is_file(self) -> bool:
        """Whether it is a file of this machine, and no server."""
        return bool(self.storage.engine.url.drivername.startswith("sqlite"))

    @property
    def where(self) -> str:
        """The file, or the server without user and password, for messages."""
        url = self.storage.engine.url
        return str(url.database) if self.is_file else f"the database {url.host}/{url.database}"

    def close(self) -> None:
        """End the connections."""
        self.storage.engine.dispose()

    def note(self, key: str, value: Any) -> None:
        """Write an attribute of the study."""
        self.study.set_user_attr(key, json.dumps(value))

    def notes(self) -> dict[str, Any]:
        """All attributes."""
        return {key: json.loads(value) for key, value in self.study.user_attrs.items()}

    def trials(self) -> list[Any]:
        """optuna.trial.FrozenTrial, in the order of their numbers."""
        found: list[Any] = self.study.get_trials(deepcopy=False)
        return found

    def add(self, trials: Sequence[Any]) -> None:
        """Finished trials of one objective, numbered behind those that are there: all or none."""
        from optuna.storages._rdb import models
        from sqlalchemy.orm import Session

        if models.SCHEMA_VERSION != SCHEMA:
            self.study.add_trials(trials)
            return
        with Session(self.storage.engine) as session, session.begin():
            study = self.storage.get_study_id_from_name(self.study.study_name)
            models.StudyModel.find_or_raise_by_id(study, session, for_update=True)  # who else adds waits
            first = session.query(models.TrialModel).filter_by(study_id=study).count()
            rows = [_row(models, trial, study, number) for number, trial in enumerate(trials, first)]
            session.add_all(rows)
            session.flush()  # the database gives each its trial_id
            for row, trial in zip(rows, trials, strict=True):
                session.add_all(_parts(models, trial, row.trial_id))


def _named(study: Any, objective: str) -> Any:
    """The study with its objective's name, for those who look at it with other tools."""
    if objective:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the method is experimental
            study.set_metric_names([objective])
    return study


def _only_study(path: Path, names: Sequence[str]) -> str:
    if len(names) != 1:
        what = f"holds {len(names)} studies ({', '.join(sorted(names)[:3])})" if names else "holds no study"
        raise RunError(f"{path}: {what}, where a sweep's record has one; put the sweep's own file back")
    return names[0]


def _row(models: Any, trial: Any, study: int, number: int) -> Any:
    times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
    return models.TrialModel(study_id=study, number=number, state=trial.state, **times)


def _parts(models: Any, trial: Any, trial_id: int) -> list[Any]:
    """Its value, parameters and attributes."""
    from optuna.distributions import distribution_to_json

    parts = []
    if trial.value is not None:
        value, kind = models.TrialValueModel.value_to_stored_repr(trial.value)
        parts.append(models.TrialValueModel(trial_id=trial_id, objective=0, value=value, value_type=kind))
    for name, chosen in trial.params.items():
        distribution = trial.distributions[name]
        number, text = distribution.to_internal_repr(chosen), distribution_to_json(distribution)
        parts.append(
            models.TrialParamModel(trial_id=trial_id, param_name=name, param_value=number, distribution_json=text)
        )
    for key, value in trial.user_attrs.items():
        parts.append(models.TrialUserAttributeModel(trial_id=trial_id, key=key, value_json=json.dumps(value)))
    return parts


def check_storage(url: str) -> None:
    """Raises UsageError where it names no database, or one whose driver is not installed; nothing is connected."""
    import sqlalchemy

    with _explained(url):
        sqlalchemy.create_engine(_with_driver(url)).dispose()


def _optuna() -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _with_driver(url: str) -> str:
    """PostgreSQL by psycopg, which SQLAlchemy 2.0 has to be told."""
    return url.replace("://", "+psycopg://", 1) if url.startswith("postgresql://") else url


def _storage(url: str, made: bool = False) -> Any:
    """SQLite with a write-ahead log: a commit need not wait for the disk, and a killed process loses none."""
    from sqlalchemy import event

    storage = _optuna().storages.RDBStorage(_with_driver(url), skip_compatibility_check=made, skip_table_creation=made)
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
