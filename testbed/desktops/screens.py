"""Desktops to type into: an X server and a Wayland compositor without a screen, with windows whose text can be read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from testbed.message_bus import PATIENCE_S, running

NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
"""The Python for which Debian's python3-tk and python3-gi are built."""


def needs(*programs: str, module: str = "") -> pytest.MarkDecorator:
    """Skip a test where a program, or a module of the system's Python, is missing."""
    absent = [program for program in programs if shutil.which(program) is None]
    if module and not absent:
        found = subprocess.run([SYSTEM_PYTHON, "-c", f"import {module}"], check=False, capture_output=True)
        absent += [f"the system's Python module {module}"] if found.returncode else []
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)} (scripts/test installs them)")


@dataclass(slots=True)
class Program:
    """A program that reports its state in JSON lines. `state`: the last value of each field; `done`: finished
    commands."""

    process: trio.Process
    state: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    news: trio.Event = field(default_factory=trio.Event)

    async def listen(self) -> None:
        """Read the program's JSON lines until it closes its output."""
        assert self.process.stdout is not None
        rest = b""
        async for data in self.process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                fields = json.loads(line)
                if "done" in fields:
                    self.done.append(fields.pop("done"))
                self.state |= fields
            self.news.set()
            self.news = trio.Event()

    async def until(self, **wanted: object) -> None:
        """Wait until its state has these values; fails with the actual values."""
        with trio.move_on_after(PATIENCE_S):
            while not wanted.items() <= self.state.items():
                await self.news.wait()
        actual = {key: self.state.get(key) for key in wanted}
        assert actual == wanted, f"{actual}, not {wanted}"

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """While the block runs, the program does nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    async def do(self, command: str) -> None:
        """Send a command line, and wait until it is done."""
        before = self.done.count(command)
        assert self.process.stdin is not None
        await self.process.stdin.send_all(f"{command}\n".encode())
        with trio.fail_after(PATIENCE_S):
            while self.done.count(command) == before:
                await self.news.wait()

    @property
    def text(self) -> str:
        return str(self.state["text"])


@asynccontextmanager
async def open_program(argv: Sequence[str], env: dict[str, str]) -> AsyncIterator[Program]:
    """Run a program that reports its state in JSON lines."""
    async with running(argv, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        program = Program(process)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.listen)
            yield program
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_field(env: dict[str, str], *options: str, kind: str = "tk") -> AsyncIterator[Program]:
    """Open a window with a text field that has the focus. `kind`: `tk` or `gtk`."""
    script = Path(__file__).with_name(f"{kind}_field.py")
    async with open_program([SYSTEM_PYTHON, str(script), *options], env) as program:
        await program.until(text="")
        yield program


@asynccontextmanager
async def open_xvfb(home: Path) -> AsyncIterator[dict[str, str]]:
    """Run an X server without a screen; gives the environment of its clients."""
    read, write = os.pipe()
    argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"]
    async with running(argv, dict(os.environ), pass_fds=(write,)) as process:
        os.close(write)
        number = b""
        with trio.fail_after(PATIENCE_S):
            while not number.endswith(b"\n"):
                await trio.lowlevel.wait_readable(read)
                number += os.read(read, 16)
        os.close(read)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        yield {"HOME": str(home), "LC_ALL": "C.UTF-8", **kept} | {
            "DISPLAY": f":{number.decode().strip()}",
            "SERVER_PID": str(process.pid),
        }


@asynccontextmanager
async def open_sway(home: Path) -> AsyncIterator[dict[str, str]]:
    """Run a Wayland compositor without a screen; gives the environment of its clients."""
    config, runtime = home / "sway.conf", home / "run"
    config.write_text("xwayland disable\nfocus_follows_mouse no\n")
    runtime.mkdir(mode=0o700)
    argv = ["sway", "-c", str(config)]
    if os.geteuid() == 0:  # sway refuses to run as root
        os.chown(runtime, NOBODY, NOBODY)
        argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *argv]
        for folder in (home, *list(home.parents)[:2]):  # only their owner may enter pytest's folders
            folder.chmod(folder.stat().st_mode | 0o055)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env = {"HOME": str(runtime), "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(runtime), **kept}
    headless = {"WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman"}
    async with running(argv, env | headless) as process:
        await until(lambda: bool([*runtime.glob("sway-ipc.*.sock")] and [*runtime.glob("wayland-*")]))
        env |= {
            "SWAYSOCK": str(next(runtime.glob("sway-ipc.*.sock"))),
            "GDK_BACKEND": "wayland",
            "SERVER_PID": str(process.pid),
        }
        env |= {"WAYLAND_DISPLAY": min(path.name for path in runtime.glob("wayland-*"))}
        # A keyboard that stays, as on real desktops: windows notice a new keyboard too late for its first key.
        async with running(["wtype", "-s", "600000"], env):
            yield env


async def xdotool(env: dict[str, str], *arguments: str) -> None:
    """Do what a user does by hand."""
    await trio.run_process(["xdotool", *arguments], env=env)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, by polling: for changes that nothing reports."""
    with trio.move_on_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - see above
            await trio.sleep(0.02)
    assert condition()
