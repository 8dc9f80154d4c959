"""Dropout: set random hidden units to zero in training."""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Rate, component
from regexp.core.lazy import jnp
from regexp.core.prng import drop_mask
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float, Scalar
from regexp.regularizers.base import Regularizer, Site, matching, present


@component
class Dropout(Regularizer):
    """inverted: h' = m h / (1 - r) in training, h at test; scaled: h' = m h in training, (1 - r) h in evaluation.

    m is 0 with probability r, drawn per example and unit after each nonlinearity.

    rate: r = P(drop) of a hidden unit, in [0, 1); 0 is off
    input_rate: P(drop) of an input, in [0, 1); 0 is off; null (default) is off without any cost
    layers: rates by layer name pattern, e.g. {"conv_*": 0.1}; the longest match applies, other layers use `rate`
    mode: inverted (default) or scaled; both have the same expectation
    spatial: true drops entire channels of an image's activations

    Convention: in the literature p is either the keep or the drop probability; `rate` is always P(drop).
    Source: Srivastava et al. 2014; spatial: Tompson et al. 2015.
    """

    lecture = {"mode": "scaled"}
    neutral = {"rate": 0.0}
    rate: Rate = 0.5
    input_rate: Rate | None = None
    layers: dict[str, Rate] | None = None
    mode: Literal["inverted", "scaled"] = "inverted"
    spatial: bool = False

    def conflicts(self, experiment: Any) -> list[Problem]:
        model = experiment.model
        if self.input_rate is None and not model.has_hidden():
            message = f"the model {model.name} has no hidden units to drop; inputs are dropped by dropout.input_rate"
            return [Problem(message)]
        if self.spatial and not model.images_only:
            message = f"spatial drops channels; the model {model.name} has none, so units are dropped one by one"
            return [Problem(message, "warning")]
        return []

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        rate = self.rate_at(site)
        if rate is None:
            return x
        keep = jnp.asarray(1 - rate, x.dtype)
        if not site.random:
            return x if self.mode == "inverted" else x * keep
        whole_channels = self.spatial and x.ndim == 4
        shape = (x.shape[0], 1, 1, x.shape[3]) if whole_channels else x.shape
        scale = 1 / keep if self.mode == "inverted" else jnp.ones((), x.dtype)
        return jnp.where(drop_mask(present(site.key), rate, shape), jnp.zeros((), x.dtype), x * scale)

    def rate_at(self, site: Site) -> Scalar | None:
        """Return P(drop) at a site, or None where dropout does not act."""
        if site.kind == "input":
            return self.input_rate
        return matching(self.layers, site.layer, self.rate) if site.kind == "post" else None
