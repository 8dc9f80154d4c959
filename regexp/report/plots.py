"""Draw the plots and pictures of a diagnostic as charts. Their content comes from a file and is not trusted."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import LogFormatter, StrMethodFormatter

from regexp.core import escaping
from regexp.report.figures import COLOURS, DASHES, MARKERS, Chart
from regexp.runs.explanation import Numbers, Picture, Pictures, Plot, Series

LARGEST = 1e100  # axes overflow beyond it
GREYS, SHADES = 16, 6  # levels of grey and of each colour channel; few levels need few paths


def chart(name: str, shown: Plot | Pictures, run: str) -> Chart:
    """Return a chart of one run; `name` is its file name, or the prefix of its ids in a page."""
    draw = partial(_draw_plot, shown) if isinstance(shown, Plot) else partial(_draw_pictures, shown)
    title = f"{escaping.plain(shown.title, 80)}: {escaping.plain(run, 40)}"
    return Chart(name, title, escaping.plain(shown.caption), draw)


def _draw_plot(plot: Plot, figure: Figure) -> None:
    axes = figure.subplots()
    bars = [series for series in plot.series if series.style == "bars"]
    for index, series in enumerate(plot.series):
        label, colour = escaping.plain(series.name, 40).lstrip("_") or "?", COLOURS[index % len(COLOURS)]
        x, y = _array(series.x, "x" in plot.log), _array(series.y, "y" in plot.log)
        if series.style == "bars":
            width = _width(x, bool(plot.ticks)) / (len(bars) if plot.ticks else 1)
            offset = (bars.index(series) - (len(bars) - 1) / 2) * width if plot.ticks else 0.0
            axes.bar(x + offset, y, 0.95 * width, color=colour, label=label)
        elif series.style == "points":
            axes.plot(x, y, "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0, label=label)
        else:
            _draw_line(axes, series, plot, index, label)
    if plot.ticks:
        axes.set_xticks(range(len(plot.ticks)), [escaping.plain(word, 30) for word in plot.ticks])
    for axis in plot.log:
        if any(np.any(_array(getattr(series, axis), True) > 0) for series in plot.series):
            _logarithmic(axes, axis)
    axes.set(xlabel=escaping.plain(plot.x, 60), ylabel=escaping.plain(plot.y, 60))
    if len(plot.series) > 1:
        columns = min(3, len(plot.series))
        figure.set_figheight(3.2 + 0.22 * -(-len(plot.series) // columns))
        figure.legend(loc="outside lower center", ncols=columns)


def _logarithmic(axes: Axes, name: str) -> None:
    """Make an axis logarithmic, with plain tick labels: the default ones are formulas, and formulas are disabled."""
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))


def _draw_line(axes: Axes, series: Series, plot: Plot, index: int, label: str) -> None:
    x, y = _array(series.x, "x" in plot.log), _array(series.y, "y" in plot.log)
    colour = COLOURS[index % len(COLOURS)]
    if series.low and series.high:
        low, high = (_array(ends, "y" in plot.log) for ends in (series.low, series.high))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    few = len(x) <= 40
    axes.plot(x, y, color=colour, linestyle=DASHES[index % len(DASHES)], linewidth=1.8, label=label,
              marker=MARKERS[index % len(MARKERS)] if few else "", markersize=4)  # fmt: skip


def _array(numbers: Numbers, positive: bool) -> np.ndarray:
    """Return the numbers as an array, with NaN, drawn as a gap, for those that an axis cannot show."""
    values = np.asarray([np.nan if v is None else v for v in numbers], float)
    shown = np.abs(np.nan_to_num(values, nan=np.inf)) < LARGEST
    return np.where(shown & ((values > 0) | (not positive)), values, np.nan)


def _width(x: np.ndarray, named: bool) -> float:
    """Return the width of a bar: the distance to the next one."""
    steps = np.diff(np.unique(x[np.isfinite(x)]))
    return 0.8 if named or not len(steps) else float(steps.min())


def _draw_pictures(pictures: Pictures, figure: Figure) -> None:
    columns = len(pictures.rows[0])
    figure.set_size_inches(7.2, 2.3 * len(pictures.rows))
    drawn = figure.subplots(len(pictures.rows), columns, squeeze=False)
    for places, row in zip(drawn, pictures.rows, strict=True):
        for axes, picture in zip(places, row, strict=True):
            _draw_picture(axes, picture)
            axes.set_title(escaping.plain(picture.caption, 60), fontsize=8)


def _draw_picture(axes: Axes, picture: Picture) -> None:
    """Draw one path per colour: an embedded image in SVG needs a URL, which the page's security policy forbids."""
    pixels = np.clip(np.asarray(picture.pixels, float), 0, 255)
    levels = (GREYS if pixels.shape[2] == 1 else SHADES) - 1
    quantized = np.rint(pixels / 255 * levels).astype(int)
    height, width = quantized.shape[:2]
    for colour in np.unique(quantized.reshape(-1, quantized.shape[2]), axis=0):
        shade: Any = tuple(np.broadcast_to(colour / levels, 3))
        path = _squares(np.all(quantized == colour, -1))
        axes.add_patch(
            PathPatch(path, facecolor=shade, edgecolor=shade, linewidth=0.3)
        )  # the edge hides seams between pixels
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)


def _squares(inside: np.ndarray) -> Path:
    """Return the pixels of a mask (H, W) as one path; adjacent pixels of a row form one rectangle."""
    edges = np.diff(np.pad(inside.astype(int), ((0, 0), (1, 1))), axis=1)
    (rows, begins), (_, ends) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    corners = np.stack([[begins, rows], [ends, rows], [ends, rows + 1], [begins, rows + 1], [begins, rows]])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(corners.transpose(2, 0, 1).reshape(-1, 2), np.tile(codes, len(rows)).astype(Path.code_type))
