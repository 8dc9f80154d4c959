"""Train a second task on the shared hidden layers."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import numpy as np

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Arrays, Examples, Parts, Regularizer, Site, present
from regexp.regularizers.signal.reconstruction import head_errors, head_variables, reconstruction_errors


@component
class Auxiliary(Regularizer):
    """loss + a |t - (h W + b)|^2/k: a second head on the last hidden layer h; all layers below are shared.

    weight: a >= 0; 0 is off
    head: the k targets t: the preprocessed inputs (reconstruction, default), or the columns listed in dataset.extra,
        standardised on the training split (extra)

    Convention: the error is a mean over the k targets, so that `weight` suits any k; missing extra targets are left out
    of it. The head is trained with the network and unused in evaluation. `loss/data` includes its term.
    Source: Caruana, Multitask learning, 1997; Goodfellow et al., Deep Learning, 2016, 7.7.
    """

    neutral = {"weight": 0.0}
    weight: NonNegative = 0.1
    head: Literal["reconstruction", "extra"] = "reconstruction"

    def conflicts(self, experiment: Any) -> list[Problem]:
        problems = []
        if not experiment.model.has_hidden():
            problems.append(Problem("auxiliary needs a hidden layer; the model has none"))
        if self.head == "extra" and not getattr(experiment.dataset, "extra", ()):
            message = "auxiliary.head extra needs dataset.extra, the names of columns of a csv dataset"
            problems.append(Problem(message))
        return problems

    def prepare(self, data: Examples, split: Parts, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return extra targets (n, k), standardised on the training rows that have them, NaN where missing."""
        if self.head == "reconstruction" or data.extra is None:
            return {}
        train = np.ma.masked_invalid(data.extra[split.train].astype(np.float64))
        mean, scale = train.mean(0).filled(0.0), train.std(0).filled(1.0)
        return {"targets": ((data.extra - mean) / np.where(scale > 0, scale, 1.0)).astype(np.float32)}

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[Arrays, Arrays]:
        if not site.last:
            return {}, {}
        targets = present(site.inputs) if self.head == "reconstruction" else self._targets(site)
        return head_variables(present(site.key), shape, prod(targets.shape[1:])), {}

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        if site.parameters and site.mode == "train":
            errors = reconstruction_errors(x, site) if self.head == "reconstruction" else self._extra_errors(x, site)
            site.losses = self.weight * errors
        return x

    def _extra_errors(self, x: Float[Array, "batch ..."], site: Site) -> Float[Array, " batch"]:
        return head_errors(x, site.parameters, self._targets(site)[present(site.batch).rows])

    def _targets(self, site: Site) -> Float[Array, "n targets"]:
        return jnp.asarray(present(site.batch).constants[self.name]["targets"])
