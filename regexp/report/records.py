"""Read a run folder into a Record. The folder may come from elsewhere: every value is validated before use."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from regexp.config.document import flatten
from regexp.config.document import read as read_document
from regexp.core.errors import RunError
from regexp.runs import Run

FINISHED = {"done", "partly diverged", "diverged"}
EMPTY: Mapping[str, Any] = MappingProxyType({})
NOT_COMPARED = ("training.seeds", "run.", "sweep.")  # prefixes of keys that do not distinguish settings


@dataclass(frozen=True)
class Record:
    """A run: its config, how it ended and what it measured.

    config: {dotted key: value}
    data: name and hash of the dataset; only runs on the same data are compared
    metrics: {metric: {seed: value}} at the selected epoch, without diverged seeds; empty unless the run is finished
    chosen: how the epoch was selected
    """

    name: str
    path: Path
    status: str
    reason: str
    command: tuple[str, ...]
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    data: tuple[str, str]
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    metrics: Mapping[str, Mapping[int, float]]
    chosen: str

    @property
    def finished(self) -> bool:
        """Whether the run completed, including runs whose seeds diverged."""
        return self.status in FINISHED


def record(folder: Path, name: str) -> Record:
    """Read one run. Raises RunError or ValueError if a file is missing or damaged."""
    run = Run(folder)
    config = read_config(folder / "config.yaml")
    manifest = run.read_json("manifest.json")
    status = checked_text(manifest.get("status"), "manifest.json: status")
    if status in FINISHED:
        run.check_results(checked_mapping(manifest.get("files", {})))
    measured = _summary(run) if status in FINISHED else {"seeds": checked_seeds(manifest.get("seeds", []))}
    return compose(folder, name, manifest, config, status, **measured)


def compose(
    folder: Path, name: str, manifest: Mapping[str, Any], config: Mapping[str, Any], status: str,
    seeds: tuple[int, ...] = (), diverged: tuple[int, ...] = (),
    metrics: Mapping[str, Mapping[int, float]] = EMPTY, chosen: str = "",
) -> Record:  # fmt: skip
    """Return the record of a run from its manifest and config. Raises ValueError for a damaged manifest."""
    data = checked_mapping(manifest.get("data", {})).get("sha256", "")
    return Record(
        name=name,
        path=folder,
        status=status,
        reason=str(manifest.get("reason") or ""),
        command=tuple(map(str, checked_list(manifest.get("command", []), "manifest.json: command"))),
        manifest=manifest,
        config=config,
        data=(_data_name(config), str(data)),
        seeds=seeds,
        diverged=diverged,
        metrics=metrics,
        chosen=chosen,
    )


def read_config(path: Path) -> dict[str, Any]:
    """Read a config as {dotted key: value}. Raises RunError if it is missing or damaged."""
    if not path.is_file():
        raise RunError(f"no {path.name}: not a run")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RunError(f"{path.name}: is not UTF-8 text (byte {error.start})") from None
    document = read_document(text, path.name)
    if document.problems:
        raise RunError(str(document.problems[0]).partition("\n")[0])
    return flatten(document.root.plain())


def _data_name(config: Mapping[str, Any]) -> str:
    """Return the name of the dataset, with the file name for a user's own data: `csv wine.csv`."""
    name, path = str(config.get("dataset.name", "")), config.get("dataset.path")
    return f"{name} {PurePath(str(path)).name}" if path else name


def identity(config: Mapping[str, Any], without: Iterable[str] = NOT_COMPARED) -> str:
    """Return a text that is equal for two configs that differ only in keys with the prefixes `without`."""
    left_out = tuple(without)
    return json.dumps({key: value for key, value in config.items() if not key.startswith(left_out)}, sort_keys=True)


# -- summary.json, checked --------------------------------------------------------------------------------------------


def _summary(run: Run) -> dict[str, Any]:
    """Return the arguments of `compose` that summary.json holds: seeds, diverged, metrics, chosen."""
    raw = run.read_json("summary.json")
    seeds = checked_seeds(raw.get("seeds"))
    diverged = _diverged(raw, seeds)
    metrics = {}
    for name, numbers in checked_mapping(raw.get("metrics")).items():
        values = checked_list(checked_mapping(numbers).get("values"), f"summary.json: {name}")
        if len(values) != len(seeds):
            raise ValueError(f"summary.json: {name} has {len(values)} values for {len(seeds)} seeds")
        values_by_seed = dict(zip(seeds, map(checked_number, values), strict=True))
        metrics[name] = {s: v for s, v in values_by_seed.items() if v is not None and s not in diverged}
    # A seed that diverges in its refit has lanes marked as done, but no values.
    diverged |= {seed for seed in seeds if metrics and all(seed not in by_seed for by_seed in metrics.values())}
    selection = checked_mapping(raw.get("selection", {}))
    best = selection.get("epoch") == "best"
    chosen = f"best {selection.get('monitor')}" if best else "last epoch"
    return {"seeds": seeds, "diverged": tuple(sorted(diverged)), "metrics": metrics, "chosen": chosen}


def _diverged(raw: dict[str, Any], seeds: tuple[int, ...]) -> set[int]:
    """Return the seeds with a diverged lane; an ensemble has several lanes per seed."""
    lanes = [checked_mapping(lane) for lane in checked_list(raw.get("lanes"), "summary.json: lanes")]
    if {lane.get("seed") for lane in lanes} != set(seeds) or not all("status" in lane for lane in lanes):
        raise ValueError("summary.json: lanes and seeds do not match")
    return {lane["seed"] for lane in lanes if lane["status"] == "diverged"}


def checked_number(value: Any) -> float | None:
    """Return a JSON number as float, None for null or a number that is not finite. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("summary.json: a value is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("summary.json: a number is too large") from None
    return number if math.isfinite(number) else None


def checked_seeds(value: Any) -> tuple[int, ...]:
    """Return a JSON list of integers. Raises ValueError."""
    return tuple(checked_list(value, "seeds", lambda item: isinstance(item, int) and not isinstance(item, bool)))


def checked_list(value: Any, what: str, good: Callable[[Any], bool] = lambda item: True) -> list[Any]:
    """Return a JSON list whose elements all satisfy `good`. Raises ValueError naming `what`."""
    if not isinstance(value, list | tuple) or not all(map(good, value)):
        raise ValueError(f"damaged: {what}")
    return list(value)


def checked_mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("damaged: not a mapping")
    return value


def checked_text(value: Any, what: str) -> str:
    """Return a JSON string. Raises ValueError naming `what`."""
    if not isinstance(value, str):
        raise ValueError(f"damaged: {what}")
    return value
