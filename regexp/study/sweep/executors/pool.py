"""Tasks handed to workers of their own, one at a time; what a worker had that died is handed out again.

This is what `processes` and `ray` share. A worker says Ready, then of each task its answers and Finished; when it is
gone, its kind says Died for it and starts another.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from regexp.core.errors import Interrupted, RunError
from regexp.engine.device import Device
from regexp.study.sweep.executors.base import Executor
from regexp.study.sweep.tasks import Answer, Block, Ended, Lost, Measured, Moved, Outcome, Task

ATTEMPTS = 3  # a block that so many workers died of is recorded as failed
SECONDS = 0.2  # at most, until a signal is obeyed


@dataclass(frozen=True)
class Ready:
    """A worker can take tasks, on these devices."""

    devices: str


@dataclass(frozen=True)
class Finished:
    """A task is done. compilations: programs this worker has compiled so far."""

    compilations: int


@dataclass(frozen=True)
class Died:
    """A worker is gone, and its memory with it."""

    reason: str


Said = Ready | Answer | Finished | Died
Worker = Any  # whatever a kind knows its workers by; hashable


class Pool(Executor):
    """A kind of worker defines `hand` and `listen`.

    compiled: programs of each worker that lives; programs: of all that ever lived
    """

    def __init__(self, device: Device):
        super().__init__(device)
        self.idle: list[Worker] = []
        self.devices = ""
        self.compiled: dict[Worker, int] = {}
        self.programs = 0

    @abstractmethod
    def hand(self, worker: Worker, task: Task) -> None:
        """Give an idle worker a task."""

    @abstractmethod
    def listen(self, seconds: float) -> Iterator[tuple[Worker, Said]]:
        """What workers say within so many seconds. Raises what a worker failed of; RunError where none can start."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        waiting = deque(_Job(task) for task in tasks)
        jobs: dict[Worker, _Job] = {}
        while waiting or jobs:
            while waiting and self.idle:
                worker = self.idle.pop(0)
                jobs[worker] = waiting.popleft()
                self.hand(worker, jobs[worker].task)
            for worker, said in self.listen(SECONDS):
                if isinstance(said, Died):
                    self.idle = [other for other in self.idle if other != worker]
                    self.compiled.pop(worker, None)
                    if worker in jobs:
                        yield from _again(jobs.pop(worker), said.reason, waiting)
                elif isinstance(said, Ready):
                    self.idle.append(worker)
                    self.devices = said.devices
                elif isinstance(said, Finished):
                    self.idle.append(worker)
                    self.programs += said.compilations - self.compiled.get(worker, 0)
                    self.compiled[worker] = said.compilations
                    del jobs[worker]
                else:
                    jobs[worker].note(said)
                    yield said
            if number := self.interrupted():
                raise Interrupted("stopped by a signal", number)

    def describe(self) -> str:
        return f"{self.workers} worker{'s' * (self.workers > 1)}, each {self.devices}"

    def compilations(self) -> int:
        return self.programs


@dataclass
class _Job:
    """A task on its way.

    deaths: of workers that had it, since it was handed out or a part of it ended
    lane_steps: made since then; of what is still in training, earlier ones are forgotten
    over: all is answered; the worker has only to say that it has Finished
    """

    task: Task
    deaths: int = 0
    lane_steps: int = 0
    over: bool = False

    @property
    def lanes(self) -> tuple[int, ...]:
        return self.task.lanes if isinstance(self.task, Block) else ()

    def note(self, answer: Answer) -> None:
        """What need not be done again."""
        if isinstance(answer, Moved):
            self.lane_steps += answer.lane_steps
        if isinstance(answer, Ended) and isinstance(self.task, Block):
            self.task, self.lane_steps, self.deaths = self.task.without(answer.outcomes), 0, 0
            self.over = not self.lanes
        if isinstance(answer, Measured):
            self.over = True


def _again(job: _Job, reason: str, waiting: deque[_Job]) -> Iterator[Answer]:
    """A dead worker's task is the next to be handed out, unless too many died of it."""
    if job.over:
        return
    yield Lost(job.lane_steps, job.lanes, reason)
    job.deaths, job.lane_steps = job.deaths + 1, 0
    if job.deaths < ATTEMPTS:
        waiting.appendleft(job)
        return
    reason = f"{ATTEMPTS} workers died of it, the last: {reason}"
    if not isinstance(job.task, Block):
        raise RunError(f"the first steps cannot be measured: {reason}")
    failed = job.lanes[: job.task.size]  # those in training
    yield Ended({lane: Outcome("failed", 0, reason=reason) for lane in failed})
    rest = job.task.without(failed)
    if rest.lanes:
        waiting.appendleft(_Job(rest))
