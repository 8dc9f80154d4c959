"""Draw an ablation: the contribution of each method, the interactions of all pairs, the cost of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regexp.report.ablation import Ablation, Contribution
from regexp.report.charts.axes import rows_of, short
from regexp.report.figures import COLOURS, INK, Chart
from regexp.report.words import signed

PANELS = {"leave one out": "added to the others (all - without it)", "alone": "alone (method - none)"}
VERDICTS = {
    "helps": COLOURS[2],
    "hurts": COLOURS[1],
    "equivalent": COLOURS[0],
}  # never the only sign: the word is printed beside it
MARKS = {"more together": " ▲", "less together": " ▼", "adds up": " ≈"}


def charts_of_ablation(ablation: Ablation) -> list[Chart]:
    """Return the charts of one ablation; none if no arms can be compared."""
    if not any(contribution.verdict.comparison for contribution in ablation.contributions):
        return []
    name, metric = short(ablation.name, 40), short(ablation.metric)
    better = "left of 0 it helps" if ablation.smaller_is_better else "right of 0 it helps"
    charts = [
        Chart(
            "contributions",
            f"{name}: contribution of each method to {metric}",
            f"Mean difference over shared seeds with its 95% interval; {better}. The word is the verdict after Holm's "
            "correction within a panel; the interval is not corrected.",
            partial(_draw_contributions, ablation),
        )
    ]
    pairs = [contribution for contribution in ablation.family("interaction") if contribution.verdict.comparison]
    if pairs and len(ablation.methods) > 2:
        caption = (
            "The effect of two methods together, minus the sum of their effects alone; 0 if they add up. A sign marks "
            "interactions that are decided after Holm's correction: ▲ more together, ▼ less together, ≈ adds up."
        )
        title = f"{name}: interactions of all pairs in {metric}"
        charts.append(Chart("interactions", title, caption, partial(_draw_interactions, ablation.methods, pairs)))
    if ablation.step_time:
        caption = (
            "Time of a training step with all methods, over one without this method, on the device of the ablation."
        )
        charts.append(
            Chart("cost", f"{name}: step time of each method", caption, partial(_draw_cost, ablation.step_time))
        )
    return charts


def _draw_contributions(ablation: Ablation, figure: Figure) -> None:
    """Draw one row per method; the last row of the right panel is all methods together."""
    together = ablation.family("together")
    names = [short(method, 24) for method in ablation.methods] + ["all methods" for _ in together]
    rows = [*((method,) for method in ablation.methods), *(contribution.methods for contribution in together)]
    places = {methods: place for place, methods in enumerate(rows)}
    figure.set_figheight(1.1 + 0.32 * len(names))
    drawn = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (family, title) in zip(drawn, PANELS.items(), strict=True):
        _draw_rows(axes, ablation.family(family) + (together if family == "alone" else []), places)
        axes.set_title(title)
        axes.set_xlabel("difference")
    drawn[0].set_yticks(range(len(names)), names)
    drawn[0].set_ylim(len(names) - 0.5, -0.5)


def _draw_rows(axes: Axes, rows: Sequence[Contribution], places: Mapping[tuple[str, ...], int]) -> None:
    axes.axvline(0, color=INK, linewidth=1)
    for contribution in rows:
        c, place = contribution.verdict.comparison, places[contribution.methods]
        colour = VERDICTS.get(contribution.word, COLOURS[-1])
        if c is not None:
            if np.isfinite(c.interval.low):
                axes.plot([c.interval.low, c.interval.high], [place, place], color=colour, linewidth=2)
            axes.plot([c.difference], [place], "D", color=colour, markersize=6)
        axes.annotate(contribution.word, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    axes.locator_params(axis="x", nbins=4)


def _draw_interactions(methods: Sequence[str], pairs: Sequence[Contribution], figure: Figure) -> None:
    figure.set_figheight(1.6 + 0.42 * len(methods))
    axes = figure.subplots()
    values = np.full((len(methods), len(methods)), np.nan)
    for pair in pairs:
        row, column = sorted((methods.index(m) for m in pair.methods), reverse=True)
        values[row, column] = pair.verdict.comparison.difference if pair.verdict.comparison else np.nan
        text = signed(values[row, column]) + MARKS.get(pair.word, "")
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9, color="#000000")
    most = np.nanmax(np.abs(values)) or 1.0
    pale = 2.5 * most  # keeps the colours light, because the text on them is black
    axes.pcolormesh(np.ma.masked_invalid(values), cmap="PuOr_r", vmin=-pale, vmax=pale)
    names = [short(method, 20) for method in methods]
    axes.set_xticks(np.arange(len(methods) - 1) + 0.5, names[:-1], rotation=25, ha="right")
    axes.set_yticks(np.arange(1, len(methods)) + 0.5, names[1:])
    axes.set_xlim(0, len(methods) - 1)
    axes.set_ylim(len(methods), 1)
    axes.grid(False)


def _draw_cost(times: Mapping[str, float], figure: Figure) -> None:
    axes = rows_of(figure, [short(method, 24) for method in times])
    axes.axvline(1, color=INK, linewidth=1)
    for place, time in enumerate(times.values()):
        axes.plot([1, time], [place, place], color=COLOURS[0], linewidth=5, solid_capstyle="butt")
        axes.annotate(
            f"{time:.2f}x", (max(1, time), place), (5, 0), textcoords="offset points", va="center", fontsize=9
        )
    low, high = min(0.9, *times.values()), max(1.1, *times.values())
    axes.set_xlim(low - 0.05 * (high - low) - 0.02, high + 0.12 * (high - low) + 0.02)
    axes.set_xlabel("step time with the method / without it")
