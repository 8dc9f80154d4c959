"""Setting up JAX before its first use: platform, a CPU device per core, cache of programs, bad releases."""

from __future__ import annotations

import contextlib
import os
import subprocess
import warnings
from importlib.metadata import version
from typing import Literal

from regexp.core.errors import DeviceError
from regexp.core.lazy import jax
from regexp.engine import cache

Device = Literal["auto", "cpu", "gpu"]
GPU_MEMORY = 0.75  # the share that JAX takes of a GPU's memory by default
MEMORY_FRACTION = ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")  # another one, by its user


def miscomputes(release: str) -> bool:
    """Whether a jaxlib release gives silently wrong numbers on CPU (jax#39103): 0.10.2 and all of 0.11."""
    numbers = tuple(int(part) for part in release.split(".")[:3] if part.isdigit())
    return numbers[:3] == (0, 10, 2) or numbers[:2] == (0, 11)


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> int:
    """The NVIDIA GPUs this process may use, found without JAX, which would take their memory."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([one for one in visible.split(",") if one.strip()])
    try:
        found = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return 0
    return sum(line.startswith("GPU ") for line in found.stdout.splitlines())


def share_gpus(number: int, workers: int) -> None:
    """Of so many workers on this machine this one takes its part of the GPUs, or of a GPU's memory. Call before
    `set_up`."""
    if count := gpus():
        own = [i for i in range(count) if i % workers == number] or [number % count]
        jax.config.update("jax_cuda_visible_devices", ",".join(map(str, own)))
        if workers > count and not any(name in os.environ for name in MEMORY_FRACTION):
            os.environ[MEMORY_FRACTION[0]] = f"{GPU_MEMORY / -(-workers // count):.3f}"


def set_up(device: Device = "auto", cpu_devices: int | None = None) -> None:
    """Choose the platform and split the CPU into one device per core. Call before JAX's first computation.

    cpu_devices: of a process that shares the cores with others
    Raises DeviceError where `device` is not there.
    """
    if miscomputes(version("jaxlib")):
        warnings.warn(
            f"jaxlib {version('jaxlib')} computes wrong numbers on CPU (jax#39103): "
            "pip install 'jax>=0.10.1,!=0.10.2,!=0.11.*'",
            stacklevel=2,
        )
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    with contextlib.suppress(RuntimeError):  # JAX's devices exist already, and their number no longer changes
        jax.config.update("jax_num_cpu_devices", cpu_devices or cores())
    on_cpu = device == "cpu" or jax.default_backend() == "cpu"
    (cache.use if on_cpu else cache.use_jax)(cache.folder_of_user(cores()))
    if device == "gpu" and on_cpu:
        raise DeviceError("no GPU found; pip install '.[cuda]' on a machine with one, or use --device cpu")


def describe_device() -> str:
    """`2 x cpu`, `1 x NVIDIA H100`."""
    devices = jax.devices()
    return f"{len(devices)} x {devices[0].device_kind}"


def check_memory(numbers: int) -> None:
    """Raises DeviceError where so many float32 do not fit: on CPU XLA waits for ever for memory that it cannot get."""
    if jax.default_backend() != "cpu" or not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if 4 * numbers > memory:
        needed, there = (f"{size / 2**30:,.0f} GiB" for size in (4 * numbers, memory))
        raise DeviceError(
            f"out of memory: the weights and their gradient need {needed}, this machine has {there}; "
            "lower the model's size or the number of training.seeds"
        )
