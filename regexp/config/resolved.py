"""Write an Experiment as YAML text with every default written out. Loading the text gives an equal Experiment."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from regexp.config.build import CATALOGUES
from regexp.core.component import Component
from regexp.experiment import Experiment


def to_yaml(experiment: Experiment) -> str:
    """Return the config as YAML text. Equal experiments give equal bytes."""
    sections = {field.name: as_plain(getattr(experiment, field.name)) for field in dataclasses.fields(experiment)}
    sections["regularizers"] = {method.name: _fields(method) for method in experiment.regularizers}
    lines: list[str] = []
    for name, section in sections.items():
        if isinstance(section, str):
            lines.append(f"{name}: {flow_style(section)}")
            continue
        if not section:
            lines.append(f"{name}: {{}}")
            continue
        lines.append(f"{name}:")
        lines += [f"  {key}: {flow_style(value)}" for key, value in section.items()]
    return "\n".join(lines) + "\n"


def as_plain(value: Any) -> Any:
    """Convert a field's value to JSON types; a part of a catalogue becomes a mapping with its name."""
    if isinstance(value, Component):
        named = any(isinstance(value, base) for base in CATALOGUES)
        return ({"name": value.name} if named else {}) | _fields(value)
    if isinstance(value, tuple):
        return [as_plain(item) for item in value]
    return value


def _fields(component: Any) -> dict[str, Any]:
    return {f.name: as_plain(getattr(component, f.name)) for f in dataclasses.fields(component)}


def flow_style(value: Any) -> str:
    """Write a JSON value on one line in YAML's flow style, with all digits of a float."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow_style(str(k))}: {flow_style(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow_style(item) for item in value) + "]"
    if isinstance(value, str) and value.replace("_", "").isalpha() and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False)
    # Control characters and line separators would end or corrupt the line; YAML reads this escape.
    text = "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    # YAML 1.1 readers, PyYAML among them, take 1e-08 for text and 1.0e-08 for a number.
    return text.replace("e", ".0e") if isinstance(value, float) and "e" in text and "." not in text else text


_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "nan", "inf"}
