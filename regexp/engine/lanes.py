"""Trials as lanes of one compiled program: grouped by structure, stacked, sharded over the devices. The only `jit`.

On CPU the host is split into one device per core, and lanes are sharded over them. Within a device lanes are trained
together by `vmap` or one after another by `map`: see `choose_mode` for the measurement behind the choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from regexp.core.lazy import jax, lax
from regexp.engine import cache
from regexp.experiment import Trial

Tree = Any
Mode = Literal["vmap", "map"]


def group(trials: Sequence[Trial], lanes: Sequence[Tree]) -> list[list[int]]:
    """The indices of trials that one program can train, in order of appearance.

    Those with equal structure of the experiment and equal shapes of what their lanes hold.
    """
    groups: dict[Any, list[int]] = {}
    for index, (trial, lane) in enumerate(zip(trials, lanes, strict=True)):
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(lane))
        groups.setdefault((jax.tree.structure(trial.experiment), shapes), []).append(index)
    return list(groups.values())


def stack(trees: Sequence[Tree]) -> Tree:
    """Trees of one structure -> one tree whose leaves have a leading axis of lanes."""
    return jax.tree.map(lambda *leaves: np.stack([_as_array(leaf) for leaf in leaves]), *trees)


def _as_array(leaf: Any) -> np.ndarray:
    if isinstance(leaf, float):
        return np.asarray(leaf, jax.dtypes.canonicalize_dtype(np.float64))
    return np.asarray(leaf, np.int32) if isinstance(leaf, int) else np.asarray(leaf)


@dataclass(frozen=True)
class Layout:
    """Where lanes live: `devices` of them side by side, on each device by vmap or by map.

    lanes    trials
    padded   lanes after repeating the last one so that every device has as many
    """

    lanes: int
    devices: tuple[Any, ...]
    mode: Mode

    @property
    def padded(self) -> int:
        return -(-self.lanes // len(self.devices)) * len(self.devices)

    def pad(self, tree: Tree) -> Tree:
        """Host arrays (lanes, ...) -> (padded, ...), the last lane repeated."""
        extra = self.padded - self.lanes
        return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], extra, 0)]) if extra else x, tree)

    def sharding(self, over_lanes: bool) -> Any:
        """Of an array with a leading axis of lanes, or of one that all lanes share."""
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        spec = PartitionSpec("lanes") if over_lanes else PartitionSpec()
        return NamedSharding(Mesh(np.asarray(self.devices), ("lanes",)), spec)

    def put(self, tree: Tree, over_lanes: bool) -> Tree:
        """Host arrays onto the devices."""
        return jax.device_put(tree, self.sharding(over_lanes))


def choose_layout(lanes: int, parameters: int, convolutional: bool) -> Layout:
    """Devices and mode for so many lanes of a model, by the measurements in docs/architecture.md."""
    devices = tuple(jax.devices()[: max(1, min(lanes, len(jax.devices())))])
    on_cpu = devices[0].platform == "cpu"
    mode: Mode = "map" if on_cpu and (convolutional or parameters > MAP_ABOVE) else "vmap"
    layout = Layout(lanes, devices, mode)
    if mode == "map" and layout.padded > WORTH_PADDING * lanes:
        return Layout(lanes, devices[:1], mode)  # its products use all cores
    return layout


MAP_ABOVE = 50_000  # parameters
WORTH_PADDING = 1.2  # 3 lanes of 784-256-256-10: 719 us a step padded to 4 on two devices, 615 us on one


@dataclass
class Program:
    """A compiled function over lanes."""

    call: Callable[..., Any]


# Linux gives a process 65,530 memory maps, and XLA crashes where it gets none. The three programs of a structure take
# 1,100 (MLP) to 2,400 (ResNet-8): a sweep over many structures has to forget some, and reads them from the cache again.
MOST_MAPS, COUNTED_EVERY = 40_000, 16  # programs: to count is to read a line for each map
_programs: dict[Any, Program] = {}  # the one used last is the last
_made: list[float] = []  # seconds of each, forgotten ones included


def compilations() -> int:
    """How many programs this process has compiled (or read from the cache) so far."""
    return len(_made)


def compile_seconds() -> float:
    """What those compilations took."""
    return sum(_made)


def compile_over_lanes(
    function: Callable[..., Any],
    layout: Layout,
    shared: tuple[Tree, ...],
    lanes: tuple[Tree, ...],
    static: tuple[Any, ...] = (),
    donate: int | None = None,
    once: bool = False,
) -> Program:
    """Compile `function(*static, *shared, *lane)`, written for one lane, for all lanes of `layout`.

    shared, lanes: example arguments, as they will be passed to `call(*shared, *lanes)`
    donate: which of `lanes` may be overwritten by the result
    once: it is called so rarely that compiling it counts for more than running it
    The same function, layout, statics, structures and shapes give the program made before, if it is not forgotten.
    """
    examples = (*shared, *lanes)
    shapes = jax.tree.map(lambda x: (np.shape(x), str(x.dtype)), examples)
    key = (function, layout, static, tuple(jax.tree.leaves(shapes)), jax.tree.structure(examples))
    if key not in _programs:
        began = time.perf_counter()
        jitted = _jit(partial(function, *static), layout, len(shared), len(lanes), donate, once)
        decides = (static, layout.lanes, layout.mode, len(shared), donate, once)
        compiled = cache.program(lambda: jitted.lower(*examples).compile(), function, decides, examples, layout.devices)
        _forget()
        _programs[key] = Program(compiled)
        _made.append(time.perf_counter() - began)
    _programs[key] = _programs.pop(key)
    return _programs[key]


def _forget() -> None:
    """The half of the programs that was not used for longest, where the process has nearly no memory maps left."""
    if len(_made) % COUNTED_EVERY == 0 and memory_maps() > MOST_MAPS:
        for key in list(_programs)[: len(_programs) // 2]:
            del _programs[key]


def memory_maps() -> int:
    """How many this process has; 0 where the system does not tell."""
    try:
        with open("/proc/self/maps", "rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0


def _jit(
    function: Callable[..., Any], layout: Layout, n_shared: int, n_lanes: int, donate: int | None, once: bool
) -> Any:
    from jax.sharding import Mesh, PartitionSpec

    axes = (None,) * n_shared + (0,) * n_lanes

    def mapped(*arguments: Tree) -> Tree:
        shared = arguments[:n_shared]
        return lax.map(lambda one: function(*shared, *one), arguments[n_shared:])

    several = jax.vmap(function, in_axes=axes) if layout.mode == "vmap" else mapped
    mesh = Mesh(np.asarray(layout.devices), ("lanes",))
    specs = tuple(PartitionSpec() if axis is None else PartitionSpec("lanes") for axis in axes)
    sharded = jax.shard_map(several, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("lanes"), check_vma=False)
    donated = () if donate is None else (n_shared + donate,)
    options = (CPU_ONCE if once else CPU_OPTIONS) if layout.devices[0].platform == "cpu" else None
    return jax.jit(sharded, donate_argnums=donated, compiler_options=options)


# XLA's own is 256 bits. With AVX-512 a step takes 0.90 (784-32-32-10) to 0.97 (CNN) of the time that it takes so.
CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512}
# LLVM's first level: the first states of the 67 files under configs/ compile in 0.28 of the time, to the same bits.
CPU_ONCE = {"xla_backend_optimization_level": 1}
