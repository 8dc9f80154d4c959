"""kill -9 of the driver or of a worker at any moment, then --resume: the same table as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.study.lab import BASE, SWEEP, optuna_trials

pytestmark = pytest.mark.slow  # each death is a process that compiles
ROOT = Path(__file__).parents[2]
CONFIG = BASE + SWEEP.replace("trials: 12", "trials: 8").replace("trials: 6", "trials: 4")
DEATHS = int(os.environ.get("REGEXP_DEATHS", "4"))
PROCESSES = ("--executor", "processes", "--workers", "2")


def command(folder: Path, deaths: str, *options: str) -> subprocess.CompletedProcess:
    """Begin or resume; on Linux nothing that it started may outlive it."""
    (folder / "wine.yaml").write_text(CONFIG)
    begun = (folder / "runs" / "wine" / "config.yaml").exists()
    what = ["--resume", "wine"] if begun else [str(folder / "wine.yaml"), "--name", "wine"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.study.killed", deaths, "sweep", *what, "--quiet",
         "--runs-dir", str(folder / "runs"), *options],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False, env=os.environ | {"MARK": str(folder)},
    )  # fmt: skip
    assert gone(f"MARK={folder}")
    return done


def gone(mark: str, seconds: float = 20) -> bool:
    """Whether no process with this in its environment is left; where there is no /proc nothing is looked at."""
    until = time.monotonic() + seconds
    while living := [p for p in Path("/proc").glob("[0-9]*/environ") if mark in environment(p)]:
        if time.monotonic() > until:
            print(living)
            return False
        time.sleep(0.1)
    return True


def environment(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def table(folder: Path, url: str | None = None) -> tuple[list[dict], dict]:
    """(all trials in their order, the winner)."""
    path = folder / "runs" / "wine"
    trials = optuna_trials(url or f"sqlite:///{path / 'study.db'}", "wine")
    assert {t.state.name for t in trials} == {"COMPLETE"}  # none RUNNING, none doubled
    rows = [json.loads(t.user_attrs["record"]) for t in trials]
    assert len({(r["stage"], r["number"]) for r in rows}) == len(rows) == 8 + 4 + 3
    rows = sorted(rows, key=lambda r: (r["stage"], r["number"]))
    return rows, json.loads((path / "summary.json").read_text())["winner"]


def undisturbed(folder: Path, *options: str) -> tuple[tuple, int]:
    """(table, number of moments) of a sweep that nobody kills."""
    done = command(folder, "0", *options)
    assert done.returncode == 0, done.stderr
    return table(folder), int(re.search(r"moments=(\d+)", done.stdout)[1])


def random_moment(generator: random.Random, moments: int, death: int) -> int:
    """Early ones more often: a resume has less left to do."""
    return generator.randint(1, max(8, moments // (death % 5 + 2)))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return undisturbed(tmp_path_factory.mktemp("undisturbed"))


def killed_until(deaths: int, folder: Path, expected: tuple, moments: int, *options: str) -> None:
    """Sweep after sweep, each resumed until it is over, until there were so many deaths; each ends with this table."""
    generator = random.Random(5)
    sweeps = died = 0
    while died < deaths:
        own, sweeps = folder / str(sweeps), sweeps + 1
        own.mkdir()
        over = False
        while not over:
            one, other = sorted(random_moment(generator, moments, died) for _ in range(2))
            when = f"{one}w,{other}" if options else str(other)  # w: of a worker
            done = command(own, when if died < deaths else "0", *options)
            over = done.returncode == 0 or "is done already" in done.stderr  # killed after its last word
            assert over or done.returncode == -signal.SIGKILL, done.stderr
            died += done.stdout.count("a worker died") + (done.returncode == -signal.SIGKILL)
            if not (own / "runs" / "wine" / "config.yaml").exists():
                subprocess.run(["rm", "-rf", str(own / "runs")], check=True)
        assert table(own) == expected


def test_the_driver_killed_at_random_moments(alone, tmp_path):
    killed_until(DEATHS // 2, tmp_path, *alone)


def test_driver_and_workers_killed_at_random_moments(tmp_path):
    """REGEXP_DEATHS deaths, 4 by default, every other one a worker's."""
    (tmp_path / "whole").mkdir()
    killed_until(DEATHS, tmp_path, *undisturbed(tmp_path / "whole", *PROCESSES), *PROCESSES)


def test_a_signal_ends_all_workers(tmp_path):
    """Ctrl-C reaches the whole group, as on a terminal."""
    (tmp_path / "wine.yaml").write_text(CONFIG.replace("epochs: 3", "epochs: 200000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "regexp", "sweep", str(tmp_path / "wine.yaml"), "--runs-dir", str(tmp_path), *PROCESSES],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"MARK": str(tmp_path)},
    )  # fmt: skip
    while "stage 2:" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines() == [
        "stopping once all is saved; Ctrl-C again stops at once",
        f"stopped by a signal; go on with: regexp sweep --resume wine --runs-dir {tmp_path}",
    ]
    assert gone(f"MARK={tmp_path}", seconds=5)


def test_a_changed_space_is_refused_with_the_difference(alone, tmp_path):
    died = command(tmp_path, str(alone[1] // 2))
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
