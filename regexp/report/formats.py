"""Format a Report as terminal text, Markdown, LaTeX, CSV or JSON. Equal reports give equal bytes."""

from __future__ import annotations

import csv as csv_module
import io
import json as json_module
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from regexp.core import escaping
from regexp.report.ablation import Ablation
from regexp.report.compare import Line, Report
from regexp.report.layout import fit, wrap
from regexp.report.rows import cell as config_cell
from regexp.report.searches import Search
from regexp.report.tables import Table, answer, better, tables
from regexp.runs.files import finite
from regexp.statistics import Comparison

UNLIMITED = 10**9
COLOURS = {
    "better": "green",
    "worse": "red",
    "helps": "green",
    "more together": "green",
    "hurts": "red",
    "less together": "red",
    "equivalent": "cyan",
    "adds up": "cyan",
    "undecided": "yellow",
}


def terminal(shown: Sequence[Table], console: Console) -> None:
    """Print tables in colour at the width of the terminal; to a file or pipe, print them as `text`."""
    if not console.is_terminal:
        console.file.write(text(shown))
        return
    for line, style in _lines(shown, console.width):
        console.print(Text(line, style), soft_wrap=True)


def text(shown: Sequence[Table]) -> str:
    """Return tables as text with aligned columns, one line per row however wide."""
    return "".join(f"{line}\n" for line, _ in _lines(shown, UNLIMITED))


def _lines(shown: Sequence[Table], width: int) -> Iterator[tuple[str, str]]:
    """Yield (line, style). A table wider than `width` wraps its text and omits columns, which a note then lists."""
    for number, table in enumerate(shown):
        if number:
            yield "", ""
        yield from ((line, "bold") for line in wrap(escaping.plain(table.title), width))
        yield "", ""
        cells = [_cells(row, escaping.plain) for row in (table.header, *table.rows)]
        layout = fit(cells, table.words, width, table.optional)
        styles = ["bold", *map(_style, table.rows)]
        yield from ((line, style) for lines, style in zip(layout.rows, styles, strict=True) for line in lines)
        yield "", ""
        notes = list(table.notes)
        if layout.left_out:
            notes.append(
                f"columns hidden at this width: {', '.join(layout.left_out)}; widen the terminal or write to a file"
            )
        yield from ((line, "dim") for note in notes for line in wrap(escaping.plain(note), width))


def _style(row: Sequence[str]) -> str:
    """Return the colour of a row's verdict."""
    return next((COLOURS[word] for word in row if word in COLOURS), "")


def markdown(report: Report) -> str:
    """Return the tables in GitHub-flavoured Markdown."""
    parts = []
    for table in tables(report):
        lines = ["---" if i in table.words else "---:" for i in range(len(table.header))]
        rows = [_cells(table.header, escaping.markdown), lines, *(_cells(row, escaping.markdown) for row in table.rows)]
        body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        notes = "".join(f"\n- {escaping.markdown(note)}" for note in table.notes)
        parts.append(f"## {escaping.markdown(table.title)}\n\n{body}\n{notes}")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def latex(report: Report) -> str:
    """Return the tables as LaTeX tabulars with booktabs rules."""
    parts = []
    for table in tables(report):
        columns = "".join("l" if i in table.words else "r" for i in range(len(table.header)))
        rows = [" & ".join(_cells(row, escaping.latex)) + r" \\" for row in table.rows]
        head = " & ".join(_cells(table.header, escaping.latex)) + r" \\"
        notes = "".join(f"\n% {escaping.latex(note)}" for note in table.notes)
        body = "\n".join([r"\toprule", head, r"\midrule", *rows, r"\bottomrule"])
        title = f"% {escaping.latex(table.title)}"
        parts.append(f"{title}{notes}\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}")
    return "% \\usepackage{booktabs}\n" + "\n\n".join(parts) + "\n"


def _cells(row: Iterable[str], escape: Callable[[object], str]) -> list[str]:
    return [escape(cell) for cell in row]


def csv(report: Report) -> str:
    """Return one CSV line per row, with all digits. Text is quoted, so that separators in it do not split cells."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n", quoting=csv_module.QUOTE_NONNUMERIC)
    rows = [_flat(report, line) for line in report.lines]
    if rows:
        writer.writerow([escaping.csv(key) for key in rows[0]])
    for row in rows:
        writer.writerow([escaping.csv(value) if isinstance(value, str) else value for value in row.values()])
    return out.getvalue()


def _flat(report: Report, line: Line) -> dict[str, Any]:
    numbers = finite(values(report, line))
    flat: dict[str, Any] = {"run": line.row.name, "dataset": line.row.data[0]}
    flat |= {f"config.{key}": config_cell(line.row, key) for key in report.columns}
    flat |= {"metric": report.metric, "baseline": report.baseline or ""}
    flat |= {key: "" if value is None else value for key, value in numbers.items()}
    return flat


def values(report: Report, line: Line) -> dict[str, Any]:
    """Return the numbers of one row by name."""
    s, v = line.summary, line.verdict
    c = v.comparison if v else None
    return {
        "n": s.n if s else 0,
        "mean": s.mean if s else None,
        "std": s.std if s else None,
        "low": s.interval.low if s else None,
        "high": s.interval.high if s else None,
        "interval": s.interval.method if s else "none",
        "min": s.least if s else None,
        "max": s.greatest if s else None,
        "diverged_seeds": line.row.diverged,
        "unfinished_runs": line.row.unfinished,
        **comparison(c),
        "p_better": better(report, c.improvement) if c else None,
        "p_holm": v.p if v else None,
        "p_equivalence_holm": v.equivalence if v else None,
        "verdict": v.word if v else None,
        "reason": v.reason if v else None,
        "more_seeds": v.more_seeds if v else None,
    }


def comparison(c: Comparison | None) -> dict[str, Any]:
    """Return the numbers of a comparison on shared seeds by name, all None without one."""
    return {
        "pairs": c.pairs if c else None,
        "correlation": c.correlation if c else None,
        "difference": c.difference if c else None,
        "difference_low": c.interval.low if c else None,
        "difference_high": c.interval.high if c else None,
        "difference_interval": c.interval.method if c else None,
        "p": c.p if c else None,
        "p_least": c.least_p if c else None,
    }


def json(report: Report) -> str:
    """Return the whole report as JSON, in ASCII: escaped control characters cannot affect a terminal that prints it."""
    contents = {
        "metric": report.metric,
        "smaller_is_better": report.smaller_is_better,
        "epoch_chosen_by": report.chosen,
        "baseline": report.baseline,
        "delta": report.delta,
        "rows": [_row(report, line) for line in report.lines],
        "datasets": _datasets(report),
        "ablations": [_ablation(ablation) for ablation in report.ablations],
        "sweeps": [_sweep(search) for search in report.searches],
        "expected_best": [
            {"sweep": search.name, "objective": search.objective, "of_1_2_3_trials": search.best}
            for search in report.searches
            if search.best
        ],
        "skipped": [{"folder": folder.name, "reason": folder.reason} for folder in report.skipped],
    }
    return json_module.dumps(finite(contents), indent=1) + "\n"


def _row(report: Report, line: Line) -> dict[str, Any]:
    return {
        "run": line.row.name,
        "runs": [record.name for record in line.row.records],
        "dataset": line.row.data[0],
        "config": {key: config_cell(line.row, key) for key in report.columns},
        "is_baseline": line.is_baseline,
        "values": {str(seed): value for seed, value in line.row.values(report.metric).items()},
        **values(report, line),
        "mcnemar": line.models and vars(line.models),
    }


def _ablation(ablation: Ablation) -> dict[str, Any]:
    rows = [
        {"family": contribution.family, "methods": contribution.methods, "verdict": contribution.word,
         "reason": contribution.verdict.reason, "more_seeds": contribution.verdict.more_seeds,
         "p_holm": contribution.verdict.p, **comparison(contribution.verdict.comparison)}
        for contribution in ablation.contributions
    ]  # fmt: skip
    return {
        "ablation": ablation.name,
        "metric": ablation.metric,
        "answer": answer(ablation),
        "contributions": rows,
        "step_time": dict(ablation.step_time),
        "retuned": ablation.retuned,
        "without_values": ablation.missing,
    }


def _sweep(search: Search) -> dict[str, Any]:
    return {
        "sweep": search.name,
        "objective": search.objective,
        "winner": search.winner,
        "stages": [vars(stage) | {"trials": [vars(trial) for trial in stage.trials]} for stage in search.stages],
        "notes": search.notes,
    }


def _datasets(report: Report) -> dict[str, Any] | None:
    d = report.datasets
    if d is None:
        return None
    return {
        "names": d.names,
        "methods": d.methods,
        "means": d.means.tolist(),
        "mean_ranks": d.ranks.tolist(),
        "p_wilcoxon_holm": d.p.tolist(),
        "iqm": [vars(aggregate) for aggregate in d.aggregates],
    }
