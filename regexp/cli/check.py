"""`regexp check`: verdicts on a config before it is trained."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from regexp.checks.base import Finding
    from regexp.config import Loaded

ConfigFile = Annotated[Path, typer.Argument(help="The YAML file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a value: optimizer.learning_rate=3e-3.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Do this check alone; may be given several times.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per check on standard output.")]
Save = Annotated[bool, typer.Option("--save", help="Keep the findings and the curves in a folder of runs.")]
RunsDir = Annotated[Path, typer.Option(help="Where --save writes.")]
COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "red"}


def check(
    config: ConfigFile,
    only: Only = None,
    settings: Settings = None,
    json: Json = False,
    save: Save = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Check a config, its data and its model before training; exit code 3 where a check fails."""
    from regexp.checks.base import CHECKS
    from regexp.checks.bench import bench_of
    from regexp.config import load
    from regexp.core.escaping import safe
    from regexp.engine import device

    names = CHECKS.chosen(only or ())
    loaded = load(config, settings or [])
    device.set_up()
    found: dict[str, Finding] = {}
    with loaded.placed():
        bench = bench_of(loaded)
        for warning in (*loaded.warnings, *bench.notes):
            typer.echo(safe(f"warning: {warning}"), err=True)
        for line in bench.data.inferred:
            typer.echo(safe(line), err=True)
        for name in names:
            found[name] = finding = CHECKS.answer(name, bench)
            _print_json(name, finding) if json else _print(name, finding)
    if save:
        _save(loaded, found, runs_dir, f"{config.stem}-check", json)
    if any(finding.verdict == "FAIL" for finding in found.values()):
        raise typer.Exit(3)


def _print(name: str, finding: Finding) -> None:
    from regexp.core.escaping import safe

    typer.echo(typer.style(finding.verdict, fg=COLOURS[finding.verdict], bold=True) + f"  {name}")
    rows = (("measured", finding.measured), ("expected", finding.expected), ("do", finding.advice))
    for label, text in rows:
        if text:
            typer.echo(safe(f"      {label:<9} {text}"))
    for line in finding.lines:
        typer.echo(safe(f"      {line}"))


def _as_json(name: str, finding: Finding) -> dict[str, Any]:
    from regexp.runs.files import finite

    told = {"measured": finding.measured, "expected": finding.expected, "advice": finding.advice}
    return {"check": name, "verdict": finding.verdict, **told, "values": finite(finding.values)}


def _print_json(name: str, finding: Finding) -> None:
    typer.echo(json_module.dumps(_as_json(name, finding)))


def _save(loaded: Loaded, found: dict[str, Finding], runs_dir: Path, name: str, quiet: bool) -> None:
    """config.yaml, checks.json and a PNG for each curve in a folder of their own."""
    from regexp.config import to_yaml
    from regexp.runs import Run

    folder = Run.create(runs_dir, name)
    folder.write_config(to_yaml(loaded.experiment))
    folder.write_json("checks.json", {n: _as_json(n, finding) for n, finding in found.items()})
    for check_name, finding in found.items():
        if finding.figure is not None:
            _draw(finding, folder.path / f"{check_name}.png")
    folder.close()
    if not quiet:
        typer.echo(f"saved in {folder.path}")


def _draw(finding: Finding, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    if finding.figure is not None:
        finding.figure(figure.add_subplot())
    FigureCanvasAgg(figure).print_png(str(path))
