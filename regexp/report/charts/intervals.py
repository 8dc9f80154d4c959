"""Draw the means of the settings and their differences to the baseline, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from regexp.core import escaping
from regexp.report.charts.axes import Named, labelled, rows_of
from regexp.report.compare import Line, Report
from regexp.report.figures import COLOURS, INK, Chart

MOST_INTERVALS = 40


def intervals(report: Report, lines: Sequence[Line]) -> list[Chart]:
    """Return the charts of the differences with their verdicts, and of the values of every seed."""
    shown = labelled(lines)[:MOST_INTERVALS]
    compared = [(name, line) for name, line in shown if line.verdict and line.verdict.comparison]
    charts = []
    if compared:
        caption = (
            "Mean difference, row - baseline, over shared seeds, with its 95% interval. The word is the verdict after "
            "Holm's correction; the interval is not corrected."
        )
        title = f"Difference to {escaping.plain(report.baseline, 40)} in {escaping.plain(report.metric, 40)}"
        charts.append(Chart("differences", title, caption, partial(_draw_differences, compared)))
    if shown:
        title = f"{escaping.plain(report.metric, 40)} of every seed"
        caption = "Dots are seeds, the diamond is their mean, the bar its 95% interval."
        charts.append(Chart("values", title, caption, partial(_draw_values, shown, report.metric)))
    return charts


def _draw_differences(rows: Named, figure: Figure) -> None:
    axes = rows_of(figure, [name for name, _ in rows])
    axes.axvline(0, color=INK, linewidth=1)
    for place, (_, line) in enumerate(rows):
        c = line.verdict.comparison
        if np.isfinite(c.interval.low):
            axes.plot([c.interval.low, c.interval.high], [place, place], color=COLOURS[0], linewidth=2)
        axes.plot([c.difference], [place], "D", color=COLOURS[0], markersize=6)
        axes.annotate(line.verdict.word, (1.01, place), xycoords=("axes fraction", "data"), va="center")
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("difference")


def _draw_values(rows: Named, metric: str, figure: Figure) -> None:
    axes = rows_of(figure, [name for name, _ in rows])
    for place, (_, line) in enumerate(rows):
        values, s = list(line.row.values(metric).values()), line.summary
        axes.plot(
            values, [place + 0.22] * len(values), "o", color=COLOURS[0], markersize=4, alpha=0.45, markeredgewidth=0
        )
        if np.isfinite(s.interval.low):
            axes.plot([s.interval.low, s.interval.high], [place, place], color=COLOURS[1], linewidth=2)
        axes.plot([s.mean], [place], "D", color=COLOURS[1], markersize=6)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(escaping.plain(metric, 60))
