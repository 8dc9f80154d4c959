"""Histograms, priors and masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import log_loss

from regexp.diagnostics import calibration, dropout, weights
from regexp.diagnostics.subject import Subject
from regexp.models.linear import Linear
from regexp.models.mlp import MLP
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.parameters.elastic_net import ElasticNet
from regexp.regularizers.parameters.l1 import L1
from regexp.regularizers.parameters.l2 import L2
from tests import lab
from tests.diagnostics.bodies import subject


def test_kurtosis_and_zeros_are_those_of_scipy():
    w = np.random.default_rng(0).laplace(size=5000)
    w[:500] = 0
    found = weights.describe(w)
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(w), rel=1e-12)
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(w**2)))
    assert found["zero"] == 0.1
    assert found["near"] == np.mean(np.abs(w) <= 0.01 * found["rms"]) > 0.1


def test_a_layer_of_zeros_has_a_description():
    assert weights.describe(np.zeros(9)) == {"weights": 9, "rms": 0, "zero": 1, "near": 1, "kurtosis": 0}
    assert weights.histogram("output", np.zeros(9)) == ("output: all weights are zero",)


def test_the_priors_of_a_classification():
    made = subject(lab.experiment(L2(strength=0.01), L1(strength=0.1)), lab.images())
    n = len(made.split.train)
    assert list(map(str, weights.priors(made))) == [
        f"l2 corresponds to a Gaussian prior with std {1 / np.sqrt(n * 0.01):.3g}",
        f"l1 corresponds to a Laplace prior with scale {1 / (n * 0.1):.3g}",
    ]


def test_the_prior_of_a_regression_counts_the_residuals():
    made = subject(lab.experiment(L2(strength=0.5), model=Linear()), lab.table())
    inputs, targets = made.analysed
    layer = made.variables.parameters["model"]["output"]
    residual = np.mean((inputs @ layer["kernel"] + layer["bias"] - targets) ** 2)
    assert weights.residual(made) == pytest.approx(residual, rel=1e-6)
    (prior,) = weights.priors(made)
    assert prior.scale == pytest.approx(np.sqrt(2 * residual / len(inputs) / 0.5))
    # the penalty is its negative logarithm, n/(2 s^2) times, up to a constant
    a, b = -stats.norm.logpdf([0.3, 0.1], scale=prior.scale)
    assert a - b == pytest.approx(0.25 * (0.3**2 - 0.1**2) * len(inputs) / (2 * residual))


def test_a_penalty_without_a_prior_is_named():
    sentence = weights.explain(subject(lab.experiment(ElasticNet()), lab.images())).sentence
    assert "a prior is drawn for l1 and l2 only, and this run has elastic_net" in sentence


def test_the_prior_is_drawn_over_the_weights():
    w = np.random.default_rng(0).normal(size=5000)
    narrow = weights.histogram("output", w, [weights.Prior("l2", "Gaussian", 0.03)])
    assert narrow[0].endswith("p l2 corresponds to a Gaussian prior with std 0.03")
    assert [line.index("p") for line in narrow[1:]] == [12] * 10 + [62] + [12] * 10  # all of it in the middle
    _, shares, curves = weights.drawn(w, 21, [])
    assert sum(shares) == pytest.approx(np.mean(np.abs(w) <= 3 * np.sqrt(np.mean(w**2))))
    np.testing.assert_allclose(shares, curves["Gaussian"], atol=0.02)
    laplace = np.random.default_rng(0).laplace(size=5000)
    middle, shares, curves = weights.drawn(laplace, 21, [])
    np.testing.assert_allclose(shares, curves["Laplace"], atol=0.02)
    assert middle[10] == 0
    np.testing.assert_allclose(middle, -middle[::-1])


def test_the_histogram_counts_every_layer():
    made = subject(lab.experiment(), lab.images())
    found = weights.explain(made)
    assert [row[0] for row in found.rows] == ["hidden_0", "hidden_1", "output", "all"]
    assert found.values["all"]["weights"] == 108 * 12 + 12 * 12 + 12 * 3
    assert found.lines[0].startswith("hidden_0:")  # the largest


def test_masks_of_rate_zero_are_weight_scaling():
    found = dropout.explain(subject(lab.experiment(Dropout(rate=0.0)), lab.images()))
    single = np.asarray(found.values["single"])
    np.testing.assert_allclose(single, np.broadcast_to(found.values["weight_scaling"], single.shape), rtol=1e-6)
    assert found.values["meets"] == 1


def test_averages_over_masks_are_of_probabilities():
    made = subject(lab.experiment(Dropout(rate=0.5)), lab.images())
    found = dropout.explain(made)
    single, averages = np.asarray(found.values["single"]), found.values["averages"]
    np.testing.assert_allclose(averages["1"], single[0])
    assert averages["64"][0] < single[:, 0].mean()  # Jensen: the loss of a mean is below the mean of losses
    assert found.columns[-1] == "accuracy"


def test_averages_meet_weight_scaling_within_one_standard_error():
    rng = np.random.default_rng(0)
    reference = rng.uniform(size=100)
    off = rng.normal(size=100)
    off = (off - off.mean()) / off.std(ddof=1)  # its standard error is 0.1
    gaps = {1: 0.5, 2: 0.11, 4: 0.09, 8: 0.2}
    assert dropout.meeting({t: reference + off + gap for t, gap in gaps.items()}, reference) == 4
    assert dropout.meeting({1: reference + off + 0.11}, reference) is None


def test_a_linear_model_with_linear_outputs_averages_to_weight_scaling():
    """Masks on the inputs of a linear regression: the mean output is the scaled one, by linearity."""
    method = Dropout(rate=0.0, input_rate=0.3)
    found = dropout.explain(subject(lab.experiment(method, model=Linear()), lab.table()))
    assert found.values["averages"]["64"][0] == pytest.approx(found.values["weight_scaling"][0], rel=0.1)
    assert np.asarray(found.values["single"]).mean() > found.values["weight_scaling"][0]


def test_losses_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(3), 20)
    labels = np.arange(20) % 3
    found = dropout.losses(p, np.eye(3)[labels], classes=True)
    assert found.mean() == pytest.approx(log_loss(labels, p))


def test_what_does_not_fit_is_refused():
    assert "no dropout" in dropout.explain(subject(lab.experiment(), lab.images())).sentence
    made = subject(lab.experiment(Dropout(), model=MLP(hidden=(4,))), lab.images())
    empty = np.zeros(0, np.int32)
    alone = replace(made, split=replace(made.split, validation=empty, test=empty))
    assert "neither test nor validation" in dropout.explain(alone).sentence


def test_the_bins_make_the_expected_calibration_error():
    found = calibration.explain(subject(lab.experiment(), lab.images())).values
    gaps = [one["examples"] * abs(one["accuracy"] - one["confidence"]) for one in found["bins"]]
    assert sum(gaps) / sum(one["examples"] for one in found["bins"]) == pytest.approx(found["ece"], rel=1e-5)


def test_confidence_and_reliability_of_known_outputs():
    logits = np.log(np.asarray([[0.7, 0.3], [0.35, 0.65], [0.1, 0.9], [0.75, 0.25]]))
    confidence, correct = calibration.confidences(logits, np.asarray([0, 0, 1, 1]))
    np.testing.assert_allclose(confidence, [0.7, 0.65, 0.9, 0.75])
    assert correct.tolist() == [1, 0, 1, 0]
    last = calibration.reliability(np.asarray([0.95, 0.96, 0.55]), np.asarray([1.0, 0.0, 1.0]), 10)[-1]
    assert last == {"upper": 1.0, "examples": 2, "confidence": pytest.approx(0.955), "accuracy": 0.5}


@pytest.mark.parametrize("shift", [0, 1])
def test_the_sentence_says_which_way_confidence_is_off(shift, monkeypatch):
    """Outputs that are as sure of each example, and always right, or never."""
    made = subject(lab.experiment(), lab.images())
    said = np.eye(3, dtype=np.float32)[(made.data.targets[made.unseen] + shift) % 3]
    monkeypatch.setattr(Subject, "outputs", lambda self, inputs, lane, variables: said)
    sure = np.e / (np.e + 2)
    sentence = calibration.explain(made).sentence
    assert f"{'overconfident' if shift else 'underconfident'} by {abs(sure - (1 - shift)):.4f}" in sentence


def test_a_regression_has_no_calibration():
    assert "regression" in calibration.explain(subject(lab.experiment(), lab.table())).sentence
