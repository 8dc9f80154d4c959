"""Read the records of a sweep's confirmation: the config as written and the best settings, on seeds no stage used.

Scores from the stages are not reported as results: the best of many trials is optimistic (selection bias).
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
    """Whether a folder is a sweep. Raises RunError for a damaged manifest."""
    return (folder / "manifest.json").is_file() and Run(folder).read_json("manifest.json").get("kind") == "sweep"


def confirmed(folder: Path, name: str) -> list[Record]:
    """Return one record per confirmed setting; a single record without values if none is.

    Raises RunError or ValueError if a file is missing or damaged.
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
    records = []
    for candidate in map(checked_mapping, checked_list(summary.get("confirm"), "summary.json: confirm")):
        setting, number = checked_mapping(candidate.get("setting")), candidate.get("number")
        title = "as written" if number == 0 else "winner" if setting == best else f"confirmed {number}"
        setting_config = with_setting(config, setting) | {"training.epochs": winner.get("training.epochs")}
        ended = str(candidate.get("status"))
        metrics = _metrics(candidate, seeds) if ended == "done" else {}
        diverged = seeds if ended == "diverged" else ()
        records.append(
            compose(folder, f"{name}: {title}", manifest, setting_config, ended, seeds, diverged, metrics, chosen)
        )
    return records or [compose(folder, f"{name}: not confirmed", manifest, config, status)]


def _selected_epoch(config: Mapping[str, Any]) -> str:
    """Return how a flat config selects the epoch to report, in the words of `Record.chosen`."""
    restores = config.get("regularizers.early_stopping.restore_best")
    monitor = config.get("regularizers.early_stopping.monitor") or config.get("training.monitor")
    best = config.get("training.select") == "best" if restores is None else restores
    return f"best {monitor}" if best else "last epoch"


def with_setting(config: Mapping[str, Any], setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat config with a trial's values, without the methods it switches off, in any order."""
    switches = {path: value for path, value in setting.items() if isinstance(value, bool) and path.count(".") == 1}
    config = dict(config) | {path: value for path, value in setting.items() if path not in switches}
    for path, is_in in switches.items():
        if is_in and not any(key.startswith(f"{path}.") for key in config):
            config.setdefault(path, {})
    out = [path for path, is_in in switches.items() if not is_in]
    return {key: value for key, value in config.items() if not any(key == p or key.startswith(f"{p}.") for p in out)}


def _metrics(candidate: Mapping[str, Any], seeds: tuple[int, ...]) -> dict[str, dict[int, float]]:
    scores = [checked_mapping(score) for score in checked_list(candidate.get("scores"), "summary.json: scores")]
    if len(scores) != len(seeds):
        raise ValueError(f"summary.json: {len(scores)} scores for {len(seeds)} seeds")
    values_by_metric: dict[str, dict[int, float]] = {}
    for seed, score in zip(seeds, scores, strict=True):
        for metric, value in score.items():
            number = checked_number(value)
            if number is not None:
                values_by_metric.setdefault(metric, {})[seed] = number
    return values_by_metric
