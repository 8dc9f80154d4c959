"""Split rows into training, validation and test parts: a pure function of the seed, stratified by class.

The rows of each part are in random order, independent of their class and their place in the file. So the first k rows
of a part are a sample of it without replacement, and the package uses them as such.
"""

from __future__ import annotations

import zlib

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.base import Data, Dataset, Limit, Split


def split(dataset: Dataset, data: Data, seed: int) -> Split:
    """Return the disjoint rows of the three parts. Their sizes are equal for all seeds, so that seeds stack as lanes.

    Raises DataError if a requested part is empty, a class has no training example, or the limit is above the size of
    the training split.
    """
    generator = np.random.default_rng([seed, zlib.crc32(b"split")])
    everything = np.arange(len(data.inputs))
    if data.test is None:
        rest, test = _divide(everything, data, dataset.test, generator)
    else:
        test, rest = data.test, np.setdiff1d(everything, data.test)
    train, validation = _divide(rest, data, dataset.validation, generator)
    if not len(train):
        raise DataError(f"no training examples remain of {len(everything)} examples")
    for k, name in enumerate(data.classes):
        if not np.any(data.targets[train] == k):
            raise DataError(
                f"class {name!r} has {np.sum(data.targets == k)} examples, none of them in the training split; "
                "lower dataset.validation and dataset.test, or remove the class from the data"
            )
    train = _limited(generator.permutation(train), data, dataset.limit)
    for name, part, share in (
        ("validation", validation, dataset.validation),
        ("test", test, dataset.test),
    ):
        if share > 0 and not len(part):
            raise DataError(
                f"dataset.{name} {share:g} of {len(everything)} examples is less than one example", f"dataset.{name}"
            )
    # Separate streams: the order of the parts changes no other draw, so the rows of a seed stay the same. A published
    # test split has one order for all seeds, so that the predictions of several seeds align row by row.
    order = zlib.crc32(b"split order")
    validation = np.random.default_rng([seed, order]).permutation(validation)
    test = np.random.default_rng([order] if data.test is not None else [seed, order, 1]).permutation(test)
    return Split(train.astype(np.int32), validation.astype(np.int32), test.astype(np.int32))


def merged(first: np.ndarray, second: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows of two parts of a split as one part, in random order."""
    order = np.random.default_rng([seed, zlib.crc32(b"merged parts")])
    return order.permutation(np.concatenate([first, second]))


def _divide(
    rows: np.ndarray, data: Data, share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the remaining rows and the held-out `share` of the rows, with each class in the same proportion."""
    held_out_count = round(share * len(rows))
    if not data.classes:
        shuffled = generator.permutation(rows)
        return shuffled[held_out_count:], shuffled[:held_out_count]
    labels = data.targets[rows]
    groups = [generator.permutation(rows[labels == k]) for k in range(len(data.classes))]
    counts = largest_remainder([len(g) for g in groups], held_out_count)
    remaining = np.concatenate([g[c:] for g, c in zip(groups, counts, strict=True)])
    held_out = np.concatenate([g[:c] for g, c in zip(groups, counts, strict=True)])
    return remaining, held_out


def largest_remainder(sizes: list[int], total: int) -> list[int]:
    """Apportion `total` seats in proportion to `sizes` by Hamilton's method; no group gets more than its size."""
    size_sum = sum(sizes)
    if not size_sum:
        return [0] * len(sizes)
    exact = [size * total / size_sum for size in sizes]
    seats = [int(e) for e in exact]
    # Ties go to the earlier class, so that the sizes of a split do not depend on the seed.
    by_remainder = sorted(range(len(sizes)), key=lambda i: (seats[i] - exact[i], i))
    for i in by_remainder[: total - sum(seats)]:
        seats[i] += 1
    return seats


def _limited(train: np.ndarray, data: Data, limit: Limit | int | None) -> np.ndarray:
    """Return the first rows of the training part, or as many of each class; they keep their order."""
    if limit is None:
        return train
    n, by = (limit.n, limit.by) if isinstance(limit, Limit) else (limit, "order")
    if n > len(train):
        raise DataError(f"dataset.limit {n} is above the {len(train)} training examples", "dataset.limit")
    if by == "order":
        return train[:n]
    if not data.classes:
        raise DataError("dataset.limit by class needs a classification dataset", "dataset.limit")
    groups = [train[data.targets[train] == k] for k in range(len(data.classes))]
    counts = [n // len(groups) + (k < n % len(groups)) for k in range(len(groups))]
    for name, group, count in zip(data.classes, groups, counts, strict=True):
        if len(group) < count:
            message = f"dataset.limit by class needs {count} examples of class {name!r}, which has {len(group)}"
            raise DataError(message, "dataset.limit")
    chosen = set(np.concatenate([g[:c] for g, c in zip(groups, counts, strict=True)]).tolist())
    return np.asarray([row for row in train if int(row) in chosen])
