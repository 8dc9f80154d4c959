"""A sweep's folder -> its search: stages with their ranges and trials, and what a shorter one would have found.

The trials are read from the database that the sweep wrote: Optuna's tables, by SQLite alone, for Optuna would take a
second to load. What a shorter search would have found is told of independent trials alone, so of a first stage with
the sampler `random`: sobol spreads its points, grid knows where they lie, tpe, gp and cma_es learn as they go, and
later stages carry settings over.
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
GREATEST = 1e100  # no float32 is, and no chart can show it


@dataclass(frozen=True)
class Trial:
    """A setting and what it came to. status: done, pruned, diverged or failed; value: the objective, if it has one."""

    stage: int
    number: int
    setting: Mapping[str, Any]
    status: str
    value: float | None
    epochs: int
    reason: str

    def searched(self, path: str) -> Any:
        """Its value of a parameter; None where the method that has it is out."""
        method = ".".join(path.split(".")[:2])
        return None if path != method and self.setting.get(method) is False else self.setting.get(path)


@dataclass(frozen=True)
class Stage:
    """ranges: of each parameter its two ends, or the choices left; changes: why they are not those of the stage before.

    name: `stage 1`, `confirmation`; best: the objective of the best trial, of a confirmation that of the winner
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
    """A sweep's search.

    scales: of each parameter, in the order of the file: log, linear or choice
    winner: its setting, if there is one
    best: the expected best validation score of 1, 2, ... random trials that worked; else empty
    notes: what to be careful about, what mattered, why trials are missing
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
        """The stages without the confirmation."""
        return tuple(stage for stage in self.stages if stage.ranges)

    def ranked(self, stage: Stage) -> list[Trial]:
        """The trials of a stage that worked, the best first."""
        sign = 1 if self.smaller_is_better else -1
        good = [trial for trial in stage.trials if trial.status == "done" and trial.value is not None]
        return sorted(good, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def searches(records: Sequence[Record]) -> list[Search]:
    """Of the sweeps that these records come from."""
    sweeps = {r.path: r for r in records if r.manifest.get("kind") == "sweep"}
    return [_search(record, record.name.partition(": ")[0]) for record in sweeps.values()]


def _search(record: Record, name: str) -> Search:
    """What of it can be read."""
    config = read_config(record.path / "config.yaml")
    objective = str(config.get("sweep.objective", "validation/loss"))
    empty = Search(name, objective, smaller_is_better(objective), _scales(config))
    if not (record.path / "study.db").is_file():
        where = record.manifest.get("storage")
        said = f"the database {where}, which is not read here" if where else "study.db, which is not there"
        return replace(empty, notes=(f"its trials are in {said}",))
    try:
        return _read(empty, record, config)
    except (RunError, sqlite3.Error, TypeError, ValueError, RecursionError) as error:
        return replace(empty, notes=(f"its trials cannot be read: {str(error).partition(chr(10))[0]}",))


def _scales(config: Mapping[str, Any]) -> dict[str, str]:
    """{"regularizers.l2.strength": "log"}, from keys like sweep.space.regularizers.l2.strength.log_uniform."""
    keys = [key.removeprefix("sweep.space.").rpartition(".") for key in config if key.startswith("sweep.space.")]
    return {path: SCALES[kind] for path, _, kind in keys if kind in SCALES}


def _read(empty: Search, record: Record, config: Mapping[str, Any]) -> Search:
    notes, trials = _database(record.path / "study.db")
    summary = Run(record.path).read_json("summary.json") if record.status == "done" else {}
    winner = checked_mapping(summary.get("winner") or {}).get("setting")
    asked = [checked_mapping(stage) for stage in checked_list(config.get("sweep.stages"), "config.yaml: sweep.stages")]
    found = replace(empty, winner=None if winner is None else checked_mapping(winner))
    stages = [_stage(found, i, one, notes.get(f"stage {i + 1} ranges"), trials) for i, one in enumerate(asked)]
    confirmed = _confirmation(found, [t for t in trials if t.stage == len(asked)], stages, config)
    stages = [stage for stage in [*stages, confirmed] if stage.trials]
    best: tuple[float, ...] = ()
    if stages and asked[0].get("sampler") == "random" and not asked[0].get("halving"):
        values = [trial.value for trial in found.ranked(stages[0])]
        best = tuple(expected_best([v for v in values if v is not None], empty.smaller_is_better).tolist())
    return replace(found, stages=tuple(stages), best=best, notes=tuple(_remarks(summary)))


def _database(path: Path) -> tuple[dict[str, Any], list[Trial]]:
    """(the study's attributes, its trials): as Optuna's storage keeps them."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        notes = {key: _unpacked(text) for key, text in
                 database.execute("SELECT key, value_json FROM study_user_attributes ORDER BY key")}  # fmt: skip
        query = "SELECT value_json FROM trial_user_attributes WHERE key = 'record' ORDER BY trial_id"
        trials = [_trial(checked_mapping(_unpacked(text))) for (text,) in database.execute(query)]
    return notes, list({(t.stage, t.number): t for t in trials}.values())  # a trial told twice is one


def _unpacked(text: str) -> Any:
    """JSON within JSON: an attribute's value is text, and so is what stands in it."""
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
    """The setting without the values of methods that are out."""
    out = tuple(f"{path}." for path, value in setting.items() if value is False)
    return {path: value for path, value in setting.items() if not path.startswith(out)}


def _is_drawable(value: float | None) -> bool:
    return value is None or abs(value) < GREATEST


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 10**9:
        raise ValueError("study.db: damaged: a trial's numbers")
    return value


def _stage(found: Search, index: int, asked: Mapping[str, Any], note: Any, trials: Sequence[Trial]) -> Stage:
    own = tuple(sorted((t for t in trials if t.stage == index), key=lambda t: t.number))
    note = checked_mapping(note or {})
    announced = checked_mapping(note.get("ranges", {})).items()
    ranges = {path: _ends(ends, found.scales.get(path)) for path, ends in announced}
    changes = tuple(map(str, checked_list(note.get("changes", []), "study.db: changes")))
    epochs, seeds = (_count(asked.get(key, 1)) for key in ("epochs", "seeds"))
    made = Stage(f"stage {index + 1}", own, epochs, seeds, ranges, changes, None)
    return replace(made, best=next((trial.value for trial in found.ranked(made)), None))


def _ends(ends: Any, scale: str | None) -> list[Any]:
    """A range's two ends, or the choices."""
    found = checked_list(ends, "study.db: a range")
    if scale in ("log", "linear"):
        low, high = map(checked_number, found)
        fits = low is not None and high is not None and low <= high and (scale == "linear" or low > 0)
        if not fits or not _is_drawable(low) or not _is_drawable(high):
            raise ValueError("study.db: damaged: a range")
    return found


def _confirmation(found: Search, trials: Sequence[Trial], stages: Sequence[Stage], config: Mapping[str, Any]) -> Stage:
    winner = next((t.value for t in trials if t.setting == found.winner), None)
    seeds = _count(config.get("sweep.confirm.seeds", 5))
    return Stage("confirmation", tuple(trials), stages[-1].epochs if stages else 0, seeds, {}, (), winner)


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    shares = [(path, checked_number(share)) for path, share in checked_mapping(summary.get("importance") or {}).items()]
    said = ", ".join(f"{path} {share:.0%}" for path, share in shares if share is not None)
    cautions = [str(text) for text in checked_list(summary.get("warnings", []), "summary.json: warnings")]
    return ([f"what made the best of the first stage (PED-ANOVA): {said}"] if said else []) + cautions
