"""`regexp evaluate` and `regexp predict`: after a run, from its saved best checkpoint."""

from __future__ import annotations

import csv
import io
import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regexp import inert
from regexp.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from regexp.inference import Predictions
    from regexp.runs import Run

RunName = Annotated[str, typer.Argument(help="The run's name, or its folder.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Input = Annotated[str, typer.Option("--input", help="Of the form trained on: .csv, .npz, an image or a folder.")]
Output = Annotated[Path, typer.Option("--output", help="The .csv file to write.")]
SIGNIFICANT, DOUBLE = 6, 17  # digits of a prediction at least, and of a float64


def evaluate(run: RunName, runs_dir: RunsDir = Path("runs"), json: Json = False) -> None:
    """Measure a run's best checkpoint again on train, validation and test data."""
    from regexp.cli.results import metrics_table
    from regexp.datasets.loading import load_data
    from regexp.inference import evaluate as measure
    from regexp.inference import read_experiment
    from regexp.runs import Run
    from regexp.runs.files import finite
    from regexp.training import device

    folder = Run.read(runs_dir, run)
    data = load_data(read_experiment(folder).dataset)
    device.set_up()
    _tell_unfinished(folder)
    found = measure(folder, data)
    _warn(found.warning)
    if json:
        answer = {"seeds": found.seeds, "diverged": found.diverged, "metrics": found.metrics}
        typer.echo(json_module.dumps(finite(answer), indent=1))
        return
    from rich.console import Console

    console = Console()
    if found.diverged:
        typer.echo(f"diverged, in no mean: seed {', '.join(map(str, found.diverged))}", err=True)
    if good := len(found.seeds) - len(found.diverged):
        console.print(metrics_table(found.metrics, good, console))


def predict(run: RunName, input: Input, output: Output, runs_dir: RunsDir = Path("runs")) -> None:
    """Predict for the rows of a file; probabilities are means over the run's seeds."""
    from regexp.inference import predict as infer
    from regexp.runs import Run
    from regexp.runs.files import write_named
    from regexp.training import device

    if not Path(input).exists():
        raise UsageError(f"--input {input}: no such file")
    if output.resolve() == Path(input).resolve():
        raise UsageError(f"--output {output} is the input: it would be lost")
    folder = Run.read(runs_dir, run)
    device.set_up()
    _tell_unfinished(folder)
    found = infer(folder, input)
    _warn(found.warning)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if found.names is None:
        writer.writerows(_table(found))
    else:
        names = ["file", *map(inert.csv, found.names)]
        writer.writerows([name, *row] for name, row in zip(names, _table(found), strict=True))
    write_named(output, text.getvalue().encode())
    typer.echo(inert.safe(f"wrote {len(found.values):,} predictions to {output}"), err=True)


def _table(found: Predictions) -> Iterator[list[str]]:
    """The head, then a row for each prediction."""
    classes = [inert.csv(name) for name in found.classes]
    if classes:
        yield ["prediction", *(f"p({name})" for name in classes), "std_over_seeds"]
    else:
        yield [*(f"prediction_{i}" for i in range(found.values.shape[1])), "std_over_seeds"]
    digits = SIGNIFICANT if classes else _significant_digits(found.values)
    for values, spread in zip(found.values, found.spread.tolist(), strict=True):
        winner = [classes[values.argmax()]] if classes else []
        yield [*winner, *(f"{value:.{digits}g}" for value in values.tolist()), f"{spread:.{SIGNIFICANT}g}"]


def _tell_unfinished(run: Run) -> None:
    from regexp.inference import is_finished

    if not is_finished(run):
        told = f"{run.name} is not finished: these are its best models so far; --resume {run.name} goes on"
        typer.echo(inert.safe(told), err=True)


def _warn(message: str | None) -> None:
    if message is not None:
        typer.echo(inert.safe(f"warning: {message}"), err=True)


def _significant_digits(values: np.ndarray) -> int:
    """So many that the last digit is a millionth of the values' spread: of UNIX times 6 digits would tell the month."""
    import numpy as np

    largest, spread = np.abs(values).max(initial=0.0), values.std(0).min() if len(values) > 1 else 0.0
    if not 0 < spread < largest:
        return DOUBLE if largest >= 10**SIGNIFICANT else SIGNIFICANT
    return min(DOUBLE, SIGNIFICANT + int(np.ceil(np.log10(largest / spread))))
