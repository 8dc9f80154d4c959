"""A headless Chromium, driven over the WebDriver protocol; no package needed but the browser and its driver."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]


class Browser:
    """One tab. `run` executes JavaScript, `log` returns what the console said, `requests` what was fetched."""

    def __init__(self, port: int, binary: str):
        self.root = f"http://127.0.0.1:{port}"
        options = {"args": OPTIONS, "binary": binary}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{made['sessionId']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path: Path) -> None:
        self.call("POST", f"{self.session}/url", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.call("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def press(self, *keys: str) -> None:
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
                code = {"Enter": 13, "Tab": 9}[key]
                self.devtools("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def log(self) -> list[str]:
        return [entry["message"] for entry in self._entries("browser")]

    def requests(self) -> list[str]:
        messages = [json.loads(entry["message"])["message"] for entry in self._entries("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def _entries(self, kind: str) -> Any:
        return self.call("POST", f"{self.session}/se/log", {"type": kind})


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Skips the test where no Chromium with its driver is installed."""
    binary, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("needs chromium and chromedriver")
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    opened = None
    try:
        line = next(line for line in process.stdout if "on port" in line and "started" in line)
        opened = Browser(int(line.rstrip(".\n").rpartition(" ")[2]), binary)
        yield opened
    finally:
        if opened is not None:
            opened.call("DELETE", opened.session)
        process.terminate()
        process.stdout.close()
        process.wait(timeout=20)
