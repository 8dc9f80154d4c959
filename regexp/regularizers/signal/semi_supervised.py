"""Few labels, and the other examples without theirs."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import numpy as np

from regexp.core.component import Count, Fraction, NonNegative, component
from regexp.core.errors import DataError
from regexp.core.lazy import jax, jnp
from regexp.regularizers.base import Array, Batch, Regularizer, Site
from regexp.regularizers.signal.reconstruction import head_variables, reconstruction_errors


@component
class SemiSupervised(Regularizer):
    """Only n training examples of each class keep their label; the loss is the mean over those of a batch, plus

    pseudo_label: a(t) times the mean over the others of cross entropy with the likeliest class, where its probability
    is above the threshold; a(t) rises from 0 to `weight` over `warmup` epochs
    autoencoder: for `warmup` epochs a head on the last hidden layer reconstructs all inputs, and nothing else is
    trained by the loss (penalties act throughout); then the classifier learns from the labelled examples alone

    labels: n >= 1, labels kept for each class, drawn by seed
    method: pseudo_label (default) or autoencoder
    weight: of the unlabelled examples' loss, >= 0; 0 trains on the labelled alone
    threshold: probability above which a pseudo label counts, in [0, 1]; 0: always (Lee), 1: never
    warmup: epochs, >= 0; 0: pseudo labels have their whole weight at once, the autoencoder none

    Convention: metrics are measured with all true labels; training never sees those that were taken away. Pseudo labels
    are made anew at every step, without FixMatch's two augmentations.
    Source: Lee, Pseudo-label, 2013; Sohn et al., FixMatch, 2020 (threshold); Bengio et al. 2007 (autoencoder).
    """

    classification_only = True
    labels: Count = 10
    method: Literal["pseudo_label", "autoencoder"] = "pseudo_label"
    weight: NonNegative = 1.0
    threshold: Fraction = 0.95
    warmup: NonNegative = 10.0

    def conflicts(self, experiment: Any) -> list[str]:
        methods = {method.name: method for method in experiment.regularizers}
        found = [f"{name} would mix labels that were taken away into the batch" for name in ("mixup", "cutmix")
                 if name in methods]  # fmt: skip
        found += [f"{name} gives each member other training rows, so each would keep other labels"
                  for name, method in methods.items() if method.resamples]  # fmt: skip
        monitors = [experiment.training.monitor, *(getattr(method, "monitor", None) for method in methods.values())]
        found += [f"warning: {monitor} selects by labels that were taken away"
                  for monitor in dict.fromkeys(monitors) if monitor and monitor.startswith("train/")]  # fmt: skip
        if self.method == "autoencoder":
            if not experiment.model.has_hidden():
                found.append("the autoencoder needs a hidden layer; the model has none")
            if experiment.training.epochs <= self.warmup:
                found.append(
                    f"training.epochs {experiment.training.epochs} ends the run within the {self.warmup:g} epochs of "
                    "the autoencoder, in which no classifier is trained"
                )
            stop = methods.get("early_stopping")
            if stop is not None and stop.patience <= self.warmup:
                found.append(
                    f"early_stopping.patience {stop.patience} ends the run within the {self.warmup:g} epochs of the "
                    "autoencoder, in which no classifier is trained"
                )
        return found

    def prepare(self, data: Any, split: Any, generator: Any) -> dict[str, Any]:
        """(n,) 1 for the training rows that keep their label, else 0. Raises DataError where a class has too few."""
        labelled = np.zeros(len(data.targets), np.float32)
        rows = generator.permutation(split.train)
        for k, name in enumerate(data.classes):
            own = rows[data.targets[rows] == k]
            if len(own) < self.labels:
                message = f"semi_supervised wants {self.labels} labels of class {name!r}, which has {len(own)}"
                raise DataError(message, "regularizers.semi_supervised.labels")
            labelled[own[: self.labels]] = 1
        return {"labelled": labelled}

    def transform_losses(self, losses: Array, outputs: Array, batch: Batch) -> Array:
        labelled = batch.own[self.name]["labelled"][batch.rows]
        supervised = _mean_over(losses, labelled)
        if self.method == "autoencoder":
            return jnp.where(batch.epoch < self.warmup, 0.0, 1.0) * supervised
        probabilities = jax.nn.softmax(jax.lax.stop_gradient(outputs))
        sure = (jnp.max(probabilities, -1) > self.threshold).astype(losses.dtype)
        guess = jax.nn.one_hot(jnp.argmax(probabilities, -1), outputs.shape[-1], dtype=losses.dtype)
        against = -jnp.sum(guess * jax.nn.log_softmax(outputs), -1)
        ramp = jnp.minimum(batch.epoch / jnp.maximum(self.warmup, 1e-6), 1.0)
        return supervised + self.weight * ramp * _mean_over(sure * against, 1 - labelled)

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
        wanted = self.method == "autoencoder" and site.last
        return (head_variables(site.key, shape, prod(site.inputs.shape[1:])) if wanted else {}), {}

    def transform_activation(self, x: Array, site: Site) -> Array:
        if site.parameters and site.batch is not None:
            site.losses = jnp.where(site.batch.epoch < self.warmup, 1.0, 0.0) * reconstruction_errors(x, site)
        return x


def _mean_over(losses: Array, chosen: Array) -> Array:
    """(B,) whose mean is the mean of the losses chosen; 0 where none is."""
    return losses * chosen * (losses.shape[0] / jnp.maximum(jnp.sum(chosen), 1.0))
