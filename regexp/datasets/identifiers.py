"""Find columns that identify a row instead of describing it: identifiers, row numbers, dates, unique texts.

A network memorizes such a column and fails on new rows. The row number of a file that is sorted by class even predicts
the class without error, also in the test split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from regexp.datasets.table import Table

FEWEST_ROWS = 20  # with fewer rows, values differ by chance
UNLIKE = 0.5  # ratio of different texts to values from which a text column identifies rows
DENSE = 2  # ratio of range to count up to which unique whole numbers count as row numbers
DATES = 0.9  # share of dates among a column's different texts from which it is a column of dates
NAMES = re.compile(r"(|unnamed: \d+|index|id|.*[_ ]id|row|rownames?|row[_ ]?(id|number))", re.IGNORECASE)
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ].*)?")


def identifier_columns(table: Table, numeric: list[int], textual: list[int]) -> list[tuple[str, str]]:
    """Return the name of each input column that seems to identify rows, and the reason.

    numeric, textual: the numbers of the numeric and of the text columns among the inputs
    """
    reasons = {index: _numeric_reason(table.names[index], table.values[:, index]) for index in numeric}
    reasons |= {index: next(_text_reasons(table, index), None) for index in textual}
    return [(table.names[index], reason) for index, reason in sorted(reasons.items()) if reason is not None]


def _numeric_reason(name: str, values: np.ndarray) -> str | None:
    count = len(values)
    # Most columns of fractions are recognized by their first rows, without a pass over a large table.
    if count < FEWEST_ROWS or not _are_whole(values[:FEWEST_ROWS]) or not _are_whole(values):
        return None
    steps = np.diff(values)
    if np.all(steps == steps[0]) and steps[0] != 0:
        return "numbers the rows"
    if len(np.unique(values)) < count:
        return None
    width = float(values.max() - values.min()) + 1
    if NAMES.fullmatch(name) or width <= DENSE * count:
        return f"holds {count:,} different whole numbers in {count:,} rows"
    return None


def _are_whole(values: np.ndarray) -> bool:
    return np.array_equal(values, np.round(values))  # NaN is unequal to itself


def _text_reasons(table: Table, index: int) -> Iterator[str]:
    texts = table.texts(index)
    present = [code for code, text in enumerate(texts.levels) if not table.cells.is_missing(text)]
    values = int(np.isin(texts.codes, present).sum())
    if values < FEWEST_ROWS:
        return
    if sum(bool(DATE.fullmatch(texts.levels[code])) for code in present) >= DATES * len(present):
        yield f"holds dates, encoded as {len(present):,} categories"
    # Texts such as 3% are reported as misread numbers instead; see described.py.
    almost_numbers = all(table.cells.almost_number(texts.levels[code]) for code in present)
    if len(present) >= UNLIKE * values and not almost_numbers:
        yield f"holds {len(present):,} different texts in {values:,} rows, encoded as {len(present):,} categories"


def identifier_note(path: str, name: str, reason: str) -> str:
    """Return the warning about a column that seems to identify rows."""
    return f"{path}: column {name!r} {reason}; if it identifies rows, exclude it: dataset.drop: [{yaml_name(name)}]"


def yaml_name(name: str) -> str:
    """Return a column's name as an item of a YAML list, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else json.dumps(name, ensure_ascii=False)
