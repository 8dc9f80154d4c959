"""What a diagnostic says of a run, as data: the run's folder keeps it, and a page shows it without JAX."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

FILE = "diagnostics.json"  # in a run's folder: {diagnostic: Explanation}

Numbers = tuple[float | None, ...]  # None: not a finite number
Style = Literal["line", "points", "bars"]


@dataclass(frozen=True)
class Series:
    """name, x, y: as many numbers; style: how they are drawn; low, high: a band around y, () for none."""

    name: str
    x: Numbers
    y: Numbers
    style: Style = "line"
    low: Numbers = ()
    high: Numbers = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or any(band and len(band) != len(self.x) for band in (self.low, self.high)):
            raise ValueError(f"series {self.name!r}: its numbers do not belong together")


@dataclass(frozen=True)
class Plot:
    """x, y: the axes' labels; log: those that are logarithmic; ticks: words at x = 0, 1, ..., where x is no number."""

    title: str
    caption: str
    x: str
    y: str
    series: tuple[Series, ...]
    log: Literal["", "x", "y", "xy"] = ""
    ticks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """pixels: (H, W, 1 or 3), 0 to 255."""

    caption: str
    pixels: tuple[tuple[tuple[int, ...], ...], ...]

    def __post_init__(self) -> None:
        shape = np.asarray(self.pixels, float).shape  # raises ValueError where rows differ
        if len(shape) != 3 or not shape[0] or not shape[1] or shape[2] not in (1, 3):
            raise ValueError(f"a picture has the shape {shape}")


@dataclass(frozen=True)
class Pictures:
    """rows: of pictures that belong together, equally many in each."""

    title: str
    caption: str
    rows: tuple[tuple[Picture, ...], ...]

    def __post_init__(self) -> None:
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("rows of pictures differ in length")


@dataclass(frozen=True)
class Explanation:
    """What a diagnostic says of one run.

    sentence: the one that the numbers support; where the run does not fit the question, why
    columns, rows: the table, () where the run does not fit
    lines: a chart in plain text
    values: the numbers, for JSON
    shown: what a page draws
    seed: of the model explained
    """

    sentence: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    shown: tuple[Plot | Pictures, ...] = ()
    seed: int = 0

    @property
    def applies(self) -> bool:
        """Whether the run fits the question; if not, `sentence` says why."""
        return bool(self.rows or self.lines or self.values or self.shown)

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row of the table is longer or shorter than its head")


def series(name: str, x: ArrayLike, y: ArrayLike, style: Style = "line", band: Any = None) -> Series:
    """A series of arrays; `band`: (low, high)."""
    low, high = ((), ()) if band is None else (_numbers(band[0]), _numbers(band[1]))
    return Series(name, _numbers(x), _numbers(y), style, low, high)


def _numbers(values: Any) -> Numbers:
    return tuple(float(v) if np.isfinite(v) else None for v in np.asarray(values, float))


def picture(caption: str, image: np.ndarray) -> Picture:
    """Of an image (H, W, C) in [0, 1]; of other numbers of channels their mean."""
    image = image if image.shape[-1] in (1, 3) else image.mean(-1, keepdims=True)
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(int).tolist()
    return Picture(caption, tuple(tuple(map(tuple, row)) for row in pixels))


def to_json(one: Explanation) -> dict[str, Any]:
    """For a JSON file."""
    return asdict(one)


def from_json(value: Any) -> Explanation:
    """The way back, everything checked: a file may be somebody else's. Raises ValueError."""
    from pydantic import TypeAdapter

    return TypeAdapter(Explanation).validate_python(value)
