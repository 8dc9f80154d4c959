"""Workers as Ray actors, each with its share of a cluster.

Ray places them, tells when one is lost with its process or its node, and begins it anew wherever there is room. Which
block an actor has is decided here: one that Ray tried again itself would wait until its own actor is back.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from regexp.core.errors import RegexpError, RunError, UsageError
from regexp.datasets.base import Data
from regexp.engine.device import Device, describe_device, set_up
from regexp.engine.lanes import compilations
from regexp.study.sweep.executors.pool import Died, Finished, Pool, Ready, Said
from regexp.study.sweep.tasks import Task
from regexp.study.sweep.trainer import Lanes, Trainer

Setup = tuple[Device, int, Data, Any]  # device, CPUs, data, dataset


class Ray(Pool):
    """address: of a cluster, `auto` for the one this machine belongs to; None begins one here.

    workers: by default one for each GPU, or as many as have room with the CPUs of the smallest node
    """

    def __init__(self, device: Device = "auto", workers: int | None = None, address: str | None = None):
        if find_spec("ray") is None:
            raise UsageError("the executor ray needs ray: pip install '.[ray]'")
        super().__init__(device)
        self.asked, self.address = workers, address
        self.actors: list[Any] = []
        self.awaited: dict[Any, int] = {}  # what Ray will answer -> the actor's number

    def set_up(self) -> None:
        import ray

        set_up("cpu")  # the devices are the workers'
        _connect(self.address)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = sum(int(node.get("GPU", 0)) for node in nodes) if self.device != "cpu" else 0
        if gpus:
            self.workers, self.cpus = min(self.asked or gpus, gpus), 1
        else:
            self.workers, self.cpus = share([int(node.get("CPU", 0)) for node in nodes], self.asked)
        self.needs = {"num_cpus": self.cpus, "num_gpus": 1 if gpus else 0}

    def begin(self, lanes: Lanes) -> None:
        import ray

        self.setup = ray.put((self.device, self.cpus, lanes.data, lanes.dataset))  # once for each node
        kind = ray.remote(Actor).options(max_restarts=-1, **self.needs)
        self.actors = [kind.remote() for _ in range(self.workers)]
        for number in range(self.workers):
            self._await_ready(number)

    def hand(self, worker: int, task: Task) -> None:
        method = self.actors[worker].run.options(num_returns="streaming", max_task_retries=0)
        self.awaited[method.remote(self.setup, task)] = worker

    def listen(self, seconds: float) -> Iterator[tuple[int, Said]]:
        import ray

        ready, _ = ray.wait(list(self.awaited), num_returns=1, timeout=seconds)
        for one in ready:
            number = self.awaited[one]
            try:
                said = ray.get(next(one) if isinstance(one, ray.ObjectRefGenerator) else one)
            except ray.exceptions.RayTaskError as error:
                cause = error.cause
                if isinstance(cause, RegexpError):
                    raise cause from None
                raise RuntimeError(f"{type(cause).__name__} in a worker: {cause}\n{error}") from None
            except ray.exceptions.RayActorError as error:
                said = Died(str(error).partition("\n")[0][:200])
            if isinstance(said, Ready | Finished | Died):
                del self.awaited[one]
            if isinstance(said, Died):
                self._await_ready(number)
            yield number, said

    def close(self) -> None:
        import ray

        for actor in self.actors:
            ray.kill(actor)
        self.actors.clear()
        self.awaited.clear()
        ray.shutdown()

    def _await_ready(self, number: int) -> None:
        self.awaited[self.actors[number].ready.options(max_task_retries=-1).remote(self.setup)] = number


class Actor:
    """What Ray runs. It is told all it needs with each call, as Ray may have begun it anew since the one before."""

    trainer: Trainer | None = None

    def ready(self, setup: Setup) -> Ready:
        self._trainer(*setup)
        return Ready(describe_device())

    def run(self, setup: Setup, task: Task) -> Iterator[Said]:
        yield from self._trainer(*setup).run(task)
        yield Finished(compilations())

    def _trainer(self, device: Device, cpus: int, data: Data, dataset: Any) -> Trainer:
        if self.trainer is None:
            set_up(device, cpus)
            self.trainer = Trainer(Lanes(data, dataset))
        return self.trainer


def share(nodes: list[int], workers: int | None) -> tuple[int, int]:
    """(workers, CPUs of each): as many CPUs as so many workers can have on nodes with these."""
    nodes = [cpus for cpus in nodes if cpus]
    if not nodes:
        raise RunError("no node of the cluster has a CPU or a GPU for a worker")
    if workers is None:
        return sum(cpus // min(nodes) for cpus in nodes), min(nodes)
    workers = min(workers, sum(nodes))
    fitting = (each for each in range(max(nodes), 0, -1) if sum(cpus // each for cpus in nodes) >= workers)
    return workers, next(fitting)


def _knock(address: str) -> None:
    """Whether anybody is there: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--address is auto or HOST:PORT, not {address}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise RunError(f"no Ray cluster at {address}: {error.strerror or error}") from None


def _connect(address: str | None) -> None:
    """Raises RunError where no cluster is. Ray sets a handler of SIGTERM, in which the driver would end unsaved."""
    import ray

    if address not in (None, "auto"):
        _knock(str(address))
    handler = signal.getsignal(signal.SIGTERM)
    own: Any = {"include_dashboard": False} if address is None else {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RunError(f"no Ray cluster at {address}: {reason}") from None
    finally:
        signal.signal(signal.SIGTERM, handler)
