"""`regexp evaluate` and `regexp predict`: after a run, from its saved checkpoint."""

from __future__ import annotations

import csv
import io
import json as json_module
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regexp.core import escaping
from regexp.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from regexp.inference import Predictions
    from regexp.runs import Run

RunName = Annotated[str, typer.Argument(help="The run's name, or its folder.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
DataChanged = Annotated[
    bool, typer.Option("--data-changed", help="Use data that differs from what the run was trained on; new splits.")
]
Input = Annotated[str, typer.Option("--input", help="Of the form trained on: .csv, .npz, an image or a folder.")]
Output = Annotated[Path, typer.Option("--output", help="The .csv file to write.")]
SIGNIFICANT, DOUBLE = 6, 17  # digits of a prediction at least, and of a float64


def evaluate(
    run: RunName, runs_dir: RunsDir = Path("runs"), json: Json = False, data_changed: DataChanged = False
) -> None:
    """Measure a run's saved model again on train, validation and test data.

    It is the model that training.select chose: by default the last epoch, with early stopping the best one.

    Seeds that diverged are left out. Exit code 1 where none is left, and where config.yaml or the data has changed
    since the training.
    """
    from regexp.cli.results import metrics_table
    from regexp.engine import device
    from regexp.inference import evaluate as measure
    from regexp.inference import left_out
    from regexp.runs import Run
    from regexp.runs.files import finite

    folder = Run.read(runs_dir, run)
    device.set_up()
    _tell_unfinished(folder)
    evaluation = measure(folder, data_changed=data_changed)
    _warn(evaluation.warnings)
    if json:
        answer = {
            "seeds": evaluation.seeds,
            "diverged": evaluation.diverged,
            "untrained": evaluation.untrained,
            "warnings": evaluation.warnings,
            "metrics": evaluation.metrics,
        }
        typer.echo(json_module.dumps(finite(answer), indent=1))
        return
    from rich.console import Console

    console = Console()
    _say(left_out(evaluation.diverged, evaluation.untrained))
    counted = len(evaluation.seeds) - len(evaluation.diverged) - len(evaluation.untrained)
    console.print(metrics_table(evaluation.metrics, counted, console))


def predict(run: RunName, input: Input, output: Output, runs_dir: RunsDir = Path("runs")) -> None:
    """Predict for the rows of a file; probabilities are means over the run's seeds.

    Seeds that diverged are left out. Exit code 1 where none is left, and where config.yaml has changed since the
    training.
    """
    from regexp.engine import device
    from regexp.inference import left_out
    from regexp.inference import predict as infer
    from regexp.runs import Run
    from regexp.runs.files import write_named

    if not Path(input).exists():
        raise UsageError(f"--input {input}: no such file")
    if output.resolve() == Path(input).resolve():
        raise UsageError(f"--output {output} is the input: it would be lost")
    folder = Run.read(runs_dir, run)
    device.set_up()
    _tell_unfinished(folder)
    predictions = infer(folder, input)
    _warn(predictions.warnings)
    _say(left_out(predictions.diverged, predictions.untrained))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if predictions.names is None:
        writer.writerows(_table(predictions))
    else:
        names = ["file", *map(escaping.csv, predictions.names)]
        writer.writerows([name, *row] for name, row in zip(names, _table(predictions), strict=True))
    write_named(output, text.getvalue().encode())
    typer.echo(escaping.safe(f"wrote {len(predictions.values):,} predictions to {output}"), err=True)


def _table(predictions: Predictions) -> Iterator[list[str]]:
    """The head, then a row for each prediction."""
    classes = list(predictions.classes)  # exact, for whoever joins them to their own data
    if classes:
        yield ["prediction", *(f"p({name})" for name in classes), "std_over_seeds"]
    else:
        yield [*(f"prediction_{i}" for i in range(predictions.values.shape[1])), "std_over_seeds"]
    digits = SIGNIFICANT if classes else _significant_digits(predictions.values)
    for values, spread in zip(predictions.values, predictions.spread.tolist(), strict=True):
        winner = [classes[values.argmax()]] if classes else []
        yield [*winner, *(f"{value:.{digits}g}" for value in values.tolist()), f"{spread:.{SIGNIFICANT}g}"]


def _tell_unfinished(run: Run) -> None:
    from regexp.inference import is_finished

    if not is_finished(run):
        _say([f"{run.name} is not finished: these are its best models so far; go on with: {run.resume_command()}"])


def _warn(messages: Iterable[str]) -> None:
    _say(f"warning: {message}" for message in messages)


def _say(messages: Iterable[str]) -> None:
    for message in messages:
        typer.echo(escaping.safe(message), err=True)


def _significant_digits(values: np.ndarray) -> int:
    """So many that the last digit is a millionth of the values' spread: of UNIX times 6 digits would tell the month."""
    import numpy as np

    largest, spread = np.abs(values).max(initial=0.0), values.std(0).min() if len(values) > 1 else 0.0
    if not 0 < spread < largest:
        return DOUBLE if largest >= 10**SIGNIFICANT else SIGNIFICANT
    return min(DOUBLE, SIGNIFICANT + int(np.ceil(np.log10(largest / spread))))
