"""Style figures and render them as PNG, SVG or inline SVG, deterministically; user text is never interpreted as markup.

The colours are those of Okabe and Ito, safe for colour-blind readers; lines also differ in dashes and markers.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from regexp.core import escaping
from regexp.core.errors import RunError
from regexp.runs.files import write_atomic

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (10, 3)), (0, (1, 1)), (0, (4, 1)))
MARKERS = "osD^vPX"
INK, GRID = "#1b1b1f", "#c8c8d0"  # placeholders: `inline` replaces them by the colours of the page's theme
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name with dollar signs is not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "regexp",
    "font.size": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}
STYLE |= dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)


@dataclass(frozen=True)
class Chart:
    """A chart to render.

    name: file name without extension, also the prefix of its ids in a page
    draw: draws the chart into an empty figure
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Figure], None]


def rendered(chart: Chart, kind: str, **options: Any) -> bytes:
    """Render a chart as `png` or `svg`; equal charts give equal bytes."""
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    out = io.BytesIO()
    # The metadata would hold the date and the version of Matplotlib, and differ between equal charts.
    with _style():
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        chart.draw(figure)
        figure.savefig(out, format=kind, dpi=160, metadata=metadata, **options)
    return out.getvalue()


def save(charts: Sequence[Chart], folder: Path) -> list[Path]:
    """Write every chart as PNG and SVG. Raises RunError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot create the folder: {error.strerror}") from None
    paths = []
    for chart in charts:
        for kind in ("png", "svg"):
            paths.append(folder / f"{chart.name}.{kind}")
            write_atomic(paths[-1], rendered(chart, kind, facecolor="white"))
    return paths


def inline(chart: Chart) -> str:
    """Return SVG to embed in HTML: with the page's colours, unique ids, and a label for screen readers."""
    svg = rendered(chart, "svg", transparent=True).decode()
    opening, rest = svg[svg.index("<svg") :].split(">", 1)
    rest = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", rest, flags=re.DOTALL)
    # Ids are global in a page: without a prefix, a chart would use the clip paths of another.
    rest = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{chart.name}-", rest)
    rest = rest.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    for index, colour in enumerate(COLOURS):  # the page brightens them in its dark theme
        rest = rest.replace(colour, f"var(--line-{index})")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', opening)
    assert box is not None  # Matplotlib always writes one
    kind = ' class="tall"' if float(box[2]) > 0.6 * float(box[1]) else ""
    return f'<svg {box[0]}{kind} role="img" aria-label="{escaping.html(chart.title)}">{rest.rstrip()}'


@contextlib.contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font may lack the script of a user's name
        yield
