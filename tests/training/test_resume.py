"""Whole runs of methods that remember: stopped within an epoch and resumed, the same bytes; what is best until then."""

from __future__ import annotations

import numpy as np
import pytest

from regexp import runner
from regexp.errors import Interrupted
from regexp.inference import evaluate, predict
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


def stopped(folder, method, steps):
    """A run that a signal stops after so many steps."""
    session = begin(folder, config(method), lambda: 15 if session.stages[0].positions == [steps] else 0)
    with pytest.raises(Interrupted):
        finish(session)
    return session


@pytest.fixture
def a_step_at_a_time(monkeypatch):
    monkeypatch.setattr(runner, "CHUNK_SECONDS", 1e-9)


@pytest.mark.usefixtures("a_step_at_a_time")
@pytest.mark.parametrize("method", METHODS)
def test_stopped_within_an_epoch_and_resumed_nothing_is_lost(method, tmp_path):
    session = begin(tmp_path / "whole", config(method))
    whole = lasting(session, finish(session))
    once = resumed(stopped(tmp_path / "stopped", method, 11))
    assert lasting(once, finish(once, resume=True)) == whole


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
