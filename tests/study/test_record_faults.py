"""A sweep's record is resumed or refused, never replaced; waiting for it is bounded and obeys signals."""

from __future__ import annotations

import shutil
import time
from contextlib import closing

import optuna
import pytest
from sqlalchemy.exc import OperationalError

from regexp.core.errors import Interrupted, RunError
from regexp.study.sweep import records
from regexp.study.sweep.records import Record, Store
from tests.cli.command import regexp
from tests.study.lab import BASE, SWEEP, sweeping

CONFIG = BASE + SWEEP.replace("trials: 12", "trials: 4").replace("trials: 6", "trials: 2")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A runs folder with a sweep that has all trials and is marked as interrupted."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "c.yaml").write_text(CONFIG)
    result = regexp("sweep", str(folder / "c.yaml"), "--name", "old", "--runs-dir", str(folder), "--quiet")
    assert result.returncode == 0, result.stderr
    manifest = folder / "old" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"status": "done"', '"status": "interrupted"'))
    return folder


@pytest.fixture
def runs(stopped, tmp_path):
    shutil.copytree(stopped / "old", tmp_path / "old")
    return tmp_path


def trials(path):
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    found = study.get_trials(), study.metric_names
    storage.engine.dispose()
    return found


def resume(runs, name):
    return regexp("sweep", "--resume", name, "--runs-dir", str(runs), "--quiet")


@pytest.mark.parametrize("move", ["rename", "copy"])
def test_a_folder_that_was_renamed_or_copied_goes_on(move, runs):
    before, _ = trials(runs / "old" / "study.db")
    if move == "rename":
        (runs / "old").rename(runs / "new")
    else:
        shutil.copytree(runs / "old", runs / "new")
    result = resume(runs, "new")
    assert result.returncode == 0, result.stderr
    after, _ = trials(runs / "new" / "study.db")
    assert [t.user_attrs["record"] for t in after] == [t.user_attrs["record"] for t in before]


def no_study(path):
    path.unlink()
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    storage.engine.dispose()


def two_studies(path):
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.create_study(storage=storage, study_name="another")
    storage.engine.dispose()


def no_trials(path):
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.delete_study(study_name="old", storage=storage)
    optuna.create_study(storage=storage, study_name="old")
    storage.engine.dispose()


DAMAGE = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "of another program": (lambda path: path.write_bytes(b"SQLite format 3, not"), "cannot be used"),
    "without a study": (no_study, "holds no study"),
    "with two studies": (two_studies, "holds 2 studies"),
    "without its trials": (no_trials, "holds 0 trials, but 9 had ended"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_record_that_is_damaged_is_refused_and_left_as_it_is(kind, runs):
    damage, message = DAMAGE[kind]
    path = runs / "old" / "study.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(f"study.db{suffix}").unlink(missing_ok=True)
    damage(path)
    before = path.read_bytes() if path.exists() else None
    result = resume(runs, "old")
    assert result.returncode == 1
    assert message in result.stderr
    if kind in ("missing", "empty", "of another program"):  # SQLite marks a database that it opens
        assert (path.read_bytes() if path.exists() else None) == before


def test_optuna_sees_active_values_durations_and_the_objectives_name(stopped):
    every, names = trials(stopped / "old" / "study.db")
    assert names == ["validation/accuracy"]
    out = [t for t in every if t.params.get("regularizers.dropout") is False]
    assert out
    assert all("regularizers.dropout.rate" not in t.params for t in out)
    assert all("regularizers.dropout.rate" in t.params for t in every if t.params.get("regularizers.dropout"))
    assert all(t.duration.total_seconds() > 0 for t in every)


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A store whose disk is full."""
    search = sweeping()
    with closing(Store.create(tmp_path, "study", None, search.space, search.smaller)) as store:

        def refuse(trials):
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))

        monkeypatch.setattr(store.database, "add", refuse)
        store.waiting.append(("trial", (Record(0, 0, {}, "done", 0.5), (0.0, 1.0))))
        yield store


def test_a_full_disk_ends_the_wait_and_is_named(full, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FILE_PATIENCE", 1.0)
    monkeypatch.setattr(records, "QUIET_SECONDS", 0.3)
    messages = []
    full.warn = messages.append
    with pytest.raises(RunError, match="disk is full") as error:
        full.flush()
    assert str(tmp_path / "study.db") in str(error.value)
    (message,) = messages
    assert message.startswith(f"waiting up to 1 s for {tmp_path / 'study.db'}: ")


def test_a_wait_for_the_disk_obeys_a_signal(full):
    began = time.monotonic()
    full.interrupted = lambda: 15 if time.monotonic() - began > 0.5 else 0
    with pytest.raises(Interrupted) as stopped:
        full.flush()
    assert stopped.value.exit_code == 143
    assert len(full.waiting) == 1  # nothing that waited is lost while there is a process
