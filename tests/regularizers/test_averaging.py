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

pytestmark = pytest.mark.slow  # each average trains beside its plain run

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
    """(kind, start) -> trained; another start is another value of the same program."""
    return {
        (kind, begin): train(setting(WeightAveraging(kind=kind, decay=DECAY, start=float(begin))), table())
        for kind in ("ema", "swa")
        for begin in (0, 2)
    }


def average(made):
    return flat(made.latest().parameters["model"])


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_training_itself_is_untouched(kind, plain, averaged):
    for begin in (0, 2):
        ours = averaged[kind, begin].state.variables.parameters["model"]
        np.testing.assert_array_equal(flat(ours), flat(plain[0][-1]))
        assert not np.allclose(average(averaged[kind, begin]), flat(ours), rtol=1e-3)


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("begin", [0, 2])
def test_the_average_is_torchs(kind, begin, plain, averaged):
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
    found = theirs.module.weight.detach().numpy()[:, 0]
    np.testing.assert_allclose(average(averaged[kind, begin]), found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("begin", [0, 2])
def test_swa_is_the_mean_of_the_ends_of_the_epochs(begin, plain, averaged):
    path, per_epoch = plain
    ends = [flat(weights).astype(np.float64) for weights in path[per_epoch - 1 :: per_epoch]]
    np.testing.assert_allclose(average(averaged["swa", begin]), np.mean(ends[begin:], 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_the_average_is_what_is_measured_after_each_epoch_and_selected(kind, averaged):
    """Of the last epoch, too: its own weights are in the average that its row measures."""
    early, late = averaged[kind, 0], averaged[kind, 2]
    for made in (early, late):
        metrics, _ = made.evaluate(made.latest())
        assert made.rows[-1]["epoch"] == EPOCHS
        assert made.rows[-1]["validation/loss"] == pytest.approx(float(metrics["validation/loss"][0]), rel=1e-5)
        selected, _ = made.evaluate(made.selected()[0])
        best = made.rows[int(made.state.best.epoch[0]) - 1]
        assert best["validation/loss"] == pytest.approx(float(selected["validation/loss"][0]), rel=1e-5)
    assert early.rows[1]["validation/loss"] != late.rows[1]["validation/loss"]  # the one averages, the other not yet
