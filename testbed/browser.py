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
    # Chromium has no sandbox for root, as in containers. The other flags keep it from using the network.
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1400,900",
)


def why_not() -> str | None:
    """The programs that tests in a browser need and this machine lacks; None when there are all."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"needs {', '.join(missing)} (Debian: chromium, chromium-driver)" if missing else None


@dataclass
class Browser:
    """One browser window."""

    base: str
    session: str = ""

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, content, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from None

    def begin(self, profile: Path, *flags: str) -> None:
        options = {"args": [*_FLAGS, f"--user-data-dir={profile}", *flags], "binary": shutil.which("chromium")}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _ask_session(self, method: str, path: str, body: Any = None) -> Any:
        return self._ask(method, f"/session/{self.session}{path}", body)

    def open(self, path: Path, fragment: str = "") -> None:
        self._ask_session("POST", "/url", {"url": "about:blank"})  # a change of only the fragment would load nothing
        self.visit(path.as_uri() + fragment)

    def visit(self, url: str) -> None:
        self._ask_session("POST", "/url", {"url": url})

    def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._ask_session("GET", "/screenshot"))

    def run(self, script: str) -> Any:
        """Run `script`, the body of a function, in the page; gives its result."""
        return self._ask_session("POST", "/execute/sync", {"script": script, "args": []})

    def run_later(self, script: str) -> Any:
        """Run `script` in the page; gives what it calls `done` with."""
        script = f"const done = arguments[0]; {script}"
        return self._ask_session("POST", "/execute/async", {"script": script, "args": []})

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools Protocol, such as `Emulation.setDeviceMetricsOverride`; gives its result."""
        return self._ask_session("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def act(self, kind: str, *actions: dict[str, Any], **parameters: Any) -> None:
        """Move or press an input device (mouse, wheel, keyboard), as a person would."""
        device = {"type": kind, "id": kind, "actions": list(actions)} | parameters
        self._ask_session("POST", "/actions", {"actions": [device]})

    def console_messages(self) -> list[str]:
        """The messages in the browser's console, without the warning that the tests read pixels often."""
        texts = [entry["message"] for entry in self._ask_session("POST", "/se/log", {"type": "browser"})]
        return [text for text in texts if "willReadFrequently" not in text]

    def end(self) -> None:
        self._ask("DELETE", f"/session/{self.session}")


@contextmanager
def browsing(profile: Path, *flags: str) -> Iterator[Browser]:
    """A browser with an empty profile, closed when the block ends."""
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
