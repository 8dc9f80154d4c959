"""Losses and metrics against scikit-learn, optax and PyTorch."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import metrics as oracle

from regexp.losses import softmax_cross_entropy, squared_error
from regexp.metrics import METRICS, expected_calibration_error, measure, names, smaller_is_better

ONE = np.ones(1)


def classified(n=400, classes=5, absent=True):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes - absent, n).astype(np.int32)
    logits = generator.normal(size=(n, classes)) * 2
    logits[np.arange(n), labels] += 1.5
    return logits, labels


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("absent", [False, True])
def test_classification_is_scikit_learns(absent):
    logits, labels = classified(absent=absent)
    found = measure("classification", "cross_entropy", jnp.asarray(logits), labels, ONE, ONE, 15)
    p = np.asarray(jax.nn.softmax(logits))
    one_hot = np.eye(5)[labels]
    assert float(found["accuracy"]) == pytest.approx(oracle.accuracy_score(labels, logits.argmax(1)), rel=1e-12)
    recalls = oracle.recall_score(labels, logits.argmax(1), labels=np.unique(labels), average="macro")
    assert float(found["balanced_accuracy"]) == pytest.approx(recalls, rel=1e-12)
    assert float(found["nll"]) == pytest.approx(oracle.log_loss(labels, p, labels=range(5)), rel=1e-9)
    assert float(found["loss"]) == pytest.approx(float(found["nll"]), rel=1e-12)
    brier = oracle.brier_score_loss(labels, p, labels=range(5), scale_by_half=False)
    assert float(found["brier"]) == pytest.approx(brier, rel=1e-9)
    assert float(found["brier"]) == pytest.approx(((p - one_hot) ** 2).sum(1).mean(), rel=1e-12)


def naive_ece(confidence, correct, bins):
    """Guo et al. 2017, bin by bin."""
    total, edges = 0.0, np.linspace(0, 1, bins + 1)
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_is_the_definition(bins):
    generator = np.random.default_rng(1)
    confidence = generator.uniform(0.01, 1, 1000)
    correct = (generator.uniform(size=1000) < confidence**2).astype(float)
    ours = expected_calibration_error(jnp.asarray(confidence), jnp.asarray(correct), bins)
    assert float(ours) == pytest.approx(naive_ece(confidence, correct, bins), rel=1e-9)


@pytest.mark.usefixtures("float64")
def test_regression_is_scikit_learns_in_raw_units():
    generator = np.random.default_rng(2)
    targets = generator.normal(50, 20, (200, 2))
    mean, scale = targets.mean(0), targets.std(0)
    outputs = (targets - mean) / scale + 0.3 * generator.normal(size=(200, 2))
    found = measure("regression", "squared_error", jnp.asarray(outputs), targets, mean, scale, 15)
    raw = outputs * scale + mean
    assert float(found["r2"]) == pytest.approx(oracle.r2_score(targets, raw), rel=1e-12)
    assert float(found["rmse"]) == pytest.approx(np.sqrt(oracle.mean_squared_error(targets, raw)), rel=1e-12)
    assert float(found["loss"]) == pytest.approx(np.mean((outputs - (targets - mean) / scale) ** 2), rel=1e-12)


def test_numbers_that_are_none_give_nan():
    logits, labels = classified()
    logits[3] = np.nan
    found = measure("classification", "cross_entropy", jnp.asarray(logits), labels, ONE, ONE, 15)
    assert all(np.isnan(found[name]) for name in ("loss", "accuracy", "nll", "brier"))


@pytest.mark.usefixtures("float64")
def test_losses_and_gradients_are_optax_and_torch():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(8, 5)) * 30
    targets = generator.dirichlet(np.ones(5), 8)
    ours = softmax_cross_entropy(jnp.asarray(logits), targets)
    np.testing.assert_allclose(ours, optax.softmax_cross_entropy(logits, targets), rtol=1e-12)
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    leaf = torch.tensor(logits, requires_grad=True)
    theirs = torch.nn.CrossEntropyLoss()(leaf, torch.tensor(targets))
    theirs.backward()
    gradient = jax.grad(lambda z: softmax_cross_entropy(z, targets).mean())(jnp.asarray(logits))
    assert float(ours.mean()) == pytest.approx(theirs.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
    mean_squared = torch.nn.MSELoss()(torch.tensor(logits), torch.tensor(targets)).item()
    assert float(squared_error(logits, targets).mean()) == pytest.approx(mean_squared, rel=1e-12)


def test_directions_and_names():
    assert smaller_is_better("validation/loss")
    assert not smaller_is_better("validation/accuracy")
    assert names("regression") == ["loss", "rmse", "r2"]
    assert len({m.name for m in METRICS}) == len(METRICS)


def test_of_constant_targets_r2_is_scikit_learns():
    targets = np.full((4, 1), 3.0, np.float32)
    for error in (0.0, 1.0):
        found = measure("regression", "squared_error", targets + error, targets, np.zeros(1), np.ones(1), 15)
        assert float(found["r2"]) == oracle.r2_score(targets, targets + error)
