"""Elements that charts share: labels of rows, axes with one row each, a legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regexp.core import escaping
from regexp.report.compare import Line
from regexp.report.figures import COLOURS

MOST_LINES = len(COLOURS)  # rows in a chart: as many as there are colours
LONGEST = 30  # characters of a label

Named = Sequence[tuple[str, Any]]


def labelled(lines: Sequence[Line]) -> list[tuple[str, Line]]:
    """Return rows with short, distinct labels, without the folder they all share."""
    folders = {line.row.name.rpartition("/")[0] for line in lines}
    common = f"{folders.pop()}/" if len(folders) == 1 else ""
    lines_by_label: dict[str, Line] = {}
    for line in lines:
        text = short(line.row.name.removeprefix(common))
        same = sum(name == text or name.startswith(f"{text} (") for name in lines_by_label)
        lines_by_label[f"{text} ({same + 1})" if same else text] = line
    return list(lines_by_label.items())


def short(text: object, longest: int = LONGEST) -> str:
    """Shorten a user's text in the middle; a leading space shows labels with `_`, which Matplotlib would hide."""
    shortened = escaping.plain(text)
    folder, slash, name = shortened.rpartition("/")
    room = longest - len(name) - 1
    if slash and len(folder) > room >= 5:  # cut the folder, so that the name of an ablation's arm stays complete
        shortened = f"{folder[: room - 3]}.../{name}"
    elif len(shortened) > longest:
        shortened = f"{shortened[: longest // 2 - 2]}...{shortened[-(longest - longest // 2 - 1) :]}"
    return f" {shortened}" if shortened.startswith("_") else shortened


def rows_of(figure: Figure, names: Sequence[str]) -> Axes:
    """Return axes with one labelled row per name, the first on top."""
    figure.set_figheight(1.1 + 0.32 * len(names))
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    return axes


def legend(figure: Figure, handles: Mapping[str, Line2D]) -> None:
    """Add a legend below the charts, and heighten the figure by its lines."""
    columns = min(3, len(handles))
    figure.set_figheight(3.2 + 0.22 * -(-len(handles) // columns))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)
