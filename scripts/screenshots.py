"""python -m scripts.screenshots RUNS

The pictures of the README: trains the arms that are not yet in RUNS (a minute of processor time), writes the page and
photographs its top in light and dark. Needs chromium and chromedriver.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

from tests.report.browser import Browser, browser

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 1200, 985


def shoot(tab: Browser, scheme: str) -> bytes:
    """The top of the page as PNG."""
    tab.devtools("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    tab.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    return base64.b64decode(tab.devtools("Page.captureScreenshot", format="png")["data"])


def main() -> None:
    runs = Path(sys.argv[1]).resolve()
    page = runs.parent / "report.html"
    command = ["ablate", "configs/ablations/digits.yaml", "--runs-dir", runs, "--metric", "test/nll", "--html", page]
    subprocess.run([sys.executable, "-m", "regexp", *map(str, command)], cwd=ROOT, check=True)
    with browser() as tab:
        tab.open(page)
        for scheme in ("light", "dark"):
            (ROOT / "docs" / "images" / f"report-{scheme}.png").write_bytes(shoot(tab, scheme))


if __name__ == "__main__":
    main()
