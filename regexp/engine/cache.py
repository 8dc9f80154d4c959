"""Compiled programs kept between processes: what was compiled once is neither traced nor compiled again.

What is kept is the machine code with the structure of its answer, under a hash of all that it is made of: the function,
its static arguments, structure and shapes of the others, the devices, JAX's and XLA's options, the releases of the
packages that trace it and the source of this one. JAX's own cache looks up what was traced, so each process has to
trace it again. It is used on a GPU, where this one was never tried.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import platform
import re
import stat
import struct
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from regexp.core.lazy import jax

Tree = Any

MOST_KEPT = 1024  # files
SECONDS = struct.Struct("<d")  # that making took: the head of a file
PACKAGES = ("jax", "jaxlib", "optax", "numpy")
VARIABLES = ("XLA_FLAGS", "NPROC", "PJRT_NPROC")  # that XLA reads; the last two are cores, other than there are
TRUSTED = {"regexp", *PACKAGES, "builtins", "collections", "functools", "copyreg"}  # whose code a key speaks for

SOURCE = Path(__file__).parents[1]
_BEGAN = time.time_ns()
_folder: Path | None = None
_spared: list[float] = []  # seconds that making took once of what was found


def folder_of_user(cores: int) -> Path:
    """$XDG_CACHE_HOME/regexp or ~/.cache/regexp, in it one folder for each kind of processor and so many cores, among
    which XLA divides a program's loops when it compiles them."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home, as in a container; nothing can be made below this
        base = Path(os.devnull)
    return base / "regexp" / f"programs-{_processor()}-{cores}"


def _processor() -> str:
    """A word for this processor's instructions: a home may be shared by machines that have others."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())
    return f"{zlib.crc32(flags.encode()):08x}"


def use(folder: Path) -> None:
    """Keep programs there from now on; one that cannot be made costs time only."""
    global _folder
    # A program that JAX's cache has kept runs, but kept once more it lacks functions (jaxlib 0.10.1).
    jax.config.update("jax_enable_compilation_cache", False)
    if _make(folder):
        _folder = folder
        _code()  # now, while no thread beside this one holds Python's lock: each of its files gives it away


def use_jax(folder: Path) -> None:
    """Keep what JAX compiles in its own cache, in a folder beside."""
    warnings.filterwarnings("ignore", message=".*persistent compilation cache.*")
    jax.config.update("jax_enable_compilation_cache", _make(folder) and _make(folder / "jax"))
    jax.config.update("jax_compilation_cache_dir", str(folder / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _make(folder: Path) -> bool:
    """Whether there is such a folder of this user's alone: who writes there decides what is run."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _is_private(folder.stat()) and all(_is_safe(parent.stat()) for parent in folder.resolve().parents)
    except OSError:
        return False


def _is_private(status: os.stat_result) -> bool:
    """Whether this user alone can write there."""
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def _is_safe(status: os.stat_result) -> bool:
    """Whether nobody else can put another folder in the place of one below: root and this user aside."""
    if not hasattr(os, "getuid"):
        return True
    by_others = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX  # sticky: only owners rename
    return status.st_uid in (0, os.getuid()) and not by_others


def program(
    compile: Callable[[], Any], function: Any, static: Any, examples: tuple[Tree, ...], devices: Sequence[Any]
) -> Any:
    """The compiled program that was kept of such arguments, or else what `compile` makes, which is kept.

    function: that of the package which the program calls
    static: whatever else decides what is compiled, as data
    examples: the arguments it is called with
    """
    whose = [(device.id, device.platform, device.device_kind) for device in devices]
    read = partial(_unpacked, examples=examples, devices=devices)
    return _kept(compile, (function, static, _shapes(examples), whose), _packed, read)


def value(make: Callable[[], Any], function: Any, static: Any, examples: Tree) -> Any:
    """What `make` finds out about `function` at such arguments, by tracing it, or what was kept of that."""
    return _kept(make, ("value", function, static, _shapes(examples)), pickle.dumps, pickle.loads)


def spared_seconds() -> float:
    """What this process would have taken so far to make what it found."""
    return sum(_spared)


def _kept(make: Callable[[], Any], about: Any, pack: Callable[[Any], bytes], unpack: Callable[[bytes], Any]) -> Any:
    path = None if _folder is None else _path(_folder, about)
    if path is None:
        return make()
    found = _read(path, unpack)
    if found is None:
        began = time.perf_counter()
        found = make()
        _write(path, found, time.perf_counter() - began, pack)
    return found


# -- the key ----------------------------------------------------------------------------------------------------------


def _shapes(examples: Tree) -> Tree:
    return jax.tree.map(lambda x: (np.shape(x), str(getattr(x, "dtype", type(x).__name__))), examples)


def _path(folder: Path, about: Any) -> Path | None:
    """Where it is kept; None of what is made of code that is not this package's, as a test's own method."""
    try:
        return folder / hashlib.sha256(_bytes(about) + _surroundings()).hexdigest()
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


class _Pickler(pickle.Pickler):
    """Refuses classes and functions of other packages: their source is in no key."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, type | FunctionType) and thing.__module__.partition(".")[0] not in TRUSTED:
            raise pickle.PicklingError(f"{thing.__module__} is another package")
        return NotImplemented


def _bytes(value: Any) -> bytes:
    """Equal values have equal bytes: without the memo, which tells equal strings from identical ones."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.fast = True
    pickler.dump(value)
    return file.getvalue()


def _surroundings() -> bytes:
    told = {name: value for name, value in jax.config.values.items() if "cache" not in name}  # as of these lines
    told.pop("jax_platforms", None)  # --device cpu where there is nothing else
    options = sorted((name, repr(value)) for name, value in told.items())
    return repr((options, [os.environ.get(name) for name in VARIABLES], _code())).encode()


@cache
def _code() -> tuple[str, ...]:
    """This package's source, and the releases of those that it traces with."""
    source = hashlib.sha256()
    for path in sorted(SOURCE.rglob("[!.]*.py")):  # an editor's own files begin with a dot
        source.update(path.read_bytes())
    return (source.hexdigest(), platform.python_version(), *(version(name) for name in PACKAGES))


def _edited() -> bool:
    """Whether the source changed under this process, which may now run other lines than those that its keys tell."""
    return any(path.stat().st_mtime_ns > _BEGAN for path in SOURCE.rglob("[!.]*.py"))


# -- the files --------------------------------------------------------------------------------------------------------


def _read(path: Path, unpack: Callable[[bytes], Any]) -> Any:
    """None where it is not there, damaged, or of a machine that cannot run it."""
    try:
        if not _is_private(path.lstat()):  # who writes a program decides what is run
            return None
        whole = zlib.decompress(path.read_bytes())  # its checksum finds what is damaged
        found, (seconds,) = unpack(whole[SECONDS.size :]), SECONDS.unpack_from(whole)
    except Exception:  # whatever it is, compiling mends it
        return None
    with suppress(OSError):  # on a disk that may only be read
        os.utime(path)
    _spared.append(seconds)
    return found


def _write(path: Path, made: Any, seconds: float, pack: Callable[[Any], bytes]) -> None:
    """Whole or not at all, and silent where the disk takes no more: it is in memory."""
    writing = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        if _edited():
            return
        writing.write_bytes(zlib.compress(SECONDS.pack(seconds) + pack(made), 1))
        os.replace(writing, path)
        _tidy(path.parent)
    except Exception:  # jaxlib says of some programs that they cannot be kept
        with suppress(OSError):
            writing.unlink()


def _packed(compiled: Any) -> bytes:
    from jax.experimental.serialize_executable import serialize

    program, _, answers = serialize(compiled)
    if not answers.num_leaves:
        raise ValueError("a program without results names no devices: read from the cache it cannot be called")
    if re.search(rb"lapack_\w+_ffi", program):
        raise ValueError("LAPACK is loaded by tracing: a process that reads the program would crash")
    answer = jax.tree.unflatten(answers, [0] * answers.num_leaves)  # a structure alone cannot be pickled
    return pickle.dumps((program, answer))


def _unpacked(packed: bytes, examples: tuple[Tree, ...], devices: Sequence[Any]) -> Any:
    from jax.experimental.serialize_executable import deserialize_and_load

    program, answer = pickle.loads(packed)
    arguments, answers = jax.tree.structure((examples, {})), jax.tree.structure(answer)
    return deserialize_and_load(program, arguments, answers, devices[0].client, devices)


KEPT = re.compile(r"[0-9a-f]{64}(\.\d+)?")  # the names of the files that `_write` makes; no other is removed


def _tidy(folder: Path) -> None:
    """Forgets the half that was not used for longest, once there are too many."""
    ours = [entry for entry in os.scandir(folder) if KEPT.fullmatch(entry.name) and entry.is_file()]
    kept = [(entry.stat().st_mtime, entry.path) for entry in ours]
    if len(kept) > MOST_KEPT:
        for _, path in sorted(kept)[: len(kept) // 2]:
            Path(path).unlink(missing_ok=True)
