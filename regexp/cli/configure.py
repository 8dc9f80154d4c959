"""`regexp init`, `regexp validate`, `regexp schema`: before a run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from regexp.core.errors import UsageError

STARTER = """\
# yaml-language-server: $schema=regexp.schema.json
# One file is one question. Train it:      regexp train {name}
# Change a number without editing:         regexp train {name} --set optimizer.learning_rate=3e-3
# What else there is:                      regexp list        and in detail: regexp show dropout

dataset:
  name: digits             # or csv, npz, fashion_mnist, ...: regexp list datasets
  validation: 0.15         # held out of the training data, for choosing
  preprocess: [standardize]

model:
  name: mlp                # or linear, cnn, resnet
  hidden: [128, 128]
  activation: relu
  initializer: he

regularizers:              # each is on if it is here; `dropout: false` switches one off
  l2: {{strength: 1.0e-4}}
  dropout: {{rate: 0.3}}
  early_stopping: {{patience: 15}}

optimizer:
  name: adam
  learning_rate: 1.0e-3
  schedule: {{name: constant}} # or cosine, step, ...: over the whole run, so without early_stopping

training:
  epochs: 60
  batch_size: 64
  seeds: [0, 1, 2]         # trained side by side; a result without its spread is half a result
"""

ConfigFile = Annotated[Path, typer.Argument(help="The YAML file.")]
NewFile = Annotated[Path | None, typer.Argument(help="The file to write; left out: print it.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a value: optimizer.learning_rate=3e-3.")]


def init(file: NewFile = None) -> None:
    """Write a commented config to start from, and the schema beside it that editors complete by."""
    from regexp.core.escaping import safe

    if file is None:
        typer.echo(STARTER.format(name="lab.yaml"), nl=False)
        return
    name = shlex.quote(safe(file).replace("\n", "?"))  # it stands in comments, which end with the line
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(STARTER.format(name=name))
        schema_file = file.with_name("regexp.schema.json")
        if not schema_file.exists() or '"title": "regexp experiment"' in schema_file.read_text("utf-8", "replace"):
            schema_file.write_text(_schema_text(), encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{file} is there already; it is left as it is") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
    typer.echo(safe(f"wrote {file} and {schema_file}; now: regexp train {name}"))


def schema() -> None:
    """Print the JSON Schema of a config."""
    typer.echo(_schema_text(), nl=False)


def _schema_text() -> str:
    from regexp.config import json_schema

    return json.dumps(json_schema(), indent=1) + "\n"


def validate(config: ConfigFile, settings: Settings = None) -> None:
    """Check a config without training; print it with every default written out, or all its problems."""
    from regexp.config import load, to_yaml
    from regexp.core.escaping import safe

    loaded = load(config, settings or [])
    for warning in loaded.warnings:
        typer.echo(safe(f"warning: {warning}"), err=True)
    typer.echo(safe(to_yaml(loaded.experiment)), nl=False)
    typer.echo(f"# {safe(config)} is fine", err=True)
