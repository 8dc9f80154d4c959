"""Interpret the text of a table's cell: a number, a missing value, or text that only looks like a number."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MISSING = frozenset({"", "?", "NA", "N/A", "na", "n/a", "nan", "NaN", "NAN", "null", "NULL", "None"})
LARGEST = float(np.finfo(np.float32).max)
SPACES = " \u00a0\u202f"  # a space, and the two no-break spaces that spreadsheets write between groups of digits

_LETTERS = re.compile(r"[^\W\d_eE]")  # a number contains no letter except the e of an exponent
_DIGITS = re.compile(r"[+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?")
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")


@dataclass(frozen=True)
class CellFormat:
    """The notation of a file's cells.

    decimal: the decimal sign, "." or ","
    thousands: the separator of groups of digits, or None
    na_values: texts that mean a missing value, or None for `MISSING`; an empty cell is always missing
    """

    decimal: str = "."
    thousands: str | None = None
    na_values: tuple[str, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as in Python: 1234.5."""
        return self.decimal == "." and self.thousands is None

    def number(self, text: str) -> float | None:
        """Return the number in a cell; None for other text and for numbers outside the range of float32."""
        if not self.is_plain:
            text = self._as_python_writes(text) or ""
        return number(text)

    def is_too_large(self, text: str) -> bool:
        """Return whether a cell holds a number outside the range of float32, such as `inf` or `1e300`."""
        if not self.is_plain:
            text = self._as_python_writes(text) or ""
        try:
            return "_" not in text and abs(float(text)) > LARGEST
        except ValueError:
            return False

    def is_missing(self, text: str) -> bool:
        """Return whether the text of a cell means a missing value."""
        return not text or text in (MISSING if self.na_values is None else self.na_values)

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that mean a missing value in a numeric column, in any notation: -999 and -999.0."""
        numbers = (self.number(text) for text in self.na_values or ())
        return tuple(value for value in numbers if value is not None)

    def almost_number(self, text: str) -> str | None:
        """Return the sign that keeps a text from being a number, such as "a comma"; None for any other text."""
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
        """Rewrite a number with a decimal point and without separators; None if the groups have wrong lengths."""
        sign = self.thousands
        if sign is not None:
            if sign == " ":
                text = re.sub(f"(?<=\\d)[{SPACES}](?=\\d)", " ", text)
            integer, decimal, fraction = text.partition(self.decimal)
            # Groups of two digits before the last one: Indian notation, 12,34,567.
            groups = rf"[+-]?\d{{1,3}}({re.escape(sign)}\d{{2,3}})*{re.escape(sign)}\d{{3}}"
            if sign in fraction or (sign in integer and not re.fullmatch(groups, integer)):
                return None
            text = integer.replace(sign, "") + decimal + fraction
        if self.decimal == ".":
            return text
        return None if "." in text else text.replace(self.decimal, ".")


def number(text: str | None) -> float | None:
    """Convert a cell to a number: NaN if it is missing, None if it is text or outside the range of float32."""
    if text is None:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        return None
    fits = abs(value) <= LARGEST and "_" not in text  # Python reads 20_30 as 2030
    return value if fits else None


def _without_signs(text: str) -> tuple[str, list[str]]:
    """Return the text without percent signs, currency signs and separators, and the names of the removed signs."""
    signs: list[str] = []
    for name, removed in (
        ("a percent sign", {"%"}),
        ("a currency sign", {c for c in text if unicodedata.category(c) == "Sc"}),
        ("an apostrophe", {"'", "’"}),
        ("a space", set(SPACES)),
    ):
        stripped = "".join(c for c in text if c not in removed)
        # A space beside another sign only separates it: "3 %" differs from a number by the percent sign.
        if stripped != text and not (name == "a space" and signs):
            signs.append(name)
        text = stripped
    return text, signs
