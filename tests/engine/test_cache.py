"""A program that was kept is neither traced nor compiled again, gives the same bits, and is no other's."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from regexp.engine import cache
from tests.cli.command import ROOT

# Trains a moment with a fresh cache or one that is there; prints what was compiled and what came of it.
TRAINED = """
import json, os, sys, zlib
if core := sys.argv[2]:
    os.sched_setaffinity(0, {int(core)})
import jax, numpy as np
from regexp.config import loads
from regexp.experiment import Trial
from regexp.study.sweep.trainer import Lanes
from regexp.engine.device import set_up

compiled, real = [], jax.stages.Lowered.compile
def compile(self, *rest, **more):
    compiled.append(self)
    return real(self, *rest, **more)
jax.stages.Lowered.compile = compile
set_up("cpu", 2)
experiment = loads(sys.argv[1]).experiment
data = experiment.dataset.load()
group = Lanes(data, experiment.dataset).group([Trial(experiment=experiment, seed=seed) for seed in (0, 1)])
group.compile()
group.advance(7)
group.advance(50)
metrics, outputs = group.evaluate(*group.selected())
state = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(group.state))
print(json.dumps({"compiled": len(compiled), "state": zlib.crc32(state), "outputs": zlib.crc32(outputs.tobytes())}))
"""
CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [6]}
optimizer: {name: adam, learning_rate: 1.0e-2}
training: {epochs: 6, batch_size: 16, seeds: [0, 1]}
"""


def trained(folder, config=CONFIG, core="", **environment):
    """What a process prints that trains `config`, on one core where it is named."""
    own = {"XDG_CACHE_HOME": str(folder), "XLA_FLAGS": "--xla_backend_optimization_level=0", **environment}
    command = [sys.executable, "-c", TRAINED, config, str(core)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """(the cache's folder, what the first process found)."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, trained(folder)


def test_the_second_process_compiles_nothing_and_finds_the_same_bits(kept):
    folder, first = kept
    assert first["compiled"] == 3
    assert trained(folder) == first | {"compiled": 0}


def test_a_number_is_no_part_of_a_program_but_a_structure_is(kept):
    folder, first = kept
    other = trained(folder, CONFIG.replace("1.0e-2", "2.0e-2"))
    assert (other["compiled"], other["state"] == first["state"]) == (0, False)
    assert trained(folder, CONFIG.replace("[6]", "[7]"))["compiled"] == 3


def test_options_of_xla_are_part_of_a_program(kept):
    folder, _ = kept
    assert trained(folder, XLA_FLAGS="--xla_backend_optimization_level=1")["compiled"] == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be kept to some cores here")
def test_cores_are_part_of_a_program(kept):
    """XLA divides loops among them when it compiles."""
    folder, first = kept
    (core, *others) = os.sched_getaffinity(0)
    if not others:
        pytest.skip("one core")
    assert trained(folder, core=core) == first


@pytest.mark.parametrize("variable", ["XLA_FLAGS", "NPROC", "PJRT_NPROC"])
def test_what_xla_reads_of_the_environment_is_part_of_a_key(tmp_path, monkeypatch, variable):
    monkeypatch.delenv(variable, raising=False)
    before = cache._path(tmp_path, 1)
    monkeypatch.setenv(variable, "1")
    assert cache._path(tmp_path, 1) != before


def test_jaxs_own_cache_is_left_out(kept, tmp_path):
    """What comes from it runs, but kept once more it lacks functions."""
    _, first = kept
    jaxs = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    for name, compiled in (("a", 3), ("b", 3), ("b", 0)):
        assert trained(tmp_path / name, **jaxs) == first | {"compiled": compiled}
        assert not (tmp_path / "jax").exists()


def test_what_is_damaged_is_compiled_again(kept, tmp_path):
    _, first = kept
    assert trained(tmp_path)["compiled"] == 3
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 4  # three programs and the shapes of the parameters
    for number, file in enumerate(files):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if number % 2 else whole[:-9] + bytes(9))
    assert trained(tmp_path) == first
    assert trained(tmp_path) == first | {"compiled": 0}


# -- what makes a key -------------------------------------------------------------------------------------------------


def own_function():
    """Of a test: its source is in no key."""


def test_code_of_others_is_not_kept(tmp_path):
    from regexp.engine.group import _start

    assert cache._path(tmp_path, (_start, 1)) is not None
    assert cache._path(tmp_path, (own_function, 1)) is None
    assert cache._path(tmp_path, (lambda: 0, 1)) is None


def test_equal_values_have_equal_keys_and_others_have_others(tmp_path, monkeypatch):
    word = "".join(["hid", "den"])  # equal to the literal, but another object
    assert cache._path(tmp_path, ("hidden", "hidden")) == cache._path(tmp_path, ("hidden", word))
    about = [1, 1.0, True, "1", (1,), {"a": 1}, {"a": 2}, np.float32(1), None]
    assert len({cache._path(tmp_path, one) for one in about}) == len(about)
    before = cache._path(tmp_path, 1)
    monkeypatch.setattr(cache, "_code", lambda: ("another source",))
    assert cache._path(tmp_path, 1) != before


def test_a_process_whose_source_was_edited_keeps_nothing(tmp_path, monkeypatch):
    """It hashed what was there and may import what is there now: put back, its programs would be read."""
    monkeypatch.setattr(cache, "SOURCE", tmp_path / "source")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "losses.py").touch()
    (tmp_path / "source" / ".#losses.py").symlink_to("nowhere")  # as an editor locks a file
    for moment, is_kept in ((cache._BEGAN - 1, True), (cache._BEGAN + 1, False)):
        os.utime(tmp_path / "source" / "losses.py", ns=(moment, moment))
        cache._write(tmp_path / str(is_kept), b"a program", 0.0, bytes)
        assert (tmp_path / str(is_kept)).exists() == is_kept


def test_what_is_set_for_some_lines_is_part_of_a_key(tmp_path, float64):
    import jax

    double = cache._path(tmp_path, 1)
    with jax.enable_x64(False):
        assert cache._path(tmp_path, 1) != double
    with jax.default_matmul_precision("bfloat16"):
        assert cache._path(tmp_path, 1) != double


# -- the files --------------------------------------------------------------------------------------------------------


def kept_bytes(path, made=b"a program"):
    """What is read after `made` was written."""
    cache._write(path, made, 0.0, bytes)
    return cache._read(path, bytes)


def test_a_folder_that_takes_no_file_costs_time_only(tmp_path):
    (tmp_path / "file").touch()
    assert kept_bytes(tmp_path / "file" / "within") is None
    assert kept_bytes(tmp_path / "gone" / "within") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_programs_of_others_are_not_run(tmp_path, monkeypatch):
    assert cache._make(tmp_path / "new" / "own")
    assert (tmp_path / "new" / "own").stat().st_mode & 0o077 == 0
    for mode in (0o720, 0o702):
        (tmp_path / "new").chmod(mode)
        assert not cache._make(tmp_path / "new")
    monkeypatch.setattr(os, "getuid", lambda: -1)
    assert not cache._make(tmp_path / "new" / "own")


def test_a_program_that_calls_lapack_is_not_kept(tmp_path):
    """Lowering loads LAPACK: a process that only reads the program calls a null pointer."""
    import jax
    import jax.numpy as jnp

    for function, is_kept in ((jnp.sin, True), (jnp.linalg.eigvalsh, False)):
        path = tmp_path / function.__name__
        cache._write(path, jax.jit(function).lower(np.eye(3, dtype=np.float32)).compile(), 0.0, cache._packed)
        assert [p.name for p in tmp_path.iterdir()] == ["sin"]
        assert path.exists() == is_kept


def test_a_program_without_results_is_not_kept(tmp_path):
    """It names no devices: a process that reads it cannot call it with arguments on two of them."""
    import jax

    for name, function in (("one", lambda x: {"one": x}), ("none", lambda x: {})):
        compiled = jax.jit(function).lower(np.eye(3, dtype=np.float32)).compile()
        cache._write(tmp_path / name, compiled, 0.0, cache._packed)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_folder_that_can_only_be_read_is_used(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(path)

    cache._write(tmp_path / "key", [1, 2], 0.0, pickle.dumps)
    monkeypatch.setattr(os, "utime", refused)
    assert cache._read(tmp_path / "key", pickle.loads) == [1, 2]


def test_what_is_found_tells_how_long_it_took_to_make(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_folder", tmp_path)
    ticks = iter((10.0, 17.0))
    monkeypatch.setattr(cache.time, "perf_counter", lambda: next(ticks))
    before = cache.spared_seconds()
    assert cache.value(lambda: "made", None, None, ()) == "made"
    assert cache.spared_seconds() == before
    assert cache.value(lambda: "made again", None, None, ()) == "made"
    assert cache.spared_seconds() == before + 7


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", homeless)
    assert not cache._make(cache.folder_of_user(1))


def test_the_half_used_longest_ago_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MOST_KEPT", 4)
    names = [f"{number:064x}" for number in range(5)]
    for number, name in enumerate(names):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (number, number))
    os.utime(tmp_path / names[0], (9, 9))
    (tmp_path / "jax").mkdir()
    cache._tidy(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [names[0], names[3], names[4], "jax"]
