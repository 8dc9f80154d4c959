"""Whole runs of methods that remember: stopped within an epoch and resumed, the same bytes; what is best until then."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from regexp.core.errors import Interrupted, RunError
from regexp.inference import evaluate, predict
from regexp.study import train as runner
from tests.sessions import begin, finish, lasting, resumed

CONFIG = """
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [5]}
regularizers:
  dropout: {rate: 0.2}
  METHOD
optimizer: {name: sgd, learning_rate: 0.1}
training: {epochs: 7, batch_size: 32, seeds: [0, 1]}
run: {checkpoint_seconds: 1000}
"""
METHODS = {
    "ema": "weight_averaging: {kind: ema, decay: 0.9, start: 1.5}",
    "swa": "weight_averaging: {kind: swa, start: 2}",
    "snapshots": "snapshot_ensemble: {members: 3}",
}


def config(method):
    return CONFIG.replace("METHOD", METHODS[method])


def stopped(folder, method, *steps):
    """A run that a signal stops after so many steps, and once more when it goes on."""

    def interrupted():
        return 15 if session.stages[0].positions[0] in steps else 0

    session = begin(folder, config(method), interrupted)
    for number in range(len(steps)):
        if number:
            session = resumed(session)
            session.interrupted = interrupted
        with pytest.raises(Interrupted):
            finish(session, resume=number > 0)
    return session


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """method -> what lasts of a run that nothing stops."""

    def of(method):
        session = begin(tmp_path_factory.mktemp(method), config(method))
        return lasting(session, finish(session))

    return cache(of)


@pytest.fixture
def a_step_at_a_time(monkeypatch):
    monkeypatch.setattr(runner, "CHUNK_SECONDS", 1e-9)


@pytest.mark.slow
@pytest.mark.usefixtures("a_step_at_a_time")
@pytest.mark.parametrize("method", METHODS)
def test_stopped_within_an_epoch_and_resumed_nothing_is_lost(method, whole, tmp_path):
    again = resumed(stopped(tmp_path, method, 11))
    assert lasting(again, finish(again, resume=True)) == whole(method)


@pytest.mark.usefixtures("a_step_at_a_time")
def test_metrics_that_are_cut_short_are_made_again_from_the_checkpoint_before_or_from_the_start(whole, tmp_path):
    """After 5 and 11 steps of three an epoch the two checkpoints count one and three rows of each seed."""
    session = stopped(tmp_path, "swa", 5, 11)
    metrics = session.run.path / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    metrics.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    again = resumed(session)
    assert lasting(again, finish(again, resume=True)) == whole("swa")
    assert "metrics.jsonl: has 2 rows; last was saved after 6; using the previous checkpoint" in again.notes[0]

    again = resumed(again)
    metrics.write_bytes(lines[0])
    with pytest.raises(RunError, match=r"has 1 rows; .* or empty .*checkpoints to begin again"):
        finish(again, resume=True)
    for checkpoint in (again.run.path / "checkpoints").iterdir():
        checkpoint.unlink()
    again = resumed(again)
    assert lasting(again, finish(again, resume=True)) == whole("swa")


@pytest.mark.usefixtures("a_step_at_a_time")
@pytest.mark.parametrize(("steps", "over"), [(5, 0), (6, 1), (14, 2), (20, 2)])
def test_of_an_unfinished_snapshot_ensemble_the_cycles_that_are_over_are_averaged(steps, over, tmp_path):
    """Seven epochs of three steps in three cycles, which end after 2, 4 and 7; before that there is the one network."""
    session = stopped(tmp_path, "snapshots", steps)
    saved, meta, _ = session.run.load_checkpoint("best")
    memory = session.stages[0].groups[0].state.memory["snapshot_ensemble"]["models"]
    kernels = np.asarray(memory.parameters["model"]["output"]["kernel"])
    assert len(meta["models"]) == max(over, 1)
    for number in range(over):
        np.testing.assert_array_equal(saved[f"{number}/variables:parameters:model:output:kernel"], kernels[:, number])
    assert len(evaluate(session.run, session.data).metrics["test/nll"]["values"]) == 2
    np.savez(tmp_path / "some.npz", inputs=session.data.inputs[:5])
    np.testing.assert_allclose(predict(session.run, str(tmp_path / "some.npz")).values.sum(1), 1, rtol=1e-5)
