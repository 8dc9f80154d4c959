"""What a user is told of how a table was read: what was inferred, and which columns may not be what they seem."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from regexp.datasets.codec import Codec, listed
from regexp.datasets.table import Table
from regexp.datasets.targets import Targets

MOST_NOTES = 5  # of one kind
MOST_NAMED = 5  # categories and classes in a line

_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")


# -- what was inferred ------------------------------------------------------------------------------------------------


def describe_table(
    table: Table, codec: Codec, targets: Targets, infers_header: bool, infers_kind: bool
) -> tuple[str, ...]:
    """Lines that say how the file was read, each with the config key that changes it."""
    header = "the first line names the columns" if table.header else "the first line is data: the columns have no names"
    lines = [f"{table.path}: {header} (dataset.header)"] if infers_header else []
    categorical = [f"{name!r} ({len(kinds):,})" for name, kinds in codec.columns if kinds is not None]
    numbers = len(codec.columns) - len(categorical)
    parts = [f"{numbers:,} column{'s' * (numbers != 1)} of numbers"] if numbers else []
    if categorical:
        columns = f"{len(categorical):,} column{'s' * (len(categorical) != 1)} of categories"
        parts.append(f"{columns}: {listed(categorical, MOST_NAMED)}")
    left_out = f"; {len(codec.drop):,} left out" if codec.drop else ""
    lines.append(f"inputs: {', '.join(parts)}{left_out} (dataset.categories, dataset.drop)")
    names = listed([repr(name) for name in targets.classes], MOST_NAMED)
    task = f"classification, {len(targets.classes):,} classes: {names}" if targets.classes else "regression"
    reason = ""
    if infers_kind:
        other = "regression takes them as numbers" if targets.classes else "classification takes them as classes"
        change = f"dataset.kind: {other}" if targets.holds.startswith("whole") else "dataset.kind"
        reason = f"; inferred from {targets.holds} ({change})"
    lines.append(f"target {codec.target!r}: {task}{reason}")
    return tuple(lines)


# -- what may be otherwise than it seems ------------------------------------------------------------------------------


def notes_of(table: Table, codec: Codec, is_classification: bool, categories: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings for columns that are read otherwise than a person would read them."""
    coded = {name: "categories" for name, kinds in codec.columns if kinds is not None and name not in categories}
    if is_classification:
        coded[codec.target] = "classes"
    almost, mixed, words = [], [], []
    for name, role in coded.items():
        index = table.index(name)
        if not table.others(index).texts:
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
    """The first notes of one kind, and how many more columns there are."""
    if len(notes) <= MOST_NOTES:
        return notes
    return [*notes[:MOST_NOTES], f"... and {len(notes) - MOST_NOTES:,} more columns like these"]


def _almost_numbers(table: Table, index: int) -> tuple[str, str] | None:
    """Where every value of a column of text is a number but for some sign: (its first such cell, what reads it)."""
    texts, cells = table.texts(index), table.cells
    signs = {code: cells.almost_number(text) for code, text in enumerate(texts.levels) if not cells.is_missing(text)}
    others = [code for code in signs if cells.number(texts.levels[code]) is None]
    if not others or not all(signs[code] for code in others):
        return None
    written = [texts.levels[code] for code in others]
    row = int(np.flatnonzero(np.isin(texts.codes, others))[0])
    sign, text = signs[texts.codes[row]], texts.levels[texts.codes[row]]
    name = table.names[index]
    note = f"{table.place(row)}: column {name!r} holds {text!r}, which {sign} makes a text"
    return note, _advice(str(sign), written, name)


def _advice(sign: str, written: list[str], name: str) -> str:
    """What to do to have such numbers read as numbers."""
    if "percent" in sign or "currency" in sign:
        removed = sign.replace("a ", "the ")
        return f"remove {removed} from the file to have numbers, or set dataset.categories: [{name}]"
    if "apostrophe" in sign:
        return """to have numbers set dataset.thousands: "'\""""
    if "space" in sign:
        return "to have numbers set dataset.thousands: ' '"
    if "comma" not in sign:
        return "to have numbers set dataset.decimal: '.', or dataset.thousands: '.' with dataset.decimal: ','"
    if all(_COMMA_GROUPS.fullmatch(text) for text in written):
        return "to have numbers set dataset.thousands: ',' or dataset.decimal: ','"
    grouped = " and dataset.thousands: '.'" if any("." in text for text in written) else ""
    return f"to have numbers set dataset.decimal: ','{grouped}"


def _mixture(table: Table, index: int) -> str | None:
    """Where a column holds numbers and text, its first cell of the rarer kind, in words; else None."""
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
    """Where a column of text holds a word that means missing, which."""
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
