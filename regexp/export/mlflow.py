"""A run of MLflow with a nested one per lane, in the experiment `regexp` of an SQLite store."""

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
MOST_PARAMS, MOST_METRICS = 100, 1_000  # that MLflow takes at once
MOST_RUNS = 50_000
LONGEST_NAME = 200


def write(run: Contents, output: Path) -> str:
    """The config as parameters, curves as metrics over epochs, final metrics as `final/...`; the mean in the parent.

    Raises UsageError for a run that is in the store already.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # an export tells nobody
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    with explained(output):
        output.mkdir(parents=True, exist_ok=True)
    store = output / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, about MLflow
        _write(run, store)
    return f"look at it with: mlflow ui --backend-store-uri sqlite:///{store}"


def _write(run: Contents, store: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{store.resolve()}")
    known = client.get_experiment_by_name(EXPERIMENT)
    artifacts = store.parent.resolve().as_uri()
    experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT, artifacts)
    if any(one.info.run_name == run.name for one in client.search_runs([experiment], max_results=MOST_RUNS)):
        raise UsageError(f"{run.name} is in {store} already; choose another --output")
    finals = {seed: {f"final/{name}": value for name, value in own.items()} for seed, own in run.final.items()}
    names = distinct(dict.fromkeys([*run.metrics, *(name for own in finals.values() for name in own)]), allowed)
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
    for own in final.values():
        for name, value in own.items():
            values.setdefault(name, []).append(value)
    return {name: sum(v) / len(v) for name, v in values.items()}


def _run(client: Any, experiment: str, name: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    from mlflow.entities import Param

    made = client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
    params = [Param(key, str(config[name])) for name, key in distinct(config, allowed).items()]
    for some in _parts(params, MOST_PARAMS):
        client.log_batch(made, params=some)
    return str(made)


def _log(
    client: Any, run: str, names: Mapping[str, str], values: Iterable[tuple[Mapping[str, float], int]]
) -> None:  # fmt: skip
    from mlflow.entities import Metric

    metrics = [Metric(names[name], value, 0, step) for own, step in values for name, value in own.items()]
    for some in _parts(metrics, MOST_METRICS):
        client.log_batch(run, metrics=some)


def _parts(items: list[Any], size: int) -> Iterable[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def allowed(name: str) -> str:
    """A name as MLflow takes it: letters, digits, `_-. :/`, and no path that means another."""
    parts = [re.sub(r"[^\w\-. :]", "_", part, flags=re.ASCII) for part in name.split("/")]
    return "/".join(part if part.strip(".") else "_" for part in parts)[:LONGEST_NAME].rstrip("/")
