"""The types of arrays with their shapes, by jaxtyping: `Float[Array, "batch classes"]`.

    Array     a JAX array or a tracer
    AnyArray  either of them or a NumPy array
    Scalar    a Python number or an array of shape (): a hyperparameter is traced in a program and a number outside it
    Key       a threefry key in raw form
    Tree      a pytree of arrays whose structure the function does not depend on

Within a call equal names are equal sizes: two arguments with `batch` agree on that axis; `*features` is any number of
axes. Strings that also parse as Python (`" batch"`, `" batch *features"`) begin with a space: without it linters take
them for a forward reference.

Every module has `from __future__ import annotations`, so annotations are never evaluated in use and jaxtyping, whose
import takes 0.18 s, is not needed to run the package. Type checkers read the first branch below. Whoever imports
jaxtyping first, as tests/conftest.py does, gets the second: its import hook checks dtypes and shapes of every call.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from jax import Array
    from jaxtyping import Bool, Float, Int, Num, PyTree, Shaped, UInt32

    AnyArray: TypeAlias = Array | np.ndarray
    Scalar: TypeAlias = float | Array
    Key: TypeAlias = Array
    Tree: TypeAlias = PyTree
elif "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int, Num, PyTree, Shaped, UInt32

    Array = AnyArray = Any  # every object with a dtype and a shape is an array for jaxtyping: JAX's, NumPy's, tracers
    Scalar = float | int | Num[Array, ""]
    Key = UInt32[Array, "2"]
    Tree = PyTree[Shaped[Array, "..."]]
else:
    Array = AnyArray = Bool = Float = Int = Num = PyTree = Shaped = UInt32 = Scalar = Key = Tree = Any

__all__ = ["AnyArray", "Array", "Bool", "Float", "Int", "Key", "Num", "PyTree", "Scalar", "Shaped", "Tree", "UInt32"]
