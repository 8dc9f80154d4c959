"""Escape text from users for every output format, so that it is shown and never interpreted.

Print such text with Rich only through `Text`, never as markup.
"""

from __future__ import annotations

import html as html_module
import re
import unicodedata

LONGEST = 300
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format (bidirectional), surrogate
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")
_LATEX = {c: f"\\{c}" for c in "{}$&#_%"} | {c: f"{{{c}}}" for c in "[]*"}  # \\[ and \\* are commands
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}"}
_LATEX |= {'"': r"\textquotedbl{}", "±": r"$\pm$"}
_MARKDOWN = {c: f"\\{c}" for c in "\\`*_{}[]()#+-!|~"}
_MARKDOWN |= {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;", "@": "&#64;"}


def safe(text: object) -> str:
    """Return text for a terminal, with `?` for every invisible character except line breaks."""
    string = str(text)
    # Printable strings contain none of _INVISIBLE, and this check is much faster than one for each character.
    if string.isprintable():
        return string
    return "".join("?" if unicodedata.category(c) in _INVISIBLE and c != "\n" else c for c in string)


def plain(text: object, longest: int = LONGEST) -> str:
    """Return one line of text, truncated to `longest` characters."""
    line = safe(str(text)[: longest + 1]).replace("\n", "?")
    return line if len(line) <= longest else line[: longest - 3] + "..."


def html(text: object, longest: int = LONGEST) -> str:
    """Return HTML for the text of an element or a quoted attribute."""
    return html_module.escape(plain(text, longest), quote=True)


def markdown(text: object) -> str:
    """Return a table cell in GitHub's Markdown."""
    escaped = "".join(_MARKDOWN.get(c, c) for c in plain(text))
    return escaped.replace("www.", "www&#46;")  # GitHub turns bare www. addresses into links


def latex(text: object) -> str:
    """Return a cell of a LaTeX tabular."""
    return "".join(_LATEX.get(c, c) for c in plain(text)).replace("--", "-{}-")


def csv(text: object, longest: int = LONGEST) -> str:
    """Return a CSV cell; a quote is put before text that a spreadsheet would evaluate as a formula."""
    cell = plain(text, longest)
    first = cell.lstrip()[:1]
    formula = first != "" and first in "=+-@＝＋－＠'" and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if formula else cell
