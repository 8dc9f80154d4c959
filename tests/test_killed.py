"""kill -9 at any moment, then --resume: the same bytes as if nothing had happened."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from regexp.runs import Run

pytestmark = pytest.mark.slow  # kills take about two minutes
ROOT = Path(__file__).parents[1]
CONFIG = """
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers:
  dropout: {rate: 0.2}
  batch_norm:
  early_stopping: {patience: 50}
optimizer: {name: adam, learning_rate: 3.0e-3, schedule: {name: cosine}}
training: {epochs: 60, batch_size: 16, seeds: [0, 1]}
run: {checkpoint_seconds: 0}
"""


def command(fatal: int, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.killed", str(fatal), *arguments]


def train(folder: Path, fatal: int = 0, resume: bool = False, **options) -> subprocess.CompletedProcess:
    config = folder / "wine.yaml"
    config.write_text(CONFIG)
    started = folder / "runs" / "wine" / "config.yaml"
    arguments = ["--resume", "wine"] if resume and started.exists() else [str(config)]
    return subprocess.run(
        command(fatal, "train", *arguments, "--runs-dir", str(folder / "runs"), "--quiet"),
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


def results(folder: Path) -> dict[str, object]:
    """Everything that must not depend on interruptions."""
    path = folder / "runs" / "wine"
    summary = json.loads((path / "summary.json").read_text())
    arrays, meta, warning = Run(path).load_checkpoint("last")
    assert warning is None
    return {
        "metrics": (path / "metrics.jsonl").read_bytes(),
        "predictions": (path / "predictions.npz").read_bytes(),
        "summary": {k: v for k, v in summary.items() if k not in ("seconds", "compilations")},
        "parameters": {name: array.tobytes() for name, array in arrays.items()},
        "position": meta["positions"],
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(results, number of file operations) of a run that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = train(folder)
    assert done.returncode == 0, done.stderr
    return results(folder), int(re.search(r"operations=(\d+)", done.stdout)[1])


def go_on_until_done(folder: Path) -> None:
    done = train(folder, resume=True)
    if done.returncode == 1 and "is done already" in done.stderr:
        return
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("chain", range(2))
def test_killed_inside_file_operations(chain, undisturbed, tmp_path):
    """Eight deaths in a row, each at a random file operation; half of the writes are torn."""
    expected, operations = undisturbed
    generator = random.Random(chain)
    for death in range(8):
        low, high = (1, 25) if death < 2 else (5, max(40, operations // 6))
        died = train(tmp_path, fatal=generator.randint(low, high), resume=True)
        assert died.returncode in (-signal.SIGKILL, 0), died.stderr
        if died.returncode == 0:
            break
        if not (tmp_path / "runs" / "wine" / "config.yaml").exists():
            subprocess.run(["rm", "-rf", str(tmp_path / "runs")], check=True)
    if died.returncode != 0:
        go_on_until_done(tmp_path)
    assert results(tmp_path) == expected


@pytest.mark.parametrize("chain", range(2))
def test_killed_at_random_moments(chain, undisturbed, tmp_path):
    """Eight deaths in a row, each at a random time after the first checkpoint could be there."""
    expected, _ = undisturbed
    generator = random.Random(100 + chain)
    config = tmp_path / "wine.yaml"
    config.write_text(CONFIG)
    metrics = tmp_path / "runs" / "wine" / "metrics.jsonl"
    for _ in range(8):
        began = metrics.exists()
        arguments = ["--resume", "wine"] if began else [str(config)]
        if not began:
            subprocess.run(["rm", "-rf", str(tmp_path / "runs")], check=True)
        process = subprocess.Popen(
            command(0, "train", *arguments, "--runs-dir", str(tmp_path / "runs"), "--quiet"),
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        size = metrics.stat().st_size if began else 0
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size != size):
            time.sleep(0.005)
        time.sleep(generator.uniform(0, 0.3))
        process.kill()
        process.communicate()
    go_on_until_done(tmp_path)
    assert results(tmp_path) == expected


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(undisturbed, tmp_path):
    expected, operations = undisturbed
    died = train(tmp_path, fatal=operations // 2)
    assert died.returncode == -signal.SIGKILL
    run = Run(tmp_path / "runs" / "wine")
    newest = next(p for p in run._versions("last") if p.exists())
    raw = bytearray(newest.read_bytes())
    raw[len(raw) // 2] ^= 1
    newest.write_bytes(raw)
    _, _, warning = run.load_checkpoint("last")
    assert "checksum" in warning
    assert "using the previous checkpoint" in warning
    go_on_until_done(tmp_path)
    assert results(tmp_path) == expected


def test_an_interrupt_saves_and_resume_goes_on(undisturbed, tmp_path):
    expected, _ = undisturbed
    config = tmp_path / "wine.yaml"
    config.write_text(CONFIG)
    process = subprocess.Popen(
        command(0, "train", str(config), "--runs-dir", str(tmp_path / "runs")),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    metrics = tmp_path / "runs" / "wine" / "metrics.jsonl"
    while process.poll() is None and not metrics.exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "--resume wine" in error
    manifest = json.loads((tmp_path / "runs" / "wine" / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    go_on_until_done(tmp_path)
    assert results(tmp_path) == expected


def test_no_row_is_lost_or_doubled(undisturbed):
    rows = [json.loads(line) for line in undisturbed[0]["metrics"].splitlines()]
    pairs = [(row["seed"], row["epoch"]) for row in rows]
    assert len(pairs) == len(set(pairs))
    assert np.all(np.diff([row["epoch"] for row in rows]) >= 0)
