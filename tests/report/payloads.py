"""Forty texts that somebody might put into a name or a value, and hope that it is obeyed."""

from __future__ import annotations

PAYLOADS = (
    # HTML
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "</title></style></textarea><iframe src=javascript:alert(1)>",
    "<!-- <b>",
    "]]><x>",
    "&lt;script&gt;&#60;b&#62;",
    "{{constructor.constructor('alert(1)')()}}",
    "</svg><style>*{display:none}</style>",
    "javascript:alert(1)",
    # Rich markup, ANSI, terminals
    "[red]red[/red]",
    "[link=https://example.com]link[/link]",
    "[/]",
    ":smiley:",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31m",
    "back\x08\x08\x08\x08space",
    "over\rwritten",
    "two\nlines",
    "\u202egnp.exe",
    "zero\u200bwidth\u2028line\u2029paragraph",
    # CSV formulas
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    " =HYPERLINK(\"https://example.com\")",
    "\t=1+1",
    "\uff1d1+1",
    "a,b;c\"d",
    # Markdown
    "| a | b |",
    "`code` **bold** _em_ ~~gone~~",
    "![x](https://example.com/x.png) [y](https://example.com)",
    "https://example.com www.example.com a@example.com",
    # LaTeX
    r"\input{/etc/passwd} \write18{id}",
    "50% of $x_1^2$ & #1 ~ {a} \\\\[1cm]",
    "[opt]* -- --- ``q'' ^^41",
)  # fmt: skip
