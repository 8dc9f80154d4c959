"""`regexp export`: a run's numbers for other tools; the targets are export/'s."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from regexp.core.errors import RunError, UsageError

PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "parquet": "pyarrow", "csv": "csv"}

RunName = Annotated[str, typer.Argument(help="The run's name, or its folder; of an ablation all of its arms.")]
Target = Annotated[Literal["tensorboard", "mlflow", "csv", "parquet"], typer.Option("--to", help="For which tool.")]
Output = Annotated[Path, typer.Option(help="A folder, in which the run gets its own.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are.")]


def export(run: RunName, to: Target, output: Output = Path("exports"), runs_dir: RunsDir = Path("runs")) -> None:
    """Write learning curves, hyperparameters and final metrics, seed by seed, as another tool reads them."""
    if find_spec(PACKAGES[to]) is None:
        raise UsageError(f"--to {to} needs the package {PACKAGES[to]}: pip install 'regexp-lab[{to}]'")
    from regexp.core.escaping import safe
    from regexp.export.contents import contents
    from regexp.report.collect import collect, edited

    records, skipped = collect(runs_dir, [run])
    for folder in skipped:
        raise RunError(f"{folder.name}: {folder.reason}")
    for sentence in edited(records):
        raise RunError(f"{sentence}: restore it before the export; regexp evaluate shows the lines that differ")
    for record in records:
        if record.manifest.get("kind") == "sweep":
            raise UsageError(f"{run} is a sweep: train {record.path / 'winner.yaml'} and export that run")
    target = import_module(f"regexp.export.{to}")
    for record in records:
        typer.echo(safe(f"{record.name}: {target.write(contents(record), output)}"))
