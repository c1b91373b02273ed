"""A headless Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2/) by the standard library alone."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FLAGS = (
    # Root, as in containers, has no sandbox; the rest keeps it from asking the network for anything.
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1400,900",
)


def why_not() -> str | None:
    """What is missing here for tests in a browser, if anything is."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"needs {', '.join(missing)} (Debian: chromium, chromium-driver)" if missing else None


@dataclass
class Browser:
    """One window."""

    base: str
    session: str = ""

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, content, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from None

    def begin(self, profile: Path, *flags: str) -> None:
        options = {"args": [*_FLAGS, f"--user-data-dir={profile}", *flags], "binary": shutil.which("chromium")}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _here(self, method: str, path: str, body: Any = None) -> Any:
        return self._ask(method, f"/session/{self.session}{path}", body)

    def open(self, path: Path, fragment: str = "") -> None:
        self._here("POST", "/url", {"url": "about:blank"})  # a change of the fragment alone loads nothing
        self.visit(path.as_uri() + fragment)

    def visit(self, url: str) -> None:
        self._here("POST", "/url", {"url": url})

    def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._here("GET", "/screenshot"))

    def run(self, script: str) -> Any:
        """Run a function's body in the page; its result."""
        return self._here("POST", "/execute/sync", {"script": script, "args": []})

    def act(self, kind: str, *actions: dict[str, Any], **parameters: Any) -> None:
        """Move, press or turn an input device, as a person would."""
        device = {"type": kind, "id": kind, "actions": list(actions)} | parameters
        self._here("POST", "/actions", {"actions": [device]})

    def complaints(self) -> list[str]:
        """What its console says, but for how often the tests themselves look at pixels."""
        said = [entry["message"] for entry in self._here("POST", "/se/log", {"type": "browser"})]
        return [text for text in said if "willReadFrequently" not in text]

    def end(self) -> None:
        self._ask("DELETE", f"/session/{self.session}")


@contextmanager
def browsing(profile: Path, *flags: str) -> Iterator[Browser]:
    """A browser with an empty profile; ended afterwards."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert driver.stdout is not None
        port = next(text.split()[-1].strip(".") for text in driver.stdout if "started successfully on port" in text)
        browser = Browser(f"http://127.0.0.1:{port}")
        browser.begin(profile, *flags)
        try:
            yield browser
        finally:
            browser.end()
    finally:
        driver.terminate()
        driver.wait()
        if driver.stdout is not None:
            driver.stdout.close()
