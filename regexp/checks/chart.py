"""Charts of the learning-rate range test: plain text and matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from regexp.checks.range_test import RangeTest

WIDTH, HEIGHT = 60, 10


def curve(measured: RangeTest, rate: float) -> tuple[str, ...]:
    """Draw the loss over the logarithm of the learning rate as lines of text.

    `|` marks the configured rate, `=` on the axis the interval where the loss falls.
    """
    if not np.isfinite(measured.smooth[0]):
        return ("the loss is not finite from the first step on",)
    # Losses above `top` are not drawn: an exploding tail would flatten the part where the loss falls.
    top = measured.smooth[0] * 1.5
    bottom = float(np.min(measured.smooth))
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    place = column(measured, rate)
    for row in grid if 0 <= place < WIDTH else []:
        row[place] = "|"
    for k, loss in enumerate(measured.smooth):
        if loss <= top:
            height = round((loss - bottom) / max(top - bottom, 1e-30) * (HEIGHT - 1))
            grid[HEIGHT - 1 - height][k * WIDTH // len(measured.smooth)] = "*"
    labels = [f"{top:.3g}", *[""] * (HEIGHT - 2), f"{bottom:.3g}"]
    lines = [f"{label:>8} |{''.join(row)}".rstrip() for label, row in zip(labels, grid, strict=True)]
    begin, end = column(measured, measured.low), column(measured, measured.high)
    axis = "".join("=" if begin <= i <= end else "-" for i in range(WIDTH))
    low, high = f"{measured.rates[0]:.0e}", f"{measured.rates[-1]:.0e}"
    return (*lines, f"{'loss':>8} +{axis}", f"{'rate':>8}  {low}{high:>{WIDTH - len(low)}}")


def column(measured: RangeTest, rate: float) -> int:
    """Return the column of a rate on the axis, in [0, WIDTH) if the rate was tested, otherwise outside."""
    low, high = np.log10(measured.rates[[0, -1]])
    place = (np.log10(max(rate, 1e-300)) - low) / (high - low) * WIDTH  # 1e-300: a rate of 0 has no logarithm
    return WIDTH - 1 if rate == measured.rates[-1] else math.floor(place)


def figure(axes: Axes, measured: RangeTest, rate: float) -> None:
    """Draw the curve on matplotlib axes, with the batch losses of each seed behind the smoothed mean."""
    for losses in measured.losses:
        axes.plot(measured.rates, losses, color="0.8", linewidth=0.8)
    axes.plot(measured.rates, measured.smooth, color="C0", label=f"smoothed, mean of {len(measured.losses)} seeds")
    axes.axvspan(measured.low, measured.high, color="C2", alpha=0.15, label="the loss falls")
    axes.axvline(rate, color="C3", label=f"learning_rate {rate:g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    if np.isfinite(measured.smooth[0]):
        axes.set_ylim(0, 1.5 * measured.smooth[0])
    axes.legend()
