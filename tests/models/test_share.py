"""Layers that hold one parameter: its gradient is the sum of both, as of a PyTorch module used twice."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp.config import loads
from regexp.core.errors import ConfigError, UsageError
from regexp.datasets.base import Dataset
from regexp.datasets.splits import split
from regexp.engine.prepare import prepare_lane, spec_of
from regexp.engine.step import init_variables
from regexp.experiment import Training, Trial
from regexp.models.base import with_copies, without_copies
from regexp.models.mlp import MLP
from regexp.models.resnet import ResNet
from regexp.optimizers.gd import GD
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.parameters.l2 import L2
from regexp.regularizers.weights.weight_norm import WeightNorm
from tests.lab import experiment, images, train, weights

TIED = {
    "model": MLP(hidden=(5, 5, 5), activation="tanh", share=(("hidden_1", "hidden_2"),)),
    "optimizer": GD(learning_rate=0.5),
    "dataset": Dataset(validation=0.0),
    "training": Training(epochs=4),
}


def test_training_is_torchs_with_a_shared_module_and_the_penalty_counts_it_once():
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    data, what = images(n=60, side=3), experiment(L2(strength=0.1), **TIED)
    start, made = weights(train(what, data, steps=0)), train(what, data)
    assert set(start) == {"hidden_0", "hidden_1", "output"}
    rows = made.splits[0].train
    first, twice, last = modules = [torch.nn.Linear(*start[n]["kernel"].shape).double() for n in start]
    for module, own in zip(modules, start.values(), strict=True):
        module.weight.data = torch.tensor(own["kernel"].T.astype(float))
        module.bias.data = torch.tensor(own["bias"].astype(float))
    x, labels = torch.tensor(data.inputs[rows].reshape(len(rows), -1)).double(), torch.tensor(data.targets[rows]).long()
    optimizer = torch.optim.SGD([p for m in modules for p in m.parameters()], lr=0.5)
    for _ in range(4):
        optimizer.zero_grad()
        logits = last(torch.tanh(twice(torch.tanh(twice(torch.tanh(first(x)))))))
        penalty = 0.05 * sum(m.weight.square().sum() for m in modules)
        (torch.nn.functional.cross_entropy(logits, labels) + penalty).backward()
        optimizer.step()
    for module, own in zip(modules, weights(made).values(), strict=True):
        np.testing.assert_allclose(own["kernel"], module.weight.detach().numpy().T, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(own["bias"], module.bias.detach().numpy(), rtol=1e-5, atol=1e-6)
    half = sum(0.05 * np.sum(own["kernel"].astype(float) ** 2) for own in weights(made).values())
    assert made.rows[-1]["loss/l2"] == pytest.approx(half, rel=1e-5)


def test_methods_that_make_weights_of_others_have_one_of_each_for_both():
    """One gain; batch norm keeps the statistics of each place. tests/engine/test_probe.py trains them together."""
    data, what = images(), experiment(WeightNorm(), BatchNorm(), model=TIED["model"])
    lane = prepare_lane(Trial(experiment=what, seed=0), data, split(what.dataset, data, 0))
    parameters = jax.eval_shape(lambda: init_variables(what, spec_of(what, data), lane)).parameters
    assert set(parameters["weight_norm"]) == {"hidden_0", "hidden_1", "output"}
    assert set(parameters["batch_norm"]) == {f"hidden_{i}/pre" for i in range(3)}
    assert {name for name, own in parameters["model"].items() if "bias" in own} == {"output"}


def test_a_bias_that_one_of_the_layers_needs_is_kept():
    """hidden_0's is void under batch norm, the output's is not."""
    kernel = jnp.zeros((3, 3))
    params = {"hidden_0": {"kernel": kernel}, "output": {"kernel": kernel + 1, "bias": jnp.ones(3)}}
    alone = without_copies((("hidden_0", "output"),), params)
    assert set(alone) == {"hidden_0"}
    np.testing.assert_array_equal(alone["hidden_0"]["kernel"], 0)
    np.testing.assert_array_equal(alone["hidden_0"]["bias"], 1)
    assert with_copies((("hidden_0", "output"),), alone)["output"] is alone["hidden_0"]


def test_blocks_of_a_residual_network_may_be_one_recurrent_block():
    layers = tuple((f"block_0/conv_{i}", f"block_1/conv_{i}") for i in (0, 1))
    model = ResNet(depth=14, width=2, share=layers)
    params = without_copies(layers, model.init(jnp.zeros(2, jnp.uint32), (6, 6, 3), 3, lambda layer: True))
    assert "block_0/conv_1" in params
    assert "block_1/conv_1" not in params


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ((("hidden_1", "hidden_9"),), 'there is no layer "hidden_9"; there are hidden_0, hidden_1, hidden_2, output'),
        ((("hidden_0", "hidden_1"),), r"hidden_0 is \(27, 5\) and hidden_1 \(5, 5\); shapes must be equal"),
    ],
)
def test_layers_that_cannot_be_one_are_told(share, message):
    model = MLP(hidden=(5, 5, 5), share=share)
    with pytest.raises(UsageError, match=f"model.share: {message}"):
        train(experiment(model=model), images(n=60, side=3), steps=0)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ("[[hidden_0, hidden_1], [hidden_1, hidden_2]]", 'the layer "hidden_1" appears twice in model.share'),
        ("[[hidden_0, hidden_0]]", 'the layer "hidden_0" appears twice in model.share'),
        ("[[hidden_0]]", "each group in model.share must name at least two layers"),
        ("[[]]", "each group in model.share must name at least two layers"),
    ],
)
def test_groups_that_are_none_are_refused_at_their_place(share, message):
    with pytest.raises(ConfigError) as caught:
        loads(f"model: {{name: mlp, hidden: [5, 5, 5], share: {share}}}\n")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.message) == (1, 39, message)
