"""The explanation that a diagnostic gives of a run, as plain data stored in the run folder and shown without JAX."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

FILE = "diagnostics.json"  # in a run's folder: {diagnostic: Explanation}

Numbers = tuple[float | None, ...]  # None for a number that is not finite
Style = Literal["line", "points", "bars"]


@dataclass(frozen=True)
class Series:
    """A series of points, drawn as `style`.

    x, y: equally many numbers
    low, high: a band around y; () for none
    """

    name: str
    x: Numbers
    y: Numbers
    style: Style = "line"
    low: Numbers = ()
    high: Numbers = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or any(band and len(band) != len(self.x) for band in (self.low, self.high)):
            raise ValueError(f"series {self.name!r}: x, y and the band differ in length")


@dataclass(frozen=True)
class Plot:
    """A plot of one or more series.

    x, y: labels of the axes
    log: the logarithmic axes
    ticks: labels at x = 0, 1, ... of a categorical axis
    """

    title: str
    caption: str
    x: str
    y: str
    series: tuple[Series, ...]
    log: Literal["", "x", "y", "xy"] = ""
    ticks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture with pixels (H, W, 1 or 3) from 0 to 255."""

    caption: str
    pixels: tuple[tuple[tuple[int, ...], ...], ...]

    def __post_init__(self) -> None:
        shape = np.asarray(self.pixels, float).shape  # raises ValueError where rows differ
        if len(shape) != 3 or not shape[0] or not shape[1] or shape[2] not in (1, 3):
            raise ValueError(f"a picture has the shape {shape}")


@dataclass(frozen=True)
class Pictures:
    """A grid of pictures; all rows have the same length."""

    title: str
    caption: str
    rows: tuple[tuple[Picture, ...], ...]

    def __post_init__(self) -> None:
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("rows of pictures differ in length")


@dataclass(frozen=True)
class Explanation:
    """The explanation that a diagnostic gives of one run.

    sentence: a conclusion that the numbers support, or why the diagnostic does not apply
    columns, rows: a table; () if the diagnostic does not apply
    lines: a chart in plain text
    values: the numbers, for JSON
    shown: plots and pictures for a page
    seed: the seed of the explained model
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
        """Whether the diagnostic applies to the run; if not, `sentence` says why."""
        return bool(self.rows or self.lines or self.values or self.shown)

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row of the table does not match its header")


def series(name: str, x: ArrayLike, y: ArrayLike, style: Style = "line", band: Any = None) -> Series:
    """Return a series from arrays; `band` is (low, high) or None."""
    low, high = ((), ()) if band is None else (_numbers(band[0]), _numbers(band[1]))
    return Series(name, _numbers(x), _numbers(y), style, low, high)


def _numbers(values: Any) -> Numbers:
    return tuple(float(v) if np.isfinite(v) else None for v in np.asarray(values, float))


def picture(caption: str, image: np.ndarray) -> Picture:
    """Return a picture of an image (H, W, C) in [0, 1]; unless C is 1 or 3, channels are averaged."""
    image = image if image.shape[-1] in (1, 3) else image.mean(-1, keepdims=True)
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(int).tolist()
    return Picture(caption, tuple(tuple(map(tuple, row)) for row in pixels))


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as a JSON object."""
    return asdict(explanation)


def from_json(value: Any) -> Explanation:
    """Validate a JSON object from an untrusted file and return the explanation. Raises ValueError."""
    from pydantic import TypeAdapter

    return TypeAdapter(Explanation).validate_python(value)
