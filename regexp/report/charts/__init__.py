"""Draw the charts of a Report.

intervals.py   means of the settings and differences to the baseline
epochs.py      learning curves, penalties, generalisation gap
outputs.py     reliability and confusion, from stored predictions
ablations.py   contributions of methods, interactions, cost
searches.py    a sweep's slices, parallel coordinates, ranges, expected best
axes.py        shared row labels, axes and legends
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from regexp.core import escaping
from regexp.report.charts.ablations import charts_of_ablation
from regexp.report.charts.axes import MOST_LINES
from regexp.report.charts.epochs import curves
from regexp.report.charts.intervals import intervals
from regexp.report.charts.outputs import outputs
from regexp.report.charts.searches import charts_of_search
from regexp.report.compare import Report, drawn
from regexp.report.figures import Chart, save

MOST_DATASETS = 4

MOST_SEARCHES = 8

__all__ = ["MOST_LINES", "MOST_SEARCHES", "ablation_charts", "charts", "search_charts", "setting_charts", "write"]


def charts(report: Report) -> list[Chart]:
    """Return all charts that the stored numbers allow."""
    parts = [setting_charts(report), *ablation_charts(report), *search_charts(report)]
    return [chart for part in parts for chart in part]


def ablation_charts(report: Report) -> list[list[Chart]]:
    """Return the charts of each ablation."""
    return [_numbered(charts_of_ablation(ablation), i) for i, ablation in enumerate(report.ablations)]


def search_charts(report: Report) -> list[list[Chart]]:
    """Return the charts of each sweep; sweeps after the first MOST_SEARCHES get none."""
    numbered = [_numbered(charts_of_search(search), i) for i, search in enumerate(report.searches[:MOST_SEARCHES])]
    return numbered + [[] for _ in report.searches[MOST_SEARCHES:]]


def _numbered(unnumbered: list[Chart], index: int) -> list[Chart]:
    """Make the names of charts unique: unchanged for the first group, then slices-2, ..."""
    return [replace(chart, name=f"{chart.name}-{index + 1}") for chart in unnumbered] if index else unnumbered


def setting_charts(report: Report) -> list[Chart]:
    """Return the charts that compare settings, for each dataset."""
    collected: list[Chart] = []
    names = list(dict.fromkeys(line.row.data for line in report.lines))[:MOST_DATASETS]
    for number, data in enumerate(names):
        lines = [line for line in report.lines if line.row.data == data and line.summary]
        few = drawn(lines, MOST_LINES)
        of_dataset = [*intervals(report, lines), *curves(report, few), *outputs(few)]
        where = f" on {escaping.plain(data[0], 40)}" if len(names) > 1 else ""
        suffix = f"-{number + 1}" if len(names) > 1 else ""
        collected += [replace(c, name=c.name + suffix, title=c.title + where) for c in of_dataset]
    return collected


def write(report: Report, folder: Path) -> list[Path]:
    """Write every chart as PNG and SVG. Raises RunError if the folder cannot be written."""
    return save(charts(report), folder)
