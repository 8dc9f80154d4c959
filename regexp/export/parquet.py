"""Export a run as config.parquet, curves.parquet and final.parquet."""

from __future__ import annotations

import io
from pathlib import Path

from regexp.export.contents import Contents, fresh
from regexp.export.tables import tables
from regexp.runs.files import write_atomic


def write(run: Contents, output: Path) -> str:
    """Write one file per table, with null for missing numbers; return a message."""
    import pyarrow
    from pyarrow import parquet

    folder = fresh(run, output)
    for name, columns in tables(run).items():
        out = io.BytesIO()
        parquet.write_table(pyarrow.table(columns), out)
        write_atomic(folder / f"{name}.parquet", out.getvalue())
    return f"config.parquet, curves.parquet, final.parquet in {folder}"
