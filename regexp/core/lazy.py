"""JAX, optax and scipy.special, loaded at the first use of a name in them.

Importing JAX takes 0.4 s. The catalogues, which describe every method to the config and to `regexp list`, must not pay
it: so every module of this package writes `from regexp.core.lazy import jax, jnp` where it would write `import jax`.
Of a training run only the closing table needs scipy.special.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

_when_jax_loads: list[Callable[[], None]] = []


def when_jax_loads(action: Callable[[], None]) -> None:
    """Run `action` now if JAX is loaded, else right after it is."""
    if "jax" in sys.modules:
        action()
    else:
        _when_jax_loads.append(action)


class _LazyModule(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        module = import_module(self.__name__)
        while _when_jax_loads and "jax" in sys.modules:
            _when_jax_loads.pop()()
        value = getattr(module, attribute)
        setattr(self, attribute, value)  # found at once from now on
        return value


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
