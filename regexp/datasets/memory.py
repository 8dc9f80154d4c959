"""How much memory the arrays of a data set may take: sizes come from headers, before anything else is read."""

from __future__ import annotations

import os

from regexp.core.errors import DataError


def physical_bytes() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_size(what: str, size: int, share: float) -> None:
    """Raises DataError where `size` bytes are above a share of this machine's memory.

    what: the file, and the array in it, for the message
    """
    limit = int(share * physical_bytes())
    if size > limit:
        raise DataError(
            f"{what}: takes {in_gib(size)}, above dataset.memory_share {share:g} of this machine's "
            f"{in_gib(physical_bytes())}; raise dataset.memory_share if that is meant",
            "dataset.memory_share",
        )


def in_gib(size: int) -> str:
    """`1.5 GiB`."""
    return f"{size / 2**30:,.1f} GiB"
