"""The range test's curve: in plain text, and with matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from regexp.checks.range_test import RangeTest

WIDTH, HEIGHT = 60, 10


def curve(found: RangeTest, rate: float) -> tuple[str, ...]:
    """Loss over the rate's logarithm; `|` is the config's rate, `=` below the axis where the loss falls."""
    if not np.isfinite(found.smooth[0]):
        return ("the loss is not finite from the first step on",)
    top = found.smooth[0] * 1.5
    bottom = float(np.min(found.smooth))
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    place = column(found, rate)
    for row in grid if 0 <= place < WIDTH else []:
        row[place] = "|"
    for k, loss in enumerate(found.smooth):
        if loss <= top:
            height = round((loss - bottom) / max(top - bottom, 1e-30) * (HEIGHT - 1))
            grid[HEIGHT - 1 - height][k * WIDTH // len(found.smooth)] = "*"
    labels = [f"{top:.3g}", *[""] * (HEIGHT - 2), f"{bottom:.3g}"]
    lines = [f"{label:>8} |{''.join(row)}".rstrip() for label, row in zip(labels, grid, strict=True)]
    begin, end = column(found, found.low), column(found, found.high)
    axis = "".join("=" if begin <= i <= end else "-" for i in range(WIDTH))
    low, high = f"{found.rates[0]:.0e}", f"{found.rates[-1]:.0e}"
    return (*lines, f"{'loss':>8} +{axis}", f"{'rate':>8}  {low}{high:>{WIDTH - len(low)}}")


def column(found: RangeTest, rate: float) -> int:
    """Where a rate stands on the axis, from 0; outside [0, WIDTH) beside it."""
    low, high = np.log10(found.rates[[0, -1]])
    place = (np.log10(max(rate, 1e-300)) - low) / (high - low) * WIDTH
    return WIDTH - 1 if rate == found.rates[-1] else math.floor(place)


def figure(axes: Any, found: RangeTest, rate: float) -> None:
    """The same on matplotlib axes, with each seed's batches behind the mean."""
    for losses in found.losses:
        axes.plot(found.rates, losses, color="0.8", linewidth=0.8)
    axes.plot(found.rates, found.smooth, color="C0", label=f"smoothed, mean of {len(found.losses)} seeds")
    axes.axvspan(found.low, found.high, color="C2", alpha=0.15, label="the loss falls")
    axes.axvline(rate, color="C3", label=f"learning_rate {rate:g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    if np.isfinite(found.smooth[0]):
        axes.set_ylim(0, 1.5 * found.smooth[0])
    axes.legend()
