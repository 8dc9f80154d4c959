"""Runs without a test split, without a validation split and without either, by every method that measures something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import ROOT, inside

CONFIG = """\
dataset: {name: npz, path: PATH, preprocess: [standardize], test: TEST, validation: VALIDATION}
model: {name: mlp, hidden: [4]}
regularizers: {METHOD}
optimizer: {name: adam, learning_rate: 0.01}
training: {epochs: 4, batch_size: 8, seeds: [0, 1]}
evaluation: {EVALUATION}
"""
PARTS = [(0, 0.2), (0.2, 0), (0, 0)]  # test, validation
METHODS = {
    "none": "",
    "population statistics": "batch_norm: {statistics: population}",
    "running statistics": "batch_norm: {statistics: ema}",
    "averaged weights": "weight_averaging: {kind: ema, decay: 0.9}, batch_norm: true",
    "stochastic weights": "weight_averaging: {kind: swa, start: 2}",
    "deep ensemble": "deep_ensemble: {members: 2}",
    "bagging": "bagging: {members: 2}",
    "votes": "bagging: {members: 3, combine: vote}",
    "snapshots": "snapshot_ensemble: {members: 2}",
    "early stopping": "early_stopping: {patience: 2}",
    "refit": "early_stopping: {patience: 2, refit: true}",
    "refit by steps": "early_stopping: {patience: 2, refit: true, unit: steps}, batch_norm: true",
    "semi-supervised": "semi_supervised: {labels: 3, warmup: 1}",
    "auxiliary": "auxiliary: {weight: 0.1}",
}
MEASURED = {"Monte Carlo": "mc_samples: 3", "attacks": "attacks: {epsilons: [0.1], steps: 2}"}
REGRESSIONS = ("none", "population statistics", "bagging", "snapshots", "refit by steps")
NEEDS_VALIDATION = {"early stopping", "refit", "refit by steps"}


def write(folder: Path, task: str, test: float, validation: float, method: str = "", evaluation: str = "") -> Path:
    """A config on 60 examples of a linear rule with noise."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(60, 3)).astype(np.float32)
    answers = inputs @ [1.0, -1.0, 0.5] + 0.1 * generator.normal(size=60)
    targets = (answers > 0).astype(np.int32) if task == "classification" else answers.astype(np.float32)
    np.savez(folder / "data.npz", inputs=inputs, targets=targets)
    np.savez(folder / "new.npz", inputs=inputs[:3])
    words = {"PATH": folder / "data.npz", "TEST": test, "VALIDATION": validation, "METHOD": method}
    text = CONFIG.replace("EVALUATION", evaluation)
    for word, value in words.items():
        text = text.replace(word, str(value))
    (folder / "c.yaml").write_text(text)
    return folder / "c.yaml"


def existing(test: float, validation: float) -> set[str]:
    return {"train"} | ({"test"} if test else set()) | ({"validation"} if validation else set())


def after_training(folder: Path, task: str, parts: set[str]) -> None:
    """Every command that reads the run `c` in folder/runs finds the parts that exist."""
    runs = folder / "runs"
    summary = json.loads((runs / "c" / "summary.json").read_text())
    assert json.loads((runs / "c" / "manifest.json").read_text())["status"] == "done"
    assert {name.partition("/")[0] for name in summary["metrics"]} == parts
    for numbers in summary["metrics"].values():
        assert np.all(np.isfinite(numbers["values"]))
    for command in (
        ("evaluate", "c"),
        ("predict", "c", "--input", folder / "new.npz", "--output", folder / "new.csv"),
        ("diagnose", "c"),
        ("report", "c"),
        ("report", "c", "--html", folder / "report.html"),
    ):
        assert inside(*command, "--runs-dir", runs) == 0, command
    assert inside("export", "c", "--to", "csv", "--runs-dir", runs, "--output", folder / "exports") == 0
    assert len((folder / "new.csv").read_text().splitlines()) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("test", "validation"), PARTS)
@pytest.mark.parametrize(
    ("method", "task"),
    [*((method, "classification") for method in METHODS), *((method, "regression") for method in REGRESSIONS)],
)
def test_a_method_works_with_the_parts_that_exist_or_is_refused_at_its_line(
    method, test, validation, task, tmp_path, capsys
):
    config = write(tmp_path, task, test, validation, METHODS[method])
    code = inside("train", config, "--runs-dir", tmp_path / "runs")
    if method in NEEDS_VALIDATION and not validation:
        assert code == 2
        assert "c.yaml:3:" in (error := capsys.readouterr().err)
        assert "needs validation data, but dataset.validation is 0" in error
        assert not (tmp_path / "runs").exists()
        return
    assert code == 0, capsys.readouterr().err
    after_training(tmp_path, task, existing(test, validation))


@pytest.mark.parametrize(("test", "validation"), [(0, 0.2), (0, 0)])
@pytest.mark.parametrize("measured", MEASURED)
def test_what_is_measured_on_the_test_split_alone_is_refused_without_one(measured, test, validation, tmp_path, capsys):
    config = write(tmp_path, "classification", test, validation, "dropout: true", MEASURED[measured])
    assert inside("train", config, "--runs-dir", tmp_path / "runs") == 2
    error = capsys.readouterr().err
    assert "c.yaml:6:" in error
    assert "is measured on the test split, but there is none: set dataset.test above 0" in error
    assert list((tmp_path / "runs").iterdir()) == []
    assert inside("check", config, "--only", "validation_size") == 2


@pytest.mark.slow
@pytest.mark.parametrize("measured", MEASURED)
def test_monte_carlo_and_attacks_need_no_validation_split(measured, tmp_path):
    config = write(tmp_path, "classification", 0.2, 0, "dropout: true", MEASURED[measured])
    assert inside("train", config, "--runs-dir", tmp_path / "runs") == 0
    kinds = {"Monte Carlo": {"mc"}, "attacks": {"fgsm-0.1", "pgd-0.1"}}[measured]
    after_training(tmp_path, "classification", {"train", "test"} | kinds)


SWEEP = """
sweep:
  objective: validation/accuracy
  space: {optimizer.learning_rate: {log_uniform: [0.001, 0.1]}}
  stages: [{trials: 2, epochs: 2}]
  confirm: CONFIRM
"""


@pytest.mark.slow
@pytest.mark.parametrize("confirm", ["{top: 1, seeds: 2}", "null"])
def test_a_sweep_needs_no_test_split(confirm, tmp_path):
    config = write(tmp_path, "classification", 0, 0.2, "batch_norm: true")
    config.write_text(config.read_text() + SWEEP.replace("CONFIRM", confirm))
    assert inside("sweep", config, "--runs-dir", tmp_path, "--name", "s", "--quiet") == 0
    assert json.loads((tmp_path / "s" / "manifest.json").read_text())["status"] == "done"
    assert inside("report", "s", "--runs-dir", tmp_path, "--html", tmp_path / "s.html") == 0


@pytest.mark.parametrize("test", [0, 0.2])
def test_a_sweep_by_validation_data_is_refused_without_them(test, tmp_path, capsys):
    config = write(tmp_path, "classification", test, 0)
    config.write_text(config.read_text() + SWEEP.replace("CONFIRM", "null"))
    assert inside("sweep", config, "--runs-dir", tmp_path, "--name", "s", "--quiet") == 2
    error = capsys.readouterr().err
    assert "c.yaml:1:" in error
    assert "dataset.validation is 0" in error
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("test", "validation"), PARTS)
def test_an_ablation_compares_by_the_parts_that_exist(test, validation, tmp_path, capsys):
    config = write(tmp_path, "classification", test, validation, "l2: true, batch_norm: true")
    assert (
        inside("ablate", config, "--runs-dir", tmp_path, "--name", "a", "--no-cost", "--html", tmp_path / "a.html") == 0
    )
    part = "test" if test else "validation" if validation else "train"
    assert f"] all: {part}/accuracy 0." in capsys.readouterr().out


@pytest.mark.parametrize("test", [0, 0.2])
def test_a_learning_rate_is_not_searched_without_validation_data(test, tmp_path, capsys):
    """Every rate would be equally good by a metric that is not measured, and the smallest would be taken."""
    config = write(tmp_path, "classification", test, 0, "l2: true")
    options = ("--retune", "learning_rate", "--runs-dir", tmp_path / "runs", "--name", "a")
    assert inside("ablate", config, *options) == 2
    error = capsys.readouterr().err
    assert "c.yaml:1:" in error
    assert "--retune judges a learning rate by validation/loss, but dataset.validation is 0" in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("test", "validation"), PARTS)
def test_every_check_answers(test, validation, tmp_path, capsys):
    from regexp.checks.base import CHECKS

    config = write(tmp_path, "classification", test, validation)
    assert inside("check", config, "--json") in (0, 3)
    answered = [json.loads(line)["check"] for line in capsys.readouterr().out.splitlines()]
    assert answered == list(CHECKS)


TRAIN_AND_EVALUATE = """
import sys
from unittest.mock import patch
from regexp.cli.app import main

def run(*arguments):
    with patch.object(sys, "argv", ["regexp", *arguments]):
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, arguments

folder, number, *names = sys.argv[1:]
for name in names:
    run("train", f"{folder}/{name}/c.yaml", "--runs-dir", f"{folder}/runs-{number}", "--name", name, "--quiet")
    run("evaluate", name, "--runs-dir", f"{folder}/runs-{number}", "--json")
    run("predict", name, "--runs-dir", f"{folder}/runs-{number}", "--input", f"{folder}/{name}/new.npz",
        "--output", f"{folder}/{name}-{number}.csv")
"""


@pytest.mark.slow
def test_a_process_that_reads_its_programs_from_the_cache_finds_the_same_numbers(tmp_path):
    """Once a program without results, read from the cache, could not be called."""
    names = []
    for method, validation in (
        ("none", 0),
        ("population statistics", 0),
        ("bagging", 0),
        ("snapshots", 0),
        ("refit", 0.2),
    ):
        names.append(method.replace(" ", "-"))
        (tmp_path / names[-1]).mkdir()
        write(tmp_path / names[-1], "classification", 0, validation, METHODS[method])
    for kind, evaluation in MEASURED.items():
        names.append(kind.replace(" ", "-"))
        (tmp_path / names[-1]).mkdir()
        write(tmp_path / names[-1], "classification", 0.2, 0, "dropout: true", evaluation)
    environment = os.environ | {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home" / "cache")}
    printed = []
    for number in "12":
        command = [sys.executable, "-c", TRAIN_AND_EVALUATE, str(tmp_path), number, *names]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
        assert len(list((tmp_path / "home" / "cache").rglob("programs-*/*"))) > len(names)
    assert printed[0] == printed[1]
    for name in names:
        first, second = (tmp_path / f"runs-{number}" / name for number in "12")
        for file in ("metrics.jsonl", "predictions.npz"):
            assert (first / file).read_bytes() == (second / file).read_bytes()
        assert (tmp_path / f"{name}-1.csv").read_bytes() == (tmp_path / f"{name}-2.csv").read_bytes()
