"""What comes over sockets: lines of the control socket, its answers, and requests for the captions' page. Served in
this process over a pair of sockets, as the program serves them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import trio

from bench.fuzz.family import Family
from bench.fuzz.mutating import data, encoded, pieces, value
from bench.fuzz.texts import UNSAFE
from voiceloop.captions.address import Address
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.web import Limits, Page
from voiceloop.captions.words import Spoken
from voiceloop.cli.ctl import _answer, _shown
from voiceloop.config.tables import Limits as Spending
from voiceloop.control.attention import Attention
from voiceloop.control.commands import COMMANDS
from voiceloop.control.controller import Controller, Loop
from voiceloop.control.server import _Clients
from voiceloop.errors import ControlError
from voiceloop.turns.preemptive import Tally

PATIENCE_S = 60.0
"""Of the wall clock: a connection that isn't closed until then is a fault."""


async def _exchanged(serve: Callable[[trio.SocketStream], Any], sent: list[bytes]) -> bytes:
    """What a server of one connection answers to bytes, and closes itself after."""
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in socket.socketpair())
    got = bytearray()

    async def send() -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # it has refused what came before
            for piece in sent:
                await ours.send_all(piece)
            await ours.send_eof()

    with trio.fail_after(PATIENCE_S):
        async with ours, trio.open_nursery() as nursery:
            nursery.start_soon(serve, theirs, name="serve")
            nursery.start_soon(send, name="send")
            with suppress(trio.BrokenResourceError):
                while more := await ours.receive_some():
                    got += more
    return bytes(got)


def _controller() -> Controller:
    def nothing(*_: object, **__: object) -> None: ...

    made = Controller("run", Attention(), Spending(), lambda: 1.0, nothing)
    conversation = SimpleNamespace(speaking=False, working=0, usage=None, wasted=Tally(), stop=nothing)
    microphone, listener = SimpleNamespace(mute=nothing, expect=nothing), SimpleNamespace(forget=nothing)
    made.loop = Loop(microphone, cast(Any, conversation), cast(Any, listener), nothing)
    return made


_REQUESTS: tuple[Any, ...] = (
    *({"do": command, "follow": False} for command in COMMANDS),
    {"do": "status", "follow": True},
)


def _control(random: Random) -> None:
    lines = []
    for _ in range(random.randint(1, 4)):
        request = random.choice(_REQUESTS)
        lines.append(encoded(random, value(random, request)) if random.random() < 0.6 else json.dumps(request).encode())
    body = b"\n".join(lines) + random.choice((b"\n", b""))
    body = data(random, body) if random.random() < 0.4 else body
    answer = trio.run(_exchanged, _Clients(_controller()).serve, pieces(random, body[:20_000]))
    for line in answer.splitlines():
        assert isinstance(json.loads(line), dict)


_STATUS = json.loads(json.dumps({"ok": True, **_controller().status}, default=str)) | {
    "usage": {"requests": 3, "cost_usd": 0.01},
    "wasted": {"requests": 1, "audio_s": 2.0},
    "last_turn": {"words_s": 0.5, "reply_s": 1.2},
    "echo": {"aligned_s": 3.0, "shifts": 1, "last_reply": None, "delay_ms": 80.0},
}


def _told(random: Random) -> None:
    line = encoded(random, value(random, _STATUS)).decode("utf-8", "replace")
    with suppress(ControlError):
        answer = _answer(line)
        shown = _shown(answer, short=random.random() < 0.3)
        assert not UNSAFE.search(shown), shown
        json.dumps(answer)


_HEADERS: Mapping[str, str] = {
    "Host": "127.0.0.1:8123",
    "Origin": "http://127.0.0.1:8123",
    "Last-Event-ID": "abcd1234-1",
}
_TARGETS = ("/", "/page.css", "/events", "/events?after=abcd1234-1", "/../page.js", "/look.js?x", "http://a/", "*")


def _page(random: Random) -> None:
    page = Page(Address("127.0.0.1", 8123, random.choice(("/", "/secret/"))), Limits(), "en")
    live = Live("mic", "so", "far", 1.0)
    page.final(Final("mic", (Spoken("</script>\u2028", 0.0, 1.0),)), live)
    head = "".join(f"{name}: {said}\r\n" for name, said in _HEADERS.items() if random.random() < 0.7)
    request = f"{random.choice(('GET', 'GET', 'GET', 'POST', 'HEAD'))} {random.choice(_TARGETS)} HTTP/1.1\r\n{head}\r\n"
    body = data(random, request.encode()) if random.random() < 0.8 else request.encode()
    answer = trio.run(_exchanged, page.serve, pieces(random, body[:40_000]))
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert b"\xe2\x80\xa8" not in answer.partition(b"data:")[2]
    assert page.readers == 0


FAMILIES = (
    Family("control", "lines to the control socket", _control),
    Family("ctl", "answers of a control socket that may be another program's", _told),
    Family("page", "requests for the captions' page", _page),
)
