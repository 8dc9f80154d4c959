"""Where blocks are trained, by name: a file for each."""

from __future__ import annotations

from regexp.engine.device import Device
from regexp.study.sweep.executors.base import Executor, Name


def executor_of(
    name: Name, device: Device = "auto", workers: int | None = None, address: str | None = None
) -> Executor:
    """workers: not of `local`; address: of `ray`. Raises UsageError where the executor's package is not installed."""
    if name == "processes":
        from regexp.study.sweep.executors.processes import Processes

        return Processes(device, workers)
    if name == "ray":
        from regexp.study.sweep.executors.ray import Ray

        return Ray(device, workers, address)
    from regexp.study.sweep.executors.local import Local

    return Local(device)
