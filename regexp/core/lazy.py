"""JAX, optax and scipy.special, imported at the first access of an attribute.

Importing JAX takes 0.4 s, which commands that only read the catalogues (`regexp list`, config errors) must not spend.
So every module writes `from regexp.core.lazy import jax, jnp` instead of `import jax`. scipy.special is needed only for
the final table of a training run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

_when_jax_loads: list[Callable[[], None]] = []


def when_jax_loads(action: Callable[[], None]) -> None:
    """Run `action` now if JAX is loaded, else immediately after it is loaded."""
    if "jax" in sys.modules:
        action()
    else:
        _when_jax_loads.append(action)


class _LazyModule(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        module = import_module(self.__name__)
        # Components must be registered as pytrees before the caller can trace one.
        while _when_jax_loads and "jax" in sys.modules:
            _when_jax_loads.pop()()
        member = getattr(module, attribute)
        setattr(self, attribute, member)  # the next access bypasses __getattr__
        return member


if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax
    from scipy import special
else:
    jax = _LazyModule("jax")
    jnp = _LazyModule("jax.numpy")
    lax = _LazyModule("jax.lax")
    optax = _LazyModule("optax")
    special = _LazyModule("scipy.special")

__all__ = ["jax", "jnp", "lax", "optax", "special", "when_jax_loads"]
