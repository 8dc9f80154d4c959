"""Averages of weights on a recorded trajectory, against PyTorch's AveragedModel."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from regexp.experiment import Training, Trial
from regexp.optimizers.sgd import SGD
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.loop.weight_averaging import WeightAveraging
from tests.lab import experiment, flat, group, table, train

EPOCHS, DECAY = 4, 0.9


def setting(*methods):
    return experiment(
        Dropout(rate=0.3), *methods, optimizer=SGD(learning_rate=0.1), training=Training(epochs=EPOCHS, batch_size=16)
    )


@pytest.fixture(scope="module")
def plain():
    """(weights after each update, steps in an epoch) of training without an average."""
    made = group([Trial(experiment=setting(), seed=0)], table())
    path = []
    while not made.done:
        made.advance(1)
        path.append(jax.tree.map(lambda x: np.array(x[0]), made.state.variables.parameters["model"]))
    return path, made.steps_per_epoch


@pytest.fixture(scope="module")
def averaged():
    """kind -> lanes with averaging from epoch 0 and from epoch 2."""
    return {
        kind: train([setting(WeightAveraging(kind=kind, decay=DECAY, start=begin)) for begin in (0.0, 2.0)], table())
        for kind in ("ema", "swa")
    }


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_training_itself_is_untouched(kind, plain, averaged):
    alone = train(setting(WeightAveraging(kind=kind)), table())
    np.testing.assert_array_equal(flat(alone.state.variables.parameters["model"]), flat(plain[0][-1]))


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize(("lane", "begin"), [(0, 0), (1, 2)])
def test_the_average_is_torchs(kind, lane, begin, plain, averaged):
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    path, per_epoch = plain
    rule = torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY) if kind == "ema" else None
    layer = torch.nn.Linear(1, len(flat(path[0])), bias=False).double()
    theirs = torch.optim.swa_utils.AveragedModel(layer, multi_avg_fn=rule)
    for step, weights in enumerate(path, 1):
        if step > begin * per_epoch and (kind == "ema" or step % per_epoch == 0):
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(flat(weights).astype(np.float64))[:, None])
            theirs.update_parameters(layer)
    ours = jax.tree.map(lambda x: np.asarray(x)[lane], averaged[kind].latest().parameters["model"])
    np.testing.assert_allclose(flat(ours), theirs.module.weight.detach().numpy()[:, 0], rtol=1e-5, atol=1e-6)


def test_swa_is_the_mean_of_the_ends_of_the_epochs(plain, averaged):
    path, per_epoch = plain
    ends = [flat(weights).astype(np.float64) for weights in path[per_epoch - 1 :: per_epoch]]
    for lane, begin in enumerate((0, 2)):
        ours = jax.tree.map(lambda x, i=lane: np.asarray(x)[i], averaged["swa"].latest().parameters["model"])
        np.testing.assert_allclose(flat(ours), np.mean(ends[begin:], 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_the_average_is_what_is_measured_after_each_epoch_and_selected(kind, plain, averaged):
    """Of the last epoch, too: its own weights are in the average that its row measures."""
    made = averaged[kind]
    metrics, _ = made.evaluate(made.latest())
    for lane in (0, 1):
        last = made.rows[lane - 2]
        assert last["epoch"] == EPOCHS
        assert last["validation/loss"] == pytest.approx(float(metrics["validation/loss"][lane]), rel=1e-5)
        if int(made.state.best.epoch[lane]) == EPOCHS:
            selected, latest = (jax.tree.map(lambda x, i=lane: np.asarray(x)[i], v) for v in
                                (made.selected()[0], made.latest()))  # fmt: skip
            np.testing.assert_array_equal(flat(selected), flat(latest))
    before, after = made.rows[2], made.rows[3]  # epoch 2: the one lane averages, the other not yet
    assert before["epoch"] == after["epoch"] == 2
    assert before["validation/loss"] != after["validation/loss"]
