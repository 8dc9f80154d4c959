"""Which rows make which batch."""

from __future__ import annotations

import zlib

import numpy as np

from regexp.experiment import Experiment


def batch_size(experiment: Experiment, n_train: int) -> int:
    """Examples per update; `all` and a full-batch optimizer mean the whole training split."""
    wanted = experiment.training.batch_size
    if wanted == "all" or getattr(experiment.optimizer, "full_batch", False):
        return n_train
    return int(wanted)


def epoch_order(seed: tuple[int, int], epoch: int, rows: np.ndarray, batch: int) -> np.ndarray:
    """The batches (steps, B) of one epoch, a pure function of (seed, member) and epoch: a resume needs the position."""
    own = (seed[0], epoch, zlib.crc32(b"order"))
    generator = np.random.default_rng(own if seed[1] == 0 else (*own, seed[1]))
    steps = len(rows) // batch
    return generator.permutation(rows)[: steps * batch].reshape(steps, batch)
