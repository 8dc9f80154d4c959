"""What is said of batch norm against closed forms and the engine's own training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regexp.diagnostics import batch_norm_drift, batch_norm_gap, batch_norm_smoothness, trajectory
from regexp.diagnostics.batch_norm_drift import drift, typical
from regexp.diagnostics.trajectory import Trajectory, trajectories
from regexp.engine.step import Variables
from regexp.experiment import Training
from regexp.models.linear import Linear
from regexp.models.mlp import MLP
from regexp.optimizers.sgd import SGD
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.loop.early_stopping import EarlyStopping
from tests import lab
from tests.diagnostics.bodies import subject

pytestmark = pytest.mark.slow  # runs of their own, trained once more

WHOLE = Training(epochs=6, batch_size="all")


@pytest.fixture(scope="module")
def normalised():
    """A network with batch norm that makes 20 steps an epoch; early stopping is to be left out."""
    training = Training(epochs=4, batch_size=8)
    return subject(lab.experiment(BatchNorm(), EarlyStopping(), training=training), lab.images())


def first_layer(made) -> np.ndarray:
    """(n, units) of the training examples."""
    inputs = made.data.inputs[made.split.train].reshape(len(made.split.train), -1).astype(np.float64)
    return inputs @ made.variables.parameters["model"]["hidden_0"]["kernel"]


def test_the_gap_before_training_is_that_of_mean_0_and_variance_1():
    made = subject(lab.experiment(BatchNorm(), model=MLP(hidden=(5,)), training=WHOLE), lab.images())
    h = first_layer(made)
    variance = h.var(0, ddof=1)
    found = batch_norm_gap.explain(made).values["layers"]["hidden_0"]
    np.testing.assert_allclose(found["mean"], np.abs(h.mean(0)) / np.sqrt(variance), rtol=1e-4)
    np.testing.assert_allclose(found["variance"], np.abs(1 / variance - 1), rtol=1e-4)


def test_population_statistics_have_no_gap(normalised):
    exact = batch_norm_gap._with_population(normalised)
    found = batch_norm_gap.explain(replace(normalised, variables=Variables(*exact)))
    assert found.values["mean"] < 1e-5
    assert found.values["variance"] < 1e-5
    assert found.values["ema"] == pytest.approx(found.values["population"], rel=1e-4)
    kept = replace(normalised.experiment, regularizers=(BatchNorm(statistics="population"),))
    assert "no gap" in batch_norm_gap.explain(replace(normalised, experiment=kept)).sentence


def test_drift_is_the_way_of_the_quartiles_in_their_widths():
    still = np.tile(np.asarray([-1.0, 0.0, 1.0])[None, :, None], (5, 1, 4))
    assert drift(still) == 0
    assert drift(still + 0.3 * np.arange(5)[:, None, None]) == pytest.approx(0.15)
    ways = still + np.arange(5)[:, None, None] * np.asarray([0.0, 3.0, 1.0, 2.0])
    assert typical(ways) == 2


@pytest.mark.parametrize("seed", [0, 1])
def test_probes_see_the_training_of_the_model_explained(normalised, seed):
    """The quartiles at a probe are those of the engine's own weights after as many steps; also where seed 0 is lost."""
    training = replace(normalised.experiment.training, seeds=(0, 1))
    made = subject(replace(normalised.experiment, training=training), lab.images())
    model = made.models[seed]
    left = replace(made, models=made.models[seed:], split=model.split, seed=seed)
    _, without = trajectories(left)
    assert without.steps.tolist() == [4 * k for k in range(20)]
    plain = replace(normalised.experiment, regularizers=())
    steps = int(without.steps[3])
    weights = lab.weights(lab.train(plain, lab.images(), seeds=(seed,), steps=steps))
    watched = left.split.train[: trajectory.WATCHED]
    inputs = left.data.inputs[watched].reshape(len(watched), -1)
    hidden = inputs @ weights["hidden_0"]["kernel"] + weights["hidden_0"]["bias"]
    expected = np.quantile(hidden, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(without.quartiles["hidden_0"][3], expected, rtol=1e-4, atol=1e-5)


def test_along_the_update_of_a_quadratic_loss():
    """Linear regression by gradient descent: g(w + s u) - g(w) = s H u, and the loss is its parabola."""
    made = subject(lab.experiment(model=Linear(), optimizer=SGD(learning_rate=0.1), training=WHOLE), lab.table())
    found = trajectory._trajectory(made, made.experiment)
    x, y = made.rows(np.sort(made.split.train))
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    hessian, w = 2 * x.T @ x / len(x), np.zeros(x.shape[1])
    kernel = made.variables.parameters["model"]["output"]
    w[:] = np.concatenate([np.ravel(kernel["kernel"]), kernel["bias"]])
    for k in range(3):
        gradient = 2 * x.T @ (x @ w - y[:, 0]) / len(x)
        update = -0.1 * gradient
        along = [np.mean((x @ (w + s * update) - y[:, 0]) ** 2) for s in trajectory.FACTORS]
        np.testing.assert_allclose(found.losses[k], along, rtol=1e-4)
        np.testing.assert_allclose(found.gradient[k], np.linalg.norm(gradient), rtol=1e-4)
        np.testing.assert_allclose(found.changes[k], trajectory.FACTORS * np.linalg.norm(hessian @ update), rtol=1e-3)
        np.testing.assert_allclose(found.lengths[k], trajectory.FACTORS * np.linalg.norm(update), rtol=1e-4)
        w = w + update
    largest = np.linalg.eigvalsh(hessian).max()
    assert np.all(batch_norm_smoothness.smoothness(found)["smoothness"] <= 1.001 * largest)


def test_the_loss_at_the_start_of_the_line_counts():
    one = Trajectory(np.arange(1), {}, np.asarray([2.0]), np.asarray([4.0]), np.asarray([[1.5, 1.0]]),
                     np.asarray([[1.0, 3.0]]), np.asarray([[0.5, 2.0]]))  # fmt: skip
    found = batch_norm_smoothness.smoothness(one)
    assert {name: values.tolist() for name, values in found.items()} == {
        "loss range": [1.0], "gradient change": [3.0], "relative change": [0.75], "smoothness": [2.0]
    }  # fmt: skip


def test_both_networks_start_alike_and_the_sentences_have_their_numbers(normalised):
    with_, _ = trajectories(normalised)
    assert list(with_.quartiles) == ["hidden_0", "hidden_1"]
    # behind batch norm every unit is centred and scaled, at the start by gamma = 1 and beta = 0
    assert np.abs(with_.quartiles["hidden_0"][0, 1]).max() < 0.5
    moved = batch_norm_drift.explain(normalised)
    assert [row[:2] for row in moved.rows[:2]] == [("hidden_0", "with"), ("hidden_0", "without")]
    assert f"{moved.values['drift'][0]:.3f}" in moved.sentence
    smooth = batch_norm_smoothness.explain(normalised)
    assert [row[0] for row in smooth.rows] == ["loss range", "gradient change", "relative change", "smoothness"]
    assert "over 20 steps of one seed" in smooth.sentence


def test_a_network_that_diverges_without_batch_norm(normalised, monkeypatch):
    with_, without = trajectories(normalised)
    lost = {name: np.where(np.arange(20)[:, None, None] > 5, np.nan, q) for name, q in without.quartiles.items()}
    nothing = {name: np.full_like(getattr(without, name), np.nan) for name in ("loss", "losses", "changes")}
    diverged = (with_, replace(without, quartiles=lost, **nothing))
    for diagnostic in (batch_norm_drift, batch_norm_smoothness):
        monkeypatch.setattr(diagnostic, "trajectories", lambda subject: diverged)
    found = batch_norm_drift.explain(normalised)
    assert "inf without" in found.sentence
    assert found.lines[2].count("+") == batch_norm_drift.WIDTH
    assert "nan without" in batch_norm_smoothness.explain(normalised).sentence


def test_without_batch_norm_they_refuse():
    for made in (
        subject(lab.experiment(), lab.images()),
        subject(lab.experiment(BatchNorm(), model=Linear()), lab.table()),
    ):
        for diagnostic in (batch_norm_gap, batch_norm_drift, batch_norm_smoothness):
            assert "no batch norm" in diagnostic.explain(made).sentence
