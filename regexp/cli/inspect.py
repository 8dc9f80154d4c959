"""`regexp evaluate` and `regexp predict`: after a run, from its saved best checkpoint."""

from __future__ import annotations

import csv
import io
import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from regexp.runs import Run

RunName = Annotated[str, typer.Argument(help="The run's name, or its folder.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Input = Annotated[str, typer.Option("--input", help="A file of the form trained on (.csv, .npz).")]
Output = Annotated[Path, typer.Option("--output", help="The .csv file to write.")]


def evaluate(run: RunName, runs_dir: RunsDir = Path("runs"), json: Json = False) -> None:
    """Measure a run's best checkpoint again on train, validation and test data."""
    from regexp.cli.results import metrics_table
    from regexp.inference import evaluate as measure
    from regexp.inference import read_experiment
    from regexp.runs import Run
    from regexp.runs.files import finite
    from regexp.summary import statistics
    from regexp.training import device

    found = Run.read(runs_dir, run)
    data = read_experiment(found).dataset.load()
    device.set_up()
    seeds, rows = measure(found, data)
    diverged = _diverged(found)
    table = statistics(rows, [seed not in diverged for seed in seeds])
    if json:
        answer = {"seeds": seeds, "diverged": sorted(diverged), "metrics": table}
        typer.echo(json_module.dumps(finite(answer), indent=1))
        return
    from rich.console import Console

    console = Console()
    if diverged:
        typer.echo(f"diverged, in no mean: seed {', '.join(map(str, sorted(diverged)))}", err=True)
    if len(diverged) < len(seeds):
        console.print(metrics_table(table, len(seeds) - len(diverged), console))


def _diverged(run: Run) -> set[int]:
    """The seeds that the summary calls diverged; of a run without one, none is known."""
    from regexp.errors import RunError

    try:
        lanes = run.read_json("summary.json")["lanes"]
    except RunError:
        return set()
    return {lane["seed"] for lane in lanes if lane["status"] == "diverged"}


def predict(run: RunName, input: Input, output: Output, runs_dir: RunsDir = Path("runs")) -> None:
    """Predict for the rows of a file; probabilities are means over the run's seeds."""
    from regexp.cli.text import safe
    from regexp.inference import predict as infer
    from regexp.runs import Run
    from regexp.runs.files import write_atomic
    from regexp.training import device

    device.set_up()
    found = infer(Run.read(runs_dir, run), input)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if found.classes:
        names = [_inert(name) for name in found.classes]
        writer.writerow(["prediction", *(f"p({name})" for name in names), "std_over_seeds"])
        winners = [names[k] for k in found.values.argmax(1)]
        rows = zip(winners, found.values.tolist(), found.spread.tolist(), strict=True)
        writer.writerows([winner, *map(_short, values), _short(spread)] for winner, values, spread in rows)
    else:
        writer.writerow([*(f"prediction_{i}" for i in range(found.values.shape[1])), "std_over_seeds"])
        pairs = zip(found.values.tolist(), found.spread.tolist(), strict=True)
        writer.writerows([*map(_short, values), _short(spread)] for values, spread in pairs)
    write_atomic(output, text.getvalue().encode())
    typer.echo(safe(f"wrote {len(found.values):,} predictions to {output}"))


def _short(value: float) -> str:
    return f"{value:.6g}"


def _inert(name: str) -> str:
    """A class name that no spreadsheet takes for a formula."""
    from regexp.cli.text import safe

    return ("'" if name.startswith(("=", "+", "-", "@")) and not _is_number(name) else "") + safe(name)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
