"""Wrong labels: exact counts, uniform over the other classes, and never where something is measured."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from regexp.config import loads
from regexp.core.errors import ConfigError
from regexp.datasets.base import Data, Split
from regexp.engine.prepare import members_split, prepare_lane
from regexp.experiment import Training, Trial
from regexp.regularizers.base import Batch
from regexp.regularizers.ensembles.bagging import Bagging
from regexp.regularizers.ensembles.deep_ensemble import DeepEnsemble
from regexp.regularizers.targets.label_noise import LabelNoise
from regexp.regularizers.targets.label_smoothing import LabelSmoothing
from tests.lab import experiment, train

CLASSES, N = 5, 3000
DATA = Data(
    inputs=np.zeros((N, 2), np.float32),
    targets=(np.arange(N) % CLASSES).astype(np.int32),
    classes=tuple("abcde"),
)
ROWS = np.random.default_rng(0).permutation(N).astype(np.int32)
SPLIT = Split(ROWS[:2001], ROWS[2001:2500], ROWS[2500:])


def shifts(rate, seed=0):
    return LabelNoise(rate=rate).prepare(DATA, SPLIT, np.random.default_rng(seed))["shift"]


def noisy(rate, seed=0):
    """The labels that training sees, of all rows."""
    return np.asarray(trained(LabelNoise(rate=rate), seed=seed)).argmax(1)


def trained(*methods, seed=0):
    """Targets (n, K) of all rows after these methods."""
    own = {m.name: m.prepare(DATA, SPLIT, np.random.default_rng(seed)) for m in methods}
    rows, targets = jnp.arange(N), jnp.eye(CLASSES)[DATA.targets]
    batch = Batch(jnp.asarray(DATA.inputs), targets, jnp.zeros(()), jnp.ones(()), rows, 0.0, own)
    for method in methods:
        batch = method.transform_batch(batch, jax.random.PRNGKey(0))
    return batch.targets


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2499, 0.5, 1.0])
def test_exactly_so_many_training_labels_are_wrong_and_no_other(rate):
    wrong = noisy(rate) != DATA.targets
    assert wrong[SPLIT.train].sum() == wrong.sum() == round(rate * len(SPLIT.train))


def test_wrong_labels_are_uniform_over_the_other_classes():
    """Chi-square of 2001 moves over the 5 x 4 pairs of right and wrong class."""
    labels, right = noisy(1.0)[SPLIT.train], DATA.targets[SPLIT.train]
    moves = (labels - right) % CLASSES
    assert stats.chisquare(np.bincount(moves, minlength=CLASSES)[1:]).pvalue > 1e-3
    table = np.array([[np.sum((right == a) & (moves == m)) for m in range(1, CLASSES)] for a in range(CLASSES)])
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_wrong_examples_are_spread_over_the_classes_and_differ_by_seed():
    right = DATA.targets[SPLIT.train][shifts(0.3)[SPLIT.train] > 0]
    assert stats.chisquare(np.bincount(right, minlength=CLASSES)).pvalue > 1e-3
    both = np.mean((shifts(0.3, 0) > 0)[SPLIT.train] & (shifts(0.3, 1) > 0)[SPLIT.train])
    assert abs(both - 0.09) < 0.03  # independent: 0.3 x 0.3


def test_a_larger_rate_keeps_a_smaller_ones_wrong_labels():
    less, more = shifts(0.2), shifts(0.45)
    np.testing.assert_array_equal(more[less > 0], less[less > 0])


def test_smoothing_may_stand_before_or_after():
    noise = LabelNoise(rate=0.4)
    for form in ("others", "uniform"):
        smooth = LabelSmoothing(epsilon=0.2, form=form)
        np.testing.assert_array_equal(trained(noise, smooth), trained(smooth, noise))


@pytest.mark.parametrize("ensemble", [DeepEnsemble(members=3), Bagging(members=3)])
def test_all_members_learn_the_same_wrong_labels(ensemble):
    """They differ in their random numbers or examples."""
    setting = experiment(LabelNoise(rate=0.4), ensemble)
    trials = [Trial(experiment=setting, seed=3, member=m) for m in range(3)]
    splits = [members_split(t, SPLIT) for t in trials]
    lanes = [prepare_lane(t, DATA, s, SPLIT) for t, s in zip(trials, splits, strict=True)]
    for lane in lanes:
        np.testing.assert_array_equal(lane.own["label_noise"]["shift"], lanes[0].own["label_noise"]["shift"])


def test_a_refit_keeps_the_wrong_labels_but_for_those_at_the_border():
    whole = Split(np.concatenate([SPLIT.train, SPLIT.validation]), SPLIT.validation[:0], SPLIT.test)
    first = shifts(0.4)[SPLIT.train]
    again = LabelNoise(rate=0.4).prepare(DATA, whole, np.random.default_rng(0))["shift"]
    assert np.sum(again > 0) == round(0.4 * len(whole.train))
    assert np.mean(again[SPLIT.train] == first) > 0.97


def test_metrics_are_measured_on_the_true_labels():
    """All labels are wrong: a model that learns them is right less often than one that guesses."""
    row = train(experiment(LabelNoise(rate=1.0), training=Training(epochs=12, batch_size=16))).rows[-1]
    assert row["loss/data"] < np.log(3)
    assert row["train/accuracy"] < 0.2
    assert row["validation/accuracy"] < 0.2


def test_mixing_before_it_is_a_config_error_at_its_key():
    with pytest.raises(ConfigError) as caught:
        loads("regularizers:\n  mixup:\n  label_noise:\n")
    (problem,) = caught.value.problems
    assert problem.line == 3
    assert "put it before mixup" in problem.message
    loads("regularizers:\n  label_noise:\n  mixup:\n")
