"""Render a Report as one self-contained HTML file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from regexp.core.escaping import html
from regexp.report.ablation import answer
from regexp.report.charts import MOST_LINES, MOST_SEARCHES, ablation_charts, search_charts, setting_charts
from regexp.report.compare import Line, Report, always_shown, drawn
from regexp.report.document import document
from regexp.report.explanations import explanations
from regexp.report.figures import Chart, inline
from regexp.report.look import SCRIPT
from regexp.report.methods import paragraph
from regexp.report.records import Record
from regexp.report.rows import cell, shown
from regexp.report.tables import (
    Table,
    ablation_table,
    better,
    left_out,
    measured,
    name,
    other_tables,
    search_table,
    trial_table,
    why,
)
from regexp.report.words import count, heading, interval, number, p_value, signed
from regexp.statistics import Summary, Verdict

MOST_VERDICTS = 50  # verdicts in the summary; the table lists all
MOST_TRIALS = 1_000  # trials listed of a sweep
MARKS = {"better": "▲", "worse": "▼", "equivalent": "≈", "undecided": "?", "no pairs": "–"}
OF_ABLATIONS = {"helps": "better", "hurts": "worse", "more together": "better", "less together": "worse",
                "adds up": "equivalent"}  # fmt: skip
LONG = 5_000  # characters shown of a command, a note or a paragraph
NUMERIC = ' class="number"'


def page(report: Report) -> str:
    """Return the HTML of the page; equal reports give equal bytes."""
    title = f"{report.metric}: {count(len(report.lines), 'setting')}"
    sections = [
        *_ablations(report),
        ("summary", "Summary", _summary(report)),
        ("table", "All settings", _table(report)),
        *_charts(report),
        *_searches(report),
        *((f"more-{i + 1}", table.title, _listed(table)) for i, table in enumerate(other_tables(report))),
        *_explanations(report),
        ("config", "Config differences", _config(report)),
        ("runs", "Runs", "".join(_run(r) for line in report.lines for r in line.row.records)),
        ("methods", "Methods", f"<p>{html(paragraph(report), LONG)}</p>"),
    ]
    return document(title, measured(report), sections, SCRIPT)


# -- summary ----------------------------------------------------------------------------------------------------------


def _summary(report: Report) -> str:
    judged = [(line.verdict, line) for line in report.lines if line.verdict]
    if not judged:
        return f"<p>{html(_unjudged(report))}</p>{_lost(report)}"
    counts = [(word, sum(verdict.word == word for verdict, _ in judged)) for word in MARKS]
    words = ", ".join(f"{number_} {word}" for word, number_ in counts if number_)
    items = "".join(_judgement(verdict, line) for verdict, line in judged[:MOST_VERDICTS])
    more = f"<p>{len(judged) - MOST_VERDICTS} more in the table.</p>" if len(judged) > MOST_VERDICTS else ""
    against = html(f"Against {report.baseline}, paired by seed: {words}.")
    return f'<p class="lead">{against}</p><ul class="verdicts">{items}</ul>{more}{_lost(report)}'


def _unjudged(report: Report) -> str:
    """Return the text that replaces the verdicts in a report without a baseline."""
    if report.ablations:
        return "The contribution of each method is shown above; each arm is a row of the table below."
    best = next((line for line in report.lines if line.summary), None)
    best_mean = f"The best mean is {_score(best)}. " if best else ""
    return f"{best_mean}No verdicts: name a baseline with --baseline RUN."


def _score(line: Line) -> str:
    s = line.summary
    return f"{line.row.name}: {number(s.mean)} over {count(s.n, 'seed')}" if s else line.row.name


def _judgement(verdict: Verdict, line: Line) -> str:
    c = verdict.comparison
    ends = interval(c.interval.low, c.interval.high) if c else ""
    numbers = f"difference {signed(c.difference)} {ends}, {count(c.pairs, 'pair')}; " if c else ""
    details = html(f": {numbers}{why(line)}")
    return f"<li>{_word(verdict.word)} <strong>{html(line.row.name)}</strong>{details}</li>"


def _word(word: str) -> str:
    """Return a verdict as a sign and a word; colour only adds to them."""
    kind = OF_ABLATIONS.get(word, word)
    return f'<span class="word {kind.replace(" ", "-")}"><span aria-hidden="true">{MARKS[kind]}</span> {word}</span>'


def _lost(report: Report) -> str:
    lost = left_out(report)
    return f'<p class="warning">Excluded: {html(", ".join(lost))}.</p>' if lost else ""


# -- the table --------------------------------------------------------------------------------------------------------


def _table(report: Report) -> str:
    rows = [_cells(report, line) for line in report.lines]
    opening = '<th scope="col" aria-sort="none"><button type="button">'
    head = "".join(f"{opening}{html(text)}</button></th>" for text in _heads(report))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        '<p class="controls"><label>Filter <input type="search" id="filter" autocomplete="off"></label> '
        '<output id="count" aria-live="polite"></output></p>'
        '<div class="scroll" role="region" aria-label="All settings" tabindex="0">'
        f'<table id="settings"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _heads(report: Report) -> list[str]:
    compared = report.baseline is not None
    heads = ["run"]
    heads += ["verdict", "difference", "difference, 95%", "p (Holm)", "P(better)", "pairs"] if compared else []
    heads += ["data set"] if report.names_data else []
    heads += [*map(heading, report.columns), "n", "mean", "std", "mean, 95%", "min", "max", "diverged", "unfinished"]
    return [*heads, "why"] if compared else heads


def _cells(report: Report, line: Line) -> Iterator[str]:
    yield f'<th scope="row">{html(name(line))}</th>'
    if report.baseline is not None:
        yield from _differences(report, line)
    if report.names_data:
        yield _text(line.row.data[0])
    for key in report.columns:
        yield _text(cell(line.row, key), line.row.config.get(key))
    yield from _values(line.summary)
    yield _number(line.row.diverged, str(line.row.diverged))
    yield _number(line.row.unfinished, str(line.row.unfinished))
    if report.baseline is not None:
        yield f'<td class="why">{html(why(line))}</td>'


def _values(s: Summary | None) -> Iterator[str]:
    if s is None:
        yield _number(0, "0")
        yield from [_number(None, "-")] * 5
        return
    yield _number(s.n, str(s.n))
    yield _number(s.mean, number(s.mean))
    yield _number(s.std, number(s.std))
    yield _number(s.interval.low, interval(s.interval.low, s.interval.high))
    yield _number(s.least, number(s.least))
    yield _number(s.greatest, number(s.greatest))


def _differences(report: Report, line: Line) -> Iterator[str]:
    verdict = line.verdict
    yield f"<td>{_word(verdict.word) if verdict else 'baseline' if line.is_baseline else ''}</td>"
    if verdict is None or verdict.comparison is None:
        yield from [_number(None, "-")] * 5
        return
    c = verdict.comparison
    wins = better(report, c.improvement)
    yield _number(c.difference, signed(c.difference))
    yield _number(c.interval.low, interval(c.interval.low, c.interval.high))
    yield _number(verdict.p, p_value(verdict.p))
    yield _number(wins, number(wins))
    yield _number(c.pairs, str(c.pairs))


def _text(text: str, value: Any = None) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, text)
    return f"<td>{html(text)}</td>"


def _number(value: float | None, text: str) -> str:
    key = "" if value is None or value != value else f' data-value="{value!r}"'
    return f'<td class="number"{key}>{html(text)}</td>'


# -- the rest ---------------------------------------------------------------------------------------------------------


def _ablations(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield a section for each ablation: the summary in words, charts, and the numbers."""
    for i, (ablation, pictures) in enumerate(zip(report.ablations, ablation_charts(report), strict=True)):
        words, table = answer(ablation), ablation_table(ablation)
        paragraphs = "".join(f"<p>{html(line, LONG)}</p>" for line in words).replace("<p>", '<p class="lead">', 1)
        numbers = replace(table, notes=table.notes[len(words) :])  # the section begins with them
        yield f"ablation-{i + 1}", f"Ablation {ablation.name}", f"{paragraphs}{_figures(pictures)}{_listed(numbers)}"


def _searches(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield a section for each sweep: its stages, why their ranges changed, charts, and every trial."""
    for i, (search, pictures) in enumerate(zip(report.searches, search_charts(report), strict=True)):
        few = "" if pictures or not search.stages else f"<p>Only the first {MOST_SEARCHES} sweeps have charts.</p>"
        every = _folded(trial_table(search)) if search.stages else ""
        yield (
            f"sweep-{i + 1}",
            f"Sweep {search.name}",
            f"{_listed(search_table(search))}{few}{_figures(pictures)}{every}",
        )


def _explanations(report: Report) -> list[tuple[str, str, str]]:
    records = [record for line in report.lines for record in line.row.records]
    return explanations(records, [record for line in report.lines if always_shown(line) for record in line.row.records])


def _folded(table: Table) -> str:
    """Return a collapsed table."""
    more = len(table.rows) - MOST_TRIALS
    rest = f"<p>{more} more trials are not listed.</p>" if more > 0 else ""
    listed = _listed(replace(table, rows=table.rows[:MOST_TRIALS]))
    return f"<details><summary>{html(table.title)}</summary>{listed}{rest}</details>"


def _charts(report: Report) -> list[tuple[str, str, str]]:
    few = f"<p>Curves and predictions show the first rows of the table, at most {MOST_LINES} per dataset.</p>"
    figures = _figures(setting_charts(report))
    return [("charts", "Charts", few + figures)] if figures else []


def _figures(charts: Sequence[Chart]) -> str:
    return "".join(
        f'<figure id="chart-{chart.name}"><h3>{html(chart.title)}</h3><div class="chart" tabindex="0" role="group" '
        f'aria-label="{html(chart.title)}">{inline(chart)}</div><figcaption>{html(chart.caption)}</figcaption></figure>'
        for chart in charts
    )


def _listed(table: Table) -> str:
    """Return a table with its notes as HTML."""
    head = "".join(
        f'<th scope="col"{"" if i in table.words else NUMERIC}>{html(text)}</th>' for i, text in enumerate(table.header)
    )
    rows = "".join(f"<tr>{''.join(_listed_cells(table, row))}</tr>" for row in table.rows)
    notes = "".join(f"<li>{html(note, LONG)}</li>" for note in table.notes)
    notes = f'<ul class="notes">{notes}</ul>' if notes else ""
    region = f'<div class="scroll" role="region" aria-label="{html(table.title)}" tabindex="0">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{notes}"


def _listed_cells(table: Table, row: Sequence[str]) -> Iterator[str]:
    for i, text in enumerate(row):
        named = f' class="{table.header[i]}"' if table.header[i] in ("why", "family") else ""
        kind = named if i in table.words else NUMERIC
        yield f"<td{kind}>{_word(text) if table.header[i] == 'verdict' else html(text)}</td>"


def _config(report: Report) -> str:
    """Return a table of the config keys in which the rows shown in charts differ."""
    lines = drawn([line for line in report.lines if line.summary], MOST_LINES)
    configs = [line.row.config for line in lines]
    keys = dict.fromkeys(key for config in configs for key in config if not key.startswith("run."))
    different = [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]
    if not different:
        return "<p>All rows have the same config.</p>"
    head = "".join(f'<th scope="col">{html(name(line))}</th>' for line in lines)
    rows = "".join(
        f'<tr><th scope="row">{html(key)}</th>'
        + "".join(f"<td>{html(shown(config[key])) if key in config else '–'}</td>" for config in configs)
        + "</tr>"
        for key in different
    )
    region = '<div class="scroll" role="region" aria-label="Config differences" tabindex="0">'
    return f'{region}<table><thead><tr><th scope="col">key</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _run(record: Record) -> str:
    """Return the command and the manifest of a run, collapsed."""
    entries = [(key, shown(value)) for key, value in record.manifest.items() if key != "command"]
    rows = "".join(f'<tr><th scope="row">{html(key)}</th><td>{html(text)}</td></tr>' for key, text in entries)
    command = html(shlex.join(record.command), LONG)
    return (
        f"<details><summary>{html(record.name)}: {html(record.status)}</summary><pre><code>{command}</code></pre>"
        f'<div class="scroll" role="region" aria-label="Manifest" tabindex="0"><table>{rows}</table></div></details>'
    )
