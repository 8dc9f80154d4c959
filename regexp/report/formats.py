"""A Report as text for a terminal, Markdown, LaTeX, CSV or JSON. The same report gives the same bytes."""

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
    """Print at the terminal's width, in colour; elsewhere `text`, a line per row however wide."""
    if not console.is_terminal:
        console.file.write(text(shown))
        return
    for line, style in _lines(shown, console.width):
        console.print(Text(line, style), soft_wrap=True)


def text(shown: Sequence[Table]) -> str:
    """Aligned columns."""
    return "".join(f"{line}\n" for line, _ in _lines(shown, UNLIMITED))


def _lines(shown: Sequence[Table], width: int) -> Iterator[tuple[str, str]]:
    """(line, style). A table that is wider wraps its text and leaves out columns, which a note names."""
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
            notes.append(f"left out at this width: {', '.join(layout.left_out)}; a wider terminal or a file has them")
        yield from ((line, "dim") for note in notes for line in wrap(escaping.plain(note), width))


def _style(row: Sequence[str]) -> str:
    """The colour of the row's verdict."""
    return next((COLOURS[word] for word in row if word in COLOURS), "")


def markdown(report: Report) -> str:
    """GitHub's tables."""
    parts = []
    for table in tables(report):
        lines = ["---" if i in table.words else "---:" for i in range(len(table.header))]
        rows = [_cells(table.header, escaping.markdown), lines, *(_cells(row, escaping.markdown) for row in table.rows)]
        body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        notes = "".join(f"\n- {escaping.markdown(note)}" for note in table.notes)
        parts.append(f"## {escaping.markdown(table.title)}\n\n{body}\n{notes}")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def latex(report: Report) -> str:
    """Tabulars with the rules of booktabs."""
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
    """One line per row with all digits; texts quoted, so that no separator splits them."""
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
    """The numbers of one row, by name."""
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
    """The numbers of two settings on shared seeds, by name."""
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
    """Everything; characters beyond ASCII escaped, so that printing it obeys none of them."""
    made = {
        "metric": report.metric,
        "smaller_is_better": report.smaller_is_better,
        "epoch_chosen_by": report.chosen,
        "baseline": report.baseline,
        "delta": report.delta,
        "rows": [_row(report, line) for line in report.lines],
        "datasets": _datasets(report),
        "ablations": [_ablation(one) for one in report.ablations],
        "sweeps": [_sweep(one) for one in report.searches],
        "expected_best": [
            {"sweep": one.name, "objective": one.objective, "of_1_2_3_trials": one.best}
            for one in report.searches
            if one.best
        ],
        "skipped": [{"folder": one.name, "reason": one.reason} for one in report.skipped],
    }
    return json_module.dumps(finite(made), indent=1) + "\n"


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


def _ablation(found: Ablation) -> dict[str, Any]:
    rows = [
        {"family": one.family, "methods": one.methods, "verdict": one.word, "reason": one.verdict.reason,
         "more_seeds": one.verdict.more_seeds, "p_holm": one.verdict.p, **comparison(one.verdict.comparison)}
        for one in found.contributions
    ]  # fmt: skip
    return {
        "ablation": found.name,
        "metric": found.metric,
        "answer": answer(found),
        "contributions": rows,
        "step_time": dict(found.step_time),
        "retuned": found.retuned,
        "without_values": found.missing,
    }


def _sweep(found: Search) -> dict[str, Any]:
    return {
        "sweep": found.name,
        "objective": found.objective,
        "winner": found.winner,
        "stages": [vars(stage) | {"trials": [vars(trial) for trial in stage.trials]} for stage in found.stages],
        "notes": found.notes,
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
        "iqm": [vars(one) for one in d.aggregates],
    }
