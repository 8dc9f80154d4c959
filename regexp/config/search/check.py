"""Build a Sweep and its Space from the `sweep:` section, and report every problem at its line."""

from __future__ import annotations

import itertools
import json
import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from annotated_types import Ge, Gt, Le, Lt

from regexp.config.build import FAILED, build, build_fields, union_members
from regexp.config.check import Remark, check
from regexp.config.describe import describe
from regexp.config.document import Document, Node, shown
from regexp.config.resolved import flow_style
from regexp.config.search.section import Range, Sweep, SweepStage
from regexp.config.search.space import Parameter, Space
from regexp.config.suggest import did_you_mean, unknown_key, unknown_name
from regexp.core.component import field_types
from regexp.experiment import Experiment
from regexp.metrics import METRICS, names
from regexp.regularizers.base import CATALOGUE as METHODS

KINDS = {"log_uniform": "log", "uniform": "linear", "int_uniform": "int", "choice": "choice", "optional": "optional"}
SECTIONS = ("model", "regularizers", "optimizer", "training")
FIXED = {
    "training.epochs": "the stages set it",
    "training.seeds": "the stages set them",
    "training.monitor": "it selects an epoch, and the sweep's objective selects a setting",
}


@dataclass(frozen=True)
class Search:
    """A checked `sweep:` section.

    sweep: the section's values
    space: the parameters to search, with the experiment they change
    written: the section as YAML in one form, to store and to compare with a stored one
    """

    sweep: Sweep
    space: Space
    written: str


def build_sweep(node: Node, experiment: Any, document: Document) -> Any:
    """Build a Search from the section; return FAILED after reporting problems.

    experiment: the experiment of the same file, or FAILED
    """
    if not isinstance(node.value, dict):
        document.report((node.line, node.column), "sweep must be a mapping of objective, space, stages, confirm")
        return FAILED
    began = len(document.problems)
    types = field_types(Sweep)
    for key in node.value:
        if key not in types:
            document.report(node.keys[key], unknown_key(key, "sweep", types))
    optional = {key: build(types[key], node.value[key], f"sweep.{key}", document)
                for key in ("objective", "confirm") if key in node.value}  # fmt: skip
    stages, entries = _stages(node, document), _entries(node, document)
    if experiment is FAILED or not entries:
        return FAILED
    base = _with_methods(experiment, node.value["space"].keys, document)
    present = {f"regularizers.{method.name}" for method in base.regularizers}
    parameters = [
        _Entry(path, entry, node.value["space"], base, document).parameter()
        for path, entry in entries.items()
        if entry is not FAILED
        if not path.startswith("regularizers.") or ".".join(path.split(".")[:2]) in present
    ]
    if len(document.problems) > began:  # combinations are checked only in a section whose parts are valid
        return FAILED
    sweep = Sweep(space=entries, stages=stages, **optional)
    space = Space(tuple(p for p in parameters if p is not None), base)
    for place, message in _checks(sweep, space, experiment, node, document):
        document.report(place, message)
    if len(document.problems) > began:
        return FAILED
    return Search(sweep, space, _yaml(node))


def _stages(node: Node, document: Document) -> Any:
    stages = node.value.get("stages")
    if stages is None or not isinstance(stages.value, tuple) or not stages.value:
        place = node.keys.get("stages", document.place("sweep"))
        document.report(place, "sweep needs stages: a list of {trials, epochs, ...}, one for each round")
        return FAILED
    built = tuple(_stage(stage, document) for stage in stages.value)
    if isinstance(stages.value[0].value, dict) and "keep" in stages.value[0].value:
        message = "keep is not allowed in the first stage: there is no previous stage"
        document.report(stages.value[0].keys["keep"], message)
    return FAILED if FAILED in built else built


def _stage(node: Node, document: Document) -> Any:
    before = len(document.problems)
    built = build_fields(SweepStage, node, "sweep.stages", document)
    for problem in document.problems[before:]:
        # A missing key is reported at the section it belongs to, and an item of a list has no key: move it there.
        if problem.message.startswith("sweep.stages needs"):
            document.problems.remove(problem)
            document.report((node.line, node.column), problem.message)
    return built


def _entries(node: Node, document: Document) -> dict[str, Any]:
    space = node.value.get("space")
    if space is None or not isinstance(space.value, dict) or not space.value:
        place = node.keys.get("space", document.place("sweep"))
        document.report(place, "sweep needs a space: {optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}, ...}")
        return {}
    return {path: build_fields(Range, child, f"sweep.space.{path}", document) for path, child in space.value.items()}


def _with_methods(experiment: Experiment, places: dict[str, tuple[int, int]], document: Document) -> Experiment:
    """Return the experiment with every method that the space names; missing ones are appended with their defaults."""
    methods = {method.name: method for method in experiment.regularizers}
    for path, place in places.items():
        head, _, rest = path.partition(".")
        name = rest.partition(".")[0]
        if head != "regularizers" or name in methods:
            continue
        method: Any = _default(name, place, document) if name in METHODS else FAILED
        if name not in METHODS:
            document.report(place, unknown_name(name, METHODS))
        if method is not FAILED:
            methods[name] = method
    return replace(experiment, regularizers=tuple(methods.values()))


def _default(name: str, place: tuple[int, int], document: Document) -> Any:
    """Build a method with its defaults, as `NAME: true` does; a method with required fields is refused."""
    before = len(document.problems)
    method = build_fields(METHODS[name], Node({}, *place), f"regularizers.{name}", document)
    if method is FAILED:
        reasons = "; ".join(problem.message for problem in document.problems[before:])
        del document.problems[before:]
        document.report(place, f"{reasons}; write {name} under regularizers")
    return method


class _Entry:
    """One entry of the space, checked against the field that it changes."""

    def __init__(self, path: str, entry: Range, space: Node, base: Experiment, document: Document):
        self.path, self.entry, self.space, self.base, self.document = path, entry, space, base, document
        self.node: Node = space.value[path]

    def report(self, message: str, key: str = "") -> Any:
        """Report a problem at a key of the entry, or at its path, and return None."""
        place = self.node.keys.get(key, self.space.keys[self.path])
        self.document.report(place, message)
        return None

    def parameter(self) -> Parameter | None:
        """Return the parameter, or None after reporting a problem."""
        kinds = [kind for kind in KINDS if getattr(self.entry, kind) is not None]
        if len(kinds) != 1:
            self.report(f"{self.path} needs exactly one of {', '.join(KINDS)}")
            return None
        kind = kinds[0]
        if kind == "optional":
            return self._optional()
        annotation = self._annotation()
        if annotation is None:
            return None
        return self._choice(annotation) if kind == "choice" else self._range(kind, annotation)

    def _optional(self) -> Parameter | None:
        head, _, name = self.path.partition(".")
        if head != "regularizers" or "." in name:
            self.report("only a regularizer can be optional: regularizers.NAME: {optional: true}", "optional")
            return None
        return Parameter(self.path, "optional", choices=(False, True))

    def _annotation(self) -> Any:
        """Return the annotation of the field at the path, or None after reporting a problem."""
        if self.path in FIXED:
            return self.report(f"{self.path} cannot be searched: {FIXED[self.path]}")
        section, *keys = self.path.split(".")
        if section not in SECTIONS:
            hint = f"{did_you_mean(section, SECTIONS)}; a path begins with {', '.join(SECTIONS)}"
            return self.report(f'"{shown(section)}" cannot be searched{hint}')
        part: Any = self.base
        annotation: Any = None
        where = ""
        for key in (section, *keys):
            if where == "regularizers":
                part, annotation = next(m for m in part if m.name == key), None
            else:
                fields = field_types(type(part)) if hasattr(part, "__dataclass_fields__") else {}
                if key not in fields:
                    return self.report(unknown_key(key, where, fields))
                part, annotation = getattr(part, key), fields[key]
            where = f"{where}.{key}" if where else key
        if annotation is None or where in SECTIONS:
            remedy = "search one of its fields, or a regularizer as {optional: true}"
            return self.report(f"{self.path} is a part and has no single value: {remedy}")
        return annotation

    def _choice(self, annotation: Any) -> Parameter | None:
        nodes = self.node.value["choice"].value
        built = [build(annotation, item, self.path, self.document) for item in nodes]
        if FAILED in built:
            return None
        if len(built) < 2:
            return self.report(f"{self.path}: a choice needs at least two values", "choice")
        texts = [_text(item.plain()) for item in nodes]
        if len(set(texts)) < len(texts):
            return self.report(f"{self.path}: a value appears twice in the choice", "choice")
        return Parameter(self.path, "choice", choices=tuple(texts), values=tuple(zip(texts, built, strict=True)))

    def _range(self, kind: str, annotation: Any) -> Parameter | None:
        number = _number(annotation)
        if number is None:
            return self.report(f"{self.path} is not a number; it takes {describe(annotation)}: use choice", kind)
        base, marks = number
        if (base is int) != (kind == "int_uniform"):
            use = "int_uniform" if base is int else "uniform or log_uniform"
            return self.report(f"{self.path} is {describe(base)}: use {use}", kind)
        ends = self.node.value[kind].value
        if FAILED in [build(annotation, end, self.path, self.document) for end in ends]:
            return None
        low, high = getattr(self.entry, kind)
        if not low < high:
            return self.report(f"{self.path}.{kind} must be [low, high], low below high", kind)
        if kind == "log_uniform" and low <= 0:
            return self.report(f"{self.path}.log_uniform needs a low end above 0, got {low:g}", kind)
        limits, is_open = _limits(marks)
        if self.entry.limits is not None:
            lowest, highest = self.entry.limits
            if not lowest <= low < high <= highest:
                return self.report(f"{self.path}.limits must contain the range {low:g}..{high:g}", "limits")
            inside = (lowest > limits[0], highest < limits[1])
            limits = (max(limits[0], lowest), min(limits[1], highest))
            # Limits from the config belong to the range; only an end of the field's own range may be excluded.
            is_open = (is_open[0] and not inside[0], is_open[1] and not inside[1])
        return Parameter(self.path, KINDS[kind], low, high, limits, is_open)  # type: ignore[arg-type]


def _number(annotation: Any) -> tuple[type, tuple[object, ...]] | None:
    """Return int or float and the range marks of the numeric member of an annotation; None if it has none."""
    for option in union_members(annotation):
        base, *marks = typing.get_args(option) if typing.get_origin(option) is typing.Annotated else (option,)
        if base in (int, float):
            return base, tuple(marks)
    return None


def _limits(marks: tuple[object, ...]) -> tuple[tuple[float, float], tuple[bool, bool]]:
    """Return the (low, high) limits that range marks set, and whether each of them is excluded."""
    low, high, is_open = -math.inf, math.inf, [False, False]
    for mark in marks:
        if isinstance(mark, Ge | Gt):
            low, is_open[0] = float(getattr(mark, "ge", getattr(mark, "gt", "nan"))), isinstance(mark, Gt)
        elif isinstance(mark, Le | Lt):
            high, is_open[1] = float(getattr(mark, "le", getattr(mark, "lt", "nan"))), isinstance(mark, Lt)
    return (low, high), (is_open[0], is_open[1])


# -- combinations -----------------------------------------------------------------------------------------------------


def _checks(
    sweep: Sweep, space: Space, experiment: Experiment, node: Node, document: Document
) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the place and message of each combination that does not work."""
    objectives = [f"validation/{m.name}" for m in METRICS]
    task = experiment.dataset.task
    if task is not None:
        objectives = [f"validation/{name}" for name in names(task)]
    if sweep.objective not in objectives:
        reason = "; a sweep selects on validation data" if not sweep.objective.startswith("validation/") else ""
        yield (
            node.keys.get("objective", (node.line, node.column)),
            (f'the objective "{shown(sweep.objective)}" is not one of {", ".join(objectives)}{reason}'),
        )
    if experiment.dataset.validation == 0:
        yield document.place("dataset.validation"), "a sweep selects on validation data, but dataset.validation is 0"
    for method in space.base.regularizers:
        if method.is_ensemble:
            place = _place(f"regularizers.{method.name}", node, document)
            yield place, f"{method.name} trains several models for each trial; a sweep trains one"
    yield from _prefixes(space, node)
    # Problems of the experiment itself are reported with it: here only those count that the sweep adds.
    old = {(r.path, r.message) for r in check(experiment)}
    seen = set()
    for index, stage in enumerate(sweep.stages):
        if stage.halving is not None and stage.halving > stage.epochs:
            item = node.value["stages"].value[index]
            yield item.keys["halving"], f"halving by {stage.halving} needs {stage.halving} epochs or more"
        longer = replace(space.base, training=replace(space.base.training, epochs=stage.epochs))
        for remark in check(longer):
            if remark.is_warning or (remark.path, remark.message) in old or remark in seen:
                continue
            seen.add(remark)  # stages with equal epochs repeat a remark
            yield _place_of(remark, space, index, node, document), remark.message


def _prefixes(space: Space, node: Node) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the parameters that lie inside another parameter, whose value would replace theirs."""
    for outer, inner in itertools.permutations(space, 2):
        if inner.path.startswith(f"{outer.path}.") and outer.scale != "optional":
            message = f"{inner.path} is a part of {outer.path}, which is also searched"
            yield node.value["space"].keys[inner.path], message


def _place(path: str, node: Node, document: Document) -> tuple[int, int]:
    """Return the place of the entry for a path or one below it, or of the path in the rest of the document."""
    keys = node.value["space"].keys
    return next((keys[k] for k in keys if k == path or k.startswith(f"{path}.")), document.place(path))


def _place_of(remark: Remark, space: Space, stage: int, node: Node, document: Document) -> tuple[int, int]:
    """Return the place to change: an entry of the space, the epochs of the stage, or a key outside the section."""
    if any(p.path == remark.path or p.path.startswith(f"{remark.path}.") for p in space):
        return _place(remark.path, node, document)
    if "epochs" in remark.message:
        item = node.value["stages"].value[stage]
        return item.keys["epochs"]
    return document.place(remark.path)


# -- text -------------------------------------------------------------------------------------------------------------


def _text(plain: Any) -> str:
    return plain if isinstance(plain, str) else json.dumps(plain)


def _yaml(node: Node) -> str:
    """Write the section as YAML in one form, without comments and whatever quotes the user chose."""
    lines = ["sweep:"]
    for key, child in node.value.items():
        if key == "space":
            lines += ["  space:", *(f"    {path}: {_flow_style(entry.plain())}" for path, entry in child.value.items())]
        elif key == "stages":
            lines += ["  stages:", *(f"    - {_flow_style(item.plain())}" for item in child.value)]
        else:
            lines.append(f"  {key}: {_flow_style(child.plain())}")
    return "\n".join(lines) + "\n"


def _flow_style(plain: Any) -> str:
    return flow_style(_lists(plain))


def _lists(plain: Any) -> Any:
    if isinstance(plain, tuple):
        return [_lists(item) for item in plain]
    return {key: _lists(value) for key, value in plain.items()} if isinstance(plain, dict) else plain
