"""Columns that name a row instead of describing it: identifiers, running numbers, dates, texts of all kinds.

A network learns such a column by heart and is wrong on new rows. A running number of a file that is sorted by class
even predicts the class without error, in the test split too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from regexp.datasets.table import Table

FEWEST_ROWS = 20  # with fewer, unlike values mean nothing
UNLIKE = 0.5  # different texts over values present, from which a column of text names rows
DENSE = 2  # range of unlike whole numbers over their count, up to which they are numbers of rows
DATES = 0.9  # share of a column's texts that are dates
NAMES = re.compile(r"(|unnamed: \d+|index|id|.*[_ ]id|row|rownames?|row[_ ]?(id|number))", re.IGNORECASE)
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ].*)?")


def identifier_columns(table: Table, numeric: list[int], textual: list[int]) -> list[tuple[str, str]]:
    """(name, reason) of each input column that seems to name rows.

    numeric, textual: the numbers of the input columns of each kind
    """
    reasons = {index: _of_numbers(table.names[index], table.values[:, index]) for index in numeric}
    reasons |= {index: next(_of_texts(table, index), None) for index in textual}
    return [(table.names[index], reason) for index, reason in sorted(reasons.items()) if reason is not None]


def _of_numbers(name: str, values: np.ndarray) -> str | None:
    count = len(values)
    if count < FEWEST_ROWS or not _are_whole(values[:FEWEST_ROWS]) or not _are_whole(values):
        return None  # most columns are told by their first rows
    steps = np.diff(values)
    if np.all(steps == steps[0]) and steps[0] != 0:
        return "is a running number of the rows"
    if len(np.unique(values)) < count:
        return None
    width = float(values.max() - values.min()) + 1
    if NAMES.fullmatch(name) or width <= DENSE * count:
        return f"holds {count:,} different whole numbers in {count:,} rows"
    return None


def _are_whole(values: np.ndarray) -> bool:
    return np.array_equal(values, np.round(values))  # NaN is unequal to itself


def _of_texts(table: Table, index: int) -> Iterator[str]:
    texts = table.texts(index)
    present = [code for code, text in enumerate(texts.levels) if not table.cells.is_missing(text)]
    values = int(np.isin(texts.codes, present).sum())
    if values < FEWEST_ROWS:
        return
    if sum(bool(DATE.fullmatch(texts.levels[code])) for code in present) >= DATES * len(present):
        yield f"holds dates, coded as {len(present):,} categories"
    almost_numbers = all(
        table.cells.almost_number(texts.levels[code]) for code in present
    )  # another note tells of them
    if len(present) >= UNLIKE * values and not almost_numbers:
        yield f"holds {len(present):,} different texts in {values:,} rows, coded as {len(present):,} categories"


def identifier_note(path: str, name: str, reason: str) -> str:
    """The warning for such a column."""
    return f"{path}: column {name!r} {reason}; if it names rows, leave it out: dataset.drop: [{yaml_name(name)}]"


def yaml_name(name: str) -> str:
    """A column's name as a list in YAML takes it."""
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else json.dumps(name, ensure_ascii=False)
