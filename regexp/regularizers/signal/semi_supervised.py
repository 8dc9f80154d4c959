"""Train on few labels and use the remaining examples without theirs."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import numpy as np

from regexp.core.component import Count, Fraction, NonNegative, component
from regexp.core.errors import DataError
from regexp.core.lazy import jax, jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Arrays, Batch, Examples, Parts, Regularizer, Site, present
from regexp.regularizers.signal.reconstruction import head_variables, reconstruction_errors


@component
class SemiSupervised(Regularizer):
    """Only n training examples of each class keep their label; the loss is the mean over those of a batch, plus

    pseudo_label: a(t) times the mean over the others of cross entropy with the likeliest class, where its probability
    is above the threshold; a(t) rises from 0 to `weight` over `warmup` epochs
    autoencoder: for `warmup` epochs a head on the last hidden layer reconstructs all inputs, and nothing else is
    trained by the loss (penalties always act); then the classifier learns from the labelled examples alone

    labels: n >= 1, labelled examples per class, drawn by seed
    method: pseudo_label (default) or autoencoder
    weight: weight of the unlabelled examples' loss, >= 0; 0 trains only on the labelled ones
    threshold: probability above which a pseudo label is used, in [0, 1]; 0: always (Lee), 1: never
    warmup: epochs, >= 0; 0 gives pseudo labels their full weight from the start and skips the autoencoder

    Convention: metrics use all true labels; training never uses the removed ones. Pseudo labels are computed at every
    step, without FixMatch's two augmentations.
    Source: Lee, Pseudo-label, 2013; Sohn et al., FixMatch, 2020 (threshold); Bengio et al. 2007 (autoencoder).
    """

    classification_only = True
    labels: Count = 10
    method: Literal["pseudo_label", "autoencoder"] = "pseudo_label"
    weight: NonNegative = 1.0
    threshold: Fraction = 0.95
    warmup: NonNegative = 10.0

    def conflicts(self, experiment: Any) -> list[Problem]:
        methods = {method.name: method for method in experiment.regularizers}
        mixing = [name for name in ("mixup", "cutmix") if name in methods]
        problems = [Problem(f"{name} would mix labels that were taken away into the batch") for name in mixing]
        problems += [
            Problem(f"{name} gives each member other training rows, so each would keep other labels")
            for name, method in methods.items()
            if method.resamples
        ]
        monitors = [experiment.training.monitor, *(getattr(method, "monitor", None) for method in methods.values())]
        problems += [
            Problem(f"{monitor} selects by labels that were taken away", "warning")
            for monitor in dict.fromkeys(monitors)
            if monitor and monitor.startswith("train/")
        ]
        return problems + (self._autoencoder_conflicts(experiment, methods) if self.method == "autoencoder" else [])

    def _autoencoder_conflicts(self, experiment: Any, methods: dict[str, Any]) -> list[Problem]:
        problems = []
        within = f"ends the run within the {self.warmup:g} epochs of the autoencoder, in which no classifier is trained"
        if not experiment.model.has_hidden():
            problems.append(Problem("the autoencoder needs a hidden layer; the model has none"))
        if experiment.training.epochs <= self.warmup:
            problems.append(Problem(f"training.epochs {experiment.training.epochs} {within}"))
        stop = methods.get("early_stopping")
        if stop is not None and stop.patience <= self.warmup:
            problems.append(Problem(f"early_stopping.patience {stop.patience} {within}"))
        return problems

    def prepare(self, data: Examples, split: Parts, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return an array (n,), 1 for the labelled training rows, else 0. Raises DataError if a class has too few."""
        labelled = np.zeros(len(data.targets), np.float32)
        rows = generator.permutation(split.train)
        for k, name in enumerate(data.classes):
            class_rows = rows[data.targets[rows] == k]
            if len(class_rows) < self.labels:
                message = f"semi_supervised needs {self.labels} labels of class {name!r}, which has {len(class_rows)}"
                raise DataError(message, "regularizers.semi_supervised.labels")
            labelled[class_rows[: self.labels]] = 1
        return {"labelled": labelled}

    def transform_losses(
        self, losses: Float[Array, " batch"], outputs: Float[Array, "batch outputs"], batch: Batch
    ) -> Float[Array, " batch"]:
        labelled = batch.constants[self.name]["labelled"][batch.rows]
        supervised = _mean_over(losses, labelled)
        if self.method == "autoencoder":
            return jnp.where(batch.epoch < self.warmup, 0.0, 1.0) * supervised
        probabilities = jax.nn.softmax(jax.lax.stop_gradient(outputs))
        confident = (jnp.max(probabilities, -1) > self.threshold).astype(losses.dtype)
        pseudo_labels = jax.nn.one_hot(jnp.argmax(probabilities, -1), outputs.shape[-1], dtype=losses.dtype)
        cross_entropies = -jnp.sum(pseudo_labels * jax.nn.log_softmax(outputs), -1)
        ramp = jnp.minimum(batch.epoch / jnp.maximum(self.warmup, 1e-6), 1.0)
        return supervised + self.weight * ramp * _mean_over(confident * cross_entropies, 1 - labelled)

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[Arrays, Arrays]:
        if self.method != "autoencoder" or not site.last:
            return {}, {}
        return head_variables(present(site.key), shape, prod(present(site.inputs).shape[1:])), {}

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        if site.parameters and site.batch is not None:
            site.losses = jnp.where(site.batch.epoch < self.warmup, 1.0, 0.0) * reconstruction_errors(x, site)
        return x


def _mean_over(losses: Float[Array, " batch"], selected: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Return losses whose mean over the batch is the mean over the selected ones; 0 if none is selected."""
    return losses * selected * (losses.shape[0] / jnp.maximum(jnp.sum(selected), 1.0))
