"""A second task on the shared trunk."""

from __future__ import annotations

from typing import Any, Literal

from regexp.component import NonNegative, component
from regexp.regularizers.base import Array, Regularizer, Site
from regexp.regularizers.signal.reconstruction import head_variables, reconstruction_errors


@component
class Auxiliary(Regularizer):
    """loss + a |x - (h W + b)|^2/D: another head on the last hidden layer h; all layers below are shared.

    weight: a >= 0; 0 is off
    head: reconstruction of the D inputs, as the network sees them after preprocessing

    The head is trained along and dropped at test. `loss/data` contains its part.
    Source: Caruana, Multitask learning, 1997; Goodfellow et al., Deep Learning, 2016, 7.7.
    """

    neutral = {"weight": 0.0}
    weight: NonNegative = 0.1
    head: Literal["reconstruction"] = "reconstruction"

    def conflicts(self, experiment: Any) -> list[str]:
        return ["auxiliary needs a hidden layer; the model has none"] if not experiment.model.has_hidden() else []

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
        return (head_variables(site, shape) if site.last else {}), {}

    def transform_activation(self, x: Array, site: Site) -> Array:
        if site.parameters and site.mode == "train":
            site.losses = self.weight * reconstruction_errors(x, site)
        return x
