"""docs/regularizers.md, made of the same cards that `regexp show` prints."""

from __future__ import annotations

import inspect
from typing import Any

from regexp.cli.catalogue import entries
from regexp.config.resolved import flow_style
from regexp.regularizers.base import CATALOGUE

PLACES = {
    "inputs": "what the network is shown in training",
    "targets": "what it is told",
    "activations": "its hidden units",
    "weights": "the weights inside the loss",
    "parameters": "penalties and constraints",
    "adversarial": "worst-case inputs",
    "gradients": "the gradient of the whole objective",
    "loop": "when to stop and what to keep",
    "signal": "more to learn from",
    "ensembles": "several models for every seed, trained as lanes of one program",
}
HEAD = """# The regularizers

Made by `scripts/regularizers_page` from the classes themselves; `regexp show NAME` prints the same card. Every method
works from its YAML key under `regularizers:`, with every other, in the order of the file; `regexp list` has them all.
"""


def page() -> str:
    """The whole page as Markdown."""
    found = [entry for entry in entries() if entry["kind"] == "regularizer"]
    lines = [HEAD]
    for place, what in PLACES.items():
        members = [entry for entry in found if entry["acts_on"] == place]
        names = ", ".join(f"[{entry['name']}](#{entry['name']})" for entry in members)
        lines.append(f"- **{place}** ({what}): {names}")
    for place in PLACES:
        lines += ["", f"## {place}"]
        for entry in found:
            if entry["acts_on"] == place:
                lines += ["", *_card(entry)]
    return "\n".join(lines) + "\n"


def _card(entry: dict[str, Any]) -> list[str]:
    docstring = inspect.getdoc(CATALOGUE[entry["name"]]) or ""
    defaults = {key: value["default"] for key, value in entry["keys"].items() if value["default"] is not None}
    lines = [f"### {entry['name']}", "", entry["summary"], "", "```text", docstring, "```", "", "```yaml"]
    lines += ["regularizers:", f"  {entry['name']}: {flow_style(defaults)}", "```"]
    if entry["keys"]:
        lines += ["", "| key | default | accepts |", "|---|---|---|"]
        for key, value in entry["keys"].items():
            accepts = value["range"].replace("|", "\\|")
            lines.append(f"| `{key}` | `{flow_style(value['default'])}` | {accepts} |")
    return lines
