"""When to stop: Keras' callback on the same scores."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from regexp.regularizers.loop.early_stopping import EarlyStopping


def ours(scores, **fields):
    """The epoch after which training ends, from 1; None where it never does."""
    method = EarlyStopping(**fields)
    memory = method.start_memory(None)
    for epoch, score in enumerate(scores, 1):
        memory, stop = method.after_epoch(memory, np.float32(score), None, epoch, len(scores))
        if stop:
            return epoch
    return None


def keras_epoch(scores, patience, min_delta):
    keras = pytest.importorskip("keras", reason="the oracle: pip install '.[bench]'")
    callback = keras.callbacks.EarlyStopping("loss", min_delta=min_delta, patience=patience, mode="min")
    model = SimpleNamespace(stop_training=False)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, score in enumerate(scores):
        callback.on_epoch_end(epoch, {"loss": np.float32(score)})
        if model.stop_training:
            return epoch + 1
    return None


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("min_delta", [0.0, 0.1])
def test_it_stops_where_keras_does(patience, min_delta, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    generator = np.random.default_rng(0)
    found = set()
    for _ in range(60):
        scores = np.linspace(4, generator.uniform(0, 4), 30) + 0.1 * generator.normal(size=30)
        epoch = ours(scores, patience=patience, min_delta=min_delta)
        assert epoch == keras_epoch(scores, patience, min_delta)
        found.add(epoch)
    assert len(found) > 3


@pytest.mark.parametrize(
    ("scores", "fields", "epoch"),
    [
        ([3, 2, 2, 2, 2], {"patience": 2}, 4),  # an equal score is no improvement
        ([3, 2, 2.5, 1, 1.5, 1.6], {"patience": 2}, 6),  # each improvement begins a new count
        ([5, 4.5, 3.9, 3.5, 3.2], {"patience": 2, "min_delta": 1}, 5),  # two steps together are one improvement
        ([5, 4.5, 4.5, 4.5, 4.5], {"patience": 3, "min_delta": 1}, 4),
        ([1, np.inf, np.inf], {"patience": 2}, 3),  # what is not finite is the worst
    ],
)
def test_by_hand(scores, fields, epoch):
    assert ours(scores, **fields) == epoch
