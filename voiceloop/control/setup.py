"""Sets up the control of a session for the composition root: the socket, the controller and the notifications."""

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

_SINGLE_INSTANCE = frozenset({"dictate"})
"""Programs of which only one may run: two on one microphone would type everything twice."""


@dataclass(slots=True)
class Controlled:
    """A session's controller and its listening socket (None when it couldn't be created). `serve` starts answering."""

    controller: Controller
    sock: socket.socket | None
    notify: bool

    @property
    def description(self) -> str:
        """How the session can be controlled, for the start-up lines."""
        return "no" if self.sock is None else f"voiceloop ctl, socket {socket_path(self.controller.name)}"

    async def serve(self, stack: AsyncExitStack, loop: Loop) -> None:
        """Answer control commands, and show notifications, until `stack` closes."""
        from voiceloop.control.server import open_control

        self.controller.loop = loop
        if self.notify:
            await _start_notifications(stack, self.controller)
        if self.sock is not None:
            await stack.enter_async_context(open_control(self.sock, self.controller))


def take_control(
    stack: AsyncExitStack, config: Config, attention: Attention, publish: Publish, name: str
) -> Controlled:
    """Create the control socket for the program `name`.

    When it can't be created, the program goes on without control and publishes a notice. Raises `ControlError` instead
    when only one such program may run and another has the name, or when this one starts idle: nothing could start it.
    """
    table = config.control
    controller = Controller(table.name or name, attention, config.limits, time.monotonic, publish)
    try:
        sock = stack.enter_context(listening(controller.name))
    except ControlError as error:
        if (isinstance(error, Taken) and name in _SINGLE_INSTANCE) or table.start == "idle":
            raise
        publish("notice", text=f"{error} It goes on without control: 'voiceloop ctl' can't reach it.")
        return Controlled(controller, None, table.notify)
    return Controlled(controller, sock, table.notify)


async def _start_notifications(stack: AsyncExitStack, controller: Controller) -> None:
    from voiceloop.control.notifications import Notifier

    # Through the controller: 'status' says why no notification can be shown.
    forward, notifier = controller.forward, Notifier(controller.publish)
    controller.notify = "on"

    def notify_and_forward(name: str, /, **fields: object) -> None:
        if name == "attention":
            notifier.state(str(fields["state"]))
        elif name == "journal.pending" and fields["count"]:
            notifier.show(f"{fields['count']} not delivered: voiceloop transcribe --pending")
        forward(name, **fields)

    controller.forward = notify_and_forward
    nursery = await stack.enter_async_context(trio.open_nursery())
    stack.callback(nursery.cancel_scope.cancel)
    nursery.start_soon(notifier.run, name="desktop notifications")
