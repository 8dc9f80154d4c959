"""The contract of an executor: where blocks are trained. The driver asks, tells and records; workers hold no state.

set_up -> begin -> run ... -> close
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from regexp.engine.device import Device
from regexp.study.sweep.tasks import Answer, Task
from regexp.study.sweep.trainer import Lanes
from regexp.study.train import never

Name = Literal["local", "processes", "ray"]


class Executor(ABC):
    """device: of the workers.

    workers: so many blocks are trained at a time
    interrupted: returns a signal's number once one has arrived, else 0; set before `begin`
    """

    workers: int

    def __init__(self, device: Device):
        self.device = device
        self.interrupted: Callable[[], int] = never

    @abstractmethod
    def set_up(self) -> None:
        """Begin what takes time and needs no data. Raises DeviceError where `device` is not there."""

    @abstractmethod
    def begin(self, lanes: Lanes) -> None:
        """The data is there."""

    @abstractmethod
    def run(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        """Do the tasks, in any order. Raises Interrupted after a signal."""

    @abstractmethod
    def describe(self) -> str:
        """The devices, once something has run."""

    @abstractmethod
    def compilations(self) -> int:
        """Programs that all workers together have compiled."""

    @abstractmethod
    def close(self) -> None:
        """Stop the workers at once."""
