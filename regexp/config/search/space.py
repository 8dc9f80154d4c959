"""The search space: parameters with their scales, and the experiment of a setting.

A setting maps each path to a number, for a choice to its text (JSON), or for an optional method to true or false.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from regexp.experiment import Experiment
from regexp.regularizers.base import Regularizer

Scale = Literal["log", "linear", "int", "choice", "optional"]
Setting = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One searched value.

    low, high: the ends of a range, both included
    limits: the interval that a widened range never leaves
    open: whether each limit is excluded from the interval
    choices: the choices still in the search: texts of a choice, or False and True of an optional method
    values: pairs of a choice's text and its value
    """

    path: str
    scale: Scale
    low: float = 0.0
    high: float = 0.0
    limits: tuple[float, float] = (-math.inf, math.inf)
    open: tuple[bool, bool] = (False, False)
    choices: tuple[Any, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def is_range(self) -> bool:
        """Whether the parameter is a range with a low and a high end."""
        return self.scale in ("log", "linear", "int")

    @property
    def method(self) -> str | None:
        """The name of the regularizer to which the parameter belongs; None outside regularizers."""
        head, _, rest = self.path.partition(".")
        return rest.partition(".")[0] if head == "regularizers" else None

    def to_scale(self, value: float) -> float:
        """Map a value to the scale on which the search is uniform."""
        return math.log(value) if self.scale == "log" else float(value)

    def from_scale(self, place: float) -> float:
        """Map a place on the scale back to a value, rounded to six digits and clipped to the range."""
        if self.scale == "int":
            return min(max(round(place), int(self.low)), int(self.high))
        exact = math.exp(place) if self.scale == "log" else place
        # Clipped after rounding: six digits may leave the range by a hair, and the range excludes invalid values.
        return min(max(float(f"{exact:.6g}"), self.low), self.high)

    def at(self, share: float) -> Any:
        """Return the value at a share in [0, 1) of the range."""
        if not self.is_range:
            return self.choices[int(share * len(self.choices))]
        if self.scale == "int":
            return int(self.low) + int(share * (int(self.high) - int(self.low) + 1))
        low, high = self.to_scale(self.low), self.to_scale(self.high)
        return self.from_scale(low + share * (high - low))

    def levels(self, count: int) -> list[Any]:
        """Return `count` values, evenly spaced on the scale with both ends; 1 gives the middle. A choice gives all."""
        if not self.is_range:
            return list(self.choices)
        low, high = self.to_scale(self.low), self.to_scale(self.high)
        places = [(low + high) / 2] if count == 1 else [low + (high - low) * i / (count - 1) for i in range(count)]
        return list(dict.fromkeys(self.from_scale(place) for place in places))

    def count(self) -> float:
        """Return the number of values; infinite for a range of real numbers."""
        if not self.is_range:
            return len(self.choices)
        if self.scale == "int":
            return int(self.high) - int(self.low) + 1
        return math.inf if self.high > self.low else 1

    def __str__(self) -> str:
        """Return the range or choices as text: `1e-05..0.1`, `in or out`, `[128, 128] or [256, 256]`."""
        if self.is_range:
            return f"{self.low:.4g}..{self.high:.4g}"
        return " or ".join({True: "in", False: "out"}.get(c, c) for c in reversed(self.choices))


@dataclass(frozen=True)
class Space:
    """The searched parameters, and the experiment whose values they replace.

    base: the experiment, with every method that a parameter names
    """

    parameters: tuple[Parameter, ...]
    base: Experiment

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def narrowed(self, parameters: Sequence[Parameter]) -> Space:
        """Return the space with other ranges of its parameters."""
        return replace(self, parameters=tuple(parameters))

    def active(self, parameter: Parameter, setting: Mapping[str, Any]) -> bool:
        """Return whether a parameter has an effect in a setting: the method it belongs to is in."""
        return bool(setting.get(f"regularizers.{parameter.method}", True)) or parameter.scale == "optional"

    def active_part(self, setting: Mapping[str, Any]) -> Setting:
        """Return the setting without the values of methods that are out, which have no effect."""
        return {p.path: setting[p.path] for p in self.parameters if p.path in setting and self.active(p, setting)}

    def key(self, setting: Mapping[str, Any]) -> str:
        """Return a text that is equal for settings that train the same network."""
        return json.dumps(self.active_part(setting), sort_keys=True)

    def size(self) -> float:
        """Return the number of different settings; infinite if a parameter is continuous.

        All values of a method that is out count as one setting.
        """
        # In or out multiplies the settings by (values of the method) + 1, not by twice its values.
        counts = {p.path: p.count() for p in self.parameters}
        methods = {p.method for p in self.parameters if p.scale == "optional"}
        size = math.prod(counts[p.path] for p in self.parameters if p.method not in methods)
        for method in methods:
            choices = next(p.choices for p in self.parameters if p.scale == "optional" and p.method == method)
            inside = math.prod(counts[p.path] for p in self.parameters if p.method == method and p.scale != "optional")
            size *= sum(inside if choice else 1 for choice in choices)
        return size

    def experiment(self, setting: Mapping[str, Any], epochs: int, as_file: bool = False) -> Experiment:
        """Return the experiment of a setting.

        A method that is out gets its neutral values, so that trials with and without it share one compiled program. It
        is removed if it has none, or if `as_file`. Its values may be missing from the setting.
        """
        experiment = self.base
        for parameter in self.parameters:
            if parameter.path not in setting and not self.active(parameter, setting):
                continue
            value = setting[parameter.path]
            if parameter.scale == "choice":
                value = dict(parameter.values)[value]
            if parameter.scale != "optional":
                experiment = _put(experiment, parameter.path.split("."), value)
        out = {p.method for p in self.parameters if p.scale == "optional" and not setting[p.path]}
        methods = [m if m.name not in out else _neutral(m, as_file) for m in experiment.regularizers]
        training = replace(experiment.training, epochs=epochs)
        regularizers = tuple(m for m in methods if m is not None)
        return replace(experiment, regularizers=regularizers, training=training)


def _neutral(method: Any, as_file: bool) -> Regularizer | None:
    """Return the method at its neutral values; None if it has none, or if it is removed for a file."""
    return None if as_file or not method.neutral else replace(method, **method.neutral)


def _put(part: Any, keys: Sequence[str], value: Any) -> Any:
    """Return `part` with the value at a path replaced; regularizers are addressed by their names."""
    if not keys:
        return value
    if isinstance(part, tuple):
        return tuple(_put(m, keys[1:], value) if m.name == keys[0] else m for m in part)
    return replace(part, **{keys[0]: _put(getattr(part, keys[0]), keys[1:], value)})


def ranges_of(space: Space) -> dict[str, list[Any]]:
    """Return the ranges as JSON values: {path: [low, high]}, or the remaining choices."""
    return {p.path: [p.low, p.high] if p.is_range else list(p.choices) for p in space}


def with_ranges(space: Space, ranges: Mapping[str, Sequence[Any]]) -> Space:
    """Return the space with the ranges that `ranges_of` returned."""
    return space.narrowed([
        replace(p, low=ranges[p.path][0], high=ranges[p.path][1]) if p.is_range
        else replace(p, choices=tuple(ranges[p.path]))
        for p in space
    ])  # fmt: skip
