"""A table as lines of a given width: it stays one table. Text wraps, and columns that find no room are left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

GAP = "  "
LONG_WORD = 10  # characters from which a word may break after _, -, / and .
_PARTS = re.compile(r"[^_/.-]*[_/.-]?")
NAME = 30  # characters of a row's name for which columns are left out
LEAST = 4  # characters of a column that has to break words anywhere


@dataclass(frozen=True)
class Layout:
    """A table that fits.

    rows: the lines of each row, the header's first
    left_out: the headings of the columns that found no room
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
    """Lay out rows of cells, the header's first, in lines of at most `width` characters.

    words: the columns of text, to the left; they wrap, numbers do not; wrapped: others that do, to the right
    optional: headings of the columns that may be left out, the least important first; after them, those on the right.
    The first column stays, and so does one more.
    """
    columns = list(range(len(cells[0])))
    header = cells[0]
    natural = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    narrowest = [_narrowest(column, i in words or i in wrapped) for i, column in enumerate(zip(*cells, strict=True))]
    wanted = [max(narrowest[0], min(natural[0], NAME)), *narrowest[1:]]  # a name in one line is worth a column
    order = [header.index(name) for name in optional if name in header]
    order += [i for i in reversed(columns) if i not in order]
    for dropped in (i for i in order if i > 0):
        needed = wanted if header[dropped] in optional else narrowest
        if _total([needed[i] for i in columns]) <= width or len(columns) <= 2:
            break
        columns.remove(dropped)
    widths = _widths([narrowest[i] for i in columns], [natural[i] for i in columns], width)
    rows = tuple(_row([row[i] for i in columns], widths, [i in words for i in columns]) for row in cells)
    return Layout(rows, tuple(header[i] for i in range(len(header)) if i not in columns))


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines between words, and within a word only where it is longer than a line."""
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
    """Cut a word that is longer than a line, after punctuation where that is enough."""
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
    """The width below which a column would break a number, or a word anywhere."""
    heading, *body = column
    whole = [] if is_text else body
    words = [word for cell in (column if is_text else [heading]) for word in cell.split()]
    parts = [part for word in words for part in (_PARTS.findall(word) if len(word) > LONG_WORD else [word])]
    return max(map(cell_len, (*whole, *parts, "")))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(narrowest: Sequence[int], natural: Sequence[int], width: int) -> list[int]:
    """Share what the narrowest widths leave of a line: one character at a time to the column that lacks most."""
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
        for own, width, left in zip(wrapped, widths, is_text, strict=True):
            piece = own[number] if number < len(own) else ""
            space = " " * (width - cell_len(piece))
            padded.append(piece + space if left else space + piece)
        lines.append(GAP.join(padded).rstrip())
    return tuple(lines)
