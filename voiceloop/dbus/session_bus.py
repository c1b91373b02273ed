"""A connection to the session's message bus (D-Bus): calls and signals, by jeepney. Failures are `TargetError`s."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from jeepney import DBusAddress, HeaderFields, Message, MessageType, new_method_call
from jeepney.bus import get_bus
from jeepney.io.trio import DBusConnection, open_dbus_connection

from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

ANSWER_S = 5.0
"""How long a call may take: the service may have to be started first."""
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that came over the bus."""

    path: str
    name: str
    """With its interface, like `org.freedesktop.portal.Session.Closed`."""
    body: tuple[Any, ...]


class Refused(TargetError):
    """A call was answered with an error; `name` is the bus's name of it."""

    def __init__(self, what: str, name: str, *, place: str) -> None:
        super().__init__(what, place=place)
        self.name = name


@dataclass(slots=True)
class _Answer:
    arrived: trio.Event = field(default_factory=trio.Event)
    message: Message | None = None


class Bus:
    """One connection. `run` handles its messages, and must be running. `place` is named in errors."""

    def __init__(self, connection: DBusConnection, *, place: str) -> None:
        self._connection, self._place = connection, place
        self._waiting: dict[int, _Answer] = {}
        self._subscribers: list[Callable[[Signal], None]] = []
        self._lost = False
        self.when_lost: Callable[[], None] | None = None
        """Called once the bus is gone."""

    async def run(self) -> None:
        """Handle what comes, until the bus is gone."""
        try:
            while True:
                self._handle(await self._connection.receive())
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            self._lost = True
            for answer in self._waiting.values():
                answer.arrived.set()
            if self.when_lost is not None:
                self.when_lost()

    async def subscribe(self, rule: str, receive: Callable[[Signal], None]) -> None:
        """Call `receive` with every signal from now on. `rule` is a D-Bus match rule: it adds to the signals that are
        sent to this connection."""
        self._subscribers.append(receive)
        await self.call(*_BUS, "AddMatch", "s", rule)

    async def call(self, service: str, path: str, interface: str, method: str, *arguments: Any) -> tuple[Any, ...]:
        """Call a method; `arguments` are its signature and values. Returns the values of the answer.

        Raises `Refused` when the answer is an error, `TargetError` when there is none.
        """
        address = DBusAddress(path, bus_name=service, interface=interface)
        signature, values = (arguments[0], arguments[1:]) if arguments else (None, ())
        serial = next(self._connection.outgoing_serial)
        answer = self._waiting[serial] = _Answer()
        try:
            with trio.fail_after(ANSWER_S):
                if not self._lost:
                    await self._connection.send(new_method_call(address, method, signature, values), serial=serial)
                    await answer.arrived.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except trio.TooSlowError:
            raise TargetError(f"{service} doesn't answer ({method})", place=self._place) from None
        finally:
            del self._waiting[serial]
        if answer.message is None:
            raise TargetError("the session's message bus is gone", place=self._place)
        if answer.message.header.message_type is MessageType.error:
            name = str(answer.message.header.fields.get(HeaderFields.error_name, ""))
            said = answer.message.body[0] if answer.message.body else name
            raise Refused(f"{method}: {said}", name, place=self._place)
        return tuple(answer.message.body)

    async def names(self) -> list[str]:
        """The names of the services that run. Raises `TargetError`."""
        (names,) = await self.call(*_BUS, "ListNames")
        return [str(name) for name in names]

    async def tell(self, service: str, path: str, interface: str, method: str) -> None:
        """Call a method without arguments, and wait for no answer. Raises nothing when the bus is gone."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._connection.send(
                new_method_call(DBusAddress(path, bus_name=service, interface=interface), method)
            )

    def _handle(self, message: Message) -> None:
        fields = message.header.fields
        answer = self._waiting.get(fields.get(HeaderFields.reply_serial, -1))
        if answer is not None:
            answer.message = message
            answer.arrived.set()
        elif message.header.message_type is MessageType.signal:
            name = f"{fields[HeaderFields.interface]}.{fields[HeaderFields.member]}"
            for receive in self._subscribers:
                receive(Signal(fields[HeaderFields.path], name, tuple(message.body)))


@asynccontextmanager
async def open_bus(place: str) -> AsyncIterator[Bus]:
    """Connect to the session's bus while the body runs. `place` is named in errors. Raises `TargetError` when there
    is no bus."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS") or (f"unix:path={runtime}/bus" if runtime else "")
    if not address:
        what = "no message bus of the session is named (DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR)"
        raise TargetError(what, place=place)
    try:
        get_bus(address)
        with trio.fail_after(ANSWER_S):
            connection = await open_dbus_connection(address, enable_fds=True)
    except (OSError, ValueError, RuntimeError, StopIteration, trio.TooSlowError, trio.BrokenResourceError) as error:
        raise TargetError(f"no message bus of the session answers at {address}: {error}", place=place) from error
    except ExceptionGroup as group:  # what jeepney's own tasks raise when the bus hangs up at Hello
        raise TargetError(f"the message bus at {address} hung up", place=place) from group
    async with connection, private_nursery() as nursery:
        bus = Bus(connection, place=place)
        nursery.start_soon(bus.run, name="read the session's message bus")
        yield bus
