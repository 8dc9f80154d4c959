"""Which rows train, validate and test: a pure function of the seed, stratified by class, in random order.

The order of each part is exchangeable: it says nothing about the class or the place in the file. So the first k rows of
a part are a sample of it without replacement, and the package takes them as such.
"""

from __future__ import annotations

import zlib

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.base import Data, Dataset, Limit, Split


def split(dataset: Dataset, data: Data, seed: int) -> Split:
    """Disjoint rows of the three parts. Their sizes depend on the fractions alone, so seeds stack as lanes.

    Raises DataError where a part would be empty that must not be, a class has no training example, or the limit is
    above the training split.
    """
    generator = np.random.default_rng([seed, zlib.crc32(b"split")])
    everything = np.arange(len(data.inputs))
    if data.test is None:
        rest, test = _divide(everything, data, dataset.test, generator)
    else:
        test, rest = data.test, np.setdiff1d(everything, data.test)
    train, validation = _divide(rest, data, dataset.validation, generator)
    if not len(train):
        raise DataError(f"no examples are left for training out of {len(everything)}")
    for k, name in enumerate(data.classes):
        if not np.any(data.targets[train] == k):
            raise DataError(
                f"class {name!r} has {np.sum(data.targets == k)} examples, none of them left for training; "
                "lower dataset.validation and dataset.test, or leave the class out"
            )
    train = _limited(generator.permutation(train), data, dataset.limit)
    for name, part, share in (
        ("validation", validation, dataset.validation),
        ("test", test, dataset.test),
    ):
        if share > 0 and not len(part):
            raise DataError(
                f"dataset.{name} {share:g} of {len(everything)} examples is not one example", f"dataset.{name}"
            )
    # Streams of their own: the order of the parts changes no other draw, so a seed keeps its rows. A published test
    # split has one order for all seeds, so that predictions of several seeds can be laid side by side.
    order = zlib.crc32(b"split order")
    validation = np.random.default_rng([seed, order]).permutation(validation)
    test = np.random.default_rng([order] if data.test is not None else [seed, order, 1]).permutation(test)
    return Split(train.astype(np.int32), validation.astype(np.int32), test.astype(np.int32))


def merged(first: np.ndarray, second: np.ndarray, seed: int) -> np.ndarray:
    """The rows of two parts of a split as one part, in random order."""
    order = np.random.default_rng([seed, zlib.crc32(b"merged parts")])
    return order.permutation(np.concatenate([first, second]))


def _divide(
    rows: np.ndarray, data: Data, share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(the larger part, `share` of the rows), each class in the same proportion."""
    taken = round(share * len(rows))
    if not data.classes:
        shuffled = generator.permutation(rows)
        return shuffled[taken:], shuffled[:taken]
    labels = data.targets[rows]
    groups = [generator.permutation(rows[labels == k]) for k in range(len(data.classes))]
    counts = largest_remainder([len(g) for g in groups], taken)
    kept = np.concatenate([g[c:] for g, c in zip(groups, counts, strict=True)])
    out = np.concatenate([g[:c] for g, c in zip(groups, counts, strict=True)])
    return kept, out


def largest_remainder(sizes: list[int], total: int) -> list[int]:
    """`total` seats in proportion to `sizes` (Hamilton's method), never more than a group has."""
    whole = sum(sizes)
    if not whole:
        return [0] * len(sizes)
    exact = [size * total / whole for size in sizes]
    seats = [int(e) for e in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (seats[i] - exact[i], i))
    for i in by_remainder[: total - sum(seats)]:
        seats[i] += 1
    return seats


def _limited(train: np.ndarray, data: Data, limit: Limit | int | None) -> np.ndarray:
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
    wanted = [n // len(groups) + (k < n % len(groups)) for k in range(len(groups))]
    for name, group, want in zip(data.classes, groups, wanted, strict=True):
        if len(group) < want:
            message = f"dataset.limit by class wants {want} of class {name!r}, which has {len(group)}"
            raise DataError(message, "dataset.limit")
    chosen = set(np.concatenate([g[:w] for g, w in zip(groups, wanted, strict=True)]).tolist())
    return np.asarray([row for row in train if int(row) in chosen])
