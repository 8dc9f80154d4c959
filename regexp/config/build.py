"""A tree of YAML values -> components, by the annotations of their fields; every problem is noted, none stops it."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from regexp.component import Catalogue, Component, field_types
from regexp.config.describe import describe
from regexp.config.document import Document, Node, shown
from regexp.datasets import base as datasets
from regexp.initializers import base as initializers
from regexp.models import base as models
from regexp.optimizers import base as optimizers
from regexp.preprocessing import base as preprocessing
from regexp.regularizers import base as regularizers
from regexp.schedules import base as schedules

CATALOGUES: dict[type, Catalogue[Any]] = {
    datasets.Dataset: datasets.CATALOGUE,
    models.Model: models.CATALOGUE,
    regularizers.Regularizer: regularizers.CATALOGUE,
    optimizers.Optimizer: optimizers.CATALOGUE,
    schedules.Schedule: schedules.CATALOGUE,
    initializers.Initializer: initializers.CATALOGUE,
    preprocessing.Preprocessor: preprocessing.CATALOGUE,
}

FAILED = object()  # what stands for a value that could not be built


def build_fields(cls: type, node: Node, where: str, document: Document, skip: tuple[str, ...] = ()) -> Any:
    """A component from a mapping of its fields. `where` is the dotted path; `skip` are keys read elsewhere."""
    if node.value is None:
        node = Node({}, node.line, node.column)
    if not isinstance(node.value, dict):
        _problem(
            document,
            node,
            f"{where} must be a mapping of {', '.join(field_types(cls))}, got {_given(node)}",
        )
        return FAILED
    annotations = field_types(cls)
    values = {}
    for key, child in node.value.items():
        if key in skip:
            continue
        if key not in annotations:
            document.report(node.keys[key], _unknown_key(key, where, annotations))
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
    return FAILED if FAILED in values.values() else cls(**values)


def build(annotation: Any, node: Node, where: str, document: Document) -> Any:
    """A value of any annotated type."""
    options = _options(annotation)
    for option in options:
        if option in CATALOGUES and not (node.value is None and type(None) in options):
            return _build_part(CATALOGUES[option], node, where, document)
        if typing.get_origin(option) is tuple and typing.get_args(option)[0] in CATALOGUES:
            return _build_parts(CATALOGUES[typing.get_args(option)[0]], node, where, document)
        if _is_component(option) and (isinstance(node.value, dict) or len(options) == 1):
            return build_fields(option, node, where, document)
    return _build_leaf(annotation, options, node, where, document)


def _build_part(catalogue: Catalogue[Any], node: Node, where: str, document: Document) -> Any:
    """`he`, or `{name: normal, std: 0.1}`."""
    if isinstance(node.value, str):
        name, place, fields = node.value, node, Node({}, node.line, node.column)
    elif isinstance(node.value, dict) and isinstance(getattr(node.value.get("name"), "value", None), str):
        name, place, fields = node.value["name"].value, node.value["name"], node
    elif isinstance(node.value, dict):
        _problem(document, node, f"{where} needs a name: one of {', '.join(catalogue)}")
        return FAILED
    else:
        _problem(
            document,
            node,
            f"{where} must be the name of a {catalogue.kind} or a mapping, got {_given(node)}",
        )
        return FAILED
    if name not in catalogue:
        _problem(document, place, _unknown_name(name, catalogue))
        return FAILED
    return build_fields(catalogue[name], fields, where, document, skip=("name",))


def _build_parts(catalogue: Catalogue[Any], node: Node, where: str, document: Document) -> Any:
    """Regularizers as a mapping name -> fields in their order; other parts as a list."""
    if isinstance(node.value, tuple):
        parts = [_build_part(catalogue, item, where, document) for item in node.value]
        return FAILED if FAILED in parts else tuple(parts)
    if node.value is None:
        return ()
    if catalogue.kind != "regularizer" or not isinstance(node.value, dict):
        form = "mapping" if catalogue.kind == "regularizer" else "list"
        _problem(document, node, f"{where} must be a {form} of {catalogue.kind} names, got {_given(node)}")
        return FAILED
    parts = [_build_method(catalogue, name, node, where, document) for name in node.value]
    return FAILED if FAILED in parts else tuple(p for p in parts if p is not None)


def _build_method(catalogue: Catalogue[Any], name: str, node: Node, where: str, document: Document) -> Any:
    """One regularizer: fields, or null or true for its defaults; None for false."""
    child = node.value[name]
    if name not in catalogue:
        document.report(node.keys[name], _unknown_name(name, catalogue))
        return FAILED
    if child.value is False:
        return None
    by_default = child.value is None or child.value is True
    fields = Node({}, child.line, child.column) if by_default else child
    return build_fields(catalogue[name], fields, f"{where}.{name}", document)


def _build_leaf(annotation: Any, options: tuple[Any, ...], node: Node, where: str, document: Document) -> Any:
    plain = node.plain()
    try:
        return _adapter(annotation).validate_python(plain, strict=True)
    except ValidationError as error:
        place = _inner(node, error.errors()[0]["loc"])
        message = f"{where} must be {describe(annotation)}, got {_given(node)}"
        _problem(document, place, message + _meant(options, plain))
        return FAILED


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; else the annotation itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _is_component(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, Component)


def _inner(node: Node, location: tuple[int | str, ...]) -> Node:
    """The item of a list or mapping that a validation error is about."""
    for key in location:
        children: Any = dict(enumerate(node.value)) if isinstance(node.value, tuple) else node.value
        if isinstance(children, dict) and key in children:
            node = children[key]
    return node


def _problem(document: Document, node: Node, message: str) -> None:
    document.report((node.line, node.column), message)


def _given(node: Node) -> str:
    plain = node.plain()
    if isinstance(plain, dict):
        return shown("{" + ", ".join(f"{key}: {value}" for key, value in plain.items()) + "}")
    if isinstance(plain, tuple):
        return shown("[" + ", ".join(str(item) for item in plain) + "]")
    if isinstance(plain, str):
        return f'"{shown(plain)}"'
    return {"None": "nothing", "True": "true", "False": "false"}.get(str(plain), shown(plain))


def _meant(options: tuple[Any, ...], plain: Any) -> str:
    words = [
        word for option in options if typing.get_origin(_bare(option)) is Literal
        for word in typing.get_args(_bare(option)) if isinstance(word, str)
    ]  # fmt: skip
    return _did_you_mean(plain, words) if isinstance(plain, str) else ""


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _did_you_mean(word: str, words: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(words), 1)
    return f' - did you mean "{close[0]}"?' if close else ""


def _unknown_name(name: str, catalogue: Catalogue[Any]) -> str:
    message = f'unknown {catalogue.kind} "{shown(name)}"'
    meant = _did_you_mean(name, catalogue)
    return message + (meant or f"; there are {', '.join(catalogue)}")


def _unknown_key(key: str, where: str, known: typing.Iterable[str]) -> str:
    message = f'unknown key "{shown(key)}"' + (f" in {where}" if where else "")
    known = list(known)
    if key in regularizers.CATALOGUE and not where.startswith("regularizers"):
        return f"{message} - {key} is a regularizer: put it under regularizers"
    methods = [] if where.startswith("regularizers") else list(regularizers.CATALOGUE)
    meant = _did_you_mean(key, [*known, *methods])
    if any(f'"{name}"' in meant for name in methods if name not in known):
        return f"{message}{meant} (a regularizer: put it under regularizers)"
    return message + (meant or (f"; it takes {', '.join(known)}" if known else "; it takes no keys"))
