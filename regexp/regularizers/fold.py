"""`transform_batch` of all methods in the order of the YAML; geometric neighbours move the pixels in one warp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regexp.regularizers.base import Array, Batch, Regularizer
from regexp.regularizers.inputs.geometry import Geometric, Warp, warp


def transform_batches(methods: Sequence[Regularizer], batch: Batch, keys: Mapping[str, Array]) -> Batch:
    """The batch as training sees it. `keys`: of every "method/transform_batch"; neighbours share none."""
    for run in runs([method for method in methods if method.overrides("transform_batch")]):
        own = [keys[f"{method.name}/transform_batch"] for method in run]
        fill = next((method.fill for method in run if isinstance(method, Warp)), None)
        if fill is not None and len(run) > 1:
            pairs = zip(run, own, strict=True)
            batch = warp(batch, [m.matrix(key, batch) for m, key in pairs if isinstance(m, Geometric)], fill)
        else:
            for method, key in zip(run, own, strict=True):
                batch = method.transform_batch(batch, key)
    return batch


def runs(methods: Sequence[Regularizer]) -> list[list[Regularizer]]:
    """Methods in their order, cut into runs that one warp can do: geometric, and of one fill; flips have none."""
    found: list[list[Regularizer]] = []
    for method in methods:
        if found and _one_warp([*found[-1], method]):
            found[-1].append(method)
        else:
            found.append([method])
    return found


def _one_warp(methods: Sequence[Regularizer]) -> bool:
    fills = {method.fill for method in methods if isinstance(method, Warp)}
    return all(isinstance(method, Geometric) for method in methods) and len(fills) <= 1
