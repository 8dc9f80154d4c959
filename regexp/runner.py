"""An Experiment in, Results out: the only module that knows the order. A generator of events, no callbacks.

    load data -> split by seed -> group trials by structure -> compile -> [advance -> rows -> checkpoint] -> evaluate

What a caller sees: Prepared, Compiled, Advanced ..., Saved ..., Finished; or an exception from errors.py, after the
run folder has been left in a state that `resume` continues from.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.config import Facts, Loaded
from regexp.datasets.base import Data
from regexp.datasets.splits import split
from regexp.errors import Interrupted, RunError
from regexp.experiment import Experiment, trials
from regexp.inference import described
from regexp.manifest import gather, now
from regexp.runs import Run
from regexp.summary import summarize
from regexp.training.device import Device, describe_device, set_up
from regexp.training.group import Group, select
from regexp.training.lanes import compilations, compile_seconds, group
from regexp.training.prepare import prepare_lane

CHUNK_SECONDS = 0.4  # progress moves, and an interrupt is obeyed, at least this often


@dataclass(frozen=True)
class Prepared:
    """Before compiling: what will be trained."""

    lanes: int
    programs: int
    train: int
    validation: int
    test: int
    parameters: int
    epochs: int
    resumed_from: int  # epochs already made
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """The programs exist."""

    seconds: float
    compilations: int


@dataclass(frozen=True)
class Advanced:
    """Some steps further. `rows`: one per lane and epoch that ended; `epoch` counts parts."""

    epoch: float
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk."""

    epoch: float


@dataclass(frozen=True)
class Finished:
    """The run is over; `summary` is what summary.json holds."""

    summary: dict[str, Any]


Event = Prepared | Compiled | Advanced | Saved | Finished


def data_hash(data: Data) -> str:
    """sha256 over inputs, targets and the published test rows."""
    digest = hashlib.sha256()
    for array in (data.inputs, data.targets, data.test):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def never() -> int:
    """No signal has arrived."""
    return 0


class Session:
    """One run from data to summary. `interrupted()` returns a signal's number once one has arrived, else 0."""

    def __init__(self, experiment: Experiment, data: Data, run: Run, interrupted: Callable[[], int] = never):
        self.experiment, self.data, self.run, self.interrupted = experiment, data, run, interrupted
        self.trials = trials(experiment)
        self.data_hash = data_hash(data)
        self.rows_written = 0
        self.notes: tuple[str, ...] = ()
        self.seconds = {"compile": 0.0, "train": 0.0}
        self.splits = [split(experiment.dataset, data, trial.seed) for trial in self.trials]
        lanes = [prepare_lane(t, data, s) for t, s in zip(self.trials, self.splits, strict=True)]
        self.members = group(self.trials, lanes)
        self.groups = [
            Group(
                [self.trials[i] for i in one],
                [lanes[i] for i in one],
                data,
                [self.splits[i] for i in one],
            )
            for one in self.members
        ]

    @property
    def train_size(self) -> int:
        """Training examples of each seed."""
        return len(self.splits[0].train)

    @property
    def validation_size(self) -> int:
        """Validation examples of each seed."""
        return len(self.splits[0].validation)

    def events(self, resume: bool = False) -> Iterator[Event]:
        """Do everything; the caller shows what it is given."""
        restored = self._load_checkpoint() if resume else None
        if restored and restored["warning"]:
            self.notes += (restored["warning"],)
        yield Prepared(
            len(self.trials), len(self.groups), len(self.splits[0].train), len(self.splits[0].validation),
            len(self.splits[0].test), self.groups[0].parameters, self.experiment.training.epochs,
            restored["epoch"] if restored else 0, self.notes,
        )  # fmt: skip
        before, seconds = compilations(), compile_seconds()
        for one in self.groups:
            one.compile()
            one.compile_evaluation()
        self.seconds["compile"] = compile_seconds() - seconds
        if restored:
            self._restore(restored)
        yield Compiled(self.seconds["compile"], compilations() - before)
        yield from self._train()
        summary = self._finish(compilations() - before)
        yield Finished(summary)

    # -- training -----------------------------------------------------------------------------------------------------

    def _train(self) -> Iterator[Event]:
        saved = time.perf_counter()
        for one in self.groups:
            steps = min(one.steps_per_epoch, 64)
            while not one.done:
                began = time.perf_counter()
                rows = one.advance(steps)
                took = time.perf_counter() - began
                self.seconds["train"] += took
                steps = max(1, int(min(2.0, CHUNK_SECONDS / max(took, 1e-6)) * steps))
                self.run.append_metrics(rows)
                self.rows_written += len(rows)
                yield Advanced(one.position / one.steps_per_epoch, rows)
                signal_number = self.interrupted()
                if signal_number or time.perf_counter() - saved >= self.experiment.run.checkpoint_seconds:
                    self._save()
                    saved = time.perf_counter()
                    yield Saved(one.position / one.steps_per_epoch)
                if signal_number:
                    raise Interrupted(f"stopped by a signal; go on with --resume {self.run.name}", signal_number)

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        arrays = {f"{i}/{k}": v for i, one in enumerate(self.groups) for k, v in one.snapshot().items()}
        meta = {
            "positions": [one.position for one in self.groups],
            "rows": self.rows_written,
            "seconds": self.seconds,
            "data": self.data_hash,
        }
        self.run.save_checkpoint("last", arrays, meta)
        self._save_best()

    def _save_best(self) -> None:
        arrays = {f"{i}/{k}": v for i, one in enumerate(self.groups) for k, v in one.saved_selection().items()}
        meta = {
            "groups": [[self.trials[i].seed for i in one] for one in self.members],
            **described(self.data),
        }
        self.run.save_checkpoint("best", arrays, meta)

    def _load_checkpoint(self) -> dict[str, Any] | None:
        if not self.run.has_checkpoint("last"):
            self.run.truncate_metrics(0)
            return None
        arrays, meta, warning = self.run.load_checkpoint("last")
        if meta["data"] != self.data_hash:
            raise RunError(f"{self.run.path}: the data has changed since this run began; start a new run")
        epoch = min(p // g.steps_per_epoch for p, g in zip(meta["positions"], self.groups, strict=True))
        return {"arrays": arrays, "meta": meta, "warning": warning, "epoch": epoch}

    def _restore(self, restored: dict[str, Any]) -> None:
        meta = restored["meta"]
        for index, (one, position) in enumerate(zip(self.groups, meta["positions"], strict=True)):
            prefix = f"{index}/"
            mine = {k.removeprefix(prefix): v for k, v in restored["arrays"].items() if k.startswith(prefix)}
            one.restore(mine, position)
        self.run.truncate_metrics(meta["rows"])
        self.rows_written = meta["rows"]
        self.seconds["train"] += meta["seconds"]["train"]

    # -- results ------------------------------------------------------------------------------------------------------

    def _finish(self, compiled: int) -> dict[str, Any]:
        self._save()
        count = len(self.trials)
        best: list[dict[str, float]] = [{} for _ in range(count)]
        last: list[dict[str, float]] = [{} for _ in range(count)]
        lanes: list[dict[str, Any]] = [{} for _ in range(count)]
        predictions: list[Any] = [None] * count
        for one, indices in zip(self.groups, self.members, strict=True):
            chosen = one.evaluate(one.selected())
            final = one.evaluate(one.state.variables)
            for place, index in enumerate(indices):
                best[index] = {name: float(v[place]) for name, v in chosen[0].items()}
                last[index] = {name: float(v[place]) for name, v in final[0].items()}
                lanes[index] = one.outcome(place)
                predictions[index] = chosen[1][place]
        self._write_predictions(predictions)
        summary = summarize(
            [t.seed for t in self.trials],
            lanes,
            best,
            last,
            select(self.experiment),
            self.seconds,
            compiled,
            self._unfinished_schedules(lanes),
        )
        self.run.write_json("summary.json", summary)
        return summary

    def _unfinished_schedules(self, lanes: list[dict[str, Any]]) -> list[str]:
        """A warning where lanes stopped early, before their learning rate had come to its end."""
        found: dict[int, float] = {}
        for one, indices in zip(self.groups, self.members, strict=True):
            for index in indices:
                if lanes[index]["reason"] == "stopped early":
                    found[lanes[index]["seed"]] = one.rate_at(lanes[index]["epochs"] * one.steps_per_epoch)
        end = self.groups[0].rate_at(self.groups[0].total_steps)
        late = {seed: rate for seed, rate in found.items() if rate > 1.01 * end + 1e-6}
        if not late:
            return []
        name, rates = self.experiment.optimizer.schedule.name, ", ".join(f"{r:.2g}" for r in late.values())
        return [
            f"seed {', '.join(map(str, late))} stopped early, while the {name} schedule stood at {rates} of the "
            f"learning rate; it ends at {end:.2g}, so a shorter schedule may do better"
        ]

    def _write_predictions(self, outputs: list[np.ndarray]) -> None:
        rows = [self.splits[index].test for index in range(len(self.trials))]
        self.run.write_predictions(
            {
                "seeds": np.asarray([trial.seed for trial in self.trials]),
                "rows": np.stack(rows),
                "targets": np.stack([self.data.targets[r] for r in rows]),
                "outputs": np.stack(outputs),
            }
        )


def train(
    loaded: Loaded, run: Run, resume: bool, device: Device, command: list[str], interrupted: Callable[[], int] = never
) -> Iterator[Event]:
    """Everything `regexp train` does, manifest included: status running, then done, diverged, interrupted or failed."""
    if resume and _status(run) == "done":
        raise RunError(f"{run.name} is done already; nothing to resume")
    manifest = gather(command)
    manifest |= {"status": "running", "reason": None, "seeds": list(loaded.experiment.training.seeds)}
    run.write_json("manifest.json", manifest)
    session = None
    try:
        set_up(device)
        manifest["device"] = describe_device()
        data = loaded.experiment.dataset.load()
        session = Session(loaded.experiment, data, run, interrupted)
        facts = Facts(
            data.task, data.is_image, data.inputs.shape[1:], session.train_size, session.validation_size,
            data.test is not None,
        )  # fmt: skip
        session.notes = tuple(str(warning) for warning in loaded.check_data(facts))
        manifest |= {"data": {"source": data.source, "sha256": session.data_hash, "examples": len(data.inputs)}}
        run.write_json("manifest.json", manifest)
        for event in session.events(resume):
            if isinstance(event, Finished):
                _end(run, manifest, event.summary["status"], None, session)
            yield event
    except BaseException as error:
        status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt | GeneratorExit) else "failed"
        with contextlib.suppress(RunError):  # of a full disk the first error is the one to tell
            _end(run, manifest, status, f"{type(error).__name__}: {error}".splitlines()[0], session)
        raise
    finally:
        run.close()


def _end(run: Run, manifest: dict[str, Any], status: str, reason: str | None, session: Session | None) -> None:
    manifest |= {"status": status, "reason": reason, "ended": now()}
    if session is not None:
        manifest["seconds"] = {name: round(value, 3) for name, value in session.seconds.items()}
    run.write_json("manifest.json", manifest)


def _status(run: Run) -> str | None:
    try:
        return str(run.read_json("manifest.json").get("status"))
    except RunError:
        return None
