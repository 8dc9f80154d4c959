"""What a key accepts, short enough for a list: `[0, 1)`, `integer >= 1`, `relu|tanh`. In words: config/describe.py."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from regexp.config.build import CATALOGUES
from regexp.core.component import Component

LARGEST = 2**31 - 1


def accepted(annotation: Any) -> str:
    """The values of a field's annotation."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _interval(arguments[0], arguments[1:])
    if origin in (typing.Union, types.UnionType):
        leaves_first = sorted(arguments, key=lambda option: (_is_component(option), option is type(None)))
        return " or ".join(accepted(option) for option in leaves_first)
    if origin is Literal:
        return "|".join(str(value) for value in arguments)
    if origin is tuple:
        return f"list of {accepted(arguments[0])}"
    if origin is dict:
        return f"layer: {accepted(arguments[1])}"
    if _is_component(annotation):
        return CATALOGUES[annotation].kind if annotation in CATALOGUES else "mapping"
    return {int: "integer", float: "number", bool: "true|false", str: "text", type(None): "null"}[annotation]


def _is_component(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Component)


def _interval(base: Any, marks: tuple[Any, ...]) -> str:
    low: Any = next((m for m in marks if isinstance(m, Ge | Gt)), None)
    high: Any = next((m for m in marks if isinstance(m, Le | Lt)), None)
    if low is None and high is None:
        return accepted(base)
    least: Any = getattr(low, "ge", getattr(low, "gt", "-inf"))
    most: Any = getattr(high, "le", getattr(high, "lt", "inf"))
    if base is int and isinstance(low, Ge):
        return f"integer >= {least}" + ("" if most in ("inf", LARGEST) else f", <= {most}")
    return f"{'[' if isinstance(low, Ge) else '('}{least}, {most}{']' if isinstance(high, Le) else ')'}"
