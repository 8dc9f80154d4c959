"""A sweep's folder -> records of its confirmation: the file as written and the best settings, on seeds no stage used.

Scores of the stages themselves are no result: their best is the best of many, and the choice has inflated it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regexp.report.records import (
    Record,
    checked_list,
    checked_mapping,
    checked_number,
    checked_seeds,
    checked_text,
    compose,
    read_config,
)
from regexp.runs import Run


def is_sweep(folder: Path) -> bool:
    """Whether a folder with a manifest is a sweep's. Raises RunError for a damaged one."""
    return (folder / "manifest.json").is_file() and Run(folder).read_json("manifest.json").get("kind") == "sweep"


def confirmed(folder: Path, name: str) -> list[Record]:
    """One record for each setting confirmed; where none is, one without values.

    Raises RunError or ValueError for what is missing or damaged.
    """
    run = Run(folder)
    config = {k: v for k, v in read_config(folder / "config.yaml").items() if not k.startswith("sweep.")}
    manifest = run.read_json("manifest.json")
    status = checked_text(manifest.get("status"), "manifest.json: status")
    if status != "done":
        return [compose(folder, name, manifest, config, status)]
    run.check_results(checked_mapping(manifest.get("files", {})))
    summary = run.read_json("summary.json")
    winner = read_config(folder / "winner.yaml")
    seeds = checked_seeds(winner.get("training.seeds"))
    best = checked_mapping(checked_mapping(summary.get("winner")).get("setting"))
    chosen = _selected_epoch(winner)
    found = []
    for one in map(checked_mapping, checked_list(summary.get("confirm"), "summary.json: confirm")):
        setting, number = checked_mapping(one.get("setting")), one.get("number")
        title = "as written" if number == 0 else "winner" if setting == best else f"confirmed {number}"
        whole = with_setting(config, setting) | {"training.epochs": winner.get("training.epochs")}
        ended = str(one.get("status"))
        metrics = _metrics(one, seeds) if ended == "done" else {}
        diverged = seeds if ended == "diverged" else ()
        found.append(compose(folder, f"{name}: {title}", manifest, whole, ended, seeds, diverged, metrics, chosen))
    return found or [compose(folder, f"{name}: not confirmed", manifest, config, status)]


def _selected_epoch(config: Mapping[str, Any]) -> str:
    """The epoch at which a flat config's run is measured, in the words of a run's record."""
    restores = config.get("regularizers.early_stopping.restore_best")
    monitor = config.get("regularizers.early_stopping.monitor") or config.get("training.monitor")
    best = config.get("training.select") == "best" if restores is None else restores
    return f"best {monitor}" if best else "last epoch"


def with_setting(config: Mapping[str, Any], setting: Mapping[str, Any]) -> dict[str, Any]:
    """The flat config with a trial's values, without the methods that are out, whatever the order of the setting."""
    switches = {path: value for path, value in setting.items() if isinstance(value, bool) and path.count(".") == 1}
    config = dict(config) | {path: value for path, value in setting.items() if path not in switches}
    for path, is_in in switches.items():
        if is_in and not any(key.startswith(f"{path}.") for key in config):
            config.setdefault(path, {})
    out = [path for path, is_in in switches.items() if not is_in]
    return {key: value for key, value in config.items() if not any(key == p or key.startswith(f"{p}.") for p in out)}


def _metrics(one: Mapping[str, Any], seeds: tuple[int, ...]) -> dict[str, dict[int, float]]:
    scores = [checked_mapping(score) for score in checked_list(one.get("scores"), "summary.json: scores")]
    if len(scores) != len(seeds):
        raise ValueError(f"summary.json: {len(scores)} scores for {len(seeds)} seeds")
    found: dict[str, dict[int, float]] = {}
    for seed, score in zip(seeds, scores, strict=True):
        for metric, value in score.items():
            number = checked_number(value)
            if number is not None:
                found.setdefault(metric, {})[seed] = number
    return found
