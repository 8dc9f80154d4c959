"""Who may import whom, read from the import statements."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "regexp"
FILES = sorted(ROOT.rglob("*.py"))

# package or module -> what else of regexp it may import (itself always)
LEAVES = {"component", "errors", "lazy"}
PARTS = LEAVES | {"random"}
METHODS = {
    "regularizers",
    "models",
    "optimizers",
    "schedules",
    "initializers",
    "preprocessing",
    "datasets",
}
ALLOWED = {
    "lazy": set(),
    "errors": set(),
    "inert": set(),
    "explanation": set(),
    "questions": {"errors"},
    "component": {"lazy"},
    "random": {"lazy"},
    "adversary": {"lazy"},
    "regularizers": PARTS | {"adversary"},
    "schedules": PARTS,
    "initializers": PARTS,
    "preprocessing": PARTS,
    "optimizers": PARTS | {"schedules"},
    "models": PARTS | {"initializers"},
    "datasets": PARTS | {"preprocessing"},
    "experiment": PARTS | METHODS,
    "losses": {"lazy"},
    "metrics": {"lazy", "losses"},
    "config": LEAVES | METHODS | {"experiment", "metrics", "sweep"},  # of sweep its words and its space
    "training": PARTS | {"experiment", "losses", "metrics", "adversary"} | METHODS,
    "scores": {"experiment", "training", "datasets", "losses", "metrics"},
    "manifest": set(),
    "provenance": {"config", "datasets", "errors", "runs"},
    "runs": {"errors"},
    "summary": set(),
    "statistics": {"lazy"},
    "ablation": {"component", "errors", "experiment", "regularizers"},
    "retune": {"datasets", "errors", "experiment", "metrics", "training"},
    "timing": {"datasets", "experiment", "training"},
    "report": {"ablation", "errors", "explanation", "inert", "runs", "config", "metrics", "provenance", "statistics"},
    "export": {"errors", "inert", "report", "runs"},
    "inference": LEAVES | {"experiment", "training", "runs", "datasets", "config", "summary", "scores", "provenance"},
    "diagnostics": PARTS
    | METHODS
    | {"experiment", "training", "runs", "losses", "metrics", "inference", "scores", "adversary"}
    | {"explanation", "questions"},
    "checks": PARTS
    | METHODS
    | {"experiment", "training", "runs", "config", "summary", "scores", "losses", "questions"},
    "runner": LEAVES
    | {"experiment", "training", "runs", "datasets", "config", "summary", "scores", "inference", "manifest"}
    | {"provenance"},
}
ALLOWED["sweep"] = ALLOWED["runner"] | {"runner", "metrics", "statistics"}
NO_JAX = {
    "sweep",
    "component",
    "explanation",
    "questions",
    "config",
    "runs",
    "summary",
    "statistics",
    "report",
    "export",
    "cli",
    "experiment",
    "datasets",
    "preprocessing",
    "errors",
    "inert",
    "provenance",
}


def name_of(file: Path) -> str:
    part = file.relative_to(ROOT).parts[0]
    return part.removesuffix(".py")


def imports(file: Path) -> list[tuple[str, bool]]:
    """(module, whether at the top of the file) of every import."""
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
    allowed = ALLOWED.get(name_of(file))
    if allowed is not None:  # cli and __main__ may import anything; nobody imports them
        assert own_imports(file) <= allowed
    assert name_of(file) == "cli" or name_of(file) == "__main__" or "cli" not in own_imports(file)


@pytest.mark.parametrize("file", [f for f in FILES if name_of(f) in NO_JAX], ids=lambda f: str(f.relative_to(ROOT)))
def test_no_jax_at_the_top(file):
    top = {module.split(".")[0] for module, at_top in imports(file) if at_top}
    assert not top & {"jax", "jaxlib", "optax"}


SHARED = {
    f"regexp.regularizers.{name}"
    for name in ("inputs.geometry", "signal.reconstruction", "ensembles.base", "parameters.proximal")
}


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.parent.parent.name == "regularizers"],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_a_method_imports_only_its_base(file):
    inside = {m for m, _ in imports(file) if m.startswith("regexp.regularizers")}
    assert inside <= {"regexp.regularizers.base", *SHARED}


@pytest.mark.parametrize("file", sorted((ROOT / "training").glob("*.py")), ids=lambda f: f.name)
def test_training_names_no_concrete_method(file):
    concrete = [
        m
        for m, _ in imports(file)
        if m.startswith(tuple(f"regexp.{kind}." for kind in METHODS - {"datasets"}))
        and not m.endswith((".base", ".fold"))
    ]
    assert concrete == []


def test_config_takes_of_the_sweep_its_words_alone():
    taken = {m for file in FILES if name_of(file) == "config" for m, _ in imports(file)}
    assert {m for m in taken if m.startswith("regexp.sweep")} == {"regexp.sweep.section", "regexp.sweep.space"}


def test_jit_is_called_in_lanes_alone():
    callers = [f.name for f in FILES if "jax.jit(" in f.read_text()]
    assert callers == ["lanes.py"]
