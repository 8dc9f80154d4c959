"""Draw a sweep: scores by parameter, parallel coordinates, ranges by stage, the expected best of a smaller budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from regexp.report.charts.axes import legend, short
from regexp.report.figures import COLOURS, DASHES, INK, MARKERS, Chart
from regexp.report.rows import shown
from regexp.report.searches import Search, Stage, Trial
from regexp.report.words import heading, number

MOST_PARAMETERS = 12
MOST_TRIALS = 500  # trials drawn per stage, evenly spaced
COLUMNS = 3
EXPLODED, SHOWN = 100, 3  # multiples of the median's distance to the best: beyond the first, clip at the second
WINNER: dict[str, Any] = {"color": INK, "linewidth": 2.2, "zorder": 4}
OTHERS: dict[str, Any] = {"color": COLOURS[-1], "linewidth": 0.5, "alpha": 0.45, "zorder": 2}


def charts_of_search(search: Search) -> list[Chart]:
    """Return the charts of one sweep; none if its trials could not be read."""
    paths = list(search.scales)[:MOST_PARAMETERS]
    if not search.searched or not paths:
        return []
    name, objective = short(search.name, 40), short(search.objective)
    thinned = any(len(stage.trials) > MOST_TRIALS for stage in search.searched)
    thinning = (
        f"In stages with more than {MOST_TRIALS} trials, some are not drawn; the best always are. " if thinned else ""
    )
    shown_parameters = (
        "" if len(paths) == len(search.scales) else f"Only the first {MOST_PARAMETERS} parameters are shown. "
    )
    clipping = "" if _limits(search)[2] else "Scores beyond the axis are drawn at its edge. "
    charts = [
        Chart(
            "slices",
            f"{name}: {objective} by parameter",
            "Marks are trials; hollow: stopped by halving; crosses: diverged or failed; dotted line: the winner. "
            "Scores of stages with different lengths are not comparable. "
            f"{clipping}{thinning}{shown_parameters}".rstrip(),
            partial(_draw_slices, search, paths),
        ),
        Chart(
            "parallel",
            f"{name}: parallel coordinates",
            "Lines are trials: coloured in the best tenth of the stage, dotted if diverged or failed. "
            f"Each axis spans all values searched. {clipping}{thinning}{shown_parameters}".rstrip(),
            partial(_draw_parallel, search, paths),
        ),
    ]
    if len(search.searched) > 1:
        charts.append(Chart(
            "ranges",
            f"{name}: ranges by stage",
            "The bar is the range of a stage, the mark its best trial, the dotted line the winner. The notes of the "
            f"sweep's table give the reasons for changes. {shown_parameters}".rstrip(),
            partial(_draw_ranges, search, paths),
        ))  # fmt: skip
    if len(search.best) > 1:
        caption = (
            f"Mean over all subsets of that size of the {len(search.best)} completed random trials (unbiased). "
            "Selection bias: the best of N is optimistic; the winner's score is the confirmed one."
        )
        title = f"{name}: expected best {objective} by budget"
        charts.append(Chart("budget", title, caption, partial(_draw_budget, search)))
    return charts


# -- slices -----------------------------------------------------------------------------------------------------------


def _draw_slices(search: Search, paths: Sequence[str], figure: Figure) -> None:
    panels = _panels(figure, len(paths), 1.75)
    low, high, _ = _limits(search)
    band = 0.09 * (high - low)  # room for the crosses, on the worse side
    cross = high + band if search.smaller_is_better else low - band
    looks = {"done": "", "pruned": "", "lost": "x"}
    for axes, path in zip(panels, paths, strict=True):
        place = _scaled(axes, search, path)
        for index, stage in enumerate(search.searched):
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
            trials = _drawn(search, stage)
            for kind, look in looks.items():
                of_kind = [t for t in trials if _kind(t) == kind and t.searched(path) is not None]
                xs = [place(t.searched(path), t.number) for t in of_kind]
                ys = [cross if t.value is None else min(max(t.value, low), high) for t in of_kind]
                axes.plot(xs, ys, look or marker, color=colour, markersize=4, alpha=0.75,
                          markerfacecolor="none" if kind == "pruned" else colour)  # fmt: skip
        _mark_winner(axes, search, path, place)
        axes.set_ylim(min(low, cross) - band / 2, max(high, cross) + band / 2)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(short(heading(path)))
    _stage_legend(figure, search)
    figure.supylabel(short(search.objective), fontsize=10)


def _kind(trial: Trial) -> str:
    return "lost" if trial.value is None else "pruned" if trial.status == "pruned" else "done"


def _limits(search: Search) -> tuple[float, float, bool]:
    """Return the ends of the score axis, and whether all scores lie within: exploded scores are clipped."""
    values = np.asarray([t.value for s in search.searched for t in s.trials if t.value is not None] or [0.0])
    signed = values if search.smaller_is_better else -values
    best, usual, worst = signed.min(), np.median(signed) - signed.min(), signed.max()
    inside = bool(usual == 0 or worst - best <= EXPLODED * usual)
    end = worst if inside else best + SHOWN * usual
    end = end if end > best else best + max(1e-6, 0.01 * abs(best))
    return (best, end, inside) if search.smaller_is_better else (-end, -best, inside)


def _drawn(search: Search, stage: Stage) -> list[Trial]:
    """Return the trials to draw: all, or of many every second, third, ... and the best."""
    step, best = -(-len(stage.trials) // MOST_TRIALS), _best(search, stage)
    return [trial for i, trial in enumerate(stage.trials) if i % step == 0 or trial.number in best]


def _best(search: Search, stage: Stage) -> set[int]:
    """Return the numbers of the best tenth of the completed trials."""
    ranked = search.ranked(stage)
    return {trial.number for trial in ranked[: max(1, len(ranked) // 10)]}


# -- parallel coordinates ---------------------------------------------------------------------------------------------


def _draw_parallel(search: Search, paths: Sequence[str], figure: Figure) -> None:
    figure.set_figheight(4.6)
    axes = figure.subplots()
    low, high, _ = _limits(search)
    places = [_share(search, path) for path in paths]
    out = any(t.searched(path) is None for s in search.searched for t in s.trials for path in paths)
    for x, path in enumerate(paths):
        _axis(axes, x, _names(search, path))
    ends = [number(low), number(high)]
    _axis(axes, len(paths), ends[::-1] if search.smaller_is_better else ends)
    for index, stage in enumerate(search.searched):
        best = _best(search, stage)
        for trial in _drawn(search, stage):
            end = [] if trial.value is None else [_share_of(trial.value, low, high, search.smaller_is_better)]
            if trial.setting == search.winner and stage is search.searched[-1]:
                look = WINNER
            elif trial.number in best and trial.status == "done":
                colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
                look = {"color": colour, "linestyle": dashes, "linewidth": 1.2, "zorder": 3}
            else:
                look = OTHERS | {"linestyle": ":" if trial.value is None else "-"}
            axes.plot([*(place(trial) for place in places), *end], **look)
    names = [short(heading(path), 24) for path in paths]
    axes.set_xticks(range(len(paths) + 1), [*names, short(search.objective, 24)], rotation=25, ha="right")
    axes.tick_params(axis="x", pad=2, length=0)
    axes.set_yticks([0, 1] if not out else [_OUT], ["", ""] if not out else ["out"])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(-0.15, len(paths) + 0.3)
    axes.set_ylim(_OUT - 0.05 if out else -0.06, 1.1)
    axes.grid(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    _stage_legend(figure, search, lines=True)


def _share_of(value: float, low: float, high: float, smaller_is_better: bool) -> float:
    """Return the position of a score on its axis, 0 to 1, better scores higher."""
    share = (min(max(value, low), high) - low) / (high - low)
    return 1 - share if smaller_is_better else share


_OUT = -0.2  # position of the parameters of a method that is switched off


def _axis(axes: Axes, x: int, names: Sequence[str]) -> None:
    """Draw a vertical axis with evenly spaced labels: its ends, or all choices."""
    axes.plot([x, x], [0, 1], color=INK, linewidth=0.8, zorder=1)
    for place, name in zip(np.linspace(0, 1, len(names)) if len(names) > 1 else [0.5], names, strict=True):
        below = {0.0: "top", 1.0: "bottom"}.get(float(place), "center")
        axes.annotate(name, (x, place), (3, {"top": -2, "bottom": 2}.get(below, 0)), textcoords="offset points",
                      va=below, ha="left" if below == "center" else "center", fontsize=8, zorder=5)  # fmt: skip


def _share(search: Search, path: str) -> Callable[[Trial], float]:
    """Return a function from a trial to its position on a parameter's axis, 0 to 1 or _OUT."""
    if search.scales[path] == "choice":
        choices = _choices(search, path)
        most = max(1, len(choices) - 1)

        def chosen(trial: Trial) -> float:
            value = trial.searched(path)
            return choices.index(value) / most if value in choices else _OUT

        return chosen
    low, high = map(_scale(search, path), _span(search, path))

    def ranged(trial: Trial) -> float:
        value = trial.searched(path)
        return (_scale(search, path)(value) - low) / ((high - low) or 1) if _fits(search, path, value) else _OUT

    return ranged


# -- ranges -----------------------------------------------------------------------------------------------------------


def _draw_ranges(search: Search, paths: Sequence[str], figure: Figure) -> None:
    stages = search.searched
    panels = _panels(figure, len(paths), 0.75 + 0.2 * len(stages))
    for axes, path in zip(panels, paths, strict=True):
        place = _scaled(axes, search, path)
        for index, stage in enumerate(stages):
            colour = COLOURS[index % len(COLOURS)]
            ends = stage.ranges.get(path, ())
            if search.scales[path] == "choice":
                axes.plot([place(c) for c in ends], [index] * len(ends), "s", color=colour, markersize=7, alpha=0.5)
            elif ends:
                axes.plot(ends, [index, index], color=colour, linewidth=6, alpha=0.5, solid_capstyle="butt")
            best = next((t.searched(path) for t in search.ranked(stage)), None)
            if best is not None:
                axes.plot([place(best)], [index], "D", color=colour, markersize=5)
        _mark_winner(axes, search, path, place)
        axes.set_yticks(range(len(stages)), [stage.name for stage in stages])
        axes.set_ylim(len(stages) - 0.5, -0.5)
        axes.set_title(short(heading(path)))


# -- budget -----------------------------------------------------------------------------------------------------------


def _draw_budget(search: Search, figure: Figure) -> None:
    axes = figure.subplots()
    counts = np.arange(1, len(search.best) + 1)
    axes.plot(counts, search.best, color=COLOURS[0], linewidth=1.8)
    powers = [2**k for k in range(int(math.log2(len(search.best))) + 1)]
    axes.plot(powers, [search.best[k - 1] for k in powers], MARKERS[0], color=COLOURS[0], markersize=5)
    axes.set_xscale("log", base=2)
    axes.set_xticks(powers, [str(k) for k in powers])
    axes.set(xlabel="random trials", ylabel=short(search.objective))


# -- shared -----------------------------------------------------------------------------------------------------------


def _panels(figure: Figure, count: int, height: float) -> list[Axes]:
    """Return `count` small axes in a grid, row by row."""
    columns = 2 if count in (2, 4) else min(COLUMNS, count)
    lines = -(-count // columns)
    figure.set_figheight(0.7 + height * lines)
    axes = list(figure.subplots(lines, columns, squeeze=False, sharey=True).flat)
    for unused in axes[count:]:
        unused.set_axis_off()
    return axes[:count]


def _scaled(axes: Axes, search: Search, path: str) -> Callable[..., float]:
    """Set the axis to a parameter's scale; return the function from a value to its place, with jitter for choices."""
    if search.scales[path] == "choice":
        choices = _choices(search, path)
        axes.set_xticks(range(len(choices)), _names(search, path))
        axes.set_xlim(-0.6, len(choices) - 0.4)
        return lambda value, number_=None: choices.index(value) + _beside(number_) if value in choices else math.nan
    if search.scales[path] == "log":
        axes.set_xscale("log")
        low, high = _span(search, path)
        axes.xaxis.set_major_locator(LogLocator(numticks=4, subs=(1.0,) if high > 20 * low else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    return lambda value, number_=None: value if _fits(search, path, value) else math.nan


def _beside(number_: int | None) -> float:
    """Return a horizontal offset for trials of one choice; multiples of the golden ratio fill the interval evenly."""
    return 0.0 if number_ is None else 0.4 * (number_ * 0.618034 % 1 - 0.5)


def _span(search: Search, path: str) -> tuple[float, float]:
    """Return the range of all values that a stage searched, or trained after carrying them over."""
    ends = [end for stage in search.searched for end in stage.ranges.get(path, ())]
    ends += [v for s in search.searched for t in s.trials if _fits(search, path, v := t.searched(path))]
    return (min(ends), max(ends)) if ends else (1.0, 2.0)


def _scale(search: Search, path: str) -> Callable[[float], float]:
    return math.log if search.scales[path] == "log" else float


def _choices(search: Search, path: str) -> list[Any]:
    choices = [c for stage in search.searched for c in stage.ranges.get(path, ())]
    return list(dict.fromkeys(c for c in choices if isinstance(c, bool | int | float | str)))


def _names(search: Search, path: str) -> list[str]:
    """Return the labels of an axis: its ends, or its choices."""
    if search.scales[path] == "choice":
        words = {True: "in", False: "out"}
        return [short(words[c] if isinstance(c, bool) else shown(c), 14) for c in _choices(search, path)]
    return [f"{end:.3g}" for end in _span(search, path)]


def _fits(search: Search, path: str, value: Any) -> bool:
    """Whether a value can be placed on the scale of a parameter."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return is_number and (value > 0 or search.scales[path] == "linear")


def _mark_winner(axes: Axes, search: Search, path: str, place: Callable[..., float]) -> None:
    setting = search.winner or {}
    value = Trial(0, 0, setting, "done", None, 0, "").searched(path)
    if isinstance(value, bool | int | float | str) and math.isfinite(place(value)):
        axes.axvline(place(value), color=INK, linewidth=1, linestyle=":", zorder=1)


def _stage_legend(figure: Figure, search: Search, lines: bool = False) -> None:
    height, axes, handles = figure.get_figheight(), figure.axes[0], {}
    for index, stage in enumerate(search.searched):
        text = f"{stage.name} ({stage.epochs} epochs)"
        (handles[text],) = axes.plot(
            [], [], color=COLOURS[index % len(COLOURS)], linestyle=DASHES[index % len(DASHES)] if lines else "",
            marker=None if lines else MARKERS[index % len(MARKERS)],
        )  # fmt: skip
    if lines and search.winner is not None:
        (handles["winner"],) = axes.plot([], [], **WINNER)
    legend(figure, handles)
    figure.set_figheight(height + 0.3)
