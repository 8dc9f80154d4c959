"""The expected calibration error of a run is one number: in its summary, its report and its diagnosis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from regexp.report.charts.outputs import bins_of, points
from regexp.report.collect import collect
from regexp.report.predictions import classified
from tests.cli.command import inside

CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: linear
optimizer: {name: adam, learning_rate: 0.01}
training: {epochs: 3, batch_size: 16, seeds: [4]}
evaluation: {ece_bins: BINS}
"""


def definition(folder: Path, bins: int) -> float:
    """sum_b n_b/n |accuracy_b - confidence_b| over bins (lower, upper] of the stored test outputs, by a loop."""
    with np.load(folder / "predictions.npz") as arrays:
        logits, labels = arrays["outputs"][0].astype(float), arrays["targets"][0]
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    total = 0.0
    for number in range(bins):
        inside_bin = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside_bin.any():
            total += inside_bin.mean() * abs(right[inside_bin].mean() - confidence[inside_bin].mean())
    return total


@pytest.mark.parametrize("bins", [1, 4, 10, 15, 40])
def test_summary_report_chart_evaluate_and_diagnose_agree(bins, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(CONFIG.replace("BINS", str(bins)))
    options = ("--runs-dir", tmp_path)
    assert inside("train", tmp_path / "c.yaml", *options, "--quiet") == 0
    expected = definition(tmp_path / "c", bins)
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())["metrics"]["test/ece"]["values"]
    capsys.readouterr()

    assert inside("diagnose", "c", *options, "--what", "calibration", "--json") == 0
    diagnosis = json.loads(capsys.readouterr().out)
    assert f"over {bins} bins" in diagnosis["sentence"]
    assert inside("evaluate", "c", *options, "--json") == 0
    evaluation = json.loads(capsys.readouterr().out)["metrics"]["test/ece"]["values"]
    assert inside("report", "c", *options, "--metric", "test/ece", "--format", "json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]

    (record,), _ = collect(tmp_path, ["c"])
    assert bins_of(record) == bins
    count, confidence, right = points(classified(record)[4], bins)
    charted = float(np.sum(count * np.abs(right - confidence)) / count.sum())
    diagnosed = diagnosis["values"]
    drawn = sum(b["examples"] * abs(b["accuracy"] - b["confidence"]) for b in diagnosed["bins"]) / count.sum()
    for value in (*summary, *evaluation, diagnosed["ece"], drawn, charted, row["mean"]):
        assert value == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("value", ["15", -1, 0, True, 1.5, 10**9, None])
def test_a_damaged_number_of_bins_draws_the_default(value, tmp_path):
    from regexp.report.records import compose

    record = compose(tmp_path, "c", {}, {"evaluation.ece_bins": value}, "done")
    assert bins_of(record) == 15
