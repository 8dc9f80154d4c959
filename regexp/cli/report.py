"""`regexp report`: words, options and exit codes; the work is in report/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from regexp.core.errors import UsageError

if TYPE_CHECKING:
    from regexp.report.compare import Report

Runs = Annotated[list[str] | None, typer.Argument(help="Names or folders of runs; left out: all of them.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
Baseline = Annotated[str | None, typer.Option(help="The run that the others are compared with.")]
GroupBy = Annotated[list[str] | None, typer.Option(help="One row per value of this config key; may be repeated.")]
Metric = Annotated[
    str | None,
    typer.Option(help="Metric to compare. Default: test/accuracy or test/rmse, else validation's, else train's."),
]
Delta = Annotated[float, typer.Option(help="A difference that does not matter, for the verdict equivalent.")]
Format = Annotated[Literal["table", "markdown", "csv", "latex", "json"], typer.Option(help="How it is printed.")]

Html = Annotated[Path | None, typer.Option(help="Write the report as one page that works offline.")]
Figures = Annotated[Path | None, typer.Option(help="A folder to write every chart to, as PNG and SVG.")]


def report(
    runs: Runs = None,
    runs_dir: RunsDir = Path("runs"),
    baseline: Baseline = None,
    group_by: GroupBy = None,
    metric: Metric = None,
    delta: Delta = 0.0,
    format: Format = "table",
    html: Html = None,
    figures: Figures = None,
) -> None:
    """Compare runs: a row per setting over its seeds, and a verdict on each against a baseline."""
    from rich.console import Console

    from regexp.report import formats
    from regexp.report.collect import collect, edited
    from regexp.report.compare import build
    from regexp.report.tables import tables

    if not 0 <= delta < float("inf"):
        raise UsageError(f"--delta {delta}: must be a number >= 0")
    names = list(runs or [])
    records, skipped = collect(runs_dir, [*names, baseline] if names and baseline else names)
    for sentence in edited(records):
        _say(f"warning: {sentence}; its numbers are shown under settings that did not give them")
    made = build(records, skipped, metric, baseline, group_by or [], delta)
    if format == "table":
        formats.terminal(tables(made), Console())
    else:
        write = {"markdown": formats.markdown, "csv": formats.csv, "latex": formats.latex, "json": formats.json}
        typer.echo(write[format](made), nl=False)
    if html is not None:
        _write_page(made, html)
    if figures is not None:
        from regexp.report.charts import write as write_figures

        _say(f"wrote {len(write_figures(made, figures))} files to {figures}")


def _write_page(made: Report, path: Path) -> None:
    from regexp.report.page import page
    from regexp.runs.files import write_named

    write_named(path, page(made).encode())
    _say(f"wrote {path}")


def _say(message: str) -> None:
    from regexp.core.escaping import safe

    typer.echo(safe(message), err=True)
