"""Puts the control of a session together: the socket, the desk, the notifications. The composition root asks for it."""

from __future__ import annotations

import socket
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import trio

from voiceloop.config.tables import Config
from voiceloop.control.attention import Attention
from voiceloop.control.controller import Controller, Loop
from voiceloop.control.socket_files import Taken, listening, socket_path
from voiceloop.errors import ControlError
from voiceloop.events import Publish

_ALONE = frozenset({"dictate"})
"""Two of them on one microphone would type everything twice."""


@dataclass(slots=True)
class Controlled:
    """A session's desk, and the socket that waits for the loop to run; None where it couldn't be made."""

    controller: Controller
    sock: socket.socket | None
    notify: bool

    @property
    def description(self) -> str:
        """What can be controlled by what."""
        return "no" if self.sock is None else f"voiceloop ctl, by {socket_path(self.controller.name)}"

    async def serve(self, stack: AsyncExitStack, loop: Loop) -> None:
        """From now on, until `stack` ends, it can be controlled."""
        from voiceloop.control.server import open_control

        self.controller.loop = loop
        if self.notify:
            await _show(stack, self.controller)
        if self.sock is not None:
            await stack.enter_async_context(open_control(self.sock, self.controller))


def take_control(
    stack: AsyncExitStack, config: Config, attention: Attention, publish: Publish, name: str
) -> Controlled:
    """Make the socket. Raises `ControlError` when another program has the name that must be alone, or when this one
    begins idle and nothing could start it; else it goes on without, and says so."""
    table = config.control
    controller = Controller(table.name or name, attention, config.limits, time.monotonic, publish)
    try:
        sock = stack.enter_context(listening(controller.name))
    except ControlError as error:
        if (isinstance(error, Taken) and name in _ALONE) or table.start == "idle":
            raise
        publish("notice", text=f"{error} It goes on, and can't be controlled.")
        return Controlled(controller, None, table.notify)
    return Controlled(controller, sock, table.notify)


async def _show(stack: AsyncExitStack, controller: Controller) -> None:
    from voiceloop.control.notifications import Notifier

    forward, notifier = controller.forward, Notifier(controller.forward)

    def shown(name: str, /, **fields: object) -> None:
        if name == "attention":
            notifier.state(str(fields["state"]))
        elif name == "journal.pending" and fields["count"]:
            notifier.show(f"{fields['count']} not delivered: voiceloop transcribe --pending")
        forward(name, **fields)

    controller.forward = shown
    nursery = await stack.enter_async_context(trio.open_nursery())
    stack.callback(nursery.cancel_scope.cancel)
    nursery.start_soon(notifier.run)
