"""kill -9 of the driver at any moment, then --resume: the same table as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from tests.sweep.lab import BASE, SWEEP

pytestmark = pytest.mark.slow  # each death is a process that compiles
ROOT = Path(__file__).parents[2]
CONFIG = BASE + SWEEP.replace("trials: 12", "trials: 8").replace("trials: 6", "trials: 4")
DEATHS = int(os.environ.get("REGEXP_DEATHS", "3"))


def command(folder: Path, fatal: int) -> subprocess.CompletedProcess:
    (folder / "wine.yaml").write_text(CONFIG)
    begun = (folder / "runs" / "wine" / "config.yaml").exists()
    what = ["--resume", "wine"] if begun else [str(folder / "wine.yaml"), "--name", "wine"]
    return subprocess.run(
        [sys.executable, "-m", "tests.sweep.killed", str(fatal), "sweep", *what, "--quiet",
         "--runs-dir", str(folder / "runs")],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def table(folder: Path) -> tuple[list[dict], dict]:
    """(all trials in their order, the winner)."""
    path = folder / "runs" / "wine"
    study = optuna.load_study(study_name="wine", storage=f"sqlite:///{path / 'study.db'}")
    trials = study.get_trials()
    assert {t.state.name for t in trials} == {"COMPLETE"}  # none RUNNING, none doubled
    rows = [json.loads(t.user_attrs["record"]) for t in trials]
    assert len({(r["stage"], r["number"]) for r in rows}) == len(rows) == 8 + 4 + 3
    rows = sorted(rows, key=lambda r: (r["stage"], r["number"]))
    return rows, json.loads((path / "summary.json").read_text())["winner"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(table, number of moments) of a sweep that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = command(folder, 0)
    assert done.returncode == 0, done.stderr
    return table(folder), int(re.search(r"moments=(\d+)", done.stdout)[1])


def test_killed_at_random_moments(undisturbed, tmp_path):
    """REGEXP_DEATHS in a row, 3 by default; each resume dies again somewhere in what is left."""
    expected, moments = undisturbed
    generator = random.Random(5)
    for death in range(DEATHS):
        died = command(tmp_path, generator.randint(1, max(8, moments // (death + 2))))
        assert died.returncode in (-signal.SIGKILL, 0), died.stderr
        if not (tmp_path / "runs" / "wine" / "config.yaml").exists():
            subprocess.run(["rm", "-rf", str(tmp_path / "runs")], check=True)
    done = command(tmp_path, 0)
    assert done.returncode == 0 or "is done already" in done.stderr, done.stderr
    assert table(tmp_path) == expected


def test_a_changed_space_is_refused_with_the_difference(undisturbed, tmp_path):
    died = command(tmp_path, undisturbed[1] // 2)
    assert died.returncode == -signal.SIGKILL
    config = tmp_path / "wine.yaml"
    config.write_text(CONFIG.replace("1.0e-6", "1.0e-5"))
    refused = subprocess.run(
        [sys.executable, "-m", "regexp", "sweep", str(config),
         "--resume", "wine", "--runs-dir", str(tmp_path / "runs")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "-    regularizers.l2.strength: {log_uniform: [1.0e-06, 0.01]}" in refused.stderr
    assert "+    regularizers.l2.strength: {log_uniform: [1.0e-05, 0.01]}" in refused.stderr
