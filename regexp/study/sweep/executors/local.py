"""Blocks one after another in this process, each over all of its devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regexp.engine import lanes as programs
from regexp.engine.device import Device, describe_device, set_up
from regexp.study.sweep.executors.base import Executor
from regexp.study.sweep.tasks import Answer, Task
from regexp.study.sweep.trainer import Lanes, Trainer


class Local(Executor):
    """The default."""

    workers = 1

    def __init__(self, device: Device = "auto"):
        super().__init__(device)
        self.before = programs.compilations()

    def set_up(self) -> None:
        set_up(self.device)

    def begin(self, lanes: Lanes) -> None:
        self.trainer = Trainer(lanes, self.interrupted)

    def run(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        for task in tasks:
            yield from self.trainer.run(task)

    def describe(self) -> str:
        return describe_device()

    def compilations(self) -> int:
        return programs.compilations() - self.before

    def close(self) -> None:
        """There is nobody to stop."""
