"""What a caller of a sweep sees.

Planned, then for each stage [Narrowed], Began, Progress ... [WorkerLost], and at last Concluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regexp.study.sweep.records import Record


@dataclass(frozen=True)
class Planned:
    """Before the first trial.

    trials: of each stage and the confirmation; lane_steps: updates, over all lanes
    seconds: what it will take, compiling included; by some steps of a block, measured on this machine
    most_seconds: so long where the first program was in the cache and no other is
    workers: so many blocks are trained at a time
    notes: what a user should know of the data
    inferred: how the data was read, where its file does not say
    """

    trials: list[int]
    lanes: int
    programs: int
    block: int
    lane_steps: int
    seconds: float
    most_seconds: float
    step_microseconds: float
    workers: int = 1
    finished: int = 0
    notes: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()


@dataclass(frozen=True)
class Narrowed:
    """The ranges of a stage and why they changed."""

    stage: int
    lines: list[str]


@dataclass(frozen=True)
class Began:
    """A stage, or with the number after the last the confirmation."""

    stage: int
    trials: int
    epochs: int
    seeds: int
    confirming: bool


@dataclass(frozen=True)
class Progress:
    """Where the stage is.

    done: trials that have ended, those that failed included
    running: those with a lane in a block in training
    """

    stage: int
    trials: int
    done: int
    failed: int
    running: int
    best: float | None
    seconds_left: float | None
    ended: list[Record]


@dataclass(frozen=True)
class WorkerLost:
    """A worker died; what it trained is trained again."""

    reason: str


@dataclass(frozen=True)
class Concluded:
    """The sweep is over; `summary` is what summary.json holds."""

    summary: dict[str, Any]


Event = Planned | Narrowed | Began | Progress | WorkerLost | Concluded
