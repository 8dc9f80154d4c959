"""Read a sweep's search: its stages with their ranges and trials, and the expected best score of a smaller budget.

The trials are read from the sweep's database: the tables of Optuna, through sqlite3, because importing Optuna takes a
second. The expected best of a smaller budget requires independent trials, so it is computed only for a first stage with
the sampler `random`: the points of sobol and grid depend on each other, tpe, gp and cma_es learn from earlier trials,
and later stages start from settings of earlier ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regexp.core.errors import RunError
from regexp.metrics import smaller_is_better
from regexp.report.records import (
    Record,
    checked_list,
    checked_mapping,
    checked_number,
    checked_text,
    read_config,
)
from regexp.runs import Run
from regexp.statistics import expected_best

SCALES = {"log_uniform": "log", "uniform": "linear", "int_uniform": "linear", "choice": "choice", "optional": "choice"}
GREATEST = 1e100  # beyond any float32, and more than a chart can show


@dataclass(frozen=True)
class Trial:
    """A setting and its outcome.

    status: `done`, `pruned`, `diverged` or `failed`
    value: the objective; None if the trial did not reach one
    """

    stage: int
    number: int
    setting: Mapping[str, Any]
    status: str
    value: float | None
    epochs: int
    reason: str

    def searched(self, path: str) -> Any:
        """Return the trial's value of a parameter; None if the method it belongs to is switched off."""
        method = ".".join(path.split(".")[:2])
        return None if path != method and self.setting.get(method) is False else self.setting.get(path)


@dataclass(frozen=True)
class Stage:
    """A stage of a sweep.

    name: `stage 1`, ..., `confirmation`
    ranges: {parameter: its two ends, or the remaining choices}; {} for a confirmation
    changes: why the ranges differ from those of the previous stage
    best: the objective of the best trial; of a confirmation, that of the winner
    """

    name: str
    trials: tuple[Trial, ...]
    epochs: int
    seeds: int
    ranges: Mapping[str, Sequence[Any]]
    changes: tuple[str, ...]
    best: float | None


@dataclass(frozen=True)
class Search:
    """The search of a sweep.

    scales: {parameter: `log`, `linear` or `choice`}, in the order of the config
    winner: the setting of the winner, or None
    best: the expected best validation score of 1, 2, ... completed random trials; () for other samplers
    notes: warnings, parameter importances, why trials are missing
    """

    name: str
    objective: str
    smaller_is_better: bool
    scales: Mapping[str, str]
    stages: tuple[Stage, ...] = ()
    winner: Mapping[str, Any] | None = None
    best: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def searched(self) -> tuple[Stage, ...]:
        """Return the stages without the confirmation."""
        return tuple(stage for stage in self.stages if stage.ranges)

    def ranked(self, stage: Stage) -> list[Trial]:
        """Return the completed trials of a stage, best first."""
        sign = 1 if self.smaller_is_better else -1
        good = [trial for trial in stage.trials if trial.status == "done" and trial.value is not None]
        return sorted(good, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def searches(records: Sequence[Record]) -> list[Search]:
    """Return the searches of the sweeps that the records come from."""
    sweeps = {r.path: r for r in records if r.manifest.get("kind") == "sweep"}
    return [_search(record, record.name.partition(": ")[0]) for record in sweeps.values()]


def _search(record: Record, name: str) -> Search:
    """Read a search; a note explains what cannot be read."""
    config = read_config(record.path / "config.yaml")
    objective = str(config.get("sweep.objective", "validation/loss"))
    empty = Search(name, objective, smaller_is_better(objective), _scales(config))
    if not (record.path / "study.db").is_file():
        where = record.manifest.get("storage")
        location = f"the database {where}, which this report does not read" if where else "study.db, which is missing"
        return replace(empty, notes=(f"trials not shown: they are in {location}",))
    try:
        return _read(empty, record, config)
    except (RunError, sqlite3.Error, TypeError, ValueError, RecursionError) as error:
        return replace(empty, notes=(f"trials not shown: they cannot be read: {str(error).partition(chr(10))[0]}",))


def _scales(config: Mapping[str, Any]) -> dict[str, str]:
    """Return {"regularizers.l2.strength": "log"} from keys like sweep.space.regularizers.l2.strength.log_uniform."""
    keys = [key.removeprefix("sweep.space.").rpartition(".") for key in config if key.startswith("sweep.space.")]
    return {path: SCALES[kind] for path, _, kind in keys if kind in SCALES}


def _read(empty: Search, record: Record, config: Mapping[str, Any]) -> Search:
    notes, trials = _database(record.path / "study.db")
    summary = Run(record.path).read_json("summary.json") if record.status == "done" else {}
    winner = checked_mapping(summary.get("winner") or {}).get("setting")
    raw_stages = checked_list(config.get("sweep.stages"), "config.yaml: sweep.stages")
    stage_configs = [checked_mapping(stage) for stage in raw_stages]
    search = replace(empty, winner=None if winner is None else checked_mapping(winner))
    stages = [
        _stage(search, i, stage_config, notes.get(f"stage {i + 1} ranges"), trials)
        for i, stage_config in enumerate(stage_configs)
    ]
    confirmed = _confirmation(search, [t for t in trials if t.stage == len(stage_configs)], stages, config)
    stages = [stage for stage in [*stages, confirmed] if stage.trials]
    best: tuple[float, ...] = ()
    if stages and stage_configs[0].get("sampler") == "random" and not stage_configs[0].get("halving"):
        values = [trial.value for trial in search.ranked(stages[0])]
        best = tuple(expected_best([v for v in values if v is not None], empty.smaller_is_better).tolist())
    return replace(search, stages=tuple(stages), best=best, notes=tuple(_remarks(summary)))


def _database(path: Path) -> tuple[dict[str, Any], list[Trial]]:
    """Return the attributes and the trials of the study in Optuna's database."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        notes = {key: _unpacked(text) for key, text in
                 database.execute("SELECT key, value_json FROM study_user_attributes ORDER BY key")}  # fmt: skip
        query = "SELECT value_json FROM trial_user_attributes WHERE key = 'record' ORDER BY trial_id"
        trials = [_trial(checked_mapping(_unpacked(text))) for (text,) in database.execute(query)]
    return notes, list(
        {(t.stage, t.number): t for t in trials}.values()
    )  # a resumed sweep may tell a trial twice; the last one counts


def _unpacked(text: str) -> Any:
    """Decode an attribute: Optuna stores values as JSON, and ours are themselves JSON text."""
    return json.loads(json.loads(text))


def _trial(raw: Mapping[str, Any]) -> Trial:
    setting = _active_part({str(path): value for path, value in checked_mapping(raw.get("setting")).items()})
    numbers = [value for value in setting.values() if not isinstance(value, bool | str)]
    if not all(_is_drawable(checked_number(value)) for value in [*numbers, raw.get("value")]):
        raise ValueError("study.db: damaged: a number")
    return Trial(
        stage=_count(raw.get("stage")),
        number=_count(raw.get("number")),
        setting=setting,
        status=checked_text(raw.get("status"), "study.db: status"),
        value=checked_number(raw.get("value")),
        epochs=_count(raw.get("epochs")),
        reason=str(raw.get("reason") or ""),
    )


def _active_part(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return the setting without the parameters of methods that are switched off."""
    out = tuple(f"{path}." for path, value in setting.items() if value is False)
    return {path: value for path, value in setting.items() if not path.startswith(out)}


def _is_drawable(value: float | None) -> bool:
    return value is None or abs(value) < GREATEST


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 10**9:
        raise ValueError("study.db: damaged: a trial's numbers")
    return value


def _stage(search: Search, index: int, stage_config: Mapping[str, Any], note: Any, trials: Sequence[Trial]) -> Stage:
    stage_trials = tuple(sorted((t for t in trials if t.stage == index), key=lambda t: t.number))
    note = checked_mapping(note or {})
    announced = checked_mapping(note.get("ranges", {})).items()
    ranges = {path: _ends(ends, search.scales.get(path)) for path, ends in announced}
    changes = tuple(map(str, checked_list(note.get("changes", []), "study.db: changes")))
    epochs, seeds = (_count(stage_config.get(key, 1)) for key in ("epochs", "seeds"))
    stage = Stage(f"stage {index + 1}", stage_trials, epochs, seeds, ranges, changes, None)
    return replace(stage, best=next((trial.value for trial in search.ranked(stage)), None))


def _ends(ends: Any, scale: str | None) -> list[Any]:
    """Return the two ends of a range, or the choices. Raises ValueError for a damaged range."""
    checked = checked_list(ends, "study.db: a range")
    if scale in ("log", "linear"):
        low, high = map(checked_number, checked)
        fits = low is not None and high is not None and low <= high and (scale == "linear" or low > 0)
        if not fits or not _is_drawable(low) or not _is_drawable(high):
            raise ValueError("study.db: damaged: a range")
    return checked


def _confirmation(search: Search, trials: Sequence[Trial], stages: Sequence[Stage], config: Mapping[str, Any]) -> Stage:
    winner = next((t.value for t in trials if t.setting == search.winner), None)
    seeds = _count(config.get("sweep.confirm.seeds", 5))
    return Stage("confirmation", tuple(trials), stages[-1].epochs if stages else 0, seeds, {}, (), winner)


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    shares = [(path, checked_number(share)) for path, share in checked_mapping(summary.get("importance") or {}).items()]
    importances = ", ".join(f"{path} {share:.0%}" for path, share in shares if share is not None)
    cautions = [str(text) for text in checked_list(summary.get("warnings", []), "summary.json: warnings")]
    return (
        [f"parameter importance for the best trials of the first stage (PED-ANOVA): {importances}"]
        if importances
        else []
    ) + cautions
