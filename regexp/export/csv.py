"""Export a run as config.csv, curves.csv and final.csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from regexp.core import escaping
from regexp.export.contents import LONGEST, Contents, fresh
from regexp.export.tables import Columns, tables
from regexp.runs.files import write_atomic


def write(run: Contents, output: Path) -> str:
    """Write one file per table; return a message."""
    folder = fresh(run, output)
    for name, columns in tables(run).items():
        write_atomic(folder / f"{name}.csv", text(columns).encode())
    return f"config.csv, curves.csv, final.csv in {folder}"


def text(columns: Columns) -> str:
    """Return CSV with all digits; text is quoted, and escaped so that spreadsheets do not run it as a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([escaping.csv(name) for name in columns])
    for row in zip(*columns.values(), strict=True):
        writer.writerow(map(_cell, row))
    return out.getvalue()


def _cell(value: Any) -> Any:
    return escaping.csv(value, LONGEST) if isinstance(value, str) else "" if value is None else value
