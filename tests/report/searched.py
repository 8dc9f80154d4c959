"""A sweep's folder as `regexp sweep` leaves it, written by its own store, made without training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from regexp.config import loads, to_yaml
from regexp.config.search.space import Setting, ranges_of
from regexp.runs import Run
from regexp.study.sweep.conclude import conclude, ranked
from regexp.study.sweep.narrow import narrow
from regexp.study.sweep.records import Record, Store
from regexp.study.sweep.samplers import fixed
from regexp.study.sweep.text import description
from tests.report.folders import gathered

CONFIG = """\
dataset: {name: digits, validation: 0.15}
model: {name: mlp, hidden: [8]}
optimizer: {name: adam, learning_rate: 1.0e-2}
training: {epochs: 2, seeds: [0]}
sweep:
  objective: validation/accuracy
  space:
    optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}
    regularizers.dropout: {optional: true}
    regularizers.dropout.rate: {uniform: [0.0, 0.5]}
    model.activation: {choice: [relu, tanh]}
  stages:
    - {trials: 20, epochs: 2, sampler: SAMPLER}
    - {trials: 8, epochs: 6, seeds: 2, keep: 0.3}
  confirm: {top: 2, seeds: 8}
"""


def searched(root: Path, name: str = "search", sampler: str = "random", objective: str = "validation/accuracy") -> Path:
    """Two stages and a confirmation; of the first stage trial 3 diverged, 4 failed and 5 was pruned."""
    loaded = loads(CONFIG.replace("SAMPLER", sampler).replace("validation/accuracy", objective))
    space, sweep, smaller = loaded.search.space, loaded.search.sweep, objective.endswith("loss")
    run = Run.create(root, name)
    run.write_config(description(loaded))
    store = Store.create(run.path, name, None, space, smaller)
    store.note("config", description(loaded))
    store.note("stage 1 ranges", {"ranges": ranges_of(space), "changes": []})
    first = [_record(0, n, setting, objective) for n, setting in enumerate(fixed("random", space, 20, 0))]
    first[3] = replace(first[3], status="diverged", value=None, scores=[], step=7, reason="the loss is not finite")
    first[4] = replace(first[4], status="failed", value=None, scores=[], reason="<b>batch</b> too large")
    first[5] = replace(first[5], status="pruned", epochs=1)
    best = [record.setting for record in ranked(first, smaller)]
    narrowed, changes = narrow(space, best, 0.3, [record.setting for record in first])
    store.note("stage 2 ranges", {"ranges": ranges_of(narrowed), "changes": changes})
    second = [_record(1, n, s, objective, 2) for n, s in enumerate([*best[:2], *fixed("sobol", narrowed, 6, 1)])]
    top = [record.setting for record in ranked(second, smaller)][:2]
    last = [_record(2, n, setting, objective, 8) for n, setting in enumerate([{}, *top])]
    records = [*first, *second, *last]
    for record in records:
        store.add(record)
    store.flush()
    summary = conclude(sweep, space, records, [space, narrowed], smaller)
    run.write_json("summary.json", summary)
    winner = space.experiment(summary["winner"]["setting"], 6, as_file=True)
    winner = replace(winner, training=replace(winner.training, seeds=tuple(range(10, 18))))
    run.write_text("winner.yaml", to_yaml(winner))
    manifest = gathered() | {"command": ["regexp", "sweep", f"{name}.yaml"], "kind": "sweep", "status": "done"}
    run.write_json("manifest.json", manifest | {"reason": None, "storage": None, "data": {"sha256": "of digits"}})
    run.close()
    return run.path


def _record(stage: int, number: int, setting: Setting, objective: str, seeds: int = 1) -> Record:
    """Best at a learning rate of 0.01, better with dropout, a little luck of the seed."""
    quality = 0.9 - 0.1 * abs(math.log10(setting.get("optimizer.learning_rate", 3e-3)) + 2)
    quality += 0.02 * bool(setting.get("regularizers.dropout"))
    values = [quality + 0.001 * ((7 * number + 3 * seed) % 5) for seed in range(seeds)]
    scores = [_scores(value, objective, stage == 2) for value in values]
    mean = sum(score[objective] for score in scores) / seeds
    return Record(stage, number, setting, "done", mean, scores, (2, 6, 6)[stage])


def _scores(value: float, objective: str, with_test: bool) -> dict[str, Any]:
    found = {objective: 1 - value if objective.endswith("loss") else value}
    return found | ({"test/accuracy": value - 0.01, "test/loss": 1.01 - value} if with_test else {})
