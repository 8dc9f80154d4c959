"""Clipping against optax and PyTorch, sharpness-aware minimisation against PyTorch's autograd and closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regexp.datasets.base import Dataset
from regexp.experiment import Training
from regexp.models.mlp import MLP
from regexp.optimizers.gd import GD
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.gradients.gradient_clipping import GradientClipping
from regexp.regularizers.gradients.sam import SAM
from tests.lab import experiment, flat, images, train, weights


def gradients():
    """Of a model and of a method's own parameters."""
    generator = np.random.default_rng(0)
    return {
        "model": {"output": {"kernel": generator.normal(size=(4, 3)), "bias": generator.normal(size=3)}},
        "batch_norm": {"hidden_0/pre": {"gamma": generator.normal(size=5)}},
    }


def compare(ours, theirs, tolerance=1e-12):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), ours, theirs)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("norm", [0.1, 1.0, 100.0])
def test_clipping_by_norm_is_optax_and_torch_over_all_leaves_together(norm):
    given = gradients()
    ours = GradientClipping(norm=norm).clip(given)
    compare(ours, optax.clip_by_global_norm(norm).update(given, optax.EmptyState())[0])
    assert np.linalg.norm(flat(ours)) == pytest.approx(min(norm, np.linalg.norm(flat(given))), rel=1e-12)
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    leaves = [torch.nn.Parameter(torch.zeros(leaf.shape, dtype=torch.float64)) for leaf in jax.tree.leaves(given)]
    for leaf, gradient in zip(leaves, jax.tree.leaves(given), strict=True):
        leaf.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_(leaves, norm)
    compare(jax.tree.leaves(ours), [leaf.grad.numpy() for leaf in leaves], 1e-6)  # theirs divides by ||g|| + 1e-6


@pytest.mark.usefixtures("float64")
def test_clipping_by_value_is_optax_and_after_the_norm():
    given = gradients()
    compare(GradientClipping(norm=None, value=0.5).clip(given), optax.clip(0.5).update(given, optax.EmptyState())[0])
    both = optax.chain(optax.clip_by_global_norm(2.0), optax.clip(0.5))
    ours = GradientClipping(norm=2.0, value=0.5).clip(given)
    compare(ours, both.update(given, both.init(given))[0])


def test_clipping_leaves_zero_gradients_alone_and_needs_a_bound():
    zero = jax.tree.map(jnp.zeros_like, gradients())
    compare(GradientClipping(norm=1.0, value=1.0).clip(zero), zero)
    (problem,) = GradientClipping(norm=None).conflicts(experiment())
    assert problem.severity == "error"
    assert "both are null" in problem.message


FULL_BATCH = {
    "model": MLP(hidden=(8,), activation="tanh"),
    "optimizer": GD(learning_rate=0.5),
    "dataset": Dataset(validation=0.0, test=0.2),
    "training": Training(epochs=5),
}


def torch_training(start, x, labels, radius, steps):
    """Sharpness-aware gradient descent by autograd: climb, take the gradient there, climb down, step."""
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    names = [("hidden_0", "kernel"), ("hidden_0", "bias"), ("output", "kernel"), ("output", "bias")]
    leaves = [torch.tensor(start[layer][name].astype(float), requires_grad=True) for layer, name in names]
    x, labels = torch.tensor(x.reshape(len(x), -1).astype(float)), torch.tensor(labels).long()

    def loss():
        logits = torch.tanh(x @ leaves[0] + leaves[1]) @ leaves[2] + leaves[3]
        return torch.nn.functional.cross_entropy(logits, labels)

    for _ in range(steps):
        climb = torch.autograd.grad(loss(), leaves)
        length = torch.sqrt(sum((g**2).sum() for g in climb))
        with torch.no_grad():
            for leaf, g in zip(leaves, climb, strict=True):
                leaf += radius * g / length
        descend = torch.autograd.grad(loss(), leaves)
        with torch.no_grad():
            for leaf, up, down in zip(leaves, climb, descend, strict=True):
                leaf -= radius * up / length + 0.5 * down
    return [leaf.detach().numpy() for leaf in leaves]


def test_sam_is_torchs_two_step_update():
    data = images()
    start = weights(train(experiment(**FULL_BATCH), data, steps=0))
    made = train(experiment(SAM(radius=0.8), **FULL_BATCH), data)
    ours, rows = weights(made), made.splits[0].train
    theirs = torch_training(start, data.inputs[rows], data.targets[rows], radius=0.8, steps=5)
    found = [ours[layer][name] for layer in ("hidden_0", "output") for name in ("kernel", "bias")]
    compare(found, theirs, 1e-5)
    plain = weights(train(experiment(**FULL_BATCH), data))
    assert np.abs(flat(ours) - flat(plain)).max() > 0.01  # the radius matters here


def test_sam_sees_the_same_masks_in_both_passes():
    """At radius 0 the second gradient is the first one, if no mask is drawn anew."""
    with_it, without = (train(experiment(*m, Dropout(rate=0.5)), steps=12) for m in ([SAM(radius=0.0)], []))
    np.testing.assert_allclose(flat(weights(with_it)), flat(weights(without)), rtol=1e-5, atol=1e-6)


def test_sam_keeps_the_loss_and_the_running_statistics_of_the_first_pass():
    with_it, without = (train(experiment(*m, BatchNorm()), steps=1) for m in ([SAM(radius=2.0)], []))
    np.testing.assert_array_equal(flat(with_it.state.variables.state), flat(without.state.variables.state))
    assert np.any(flat(weights(with_it)) != flat(weights(without)))
    loss = {"climbed": 3.0}

    def gradient(p):
        return (loss, p), p

    assert SAM().transform_gradient(gradient)(jnp.ones(3))[0][0] is loss


def bowl(p):
    """Value and gradient of 1/2 p'Hp."""
    return (jnp.float64(0), {}), HESSIAN @ p


HESSIAN = np.array([[3.0, 1.0], [1.0, 2.0]])
P = np.array([2.0, 1.0])


def folded(*methods):
    """The gradient at P that these methods, in the order of the YAML, make of the bowl's."""
    gradient = bowl
    for method in methods:
        gradient = method.transform_gradient(gradient)
    return np.asarray(gradient(jnp.asarray(P))[1])


@pytest.mark.usefixtures("float64")
def test_sam_and_clipping_compose_in_yaml_order():
    """The later method is the outer one: it sees what the earlier ones made of the gradient."""
    unit = (HESSIAN @ P) / np.linalg.norm(HESSIAN @ P)
    sharp = HESSIAN @ (P + 0.5 * unit)
    np.testing.assert_allclose(folded(SAM(radius=0.5)), sharp, rtol=1e-12)
    clip = GradientClipping(norm=None, value=6.0)
    np.testing.assert_allclose(folded(SAM(radius=0.5), clip), np.clip(sharp, -6, 6), rtol=1e-12)
    bent = np.clip(HESSIAN @ P, -6, 6)
    inside = np.clip(HESSIAN @ (P + 0.5 * bent / np.linalg.norm(bent)), -6, 6)
    np.testing.assert_allclose(folded(clip, SAM(radius=0.5)), inside, rtol=1e-12)
    by_norm = GradientClipping(norm=1.0)  # changes no direction, so the order does not matter
    np.testing.assert_allclose(folded(by_norm, SAM(radius=0.5)), folded(SAM(radius=0.5), by_norm), rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_sam_at_a_stationary_point_stays():
    _, gradient = SAM(radius=1.0).transform_gradient(bowl)(jnp.zeros(2))
    np.testing.assert_array_equal(gradient, 0)
