"""Describe in words what a field accepts, for error messages, `regexp list` and `regexp show`."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, Lt

from regexp.config.catalogues import CATALOGUES
from regexp.core.component import Catalogue, Component, field_types


def describe(annotation: Any) -> str:
    """Describe an annotation: `a number at least 0 and below 1`, `one of relu, tanh`, `a list of whole numbers`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _with_range(arguments[0], arguments[1:])
    if origin in (typing.Union, types.UnionType):
        plain_first = sorted(arguments, key=lambda option: isinstance(option, type) and issubclass(option, Component))
        return " or ".join(describe(option) for option in plain_first)
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(str(a) for a in arguments)
    if origin is tuple and arguments[0] in CATALOGUES:
        return f"a list, each item {describe(arguments[0])}"
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)} {_plural(describe(arguments[0]))}"
    if origin is tuple:
        return f"a list of {_plural(describe(arguments[0]))}"
    if origin is dict:
        return f"a mapping of layer patterns to {_plural(describe(arguments[1]))}"
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return a_part(CATALOGUES[annotation]) if annotation in CATALOGUES else a_mapping(annotation)
    return {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        Any: "a value",
        type(None): "null",
    }[annotation]


def a_part(catalogue: Catalogue[Any]) -> str:
    """Describe a part of a catalogue: `the name of a schedule or a mapping`."""
    article = "an" if catalogue.kind[0] in "aeiou" else "a"
    return f"the name of {article} {catalogue.kind} or a mapping"


def a_mapping(cls: type) -> str:
    """Describe a component by its fields: `a mapping of n, by`."""
    return f"a mapping of {', '.join(field_types(cls))}"


def _with_range(base: Any, marks: tuple[object, ...]) -> str:
    words = []
    for mark in marks:
        if isinstance(mark, Ge):
            words.append(f"at least {mark.ge}")
        elif isinstance(mark, Gt):
            words.append(f"above {mark.gt}")
        elif isinstance(mark, Le) and mark.le == 2**31 - 1:
            words.append("below 2^31")
        elif isinstance(mark, Le):
            words.append(f"at most {mark.le}")
        elif isinstance(mark, Lt):
            words.append(f"below {mark.lt}")
        elif isinstance(mark, Len) and mark.min_length:
            words.append(f"{mark.min_length} or more of them")
    if len(words) == 1 and words[0].endswith("of them"):
        return f"{describe(base)}, {words[0]}"
    return " ".join([describe(base), " and ".join(words)]).strip()


def _plural(text: str) -> str:
    for singular, plural in (("a number", "numbers"), ("a whole number", "whole numbers"), ("a value", "values")):
        if text.startswith(singular):
            return plural + text.removeprefix(singular)
    return text
