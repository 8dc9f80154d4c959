"""Who may import whom, read from the import statements."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "regexp"
FILES = sorted(ROOT.rglob("*.py"))

# package or module -> what else of regexp it may import; core stands below all, cli above all
PARTS = {"regularizers", "models", "optimizers", "schedules", "initializers", "preprocessing", "datasets"}
MEASURES = {"losses", "metrics"}
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "regularizers": {"core"},
    "schedules": {"core"},
    "initializers": {"core"},
    "preprocessing": {"core"},
    "optimizers": {"core", "schedules"},
    "models": {"core", "initializers"},
    "datasets": {"core", "preprocessing"},
    "losses": {"core"},
    "metrics": {"core", "losses"},
    "statistics": {"core"},
    "experiment": {"core", *PARTS},
    "config": {"core", "experiment", "metrics", *PARTS},
    "engine": {"core", "experiment", *PARTS, *MEASURES},
    "runs": {"core", "config", "datasets", "__version__"},
    "inference": {"core", "experiment", "datasets", "config", "engine", "runs"},
    "study": {"core", "experiment", *PARTS, *MEASURES, "config", "engine", "runs", "inference", "statistics"},
    "checks": {"core", "experiment", *PARTS, *MEASURES, "config", "engine"},
    "diagnostics": {"core", "experiment", *PARTS, *MEASURES, "engine", "runs", "inference"},
    "report": {"core", "metrics", "config", "runs", "statistics"},
    "export": {"core", "runs", "report"},
}
NO_JAX = {"core", "experiment", "config", "runs", "statistics", "report", "export", "cli", "study", *PARTS - {"models"}}


def name_of(file: Path) -> str:
    part = file.relative_to(ROOT).parts[0]
    return part.removesuffix(".py")


def imports(file: Path) -> list[tuple[str, bool]]:
    """Return (module, whether at the top of the file) of every import."""
    tree = ast.parse(file.read_text())
    top = set(map(id, tree.body))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; this project imports one way"
            found.append((node.module or "", id(node) in top))
    return found


def own_imports(file: Path) -> set[str]:
    return {m.split(".")[1] for m, _ in imports(file) if m.startswith("regexp.")} - {name_of(file)}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_go_one_way(file):
    if name_of(file) not in ("cli", "__main__", "__init__"):  # they may import anything; no other imports them
        assert own_imports(file) <= ALLOWED[name_of(file)]


def test_the_allowed_imports_have_no_cycle():
    tuple(TopologicalSorter(ALLOWED).static_order())  # raises CycleError


@pytest.mark.parametrize("file", [f for f in FILES if name_of(f) in NO_JAX], ids=lambda f: str(f.relative_to(ROOT)))
def test_no_jax_at_the_top(file):
    top = {module.split(".")[0] for module, at_top in imports(file) if at_top}
    assert not top & {"jax", "jaxlib", "optax"}


SHARED = {
    f"regexp.regularizers.{name}"
    for name in (
        "inputs.geometry",
        "signal.reconstruction",
        "ensembles.base",
        "parameters.proximal",
        "adversarial.attack",
    )
}


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.parent.parent.name == "regularizers"],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_a_method_imports_only_its_base(file):
    inside = {m for m, _ in imports(file) if m.startswith("regexp.regularizers")}
    assert inside <= {"regexp.regularizers.base", *SHARED}


@pytest.mark.parametrize("file", sorted((ROOT / "engine").glob("*.py")), ids=lambda f: f.name)
def test_engine_names_no_concrete_method(file):
    concrete = [
        m
        for m, _ in imports(file)
        if m.startswith(tuple(f"regexp.{kind}." for kind in PARTS - {"datasets"}))
        and not m.endswith((".base", ".fold", ".attack"))
    ]
    assert concrete == []


def test_jit_is_called_in_lanes_alone():
    callers = [f.name for f in FILES if "jax.jit(" in f.read_text()]
    assert callers == ["lanes.py"]
