"""python -m scripts.house

Print measurements of the code in regexp/ and the limit of each; exit with 1 where one is over its limit. CI runs it
through tests/test_house.py. A limit that is not yet the target is today's number: lower it with the code.

    top-level files       modules beside the packages
    import cycles         between packages
    empty names           variables, arguments, functions and classes named by a word that says nothing (EMPTY)
    Any                   percentage of annotations in which Any stands, or an alias of it
    comments              percentage of lines that are comments
    undocumented modules  modules that docs/architecture.md names never or more than once
    private imports       imports of names or modules with a leading underscore
    longest function      lines
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "regexp"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
EMPTY = {
    "asked", "both", "each", "found", "given", "kept", "known", "left", "made", "one", "other", "own", "said", "some",
    "taken", "thing", "told", "wanted", "who", "whole",
}  # fmt: skip

Modules = dict[Path, ast.Module]


@dataclass(frozen=True)
class Measurement:
    """A number, the most that it may be, and the target where that is not reached yet."""

    name: str
    value: float
    limit: float
    target: float
    places: tuple[str, ...] = ()


def modules() -> Modules:
    """Parse every module of the package."""
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def measurements() -> list[Measurement]:
    """Measure everything that has a limit."""
    trees = modules()
    cycles, empty, private = import_cycles(trees), list(empty_names(trees)), list(private_imports(trees))
    undocumented, length = undocumented_modules(trees), longest_function(trees)
    return [
        Measurement("top-level files", len(list(PACKAGE.glob("*.py"))), 4, 4),
        Measurement("import cycles", len(cycles), 0, 0, tuple(cycles)),
        Measurement("empty names", len(empty), LIMITS["empty names"], 0, tuple(empty)),
        Measurement("Any, %", share_of_any(trees), LIMITS["Any, %"], 2),
        Measurement("undocumented modules", len(undocumented), 0, 0, tuple(undocumented)),
        Measurement("private imports", len(private), LIMITS["private imports"], 0, tuple(private)),
        Measurement("longest function", length[0], LIMITS["longest function"], 50, (length[1],)),
    ]


LIMITS = {"empty names": 204, "Any, %": 11.7, "private imports": 3, "longest function": 60}


def location(path: Path, node: ast.AST) -> str:
    """Return `package/module.py:line`."""
    return f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 1)}"


def import_cycles(trees: Modules) -> list[str]:
    """Return the packages of one cycle of imports, and nothing where there is none."""
    graph: dict[str, set[str]] = {}
    for path, tree in trees.items():
        package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        imported = {module.split(".")[1] for module, _ in imports(tree) if module.startswith("regexp.")}
        graph.setdefault(package, set()).update(imported - {package})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def imports(tree: ast.Module) -> Iterator[tuple[str, ast.ImportFrom]]:
    """Yield the module and the statement of every `from module import ...`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node


def empty_names(trees: Modules) -> Iterator[str]:
    """Yield every definition of a name in EMPTY."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if (name := defined_name(node).strip("_")) in EMPTY:
                yield f"{location(path, node)} {name}"


def defined_name(node: ast.AST) -> str:
    """Return the name that a node defines, or an empty string."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.alias(asname=str(name)):
            return name
        case _:
            return ""


def share_of_any(trees: Modules) -> float:
    """Return the percentage of annotations that contain Any or a name that the module assigns from it.

    The array types of core/shapes.py are no such names: type checkers and the tests read jaxtyping's.
    """
    total = unknown = 0
    for tree in trees.values():
        aliases = {"Any"} | {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == "Any"
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for annotation in annotations(tree):
            total += 1
            words = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
            unknown += bool(words & aliases)
    return round(100 * unknown / total, 1)


def annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the annotations of arguments, results and fields."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as annotation) | ast.FunctionDef(returns=ast.expr() as annotation):
                yield annotation
            case ast.AnnAssign(annotation=annotation):
                yield annotation


def undocumented_modules(trees: Modules) -> list[str]:
    """Return the modules that the map in docs/architecture.md does not name exactly once.

    A line of the map whose first word ends with a slash opens a package; `*/` in it stands for all modules of the
    package that have no line of their own.
    """
    named = Counter(named_modules(ARCHITECTURE.read_text()))
    missing = []
    for path in trees:
        relative = path.relative_to(PACKAGE)
        if relative.name == "__init__.py":
            continue
        wildcards = sum(named[f"{parent.as_posix()}/*"] for parent in relative.parents)
        covered = named[relative.as_posix()] or wildcards
        if covered != 1:
            missing.append(f"{relative} is named {covered} times")
    return missing


def named_modules(text: str) -> Iterator[str]:
    """Yield the paths that the code block of the map names, such as `engine/step.py` and `models/*`."""
    block = text.split("```")[1]
    packages: list[str] = []
    for line in block.splitlines():
        entry = re.match(r"((?:│   |    )*)(?:├── |└── )(\S+)(.*)", line)
        if not entry:
            continue
        depth = len(entry[1]) // 4
        packages = packages[:depth]
        for name in [entry[2], *re.findall(r"\w+\.py\b", entry[3])]:
            if name == "*/":
                yield "/".join([*packages, "*"])
            elif name.endswith("/"):
                packages.append(name.removesuffix("/"))
            else:
                yield "/".join([*packages, name])


def private_imports(trees: Modules) -> Iterator[str]:
    """Yield every import of a private name or module from elsewhere."""
    for path, tree in trees.items():
        for module, node in imports(tree):
            names = [alias.name for alias in node.names]
            if any(re.match(r"_[a-z]", part) for part in [*module.split("."), *names]):
                yield f"{location(path, node)} {module}: {', '.join(names)}"


def longest_function(trees: Modules) -> tuple[int, str]:
    """Return the lines of the longest function and its place."""
    lengths = [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{location(path, node)} {node.name}")
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    return max(lengths)


def comment_share() -> float:
    """Return the percentage of lines with a comment."""
    lines = [line for path in PACKAGE.rglob("*.py") for line in path.read_text().splitlines()]
    return round(100 * sum(bool(re.match(r"\s*#|.*\s{2}# ", line)) for line in lines) / len(lines), 2)


def main() -> None:
    results = measurements()
    for result in results:
        verdict = "OVER THE LIMIT" if result.value > result.limit else ""
        print(f"{result.name:<22}{result.value:>8g}  limit {result.limit:g}, target {result.target:g}  {verdict}")
        for place in result.places[: 400 if "-v" in sys.argv else 0]:
            print(f"    {place}")
    print(f"{'comment lines, %':<22}{comment_share():>8g}  target 3 to 5")
    sys.exit(any(result.value > result.limit for result in results))


if __name__ == "__main__":
    main()
