"""Augmentation, smoothing and FGSM against Pillow, optax, PyTorch and closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regexp.regularizers.adversarial.fgsm import FGSM
from regexp.regularizers.base import Batch, Site
from regexp.regularizers.inputs.gaussian_noise import GaussianNoise
from regexp.regularizers.inputs.horizontal_flip import HorizontalFlip
from regexp.regularizers.inputs.random_crop import RandomCrop
from regexp.regularizers.parameters.l2 import L2
from regexp.regularizers.targets.label_smoothing import LabelSmoothing

KEY = jnp.asarray([1, 2], jnp.uint32)


def batch(n=64, side=8, channels=3, classes=4):
    generator = np.random.default_rng(0)
    inputs = generator.uniform(size=(n, side, side, channels)).astype(np.float32)
    targets = np.eye(classes, dtype=np.float32)[generator.integers(0, classes, n)]
    return Batch(jnp.asarray(inputs), jnp.asarray(targets), jnp.zeros(()), jnp.ones(()))


def test_flip_is_pillows_mirror():
    image_module = pytest.importorskip("PIL.Image")
    given = batch(4)
    out = HorizontalFlip(probability=1.0).transform_batch(given, KEY).inputs
    for ours, x in zip(out, given.inputs, strict=True):
        picture = image_module.fromarray(np.asarray(x * 255).astype(np.uint8))
        mirrored = np.asarray(picture.transpose(image_module.Transpose.FLIP_LEFT_RIGHT))
        np.testing.assert_array_equal(np.asarray(ours * 255).astype(np.uint8), mirrored)


def test_flip_happens_with_its_probability_per_example():
    given = batch(4000, 2, 1)
    out = HorizontalFlip(probability=0.3).transform_batch(given, KEY).inputs
    flipped = np.any(np.asarray(out != given.inputs), (1, 2, 3))
    assert abs(flipped.mean() - 0.3) < 4.5 * np.sqrt(0.21 / 4000)


@pytest.mark.parametrize(("fill", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_crop_is_a_window_of_the_padded_image(fill, mode):
    given = batch(400, 8, 1)
    out = np.asarray(RandomCrop(padding=2, fill=fill).transform_batch(given, KEY).inputs)
    padded = np.pad(np.asarray(given.inputs), ((0, 0), (2, 2), (2, 2), (0, 0)), mode=mode)
    places = []
    for ours, whole in zip(out, padded, strict=True):
        found = [(i, j) for i in range(5) for j in range(5) if np.array_equal(ours, whole[i : i + 8, j : j + 8])]
        assert found
        places += found[:1]
    counts = np.bincount([5 * i + j for i, j in places], minlength=25)
    assert np.all(counts > 0)  # every offset occurs


def test_gaussian_noise_has_its_moments_and_none_at_evaluation():
    x = jnp.zeros((500, 200))
    out = np.asarray(GaussianNoise(sigma=0.7).transform_activation(x, Site("input", "train", KEY)))
    assert abs(out.mean()) < 4.5 * 0.7 / np.sqrt(out.size)
    assert abs(out.std() - 0.7) < 4.5 * 0.7 / np.sqrt(2 * out.size)
    assert GaussianNoise(sigma=0.7).transform_activation(x, Site("input", "eval")) is x
    assert GaussianNoise(sigma=0.7).transform_activation(x, Site("hidden_0/post", "train", KEY)) is x


@pytest.mark.usefixtures("float64")
def test_noise_on_the_inputs_of_a_linear_model_is_in_the_mean_l2_with_twice_its_variance():
    """E mean (y - w(x + sigma z))^2 = mean (y - wx)^2 + a/2 ||w||^2, a = 2 sigma^2; the penalty is L2's own."""
    w, given = linear_problem()
    keys = jax.random.split(KEY, 20_000)
    noisy = jax.vmap(
        lambda key: GaussianNoise(sigma=0.3).transform_activation(given.inputs, Site("input", "train", key))
    )
    losses = np.mean((given.targets[:, 0] - noisy(keys) @ w) ** 2, 1)
    clean = np.mean((given.targets[:, 0] - given.inputs @ w) ** 2)
    added = L2(strength=2 * 0.3**2).penalty({"output": {"kernel": w[:, None]}})
    assert abs(losses.mean() - clean - added) < 4.5 * losses.std() / np.sqrt(len(keys))
    assert added > 45 * losses.std() / np.sqrt(len(keys))


def test_smoothing_others_worked_by_hand():
    given = batch(1, classes=5)._replace(targets=jnp.asarray([[0, 0, 1.0, 0, 0]]))
    out = LabelSmoothing(epsilon=0.2).transform_batch(given, KEY).targets
    np.testing.assert_allclose(out, [[0.05, 0.05, 0.8, 0.05, 0.05]], rtol=1e-6)


def test_smoothing_uniform_is_optax_and_torch():
    given = batch()
    out = LabelSmoothing(epsilon=0.2, form="uniform").transform_batch(given, KEY).targets
    np.testing.assert_allclose(out, optax.smooth_labels(given.targets, 0.2), rtol=1e-6)
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    logits = np.random.default_rng(1).normal(size=given.targets.shape).astype(np.float32)
    labels = torch.tensor(np.argmax(given.targets, 1)).long()
    theirs = torch.nn.CrossEntropyLoss(label_smoothing=0.2)(torch.tensor(logits), labels)
    ours = optax.softmax_cross_entropy(logits, out).mean()
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_the_two_forms_agree_at_the_converted_epsilon():
    given = batch(classes=4)
    others = LabelSmoothing(epsilon=0.15).transform_batch(given, KEY).targets
    uniform = LabelSmoothing(epsilon=0.2, form="uniform").transform_batch(given, KEY).targets
    np.testing.assert_allclose(others, uniform, rtol=1e-6)


def linear_problem():
    generator = np.random.default_rng(3)
    w = jnp.asarray(generator.normal(size=6))
    x = jnp.asarray(generator.normal(size=(20, 6)))
    y = jnp.asarray(generator.choice([-1.0, 1.0], size=(20, 1)))
    return w, Batch(x, y, jnp.full(6, -9.0), jnp.full(6, 9.0))


def margin_loss(w, given):
    """mean of -y w.x: its worst case in the e-ball is exactly e ||w||_1 more."""
    return -jnp.mean(given.targets[:, 0] * (given.inputs @ w)), {}


@pytest.mark.usefixtures("float64")
def test_fgsm_on_a_linear_model_adds_e_times_the_l1_norm():
    w, given = linear_problem()
    adversarial = FGSM(epsilon=0.1, mix=0.0).transform_loss(margin_loss, KEY)
    clean = margin_loss(w, given)[0]
    assert float(adversarial(w, given)[0]) == pytest.approx(float(clean + 0.1 * jnp.abs(w).sum()), rel=1e-12)
    mixed = FGSM(epsilon=0.1, mix=0.25).transform_loss(margin_loss, KEY)
    assert float(mixed(w, given)[0]) == pytest.approx(float(clean + 0.075 * jnp.abs(w).sum()), rel=1e-12)


def test_fgsm_leaves_the_running_statistics_to_the_clean_batch():
    w, given = linear_problem()

    def loss(w, given):
        return margin_loss(w, given)[0], {"mean": jnp.mean(given.inputs, 0)}

    _, state = FGSM(epsilon=0.1).transform_loss(loss, KEY)(w, given)
    np.testing.assert_array_equal(state["mean"], jnp.mean(given.inputs, 0))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("random_start", [False, True])
def test_fgsm_stays_in_the_ball_and_in_the_raw_range(random_start):
    w, given = linear_problem()
    given = given._replace(low=jnp.full(6, -0.5), high=jnp.full(6, 0.5), inputs=jnp.clip(given.inputs, -0.5, 0.5))
    method = FGSM(epsilon=0.2, random_start=random_start)
    attacked = method.attack(lambda x: margin_loss(w, given._replace(inputs=x))[0], given, KEY)
    assert float(jnp.max(jnp.abs(attacked - given.inputs))) <= 0.2 + 1e-12
    assert float(jnp.max(jnp.abs(attacked))) <= 0.5


def test_fgsm_is_torchs_gradient_sign():
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    generator = np.random.default_rng(4)
    kernels = [generator.normal(size=(10, 16)), generator.normal(size=(16, 4))]
    x, labels = generator.uniform(size=(8, 10)), generator.integers(0, 4, 8)

    def loss(x):
        logits = jax.nn.relu(x @ kernels[0]) @ kernels[1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    given = Batch(jnp.asarray(x), jnp.eye(4)[labels], jnp.zeros(()), jnp.ones(()))
    ours = FGSM(epsilon=0.05).attack(loss, given, KEY)
    leaf = torch.tensor(x, requires_grad=True)
    logits = torch.relu(leaf @ torch.tensor(kernels[0])) @ torch.tensor(kernels[1])
    torch.nn.functional.cross_entropy(logits, torch.tensor(labels)).backward()
    theirs = (leaf + 0.05 * leaf.grad.sign()).clamp(0, 1).detach().numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
