"""Which epoch a run is measured at: the last, unless early stopping or training.select asks for the best."""

from __future__ import annotations

import json

import numpy as np
import pytest

from regexp.config import loads, to_yaml
from regexp.core.errors import ConfigError
from regexp.experiment import selects_best
from regexp.study.ablate import arms
from tests.sessions import begin, finish

OVERFITTING = """
dataset: {name: digits, limit: 60, validation: 0.3, preprocess: [standardize]}
model: {name: mlp, hidden: [64]}
optimizer: {name: adam, learning_rate: 5.0e-3}
training: {epochs: 40, batch_size: 20, seeds: [0, 1]}
evaluation: {train_limit: 1}
"""


def finished(text, folder):
    """(summary, rows of metrics.jsonl) of a run."""
    session = begin(folder, text)
    summary = finish(session)
    return summary, [json.loads(line) for line in (session.run.path / "metrics.jsonl").read_text().splitlines()]


def losses_by_epoch(rows, seed):
    return np.asarray([row["validation/loss"] for row in rows if row["seed"] == seed])


@pytest.mark.parametrize("select", ["last", "best"])
def test_the_selected_epoch_is_the_measured_one(select, tmp_path):
    summary, rows = finished(OVERFITTING.replace("epochs: 40", f"epochs: 40, select: {select}"), tmp_path)
    for place, seed in enumerate((0, 1)):
        losses = losses_by_epoch(rows, seed)
        assert losses.argmin() < len(losses) - 5, "the problem does not overfit"
        expected = losses[-1] if select == "last" else losses.min()
        assert summary["metrics"]["validation/loss"]["values"][place] == pytest.approx(expected, rel=1e-5)
        epoch = len(losses) if select == "last" else losses.argmin() + 1
        assert summary["lanes"][place]["selected_epoch"] == epoch


def test_early_stopping_shows_in_an_ablation(tmp_path):
    text = OVERFITTING + "regularizers: {early_stopping: {patience: 8}}\n"
    by_arm = {}
    for arm in arms(loads(text).experiment):
        by_arm[arm.name], _ = finished(to_yaml(arm.experiment), tmp_path / arm.name)
    assert by_arm["all"]["selection"]["epoch"] == "best"
    assert by_arm["without-early_stopping"]["selection"]["epoch"] == "last"
    stopped, trained = (summary["metrics"]["validation/loss"]["mean"] for summary in by_arm.values())
    assert stopped < trained
    assert by_arm["all"]["metrics"]["test/nll"] != by_arm["without-early_stopping"]["metrics"]["test/nll"]


@pytest.mark.parametrize(
    ("methods", "select", "best"),
    [
        ("", "last", False),
        ("", "best", True),
        ("early_stopping: true", "last", True),
        ("early_stopping: {restore_best: false}", "best", False),
        ("snapshot_ensemble: true", "best", False),
        ("dropout: true", "last", False),
    ],
)
def test_methods_decide_before_the_config(methods, select, best):
    loaded = loads(f"regularizers: {{{methods}}}\ntraining: {{select: {select}}}")
    assert selects_best(loaded.experiment) is best


def test_selecting_the_best_epoch_without_validation_data_is_refused():
    with pytest.raises(ConfigError, match=r":2:12 select: best needs validation data"):
        loads("dataset: {name: digits, validation: 0}\ntraining: {select: best}")


def test_a_monitor_that_selects_nothing_gets_a_warning():
    (warning,) = loads("training: {monitor: validation/accuracy}").warnings
    assert "training.monitor has no effect" in str(warning)
    assert not loads("training: {monitor: validation/accuracy, select: best}").warnings
