"""Optuna's random sampler driving Keras 3 on JAX: a new model and `fit` for each trial."""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"

import keras
import optuna
from keras import layers

from benchmarks.searches import SEARCHES, Search, splits


def train(search: Search, arrays: tuple, setting: dict[str, float]) -> float:
    """Validation accuracy of one setting."""
    x, y, x_val, y_val = arrays
    keras.utils.set_random_seed(0)
    penalty = keras.regularizers.L2(setting["l2"] / 2)
    net = keras.Sequential([keras.Input(x.shape[1:])])
    for units in search.hidden:
        net.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        net.add(layers.Dropout(setting["dropout"]))
    net.add(layers.Dense(10, activation="softmax", kernel_regularizer=penalty))
    net.compile(
        optimizer=keras.optimizers.Adam(setting["rate"]),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=setting["smoothing"]),
        metrics=["accuracy"],
        steps_per_execution=10,
    )
    net.fit(x, keras.utils.to_categorical(y, 10), batch_size=search.batch, epochs=search.epochs, verbose=0)
    return float(net.evaluate(x_val, keras.utils.to_categorical(y_val, 10), verbose=0, return_dict=True)["accuracy"])


def main(search: Search) -> None:
    arrays = splits(search)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: train(search, arrays, search.suggest(trial)), n_trials=search.trials)
    print(study.best_value)


if __name__ == "__main__":
    main(SEARCHES[sys.argv[1]].sized(int(sys.argv[2])))
