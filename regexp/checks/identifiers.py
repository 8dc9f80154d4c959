"""No input names the rows: identifiers, running numbers and dates are learned by heart and say nothing of new rows."""

from __future__ import annotations

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.datasets.identifiers import yaml_name


def check(bench: Bench) -> Finding:
    """The columns of a table that datasets/identifiers.py finds; other data sets have none."""
    columns = bench.data.codec.get("identifiers", [])
    names = [name for name, _ in columns]
    return Finding(
        verdict(bool(columns)),
        "; ".join(f"column {name!r} {reason}" for name, reason in columns) or "no column that names rows",
        "none",
        f"leave them out: dataset.drop: [{', '.join(map(yaml_name, names))}]" if columns else "",
        {"columns": names},
    )
