"""A Report -> its charts: verdicts, learning curves, penalties, generalisation gap, confusion, reliability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regexp import inert
from regexp.errors import RunError
from regexp.report.compare import Line, Report
from regexp.report.curves import Table, curve, difference, read
from regexp.report.figures import COLOURS, DASHES, GRID, INK, MARKERS, Chart, rendered
from regexp.report.predictions import Classified, classified
from regexp.runs.files import write_atomic

MOST_LINES = len(COLOURS)  # rows in a chart: the baseline and the best
MOST_DATASETS = 4
MOST_INTERVALS = 40
MOST_CLASSES = 30
BINS = 15

Named = Sequence[tuple[str, Any]]


def charts(report: Report) -> list[Chart]:
    """All that the stored numbers allow."""
    found: list[Chart] = []
    names = list(dict.fromkeys(line.row.data for line in report.lines))[:MOST_DATASETS]
    for number_, data in enumerate(names):
        lines = [line for line in report.lines if line.row.data == data and line.summary]
        one = [*_intervals(report, lines), *_curves(report, lines[:MOST_LINES]), *_predicted(lines[:MOST_LINES])]
        where = f" on {inert.plain(data[0], 40)}" if len(names) > 1 else ""
        suffix = f"-{number_ + 1}" if len(names) > 1 else ""
        found += [Chart(c.name + suffix, c.title + where, c.caption, c.draw) for c in one]
    return found


def write(report: Report, folder: Path) -> list[Path]:
    """Every chart as PNG and SVG. Raises RunError where the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from None
    paths = []
    for chart in charts(report):
        for kind in ("png", "svg"):
            paths.append(folder / f"{chart.name}.{kind}")
            write_atomic(paths[-1], rendered(chart, kind, facecolor="white"))
    return paths


def labelled(lines: Sequence[Line]) -> list[tuple[str, Line]]:
    """Short names for rows, no two alike; a space first where matplotlib would hide a name."""
    found: dict[str, Line] = {}
    for line in lines:
        text = inert.plain(line.row.name, 28)
        text = f" {text}" if text.startswith("_") else text
        same = sum(name == text or name.startswith(f"{text} (") for name in found)
        found[f"{text} ({same + 1})" if same else text] = line
    return list(found.items())


# -- means and differences --------------------------------------------------------------------------------------------


def _intervals(report: Report, lines: Sequence[Line]) -> list[Chart]:
    shown = labelled(lines)[:MOST_INTERVALS]
    compared = [(name, line) for name, line in shown if line.verdict and line.verdict.comparison]
    found = []
    if compared:
        caption = (
            "Mean difference, row - baseline, over shared seeds, with its 95% interval; the word is the verdict after "
            "Holm's correction, the interval is uncorrected."
        )
        title = f"Difference to {inert.plain(report.baseline, 40)} in {inert.plain(report.metric, 40)}"
        found.append(Chart("differences", title, caption, partial(_draw_differences, compared)))
    if shown:
        title = f"{inert.plain(report.metric, 40)} of every seed"
        caption = "Every dot is a seed, the diamond their mean, the bar its 95% interval."
        found.append(Chart("values", title, caption, partial(_draw_values, shown, report.metric)))
    return found


def _draw_differences(rows: Named, figure: Figure) -> None:
    axes = _rows(figure, [name for name, _ in rows])
    axes.axvline(0, color=INK, linewidth=1)
    for place, (_, line) in enumerate(rows):
        c = line.verdict.comparison
        if np.isfinite(c.interval.low):
            axes.plot([c.interval.low, c.interval.high], [place, place], color=COLOURS[0], linewidth=2)
        axes.plot([c.difference], [place], "D", color=COLOURS[0], markersize=6)
        axes.annotate(line.verdict.word, (1.01, place), xycoords=("axes fraction", "data"), va="center")
    axes.set_xlabel("difference")


def _draw_values(rows: Named, metric: str, figure: Figure) -> None:
    axes = _rows(figure, [name for name, _ in rows])
    for place, (_, line) in enumerate(rows):
        values, s = list(line.row.values(metric).values()), line.summary
        axes.plot(
            values, [place + 0.22] * len(values), "o", color=COLOURS[0], markersize=4, alpha=0.45, markeredgewidth=0
        )
        if np.isfinite(s.interval.low):
            axes.plot([s.interval.low, s.interval.high], [place, place], color=COLOURS[1], linewidth=2)
        axes.plot([s.mean], [place], "D", color=COLOURS[1], markersize=6)
    axes.set_xlabel(inert.plain(metric, 60))


def _rows(figure: Figure, names: Sequence[str]) -> Axes:
    figure.set_figheight(1.1 + 0.32 * len(names))
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    return axes


# -- over epochs ------------------------------------------------------------------------------------------------------


def _curves(report: Report, lines: Sequence[Line]) -> list[Chart]:
    tables = [(name, read(line.row.records)) for name, line in labelled(lines)]
    names = [name for name, _ in tables]
    short = report.metric.rpartition("/")[2]
    seen = "Mean over the seeds still training; the band reaches from the least seed to the greatest."
    found = [
        chart
        for metric in dict.fromkeys(("loss", short))
        for chart in _parts(f"curves-{'loss' if metric == 'loss' else 'metric'}", metric, tables, seen)
    ]
    penalties = list(dict.fromkeys(k for _, t in tables for k in t if k.startswith("loss/") and k not in _NO_PENALTY))
    if penalties:
        draw = partial(_draw_panels, names, [(key, _of(tables, key)) for key in penalties[:4]])
        caption = f"What each penalty adds to the training loss. {seen}"
        found.append(Chart("penalties", "Penalties", caption, draw))
    gaps = [(name, difference(t["validation/loss"], t["train/loss"])) for name, t in tables if t.keys() >= _PAIR]
    gaps = [(name, table) for name, table in gaps if table]
    if gaps:
        caption = f"Validation loss less training loss, both in evaluation mode, paired by seed. {seen}"
        draw = partial(_draw_panels, names, [("validation/loss - train/loss", gaps)])
        found.append(Chart("gap", "Generalisation gap", caption, draw))
    return found


_NO_PENALTY = {"loss/data", "loss/total"}
_PAIR = {"validation/loss", "train/loss"}


def _parts(name: str, metric: str, tables: Named, caption: str) -> list[Chart]:
    panels = [(key, _of(tables, key)) for key in (f"train/{metric}", f"validation/{metric}")]
    panels = [(key, own) for key, own in panels if own]
    if not panels:
        return []
    draw = partial(_draw_panels, [name for name, _ in tables], panels)
    return [Chart(name, f"Learning curves: {inert.plain(metric, 40)}", caption, draw)]


def _of(tables: Named, key: str) -> list[tuple[str, Table]]:
    return [(name, own[key]) for name, own in tables if key in own]


def _draw_panels(
    names: Sequence[str], panels: Sequence[tuple[str, Sequence[tuple[str, Table]]]], figure: Figure
) -> None:
    """Panels side by side, one scale for parts of one metric; a row keeps its colour and dashes in every chart."""
    same = len({key.partition("/")[2] for key, _ in panels}) == 1
    drawn = figure.subplots(1, len(panels), sharey=same, squeeze=False)[0]
    handles: dict[str, Any] = {}
    for axes, (key, own) in zip(drawn, panels, strict=True):
        for name, table in own:
            handles[name] = _draw_curve(axes, table, names.index(name))
        axes.set_title(inert.plain(key, 40))
        axes.set_xlabel("epoch")
    _legend(figure, handles)


def _draw_curve(axes: Axes, table: Table, index: int) -> Any:
    c, colour = curve(table), COLOURS[index % len(COLOURS)]
    axes.fill_between(c.epochs, c.least, c.greatest, color=colour, alpha=0.13, linewidth=0)
    step = max(1, len(c.epochs) // 6)
    (line,) = axes.plot(c.epochs, c.mean, color=colour, linestyle=DASHES[index % len(DASHES)], linewidth=1.8,
                        marker=MARKERS[index % len(MARKERS)], markersize=4, markevery=step)  # fmt: skip
    return line


def _legend(figure: Figure, handles: Mapping[str, Any]) -> None:
    columns = min(3, len(handles))
    figure.set_figheight(3.2 + 0.22 * -(-len(handles) // columns))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)


# -- from stored predictions ------------------------------------------------------------------------------------------


def _predicted(lines: Sequence[Line]) -> list[Chart]:
    found = [(i, name, _pooled(line)) for i, (name, line) in enumerate(labelled(lines))]
    pooled = [(i, name, one) for i, name, one in found if one is not None]
    if not pooled:
        return []
    caption = (
        f"Share of right answers by confidence, in {BINS} bins of equal width, over the test examples of all seeds; on "
        "the diagonal a model is as sure as it is right. Only bins with examples are drawn."
    )
    made = [Chart("reliability", "Reliability", caption, partial(_draw_reliability, pooled))]
    few = [(name, one) for _, name, one in pooled[:2] if one.classes <= MOST_CLASSES]
    if few:
        caption = "Share of each label's test examples, over all seeds, by the class predicted; rows add up to 1."
        made.append(Chart("confusion", "Confusion", caption, partial(_draw_confusion, few)))
    return made


def _pooled(line: Line) -> Classified | None:
    try:
        each = [one for record in line.row.records for one in classified(record).values()]
    except RunError:
        return None
    if not each or len({one.classes for one in each}) > 1:
        return None
    join: Callable[[str], np.ndarray] = lambda name: np.concatenate([getattr(one, name) for one in each])  # noqa: E731
    return Classified(join("rows"), join("labels"), join("predicted"), join("confidence"), each[0].classes)


def _draw_reliability(rows: Sequence[tuple[int, str, Classified]], figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":")
    handles = {}
    for index, name, one in rows:
        bins = np.clip(np.ceil(one.confidence * BINS).astype(int) - 1, 0, BINS - 1)
        count = np.bincount(bins, minlength=BINS)
        used = count > 0
        confidence = np.bincount(bins, one.confidence, BINS)[used] / count[used]
        right = np.bincount(bins, one.predicted == one.labels, BINS)[used] / count[used]
        (handles[name],) = axes.plot(confidence, right, color=COLOURS[index], linestyle=DASHES[index], linewidth=1.8,
                                     marker=MARKERS[index], markersize=5)  # fmt: skip
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    _legend(figure, handles)


def _draw_confusion(rows: Named, figure: Figure) -> None:
    drawn = figure.subplots(1, len(rows), squeeze=False)[0]
    for axes, (name, one) in zip(drawn, rows, strict=True):
        counts = np.zeros((one.classes, one.classes))
        np.add.at(counts, (one.labels, one.predicted), 1)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.pcolormesh(share, cmap="cividis", vmin=0, vmax=1, edgecolors=GRID, linewidth=0.3)
        if one.classes <= 12:
            _write_shares(axes, share, 8 if len(rows) == 1 else 6)
        axes.set(xlabel="predicted class", ylabel="label", aspect="equal", title=name)
        axes.invert_yaxis()
        axes.grid(False)
        every = range(0, one.classes, max(1, one.classes // 10))
        axes.set_xticks([k + 0.5 for k in every], [str(k) for k in every])
        axes.set_yticks([k + 0.5 for k in every], [str(k) for k in every])
    figure.set_figheight(4.0)


def _write_shares(axes: Axes, share: np.ndarray, size: int) -> None:
    for label_, predicted in zip(*np.nonzero(share >= 0.005), strict=True):
        value = share[label_, predicted]
        colour = "#000000" if value > 0.55 else "#ffffff"
        text = f"{value:.2f}".removeprefix("0")
        axes.text(predicted + 0.5, label_ + 0.5, text, color=colour, ha="center", va="center", fontsize=size)
