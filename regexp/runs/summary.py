"""Build summary.json: metrics per seed with mean and standard deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def summarize(
    seeds: Sequence[int],
    good: Sequence[bool],
    lanes: Sequence[Mapping[str, Any]],
    selected: Sequence[Mapping[str, float]],
    last: Sequence[Mapping[str, float]],
    selection: Mapping[str, Any],
    seconds: Mapping[str, float],
    compilations: int,
    warnings: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the contents of summary.json. Diverged seeds have null values and are excluded from means.

    good: for each seed, whether it did not diverge
    lanes: for each seed and ensemble member, {"seed", "status", "epochs", "selected_epoch", "reason", ...}
    selected, last: for each seed, the metrics at the selected and at the last epoch
    """
    status = "done" if all(good) else "partly diverged" if any(good) else "diverged"
    return {
        "status": status,
        "seeds": list(seeds),
        "metrics": statistics(selected, good),
        "last_epoch": statistics(last, good),
        "selection": dict(selection),
        "lanes": [dict(lane) for lane in lanes],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "compilations": compilations,
        "warnings": list(warnings),
        **(extra or {}),
    }


def statistics(rows: Sequence[Mapping[str, float]], good: Sequence[bool]) -> dict[str, Any]:
    """Return {metric: {"mean", "std", "values"}}; std divides by n - 1 and is null for one seed."""
    table = {}
    for name in rows[0]:
        values = [row[name] if ok else None for row, ok in zip(rows, good, strict=True)]
        counted = np.asarray([v for v in values if v is not None], np.float64)
        table[name] = {
            "mean": float(counted.mean()) if len(counted) else None,
            "std": float(counted.std(ddof=1)) if len(counted) > 1 else None,
            "values": values,
        }
    return table
