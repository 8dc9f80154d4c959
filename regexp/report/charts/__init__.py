"""A Report -> its charts.

intervals.py   means and differences of the settings
epochs.py      learning curves, penalties, generalisation gap
outputs.py     reliability and confusion, from stored predictions
ablations.py   what each method contributes, interactions, cost
searches.py    a sweep's slices, parallel coordinates, ranges, expected best
axes.py        what they share
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from regexp.core import escaping
from regexp.report.charts.ablations import of_ablation
from regexp.report.charts.axes import MOST_LINES
from regexp.report.charts.epochs import curves
from regexp.report.charts.intervals import intervals
from regexp.report.charts.outputs import outputs
from regexp.report.charts.searches import of_search
from regexp.report.compare import Report, drawn
from regexp.report.figures import Chart, save

MOST_DATASETS = 4

MOST_SEARCHES = 8

__all__ = ["MOST_LINES", "MOST_SEARCHES", "ablation_charts", "charts", "search_charts", "setting_charts", "write"]


def charts(report: Report) -> list[Chart]:
    """All that the stored numbers allow."""
    parts = [setting_charts(report), *ablation_charts(report), *search_charts(report)]
    return [chart for part in parts for chart in part]


def ablation_charts(report: Report) -> list[list[Chart]]:
    """Of each ablation."""
    return [_numbered(of_ablation(one), i) for i, one in enumerate(report.ablations)]


def search_charts(report: Report) -> list[list[Chart]]:
    """Of each sweep; of many the first ones."""
    found = [_numbered(of_search(one), i) for i, one in enumerate(report.searches[:MOST_SEARCHES])]
    return found + [[] for _ in report.searches[MOST_SEARCHES:]]


def _numbered(found: list[Chart], index: int) -> list[Chart]:
    """Names that are no other's: of the first as they are, then slices-2, ..."""
    return [replace(chart, name=f"{chart.name}-{index + 1}") for chart in found] if index else found


def setting_charts(report: Report) -> list[Chart]:
    """The settings compared, for each data set."""
    found: list[Chart] = []
    names = list(dict.fromkeys(line.row.data for line in report.lines))[:MOST_DATASETS]
    for number, data in enumerate(names):
        lines = [line for line in report.lines if line.row.data == data and line.summary]
        one = [*intervals(report, lines), *curves(report, drawn(lines, MOST_LINES)), *outputs(drawn(lines, MOST_LINES))]
        where = f" on {escaping.plain(data[0], 40)}" if len(names) > 1 else ""
        suffix = f"-{number + 1}" if len(names) > 1 else ""
        found += [replace(c, name=c.name + suffix, title=c.title + where) for c in one]
    return found


def write(report: Report, folder: Path) -> list[Path]:
    """Every chart as PNG and SVG. Raises RunError where the folder cannot be written."""
    return save(charts(report), folder)
