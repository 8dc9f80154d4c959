"""`@component`: one frozen dataclass is the YAML schema, the JAX pytree and the behaviour of a part.

    class            what a field's annotation makes of it
    float, int       a traced leaf: a sweep over it compiles nothing new
    Component        a subtree
    everything else  static: it changes a shape, a loop's length or a Python branch, so it is part of the compile key
    static(...)      makes an int static, too

`Catalogue` lists the parts of one kind by file; it imports a file when its part is first asked for.
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
    """The common base: `name` is the file's name, which is the name in YAML.

    `lecture` holds the field values that are the textbook's form, where that is not the default.
    """

    name: ClassVar[str]
    lecture: ClassVar[Mapping[str, Any]] = {}


def static(*, default: Any) -> Any:
    """A field that is part of the compile key although its type would make it a traced leaf."""
    return dataclasses.field(default=default, metadata={"static": True})


@typing.dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(static, dataclasses.field))
def component(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass and register it as a pytree once JAX is loaded."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    made.name = made.__module__.rpartition(".")[2]  # type: ignore[attr-defined]
    when_jax_loads(lambda: _register(made))
    return made


def in_lecture_form(value: T) -> T:
    """A component with the textbook's form wherever a field still has its default; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(in_lecture_form(item) for item in value)  # type: ignore[return-value]
    if not isinstance(value, Component) or not dataclasses.is_dataclass(value):
        return value
    changes = {f.name: in_lecture_form(getattr(value, f.name)) for f in dataclasses.fields(value)}
    open_ = {f.name for f in dataclasses.fields(value) if getattr(value, f.name) == f.default}
    return dataclasses.replace(value, **changes | {k: v for k, v in type(value).lecture.items() if k in open_})


def field_types(cls: type) -> dict[str, Any]:
    """The resolved annotation of every field, `Annotated` ranges kept."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def is_static(cls: type, field: str) -> bool:
    """Whether a field is part of the compile key (True) or a traced leaf (False)."""
    declared = {f.name: f for f in dataclasses.fields(cls)}[field]
    return bool(declared.metadata.get("static")) or not _holds_leaves(field_types(cls)[field])


def _holds_leaves(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _holds_leaves(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return any(_holds_leaves(a) for a in typing.get_args(annotation))
    if origin is tuple:  # of ints: a shape; of floats: numbers
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
    fixed = [name for name in names if is_static(cls, name)]
    jax.tree_util.register_dataclass(cls, data_fields=[name for name in names if name not in fixed], meta_fields=fixed)


class Catalogue(Generic[T]):
    """The parts of one kind, by name, in the order given; each entry is a file below `package`."""

    def __init__(self, kind: str, package: str, *entries: str):
        self.kind = kind
        self._modules = {entry.rpartition(".")[2]: f"{package}.{entry}" for entry in entries}

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __getitem__(self, name: str) -> type[T]:
        """The part's class: the one in its file whose name, lowered, is the file's without underscores."""
        module = import_module(self._modules[name])
        wanted = name.replace("_", "")
        (cls,) = (c for n, c in vars(module).items() if n.lower() == wanted and isinstance(c, type))
        return typing.cast("type[T]", cls)
