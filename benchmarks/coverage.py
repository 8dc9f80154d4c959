"""python -m benchmarks.coverage

The tables of docs/statistics.md: how often the intervals cover a known mean, and how often the sign-flip test errs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regexp.statistics import bca_interval, bootstrap_interval, sign_flip_interval, sign_flip_p, t_interval
from regexp.statistics.intervals import widened

MEANS, PAIRS, BLOCKS = 20_000, 10_000, 20
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
VALUES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda g, size: g.normal(size=size), 0.0),
    "accuracies": (lambda g, size: g.binomial(300, 0.97, size) / 300, 0.97),
    "skewed: gamma(4)": (lambda g, size: g.gamma(4, size=size), 4.0),
    "very skewed: exponential": (lambda g, size: g.exponential(size=size), 1.0),
    "lognormal": (lambda g, size: g.lognormal(size=size), float(np.exp(0.5))),
    "heavy-tailed: t(3)": (lambda g, size: g.standard_t(3, size=size), 0.0),
}
NOISE: dict[str, Draw] = {
    "normal": VALUES["normal"][0],
    "exponential": VALUES["very skewed: exponential"][0],
    "t(2)": lambda g, size: g.standard_t(2, size=size),
}


def covered(values: np.ndarray, mean: float, interval: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> float:
    """Share of rows whose interval holds the mean."""
    ends = [interval(block) for block in np.array_split(values, BLOCKS)]
    return float(np.mean(np.concatenate([(low <= mean) & (mean <= high) for low, high in ends])))


def means() -> None:
    print(
        f"coverage of 95% intervals of a mean, {MEANS} repetitions: t; from 10 also BCa; BCa widened; and not inside t"
    )
    for name, (draw, mean) in VALUES.items():
        cells = []
        for n in (5, 10, 20):
            x = draw(np.random.default_rng(n), (MEANS, n))
            cells.append(f"n = {n}: {covered(x, mean, t_interval):.3f}")
            if n >= 10:
                cells.append(f"{covered(x, mean, bca_interval):.3f}")
                cells.append(f"{covered(x, mean, lambda block, n=n: bca_interval(block, widened(0.95, n))):.3f}")
                cells.append(f"{covered(x, mean, bootstrap_interval):.3f}")
        print(f"  {name:26}", "  ".join(cells))


def pairs() -> None:
    print(f"two alike settings, {PAIRS} repetitions: level at 0.05 of sign flips and of t, coverage by sign flips")
    for n in (6, 8, 10, 24):
        for name, draw in NOISE.items():
            generator = np.random.default_rng(n)
            d = draw(generator, (PAIRS, n)) - draw(generator, (PAIRS, n))
            level = np.mean(np.concatenate([sign_flip_p(block) for block in np.array_split(d, BLOCKS)]) <= 0.05)
            by_t, by_flips = covered(d, 0, t_interval), covered(d, 0, sign_flip_interval)
            print(f"  n = {n:2}  {name:12} {level:.3f}  {1 - by_t:.3f}  {by_flips:.3f}")


def skewed_differences() -> None:
    """What the sign-flip test costs where its assumption fails: differences of mean 0 that are skewed."""
    print(f"skewed differences of mean 0, {PAIRS} repetitions: share of `better` and of `worse` at 0.05")
    for n in (8, 10, 16, 24):
        for name, draw in (("exponential - 1", lambda g, size: g.exponential(size=size) - 1),
                           ("lognormal - mean", lambda g, size: g.lognormal(size=size) - np.exp(0.5))):  # fmt: skip
            d = draw(np.random.default_rng(n), (PAIRS, n))
            rejected = np.concatenate([sign_flip_p(block) for block in np.array_split(d, BLOCKS)]) <= 0.05
            above, below = (np.mean(rejected & side) for side in (d.mean(1) > 0, d.mean(1) < 0))
            print(f"  n = {n:2}  {name:16} above 0: {above:.3f}  below 0: {below:.3f}")


if __name__ == "__main__":
    means()
    pairs()
    skewed_differences()
