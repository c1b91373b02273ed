"""A private message bus (D-Bus), services on it, and other programs that a test runs for as long as a block lasts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from jeepney import Message, MessageType
from jeepney.bus_messages import message_bus
from jeepney.io.trio import DBusConnection, open_dbus_connection

PATIENCE_S = 120.0


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


@asynccontextmanager
async def serve_on_bus(
    folder: Path, name: str, answer: Callable[[DBusConnection, Message], Awaitable[None]], *, enable_fds: bool = False
) -> AsyncIterator[DBusConnection]:
    """Serve `name` on the bus of `open_bus_daemon`: each call is answered by `answer`, one after the other. The name is
    gone when the block ends."""

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with suppress(trio.ClosedResourceError, trio.EndOfChannel, trio.BrokenResourceError):  # the bus is gone
            while True:
                message = await connection.receive()
                if message.header.message_type is MessageType.method_call:
                    await answer(connection, message)

    with trio.fail_after(PATIENCE_S):
        connection = await open_dbus_connection(f"unix:path={folder}/bus", enable_fds=enable_fds)
    async with connection, trio.open_nursery() as nursery:
        async with connection.router() as router:
            await router.send_and_get_reply(message_bus.RequestName(name))
        await nursery.start(serve)
        yield connection
        nursery.cancel_scope.cancel()
