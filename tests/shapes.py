"""The checker that jaxtyping's import hook puts on every function of the packages in tests/conftest.py."""

from __future__ import annotations

from collections.abc import Callable

from beartype import beartype


def checked(function: Callable) -> Callable:
    """Return `function` with its dtypes and shapes checked by beartype; a dataclass's `__init__` is left unchecked.

    A component's fields are annotated for the YAML (`float`), while JAX rebuilds components with tracers, shapes and
    booleans as leaves.
    """
    return function if function.__name__ == "__init__" else beartype(function)
