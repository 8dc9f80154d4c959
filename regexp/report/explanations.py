"""What `regexp diagnose` says of runs -> a part of the report's page, a page of its own, and charts."""

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

MOST_RUNS = 12  # explained in a report
LONG = 1_000  # characters of a sentence


@dataclass(frozen=True)
class Explained:
    """One answer: the run, the diagnostic, what it says."""

    run: str
    diagnostic: str
    explanation: Explanation


def read(folder: Path, name: str) -> list[Explained]:
    """What stands in a run's folder. Raises RunError where it is damaged."""
    if not (folder / FILE).is_file():
        return []
    stored = Run(folder).read_json(FILE)
    try:
        return [Explained(name, _plain(diagnostic), from_json(value)) for diagnostic, value in stored.items()]
    except ValueError:
        raise RunError(f"{folder / FILE}: damaged") from None


def _plain(diagnostic: str) -> str:
    """The name of a diagnostic, which is to be an id. Raises ValueError."""
    if not re.fullmatch("[a-z_]{1,40}", diagnostic):
        raise ValueError("no name of a diagnostic")
    return diagnostic


def explanations(records: Sequence[Record], first: Collection[Record] = ()) -> list[tuple[str, str, str]]:
    """Return the report's section about runs that have been explained, without diagnostics that do not apply.

    first: the runs that are shown whatever their place, as the baseline
    """
    found: list[Explained] = []
    said: list[str] = []
    explained = [record for record in records if (record.path / FILE).is_file()]
    leading = {record.path for record in first}
    for record in sorted(explained, key=lambda record: record.path not in leading)[:MOST_RUNS]:
        try:
            found += [one for one in read(record.path, record.name) if one.explanation.rows]
        except RunError as error:
            said.append(f'<p class="warning">{html(error)}</p>')
    if len(explained) > MOST_RUNS:
        said.append(f"<p>{len(explained) - MOST_RUNS} more are explained in their folders.</p>")
    names = list(dict.fromkeys(one.diagnostic for one in found))
    parts = [f"<h3>{html(name)}</h3>{section([one for one in found if one.diagnostic == name])}" for name in names]
    body = "".join(parts + said)
    return [("explanations", "Explanations", body)] if body else []


def page(found: Sequence[Explained]) -> str:
    """A page of its own; every diagnostic is a section."""
    names = list(dict.fromkeys(one.diagnostic for one in found))
    runs = ", ".join(dict.fromkeys(one.run for one in found))
    sections = [(name, name, section([one for one in found if one.diagnostic == name])) for name in names]
    return document(f"What explains {runs}", "Each sentence says what its numbers support, and no more.", sections)


def charts(found: Sequence[Explained]) -> list[Chart]:
    """All of them; names count the plots of a diagnostic over its runs: weights-1, weights-2, ..."""
    made: list[Chart] = []
    for one in found:
        before = sum(c.name.rpartition("-")[0] == one.diagnostic for c in made)
        made += [chart(f"{one.diagnostic}-{before + k + 1}", s, one.run) for k, s in enumerate(one.explanation.shown)]
    return made


def section(found: Sequence[Explained]) -> str:
    """One diagnostic of several runs: their rows in one table, each one's sentence, and the charts side by side."""
    numbers = "".join(_table(columns, rows) for columns, rows in tables(found).items())
    sentences = "".join(
        f"<p><strong>{html(one.run)}, seed {one.explanation.seed}</strong>: {html(one.explanation.sentence, LONG)}</p>"
        for one in found
    )
    figures = "".join(
        f'<figure><h4>{html(c.title)}</h4><div class="chart" tabindex="0" role="group" aria-label="{html(c.title)}">'
        f"{inline(c)}</div><figcaption>{html(c.caption)}</figcaption></figure>"
        for c in charts(found)
    )
    return numbers + sentences + (f'<div class="side">{figures}</div>' if figures else "")


def tables(found: Sequence[Explained]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """{columns: rows, each with its run's name first}: one table, where all have the first one's form."""
    made: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for one in found:
        if one.explanation.rows:
            made.setdefault(one.explanation.columns, []).extend((one.run, *row) for row in one.explanation.rows)
    return made


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html(column)}</th>' for column in ("run", *columns))
    body = "".join(
        f'<tr><th scope="row">{html(run)}</th>{"".join(f"<td>{html(cell)}</td>" for cell in cells)}</tr>'
        for run, *cells in rows
    )
    region = '<div class="scroll" role="region" aria-label="Numbers" tabindex="0">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
