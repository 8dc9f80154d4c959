"""Build a self-contained HTML page: no server, no network, and no script other than the one allowed by its hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from regexp.core.escaping import html
from regexp.report.look import CSS


def document(title: str, lead: str, sections: Sequence[tuple[str, str, str]], script: str = "") -> str:
    """Return the HTML of a page.

    title, lead: plain text, escaped here
    sections: (id, heading, HTML); the HTML is inserted as it is, so its author escapes it
    script: the only script that the page's content security policy allows
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    scripts = f"script-src 'sha256-{digest}'; " if script else ""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; {scripts}base-uri 'none'"
    links = "".join(f'<a href="#{html(key)}">{html(head)}</a>' for key, head, _ in sections)
    body = "".join(f'<section id="{html(key)}"><h2>{html(head)}</h2>{text}</section>' for key, head, text in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{html(title)}</title><style>{CSS}</style></head>\n"
        f'<body><header><h1>{html(title)}</h1><p>{html(lead)}</p><nav aria-label="Sections">{links}</nav></header>'
        f"<main>{body}</main>{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )
