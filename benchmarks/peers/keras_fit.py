"""Keras 3 on JAX: `fit` with `steps_per_execution` tuned (50 was the fastest of 1, 10, 50, 200 on mlp256)."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras import layers

from benchmarks.cases import Case, arrays


def prepare(case: Case) -> Callable[[], int]:
    """A function that trains `case.steps` steps per lane and returns how many that were in all."""
    x, y = arrays(case)
    x = x.astype("float32") / 255 if x.dtype == "uint8" else x
    steps_per_epoch = min(case.steps, len(x) // case.batch)
    x, y = x[: steps_per_epoch * case.batch], y[: steps_per_epoch * case.batch]
    nets = [_compiled(case, x.shape[1:]) for _ in range(case.lanes)]

    def run() -> int:
        epochs = max(1, case.steps // steps_per_epoch)
        for net in nets:
            net.fit(x, y, batch_size=case.batch, epochs=epochs, verbose=0)
        return epochs * steps_per_epoch * case.lanes

    return run


def _compiled(case: Case, shape: tuple[int, ...]) -> keras.Model:
    penalty = keras.regularizers.L2(case.l2 / 2)
    net = keras.Sequential([keras.Input(shape)])
    for filters in case.filters:
        net.add(layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_regularizer=penalty))
        net.add(layers.MaxPooling2D(2))
        net.add(layers.Dropout(case.dropout))
    net.add(layers.Flatten())
    for units in case.hidden:
        net.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        net.add(layers.Dropout(case.dropout))
    net.add(layers.Dense(10, kernel_regularizer=penalty))
    net.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=50,
    )
    return net
