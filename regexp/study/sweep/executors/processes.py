"""Workers as processes of this machine, each with its share of the devices.

A process with a pipe for each worker: concurrent.futures and loky give up all of their workers when one dies, and let a
task answer only once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Iterator
from multiprocessing import connection, resource_tracker
from typing import Any

from regexp.core.errors import RegexpError, RunError
from regexp.datasets.base import Data
from regexp.engine.device import Device, cores, describe_device, gpus, set_up, share_gpus
from regexp.engine.lanes import compilations
from regexp.study.sweep.executors.pool import Died, Finished, Pool, Ready, Said
from regexp.study.sweep.tasks import Task
from regexp.study.sweep.trainer import Lanes, Trainer

STILLBORN = 3  # deaths in a row before it was ready, after which a worker is not started again


class Processes(Pool):
    """workers: by default one for each GPU, or for each core."""

    def __init__(self, device: Device = "auto", workers: int | None = None):
        super().__init__(device)
        self.workers = workers or (gpus() if device != "cpu" else 0) or cores()
        self.processes: dict[int, _Process] = {}
        self.stillborn = [0] * self.workers
        self.data: tuple[Data, Any] | None = None

    def set_up(self) -> None:
        set_up("cpu")  # the devices are the workers'
        for number in range(self.workers):
            self._start(number)

    def begin(self, lanes: Lanes) -> None:
        self.data = (lanes.data, lanes.dataset)
        for process in self.processes.values():
            process.send(self.data)

    def hand(self, worker: int, task: Task) -> None:
        self.processes[worker].send(task)

    def listen(self, seconds: float) -> Iterator[tuple[int, Said]]:
        numbers = {process.pipe: number for number, process in self.processes.items()}
        for pipe in connection.wait(list(numbers), seconds):
            number = numbers[pipe]  # type: ignore[index]
            said = self.processes[number].receive()
            if isinstance(said, Exception):
                raise said
            if isinstance(said, Ready):
                self.stillborn[number] = 0
            if isinstance(said, Died):
                self._replace(number, said)
            yield number, said

    def close(self) -> None:
        for process in self.processes.values():
            process.end()
        self.processes.clear()

    def _start(self, number: int) -> None:
        self.stillborn[number] += 1
        self.processes[number] = _Process(number, self.workers, max(1, cores() // self.workers), self.device)
        if self.data is not None:
            self.processes[number].send(self.data)

    def _replace(self, number: int, died: Died) -> None:
        del self.processes[number]
        if self.stillborn[number] < STILLBORN:
            self._start(number)
        elif not self.processes:
            raise RunError(f"the workers died before they could train: {died.reason}")


class _Process:
    """A worker, seen from the driver. SIGINT and SIGTERM are the driver's alone: its children inherit the mask."""

    def __init__(self, *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, *arguments), daemon=True)
        resource_tracker.ensure_running()  # it would lift the mask where `start` has to begin it
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()

    def send(self, what: Any) -> None:
        """To one that is dead: nothing; `receive` tells."""
        with contextlib.suppress(OSError):
            self.pipe.send(what)

    def receive(self) -> Any:
        """What it says; Died at the end of its pipe."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            reason = f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}"
            self.end()
            return Died(f"worker process {self.process.pid} died {reason}")

    def end(self) -> None:
        """At once: it holds no state."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _work(pipe: connection.Connection, number: int, workers: int, cpu_devices: int, device: Device) -> None:
    """A worker's life, until the pipe ends or the driver does."""
    threading.Thread(target=_die_with_the_driver, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            for said in _answers(pipe, number, workers, cpu_devices, device):
                pipe.send(said)
        except RegexpError as error:
            pipe.send(error)
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__} in a worker: {error}\n{traceback.format_exc()}"))


def _answers(
    pipe: connection.Connection, number: int, workers: int, cpu_devices: int, device: Device
) -> Iterator[Said]:
    if device != "cpu":
        share_gpus(number, workers)
    set_up(device, cpu_devices)
    trainer = Trainer(Lanes(*pipe.recv()))
    yield Ready(describe_device())
    while True:
        yield from trainer.run(pipe.recv())
        yield Finished(compilations())


def _die_with_the_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    connection.wait([driver.sentinel])
    os._exit(1)
