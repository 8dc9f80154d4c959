"""The gap against scikit-learn's losses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import log_loss, mean_squared_error

from regexp.diagnostics import generalisation
from regexp.diagnostics.calibration import probabilities
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.parameters.l2 import L2
from tests import lab
from tests.diagnostics.bodies import subject


@pytest.mark.parametrize("data", [lab.images(), lab.table()], ids=["classes", "numbers"])
def test_the_gap_is_that_of_the_losses_of_scikit_learn(data):
    made = subject(lab.experiment(), data)
    found, expected = generalisation.explain(made).values, []
    for rows in (made.split.train, made.split.test):
        outputs, targets = made.predict(made.models[0], rows), data.targets[rows]
        p = probabilities(outputs)
        expected.append(log_loss(targets, p) if data.classes else mean_squared_error(targets, outputs))
    assert [found["training"], found["unseen"]] == pytest.approx(expected, rel=1e-5)
    assert found["gap"] == pytest.approx(expected[1] - expected[0], rel=1e-4)


def test_the_error_is_that_of_a_difference_of_means(monkeypatch):
    made = subject(lab.experiment(), lab.images())
    each = {n: np.random.default_rng(n).normal(size=n) for n in (len(made.split.train), len(made.unseen))}
    monkeypatch.setattr(generalisation, "example_losses", lambda subject, rows: each[len(rows)])
    found = generalisation.explain(made).values
    train, unseen = each.values()
    welch = stats.ttest_ind(unseen, train, equal_var=False)
    assert found["gap"] / found["error"] == pytest.approx(welch.statistic)


def test_the_strengths_stand_in_the_table():
    made = subject(lab.experiment(L2(strength=0.01), Dropout(rate=0.3)), lab.images())
    found = generalisation.explain(made)
    assert found.rows[0][0] == "l2 0.01, dropout 0.3"
    assert found.sentence.endswith("with l2 0.01, dropout 0.3.")
    assert generalisation.strengths_of(subject(lab.experiment(), lab.images())) == "no regularizer"


def test_without_unseen_examples_it_refuses():
    made = subject(lab.experiment(), lab.images())
    empty = np.zeros(0, np.int32)
    alone = replace(made, split=replace(made.split, validation=empty, test=empty))
    assert "neither test nor validation" in generalisation.explain(alone).sentence
