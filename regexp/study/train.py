"""An Experiment in, Results out: the only module that knows the order. A generator of events, no callbacks.

    load data -> split by seed -> group trials by structure -> compile -> [advance -> rows -> checkpoint] -> score

What a caller sees: Prepared, Compiled, Advanced ..., Saved ..., [Refit, Advanced ...], Finished; or an exception from
errors.py, after the run folder has been left in a state that `resume` continues from.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.config import Facts, Loaded, to_yaml
from regexp.core.errors import DataError, Interrupted, RunError, UsageError
from regexp.datasets.base import Data
from regexp.datasets.loading import load_data
from regexp.datasets.splits import split
from regexp.engine.device import Device, describe_device, set_up
from regexp.engine.evaluate import evaluation_share
from regexp.engine.group import select
from regexp.engine.lanes import compilations, compile_seconds
from regexp.engine.prepare import refit_parts, refits
from regexp.engine.scores import Models, Scores, score, uses_population
from regexp.engine.stage import Stage, below
from regexp.experiment import Experiment, trials
from regexp.inference import described
from regexp.runs import Run
from regexp.runs.manifest import gather, now
from regexp.runs.provenance import (
    changed_data,
    check_config,
    check_resumable_config,
    check_resumable_data,
    config_record,
    data_hash,
    record,
    recorded,
)
from regexp.runs.summary import statistics, summarize

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
    seeds: int = 1
    inferred: tuple[str, ...] = ()  # how the data was read, where its file does not say
    evaluation_share: float = 0.0  # of the work of an epoch, about


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
class Refit:
    """Training begins again on training + validation data, for so many epochs or steps of each seed.

    programs, epochs: trained one after another, each for at most so many epochs
    """

    unit: str
    lengths: dict[int, int]
    programs: int
    epochs: int


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk."""

    epoch: float


@dataclass(frozen=True)
class Finished:
    """The run is over; `summary` is what summary.json holds."""

    summary: dict[str, Any]


Event = Prepared | Compiled | Advanced | Refit | Saved | Finished


def never() -> int:
    """No signal has arrived."""
    return 0


class Session:
    """One run from data to summary. `interrupted()` returns a signal's number once one has arrived, else 0.

    stages: the first trains and selects; a second one, where early stopping refits, trains on training + validation
    """

    def __init__(self, experiment: Experiment, data: Data, run: Run, interrupted: Callable[[], int] = never):
        self.experiment, self.data, self.run, self.interrupted = experiment, data, run, interrupted
        self.trials = trials(experiment)
        self.data_hash = data_hash(data)
        self.config = config_record(to_yaml(experiment))
        self.rows_written = 0
        self.began = False
        self.notes: tuple[str, ...] = ()
        self.seconds = {"compile": 0.0, "train": 0.0}
        self.base = {seed: split(experiment.dataset, data, seed) for seed in experiment.training.seeds}
        self.stages = [Stage(self.trials, [self.base[t.seed] for t in self.trials], data)]

    @property
    def train_size(self) -> int:
        """Training examples of each seed."""
        return len(self.stages[0].splits[0].train)

    @property
    def validation_size(self) -> int:
        """Validation examples of each seed."""
        return len(self.stages[0].splits[0].validation)

    def events(self, resume: bool = False) -> Iterator[Event]:
        """Do everything; the caller shows what it is given."""
        self.began = True
        restored = self._load_checkpoint() if resume else None
        first = self.stages[0]
        yield Prepared(
            len(self.trials), len(first.groups), self.train_size, self.validation_size, len(first.splits[0].test),
            first.groups[0].parameters, self.experiment.training.epochs, restored["epoch"] if restored else 0,
            self.notes, len(self.experiment.training.seeds), self.data.inferred,
            evaluation_share(self.experiment, self.train_size, self.validation_size),
        )  # fmt: skip
        before, seconds = compilations(), compile_seconds()
        first.compile()
        self.seconds["compile"] = compile_seconds() - seconds
        if restored:
            self._restore(restored)
        yield Compiled(self.seconds["compile"], compilations() - before)
        yield from self._train(first)
        if refits(self.experiment):
            yield from self._refit()
        summary = self._finish(before)
        self.seconds["compile"] = compile_seconds() - seconds
        summary["seconds"] = {name: round(value, 3) for name, value in self.seconds.items()}
        self.run.write_json("summary.json", summary)
        yield Finished(summary)

    # -- training -----------------------------------------------------------------------------------------------------

    def _train(self, stage: Stage) -> Iterator[Event]:
        saved = time.perf_counter()
        for one in stage.groups:
            steps = min(one.steps_per_epoch, 64)
            while not one.done:
                began = time.perf_counter()
                rows = one.advance(steps)
                took = time.perf_counter() - began
                self.seconds["train"] += took
                steps = max(1, int(min(2.0, CHUNK_SECONDS / max(took, 1e-6)) * steps))
                if stage is not self.stages[0]:
                    rows = [{"stage": "refit", **row} for row in rows]
                self.run.append_metrics(rows)
                self.rows_written += len(rows)
                yield Advanced(one.position / one.steps_per_epoch, rows)
                signal_number = self.interrupted()
                if signal_number or time.perf_counter() - saved >= self.experiment.run.checkpoint_seconds:
                    self._save()
                    saved = time.perf_counter()
                    yield Saved(one.position / one.steps_per_epoch)
                if signal_number:
                    raise Interrupted(f"stopped by a signal; go on with: {self.run.resume_command()}", signal_number)

    def _refit(self) -> Iterator[Event]:
        fresh = len(self.stages) == 1
        if fresh:
            self.stages.append(self._refit_stage())
        stage, (unit, lengths) = self.stages[1], self._lengths()
        epochs = max(-(-one.total_steps // one.steps_per_epoch) for one in stage.groups)
        yield Refit(unit, dict(zip(self.base, lengths, strict=True)), len(stage.groups), epochs)
        if fresh:
            before, seconds = compilations(), compile_seconds()
            stage.compile()
            yield Compiled(compile_seconds() - seconds, compilations() - before)
        yield from self._train(stage)

    def _lengths(self) -> tuple[str, list[int]]:
        """(unit, how long each trial trained to its best epoch)."""
        unit = refits(self.experiment) or "epochs"
        best = [max(1, int(lane["selected_epoch"])) for lane in self.stages[0].outcomes()]
        per_epoch = self.stages[0].groups[0].steps_per_epoch
        return unit, best if unit == "epochs" else [epochs * per_epoch for epochs in best]

    def _refit_stage(self) -> Stage:
        unit, lengths = self._lengths()
        members, splits = refit_parts(self.trials, self.base)
        return Stage(members, splits, self.data, **{"epochs" if unit == "epochs" else "updates": lengths})

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        arrays = {f"{i}/{k}": v for i, stage in enumerate(self.stages) for k, v in stage.snapshot().items()}
        meta = {
            "positions": [stage.positions for stage in self.stages],
            "rows": self.rows_written,
            "metrics": self.run.metrics_sha256(self.rows_written),
            "seconds": self.seconds,
            "data": self.data_hash,
            "config": self.config,
        }
        self.run.save_checkpoint("last", arrays, meta)
        # A refit has no validation data to select by: until it is over, what the first training selected is best.
        stage = self.stages[-1] if self.stages[-1].done else self.stages[0]
        self._save_best(stage, self._models(stage))

    def _save_best(self, stage: Stage, models: list[Models]) -> None:
        arrays = {f"{i}/{k}": v for i, one in enumerate(models) for k, v in one.group.saved(one.variables).items()}
        lanes = self._lanes(stage)
        meta = {
            "models": [
                {key: [lanes[i][key] for i in one.trials] for key in ("seeds", "members", "diverged", "trained")}
                for one in models
            ],
            "refit": stage is not self.stages[0],
            "data": self.data_hash,
            "config": self.config,
            **described(self.data),
        }
        self.run.save_checkpoint("best", arrays, meta)

    def _lanes(self, stage: Stage) -> list[dict[str, Any]]:
        """What the best checkpoint says of each trial whose models of `stage` it holds."""
        outcomes = stage.outcomes()
        earlier = outcomes if stage is self.stages[0] else self.stages[0].outcomes()
        return [
            {
                "seeds": trial.seed,
                "members": trial.member,
                "diverged": "diverged" in (outcome["status"], before["status"]),
                # A refit by steps may end within its first epoch, and is trained all the same.
                "trained": outcome["selected_epoch"] > 0 or stage is not self.stages[0],
            }
            for trial, outcome, before in zip(self.trials, outcomes, earlier, strict=True)
        ]

    def _load_checkpoint(self) -> dict[str, Any] | None:
        if not self.run.has_checkpoint("last"):
            if rows := self.run.whole_rows():
                self.notes += (
                    f"{self.run.path / 'checkpoints'}: holds no checkpoint, so training begins again; the {rows} "
                    "rows of metrics.jsonl are written anew",
                )
            self.run.truncate_metrics(0)
            return None
        try:
            arrays, meta, warning = self.run.load_checkpoint("last", self.run.whole_rows())
        except RunError as error:
            advice = f"put back what is missing, or empty {self.run.path / 'checkpoints'} to begin again"
            raise RunError(f"{error}; {advice}") from None
        if "metrics" in meta and self.run.metrics_sha256(meta["rows"]) != meta["metrics"]:
            raise RunError(
                f"{self.run.path / 'metrics.jsonl'}: a row from before the checkpoint is not what the run wrote; put "
                f"the file back, or empty {self.run.path / 'checkpoints'} to begin again"
            )
        notice = check_config(self.run, meta)
        if difference := changed_data(self.run.name, meta["data"], self.data, self.data_hash):
            raise RunError(difference)
        self.notes += tuple(filter(None, (warning, notice)))
        groups = self.stages[0].groups
        epoch = min(p // g.steps_per_epoch for p, g in zip(meta["positions"][0], groups, strict=True))
        return {"arrays": arrays, "meta": meta, "epoch": epoch}

    def _restore(self, restored: dict[str, Any]) -> None:
        meta = restored["meta"]
        for index, positions in enumerate(meta["positions"]):
            if index == len(self.stages):
                self.stages.append(self._refit_stage())
                self.stages[index].compile()
            self.stages[index].restore(below(restored["arrays"], f"{index}/"), positions)
        self.run.truncate_metrics(meta["rows"])
        self.rows_written = meta["rows"]
        self.seconds["train"] += meta["seconds"]["train"]

    # -- results ------------------------------------------------------------------------------------------------------

    def _models(self, stage: Stage) -> list[Models]:
        pairs = zip(stage.groups, stage.members, strict=True)
        return [Models(one, indices, v) for one, indices in pairs for v in one.selected()]

    def _score(self, stage: Stage, models: list[Models], probe: bool = False) -> Scores:
        base = self.base if stage is self.stages[0] else dict(zip(self.base, stage.splits, strict=True))
        return score(self.experiment, self.data, stage.trials, stage.splits, models, base, probe)

    def _finish(self, compiled_before: int) -> dict[str, Any]:
        self._save()
        first, stage = self.stages[0], self.stages[-1]
        lanes = first.outcomes()
        diverged = {t.seed for t, a, b in zip(self.trials, lanes, stage.outcomes(), strict=True)
                    if "diverged" in (a["status"], b["status"])}  # fmt: skip
        good = [seed not in diverged for seed in self.base]
        models, extra = self._with_statistics(stage, self._models(stage), good)
        self._save_best(stage, models)
        scores = self._score(stage, models, probe=True)
        if stage is not first:
            unit, lengths = self._lengths()
            extra["refit"] = {"unit": unit, "values": lengths}
            chosen = self._score(first, self._models(first)).metrics
            scores.metrics = [old | new for old, new in zip(chosen, scores.metrics, strict=True)]
        latest = [Models(one, who, one.latest()) for one, who in zip(first.groups, first.members, strict=True)]
        if scores.ensemble:
            extra["ensemble"] = {
                name: statistics([seed[name] for seed in scores.ensemble], good) for name in scores.ensemble[0]
            }
        self._write_predictions(scores.outputs)
        return summarize(
            list(self.base), good, lanes, scores.metrics, self._score(first, latest).metrics, select(self.experiment),
            self.seconds, compilations() - compiled_before, self._unfinished_schedules(lanes), extra,
        )  # fmt: skip

    def _with_statistics(
        self, stage: Stage, models: list[Models], good: list[bool]
    ) -> tuple[list[Models], dict[str, Any]]:
        """The models with the running statistics that the config asks for, and the gap between the two kinds."""
        if not any(one.group.has_statistics for one in models):
            return models, {}
        population = [Models(one.group, one.trials, one.group.recomputed(one.variables)) for one in models]
        ema, other = self._score(stage, models).metrics, self._score(stage, population).metrics
        gap = [{name: b[name] - a[name] for name in a} for a, b in zip(ema, other, strict=True)]
        chosen = "population" if uses_population(self.experiment) else "ema"
        report = {"used": chosen, "population_minus_ema": statistics(gap, good)}
        return population if chosen == "population" else models, {"running_statistics": report}

    def _unfinished_schedules(self, lanes: list[dict[str, Any]]) -> list[str]:
        """A warning where lanes stopped early, before their learning rate had come to its end."""
        one = self.stages[0].groups[0]
        whole = self.experiment.training.epochs * one.steps_per_epoch
        stopped = [lane for lane in lanes if lane["reason"] == "stopped early"]
        rates = {lane["seed"]: one.rate_at(lane["epochs"] * one.steps_per_epoch) for lane in stopped}
        end = one.rate_at(whole)
        late = {seed: rate for seed, rate in rates.items() if rate > 1.01 * end + 1e-6}
        if not late:
            return []
        name, shares = self.experiment.optimizer.schedule.name, ", ".join(f"{r:.2g}" for r in late.values())
        return [
            f"seed {', '.join(map(str, late))} stopped early, while the {name} schedule stood at {shares} of the "
            f"learning rate; it ends at {end:.2g}, so a shorter schedule may do better"
        ]

    def _write_predictions(self, outputs: list[np.ndarray]) -> None:
        rows = [part.test for part in self.base.values()]
        is_regression = self.data.task == "regression"
        offset = self.data.target_offset if is_regression else 0
        self.run.write_predictions(
            {
                "seeds": np.asarray(list(self.base)),
                "rows": np.stack(rows),
                "targets": np.stack([self.data.targets[r] + offset for r in rows]),
                "outputs": np.stack(outputs) + offset,
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
    if resume:
        manifest |= recorded(run)  # until the session has compared them with what is there now
    run.write_json("manifest.json", manifest)
    session, ended = None, False
    try:
        set_up(device)
        manifest["device"] = describe_device()
        if resume:
            check_resumable_config(run)
        data = load_data(loaded.experiment.dataset)
        if resume:  # before the changed data fails for a reason that the user would not understand
            check_resumable_data(run, data)
        session = Session(loaded.experiment, data, run, interrupted)
        first = session.stages[0]
        facts = Facts.of(data, first.splits[0], first.groups[0].layers)
        session.notes = (*map(str, loaded.check_data(facts)), *data.notes)
        for event in session.events(resume):
            if isinstance(event, Prepared):
                if not resume:
                    run.write_config(to_yaml(loaded.experiment), data.inferred)
                manifest |= record(to_yaml(loaded.experiment), data, session.data_hash)
                run.write_json("manifest.json", manifest)
            elif isinstance(event, Finished):
                _end(run, manifest, event.summary["status"], None, session)
                ended = True
            yield event
    except BaseException as error:
        if ended:  # what fails now is the caller's, not the run
            raise
        if isinstance(error, UsageError | DataError) and not resume and (session is None or not session.began):
            run.discard()  # nothing was trained: the name is free again
            raise
        if isinstance(error, RunError) and session is not None and session.began:
            error = RunError(f"{error}; once that is mended: {run.resume_command()}")
        status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt | GeneratorExit) else "failed"
        with contextlib.suppress(RunError):  # of a full disk the first error is the one to tell
            _end(run, manifest, status, f"{type(error).__name__}: {error}".splitlines()[0], session)
        raise error from None
    finally:
        run.close()


def _end(run: Run, manifest: dict[str, Any], status: str, reason: str | None, session: Session | None) -> None:
    manifest |= {"status": status, "reason": reason, "ended": now()}
    if status in ("done", "partly diverged", "diverged"):
        manifest["files"] = run.checksums()
    if session is not None:
        manifest["seconds"] = {name: round(value, 3) for name, value in session.seconds.items()}
    run.write_json("manifest.json", manifest)


def _status(run: Run) -> str | None:
    try:
        return str(run.read_json("manifest.json").get("status"))
    except RunError:
        return None
