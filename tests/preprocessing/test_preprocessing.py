"""Preprocessing against scikit-learn; fitted on training rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import decomposition
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from regexp.datasets.base import Dataset
from regexp.datasets.splits import split
from regexp.engine.prepare import prepare_lane
from regexp.experiment import Trial
from regexp.preprocessing.base import CATALOGUE, apply_all, fit_all
from regexp.preprocessing.center import Center
from regexp.preprocessing.channel_mean import ChannelMean
from regexp.preprocessing.impute import Impute
from regexp.preprocessing.minmax import MinMax
from regexp.preprocessing.pca import PCA
from regexp.preprocessing.standardize import Standardize
from regexp.preprocessing.whiten import Whiten
from tests.lab import experiment, images

GENERATOR = np.random.default_rng(0)
TABLE = GENERATOR.normal(5, 3, (80, 6)) @ GENERATOR.normal(size=(6, 6))
OTHER = GENERATOR.normal(5, 3, (20, 6)) @ GENERATOR.normal(size=(6, 6))


def both(step, oracle, tolerance=1e-4):
    fitted = fit_all([step], TABLE)
    oracle.fit(TABLE)
    for x in (TABLE, OTHER):
        np.testing.assert_allclose(apply_all([step], fitted, x), oracle.transform(x), rtol=tolerance, atol=tolerance)


def test_standardize_is_scikit_learns():
    both(Standardize(), StandardScaler())


def test_minmax_is_scikit_learns():
    both(MinMax(), MinMaxScaler())


@pytest.mark.parametrize("k", [1, 3, 6])
def test_pca_is_scikit_learns_up_to_signs(k):
    ours = apply_all([PCA(components=k)], fit_all([PCA(components=k)], TABLE), OTHER)
    theirs = decomposition.PCA(k, svd_solver="full").fit(TABLE).transform(OTHER)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_pca_keeps_as_many_as_the_variance_needs(share):
    axes = fit_all([PCA(variance=share)], TABLE)[0]["axes"]
    assert axes.shape[1] == decomposition.PCA(share, svd_solver="full").fit(TABLE).n_components_


def test_pca_of_few_rows_is_that_of_many_columns():
    wide = GENERATOR.normal(size=(10, 50))
    ours = apply_all([PCA(components=4)], fit_all([PCA(components=4)], wide), wide)
    theirs = decomposition.PCA(4, svd_solver="full").fit_transform(wide)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("form", ["pca", "zca"])
def test_whitened_features_are_uncorrelated_with_variance_one(form):
    step = Whiten(form=form, epsilon=1e-9)
    out = apply_all([step], fit_all([step], TABLE), TABLE)
    np.testing.assert_allclose(np.cov(out.T, bias=True), np.eye(6), atol=1e-3)
    if form == "pca":
        theirs = decomposition.PCA(whiten=True, svd_solver="full").fit_transform(TABLE) * np.sqrt(
            len(TABLE) / (len(TABLE) - 1)
        )
        np.testing.assert_allclose(np.abs(out), np.abs(theirs), rtol=1e-2, atol=1e-2)


def test_center_and_channel_mean_of_images():
    x = GENERATOR.uniform(size=(30, 4, 5, 3))
    np.testing.assert_allclose(apply_all([Center()], fit_all([Center()], x), x).mean(0), 0, atol=1e-6)
    out = apply_all([ChannelMean()], fit_all([ChannelMean()], x), x)
    np.testing.assert_allclose(out, x - x.mean((0, 1, 2)), atol=1e-6)


def test_impute_is_scikit_learns_with_indicators():
    x = TABLE.copy()
    x[GENERATOR.uniform(size=x.shape) < 0.2] = np.nan
    x[:, 5] = TABLE[:, 5]
    step = Impute(missing=(0, 1, 2, 3, 4))
    ours = apply_all([step], fit_all([step], x), x)
    theirs = SimpleImputer(add_indicator=True).fit_transform(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_categories_not_seen_in_training_become_zero():
    train = np.array([[1.0, 0, 0], [0, 1, 0]])
    step = Impute(categories=(0, 1, 2))
    np.testing.assert_array_equal(apply_all([step], fit_all([step], train), np.eye(3)), np.diag([1, 1, 0]))


def test_bytes_are_scaled_to_one_and_steps_see_what_the_earlier_leave():
    x = GENERATOR.integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    steps = [Standardize(per="feature"), PCA(components=3)]
    fitted = fit_all(steps, x)
    out = apply_all(steps, fitted, (x / 255.0))
    theirs = decomposition.PCA(3, svd_solver="full").fit_transform(
        StandardScaler().fit_transform(x.reshape(50, -1) / 255.0)
    )
    np.testing.assert_allclose(np.abs(out), np.abs(theirs), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_numpy_and_jax_agree_and_constant_features_stay_finite(name):
    import jax.numpy as jnp

    step = CATALOGUE[name]()
    x = np.concatenate([TABLE, np.full((80, 1), 7.0)], 1).astype(np.float32)
    fitted = fit_all([step], x)
    ours, theirs = apply_all([step], fitted, x), apply_all([step], fitted, jnp.asarray(x))
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)
    assert np.all(np.isfinite(ours))


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_test_and_validation_rows_leave_no_trace(name):
    if name == "impute":
        pytest.skip("for tables")
    data, made = images(), experiment(dataset=Dataset(preprocess=(CATALOGUE[name](),)))
    parts = split(made.dataset, data, 0)
    before = prepare_lane(Trial(experiment=made, seed=0), data, parts).fitted
    data.inputs[np.concatenate([parts.test, parts.validation])] = 0.123
    after = prepare_lane(Trial(experiment=made, seed=0), data, parts).fitted
    for key in before[0]:
        np.testing.assert_array_equal(before[0][key], after[0][key])
