"""Limit the memory of a dataset's arrays by the sizes in file headers, before their content is read."""

from __future__ import annotations

import os

from regexp.core.errors import DataError


def physical_bytes() -> int:
    """Return the size of this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_size(label: str, size: int, share: float) -> None:
    """Raise DataError if `size` bytes exceed a share of this machine's memory.

    label: the file and the array in it, for the message
    """
    limit = int(share * physical_bytes())
    if size > limit:
        raise DataError(
            f"{label}: takes {in_gib(size)}, above dataset.memory_share {share:g} of this machine's "
            f"{in_gib(physical_bytes())}; raise dataset.memory_share to load it anyway",
            "dataset.memory_share",
        )


def in_gib(size: int) -> str:
    """Format a number of bytes: `1.5 GiB`."""
    return f"{size / 2**30:,.1f} GiB"
