"""When metrics are measured during training, and on which rows."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from regexp.cli.progress import evaluation_work
from regexp.config import loads
from regexp.engine.evaluate import evaluation_share
from regexp.engine.lanes import compilations
from regexp.experiment import trials
from regexp.metrics import measure
from tests.lab import group
from tests.sessions import begin, finish

CONFIG = """
dataset: {name: digits, limit: 300, preprocess: [standardize]}
model: {name: mlp, hidden: [16]}
optimizer: {name: adam, learning_rate: 5.0e-3}
training: {epochs: 7, batch_size: 32, seeds: [0, 1]}
"""


def run(text, folder):
    """Return (summary, rows of metrics.jsonl) of a whole run."""
    session = begin(folder, text)
    summary = finish(session)
    return summary, [json.loads(line) for line in (session.run.path / "metrics.jsonl").read_text().splitlines()]


def test_every_third_epoch_and_the_last_are_evaluated(tmp_path):
    summary, rows = run(CONFIG + "evaluation: {every: 3}", tmp_path / "some")
    evaluated = {row["epoch"] for row in rows if "validation/loss" in row and "train/loss" in row}
    assert evaluated == {3, 6, 7}
    assert all("loss/data" in row for row in rows)
    complete, complete_rows = run(CONFIG, tmp_path / "all")
    assert summary["metrics"] == complete["metrics"]  # training is the same, bit for bit
    assert [row for row in complete_rows if row["epoch"] in evaluated] == [r for r in rows if r["epoch"] in evaluated]


def test_only_an_evaluated_epoch_is_the_best_and_patience_counts_all(tmp_path):
    stopping = "regularizers: {early_stopping: {patience: 5, monitor: validation/loss}}\nevaluation: {every: 4}\n"
    text = CONFIG.replace("epochs: 7", "epochs: 400").replace("5.0e-3", "5.0e-2") + stopping
    summary, rows = run(text, tmp_path)
    for place, seed in enumerate((0, 1)):
        losses = {
            row["epoch"]: row["validation/loss"] for row in rows if row["seed"] == seed and "validation/loss" in row
        }
        best = min(losses, key=lambda epoch: (losses[epoch], epoch))
        assert summary["lanes"][place]["selected_epoch"] == best
        assert summary["lanes"][place]["epochs"] == best + 5 < 400


def test_the_interval_is_traced():
    """Two intervals are lanes of one program."""
    experiments = [loads(CONFIG + f"evaluation: {{every: {every}}}").experiment for every in (1, 3)]
    data = experiments[0].dataset.load()
    lanes = group([trials(experiment)[0] for experiment in experiments], data)
    lanes.compile()
    before = compilations()
    rows = []
    while not lanes.done:
        rows += lanes.advance(50)
    assert compilations() == before
    evaluated = [sum("train/loss" in row for row in rows[lane::2]) for lane in (0, 1)]
    assert evaluated == [7, 3]


def test_the_validation_limit_holds_during_training_only(tmp_path):
    summary, rows = run(CONFIG + "evaluation: {validation_limit: 10}", tmp_path / "limited")
    whole, whole_rows = run(CONFIG, tmp_path / "whole")
    assert summary["metrics"] == whole["metrics"]
    assert rows[-1]["train/loss"] == whole_rows[-1]["train/loss"]
    tenths = np.asarray([row["validation/accuracy"] for row in rows]) * 10
    np.testing.assert_allclose(tenths, tenths.round(), atol=1e-5)  # of 10 examples
    assert rows[-1]["validation/accuracy"] != whole_rows[-1]["validation/accuracy"]


def test_final_metrics_are_those_of_the_outputs_in_float64(tmp_path):
    session = begin(tmp_path, CONFIG)
    summary = finish(session)
    with np.load(session.run.path / "predictions.npz") as predictions:
        outputs, targets = predictions["outputs"], predictions["targets"]
    one = np.ones(1)
    for place in range(2):
        expected = measure(
            "classification", "cross_entropy", outputs[place].astype(np.float64), targets[place], 0 * one, one, 15
        )
        for name, value in expected.items():
            assert summary["metrics"][f"test/{name}"]["values"][place] == pytest.approx(float(value), rel=1e-12)


def test_the_share_of_evaluation_is_said_before_training():
    experiment = loads(CONFIG).experiment
    assert evaluation_share(experiment, 100, 60) == pytest.approx(160 / (160 + 300))
    often = loads(CONFIG + "evaluation: {every: 4, validation_limit: 20, train_limit: 40}").experiment
    assert evaluation_share(often, 100, 60) == pytest.approx(15 / (15 + 300))
    assert evaluation_work(SimpleNamespace(evaluation_share=0.123)) == "evaluation about 12% of the work"
    assert evaluation_work(SimpleNamespace(evaluation_share=0.7)).endswith(
        "(evaluation.every, evaluation.validation_limit)"
    )
