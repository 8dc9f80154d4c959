"""Turn a run's record into the contents that all targets export. Names are escaped and made unique."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from regexp.core import escaping
from regexp.core.errors import UsageError
from regexp.report.curves import Point, points
from regexp.report.records import Record
from regexp.report.rows import shown
from regexp.runs.files import explained

LONGEST = 5_000  # maximum number of characters of a value


@dataclass(frozen=True)
class Contents:
    """The contents of a run.

    config: {dotted key: number, boolean or text}
    metrics: names of the metrics in the curves, in the order of their measurement
    curves: one point per model and epoch
    final: {seed: {metric: value}} at the selected epoch, without diverged seeds
    about: command, status, reason, commit
    """

    name: str
    config: Mapping[str, Any]
    metrics: tuple[str, ...]
    curves: tuple[Point, ...]
    final: Mapping[int, Mapping[str, float]]
    about: Mapping[str, str]

    @property
    def lanes(self) -> dict[tuple[int, int, str], list[Point]]:
        """Return {(seed, member, stage): points}; seeds without curves have an empty list."""
        points_by_lane: dict[tuple[int, int, str], list[Point]] = {(seed, 0, ""): [] for seed in self.final}
        for point in self.curves:
            points_by_lane.setdefault((point.seed, point.member, point.stage), []).append(point)
        return points_by_lane


def contents(record: Record) -> Contents:
    """Return the contents of a run; an interrupted run has what it stored so far."""
    raw = list(points(record))
    names = distinct(dict.fromkeys(name for point in raw for name in point.values))
    final_names = distinct(record.metrics)
    keys = distinct(record.config)
    final = {
        seed: {m: values_by_seed[seed] for m, values_by_seed in record.metrics.items() if seed in values_by_seed}
        for seed in record.seeds
    }
    return Contents(
        name=escaping.plain(record.name),
        config={keys[key]: _value(value) for key, value in record.config.items()},
        metrics=tuple(names.values()),
        curves=tuple(
            replace(point, stage=escaping.plain(point.stage), values=_renamed(point.values, names)) for point in raw
        ),
        final={seed: _renamed(seed_metrics, final_names) for seed, seed_metrics in final.items()},
        about={
            "command": escaping.plain(" ".join(record.command), LONGEST),
            "status": escaping.plain(record.status),
            "reason": escaping.plain(record.reason, LONGEST),
            "commit": escaping.plain(record.manifest.get("git_commit") or ""),
        },
    )


def fresh(run: Contents, output: Path) -> Path:
    """Create the run's folder below `output`. Raises UsageError if it exists: an export never adds to a folder."""
    folder = output.joinpath(*(part for part in PurePosixPath(run.name).parts if part not in ("..", "/")))
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            raise UsageError(f"{folder} already exists; choose another --output") from None
    return folder


def distinct(names: Iterable[str], harmless: Callable[[str], str] = escaping.plain) -> dict[str, str]:
    """Return {name: escaped name}, with numbers appended where two names would become equal."""
    harmless_names: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        candidate, number = harmless(name), 1
        while candidate in used:
            number += 1
            candidate = f"{harmless(name)} {number}"
        harmless_names[name] = candidate
        used.add(candidate)
    return harmless_names


def lane_name(seed: int, member: int, stage: str, members: bool) -> str:
    """Return `seed-0`, `seed-0-member-1` or `seed-0-refit`, which is a valid folder name for any stage."""
    safe_stage = re.sub(r"\W", "_", stage[:40])
    return f"seed-{seed}" + (f"-member-{member}" if members else "") + (f"-{safe_stage}" if stage else "")


def _renamed(values: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    return {names[name]: value for name, value in values.items()}


def _value(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else escaping.plain(shown(value), LONGEST)
