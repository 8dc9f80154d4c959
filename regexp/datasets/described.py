"""Describe how a table was read: what was inferred, and which columns may have been misread."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from regexp.datasets.codec import Codec, listed
from regexp.datasets.table import Table
from regexp.datasets.targets import Targets

MOST_NOTES = 5  # notes of one kind
MOST_NAMED = 5  # categories or classes in one line

_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")


# -- what was inferred ------------------------------------------------------------------------------------------------


def describe_table(
    table: Table, codec: Codec, targets: Targets, infers_header: bool, infers_kind: bool
) -> tuple[str, ...]:
    """Return sentences about how the file was read, each with the config key that changes it.

    infers_header: whether the header was inferred
    infers_kind: whether the kind of the target was inferred
    """
    header = "the first line names the columns" if table.header else "the first line is data: the columns have no names"
    lines = [f"{table.path}: {header} (dataset.header)"] if infers_header else []
    categorical = [f"{name!r} ({len(kinds):,})" for name, kinds in codec.columns if kinds is not None]
    numbers = len(codec.columns) - len(categorical)
    parts = [f"{numbers:,} column{'s' * (numbers != 1)} of numbers"] if numbers else []
    if categorical:
        columns = f"{len(categorical):,} column{'s' * (len(categorical) != 1)} of categories"
        parts.append(f"{columns}: {listed(categorical, MOST_NAMED)}")
    excluded = f"; {len(codec.drop):,} excluded" if codec.drop else ""
    lines.append(f"inputs: {', '.join(parts)}{excluded} (dataset.categories, dataset.drop)")
    names = listed([repr(name) for name in targets.classes], MOST_NAMED)
    task = f"classification, {len(targets.classes):,} classes: {names}" if targets.classes else "regression"
    reason = ""
    if infers_kind:
        alternative = "regression takes them as numbers" if targets.classes else "classification takes them as classes"
        change = f"dataset.kind: {alternative}" if targets.content.startswith("whole") else "dataset.kind"
        reason = f"; inferred from {targets.content} ({change})"
    lines.append(f"target {codec.target!r}: {task}{reason}")
    return tuple(lines)


# -- columns that may have been misread -------------------------------------------------------------------------------


def misread_columns(
    table: Table, codec: Codec, is_classification: bool, categories: tuple[str, ...]
) -> tuple[str, ...]:
    """Return warnings about columns that a person may read differently: numbers taken as text, and the like."""
    coded = {name: "categories" for name, kinds in codec.columns if kinds is not None and name not in categories}
    if is_classification:
        coded[codec.target] = "classes"
    almost, mixed, words = [], [], []
    for name, role in coded.items():
        index = table.index(name)
        if not table.non_numeric(index).texts:
            continue
        if signed := _almost_numbers(table, index):
            note, advice = signed
            almost.append(f"{note}; all its values are taken as {role}; {advice}")
        elif mixture := _mixture(table, index):
            mixed.append(f"{mixture}; all its values are taken as {role}")
        if role == "categories" and table.cells.na_values is None and (missing := _missing_words(table, index)):
            words.append(missing)
    numeric = {name for name, kinds in codec.columns if kinds is None}
    zeros = [_leading_zeros(table, index, text) for index, text in table.leading_zeros.items()
             if table.names[index] in numeric]  # fmt: skip
    return tuple(note for kind in (almost, mixed, words, zeros) for note in _first(kind))


def _first(notes: list[str]) -> list[str]:
    """Return the first notes of one kind, and the count of the others."""
    if len(notes) <= MOST_NOTES:
        return notes
    return [*notes[:MOST_NOTES], f"... and {len(notes) - MOST_NOTES:,} more columns like these"]


def _almost_numbers(table: Table, index: int) -> tuple[str, str] | None:
    """If all values of a text column are numbers apart from a sign, return a note on the first one, and advice."""
    texts, cells = table.texts(index), table.cells
    signs = {code: cells.almost_number(text) for code, text in enumerate(texts.levels) if not cells.is_missing(text)}
    non_numeric = [code for code in signs if cells.number(texts.levels[code]) is None]
    if not non_numeric or not all(signs[code] for code in non_numeric):
        return None
    written = [texts.levels[code] for code in non_numeric]
    row = int(np.flatnonzero(np.isin(texts.codes, non_numeric))[0])
    sign, text = signs[texts.codes[row]], texts.levels[texts.codes[row]]
    name = table.names[index]
    note = f"{table.place(row)}: column {name!r} holds {text!r}, which is text because of {sign}"
    return note, _advice(str(sign), written, name)


def _advice(sign: str, written: list[str], name: str) -> str:
    """Return what to change so that the values are read as numbers."""
    if "percent" in sign or "currency" in sign:
        removed = sign.replace("a ", "the ")
        return f"to read numbers, remove {removed} from the file; else set dataset.categories: [{name}]"
    if "apostrophe" in sign:
        return """to read numbers, set dataset.thousands: "'\""""
    if "space" in sign:
        return "to read numbers, set dataset.thousands: ' '"
    if "comma" not in sign:
        return "to read numbers, set dataset.decimal: '.', or dataset.thousands: '.' with dataset.decimal: ','"
    if all(_COMMA_GROUPS.fullmatch(text) for text in written):
        return "to read numbers, set dataset.thousands: ',' or dataset.decimal: ','"
    grouped = " and dataset.thousands: '.'" if any("." in text for text in written) else ""
    return f"to read numbers, set dataset.decimal: ','{grouped}"


def _mixture(table: Table, index: int) -> str | None:
    """If a column holds numbers and text, return a note on its first cell of the rarer kind."""
    texts, cells = table.texts(index), table.cells
    counts = np.bincount(texts.codes, minlength=len(texts.levels))
    kinds = [None if cells.is_missing(text) else "text" if cells.number(text) is None else "number"
             for text in texts.levels]  # fmt: skip
    totals: Counter[str] = Counter()
    for kind, count in zip(kinds, counts.tolist(), strict=True):
        if kind is not None:
            totals[kind] += count
    if len(totals) < 2:
        return None
    rarer = min(totals, key=lambda kind: (totals[kind], kind == "text"))
    usual = "text" if rarer == "number" else "number"
    row = int(np.flatnonzero(np.isin(texts.codes, [code for code, kind in enumerate(kinds) if kind == rarer]))[0])
    text = texts.levels[texts.codes[row]]
    name = table.names[index]
    return f"{table.place(row)}: column {name!r} holds {text!r}, a {rarer}, beside {totals[usual]} {usual}s"


def _missing_words(table: Table, index: int) -> str | None:
    """If a text column holds words that mean missing, return a note on them."""
    texts = table.texts(index)
    words = [repr(text) for text in texts.levels if text not in ("", "?") and table.cells.is_missing(text)]
    if not words:
        return None
    return (
        f"{table.path}: column {table.names[index]!r}: {listed(words, MOST_NAMED)} taken as missing; "
        "dataset.na_values lists the texts that mean missing"
    )


def _leading_zeros(table: Table, index: int, text: str) -> str:
    name = table.names[index]
    return (
        f"{table.path}: column {name!r} holds {text!r}, taken as the number {table.cells.number(text):g}; "
        f"dataset.categories: [{name}] keeps codes as they are written"
    )
