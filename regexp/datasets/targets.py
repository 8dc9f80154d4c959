"""Encode the target of a table as classes or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from regexp.core.errors import MOST_PROBLEMS, DataError, join_problems
from regexp.datasets.table import Table

MOST_NUMBERED_CLASSES = 20  # different whole numbers up to which they are inferred to be classes

Kind = Literal["auto", "classification", "regression"]


@dataclass(frozen=True)
class Targets:
    """Encoded targets.

    values: (n,) int32 class numbers, or (n, 1) float64
    classes: the names of the classes in the order of their numbers; () for regression
    content: a description of the column's content, such as `whole numbers with 3 different values`
    notes: warnings about how the target was read
    """

    values: np.ndarray
    classes: tuple[str, ...]
    content: str
    notes: tuple[str, ...] = ()


def encode_targets(table: Table, column: int, kind: Kind) -> Targets:
    """Encode a column as classes or numbers.

    In a text column, without dataset.na_values, only an empty cell is a missing target: words such as NA are classes.

    Raises DataError that lists the rows whose target is missing or not a number.
    """
    non_numeric = table.non_numeric(column)
    values = table.numbers(column)
    is_text = values is None or non_numeric.missing == len(table)
    if not is_text and non_numeric.missing:
        raise DataError(_missing(table, column, table.missing_rows(column)))
    if is_text and kind == "regression":
        problems = [f"{table.place(row)}: the target {text!r} is not a number" for row, text in non_numeric.first]
        raise DataError(join_problems(problems, non_numeric.texts) or _missing(table, column, np.arange(len(table))))
    if values is None or is_text:
        return _text_classes(table, column)
    distinct = np.unique(values)
    is_whole = bool(np.all(distinct == np.round(distinct)))
    if kind == "auto":
        kind = "classification" if is_whole and len(distinct) <= MOST_NUMBERED_CLASSES else "regression"
    if kind == "classification":
        texts = table.texts(column)
        content = f"{'whole ' if is_whole else ''}numbers with {len(distinct)} different values"
        return _classes(table, texts.codes, texts.levels, content, ())
    numbers = "whole numbers" if is_whole else "numbers"
    return Targets(values[:, None], (), f"{numbers} with {len(distinct):,} different values")


def _text_classes(table: Table, column: int) -> Targets:
    texts, cells = table.texts(column), table.cells
    is_missing = [not text or (cells.na_values is not None and cells.is_missing(text)) for text in texts.levels]
    rows = np.flatnonzero(np.asarray(is_missing)[texts.codes])
    if len(rows):
        raise DataError(_missing(table, column, rows))
    words = [code for code, text in enumerate(texts.levels) if cells.is_missing(text)]
    counts = np.bincount(texts.codes, minlength=len(texts.levels))
    notes: tuple[str, ...] = ()
    if words:
        listed = ", ".join(f"{texts.levels[code]!r} ({_rows(int(counts[code]))})" for code in words)
        notes = (
            f"{table.path}: target {table.names[column]!r}: {listed} taken as a class, not as a missing value; "
            "dataset.na_values lists the texts that mean missing",
        )
    return _classes(table, texts.codes, texts.levels, "text", notes)


def _classes(table: Table, codes: np.ndarray, levels: tuple[str, ...], content: str, notes: tuple[str, ...]) -> Targets:
    """Encode classes. Equal numbers in different notations, 1 and 1.0, are one class with the first one's name."""
    keys = [_class_key(table, text) for text in levels]
    names = dict(reversed(list(zip(keys, levels, strict=True))))
    order = sorted(names)
    if len(order) < 2:
        raise DataError(f"{table.place(0)}: all targets are {levels[0]!r}; a classification needs two classes")
    numbers = {key: number for number, key in enumerate(order)}
    class_numbers = np.asarray([numbers[key] for key in keys], np.int32)
    return Targets(class_numbers[codes], tuple(names[key] for key in order), content, notes)


def _class_key(table: Table, text: str) -> tuple[bool, float, str]:
    value = table.cells.number(text)
    return (True, 0.0, text) if value is None else (False, value, "")


def _missing(table: Table, column: int, rows: np.ndarray) -> str:
    first = rows[:MOST_PROBLEMS].tolist()
    problems = [
        f"{table.place(row)}: the target is missing" + (f": {text!r} means a missing value" if text else "")
        for row, text in zip(first, table.cells_of(first, column), strict=True)
    ]
    has_words = any(table.cells_of(first, column))
    advice = "remove these rows" + (", or set dataset.na_values to the texts that mean missing" if has_words else "")
    return f"{join_problems(problems, len(rows))}\n{advice}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"
