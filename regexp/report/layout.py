"""Lay out a table in lines of a given width: text wraps, and columns that do not fit are omitted."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

GAP = "  "
LONG_WORD = 10  # longer words may break after _, -, / and .
_PARTS = re.compile(r"[^_/.-]*[_/.-]?")
NAME = 30  # width of the first column that takes precedence over optional columns
LEAST = 4  # minimum width of a column, even if it breaks words anywhere


@dataclass(frozen=True)
class Layout:
    """A table that fits the width.

    rows: the lines of each row, starting with the header
    left_out: headings of the columns that did not fit
    """

    rows: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]


def fit(
    cells: Sequence[Sequence[str]],
    words: Collection[int],
    width: int,
    optional: Sequence[str] = (),
    wrapped: Collection[int] = (),
) -> Layout:
    """Lay out rows of cells, starting with the header, in lines of at most `width` characters.

    words: indices of text columns, left-aligned and wrapped; number columns are right-aligned and not wrapped
    wrapped: indices of right-aligned columns that wrap nevertheless
    optional: headings of the columns to omit first, the least important first; then columns go from the right
    At least two columns remain: the first, and one other.
    """
    columns = list(range(len(cells[0])))
    header = cells[0]
    natural = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    narrowest = [_narrowest(column, i in words or i in wrapped) for i, column in enumerate(zip(*cells, strict=True))]
    preferred = [
        max(narrowest[0], min(natural[0], NAME)),
        *narrowest[1:],
    ]  # the name of a row wraps only after optional columns are gone
    order = [header.index(name) for name in optional if name in header]
    order += [i for i in reversed(columns) if i not in order]
    for dropped in (i for i in order if i > 0):
        needed = preferred if header[dropped] in optional else narrowest
        if _total([needed[i] for i in columns]) <= width or len(columns) <= 2:
            break
        columns.remove(dropped)
    widths = _widths([narrowest[i] for i in columns], [natural[i] for i in columns], width)
    rows = tuple(_row([row[i] for i in columns], widths, [i in words for i in columns]) for row in cells)
    return Layout(rows, tuple(header[i] for i in range(len(header)) if i not in columns))


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines between words; break a word only if it is longer than a line."""
    lines = [""]
    for word in text.split(" "):
        for number, piece in enumerate(_pieces(word, width)):
            joined = f"{lines[-1]} {piece}" if lines[-1] and number == 0 else piece
            if number == 0 and cell_len(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return [line for line in lines if line] or [""]


def _pieces(word: str, width: int) -> list[str]:
    """Split a word that is longer than a line, after punctuation if possible."""
    if cell_len(word) <= width:
        return [word]
    pieces: list[str] = []
    for part in _PARTS.findall(word):
        if pieces and cell_len(pieces[-1] + part) <= width:
            pieces[-1] += part
        elif part:
            pieces += chop_cells(part, width)
    return pieces


def _narrowest(column: Sequence[str], is_text: bool) -> int:
    """Return the minimum width at which no number breaks, and words break only where allowed."""
    heading, *body = column
    unbreakable = [] if is_text else body
    words = [word for cell in (column if is_text else [heading]) for word in cell.split()]
    parts = [part for word in words for part in (_PARTS.findall(word) if len(word) > LONG_WORD else [word])]
    return max(map(cell_len, (*unbreakable, *parts, "")))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(narrowest: Sequence[int], natural: Sequence[int], width: int) -> list[int]:
    """Widen columns to fill the line, one character at a time where most is missing; shrink them if it overflows."""
    widths = list(narrowest)
    while _total(widths) < width and widths != list(natural):
        lacking = [n - w for n, w in zip(natural, widths, strict=True)]
        widths[lacking.index(max(lacking))] += 1
    while _total(widths) > width and max(widths) > LEAST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], is_text: Sequence[bool]) -> tuple[str, ...]:
    wrapped = [wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, wrapped))):
        padded = []
        for cell_lines, width, is_left in zip(wrapped, widths, is_text, strict=True):
            piece = cell_lines[number] if number < len(cell_lines) else ""
            space = " " * (width - cell_len(piece))
            padded.append(piece + space if is_left else space + piece)
        lines.append(GAP.join(padded).rstrip())
    return tuple(lines)
