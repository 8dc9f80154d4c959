"""What charts share: names for rows, an axis with a row for each, a legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regexp.core import escaping
from regexp.report.compare import Line
from regexp.report.figures import COLOURS

MOST_LINES = len(COLOURS)  # rows in a chart: the baseline, an ablation's arm with all methods, and the best
LONGEST = 30  # characters of a name

Named = Sequence[tuple[str, Any]]


def labelled(lines: Sequence[Line]) -> list[tuple[str, Line]]:
    """Short names for rows, no two alike, without the folder that all are in."""
    folders = {line.row.name.rpartition("/")[0] for line in lines}
    common = f"{folders.pop()}/" if len(folders) == 1 else ""
    found: dict[str, Line] = {}
    for line in lines:
        text = short(line.row.name.removeprefix(common))
        same = sum(name == text or name.startswith(f"{text} (") for name in found)
        found[f"{text} ({same + 1})" if same else text] = line
    return list(found.items())


def short(text: object, longest: int = LONGEST) -> str:
    """A user's text on a chart, cut in the middle; a space first where matplotlib would hide it."""
    made = escaping.plain(text)
    folder, slash, name = made.rpartition("/")
    room = longest - len(name) - 1
    if slash and len(folder) > room >= 5:  # of an ablation's arm its own name is whole
        made = f"{folder[: room - 3]}.../{name}"
    elif len(made) > longest:
        made = f"{made[: longest // 2 - 2]}...{made[-(longest - longest // 2 - 1) :]}"
    return f" {made}" if made.startswith("_") else made


def rows_of(figure: Figure, names: Sequence[str]) -> Axes:
    """Axes with a named row for each, the first on top."""
    figure.set_figheight(1.1 + 0.32 * len(names))
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    return axes


def legend(figure: Figure, handles: Mapping[str, Any]) -> None:
    """Below the charts; the figure grows by its lines."""
    columns = min(3, len(handles))
    figure.set_figheight(3.2 + 0.22 * -(-len(handles) // columns))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)
