"""python -m scripts.kills [--deaths 300] [--minutes 120] [--seed 0]

Kill `train`, `ablate` and `sweep` with SIGKILL at random moments, resume each until it ends, and compare every result
byte for byte with that of a study that nobody killed. Sweeps run in one process and in worker processes; there every
other death is a worker's. Prints the counts of each command after each study, at last as a table, and exits with 1
where any result differs. docs/reliability.md records the counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from regexp.runs import Run

ROOT = Path(__file__).parents[1]
EXPERIMENT = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers:
  dropout: {rate: 0.2}
  l2: {strength: 1.0e-3}
optimizer: {name: adam, learning_rate: 3.0e-3, schedule: {name: cosine}}
training: {epochs: EPOCHS, batch_size: 16, seeds: [0, 1]}
run: {checkpoint_seconds: 0}
"""
SWEEP = """\
sweep:
  objective: validation/accuracy
  space:
    optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}
    regularizers.l2.strength: {log_uniform: [1.0e-6, 1.0e-2]}
  stages:
    - {trials: 64, epochs: 1000}
    - {trials: 32, epochs: 2000, seeds: 2, keep: 0.34}
  confirm: {top: 2, seeds: 2}
"""
STUDY = "study"
TIMEOUT_SECONDS = 300
DEATHS_PER_STUDY = 12
AFTER_RECORD = 0.4  # seconds at most from the moment that the record grows to a death
EARLY_SHARE = 0.2  # of the deaths come at any moment, before the first record too
Results = dict[str, object]


# -- what must not depend on the deaths --------------------------------------------------------------------------------


def run_results(folder: Path) -> Results:
    """Bytes of one trained run; times and the number of compilations differ between any two runs."""
    arrays, meta, _ = Run(folder).load_checkpoint("last")
    summary = json.loads((folder / "summary.json").read_text())
    return {
        "metrics": (folder / "metrics.jsonl").read_bytes(),
        "predictions": (folder / "predictions.npz").read_bytes(),
        "summary": {key: value for key, value in summary.items() if key not in ("seconds", "compilations")},
        "parameters": {name: array.tobytes() for name, array in arrays.items()},
        "positions": meta["positions"],
    }


def ablation_results(folder: Path) -> Results:
    """The results of every arm."""
    return {path.parent.name: run_results(path.parent) for path in sorted(folder.glob("*/config.yaml"))}


def sweep_results(folder: Path) -> Results:
    """Every trial's record, the winner's config and the conclusion."""
    summary = json.loads((folder / "summary.json").read_text())
    return {
        "trials": sorted(trial_records(folder)),
        "winner": (folder / "winner.yaml").read_bytes(),
        "summary": {key: value for key, value in summary.items() if key != "seconds"},
    }


def trial_records(folder: Path) -> list[str]:
    """The recorded trials as JSON text."""
    import optuna

    if not (folder / "study.db").exists():
        return []
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    (study,) = optuna.study.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
    storage.engine.dispose()
    return [trial.user_attrs["record"] for trial in trials]


# -- the commands ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A command under test.

    start, resume: its arguments; `resume` is used once config.yaml is there
    workers: whether it has worker processes, which are killed too
    epochs: of the config, so that training takes some seconds
    """

    name: str
    start: tuple[str, ...]
    resume: tuple[str, ...]
    results: Callable[[Path], Results]
    record_size: Callable[[Path], int]
    workers: bool = False
    epochs: int = 4000


def bytes_of_metrics(folder: Path) -> int:
    """The total size of all metrics.jsonl below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("metrics.jsonl"))


def bytes_of_database(folder: Path) -> int:
    """The size of the sweep's database and its write-ahead log."""
    return sum(path.stat().st_size for path in folder.glob("study.db*"))


ABLATE = ("ablate", "config.yaml", "--name", STUDY, "--no-cost")
SWEEP_START = ("sweep", "config.yaml", "--name", STUDY, "--quiet")
SWEEP_RESUME = ("sweep", "--resume", STUDY, "--quiet")
PROCESSES = ("--executor", "processes", "--workers", "2")
CASES = (
    Case("train", ("train", "config.yaml", "--name", STUDY, "--quiet"), ("train", "--resume", STUDY, "--quiet"),
         run_results, bytes_of_metrics, epochs=20000),
    Case("ablate", ABLATE, ABLATE, ablation_results, bytes_of_metrics),
    Case("sweep", SWEEP_START, SWEEP_RESUME, sweep_results, bytes_of_database),
    Case("sweep, 2 workers", (*SWEEP_START, *PROCESSES), (*SWEEP_RESUME, *PROCESSES), sweep_results, bytes_of_database,
         workers=True),
)  # fmt: skip


@dataclass
class Counts:
    """What happened to one command."""

    deaths: int = 0
    worker_deaths: int = 0
    with_record: int = 0  # deaths at which something had been recorded
    studies: int = 0
    different: int = 0

    @property
    def all_deaths(self) -> int:
        """Deaths of drivers and of workers."""
        return self.deaths + self.worker_deaths


class Killer:
    """Runs one command in a scratch folder, kills it and resumes it."""

    def __init__(self, case: Case, scratch: Path, generator: random.Random):
        self.case, self.scratch, self.generator = case, scratch, generator
        self.counts = Counts()
        began = time.monotonic()
        self.expected = self._results_of_undisturbed()
        self.seconds = time.monotonic() - began

    def _results_of_undisturbed(self) -> Results:
        self._new_folder()
        self._finish()
        began = time.monotonic()  # again, now that the programs are cached: as the killed ones will run
        self._new_folder()
        self._finish()
        self.seconds = time.monotonic() - began
        return self.case.results(self.folder)

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.scratch / "runs" / STUDY

    def _new_folder(self) -> None:
        shutil.rmtree(self.scratch / "runs", ignore_errors=True)
        text = EXPERIMENT.replace("EPOCHS", str(self.case.epochs)) + SWEEP * (self.case.results is sweep_results)
        (self.scratch / "config.yaml").write_text(text)

    def _process(self) -> subprocess.Popen[str]:
        started = (self.folder / "config.yaml").exists() or (self.folder / "manifest.json").exists()
        arguments = self.case.resume if started else self.case.start
        return subprocess.Popen(
            [sys.executable, "-m", "regexp", *arguments],
            cwd=self.scratch, env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _finish(self) -> None:
        process = self._process()
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        if process.returncode and "is done already" not in errors:
            raise SystemExit(f"{self.case.name} ended with {process.returncode}:\n{errors}")

    def study(self, deaths: int) -> None:
        """One study from its start to its end, killed at most so many times."""
        self._new_folder()
        for _ in range(deaths):
            if not self._dies():
                break
            if not (self.folder / "config.yaml").exists() and not (self.folder / "manifest.json").exists():
                shutil.rmtree(self.scratch / "runs", ignore_errors=True)  # nothing to resume: the command starts anew
        self._finish()
        self.counts.studies += 1
        self.counts.different += self.case.results(self.folder) != self.expected

    def _dies(self) -> bool:
        """Whether the command was killed before it ended."""
        process = self._process()
        early = self.generator.random() < EARLY_SHARE
        size = self.case.record_size(self.folder)
        while not early and process.poll() is None and self.case.record_size(self.folder) == size:
            time.sleep(0.01)
        time.sleep(self.generator.uniform(0, self.seconds if early else AFTER_RECORD))
        if self.case.workers and self.generator.random() < 0.5:
            self._kill_a_worker(process.pid)
            time.sleep(self.generator.uniform(0, AFTER_RECORD))
        if process.poll() is not None:
            process.communicate()
            return False
        process.kill()
        process.communicate()
        self._wait_for_orphans(process.pid)
        self.counts.deaths += 1
        self.counts.with_record += self.case.record_size(self.folder) > 0
        return True

    def _kill_a_worker(self, driver: int) -> None:
        workers = [pid for pid in _children(driver) if "spawn_main" in _command_line(pid)]  # not the resource tracker
        if workers:
            os.kill(self.generator.choice(workers), 9)
            self.counts.worker_deaths += 1
            self.counts.with_record += self.case.record_size(self.folder) > 0

    @staticmethod
    def _wait_for_orphans(session: int) -> None:
        """Workers end by themselves once their driver is gone."""
        until = time.monotonic() + 20
        while any(_session(pid) == session for pid in _processes()):
            if time.monotonic() > until:
                raise SystemExit("a worker outlived its driver by 20 seconds")
            time.sleep(0.02)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z", "0", "0", "0"]


def _session(pid: int) -> int:
    state, _, _, session = _stat(pid)[:4]
    return 0 if state == "Z" else int(session)


def _children(pid: int) -> list[int]:
    return [child for child in _processes() if _stat(child)[1] == str(pid)]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deaths", type=int, default=300, help="of all commands together")
    parser.add_argument("--minutes", type=float, default=120, help="after which no study is begun")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    options = parser.parse_args()
    generator, until = random.Random(options.seed), time.monotonic() + 60 * options.minutes
    with contextlib.ExitStack() as stack:
        scratch = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in CASES]
        killers = [Killer(case, folder, generator) for case, folder in zip(CASES, scratch, strict=True)]
        while sum(killer.counts.all_deaths for killer in killers) < options.deaths and time.monotonic() < until:
            killer = min(killers, key=lambda killer: killer.counts.all_deaths)
            killer.study(DEATHS_PER_STUDY)
            print(f"{killer.case.name}: {killer.counts}", flush=True)
    print(f"{'command':<18}{'deaths':>8}{'workers':>9}{'with record':>13}{'studies':>9}{'different':>11}")
    for killer in killers:
        counts = killer.counts
        print(f"{killer.case.name:<18}{counts.all_deaths:>8}{counts.worker_deaths:>9}"
              f"{counts.with_record:>13}{counts.studies:>9}{counts.different:>11}")  # fmt: skip
    sys.exit(any(killer.counts.different for killer in killers))


if __name__ == "__main__":
    main()
