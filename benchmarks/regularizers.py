"""`python -m benchmarks.regularizers [METHOD ...] [--model mlp|cnn] [--repeats 5] [--peers]`: what each method costs.

The time of a training step with a method, at its defaults, over that of a step without: the median over pairs of turns
[least .. most], beside what the method's arithmetic needs and, with --peers, the same ratio of PyTorch. A turn lies
within an epoch and compiles nothing: what happens at the ends of epochs is not in it.

    mlp       784-256-256-10, batch 128, Fashion-MNIST
    cnn       conv 32, conv 64, dense 128, batch 128, Fashion-MNIST
    colour    the same CNN on 32x32x3 pixels of noise: for the methods that change images
    residual  ResNet-8 on Fashion-MNIST: for the methods that need residual blocks

METHOD may be `augmentation`: flip, crop, rotation and jitter together. Needs `pip install '.[bench]'` for --peers and
Fashion-MNIST as IDX files under $REGEXP_DATA (default ../shared/data); torchvision for two of the peers, where present.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from statistics import median

import jax
import numpy as np

from benchmarks.cases import CASES, Case, arrays
from benchmarks.interleave import in_turn, ratios
from benchmarks.peers.ours import compiled
from regexp.core.prng import stream
from regexp.engine import device
from regexp.regularizers.base import CATALOGUE, Batch, Regularizer
from regexp.regularizers.fold import transform_batches

PLAIN = {"dropout": 0.0, "l2": 0.0, "targets": ()}
BENCHES = {
    case.name: case
    for case in (
        replace(CASES["mlp256"], name="mlp", steps=150, **PLAIN),
        replace(CASES["cnn"], name="cnn", steps=10, **PLAIN),
        replace(CASES["cnn"], name="colour", data="noise", steps=10, **PLAIN),
        replace(CASES["cnn"], name="residual", hidden=(), filters=(16,), depth=8, steps=4, **PLAIN),
    )
}
AUGMENTATION = ("horizontal_flip", "random_crop", "rotate", "color_jitter")
NAMES = [*CATALOGUE, "augmentation"]
DROPOUT_AIM, AUGMENTATION_AIM = 1.10, 1.5


# -- what the arithmetic needs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Need:
    """The multiplications of the matrix products in a step with a method, over those without; and why so many."""

    times: Callable[[Case], float]
    why: str


def once(why: str) -> Need:
    return Need(lambda case: 1.0, why)


def products(case: Case) -> list[int]:
    """Multiplications of each layer's forward product, for one example of the MLP or the CNN."""
    side, size = (32, 3) if case.data == "noise" else (28, 1)
    found = []
    for filters in case.filters:
        found.append(side * side * 9 * size * filters)
        side, size = side // 2, filters
    size *= side * side
    for units in (*case.hidden, 10):
        found.append(size * units)
        size = units
    return found


def step(case: Case) -> int:
    """Multiplications of a step: forward, to the weights, and to the inputs of every layer but the first."""
    return 3 * sum(products(case)) - products(case)[0]


def fgsm(case: Case) -> float:
    return 2 + products(case)[0] / step(case)


def auxiliary(case: Case) -> float:
    inputs = 32 * 32 * 3 if case.data == "noise" else 28 * 28
    return 1 + 3 * case.hidden[-1] * inputs / step(case)


def members(name: str) -> Need:
    return Need(lambda case: CATALOGUE[name]().lanes(), "as many models, one step each")


PIXELS = once("tens of operations a pixel, against thousands in the products")
TARGETS = once("ten numbers an example")
UNITS = once("a few operations a unit, against hundreds in its product")
WEIGHTS = once("a few operations a weight, against two or three for each of 128 examples in the products")
EPOCHS = once("acts at the ends of epochs")

NEEDS: dict[str, Need] = {
    **dict.fromkeys(("horizontal_flip", "vertical_flip", "rotate", "translate", "stretch", "zoom"), PIXELS),
    **dict.fromkeys(("color_jitter", "color_balance", "blur", "cutout", "random_crop", "cutmix"), PIXELS),
    **dict.fromkeys(("gaussian_noise", "mixup", "augmentation"), PIXELS),
    **dict.fromkeys(("label_smoothing", "label_noise"), TARGETS),
    **dict.fromkeys(("batch_norm", "dropout", "activation_noise", "stochastic_depth"), UNITS),
    **dict.fromkeys(("dropconnect", "weight_norm", "weight_noise"), WEIGHTS),
    **dict.fromkeys(("l1", "l2", "elastic_net", "weight_decay", "max_norm"), WEIGHTS),
    **dict.fromkeys(("gradient_clipping", "weight_averaging"), WEIGHTS),
    "fgsm": Need(fgsm, "two whole gradients; one of them goes on to the inputs through the first layer"),
    "sam": Need(lambda case: 2.0, "two whole gradients"),
    "early_stopping": EPOCHS,
    "snapshot_ensemble": EPOCHS,
    "semi_supervised": once("pseudo labels: a softmax more"),
    "auxiliary": Need(auxiliary, "a layer more, from the last hidden units to the inputs: three products"),
    "bagging": members("bagging"),
    "deep_ensemble": members("deep_ensemble"),
}


# -- measuring ---------------------------------------------------------------------------------------------------------


def parts(name: str) -> tuple[Regularizer, ...]:
    """The methods behind a name, at their defaults."""
    return tuple(CATALOGUE[one]() for one in (AUGMENTATION if name == "augmentation" else (name,)))


def benches(name: str) -> list[Case]:
    """Where a method is measured."""
    if name == "stochastic_depth":
        return [BENCHES["residual"]]
    if any(method.images_only for method in parts(name)):
        return [BENCHES["colour"]]
    return [BENCHES["mlp"], BENCHES["cnn"]]


class Ours:
    """Steps of one case, with and without methods; the steps without are compiled once."""

    def __init__(self, case: Case):
        # An epoch is one step longer than a turn: that step, and the measurement after it, are not timed.
        x, y = arrays(case)
        count = (case.steps + 1) * case.batch
        self.case, self.x, self.y = case, x[:count], y[:count]
        self.without = self.turn(())

    def turn(self, methods: tuple[Regularizer, ...]) -> Callable[[], float]:
        """A function that trains for a turn and returns microseconds per step."""
        group, steps = compiled(self.case, methods, self.x, self.y), self.case.steps

        def run() -> float:
            began = time.perf_counter()
            group.advance(steps)
            took = time.perf_counter() - began
            group.advance(1)
            return took / steps * 1e6

        run()
        return run

    def measure(self, name: str, repeats: int) -> dict[str, list[float]]:
        turns = {"without": self.without, "with": self.turn(parts(name))}
        if name == "augmentation":
            turns["alone"] = self.alone(parts(name))
        return in_turn(turns, repeats)

    def alone(self, methods: tuple[Regularizer, ...]) -> Callable[[], float]:
        """A function that changes the same batch again and again and returns microseconds per time."""
        count = 2 * self.case.steps
        x, y = self.x[: self.case.batch] / np.float32(255), self.y[: self.case.batch]
        batch = Batch(x, np.eye(10, dtype=np.float32)[y], np.float32(0), np.float32(1))

        @jax.jit
        def changed(batch: Batch, key: jax.Array) -> jax.Array:
            def again(i: jax.Array, x: jax.Array) -> jax.Array:
                keys = {f"{m.name}/transform_batch": stream(jax.random.fold_in(key, i), m.name) for m in methods}
                return transform_batches(methods, batch._replace(inputs=x), keys).inputs

            return jax.lax.fori_loop(0, count, again, batch.inputs)

        def run() -> float:
            began = time.perf_counter()
            changed(batch, jax.random.PRNGKey(0)).block_until_ready()
            return (time.perf_counter() - began) / count * 1e6

        run()
        return run


class Torch:
    """The same, by PyTorch."""

    def __init__(self, case: Case):
        x, y = arrays(case)
        count = case.steps * case.batch
        self.case, self.x, self.y = case, x[:count], y[:count]

    def turn(self, way: object) -> Callable[[], float]:
        from benchmarks.peers import torch_methods

        train = torch_methods.prepare(self.case, way, self.x, self.y)

        def run() -> float:
            began = time.perf_counter()
            steps = train()
            return (time.perf_counter() - began) / steps * 1e6

        run()
        return run

    def measure(self, name: str, repeats: int) -> dict[str, list[float]] | None:
        """None where PyTorch has no simple equivalent, or it is not installed."""
        from benchmarks.peers.torch_methods import METHODS, Way

        if name not in METHODS:
            return None
        return in_turn({"without": self.turn(Way()), "with": self.turn(METHODS[name])}, repeats)


# -- printing ----------------------------------------------------------------------------------------------------------


def said(times: Mapping[str, list[float]], name: str = "with") -> str:
    """`1.05x [1.01 .. 1.10]`"""
    found = ratios(times, name, "without")
    return f"{median(found):5.2f}x [{min(found):.2f} .. {max(found):.2f}]"


def aim(what: str, times: Mapping[str, list[float]], name: str, most: float) -> None:
    got = median(ratios(times, name, "without"))
    print(f"  at most {most:.2f}x for {what}: {got:.2f}x {'reached' if got <= most else 'MISSED'}", flush=True)


def report(name: str, ours: Ours, torch: Torch | None, repeats: int) -> None:
    """Measure one method on one case and print its lines."""
    case, times = ours.case, ours.measure(name, repeats)
    line = f"{case.name:8} {name:17} {said(times):24} needs {NEEDS[name].times(case):.2f}x"
    peer = torch.measure(name, repeats) if torch else None
    line += f"  torch {said(peer)}" if peer else ""
    if torch and not peer and name in ("color_jitter", "augmentation"):
        line += "  torch: left out, no torchvision"
    print(line, flush=True)
    if name == "dropout" and case.name == "mlp":
        aim("a step with dropout over one without", times, "with", DROPOUT_AIM)
    if name == "augmentation":
        aim("the augmentation alone over a step without", times, "alone", AUGMENTATION_AIM)
        aim("a step with the augmentation over one without", times, "with", AUGMENTATION_AIM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="names of `regexp list`; all where left out")
    parser.add_argument("--model", choices=("mlp", "cnn"), help="this one alone; `cnn` with colour and residual")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of turns (default 5)")
    parser.add_argument("--peers", action="store_true", help="measure PyTorch, too")
    arguments = parser.parse_args()
    if unknown := set(arguments.methods) - set(NAMES):
        parser.error(f"unknown method {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    device.set_up("cpu")
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", *(["torch"] if arguments.peers else [])))
    print(f"Python {platform.python_version()}, {packages}, {os.cpu_count()} cores, {platform.machine()}")
    for case in BENCHES.values():
        names = [name for name in arguments.methods or NAMES if case in benches(name)]
        if not names or (arguments.model and (case.name == "mlp") != (arguments.model == "mlp")):
            continue
        ours, torch = Ours(case), Torch(case) if arguments.peers else None
        print(f"{case.name:8} without a method: {median(ours.without() for _ in range(3)):.0f} us/step")
        for name in names:
            report(name, ours, torch, arguments.repeats)


if __name__ == "__main__":
    main()
