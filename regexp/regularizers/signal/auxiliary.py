"""A second task on the shared trunk."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import numpy as np

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jnp
from regexp.regularizers.base import Array, Regularizer, Site
from regexp.regularizers.signal.reconstruction import head_errors, head_variables, reconstruction_errors


@component
class Auxiliary(Regularizer):
    """loss + a |t - (h W + b)|^2/k: another head on the last hidden layer h; all layers below are shared.

    weight: a >= 0; 0 is off
    head: what t, of k numbers, is: the inputs, as the network sees them after preprocessing (reconstruction, default),
        or the columns that dataset.extra names, standardised on the training split (extra)

    Convention: the mean over the k numbers, so that `weight` suits any k. A missing extra target costs nothing; k
    counts those that are there. The head is trained along and dropped at test. `loss/data` contains its part.
    Source: Caruana, Multitask learning, 1997; Goodfellow et al., Deep Learning, 2016, 7.7.
    """

    neutral = {"weight": 0.0}
    weight: NonNegative = 0.1
    head: Literal["reconstruction", "extra"] = "reconstruction"

    def conflicts(self, experiment: Any) -> list[str]:
        found = [] if experiment.model.has_hidden() else ["auxiliary needs a hidden layer; the model has none"]
        if self.head == "extra" and not getattr(experiment.dataset, "extra", ()):
            found.append("auxiliary.head extra needs dataset.extra, the names of columns of a csv dataset")
        return found

    def prepare(self, data: Any, split: Any, generator: Any) -> dict[str, Any]:
        """(n, k) extra targets, standardised on the training rows that have them, NaN where missing."""
        if self.head == "reconstruction":
            return {}
        train = np.ma.masked_invalid(data.extra[split.train].astype(np.float64))
        mean, scale = train.mean(0).filled(0.0), train.std(0).filled(1.0)
        return {"targets": ((data.extra - mean) / np.where(scale > 0, scale, 1.0)).astype(np.float32)}

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
        if not site.last:
            return {}, {}
        targets = site.inputs if self.head == "reconstruction" else self._targets(site)
        return head_variables(site.key, shape, prod(targets.shape[1:])), {}

    def transform_activation(self, x: Array, site: Site) -> Array:
        if site.parameters and site.mode == "train":
            errors = reconstruction_errors(x, site) if self.head == "reconstruction" else self._extra_errors(x, site)
            site.losses = self.weight * errors
        return x

    def _extra_errors(self, x: Array, site: Site) -> Array:
        return head_errors(x, site.parameters, self._targets(site)[site.batch.rows])  # type: ignore[union-attr]

    def _targets(self, site: Site) -> Array:
        return jnp.asarray(site.batch.own[self.name]["targets"])  # type: ignore[union-attr]
