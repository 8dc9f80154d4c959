"""Text from users, made inert: no control characters, no escape sequences, no markup."""

from __future__ import annotations

import unicodedata


def safe(text: object) -> str:
    """Control and formatting characters as `?`; newlines stay. Print with Rich only through `Text`, never as markup."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "?" for c in str(text))
