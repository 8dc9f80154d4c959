"""A sweep that trains in a moment, in this process and without files but the store's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regexp.config import loads
from regexp.sweep.driver import Sweeping
from regexp.sweep.events import Concluded
from regexp.sweep.executors.base import Executor
from regexp.sweep.executors.local import Local
from regexp.sweep.records import Store
from regexp.sweep.session import prepare

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


def store_of(one: Sweeping, folder: Path) -> Store:
    """A new one, or the one that is there."""
    if (folder / "study.db").exists():
        return Store.open(folder, "study", None, one.space)
    return Store.create(folder, "study", None, one.space, one.smaller)


def run(one: Sweeping, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """(summary, events)."""
    events = list(one.events(store_of(one, folder)))
    assert isinstance(events[-1], Concluded)
    return events[-1].summary, events
