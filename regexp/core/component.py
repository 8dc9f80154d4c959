"""`@component`: one frozen dataclass is the YAML schema, the JAX pytree and the behaviour of a part.

    annotation       role of the field in the pytree
    float, int       a traced leaf: a sweep over it does not recompile
    Component        a subtree
    everything else  static: it changes a shape, a loop's length or a Python branch, so it is part of the compile key
    static(...)      makes an int static as well

`Catalogue` lists the parts of one kind by file and imports a file when its part is first used.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AllowInfNan

from regexp.core.lazy import when_jax_loads

Finite = Annotated[float, AllowInfNan(False)]
NonNegative = Annotated[float, Ge(0), AllowInfNan(False)]
Positive = Annotated[float, Gt(0), AllowInfNan(False)]
Fraction = Annotated[float, Ge(0), Le(1), AllowInfNan(False)]
Rate = Annotated[float, Ge(0), Lt(1), AllowInfNan(False)]
Share = Annotated[float, Gt(0), Le(1), AllowInfNan(False)]
Count = Annotated[int, Ge(1), Le(2**31 - 1)]
Natural = Annotated[int, Ge(0), Le(2**31 - 1)]

T = TypeVar("T")


class Component:
    """The base of all components; `name` is the name of the file and the name in YAML.

    `lecture` maps fields to the values that give the textbook's form, if these are not the defaults.
    """

    name: ClassVar[str]
    lecture: ClassVar[Mapping[str, Any]] = {}


def static(*, default: Any) -> Any:
    """Declare a field that is part of the compile key although its type would make it a traced leaf."""
    return dataclasses.field(default=default, metadata={"static": True})


@typing.dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(static, dataclasses.field))
def component(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass and register it as a pytree once JAX is loaded."""
    frozen = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    frozen.name = frozen.__module__.rpartition(".")[2]  # type: ignore[attr-defined]
    when_jax_loads(lambda: _register(frozen))
    return frozen


def in_lecture_form(part: T) -> T:
    """Return a component with the textbook's values for fields that have their default, recursively.

    Components in tuples are changed as well; anything else is returned unchanged.
    """
    if isinstance(part, tuple):
        return tuple(in_lecture_form(element) for element in part)  # type: ignore[return-value]
    if not isinstance(part, Component) or not dataclasses.is_dataclass(part):
        return part
    changes = {f.name: in_lecture_form(getattr(part, f.name)) for f in dataclasses.fields(part)}
    defaulted = {f.name for f in dataclasses.fields(part) if getattr(part, f.name) == f.default}
    lecture = {name: value for name, value in type(part).lecture.items() if name in defaulted}
    return dataclasses.replace(part, **changes | lecture)


def field_types(cls: type) -> dict[str, Any]:
    """Return the resolved annotation of every field, including `Annotated` ranges."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def is_static(cls: type, field: str) -> bool:
    """Return whether a field is part of the compile key (True) or a traced leaf (False)."""
    declared = {f.name: f for f in dataclasses.fields(cls)}[field]
    return bool(declared.metadata.get("static")) or not _holds_leaves(field_types(cls)[field])


def _holds_leaves(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _holds_leaves(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return any(_holds_leaves(a) for a in typing.get_args(annotation))
    if origin is tuple:  # a tuple of ints is a shape, a tuple of floats holds traced numbers
        return any(_holds_leaves(a) and not _is_int(a) for a in typing.get_args(annotation))
    if origin is dict:
        return _holds_leaves(typing.get_args(annotation)[1])
    return isinstance(annotation, type) and (annotation in (int, float) or issubclass(annotation, Component))


def _is_int(annotation: Any) -> bool:
    if typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation is int


def _register(cls: type) -> None:
    import jax

    names = [field.name for field in dataclasses.fields(cls)]
    static_names = [name for name in names if is_static(cls, name)]
    leaves = [name for name in names if name not in static_names]
    jax.tree_util.register_dataclass(cls, data_fields=leaves, meta_fields=static_names)


class Catalogue(Generic[T]):
    """The parts of one kind by name, in the order of `entries`, each of which is a file below `package`."""

    def __init__(self, kind: str, package: str, *entries: str):
        self.kind = kind
        self._modules = {entry.rpartition(".")[2]: f"{package}.{entry}" for entry in entries}

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __getitem__(self, name: str) -> type[T]:
        """Return the part's class: the class whose lower-cased name is the file's name without underscores."""
        module = import_module(self._modules[name])
        class_name = name.replace("_", "")
        (cls,) = (c for n, c in vars(module).items() if n.lower() == class_name and isinstance(c, type))
        return typing.cast("type[T]", cls)
