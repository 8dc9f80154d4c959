"""Export a run as an MLflow run with a nested run per trained model, in the experiment `regexp` of an SQLite store."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from regexp.core.errors import UsageError
from regexp.export.contents import Contents, distinct, lane_name
from regexp.runs.files import explained

EXPERIMENT = "regexp"
MOST_PARAMS, MOST_METRICS = 100, 1_000  # the largest batches MLflow accepts
MOST_RUNS = 50_000  # the largest page of a search that MLflow accepts
LONGEST_NAME = 200


def write(run: Contents, output: Path) -> str:
    """Write the config as parameters, curves as metrics by epoch, and final metrics as `final/...`; return a message.

    The parent run holds the means over seeds. Raises UsageError if the store already has the run.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # an export must not send usage data
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    with explained(output):
        output.mkdir(parents=True, exist_ok=True)
    store = output / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy warns about MLflow's models
        _write(run, store)
    return f"view with: mlflow ui --backend-store-uri sqlite:///{store}"


def _write(run: Contents, store: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{store.resolve()}")
    existing = client.get_experiment_by_name(EXPERIMENT)
    artifacts = store.parent.resolve().as_uri()
    experiment = existing.experiment_id if existing else client.create_experiment(EXPERIMENT, artifacts)
    if any(logged.info.run_name == run.name for logged in client.search_runs([experiment], max_results=MOST_RUNS)):
        raise UsageError(f"{run.name} is already in {store}; choose another --output")
    finals = {seed: {f"final/{name}": value for name, value in metrics.items()} for seed, metrics in run.final.items()}
    names = distinct(dict.fromkeys([*run.metrics, *(name for metrics in finals.values() for name in metrics)]), allowed)
    parent = _run(client, experiment, run.name, run.config, {f"regexp.{key}": text for key, text in run.about.items()})
    _log(client, parent, names, [(_means(finals), 0)])
    members = any(point.member for point in run.curves)
    for (seed, member, stage), points in run.lanes.items():
        config = dict(run.config) | {"seed": seed, "member": member}
        lane = _run(client, experiment, lane_name(seed, member, stage, members), config, {"mlflow.parentRunId": parent})
        last = [(finals.get(seed, {}), max((p.epoch for p in points), default=0))] if not stage and member == 0 else []
        _log(client, lane, names, [*((point.values, point.epoch) for point in points), *last])
        client.set_terminated(lane, "FINISHED")
    client.set_terminated(parent, "FINISHED" if run.final else "FAILED")


def _means(final: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for metrics in final.values():
        for name, value in metrics.items():
            values.setdefault(name, []).append(value)
    return {name: sum(v) / len(v) for name, v in values.items()}


def _run(client: Any, experiment: str, name: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    from mlflow.entities import Param

    run_id = client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
    params = [Param(key, str(config[name])) for name, key in distinct(config, allowed).items()]
    for batch in _parts(params, MOST_PARAMS):
        client.log_batch(run_id, params=batch)
    return str(run_id)


def _log(
    client: Any, run: str, names: Mapping[str, str], values: Iterable[tuple[Mapping[str, float], int]]
) -> None:  # fmt: skip
    from mlflow.entities import Metric

    metrics = [
        Metric(names[name], value, 0, step) for values_at_step, step in values for name, value in values_at_step.items()
    ]
    for batch in _parts(metrics, MOST_METRICS):
        client.log_batch(run, metrics=batch)


def _parts(items: list[Any], size: int) -> Iterable[list[Any]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def allowed(name: str) -> str:
    """Return a name that MLflow accepts: letters, digits and `_-. :/`, without `.` and `..` as parts of a path."""
    parts = [re.sub(r"[^\w\-. :]", "_", part, flags=re.ASCII) for part in name.split("/")]
    return "/".join(part if part.strip(".") else "_" for part in parts)[:LONGEST_NAME].rstrip("/")
