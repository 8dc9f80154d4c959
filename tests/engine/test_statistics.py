"""Running statistics measured anew: the mean over the minibatches, by NumPy in float64 and by PyTorch's update_bn."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from regexp.experiment import Training
from regexp.models.mlp import MLP
from regexp.optimizers.sgd import SGD
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.loop.weight_averaging import WeightAveraging
from tests.lab import experiment, flat, table, train
from tests.sessions import begin, finish


@pytest.fixture(scope="module")
def trained():
    """A network with two normalised layers and an average of its weights; the average is what is measured anew."""
    return train(
        experiment(
            BatchNorm(statistics="population"),
            WeightAveraging(decay=0.8),
            Dropout(rate=0.3),
            model=MLP(hidden=(7, 6), activation="tanh"),
            optimizer=SGD(learning_rate=0.1),
            training=Training(epochs=3, batch_size=16),
        ),
        table(),
    )


def one(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64)[0], tree)


def minibatches(made):
    rows = made.splits[0].train
    return table().inputs[rows[: made.steps_per_epoch * 16]].astype(np.float64).reshape(-1, 16, 5)


def test_population_statistics_are_means_over_the_minibatches_in_float64(trained):
    """mu of each batch, and sigma^2 B/(B-1); noise is not drawn, and each layer sees its own batch normalised."""
    latest = trained.latest()
    found, params = one(trained.recomputed(latest).state["batch_norm"]), one(latest.parameters)
    means = {name: [] for name in found}
    for h in minibatches(trained):
        for layer in ("hidden_0", "hidden_1"):
            z, site = h @ params["model"][layer]["kernel"], f"{layer}/pre"
            means[site].append((z.mean(0), z.var(0, ddof=1)))
            own = params["batch_norm"][site]
            h = np.tanh((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) * own["gamma"] + own["beta"])
    for site, batches in means.items():
        mean, variance = (np.mean([b[i] for b in batches], 0) for i in (0, 1))
        np.testing.assert_allclose(found[site]["mean"], mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[site]["variance"], variance, rtol=1e-4)


def test_statistics_of_an_average_are_torchs_update_bn(trained):
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    latest = trained.latest()
    assert not np.allclose(flat(latest), flat(trained.state.variables))
    found, params = one(trained.recomputed(latest).state["batch_norm"]), one(latest.parameters)
    stack = torch.nn.Sequential(
        torch.nn.Linear(5, 7, bias=False), torch.nn.BatchNorm1d(7), torch.nn.Tanh(), torch.nn.Dropout(0.0),
        torch.nn.Linear(7, 6, bias=False), torch.nn.BatchNorm1d(6),
    ).double()  # fmt: skip
    with torch.no_grad():
        for layer, place in (("hidden_0", 0), ("hidden_1", 4)):
            stack[place].weight.copy_(torch.tensor(params["model"][layer]["kernel"].T))
            stack[place + 1].weight.copy_(torch.tensor(params["batch_norm"][f"{layer}/pre"]["gamma"]))
            stack[place + 1].bias.copy_(torch.tensor(params["batch_norm"][f"{layer}/pre"]["beta"]))
    torch.optim.swa_utils.update_bn([torch.tensor(batch) for batch in minibatches(trained)], stack)
    for layer, place in (("hidden_0", 1), ("hidden_1", 5)):
        own = found[f"{layer}/pre"]
        np.testing.assert_allclose(own["mean"], stack[place].running_mean.numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(own["variance"], stack[place].running_var.numpy(), rtol=1e-5, atol=1e-5)


def test_a_run_reports_which_statistics_it_used_and_the_gap(tmp_path):
    text = """
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [6]}
regularizers: {batch_norm: }
training: {epochs: 2, batch_size: 16}
"""
    session = begin(tmp_path, text)
    report = finish(session)["running_statistics"]
    (group,) = session.stages[0].groups
    chosen = group.selected()[0]
    ema, population = (group.evaluate(v)[0]["test/loss"][0] for v in (chosen, group.recomputed(chosen)))
    assert report["used"] == "ema"
    assert report["population_minus_ema"]["test/loss"]["values"] == [pytest.approx(population - ema, abs=1e-6)]
    assert population != ema
