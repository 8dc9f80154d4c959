"""Every test runs on CPU split into two devices, so that sharding is always exercised."""

from __future__ import annotations

import gc
import itertools
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from jaxtyping import install_import_hook

from tests import shapes

CHECKED = ("regularizers", "models", "losses", "metrics", "optimizers", "schedules", "initializers")

# Before the first import of the package: the hook rewrites modules as they are imported.
install_import_hook([f"regexp.{package}" for package in CHECKED], f"{shapes.__name__}.checked")

from regexp.engine import cache, device, lanes  # noqa: E402

device.cores = lambda: 2
cache.use = cache.use_jax  # it looks up what was traced; the package's own trusts the source, which tests patch
device.set_up("cpu")
gc.set_threshold(100_000, 50, 100)  # traced programs are large and stay: no need to look at them often


def pytest_configure(config):
    """Without the slow tests, compiling is what takes the time: less without LLVM's optimisations.

    CI runs the slow ones with the programs that users have.
    """
    if config.option.markexpr == "not slow":
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


LONGEST_FIRST = ("test_killed.py", "test_method_configs.py", "test_regularizer_contract.py", "test_engine.py")


def pytest_collection_modifyitems(items):
    """Files go to workers whole: a long one that comes last keeps one worker busy and the others idle."""
    items.sort(key=lambda item: item.path.name not in LONGEST_FIRST)


MOST_MAPS, CHECKED_EVERY = 20_000, 20  # tests
ran = itertools.count(1)


@pytest.fixture(autouse=True)
def few_programs():
    """Programs are forgotten before there are too many: each takes memory maps, of which Linux gives a process 65,530.

    The whole suite in two workers needs more; XLA crashes where it gets none.
    """
    yield
    if next(ran) % CHECKED_EVERY == 0 and lanes.memory_maps() > MOST_MAPS:
        import jax

        lanes._programs.clear()
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def float64():
    """Closed forms are compared in double precision."""
    import jax

    with jax.enable_x64(True):
        yield


@pytest.fixture
def data_folder() -> Path:
    """The folder with real data sets: $REGEXP_DATA or ../shared/data."""
    folder = Path(os.environ.get("REGEXP_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set REGEXP_DATA")
    return folder
