"""YAML text -> a tree of plain values that knows the line and column of every key and value.

Built from PyYAML's events, never from its constructors: no tag makes an object, no alias can explode. Scalars follow
YAML 1.2's core schema, so `1e-4` is a number while `on` and `12:30` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from regexp.core.errors import Problem

MOST_BYTES = 1_000_000
TOO_LARGE = f"the config is larger than {MOST_BYTES:,} bytes"
DEEPEST = 32
LONGEST_NUMBER = 100
MOST_PROBLEMS = 100

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Node:
    """A value and its place. value: dict of Nodes, tuple of Nodes, or str, int, float, bool, None."""

    value: Any
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)  # of a mapping: the place of each key

    def plain(self) -> Any:
        """The value without places; lists as tuples."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(node.plain() for node in self.value)
        return self.value


class Document:
    """A config's text, its tree and the problems found in it so far."""

    def __init__(self, text: str, file: str):
        self.file, self.lines = file, text.splitlines()
        self.settings: list[str] = []  # of --set; their places have the lines -1, -2, ...
        self.problems: list[Problem] = []
        self.root = Node({}, 1, 1)
        self.lecture = False  # whether what is left open takes the textbook's form
        self.dropped: list[str] | None = None  # where what cannot be built is left out in silence: its paths

    def report(self, place: tuple[int, int], message: str) -> None:
        """Note a problem at (line, column). Raises Stop where there are too many to be of use."""
        if self.dropped is not None:
            return
        line, column = place
        full = len(self.problems) == MOST_PROBLEMS
        if full:
            message = f"and more problems; the first {MOST_PROBLEMS} are shown"
        file, lines = ("--set", self.settings) if line < 0 else (self.file, self.lines)
        source = lines[abs(line) - 1] if 0 < abs(line) <= len(lines) else ""
        cut = max(0, column - 60) if len(source) > 160 else 0
        # cut first: a line may have a megabyte and a hundred problems
        part = "".join(c if c.isprintable() else " " for c in source[cut : cut + 160]).rstrip()
        self.problems.append(Problem(file, abs(line), column, message, part, column - cut))
        if full:
            raise Stop

    def place(self, path: str) -> tuple[int, int]:
        """(line, column) of the key at a dotted path, or of the nearest one above it that is written."""
        node, place = self.root, (self.root.line, self.root.column)
        for key in path.split("."):
            if not isinstance(node.value, dict) or key not in node.value:
                break
            place, node = node.keys[key], node.value[key]
        return place


def read(text: str, file: str) -> Document:
    """Parse a whole config; problems of form are in `problems`, and what could be read is in `root`."""
    document = Document(text, file)
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        document.report((1, 1), TOO_LARGE)
        return document
    if match := _FORBIDDEN.search(text):
        before = (text[: match.start()] + "x").splitlines()
        document.report((len(before), len(before[-1])), f"the character U+{ord(match[0]):04X} is not part of a config")
        return document
    for number, line in enumerate(document.lines, 1):
        if re.match(r" *\t", line):
            document.report((number, line.index("\t") + 1), "a tab indents this line; YAML wants spaces")
            return document
    try:
        _Builder(document, yaml.parse(text, Loader=_LOADER)).build()
    except Stop:
        pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        tab = document.lines[place[0] - 1 : place[0]] and document.lines[place[0] - 1][place[1] - 1 :].startswith("\t")
        reason = f"not YAML: {_without_newlines(error.problem or str(error))}"
        document.report(place, "a tab stands here; YAML wants spaces" if tab else reason)
    except yaml.YAMLError as error:
        document.report((1, 1), f"not YAML: {_without_newlines(str(error))}")
    return document


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _without_newlines(text: str) -> str:
    return " ".join(text.split())


class Stop(Exception):
    """What follows is not read."""


class _Builder:
    """Events -> Nodes."""

    def __init__(self, document: Document, events: Iterator[Any]):
        self.document, self.events = document, events

    def build(self) -> None:
        self._next()  # stream start
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            self.document.report((1, 1), "the config is empty")
            return
        root = self._node(self._next(), 0)
        self._next()  # document end
        if isinstance(event := self._next(), yaml.DocumentStartEvent):
            self._report(event, "a second document begins here; a config is one document")
            raise Stop
        if not isinstance(root.value, dict):
            if root.value is None:
                self.document.report((root.line, root.column), "the config is empty")
            else:
                self.document.report((root.line, root.column), "a config is a mapping: `model: ...`")
            return
        self.document.root = root

    def _next(self) -> Any:
        return next(self.events)

    def _report(self, event: Any, message: str) -> None:
        self.document.report((event.start_mark.line + 1, event.start_mark.column + 1), message)

    def _node(self, event: Any, depth: int) -> Node:
        if depth > DEEPEST:
            self._report(event, f"nested deeper than {DEEPEST} levels")
            raise Stop
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            self._report(event, f"the alias *{event.anchor}: aliases are not part of a config; write the value out")
            return Node(None, line, column)
        if event.anchor is not None:
            self._report(event, f"the anchor &{event.anchor}: anchors are not part of a config")
        if event.tag is not None:
            self._report(event, f"the tag {event.tag}: tags are not part of a config")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(Node({}, line, column), depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                items.append(self._node(event, depth + 1))
            return Node(tuple(items), line, column)
        return Node(self._scalar(event), line, column)

    def _mapping(self, node: Node, depth: int) -> Node:
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            key = self._node(event, depth + 1)
            value = self._node(self._next(), depth + 1)
            if isinstance(key.value, dict | tuple):
                self.document.report(place, "a key must be a word")
                continue
            name = event.value if isinstance(event, yaml.ScalarEvent) else str(key.value)
            if name == "<<":
                self.document.report(place, "merge keys are not part of a config; write the values out")
            elif name in node.value:
                first = node.keys[name][0]
                self.document.report(place, f'the key "{shown(name)}" stands twice; first in line {first}')
            else:
                node.value[name], node.keys[name] = value, place
        return node

    def _scalar(self, event: Any) -> Any:
        if not event.implicit[0]:
            return event.value
        text: str = event.value
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if (_INTEGER.fullmatch(text) or _FLOAT.fullmatch(text)) and len(text) > LONGEST_NUMBER:
            self._report(event, f"a number of {len(text)} characters")
            return None
        return number(text)


def number(text: str) -> Any:
    """A plain scalar as YAML 1.2's core schema reads it: int, float, or the text itself."""
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _SPECIAL.fullmatch(text):
        return float("nan") if match[3] else float(f"{match[1]}inf")
    return text


def shown(text: object) -> str:
    """A user's text in a message: printable and short."""
    printable = "".join(c if c.isprintable() else "?" for c in str(text))
    return printable if len(printable) <= 60 else printable[:57] + "..."


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"optimizer": {"name": "adam"}} -> {"optimizer.name": "adam"}; lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
