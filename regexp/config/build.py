"""Build components from a tree of YAML values, by the annotations of their fields.

Problems are reported to the document and do not stop the build: one run over a config finds all of them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from regexp.config.catalogues import CATALOGUES
from regexp.config.describe import a_mapping, a_part, describe
from regexp.config.document import Document, Node, shown
from regexp.config.suggest import did_you_mean, unknown_key, unknown_name
from regexp.core.component import Catalogue, Component, field_types, in_lecture_form

FAILED = object()  # stands for a value that could not be built; None is a valid value


def build_fields(cls: type, node: Node, where: str, document: Document, skip: tuple[str, ...] = ()) -> Any:
    """Build a component from a mapping of its fields; return FAILED after reporting problems.

    where: the dotted path of the mapping
    skip: keys that are read elsewhere
    """
    if node.value is None:
        node = Node({}, node.line, node.column)
    if not isinstance(node.value, dict):
        _problem(document, node, f"{where} must be {a_mapping(cls)}, got {_shown_value(node)}")
        return FAILED
    annotations = field_types(cls)
    values = {}
    for key, child in node.value.items():
        if key in skip:
            continue
        if key not in annotations:
            document.report(node.keys[key], unknown_key(key, where, annotations))
            values[key] = FAILED
            continue
        path = f"{where}.{key}" if where else key
        values[key] = build(annotations[key], child, path, document)
    required = [
        f.name for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]  # fmt: skip
    for name in required:
        if name not in values:
            document.report(document.place(where), f"{where} needs {name}: {describe(annotations[name])}")
            values[name] = FAILED
    if FAILED in values.values():
        # With `dropped` set, the rest of the component is still checked, with its invalid fields at their defaults.
        if document.dropped is None or any(values.get(name) is FAILED for name in required):
            return FAILED
        document.dropped += [f"{where}.{key}" if where else key for key, value in values.items() if value is FAILED]
        values = {key: value for key, value in values.items() if value is not FAILED}
    return cls(**(_textbook(cls, values) | values if document.lecture else values))


def _textbook(cls: type, written: dict[str, Any]) -> dict[str, Any]:
    """Return the textbook's values of the fields that are not written in the config."""
    unwritten = {f.name: f.default for f in dataclasses.fields(cls) if f.name not in written}
    forms = {k: in_lecture_form(v) for k, v in unwritten.items() if isinstance(v, Component)}
    # A form that the class declares for its own field takes precedence over that of the part in it.
    return forms | {k: v for k, v in getattr(cls, "lecture", {}).items() if k in unwritten}


def build(annotation: Any, node: Node, where: str, document: Document) -> Any:
    """Build a value of any annotated type; return FAILED after reporting problems."""
    options = union_members(annotation)
    # Parts are built here and only leaves by pydantic, which does not know the place of a field.
    for option in options:
        if option in CATALOGUES and not (node.value is None and type(None) in options):
            return _build_part(CATALOGUES[option], node, where, document)
        if typing.get_origin(option) is tuple and typing.get_args(option)[0] in CATALOGUES:
            return _build_parts(CATALOGUES[typing.get_args(option)[0]], node, where, document)
        if is_component(option) and (isinstance(node.value, dict) or len(options) == 1):
            return build_fields(option, node, where, document)
    return _build_leaf(annotation, options, node, where, document)


def _build_part(catalogue: Catalogue[Any], node: Node, where: str, document: Document) -> Any:
    """Build a part of a catalogue from its name (`he`) or a mapping (`{name: normal, std: 0.1}`)."""
    if isinstance(node.value, str):
        name, place, fields = node.value, node, Node({}, node.line, node.column)
    elif isinstance(node.value, dict) and isinstance(getattr(node.value.get("name"), "value", None), str):
        name, place, fields = node.value["name"].value, node.value["name"], node
    elif isinstance(node.value, dict) and "name" in node.value:
        place = node.value["name"]
        _problem(document, place, f"{where}.name must be one of {', '.join(catalogue)}, got {_shown_value(place)}")
        return FAILED
    elif isinstance(node.value, dict):
        key, *more = node.value or ("",)
        remedy = f"write {{name: {key}, ...}}" if key in catalogue and not more else f"one of {', '.join(catalogue)}"
        _problem(document, node, f"{where} needs a name: {remedy}")
        return FAILED
    else:
        _problem(document, node, f"{where} must be {a_part(catalogue)}, got {_shown_value(node)}")
        return FAILED
    if name not in catalogue:
        _problem(document, place, unknown_name(name, catalogue))
        return FAILED
    return build_fields(catalogue[name], fields, where, document, skip=("name",))


def _build_parts(catalogue: Catalogue[Any], node: Node, where: str, document: Document) -> Any:
    """Build several parts: regularizers from a mapping of names to fields, in its order, other parts from a list."""
    if isinstance(node.value, tuple):
        parts = [_build_part(catalogue, item, where, document) for item in node.value]
        if catalogue.kind == "regularizer":
            _refuse_twice(parts, node, where, document)
        return _complete(parts, document)
    if node.value is None:
        return ()
    if catalogue.kind != "regularizer" or not isinstance(node.value, dict):
        form = "mapping" if catalogue.kind == "regularizer" else "list"
        _problem(document, node, f"{where} must be a {form} of {catalogue.kind} names, got {_shown_value(node)}")
        return FAILED
    # The order of the mapping is the order in which methods are composed.
    parts = [_build_method(catalogue, name, node, where, document) for name in node.value]
    return _complete(parts, document)


def _build_method(catalogue: Catalogue[Any], name: str, node: Node, where: str, document: Document) -> Any:
    """Build a regularizer from its fields, or from null or true with its defaults; return None for false."""
    child = node.value[name]
    if name not in catalogue:
        document.report(node.keys[name], unknown_name(name, catalogue))
        return FAILED
    if child.value is False:
        return None
    by_default = child.value is None or child.value is True
    fields = Node({}, child.line, child.column) if by_default else child
    return build_fields(catalogue[name], fields, f"{where}.{name}", document)


def _complete(parts: list[Any], document: Document) -> Any:
    """Return the parts, or FAILED if one of them is; with `dropped` set, return those that could be built."""
    if FAILED in parts and document.dropped is None:
        return FAILED
    return tuple(part for part in parts if part is not FAILED and part is not None)


def _refuse_twice(parts: list[Any], node: Node, where: str, document: Document) -> None:
    """Report methods that are listed twice: their names address their values and their saved arrays."""
    seen = set()
    for part, item in zip(parts, node.value, strict=True):
        if type(part) in seen:
            _problem(document, item, f"{part.name} appears twice in {where}")
        if part is not FAILED:
            seen.add(type(part))


def _build_leaf(annotation: Any, options: tuple[Any, ...], node: Node, where: str, document: Document) -> Any:
    plain = node.plain()
    try:
        return _adapter(annotation).validate_python(plain, strict=True)  # strict: "1" and true are not numbers
    except ValidationError as error:
        place = _inner(node, error.errors()[0]["loc"])
        message = f"{where} must be {describe(annotation)}, got {_shown_value(node)}"
        _problem(document, place, message + _meant(options, plain))
        return FAILED


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def union_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself as the only one."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def is_component(option: Any) -> bool:
    """Return whether an annotation is a class of components."""
    return isinstance(option, type) and issubclass(option, Component)


def _inner(node: Node, location: tuple[int | str, ...]) -> Node:
    """Return the node at a validation error's location inside a list or mapping."""
    for key in location:
        children: Any = dict(enumerate(node.value)) if isinstance(node.value, tuple) else node.value
        if isinstance(children, dict) and key in children:
            node = children[key]
    return node


def _problem(document: Document, node: Node, message: str) -> None:
    document.report((node.line, node.column), message)


def _shown_value(node: Node) -> str:
    """Write a value for the end of a message: text in quotes, anything else in YAML's flow style."""
    plain = node.plain()
    return f'"{shown(plain)}"' if isinstance(plain, str) else shown(_written(plain))


def _written(plain: Any) -> str:
    """Write a value in YAML's flow style, but without quotes."""
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{key}: {_written(value)}" for key, value in plain.items()) + "}"
    if isinstance(plain, tuple):
        return "[" + ", ".join(_written(item) for item in plain) + "]"
    if plain is None:
        return "nothing"
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _meant(options: tuple[Any, ...], plain: Any) -> str:
    words = [
        word for option in options if typing.get_origin(_bare(option)) is Literal
        for word in typing.get_args(_bare(option)) if isinstance(word, str)
    ]  # fmt: skip
    return did_you_mean(plain, words) if isinstance(plain, str) else ""


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation
