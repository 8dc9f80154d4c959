"""Subsets of a run's models, and what they say together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regexp.diagnostics import ensemble_size
from regexp.diagnostics.ensemble_size import subsets, together
from regexp.engine.scores import combine
from regexp.experiment import Training
from regexp.models.linear import Linear
from regexp.regularizers.ensembles.deep_ensemble import DeepEnsemble
from tests import lab
from tests.diagnostics.bodies import subject


def test_all_subsets_or_many():
    assert subsets(4, 2) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    many = subsets(30, 15)
    assert len(many) == 200
    assert all(len(set(own)) == 15 and max(own) < 30 for own in many)
    assert many == subsets(30, 15)


@pytest.mark.parametrize("how", ["mean", "vote"])
def test_all_members_together_are_the_ensemble_that_the_run_scores(how):
    made = subject(lab.experiment(DeepEnsemble(members=4, combine=how)), lab.images())
    outputs = np.stack([made.predict(model, made.unseen) for model in made.models])
    labels = made.data.targets[made.unseen]
    together = combine(made.experiment, made.data, outputs).argmax(-1)
    found = ensemble_size.explain(made).values
    assert found["sizes"] == [1, 2, 3, 4]
    assert found["subsets"] == [4, 6, 4, 1]
    assert found["mean"][-1] == pytest.approx(np.mean(together == labels))
    assert found["std"][-1] == 0
    assert found["alone"] == pytest.approx(np.mean(outputs.argmax(-1) == labels, -1))


def test_a_regression_has_its_error_in_the_target_s_units():
    made = subject(lab.experiment(DeepEnsemble(members=3), model=Linear()), lab.table())
    outputs = np.stack([made.predict(model, made.unseen) for model in made.models])
    error = np.sqrt(np.mean((outputs.mean(0) - made.data.targets[made.unseen]) ** 2))
    found = ensemble_size.explain(made)
    assert found.values["mean"][-1] == pytest.approx(error)
    assert found.values["mean"][-1] <= found.values["mean"][0]  # the squared error is convex
    assert found.sentence.startswith("The RMSE on 40 examples")


def test_seeds_are_an_ensemble_where_they_share_their_test_examples():
    seeds = lab.experiment(training=Training(seeds=(0, 1, 2)))
    assert len(together(subject(seeds, lab.images()))) == 1
    published = replace(lab.images(), test=np.arange(60, dtype=np.int32))
    assert len(together(subject(seeds, published))) == 3
    assert "one model" in ensemble_size.explain(subject(seeds, lab.images())).sentence
