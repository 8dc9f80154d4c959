"""Apply `--set optimizer.learning_rate=3e-3`: put a value into the document's tree at a dotted path."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from regexp.config.catalogues import CATALOGUES
from regexp.config.document import Document, Node, read
from regexp.experiment import Experiment


def apply(document: Document, settings: Sequence[str]) -> None:
    """Put each `path=value` into the tree, and create the mappings on the path that are missing."""
    for setting in settings:
        document.settings.append(setting)
        _Setting(document, setting).put()


class _Setting:
    """One `path=value`. Its places have the line -1 for the first setting, -2 for the second; see Document."""

    def __init__(self, document: Document, text: str):
        self.document, self.text, self.line = document, text, -len(document.settings)

    def put(self) -> None:
        """Put the value into the document's tree, or report why it cannot be."""
        path, equals, text = self.text.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            self._report(1, "expected PATH=VALUE, for example optimizer.learning_rate=3e-3")
            return
        value = self._value(text)
        if value is not None:
            self._descend(keys, value)

    def _value(self, text: str) -> Node | None:
        inner = read(_PREFIX + text, "--set")
        if not inner.problems and set(inner.root.value) == {"value"}:
            return self._moved(inner.root.value["value"])
        start = self.text.index("=") + 2
        if not inner.problems:
            self._report(start, "expected a single value")
            return None
        first = inner.problems[0]
        column = first.column + start - 1 - len(_PREFIX) if first.line == 1 else len(self.text) + 1
        self._report(max(start, min(column, len(self.text) + 1)), first.message)
        return None

    def _descend(self, keys: list[str], value: Node) -> None:
        node, column = self.document.root, 1
        for key in keys[:-1]:
            inner = self._mapping(node.value.get(key), column)
            if inner is not None and node is self.document.root and key not in node.value and keys[1] != "name":
                self._name(inner, key)
            if inner is None:
                self._report(column, f'"{key}" is not a mapping, so nothing in it can be set')
                return
            node.value[key], node.keys[key] = inner, (self.line, column)
            node, column = inner, column + len(key) + 1
        node.value[keys[-1]], node.keys[keys[-1]] = value, (self.line, column)

    def _mapping(self, inner: Node | None, column: int) -> Node | None:
        """Return a node as a mapping: `l2: true` becomes {}, and `model: mlp` becomes {name: mlp}."""
        if inner is None or inner.value is None or inner.value is True:
            return Node({}, self.line, column)
        if isinstance(inner.value, str):
            return Node({"name": inner}, inner.line, inner.column, {"name": (inner.line, inner.column)})
        return inner if isinstance(inner.value, dict) else None

    def _name(self, section: Node, key: str) -> None:
        """Name the default part of a section that the file leaves out: `optimizer.learning_rate=0.1` means Adam's."""
        default: Any = {f.name: f.default for f in dataclasses.fields(Experiment)}.get(key)
        if any(isinstance(default, base) for base in CATALOGUES):
            section.value["name"] = Node(default.name, section.line, section.column)
            section.keys["name"] = (section.line, section.column)

    def _moved(self, node: Node) -> Node:
        """Return the tree with the columns of `value: ...`, from which it was parsed, replaced by the setting's."""
        shift = self.text.index("=") + 1 - len(_PREFIX)
        # At least 1: on a second line of the setting, a column may lie left of the prefix's end.
        place = (self.line, max(1, node.column + shift))
        if isinstance(node.value, dict):
            keys = {key: (self.line, max(1, column + shift)) for key, (_, column) in node.keys.items()}
            return Node({k: self._moved(v) for k, v in node.value.items()}, *place, keys)
        if isinstance(node.value, tuple):
            return Node(tuple(self._moved(item) for item in node.value), *place)
        return Node(node.value, *place)

    def _report(self, column: int, message: str) -> None:
        self.document.report((self.line, column), message)


_PREFIX = "value: "
