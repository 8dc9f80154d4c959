"""What is searched: parameters with their scales, and a setting put into an experiment.

A setting is a plain mapping, path -> number, or for a choice its text (JSON), or for an optional method true or false.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from regexp.experiment import Experiment

Scale = Literal["log", "linear", "int", "choice", "optional"]
Setting = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One searched value.

    low, high: of a range, both ends included
    limits: what widening never leaves; `open`: whether each of them is itself outside
    choices: of a choice, its texts still in the search; of an optional method, of (False, True)
    values: text -> the built value, of a choice
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
        """Whether it has a low and a high end."""
        return self.scale in ("log", "linear", "int")

    @property
    def method(self) -> str | None:
        """The regularizer it belongs to."""
        head, _, rest = self.path.partition(".")
        return rest.partition(".")[0] if head == "regularizers" else None

    def to_scale(self, value: float) -> float:
        """The value where distances are even."""
        return math.log(value) if self.scale == "log" else float(value)

    def from_scale(self, place: float) -> float:
        """The way back, as a number that is short to write and inside the range."""
        if self.scale == "int":
            return min(max(round(place), int(self.low)), int(self.high))
        exact = math.exp(place) if self.scale == "log" else place
        return min(max(float(f"{exact:.6g}"), self.low), self.high)

    def at(self, share: float) -> Any:
        """The value at a share in [0, 1) of the range."""
        if not self.is_range:
            return self.choices[int(share * len(self.choices))]
        if self.scale == "int":
            return int(self.low) + int(share * (int(self.high) - int(self.low) + 1))
        low, high = self.to_scale(self.low), self.to_scale(self.high)
        return self.from_scale(low + share * (high - low))

    def levels(self, count: int) -> list[Any]:
        """So many values, even in the scale, ends included; a single one is the middle. All of a choice."""
        if not self.is_range:
            return list(self.choices)
        low, high = self.to_scale(self.low), self.to_scale(self.high)
        places = [(low + high) / 2] if count == 1 else [low + (high - low) * i / (count - 1) for i in range(count)]
        return list(dict.fromkeys(self.from_scale(place) for place in places))

    def count(self) -> float:
        """The number of its values; infinite for a range of real numbers."""
        if not self.is_range:
            return len(self.choices)
        if self.scale == "int":
            return int(self.high) - int(self.low) + 1
        return math.inf if self.high > self.low else 1

    def __str__(self) -> str:
        """`1e-05..0.1`, `in or out`, `[128, 128] or [256, 256]`."""
        if self.is_range:
            return f"{self.low:.4g}..{self.high:.4g}"
        return " or ".join({True: "in", False: "out"}.get(c, c) for c in reversed(self.choices))


@dataclass(frozen=True)
class Space:
    """The parameters, and the experiment whose values they replace (with every method that they name)."""

    parameters: tuple[Parameter, ...]
    base: Experiment

    def __iter__(self) -> Any:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def narrowed(self, parameters: Sequence[Parameter]) -> Space:
        """The same with other ranges."""
        return replace(self, parameters=tuple(parameters))

    def active(self, parameter: Parameter, setting: Mapping[str, Any]) -> bool:
        """Whether a parameter means anything in a setting: its method is in."""
        return bool(setting.get(f"regularizers.{parameter.method}", True)) or parameter.scale == "optional"

    def active_part(self, setting: Mapping[str, Any]) -> Setting:
        """The setting without the values of methods that are out, which change nothing."""
        return {p.path: setting[p.path] for p in self.parameters if p.path in setting and self.active(p, setting)}

    def key(self, setting: Mapping[str, Any]) -> str:
        """The same text for settings that train the same network."""
        return json.dumps(self.active_part(setting), sort_keys=True)

    def size(self) -> float:
        """The number of different settings; infinite where a parameter is continuous.

        The values of a method that may be out count once for all settings without it.
        """
        counts = {p.path: p.count() for p in self.parameters}
        methods = {p.method for p in self.parameters if p.scale == "optional"}
        size = math.prod(counts[p.path] for p in self.parameters if p.method not in methods)
        for method in methods:
            choices = next(p.choices for p in self.parameters if p.scale == "optional" and p.method == method)
            inside = math.prod(counts[p.path] for p in self.parameters if p.method == method and p.scale != "optional")
            size *= sum(inside if choice else 1 for choice in choices)
        return size

    def experiment(self, setting: Mapping[str, Any], epochs: int, as_file: bool = False) -> Experiment:
        """The experiment of a setting.

        A method that is out has the values at which it does nothing, so that it is no other program; it is left out
        where there are none, and `as_file`. Values of such a method may be missing from the setting.
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
        kept = tuple(m for m in methods if m is not None)
        return replace(experiment, regularizers=kept, training=training)


def _neutral(method: Any, as_file: bool) -> Any:
    return None if as_file or not method.neutral else replace(method, **method.neutral)


def _put(part: Any, keys: Sequence[str], value: Any) -> Any:
    """`part` with the value at a path; regularizers are found by their names."""
    if not keys:
        return value
    if isinstance(part, tuple):
        return tuple(_put(m, keys[1:], value) if m.name == keys[0] else m for m in part)
    return replace(part, **{keys[0]: _put(getattr(part, keys[0]), keys[1:], value)})


def ranges_of(space: Space) -> dict[str, list[Any]]:
    """As JSON: {path: [low, high]}, or what is left of a choice."""
    return {p.path: [p.low, p.high] if p.is_range else list(p.choices) for p in space}


def with_ranges(space: Space, ranges: Mapping[str, Sequence[Any]]) -> Space:
    """The way back from `ranges_of`."""
    return space.narrowed([
        replace(p, low=ranges[p.path][0], high=ranges[p.path][1]) if p.is_range
        else replace(p, choices=tuple(ranges[p.path]))
        for p in space
    ])  # fmt: skip
