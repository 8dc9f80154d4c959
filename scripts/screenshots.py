"""python -m scripts.screenshots RUNS

The pictures of the README: trains what is not yet in RUNS (a minute of processor time), writes the report's page and
photographs it in light and dark. Needs chromium and chromedriver.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

from tests.report.browser import Browser, browser

ROOT = Path(__file__).parents[1]
METHODS = ("l2", "dropout", "label_smoothing")
ARMS = {"all": (), "none": METHODS} | {f"without-{method}": (method,) for method in METHODS}
WIDTH, HEIGHT = 1200, 1240


def regexp(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "regexp", *map(str, arguments)], cwd=ROOT, check=True)


def train(runs: Path) -> None:
    """The quickstart with all of its methods, without each, and with none; eight seeds."""
    for name, off in ARMS.items():
        if not (runs / name).exists():
            settings = [f"--set=regularizers.{method}=false" for method in off]
            seeds = "--set=training.seeds=[0,1,2,3,4,5,6,7]"
            regexp("train", "configs/quickstart.yaml", "--runs-dir", runs, "--name", name, "--quiet", seeds, *settings)


def shoot(tab: Browser, scheme: str) -> bytes:
    """The top of the page as PNG."""
    tab.devtools("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    tab.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    return base64.b64decode(tab.devtools("Page.captureScreenshot", format="png")["data"])


def main() -> None:
    runs = Path(sys.argv[1]).resolve()
    train(runs)
    page = runs.parent / "report.html"
    regexp("report", *ARMS, "--runs-dir", runs, "--baseline", "all", "--metric", "test/ece", "--html", page)
    with browser() as tab:
        tab.open(page)
        for scheme in ("light", "dark"):
            (ROOT / "docs" / "images" / f"report-{scheme}.png").write_bytes(shoot(tab, scheme))


if __name__ == "__main__":
    main()
