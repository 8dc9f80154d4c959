"""Check that no input column identifies rows: memorized identifiers, row numbers and dates do not generalize."""

from __future__ import annotations

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.datasets.identifiers import yaml_name


def check(bench: Bench) -> Finding:
    """Report the columns of a table that `datasets/identifiers.py` flags; other datasets have none."""
    columns = bench.data.codec.get("identifiers", [])
    names = [name for name, _ in columns]
    return Finding(
        verdict(bool(columns)),
        "; ".join(f"column {name!r} {reason}" for name, reason in columns) or "no column identifies rows",
        "none",
        f"exclude them: dataset.drop: [{', '.join(map(yaml_name, names))}]" if columns else "",
        {"columns": names},
    )
