"""configs/quickstart.yaml as a script that one would write with Keras on JAX; prints the mean test accuracy."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from benchmarks.peers.quickstart_data import (
    BATCH,
    DROPOUT,
    EPOCHS,
    HIDDEN,
    INPUT_DROPOUT,
    L2,
    LEARNING_RATE,
    PATIENCE,
    SEEDS,
    SMOOTHING,
    parts,
)


def train(seed: int) -> float:
    """Return the test accuracy at the epoch with the least validation loss."""
    keras.utils.set_random_seed(seed)
    train_part, validation, test = ((inputs, keras.utils.to_categorical(labels, 10)) for inputs, labels in parts(seed))
    penalty = keras.regularizers.L2(0.5 * L2)
    layers = [keras.layers.Input((64,)), keras.layers.Dropout(INPUT_DROPOUT)]
    for units in HIDDEN:
        layers.append(keras.layers.Dense(units, "relu", kernel_initializer="he_normal", kernel_regularizer=penalty))
        layers.append(keras.layers.Dropout(DROPOUT))
    model = keras.Sequential([*layers, keras.layers.Dense(10, kernel_regularizer=penalty)])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    model.fit(*train_part, batch_size=BATCH, epochs=EPOCHS, validation_data=validation, callbacks=[stopping], verbose=0)
    return float(model.evaluate(*test, verbose=0, return_dict=True)["accuracy"])


if __name__ == "__main__":
    print(sum(map(train, SEEDS)) / len(SEEDS))
