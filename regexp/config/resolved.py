"""An Experiment -> YAML text with every default written out; loading it gives an equal Experiment."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from regexp.config.build import CATALOGUES
from regexp.core.component import Component
from regexp.experiment import Experiment


def to_yaml(experiment: Experiment) -> str:
    """The whole config, one section after another; the same experiment gives the same bytes."""
    sections = {field.name: _plain(getattr(experiment, field.name)) for field in dataclasses.fields(experiment)}
    sections["regularizers"] = {method.name: _fields(method) for method in experiment.regularizers}
    lines: list[str] = []
    for name, section in sections.items():
        if isinstance(section, str):
            lines.append(f"{name}: {_flow(section)}")
            continue
        if not section:
            lines.append(f"{name}: {{}}")
            continue
        lines.append(f"{name}:")
        lines += [f"  {key}: {_flow(value)}" for key, value in section.items()]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        named = any(isinstance(value, base) for base in CATALOGUES)
        return ({"name": value.name} if named else {}) | _fields(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _fields(component: Any) -> dict[str, Any]:
    return {f.name: _plain(getattr(component, f.name)) for f in dataclasses.fields(component)}


def _flow(value: Any) -> str:
    """A value on one line. JSON is YAML's flow style; a float keeps all its digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str) and value.replace("_", "").isalpha() and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    # YAML 1.1 readers, PyYAML among them, take 1e-08 for text and 1.0e-08 for a number.
    return text.replace("e", ".0e") if isinstance(value, float) and "e" in text and "." not in text else text


_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "nan", "inf"}
