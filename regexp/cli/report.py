"""`regexp report`: words, options and exit codes; the work is in report/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from regexp.errors import UsageError

Runs = Annotated[list[str] | None, typer.Argument(help="Names or folders of runs; left out: all of them.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
Baseline = Annotated[str | None, typer.Option(help="The run that the others are compared with.")]
GroupBy = Annotated[list[str] | None, typer.Option(help="One row per value of this config key; may be repeated.")]
Metric = Annotated[str | None, typer.Option(help="What is compared; by default test/accuracy, else test/rmse.")]
Delta = Annotated[float, typer.Option(help="A difference that does not matter, for the verdict equivalent.")]
Format = Annotated[Literal["table", "markdown", "csv", "latex", "json"], typer.Option(help="How it is printed.")]


def report(
    runs: Runs = None,
    runs_dir: RunsDir = Path("runs"),
    baseline: Baseline = None,
    group_by: GroupBy = None,
    metric: Metric = None,
    delta: Delta = 0.0,
    format: Format = "table",
) -> None:
    """Compare runs: a row per setting over its seeds, and a verdict on each against a baseline."""
    from rich.console import Console

    from regexp.report import formats
    from regexp.report.collect import collect
    from regexp.report.compare import build

    if not 0 <= delta < float("inf"):
        raise UsageError(f"--delta {delta}: must be a number >= 0")
    names = list(runs or [])
    records, skipped = collect(runs_dir, [*names, baseline] if names and baseline else names)
    made = build(records, skipped, metric, baseline, group_by or [], delta)
    if format == "table":
        formats.terminal(made, Console())
    else:
        write = {"markdown": formats.markdown, "csv": formats.csv, "latex": formats.latex, "json": formats.json}
        typer.echo(write[format](made), nl=False)
