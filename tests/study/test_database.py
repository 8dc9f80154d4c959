"""Trials written at once are, read by Optuna, those that its own `add_trial` writes."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from regexp.study.sweep.database import Database
from regexp.study.sweep.records import Record, Store
from tests.study.lab import sweeping

SPACE = {
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "layers": IntDistribution(1, 4),
    "hidden": CategoricalDistribution(["[8]", "[8, 8]", None]),
}


def trials():
    """One of each kind: complete, without a parameter, pruned, failed."""
    setting = {"rate": 1e-3, "layers": 2, "hidden": "[8, 8]"}
    some = {"rate": 0.5, "hidden": None}
    attributes = {"stage": 1, "reason": "", "step": None, "record": '{"a": 1.5}'}
    return [
        create_trial(value=0.1, params=setting, distributions=SPACE, user_attrs=attributes),
        create_trial(value=1 / 3, params=some, distributions={n: SPACE[n] for n in some}, user_attrs=attributes),
        create_trial(state=TrialState.PRUNED, value=0.25, params=setting, distributions=SPACE),
        create_trial(state=TrialState.FAIL, params=setting, distributions=SPACE, user_attrs={"reason": "die Größe"}),
    ]


@pytest.fixture
def study(tmp_path):
    made = []

    def make(name):
        storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / name}.db")
        made.append(storage)
        return optuna.create_study(storage=storage, study_name=name), storage

    yield make
    for storage in made:
        storage.engine.dispose()


def read(study):
    """A study's trials by another connection, but for the database's own numbers."""
    again = optuna.load_study(study_name=study.study_name, storage=study._storage._backend.url)
    return [(t.number, t.state, t.values, t.params, t.distributions, t.user_attrs, t.system_attrs,
             t.intermediate_values, t.datetime_start, t.datetime_complete) for t in again.trials]  # fmt: skip


def test_optuna_reads_what_it_would_have_written(study):
    ours, storage = study("ours")
    theirs, _ = study("theirs")
    written = trials()
    Database(ours, storage).add(written[:3])
    Database(ours, storage).add(written[3:])
    theirs.add_trials(written)
    assert read(ours) == read(theirs)
    assert [t.number for t in ours.trials] == [0, 1, 2, 3]
    assert ours.best_value == theirs.best_value == 0.1
    ours.add_trial(written[0])  # and it goes on from there
    assert ours.trials[-1].number == 4


def test_trials_of_two_studies_in_one_database_have_their_own_numbers(study):
    first, storage = study("first")
    second = optuna.create_study(storage=storage, study_name="second")
    Database(first, storage).add(trials()[:2])
    Database(second, storage).add(trials()[:1])
    Database(first, storage).add(trials()[2:])
    assert [[t.number for t in one.trials] for one in (first, second)] == [[0, 1, 2, 3], [0]]


def test_all_or_none_are_written(study):
    ours, storage = study("ours")
    written = trials()
    written[1].user_attrs = {"bad": object()}
    with pytest.raises(TypeError, match="JSON"):
        Database(ours, storage).add(written)
    assert ours.trials == []


def test_a_release_with_other_tables_writes_by_itself(study, monkeypatch):
    from optuna.storages._rdb import models

    ours, storage = study("ours")
    monkeypatch.setattr(models, "SCHEMA_VERSION", 99)
    asked = []
    monkeypatch.setattr(ours, "add_trials", asked.extend)
    written = trials()
    Database(ours, storage).add(written)
    assert asked == written


def test_trials_of_someone_else_are_none_of_the_sweeps(study):
    ours, storage = study("ours")
    store = Store(Database(ours, storage), sweeping().space)
    mine = Record(0, 0, {}, "done", 0.5)
    store.add(mine)
    store.flush()
    ours.tell(ours.ask(), 0.7)
    ours.ask()  # RUNNING
    assert store.records() == [mine]
    store.add(replace(mine, number=1))
    store.flush()
    assert [t.number for t in ours.trials] == [0, 1, 2, 3]
    store.writer.shutdown()
