"""Counts how many texts of 20 a browser gets right whose page is busy while it is pasted into.

Real browsers without a screen: Chromium and Firefox on Xvfb, Chromium on sway. A page's handlers of keys and of pastes
keep its main thread busy for 0 to 500 ms each. Each text is written by the typing target, as `voiceloop dictate` does,
with `handler.paste = "always"`; another program's clipboard must be back afterwards. With `--history` a clipboard
history reads every new clipboard at once (clipman's way: `wl-paste --watch`; on X xfce4-clipman).

Needs Debian's chromium, firefox-esr, openbox and xclip, wl-clipboard (and xfce4-clipman), besides what scripts/test
installs.

    scripts/bench paste [--on chromium-x,firefox-x,chromium-sway] [--busy 0,80,150,300,500] [--texts 20] [--history]
"""

from __future__ import annotations

import argparse
import html
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from testbed.desktops.screens import open_sway, open_xvfb
from testbed.message_bus import running
from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets.target import TargetOptions

OLD = "the user's own clipboard"
BROWSERS = ("chromium-x", "firefox-x", "chromium-sway")
LOADED_S, ARRIVES_S, LOOK_S = 60.0, 8.0, 0.05
_FLAGS = ("--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-sync")
_QUIET = ("--disable-background-networking", "--disable-component-update", "--password-store=basic")
PAGE = """<!doctype html><meta charset=utf-8><title>page</title><body><textarea autofocus
style="width:90vw;height:90vh"></textarea><script>
const field = document.querySelector("textarea"), busy = BUSY;
const block = () => { const end = performance.now() + busy; while (performance.now() < end); };
const tell = () => fetch("/value", {method: "POST", body: field.value});
for (const kind of ["keydown", "paste"]) field.addEventListener(kind, block);
field.addEventListener("input", tell);
setInterval(() => { if (document.activeElement !== field) field.focus(); }, 200);
field.focus(); tell();
</script>"""


@dataclass
class Page:
    """A page whose handlers are busy, and the last value of its text field."""

    busy_ms: int
    value: str | None = None
    port: int = 0
    served: list[str] = field(default_factory=list)

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._answer, 0)
            self.port = listeners[0].socket.getsockname()[1]
            task_status.started()

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            head, _, body = (await stream.receive_some()).partition(b"\r\n\r\n")
            if head.startswith(b"POST"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                while len(body) < length:
                    body += await stream.receive_some()
                self.value = body.decode()
            page = PAGE.replace("BUSY", str(self.busy_ms)).encode() if head.startswith(b"GET / ") else b""
            answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close"
            await stream.send_all(f"{answer}\r\n\r\n".encode() + page)

    async def until(self, wanted: str, patience_s: float) -> bool:
        """Wait until the field has the text `wanted`. Returns whether it came."""
        with trio.move_on_after(patience_s):
            while self.value != wanted:  # noqa: ASYNC110 - a stranger's page, which is looked at as a user would
                await trio.sleep(LOOK_S)
        return self.value == wanted


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the texts in one browser with one page."""

    browser: str
    busy_ms: int
    texts: int
    right: int
    untold: int
    """Texts that came out wrong without a word."""
    clipboard: str
    slowest_s: float


def _argv(browser: str, profile: Path, url: str) -> list[str]:
    if browser.startswith("firefox"):
        prefs = {"browser.shell.checkDefaultBrowser": "false", "browser.aboutwelcome.enabled": "false"}
        prefs |= {"datareporting.policy.dataSubmissionEnabled": "false", "app.update.auto": "false"}
        prefs |= {"network.captive-portal-service.enabled": "false", "network.connectivity-service.enabled": "false"}
        lines = [f'user_pref("{name}", {value});\n' for name, value in prefs.items()]
        (profile / "user.js").write_text("".join(lines))
        return ["firefox-esr", "--no-remote", "--profile", str(profile), "--kiosk", url]
    ozone = "wayland" if browser.endswith("sway") else "x11"
    return ["chromium", *_FLAGS, *_QUIET, f"--ozone-platform={ozone}", f"--user-data-dir={profile}", f"--app={url}"]


@asynccontextmanager
async def _screen(browser: str, home: Path) -> AsyncIterator[dict[str, str]]:
    opened = open_sway(home) if browser.endswith("sway") else open_xvfb(home)
    async with opened as env:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SWAYSOCK"):
            if name in env:
                os.environ[name] = env[name]
            else:
                os.environ.pop(name, None)
        yield env


def _copying(browser: str) -> list[str]:
    if browser.endswith("sway"):
        return ["wl-copy", "--foreground", OLD]
    return ["sh", "-c", f"printf %s {html.escape(OLD, quote=False)!r} | xclip -quiet -selection clipboard -i"]


async def _clipboard(browser: str, env: dict[str, str]) -> str:
    argv = ["wl-paste", "--no-newline"] if browser.endswith("sway") else ["xclip", "-selection", "clipboard", "-o"]
    with trio.move_on_after(5):
        done = await trio.run_process(argv, env=env, capture_stdout=True, capture_stderr=True, check=False)
        return done.stdout.decode()
    return ""


async def _click(browser: str, env: dict[str, str]) -> None:
    if not browser.endswith("sway"):
        await trio.run_process(["xdotool", "mousemove", "200", "200", "click", "1"], env=env)


def texts(count: int) -> list[str]:
    """Texts of several words, each with a character that has no key."""
    return [f"№ {number}: “said” it, " for number in range(1, count + 1)]


async def _write(page: Page, count: int) -> tuple[int, int, float]:
    """Write the texts, one after the other; gives how many came right, how many wrong untold, and the slowest."""
    notices: list[str] = []
    right = untold = 0
    slowest_s = 0.0

    def publish(_: str, /, **fields: object) -> None:
        notices.append(str(fields.get("text", "")))

    async with open_target("type", TargetOptions(paste="always"), publish) as target:
        for text in texts(count):
            before, told = page.value or "", len(notices)
            started = time.monotonic()
            try:
                await target.insert(text, focus=await target.focus())
            except Exception as error:  # noqa: BLE001 - told to the user, by any name
                notices.append(str(error))
            slowest_s = max(slowest_s, time.monotonic() - started)
            came = await page.until(before + text, ARRIVES_S)
            right += came
            if not came:
                print(f"    not {before + text!r} but {page.value!r}", flush=True)
            untold += not came and len(notices) == told
            await page.until("?", 0.5 + 2 * page.busy_ms / 1000)  # as long as somebody needs for the next sentence
    for notice in dict.fromkeys(notices):
        print("   ", notice, flush=True)
    return right, untold, slowest_s


def _opened(folder: str) -> Path:
    """The folder, which sway's user may enter, too."""
    Path(folder).chmod(0o755)
    return Path(folder)


async def measure(browser: str, busy_ms: int, count: int, *, history: bool) -> Outcome:
    """Write `count` texts into one browser."""
    page = Page(busy_ms)
    with tempfile.TemporaryDirectory(prefix="voiceloop-paste-", ignore_cleanup_errors=True) as folder:
        home = await trio.to_thread.run_sync(_opened, folder)
        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            await nursery.start(page.serve)
            env = await stack.enter_async_context(_screen(browser, home))
            if not browser.endswith("sway"):
                await stack.enter_async_context(running(["openbox"], env))
            await stack.enter_async_context(running(_copying(browser), env))
            if history:
                await _open_history(browser, env, stack)
            profile = home / "profile"
            profile.mkdir()
            argv = _argv(browser, profile, f"http://127.0.0.1:{page.port}/")
            await stack.enter_async_context(running(argv, env | {"HOME": str(home)}, stdout=subprocess.DEVNULL))
            assert await page.until("", LOADED_S), f"{browser} has not loaded the page"
            await trio.sleep(2)
            await _click(browser, env)
            await trio.sleep(1)
            right, untold, slowest_s = await _write(page, count)
            clipboard = "back" if await _clipboard(browser, env) == OLD else "not back"
            nursery.cancel_scope.cancel()
    return Outcome(browser, busy_ms, count, right, untold, clipboard, slowest_s)


async def _open_history(browser: str, env: dict[str, str], stack: AsyncExitStack) -> None:
    watching = ["wl-paste", "--watch", "cat"] if browser.endswith("sway") else ["xfce4-clipman"]
    await stack.enter_async_context(running(watching, env, stdout=subprocess.DEVNULL))


def row(outcome: Outcome) -> str:
    right, slowest = f"{outcome.right} of {outcome.texts}", f"{outcome.slowest_s:.1f} s"
    cells = (outcome.browser, f"{outcome.busy_ms} ms", right, outcome.untold, outcome.clipboard, slowest)
    return "| " + " | ".join(map(str, cells)) + " |"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench paste", description=__doc__.partition("\n")[0])
    parser.add_argument("--on", default=",".join(BROWSERS))
    parser.add_argument("--busy", default="0,80,150,300,500", help="milliseconds of each handler of the page")
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--history", action="store_true", help="with a clipboard history that reads every clipboard")
    arguments = parser.parse_args(words)
    bad = False
    print("| browser | page busy | right | wrong untold | clipboard | slowest insertion |\n" + "| --- " * 6 + "|")
    for browser in arguments.on.split(","):
        for busy in map(int, arguments.busy.split(",")):
            outcome = trio.run(lambda: measure(browser, busy, arguments.texts, history=arguments.history))  # noqa: B023
            print(row(outcome), flush=True)
            bad = bad or outcome.right < outcome.texts or outcome.clipboard != "back"
    if bad:
        raise SystemExit("Some texts came out wrong, or the clipboard was not given back.")


if __name__ == "__main__":
    main()
