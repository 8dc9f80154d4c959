"""What the text of a table's cell means: a number, a missing value, or text that only looks like a number."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MISSING = frozenset({"", "?", "NA", "N/A", "na", "n/a", "nan", "NaN", "NAN", "null", "NULL", "None"})
LARGEST = float(np.finfo(np.float32).max)
SPACES = " \u00a0\u202f"  # a space, and the two that do not break a line

_LETTERS = re.compile(r"[^\W\d_eE]")  # a number holds at most the e of an exponent
_DIGITS = re.compile(r"[+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?")
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")


@dataclass(frozen=True)
class CellFormat:
    """How the cells of a file are written.

    decimal: the decimal sign, "." or ","
    thousands: the sign between groups of digits, or None
    na_values: texts that mean a missing value, or None for `MISSING`; an empty cell is always missing
    """

    decimal: str = "."
    thousands: str | None = None
    na_values: tuple[str, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as in Python."""
        return self.decimal == "." and self.thousands is None

    def number(self, text: str) -> float | None:
        """The number that a cell holds; None for other text and for numbers that float32 cannot hold."""
        if not self.is_plain:
            text = self._as_python_writes(text) or ""
        return number(text)

    def is_too_large(self, text: str) -> bool:
        """Whether the cell would be a number if float32 could hold it: `inf`, `1e300`."""
        if not self.is_plain:
            text = self._as_python_writes(text) or ""
        try:
            return "_" not in text and abs(float(text)) > LARGEST
        except ValueError:
            return False

    def is_missing(self, text: str) -> bool:
        """Whether the text of a cell means a missing value."""
        return not text or text in (MISSING if self.na_values is None else self.na_values)

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that mean a missing value in a column of numbers, however they are written: -999, -999.0."""
        numbers = (self.number(text) for text in self.na_values or ())
        return tuple(value for value in numbers if value is not None)

    def almost_number(self, text: str) -> str | None:
        """The sign that keeps a text from being a number: "a comma", "a percent sign"; None for any other text."""
        if _LETTERS.search(text) or self.number(text) is not None:
            return None
        bare, signs = _without_signs(text)
        if not _DIGITS.fullmatch(bare):
            return None
        if "," in bare:
            signs.append("a comma")
        elif (bare.count(".") == 1 and self.decimal == ",") or (bare.count(".") > 1 and _POINT_GROUPS.fullmatch(bare)):
            signs.append("a point")
        return " and ".join(signs) or None

    def _as_python_writes(self, text: str) -> str | None:
        """The number with a decimal point and without groups; None where the groups are not groups of digits."""
        sign = self.thousands
        if sign is not None:
            if sign == " ":
                text = re.sub(f"(?<=\\d)[{SPACES}](?=\\d)", " ", text)
            whole, decimal, rest = text.partition(self.decimal)
            groups = rf"[+-]?\d{{1,3}}({re.escape(sign)}\d{{2,3}})*{re.escape(sign)}\d{{3}}"
            if sign in rest or (sign in whole and not re.fullmatch(groups, whole)):
                return None
            text = whole.replace(sign, "") + decimal + rest
        if self.decimal == ".":
            return text
        return None if "." in text else text.replace(self.decimal, ".")


def number(text: str | None) -> float | None:
    """A cell as a number: NaN where missing, None where it is text or does not fit float32."""
    if text is None:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        return None
    fits = abs(value) <= LARGEST and "_" not in text  # Python reads 20_30 as 2030
    return value if fits else None


def _without_signs(text: str) -> tuple[str, list[str]]:
    """(the text without percent and currency signs and signs between groups, the names of what was removed)."""
    signs: list[str] = []
    for name, removed in (
        ("a percent sign", {"%"}),
        ("a currency sign", {c for c in text if unicodedata.category(c) == "Sc"}),
        ("an apostrophe", {"'", "’"}),
        ("a space", set(SPACES)),
    ):
        kept = "".join(c for c in text if c not in removed)
        if kept != text and not (name == "a space" and signs):
            signs.append(name)
        text = kept
    return text, signs
