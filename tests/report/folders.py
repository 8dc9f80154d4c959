"""Run folders as `regexp train` leaves them, made without training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from regexp.config import loads, to_yaml
from regexp.runs import Run
from regexp.runs.manifest import gather
from regexp.runs.summary import summarize

CONFIG = """\
dataset: {name: %(dataset)s, validation: 0.15}
model: {name: mlp, hidden: [8]}
regularizers: %(regularizers)s
optimizer: {name: adam, learning_rate: %(rate)s}
training: {epochs: 3, seeds: %(seeds)s}
"""


def folder(
    root: Path,
    name: str,
    values: Sequence[float | None],
    regularizers: str = "{}",
    rate: float = 1e-3,
    dataset: str = "digits",
    first_seed: int = 0,
    metric: str = "test/accuracy",
    predictions: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """A finished run with these values over its seeds; None is a diverged seed."""
    seeds = list(range(first_seed, first_seed + len(values)))
    text = CONFIG % {"dataset": dataset, "regularizers": regularizers, "rate": rate, "seeds": seeds}
    run = Run.create(root, name)
    run.write_config(to_yaml(loads(text).experiment))
    lanes = [
        {"seed": s, "status": "diverged" if v is None else "done", "epochs": 3, "selected_epoch": 2, "reason": "x"}
        for s, v in zip(seeds, values, strict=True)
    ]
    rows = [{metric: float("nan") if v is None else v, "test/loss": 1 - (v or 0)} for v in values]
    selection = {"epoch": "best", "monitor": "validation/loss"}
    good = [lane["status"] != "diverged" for lane in lanes]
    summary = summarize(seeds, good, lanes, rows, rows, selection, {"compile": 1.0, "train": 1.0}, 1)
    run.write_json("summary.json", summary)
    manifest = gathered() | {"command": ["regexp", "train", f"{name}.yaml"], "reason": None, "seeds": seeds}
    run.write_json("manifest.json", manifest | {"status": summary["status"], "data": {"sha256": f"of {dataset}"}})
    epochs = [
        {"epoch": e, "seed": s, "loss/data": 2.0 / e + s / 50, "loss/l2": 0.1 * e, "loss/total": 2.0 / e + 0.1 * e,
         "train/accuracy": 1 - 0.5 / e, "train/loss": 1.0 / e, "validation/accuracy": 1 - 0.6 / e,
         "validation/loss": 1.2 / e}
        for e in (1, 2, 3) for s in seeds
    ]  # fmt: skip
    run.append_metrics(epochs)
    if predictions is not None:
        run.write_predictions({"seeds": np.asarray(seeds), **predictions})
    run.close()
    return run.path


@cache
def gathered() -> dict[str, Any]:
    return gather([]) | {"device": "1 x cpu"}


def edit(path: Path, change: Any) -> None:
    """Change a JSON file: `change` gets what it holds."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
