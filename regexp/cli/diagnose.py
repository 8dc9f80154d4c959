"""`regexp diagnose`: what explains the result of a saved run."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from regexp.report.explanations import Explained
    from regexp.runs import Run

RunNames = Annotated[list[str], typer.Argument(help="The runs' names, or their folders; several: one after another.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
What = Annotated[list[str] | None, typer.Option(help="This diagnostic alone; may be given several times.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per diagnostic and run on standard output.")]
Seed = Annotated[int | None, typer.Option(help="Seed to explain. Default: the first that did not diverge.")]
DataChanged = Annotated[
    bool, typer.Option("--data-changed", help="Use data that differs from what the run was trained on; new splits.")
]
Html = Annotated[Path | None, typer.Option(help="Write tables, sentences and charts as one page that works offline.")]
Figures = Annotated[Path | None, typer.Option(help="A folder to write every chart to, as PNG and SVG.")]

INDENT = "  "


def diagnose(
    runs: RunNames,
    what: What = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
    html: Html = None,
    figures: Figures = None,
    data_changed: DataChanged = False,
    seed: Seed = None,
) -> None:
    """Explain saved runs from their checkpoints: a table, a chart, and the one sentence that the numbers support.

    The first seed that did not diverge is explained, or the one that --seed names. Exit code 1 where there is none,
    and where config.yaml or the data has changed since the training.
    """
    from dataclasses import replace

    from regexp.diagnostics.base import DIAGNOSTICS
    from regexp.diagnostics.subject import subject_of
    from regexp.engine import device
    from regexp.report.explanations import Explained
    from regexp.runs import Run

    names = DIAGNOSTICS.chosen(what or ())
    folders = [Run.read(runs_dir, name) for name in runs]
    device.set_up()
    subjects = [subject_of(folder, data_changed, seed) for folder in folders]
    for subject in subjects:
        for warning in subject.warnings:
            _say(f"warning: {warning}")
    found: list[Explained] = []
    not_applicable: list[str] = []
    for name in names:
        explained = [Explained(s.name, name, replace(DIAGNOSTICS.answer(name, s), seed=s.seed)) for s in subjects]
        found += explained
        if json:
            _print_json(explained)
        elif what or any(each.explanation.applies for each in explained):
            _print(explained)
        else:
            not_applicable.append(name)
    if not_applicable:
        _say(f"do not apply here: {', '.join(not_applicable)}; --what NAME says why")
    for place, (folder, subject) in enumerate(zip(folders, subjects, strict=True)):
        if subject.data_changed:
            _say(f"{folder.path}: explained with data that it was not trained on, so this is not kept for the report")
        else:
            _keep(folder, found[place :: len(folders)])
    if html is not None:
        _write_page(found, html)
    if figures is not None:
        _write_figures(found, figures)


def _print_json(found: Sequence[Explained]) -> None:
    from regexp.runs.files import finite

    for one in found:
        said = {"run": one.run, "seed": one.explanation.seed, "diagnostic": one.diagnostic}
        told = {"sentence": one.explanation.sentence, "values": finite(one.explanation.values)}
        typer.echo(json_module.dumps(said | told))


def _print(found: Sequence[Explained]) -> None:
    """One table, with the runs in its first column where there are several; then each run's chart and sentence."""
    from regexp.core.escaping import safe
    from regexp.report.explanations import tables

    title = f"{found[0].diagnostic}: {', '.join(f'{one.run}, seed {one.explanation.seed}' for one in found)}"
    typer.echo(typer.style(safe(title), bold=True))
    several = len(found) > 1
    width = _width()
    for columns, rows in tables(found).items():
        table = [("run", *columns), *rows]
        _print_table(table if several else [row[1:] for row in table], width)
    for one in found:
        for line in one.explanation.lines:
            typer.echo(safe(f"  {line}")[:width])
        _print_prose(f"{one.run}: {one.explanation.sentence}" if several else one.explanation.sentence, width)
    typer.echo()


def _width() -> int:
    """Return the terminal's width; where the output is no terminal, a line may have any length."""
    from rich.console import Console

    from regexp.report.formats import UNLIMITED

    console = Console()
    return console.width if console.is_terminal else UNLIMITED


def _print_prose(sentence: str, width: int) -> None:
    from regexp.core.escaping import safe
    from regexp.report.layout import wrap

    for line in wrap(safe(sentence), width):
        typer.echo(line)


def _print_table(table: Sequence[Sequence[str]], width: int) -> None:
    from regexp.core.escaping import safe
    from regexp.report.layout import fit

    cells = [[safe(cell) for cell in row] for row in table]
    columns = zip(*cells[1:], strict=True)
    text = [i for i, column in enumerate(columns) if any(re.search("[A-Za-z]{2}", cell) for cell in column)]
    layout = fit(cells, {0}, width - len(INDENT), wrapped=text)
    for line in (line for row in layout.rows for line in row):
        typer.echo(INDENT + line)
    if layout.left_out:
        _print_prose(f"left out at this width: {', '.join(layout.left_out)}; --json and --html have them", width)


def _keep(folder: Run, found: Sequence[Explained]) -> None:
    """In the run's folder, for the report, beside what was said before; not of a run that may still change."""
    from regexp.core.errors import RunError
    from regexp.diagnostics.base import DIAGNOSTICS
    from regexp.report.records import FINISHED
    from regexp.runs.explanation import FILE, to_json

    try:
        status = folder.read_json("manifest.json").get("status")
        if status not in FINISHED:
            return _say(f"{folder.path} is {status}: what was said is not kept there")
        before = folder.read_json(FILE) if (folder.path / FILE).exists() else {}
        after = before | {one.diagnostic: to_json(one.explanation) for one in found}
        folder.write_json(FILE, {name: after[name] for name in DIAGNOSTICS if name in after})
    except RunError as error:
        _say(f"not kept for the report: {error}")


def _write_page(found: Sequence[Explained], path: Path) -> None:
    from regexp.report.explanations import page
    from regexp.runs.files import write_named

    write_named(path, page(found).encode())
    _say(f"wrote {path}")


def _write_figures(found: Sequence[Explained], folder: Path) -> None:
    from regexp.report.explanations import charts
    from regexp.report.figures import save

    _say(f"wrote {len(save(charts(found), folder))} files to {folder}")


def _say(message: str) -> None:
    from regexp.core.escaping import safe

    typer.echo(safe(message), err=True)
