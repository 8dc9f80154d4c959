"""From stored test predictions: reliability and confusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regexp.errors import RunError
from regexp.report.charts.axes import Named, labelled, legend
from regexp.report.compare import Line
from regexp.report.figures import COLOURS, DASHES, GRID, INK, MARKERS, Chart
from regexp.report.predictions import Classified, classified

MOST_CLASSES = 30
BINS = 15


def outputs(lines: Sequence[Line]) -> list[Chart]:
    """Of classifications whose predictions are there."""
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
    legend(figure, handles)


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
