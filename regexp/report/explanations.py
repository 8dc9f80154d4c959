"""Render the results of `regexp diagnose`: a section of the report, a page of their own, and charts."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from regexp.core.errors import RunError
from regexp.core.escaping import html
from regexp.report.document import document
from regexp.report.figures import Chart, inline
from regexp.report.plots import chart
from regexp.report.records import Record
from regexp.runs import Run
from regexp.runs.explanation import FILE, Explanation, from_json

MOST_RUNS = 12  # runs with explanations in one report
LONG = 1_000  # characters shown of a sentence


@dataclass(frozen=True)
class Explained:
    """The explanation that one diagnostic gives of one run."""

    run: str
    diagnostic: str
    explanation: Explanation


def read(folder: Path, name: str) -> list[Explained]:
    """Read the explanations stored in a run folder. Raises RunError for a damaged file."""
    if not (folder / FILE).is_file():
        return []
    stored = Run(folder).read_json(FILE)
    try:
        return [Explained(name, _plain(diagnostic), from_json(value)) for diagnostic, value in stored.items()]
    except ValueError:
        raise RunError(f"{folder / FILE}: damaged") from None


def _plain(diagnostic: str) -> str:
    """Return the name of a diagnostic if it is safe as an HTML id. Raises ValueError otherwise."""
    if not re.fullmatch("[a-z_]{1,40}", diagnostic):
        raise ValueError("not the name of a diagnostic")
    return diagnostic


def explanations(records: Sequence[Record], first: Collection[Record] = ()) -> list[tuple[str, str, str]]:
    """Return the report's section about runs with explanations, without diagnostics that do not apply.

    first: runs that take precedence under the limit, such as the baseline
    """
    entries: list[Explained] = []
    notes: list[str] = []
    explained = [record for record in records if (record.path / FILE).is_file()]
    leading = {record.path for record in first}
    for record in sorted(explained, key=lambda record: record.path not in leading)[:MOST_RUNS]:
        try:
            entries += [entry for entry in read(record.path, record.name) if entry.explanation.rows]
        except RunError as error:
            notes.append(f'<p class="warning">{html(error)}</p>')
    if len(explained) > MOST_RUNS:
        notes.append(f"<p>{len(explained) - MOST_RUNS} more runs have explanations in their folders.</p>")
    names = list(dict.fromkeys(entry.diagnostic for entry in entries))
    parts = [
        f"<h3>{html(name)}</h3>{section([entry for entry in entries if entry.diagnostic == name])}" for name in names
    ]
    body = "".join(parts + notes)
    return [("explanations", "Explanations", body)] if body else []


def page(entries: Sequence[Explained]) -> str:
    """Return a page with one section per diagnostic."""
    names = list(dict.fromkeys(entry.diagnostic for entry in entries))
    runs = ", ".join(dict.fromkeys(entry.run for entry in entries))
    sections = [(name, name, section([entry for entry in entries if entry.diagnostic == name])) for name in names]
    return document(f"Explanations of {runs}", "Each sentence claims no more than its numbers support.", sections)


def charts(entries: Sequence[Explained]) -> list[Chart]:
    """Return all charts, numbered within a diagnostic over all its runs: weights-1, weights-2, ..."""
    collected: list[Chart] = []
    for entry in entries:
        before = sum(c.name.rpartition("-")[0] == entry.diagnostic for c in collected)
        collected += [
            chart(f"{entry.diagnostic}-{before + k + 1}", s, entry.run) for k, s in enumerate(entry.explanation.shown)
        ]
    return collected


def section(entries: Sequence[Explained]) -> str:
    """Return the HTML of one diagnostic of several runs: one table, a sentence per run, and the charts side by side."""
    numbers = "".join(_table(columns, rows) for columns, rows in tables(entries).items())
    sentences = "".join(
        f"<p><strong>{html(entry.run)}, seed {entry.explanation.seed}</strong>: "
        f"{html(entry.explanation.sentence, LONG)}</p>"
        for entry in entries
    )
    figures = "".join(
        f'<figure><h4>{html(c.title)}</h4><div class="chart" tabindex="0" role="group" aria-label="{html(c.title)}">'
        f"{inline(c)}</div><figcaption>{html(c.caption)}</figcaption></figure>"
        for c in charts(entries)
    )
    return numbers + sentences + (f'<div class="side">{figures}</div>' if figures else "")


def tables(entries: Sequence[Explained]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Return {columns: rows with the run name first}, a table for each distinct set of columns."""
    rows_by_columns: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for entry in entries:
        if entry.explanation.rows:
            rows_by_columns.setdefault(entry.explanation.columns, []).extend(
                (entry.run, *row) for row in entry.explanation.rows
            )
    return rows_by_columns


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html(column)}</th>' for column in ("run", *columns))
    body = "".join(
        f'<tr><th scope="row">{html(run)}</th>{"".join(f"<td>{html(cell)}</td>" for cell in cells)}</tr>'
        for run, *cells in rows
    )
    region = '<div class="scroll" role="region" aria-label="Numbers" tabindex="0">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
