"""Preprocessing of degenerate inputs, and what it may not do twice or on other rows."""

from __future__ import annotations

import numpy as np
import pytest

from regexp.core.errors import DataError
from regexp.preprocessing.base import apply_all, fit_all
from regexp.preprocessing.impute import Impute
from regexp.preprocessing.pca import PCA
from regexp.preprocessing.standardize import Standardize

GENERATOR = np.random.default_rng(1)


def test_a_large_constant_column_is_only_centred():
    x = np.full((999, 1), 1e6 + 0.1)
    (fitted,) = fit_all([Standardize()], x)
    np.testing.assert_array_equal(fitted["std"], 1)


def test_impute_leaves_images_alone():
    x = GENERATOR.uniform(size=(5, 4, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(apply_all([Impute()], fit_all([Impute()], x), x), x)


@pytest.mark.parametrize("step", [Impute(missing=(99,)), Impute(categories=(2,)), Impute(missing=(-1,))])
def test_impute_of_columns_that_are_not_there(step):
    with pytest.raises(DataError, match="impute: no column"):
        fit_all([step], np.ones((3, 2)))


def test_a_column_that_the_training_split_misses_throughout_becomes_zero():
    x = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    step = Impute(missing=(0,))
    np.testing.assert_array_equal(apply_all([step], fit_all([step], x), x), [[0, 1, 1], [0, 2, 1]])


def test_pca_of_too_many_components_or_of_nothing():
    with pytest.raises(DataError, match="pca: 5 components requested; the training split has 4"):
        fit_all([PCA(components=5)], GENERATOR.normal(size=(50, 4)))
    with pytest.raises(DataError, match="no feature varies"):
        fit_all([PCA()], np.ones((50, 4)))


def test_pca_of_few_rows_does_not_depend_on_the_unit():
    x = GENERATOR.normal(size=(10, 40))
    large, small = (fit_all([PCA(components=3)], scale * x)[0]["axes"] for scale in (1.0, 1e-8))
    np.testing.assert_allclose(small, large, atol=1e-5)


def test_every_component_has_a_positive_largest_entry():
    axes = fit_all([PCA(components=4)], GENERATOR.normal(size=(50, 4)))[0]["axes"]
    assert np.all(axes[np.abs(axes).argmax(0), np.arange(4)] > 0)


def test_no_step_is_applied_that_no_other_needs():
    class Counted:
        applied = 0

        def fit(self, inputs):
            return {"seen": inputs.sum()}

        def apply(self, fitted, inputs):
            self.applied += 1
            return inputs + 1

    first, last = Counted(), Counted()
    fitted = fit_all([first, last], np.zeros((2, 3)))
    assert (first.applied, last.applied) == (1, 0)
    assert fitted[1]["seen"] == 6
