"""Text from users made inert for each place that shows it: it is read as text there, never obeyed.

Print it with Rich only through `Text`, never as markup.
"""

from __future__ import annotations

import html as html_module
import re
import unicodedata

LONGEST = 300
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, formatting (bidirectional, invisible), unpaired
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")
_LATEX = {c: f"\\{c}" for c in "{}$&#_%"} | {c: f"{{{c}}}" for c in "[]*"}  # \\[ and \\* are commands
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}"}
_LATEX |= {'"': r"\textquotedbl{}", "±": r"$\pm$"}
_MARKDOWN = {c: f"\\{c}" for c in "\\`*_{}[]()#+-!|~"}
_MARKDOWN |= {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;", "@": "&#64;"}


def safe(text: object) -> str:
    """For a terminal: `?` for every character that is not seen; its lines stay."""
    made = str(text)
    if made.isprintable():  # what it calls so holds none of them: a thousand rows need not ask for each character
        return made
    return "".join("?" if unicodedata.category(c) in _UNSEEN and c != "\n" else c for c in made)


def plain(text: object, longest: int = LONGEST) -> str:
    """One line, cut if long."""
    made = safe(str(text)[: longest + 1]).replace("\n", "?")
    return made if len(made) <= longest else made[: longest - 3] + "..."


def html(text: object, longest: int = LONGEST) -> str:
    """For an element's text or a quoted attribute."""
    return html_module.escape(plain(text, longest), quote=True)


def markdown(text: object) -> str:
    """For a cell of a table in GitHub's Markdown."""
    made = "".join(_MARKDOWN.get(c, c) for c in plain(text))
    return made.replace("www.", "www&#46;")  # else a link by itself


def latex(text: object) -> str:
    """For a cell of a tabular."""
    return "".join(_LATEX.get(c, c) for c in plain(text)).replace("--", "-{}-")


def csv(text: object, longest: int = LONGEST) -> str:
    """For a CSV cell: what a spreadsheet would take for a formula begins with a quote."""
    made = plain(text, longest)
    begins = made.lstrip()[:1]
    formula = begins != "" and begins in "=+-@＝＋－＠'" and not _NUMBER.fullmatch(made)
    return f"'{made}" if formula else made
