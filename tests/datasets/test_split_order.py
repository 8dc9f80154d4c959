"""The order of a split's parts says nothing about the class or the place in the file, so a prefix is a sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from regexp.config import loads
from regexp.datasets.base import Data, Dataset
from regexp.datasets.splits import split
from regexp.engine.prepare import prepare_lane, refit_parts
from regexp.experiment import trials

CLASSES, PER_CLASS = 4, 600
PREFIX = 200


def sorted_by_class(published: bool) -> Data:
    """Examples in the order of their classes, as in a folder of images or a sorted file; shares 1:2:3:4."""
    counts = PER_CLASS * np.arange(1, CLASSES + 1)
    targets = np.repeat(np.arange(CLASSES, dtype=np.int32), counts)
    test = None
    if published:
        test = np.concatenate([np.flatnonzero(targets == k)[::3] for k in range(CLASSES)]).astype(np.int32)
    names = tuple(f"class {k}" for k in range(CLASSES))
    return Data(inputs=np.arange(len(targets), dtype=np.float32)[:, None], targets=targets, classes=names, test=test)


def p_value(prefix: np.ndarray, part: np.ndarray) -> float:
    """Of Pearson's test that the prefix has the class shares of the whole part."""
    shares = np.bincount(part, minlength=CLASSES) / len(part)
    return float(stats.chisquare(np.bincount(prefix, minlength=CLASSES), shares * len(prefix)).pvalue)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_prefix_has_the_class_shares_of_its_part(published, seed, part):
    data = sorted_by_class(published)
    rows = getattr(split(Dataset(), data, seed), part)
    assert p_value(data.targets[rows[:PREFIX]], data.targets[rows]) > 1e-4


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_prefix_of_a_regression_is_no_run_of_the_file(part):
    data = Data(inputs=np.zeros((3000, 1)), targets=np.arange(3000.0)[:, None])
    rows = getattr(split(Dataset(), data, 0), part)
    assert stats.ks_2samp(rows[:PREFIX], rows).pvalue > 1e-4


def test_a_published_test_split_has_one_order_for_all_seeds():
    data = sorted_by_class(published=True)
    first, second = (split(Dataset(), data, seed).test for seed in (0, 1))
    np.testing.assert_array_equal(first, second)
    assert sorted(first) == sorted(data.test)


def test_the_rows_of_a_part_are_those_of_the_seed_alone():
    """The sets of rows are a contract: numbers of earlier releases hold."""
    data = Data(inputs=np.zeros((12, 1)), targets=np.arange(12.0)[:, None])
    parts = split(replace(Dataset(), validation=0.25, test=0.25), data, 0)
    generator = np.random.default_rng([0, __import__("zlib").crc32(b"split")])
    shuffled = generator.permutation(12)
    assert sorted(parts.test) == sorted(shuffled[:3])


def test_measured_training_rows_of_a_refit_sample_both_parts():
    """After a refit the training part is training and validation data; what is measured each epoch samples both."""
    loaded = loads(
        "dataset: {name: digits}\nregularizers: {early_stopping: {refit: true}}\nevaluation: {train_limit: 400}"
    )
    data = loaded.experiment.dataset.load()
    trial = trials(loaded.experiment)[0]
    base = {trial.seed: split(loaded.experiment.dataset, data, trial.seed)}
    (refit_trial,), (refit_split,) = refit_parts([trial], base)
    lane = prepare_lane(refit_trial, data, refit_split)
    share = np.isin(lane.measured, base[trial.seed].validation).mean()
    expected = len(base[trial.seed].validation) / len(refit_split.train)
    assert abs(share - expected) < 4 * np.sqrt(expected / 400)
