"""A private message bus (D-Bus), and other programs that a test runs for as long as a block lasts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

PATIENCE_S = 20.0


@asynccontextmanager
async def running(argv: Sequence[str], env: dict[str, str], **streams: Any) -> AsyncIterator[trio.Process]:
    """Run a program in a process group of its own; killed when the block ends."""
    process = await trio.lowlevel.open_process(argv, env=env, stderr=subprocess.DEVNULL, process_group=0, **streams)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                os.killpg(process.pid, 9)
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()


@asynccontextmanager
async def open_bus_daemon(folder: Path) -> AsyncIterator[trio.Process]:
    """Run a private message bus at `folder`/bus; ended when the block ends."""
    argv = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={folder}/bus"]
    env = {"PATH": os.environ["PATH"]}
    async with running([*argv, "--print-address"], env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with trio.fail_after(PATIENCE_S):
            assert await process.stdout.receive_some()  # printed once the bus listens
        yield process
