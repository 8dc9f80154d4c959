"""`regexp diagnose`: what explains the result of a saved run."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from regexp.diagnostics.base import Explanation

RunNames = Annotated[list[str], typer.Argument(help="The runs' names, or their folders; several: one after another.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
What = Annotated[list[str] | None, typer.Option(help="This diagnostic alone; may be given several times.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per diagnostic and run on standard output.")]


def diagnose(runs: RunNames, what: What = None, runs_dir: RunsDir = Path("runs"), json: Json = False) -> None:
    """Explain saved runs from their checkpoints: a table, a chart, and the one sentence that the numbers support."""
    from regexp.diagnostics.base import chosen, run
    from regexp.diagnostics.subject import subject_of
    from regexp.runs import Run
    from regexp.runs.files import finite
    from regexp.training import device

    names = chosen(what or ())
    folders = [Run.read(runs_dir, name) for name in runs]
    device.set_up()
    subjects = [subject_of(folder) for folder in folders]
    for name in names:
        found = [(subject.name, explanation) for subject in subjects for _, explanation in run(subject, [name])]
        if json:
            for subject, (_, one) in zip(subjects, found, strict=True):
                told = {"run": subject.name, "seed": subject.seed, "diagnostic": name, "sentence": one.sentence}
                typer.echo(json_module.dumps(told | {"values": finite(one.values)}))
        else:
            _print(f"{name}: {', '.join(f'{subject.name}, seed {subject.seed}' for subject in subjects)}", found)


def _print(title: str, found: list[tuple[str, Explanation]]) -> None:
    """One table, with the runs in its first column where there are several; then each run's chart and sentence."""
    from regexp.inert import safe

    typer.echo(typer.style(safe(title), bold=True))
    several = len(found) > 1
    table = [("run", *one.columns) if several else one.columns for _, one in found if one.rows][:1]
    table += [(name, *row) if several else row for name, one in found for row in one.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        typer.echo(safe("  " + "  ".join(cells)))
    for name, one in found:
        for line in one.lines:
            typer.echo(safe(f"  {line}"))
        typer.echo(safe(f"{name}: {one.sentence}" if several else one.sentence))
    typer.echo()
