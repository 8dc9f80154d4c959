"""Parse YAML text into a tree of plain values with the line and column of every key and value.

The tree is built from PyYAML's events, never by its constructors: no tag creates an object, and no alias can expand to
gigabytes. Scalars follow YAML 1.2's core schema, so `1e-4` is a number while `on` and `12:30` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from regexp.core.errors import LocatedProblem

MOST_BYTES = 1_000_000
TOO_LARGE = f"the config is larger than {MOST_BYTES:,} bytes"
DEEPEST = 32
LONGEST_NUMBER = 100  # characters: Python's int() takes quadratic time, and raises above 4,300 digits
MOST_PROBLEMS = 100

Scalar = str | int | float | bool | None

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Node:
    """A value of the tree and its place.

    value: a dict or tuple of Nodes, or a str, int, float, bool or None
    line, column: counted from 1
    keys: the place of each key, if the value is a mapping
    """

    value: Any
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    def plain(self) -> Any:
        """Return the value without places; lists become tuples."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(node.plain() for node in self.value)
        return self.value


class Document:
    """The text of a config, its tree and the problems reported so far.

    settings: the texts of `--set`; the places of the first, second, ... have the lines -1, -2, ...
    lecture: whether fields that are not written take the textbook's values
    dropped: the paths of invalid fields that were skipped; None if problems are reported instead
    """

    def __init__(self, text: str, file: str):
        self.file, self.lines = file, text.splitlines()
        self.settings: list[str] = []
        self.problems: list[LocatedProblem] = []
        self.root = Node({}, 1, 1)
        self.lecture = False
        self.dropped: list[str] | None = None

    def report(self, place: tuple[int, int], message: str) -> None:
        """Record a problem at (line, column). Raises Stop after `MOST_PROBLEMS` of them."""
        if self.dropped is not None:
            return
        line, column = place
        full = len(self.problems) == MOST_PROBLEMS
        if full:
            message = f"and more problems; the first {MOST_PROBLEMS} are shown"
        file, lines = ("--set", self.settings) if line < 0 else (self.file, self.lines)
        source = lines[abs(line) - 1] if 0 < abs(line) <= len(lines) else ""
        cut = max(0, column - 60) if len(source) > 160 else 0
        # Cut before filtering: a line may have a megabyte and a hundred problems.
        part = "".join(c if c.isprintable() else " " for c in source[cut : cut + 160]).rstrip()
        self.problems.append(LocatedProblem(file, abs(line), column, message, part, column - cut))
        if full:
            raise Stop

    def place(self, path: str) -> tuple[int, int]:
        """Return the (line, column) of the key at a dotted path, or of its nearest ancestor in the document."""
        node, place = self.root, (self.root.line, self.root.column)
        for key in path.split("."):
            if not isinstance(node.value, dict) or key not in node.value:
                break
            place, node = node.keys[key], node.value[key]
        return place


def read(text: str, file: str) -> Document:
    """Parse a config into a document: `problems` holds its syntax errors, `root` the part that could be read."""
    document = Document(text, file)
    # Surrogates come from undecodable bytes of the command line and must not raise here.
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        document.report((1, 1), TOO_LARGE)
        return document
    if match := _FORBIDDEN.search(text):
        before = (text[: match.start()] + "x").splitlines()
        document.report(
            (len(before), len(before[-1])), f"the character U+{ord(match[0]):04X} is not allowed in a config"
        )
        return document
    for number, line in enumerate(document.lines, 1):
        if re.match(r" *\t", line):
            document.report((number, line.index("\t") + 1), "this line is indented by a tab; YAML requires spaces")
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
        document.report(place, "a tab is not allowed here; YAML requires spaces" if tab else reason)
    except yaml.YAMLError as error:
        document.report((1, 1), f"not YAML: {_without_newlines(str(error))}")
    return document


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _without_newlines(text: str) -> str:
    return " ".join(text.split())


class Stop(Exception):
    """Ends the reading of a config; the problems reported so far are raised."""


class _Builder:
    """Builds the tree of Nodes from PyYAML's events."""

    def __init__(self, document: Document, events: Iterator[yaml.Event]):
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

    def _next(self) -> yaml.Event:
        return next(self.events)

    def _report(self, event: yaml.Event, message: str) -> None:
        self.document.report((event.start_mark.line + 1, event.start_mark.column + 1), message)

    def _node(self, event: Any, depth: int) -> Node:
        if depth > DEEPEST:
            self._report(event, f"nested deeper than {DEEPEST} levels")
            raise Stop
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            self._report(event, f"the alias *{event.anchor}: aliases are not allowed in a config; write the value out")
            return Node(None, line, column)
        if event.anchor is not None:
            self._report(event, f"the anchor &{event.anchor}: anchors are not allowed in a config")
        if event.tag is not None:
            self._report(event, f"the tag {event.tag}: tags are not allowed in a config")
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
            # The text of the key as written: `1.0:` names the key "1.0", and `null:` the key "null".
            name = event.value if isinstance(event, yaml.ScalarEvent) else str(key.value)
            if name == "<<":
                self.document.report(place, "merge keys are not allowed in a config; write the values out")
            elif name in node.value:
                first = node.keys[name][0]
                self.document.report(place, f'the key "{shown(name)}" appears twice; first on line {first}')
            else:
                node.value[name], node.keys[name] = value, place
        return node

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
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


def number(text: str) -> int | float | str:
    """Convert a plain scalar by YAML 1.2's core schema to an int or float; return any other text unchanged."""
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _SPECIAL.fullmatch(text):
        return float("nan") if match[3] else float(f"{match[1]}inf")
    return text


def shown(text: object) -> str:
    """Return a user's text for a message: unprintable characters replaced, at most 60 characters."""
    printable = "".join(c if c.isprintable() else "?" for c in str(text))
    return printable if len(printable) <= 60 else printable[:57] + "..."


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys: {"optimizer": {"name": "adam"}} becomes {"optimizer.name": "adam"}.

    Lists and empty mappings are kept as values.
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
