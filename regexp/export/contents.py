"""A run's record -> what every target is given. Names are harmless text and no two are alike."""

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

LONGEST = 5_000  # characters of a value


@dataclass(frozen=True)
class Contents:
    """A run.

    config: dotted key -> number, true, false or text
    metrics: of the curves, in the order in which they were measured
    curves: of every lane and epoch
    final: seed -> metric -> value at the epoch chosen, without diverged seeds
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
        """(seed, member, stage) -> its epochs; a seed without curves has none."""
        found: dict[tuple[int, int, str], list[Point]] = {(seed, 0, ""): [] for seed in self.final}
        for point in self.curves:
            found.setdefault((point.seed, point.member, point.stage), []).append(point)
        return found


def contents(record: Record) -> Contents:
    """What is stored of a run; of one that was interrupted what there is."""
    raw = list(points(record))
    names = distinct(dict.fromkeys(name for point in raw for name in point.values))
    final_names = distinct(record.metrics)
    keys = distinct(record.config)
    final = {seed: {m: own[seed] for m, own in record.metrics.items() if seed in own} for seed in record.seeds}
    return Contents(
        name=escaping.plain(record.name),
        config={keys[key]: _value(value) for key, value in record.config.items()},
        metrics=tuple(names.values()),
        curves=tuple(
            replace(point, stage=escaping.plain(point.stage), values=_renamed(point.values, names)) for point in raw
        ),
        final={seed: _renamed(own, final_names) for seed, own in final.items()},
        about={
            "command": escaping.plain(" ".join(record.command), LONGEST),
            "status": escaping.plain(record.status),
            "reason": escaping.plain(record.reason, LONGEST),
            "commit": escaping.plain(record.manifest.get("git_commit") or ""),
        },
    )


def fresh(run: Contents, output: Path) -> Path:
    """The run's own folder, made. Raises UsageError where it is there: an export adds to none."""
    folder = output.joinpath(*(part for part in PurePosixPath(run.name).parts if part not in ("..", "/")))
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            raise UsageError(f"{folder} is there already; choose another --output") from None
    return folder


def distinct(names: Iterable[str], harmless: Callable[[str], str] = escaping.plain) -> dict[str, str]:
    """{name: the same made harmless}, numbered where two would be one."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        made, number = harmless(name), 1
        while made in taken:
            number += 1
            made = f"{harmless(name)} {number}"
        found[name] = made
        taken.add(made)
    return found


def lane_name(seed: int, member: int, stage: str, members: bool) -> str:
    """`seed-0`, `seed-0-member-1`, `seed-0-refit`; a folder's name whatever the stage is called."""
    known = re.sub(r"\W", "_", stage[:40])
    return f"seed-{seed}" + (f"-member-{member}" if members else "") + (f"-{known}" if stage else "")


def _renamed(values: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    return {names[name]: value for name, value in values.items()}


def _value(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else escaping.plain(shown(value), LONGEST)
