"""The names under which a run saves what a prediction needs, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.engine.step import Lane

Tree = Any


def needed(lane: Lane) -> Tree:
    """What a forward pass reads of a lane, as dicts."""
    fitted = {str(i): own for i, own in enumerate(lane.fitted)}
    return {"fitted": fitted, "target_mean": lane.target_mean, "target_scale": lane.target_scale}


def nested_names(tree: Tree, prefix: str = "") -> dict[str, np.ndarray]:
    """Dicts within dicts -> one dict with names like `variables:parameters:model:hidden_0:kernel`."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    parts = [nested_names(v, f"{prefix}:{k}" if prefix else str(k)) for k, v in tree.items()]
    return {name: array for part in parts for name, array in part.items()}


def nested(arrays: dict[str, np.ndarray]) -> Tree:
    """The way back from `nested_names`; empty dicts are gone, but the first two levels are always there."""
    tree: Tree = {"variables": {"parameters": {}, "state": {}}, "lane": {"fitted": {}}}
    for name, array in arrays.items():
        *path, last = name.split(":")
        inner = tree
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = array
    return tree
