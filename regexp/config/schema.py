"""Generate the JSON Schema (2020-12) of a config, for completion in editors, from the classes that build it."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any

from pydantic import TypeAdapter

from regexp.config.build import CATALOGUES, is_component, union_members
from regexp.config.search.section import Sweep
from regexp.core.component import Catalogue, field_types
from regexp.experiment import Experiment


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config, including its `sweep:` section."""
    schema = _object(Experiment)
    schema["properties"]["sweep"] = _object(Sweep)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "regexp experiment"
    return schema


def _object(cls: type, name: str | None = None) -> dict[str, Any]:
    """Return the schema of a component as a mapping of its fields; with `name`, one that requires `name: NAME`."""
    properties = {key: _value(annotation) for key, annotation in field_types(cls).items()}
    for field in dataclasses.fields(cls):
        properties[field.name]["description"] = field_line(cls, field.name)
    required = _required(cls)
    if name is not None:
        properties = {"name": {"const": name}} | properties
        required = ["name", *required]
    return {
        "type": "object",
        "description": summary(cls),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _value(annotation: Any) -> dict[str, Any]:
    options = []
    for option in union_members(annotation):
        if option in CATALOGUES:
            options += _part(CATALOGUES[option])
        elif typing.get_origin(option) is tuple and typing.get_args(option)[0] in CATALOGUES:
            options.append(_parts(CATALOGUES[typing.get_args(option)[0]]))
        elif typing.get_origin(option) is tuple and is_component(typing.get_args(option)[0]):
            options.append({"type": "array", "items": _object(typing.get_args(option)[0])})
        elif typing.get_origin(option) is dict and is_component(typing.get_args(option)[1]):
            options.append({"type": "object", "additionalProperties": _object(typing.get_args(option)[1])})
        elif is_component(option):
            options += [_object(option), {"type": "null"}]
        else:
            options.append(TypeAdapter(option).json_schema())
    return options[0] if len(options) == 1 else {"anyOf": options}


def _part(catalogue: Catalogue[Any]) -> list[dict[str, Any]]:
    short = [name for name in catalogue if not _required(catalogue[name])]
    return [{"enum": short}, *(_object(catalogue[name], name) for name in catalogue)]


def _parts(catalogue: Catalogue[Any]) -> dict[str, Any]:
    if catalogue.kind != "regularizer":
        return {"anyOf": [{"type": "array", "items": {"anyOf": _part(catalogue)}}, {"type": "null"}]}
    methods = {name: {"anyOf": [{"type": ["boolean", "null"]}, _object(catalogue[name])]} for name in catalogue}
    mapping = {"type": ["object", "null"], "properties": methods, "additionalProperties": False}
    return {"anyOf": [mapping, {"type": "array", "items": {"anyOf": _part(catalogue)}, "uniqueItems": True}]}


def _required(cls: type) -> list[str]:
    return [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]


def summary(cls: type) -> str:
    """Return the first line of a class's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def field_line(cls: type, field: str) -> str:
    """Return the description of a field in its class's docstring, from a line `field: description`."""
    for line in (inspect.getdoc(cls) or "").splitlines():
        names, colon, rest = line.partition(": ")
        if colon and field in [name.strip() for name in names.split(",")]:
            return rest.strip()
    return ""
