"""A sweep's first stage -> what a shorter search would have found, where its trials are independent of each other.

Only `random` draws them so: sobol spreads its points, grid knows where they lie, tpe, gp and cma_es learn as they go,
and later stages carry settings over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regexp.errors import RunError
from regexp.metrics import smaller_is_better
from regexp.report.records import Record, checked_number, read_config
from regexp.statistics import expected_best


@dataclass(frozen=True)
class Search:
    """best: (trials,) the expected best validation score of 1, 2, ... trials that worked."""

    name: str
    objective: str
    best: np.ndarray


def searches(records: Sequence[Record]) -> list[Search]:
    """Of the sweeps that these records come from, those that began with random trials."""
    sweeps = {r.path: r.name.partition(": ")[0] for r in records if r.manifest.get("kind") == "sweep"}
    found = [_search(path, name) for path, name in sweeps.items()]
    return [one for one in found if one is not None]


def _search(folder: Path, name: str) -> Search | None:
    try:
        config = read_config(folder / "config.yaml")
        first = next(iter(config.get("sweep.stages") or ()), None)
        if not isinstance(first, dict) or first.get("sampler") != "random" or first.get("halving"):
            return None
        values = _values(folder / "study.db")
    except (RunError, sqlite3.Error, TypeError, ValueError, OSError, RecursionError):
        return None
    objective = str(config.get("sweep.objective", "validation/loss"))
    return Search(name, objective, expected_best(values, smaller_is_better(objective))) if values else None


def _values(path: Path) -> list[float]:
    """Of the first stage's trials that are done, as Optuna's storage keeps them."""
    if not path.is_file():
        return []
    query = "SELECT value_json FROM trial_user_attributes WHERE key = 'record' ORDER BY trial_id"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        rows = [_record(text) for (text,) in database.execute(query)]
    once = {r.get("number"): r for r in rows if r.get("stage") == 0}  # a trial told twice is one
    values = [checked_number(r.get("value")) for r in once.values() if r.get("status") == "done"]
    return [value for value in values if value is not None]


def _record(text: str) -> Mapping[str, Any]:
    """JSON within JSON: an attribute's value is text, and the record is one."""
    found = json.loads(json.loads(text))
    return found if isinstance(found, dict) else {}
