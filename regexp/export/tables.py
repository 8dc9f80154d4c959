"""Turn contents into three tables: config, curves and final."""

from __future__ import annotations

from typing import Any

from regexp.export.contents import Contents

Columns = dict[str, list[Any]]  # {name: values}, None for a missing value


def tables(run: Contents) -> dict[str, Columns]:
    """Return the tables by name.

    config: columns key and value
    curves: one row per epoch and trained model
    final: one row per seed; a diverged seed has no values
    """
    points = run.curves
    curves: Columns = {
        "seed": [point.seed for point in points],
        "member": [point.member for point in points],
        "stage": [point.stage for point in points],
        "epoch": [point.epoch for point in points],
    }
    curves |= {name: [point.values.get(name) for point in points] for name in run.metrics if name not in curves}
    measured = list(dict.fromkeys(name for seed_metrics in run.final.values() for name in seed_metrics))
    final: Columns = {"seed": list(run.final)}
    final |= {
        name: [seed_metrics.get(name) for seed_metrics in run.final.values()] for name in measured if name != "seed"
    }
    text = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in run.config.items()}
    return {"config": {"key": list(text), "value": list(text.values())}, "curves": curves, "final": final}
