"""The decompositions against closed forms, exact enumeration and scikit-learn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from regexp.diagnostics import bias_variance
from regexp.diagnostics.bias_variance import squared, zero_one
from regexp.experiment import Training
from regexp.models.linear import Linear
from regexp.optimizers.sgd import SGD
from regexp.regularizers.ensembles.bagging import Bagging
from tests import lab
from tests.diagnostics.bodies import subject, trained


def ridge(strength: float) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Ridge regression at 5 places after each of 2n draws of the noise: (predictions, truth, bias^2, variance).

    The draws +-s sqrt(n) e_i have mean 0 and covariance s^2 I exactly, so means over them are expectations; with
    M = (X'X + a I)^-1 X', predictions X0 M y have bias X0 (M X - I) w and variance s^2 |X0 M|^2.
    """
    generator = np.random.default_rng(0)
    n, s = 12, 0.7
    x, places, w = generator.normal(size=(n, 3)), generator.normal(size=(5, 3)), generator.normal(size=3)
    noise = s * np.sqrt(n) * np.concatenate([np.eye(n), -np.eye(n)])
    smoother = np.linalg.solve(x.T @ x + strength * np.eye(3), x.T)
    predicted = (x @ w + noise) @ smoother.T @ places.T
    bias = np.mean((places @ (smoother @ x @ w - w)) ** 2)
    variance = s**2 * np.mean(np.sum((places @ smoother) ** 2, 1))
    return predicted[..., None], (places @ w)[:, None], float(bias), float(variance)


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_the_squared_loss_of_ridge_is_its_closed_form(strength):
    predicted, truth, bias, variance = ridge(strength)
    found, n = squared(predicted, truth), len(predicted)
    assert found["loss"] == pytest.approx(bias + variance, rel=1e-12)
    assert found["variance"] * (n - 1) / n == pytest.approx(variance, rel=1e-12)  # the draws are the whole population
    assert found["bias"] + variance / (n - 1) == pytest.approx(bias, rel=1e-10, abs=1e-14)


def test_few_replicates_are_unbiased():
    """The mean over every triple of replicates, enumerated, is what all of them give."""
    predicted, truth, _, _ = ridge(2.0)
    triples = [squared(predicted[list(own)], truth) for own in combinations(range(len(predicted)), 3)]
    for name, value in squared(predicted, truth).items():
        assert np.mean([one[name] for one in triples]) == pytest.approx(value, rel=1e-10), name


def test_the_zero_one_loss_by_the_definition_of_domingos():
    generator = np.random.default_rng(1)
    predicted, labels = generator.integers(0, 3, (7, 200)), generator.integers(0, 3, 200)
    total = bias = variance = 0.0
    for own, label in zip(predicted.T, labels, strict=True):
        main = np.bincount(own, minlength=3).argmax()
        v = np.mean(own != main)
        # c2: +1 where the main prediction is right, else -P(label | not the main prediction)
        factor = 1.0 if main == label else -np.mean(own[own != main] == label) if v else 0.0
        bias, variance, total = bias + (main != label), variance + v, total + (main != label) + factor * v
    found = zero_one(predicted, labels, 3)
    assert found["loss"] == pytest.approx(np.mean(predicted != labels))
    assert found["loss"] == pytest.approx(total / 200)
    assert found["loss"] == pytest.approx(found["bias"] + found["adds"] - found["removes"])
    assert (found["bias"], found["variance"]) == pytest.approx((bias / 200, variance / 200))


def test_variance_helps_where_the_main_prediction_is_wrong():
    found = zero_one(np.asarray([[0], [0], [1], [2]]), np.asarray([1]), 3)
    assert found == {"loss": 0.75, "bias": 1.0, "variance": 0.5, "adds": 0.0, "removes": 0.25}


def test_bagged_linear_regressions_are_those_of_scikit_learn():
    """Members of a run, each on the rows it drew, in the target's units."""
    data = lab.table()
    run = lab.experiment(
        Bagging(members=4),
        model=Linear(),
        optimizer=SGD(learning_rate=0.2),
        training=Training(epochs=200, batch_size="all"),
    )
    made = trained(run, data)
    fits = [LinearRegression().fit(data.inputs[m.split.train], data.targets[m.split.train]) for m in made.models]
    expected = squared(np.stack([fit.predict(data.inputs[made.unseen]) for fit in fits]), data.targets[made.unseen])
    found = bias_variance.explain(made)
    assert found.values["replicates"] == 4
    for name, value in expected.items():
        assert found.values["squared"][name] == pytest.approx(value, rel=1e-3), name
    assert "bias and noise" in found.sentence


def test_classes_have_both_losses_and_their_parts_add_up():
    found = bias_variance.explain(subject(lab.experiment(Bagging(members=5)), lab.images()))
    assert [row[0] for row in found.rows] == ["squared (Brier)", "0-1"]
    for part in (found.values["squared (Brier)"], found.values["0-1"]):
        assert part["loss"] == pytest.approx(part["bias"] + part["adds"] - part["removes"])
    assert "(Domingos 2000)" in found.sentence
    assert len(found.lines) == 3


def test_without_replicates_it_refuses():
    assert "bagging" in bias_variance.explain(subject(lab.experiment(), lab.images())).sentence
    assert (
        "at least two replicates"
        in bias_variance.explain(subject(lab.experiment(Bagging(members=1)), lab.images())).sentence
    )
