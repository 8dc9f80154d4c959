"""Draw reliability diagrams and confusion matrices from stored test predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regexp.core.errors import RunError
from regexp.report.charts.axes import Named, labelled, legend
from regexp.report.compare import Line
from regexp.report.figures import COLOURS, DASHES, GRID, INK, MARKERS, Chart
from regexp.report.predictions import Classified, classified
from regexp.report.records import Record

MOST_CLASSES = 30
DEFAULT_BINS = 15  # for a config.yaml of an older version, without evaluation.ece_bins
MOST_BINS = 1000  # a config with more is damaged


@dataclass(frozen=True)
class _Drawn:
    """A row with pooled predictions.

    index: selects its colour, dashes and marker
    bins: the number of bins of the run's ECE
    """

    index: int
    name: str
    classified: Classified
    bins: int


def outputs(lines: Sequence[Line]) -> list[Chart]:
    """Return the charts of classifications whose predictions are stored."""
    rows = [
        _Drawn(index, name, pooled, bins_of(line.row.records[0]))
        for index, (name, line) in enumerate(labelled(lines))
        if (pooled := _pooled(line)) is not None
    ]
    if not rows:
        return []
    counts = " or ".join(str(count) for count in sorted({row.bins for row in rows}))
    caption = (
        f"Accuracy by confidence, in {counts} equal-width bins, as in the runs' ECE, over the test examples of all "
        "seeds; on the diagonal a model is perfectly calibrated. Only bins with examples are drawn."
    )
    charts = [Chart("reliability", "Reliability", caption, partial(_draw_reliability, rows))]
    few = [(row.name, row.classified) for row in rows[:2] if row.classified.classes <= MOST_CLASSES]
    if few:
        caption = "Share of each label's test examples, over all seeds, by predicted class; every row sums to 1."
        charts.append(Chart("confusion", "Confusion", caption, partial(_draw_confusion, few)))
    return charts


def bins_of(record: Record) -> int:
    """Return the number of bins with which a run computes its ECE."""
    bins = record.config.get("evaluation.ece_bins", DEFAULT_BINS)
    return bins if type(bins) is int and 1 <= bins <= MOST_BINS else DEFAULT_BINS


def _pooled(line: Line) -> Classified | None:
    try:
        predictions = [of_seed for record in line.row.records for of_seed in classified(record).values()]
    except RunError:
        return None
    if not predictions or len({of_seed.classes for of_seed in predictions}) > 1:
        return None
    rows, labels, predicted, confidence = (
        np.concatenate([getattr(of_seed, name) for of_seed in predictions])
        for name in ("rows", "labels", "predicted", "confidence")
    )
    return Classified(rows, labels, predicted, confidence, predictions[0].classes)


def points(classified: Classified, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return examples, mean confidence and accuracy of each equal-width bin (lower, upper] that is not empty."""
    index = np.clip(np.ceil(classified.confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    used = count > 0
    confidence = np.bincount(index, classified.confidence, bins)[used] / count[used]
    right = np.bincount(index, classified.predicted == classified.labels, bins)[used] / count[used]
    return count[used], confidence, right


def _draw_reliability(rows: Sequence[_Drawn], figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":")
    handles = {}
    for row in rows:
        _, confidence, right = points(row.classified, row.bins)
        (handles[row.name],) = axes.plot(
            confidence, right, color=COLOURS[row.index], linestyle=DASHES[row.index], linewidth=1.8,
            marker=MARKERS[row.index], markersize=5,
        )  # fmt: skip
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    legend(figure, handles)


def _draw_confusion(rows: Named, figure: Figure) -> None:
    drawn = figure.subplots(1, len(rows), squeeze=False)[0]
    for axes, (name, predictions) in zip(drawn, rows, strict=True):
        counts = np.zeros((predictions.classes, predictions.classes))
        np.add.at(counts, (predictions.labels, predictions.predicted), 1)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.pcolormesh(share, cmap="cividis", vmin=0, vmax=1, edgecolors=GRID, linewidth=0.3)
        if predictions.classes <= 12:
            _write_shares(axes, share, 8 if len(rows) == 1 else 6)
        axes.set(xlabel="predicted class", ylabel="label", aspect="equal", title=name)
        axes.invert_yaxis()
        axes.grid(False)
        every = range(0, predictions.classes, max(1, predictions.classes // 10))
        axes.set_xticks([k + 0.5 for k in every], [str(k) for k in every])
        axes.set_yticks([k + 0.5 for k in every], [str(k) for k in every])
    figure.set_figheight(4.0)


def _write_shares(axes: Axes, share: np.ndarray, size: int) -> None:
    for label_, predicted in zip(*np.nonzero(share >= 0.005), strict=True):
        value = share[label_, predicted]
        colour = "#000000" if value > 0.55 else "#ffffff"
        text = f"{value:.2f}".removeprefix("0")
        axes.text(predicted + 0.5, label_ + 0.5, text, color=colour, ha="center", va="center", fontsize=size)
