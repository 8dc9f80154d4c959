"""A sweep that trains in a moment, in this process and without files but the store's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from regexp.config import loads
from regexp.study.sweep.driver import Sweeping
from regexp.study.sweep.events import Concluded, Planned
from regexp.study.sweep.executors.base import Executor
from regexp.study.sweep.executors.local import Local
from regexp.study.sweep.records import Record, Store
from regexp.study.sweep.session import prepare

BASE = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [6]}
optimizer: {name: adam, learning_rate: 1.0e-2}
training: {epochs: 2, batch_size: 16, seeds: [0]}
"""
SWEEP = """\
sweep:
  objective: validation/accuracy
  space:
    optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}
    regularizers.l2.strength: {log_uniform: [1.0e-6, 1.0e-2]}
    regularizers.dropout: {optional: true}
    regularizers.dropout.rate: {uniform: [0.0, 0.5]}
  stages:
    - {trials: 12, epochs: 2}
    - {trials: 6, epochs: 3, seeds: 2, keep: 0.34}
  confirm: {top: 2, seeds: 2}
"""


def sweeping(text: str = BASE + SWEEP, *settings: str, executor: Executor | None = None) -> Sweeping:
    """Ready to begin; in this process where no executor is given."""
    return prepare(loads(text, settings), executor or Local("cpu"))


@contextmanager
def store_of(one: Sweeping, folder: Path) -> Iterator[Store]:
    """A new one, or the one that is there."""
    if (folder / "study.db").exists():
        store = Store.open(folder, "study", None, one.space)
    else:
        store = Store.create(folder, "study", None, one.space, one.smaller)
    with closing(store):
        yield store


def run(one: Sweeping, folder: Path, planned: Planned | None = None) -> tuple[dict[str, Any], list[Any]]:
    """(summary, events)."""
    with store_of(one, folder) as store:
        events = list(one.events(store, planned))
    assert isinstance(events[-1], Concluded)
    return events[-1].summary, events


def records_of(one: Sweeping, folder: Path) -> list[Record]:
    """All trials in their order."""
    with store_of(one, folder) as store:
        return in_order(store.records())


def in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda r: (r.stage, r.number))


def optuna_trials(url: str, study: str) -> list[Any]:
    """What Optuna says is in a database."""
    import optuna

    storage = optuna.storages.RDBStorage(url)
    trials = optuna.load_study(study_name=study, storage=storage).get_trials()
    storage.engine.dispose()
    return trials
