"""Contents -> three tables of columns: config, curves, final."""

from __future__ import annotations

from typing import Any

from regexp.export.contents import Contents

Columns = dict[str, list[Any]]  # name -> values, None where there is none


def tables(run: Contents) -> dict[str, Columns]:
    """`config`: key, value. `curves`: a line per epoch and lane. `final`: a line per seed, empty where it diverged."""
    points = run.curves
    curves: Columns = {
        "seed": [point.seed for point in points],
        "member": [point.member for point in points],
        "stage": [point.stage for point in points],
        "epoch": [point.epoch for point in points],
    }
    curves |= {name: [point.values.get(name) for point in points] for name in run.metrics if name not in curves}
    measured = list(dict.fromkeys(name for own in run.final.values() for name in own))
    final: Columns = {"seed": list(run.final)}
    final |= {name: [own.get(name) for own in run.final.values()] for name in measured if name != "seed"}
    text = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in run.config.items()}
    return {"config": {"key": list(text), "value": list(text.values())}, "curves": curves, "final": final}
