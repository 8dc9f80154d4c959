"""What a worker is asked and what it answers: plain data that travels between processes.

Measure -> Measured
Block   -> Moved ..., Ended [Moved ..., Ended where it does not fit into memory as a whole]
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from regexp.experiment import Trial

State = dict[str, np.ndarray]  # of one lane, as named arrays


@dataclass(frozen=True)
class Measure:
    """How many lanes a block shall have, and how long they take.

    needs: (lanes of one structure, epochs) of each stage
    workers: that train them
    """

    trial: Trial
    needs: tuple[tuple[int, int], ...]
    workers: int


@dataclass(frozen=True)
class Block:
    """Trials of one structure, to be trained by one program, in their order.

    lanes: the trials' indices in the call of Blocks.train
    size: lanes of the program; where there are more trials, each takes the place of one that is over; where there are
        less, the last is repeated
    rung: epochs after which they wait for one another; None: they are trained to their end
    states: where each goes on, all after as many steps; () at the beginning
    """

    lanes: tuple[int, ...]
    trials: tuple[Trial, ...]
    size: int
    rung: int | None = None
    states: tuple[State, ...] = ()

    def without(self, lanes: Collection[int]) -> Block:
        """Those that are not over yet."""
        kept = [place for place, lane in enumerate(self.lanes) if lane not in lanes]
        return replace(
            self,
            lanes=tuple(self.lanes[i] for i in kept),
            trials=tuple(self.trials[i] for i in kept),
            states=tuple(self.states[i] for i in kept) if self.states else (),
        )


Task = Measure | Block


@dataclass(frozen=True)
class Outcome:
    """How one lane ended. metrics: of the epoch selected; {} where it diverged or failed."""

    status: str
    epochs: int
    metrics: dict[str, float] = field(default_factory=dict)
    step: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Measured:
    """size: of a block; seconds: to compile; step_seconds: of one lane; spared: seconds, by programs of the cache.

    reason: why the trial cannot be trained, so that nothing was measured; key: of the config, if one is to blame
    """

    size: int
    seconds: float
    step_seconds: float
    steps_per_epoch: int
    spared: float = 0.0
    reason: str = ""
    key: str | None = None


@dataclass(frozen=True)
class Moved:
    """Lanes made so many steps, together; in 0 seconds those that they need not make, as they have stopped."""

    lane_steps: int
    seconds: float
    lanes: Sequence[int]


@dataclass(frozen=True)
class Ended:
    """Lanes that are over, or at their rung; there with the states in which they wait."""

    outcomes: dict[int, Outcome]
    states: dict[int, State] = field(default_factory=dict)


@dataclass(frozen=True)
class Lost:
    """A worker died, and so many steps of these lanes with it; they begin anew."""

    lane_steps: int
    lanes: Sequence[int]
    reason: str


Answer = Measured | Moved | Ended | Lost
