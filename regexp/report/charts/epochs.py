"""Draw metrics over epochs: learning curves, penalties, the generalisation gap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from regexp.core import escaping
from regexp.report.charts.axes import Named, labelled, legend
from regexp.report.compare import Line, Report
from regexp.report.curves import Table, curve, difference, read
from regexp.report.figures import COLOURS, DASHES, MARKERS, Chart


def curves(report: Report, lines: Sequence[Line]) -> list[Chart]:
    """Return the charts of everything the rows measured in every epoch."""
    tables = [(name, read(line.row.records)) for name, line in labelled(lines)]
    names = [name for name, _ in tables]
    short = report.metric.rpartition("/")[2]
    seen = "Mean over the seeds still training; the band spans their minimum and maximum."
    charts = [
        chart
        for metric in dict.fromkeys(("loss", short))
        for chart in _parts(f"curves-{'loss' if metric == 'loss' else 'metric'}", metric, tables, seen)
    ]
    penalties = list(dict.fromkeys(k for _, t in tables for k in t if k.startswith("loss/") and k not in _NO_PENALTY))
    if penalties:
        draw = partial(_draw_panels, names, [(key, _tables_with(tables, key)) for key in penalties[:4]])
        caption = f"The contribution of each penalty to the training loss. {seen}"
        charts.append(Chart("penalties", "Penalties", caption, draw))
    gaps = [(name, difference(t["validation/loss"], t["train/loss"])) for name, t in tables if t.keys() >= _PAIR]
    gaps = [(name, table) for name, table in gaps if table]
    if gaps:
        caption = f"Validation loss minus training loss, both in evaluation mode, paired by seed. {seen}"
        draw = partial(_draw_panels, names, [("validation/loss - train/loss", gaps)])
        charts.append(Chart("gap", "Generalisation gap", caption, draw))
    return charts


_NO_PENALTY = {"loss/data", "loss/total"}
_PAIR = {"validation/loss", "train/loss"}


def _parts(name: str, metric: str, tables: Named, caption: str) -> list[Chart]:
    panels = [(key, _tables_with(tables, key)) for key in (f"train/{metric}", f"validation/{metric}")]
    panels = [(key, rows) for key, rows in panels if rows]
    if not panels:
        return []
    draw = partial(_draw_panels, [name for name, _ in tables], panels)
    return [Chart(name, f"Learning curves: {escaping.plain(metric, 40)}", caption, draw)]


def _tables_with(tables: Named, key: str) -> list[tuple[str, Table]]:
    return [(name, table_of_metric[key]) for name, table_of_metric in tables if key in table_of_metric]


def _draw_panels(
    names: Sequence[str], panels: Sequence[tuple[str, Sequence[tuple[str, Table]]]], figure: Figure
) -> None:
    """Draw panels side by side, on one scale if all show one metric; a row looks the same in every chart."""
    same = len({key.partition("/")[2] for key, _ in panels}) == 1
    drawn = figure.subplots(1, len(panels), sharey=same, squeeze=False)[0]
    handles: dict[str, Line2D] = {}
    for axes, (key, rows) in zip(drawn, panels, strict=True):
        for name, table in rows:
            handles[name] = _draw_curve(axes, table, names.index(name))
        axes.set_title(escaping.plain(key, 40))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("epoch")
    legend(figure, handles)


def _draw_curve(axes: Axes, table: Table, index: int) -> Line2D:
    c, colour = curve(table), COLOURS[index % len(COLOURS)]
    axes.fill_between(c.epochs, c.least, c.greatest, color=colour, alpha=0.13, linewidth=0)
    step = max(1, len(c.epochs) // 6)
    (line,) = axes.plot(c.epochs, c.mean, color=colour, linestyle=DASHES[index % len(DASHES)], linewidth=1.8,
                        marker=MARKERS[index % len(MARKERS)], markersize=4, markevery=step)  # fmt: skip
    return line
