"""The server of the captions' page, over real HTTP: its bounds, what a late reader gets, and who gets nothing."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.captions.speech import said
from voiceloop.captions.address import Sharing
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.web import Limits, Page, open_page
from voiceloop.errors import OutputError

OWN = "127.0.0.1"


def say(page: Page, text: str, source: str = "") -> None:
    page.final(Final(source, tuple(said(text.split()))), Live(source))


async def ask(page: Page, name: str, *headers: str, target: str | None = None, host: str | None = None) -> Any:
    """A connection with a request for `name` below the page's path, or for `target`."""
    address = page.address
    stream = await trio.open_tcp_stream(address.host, address.port)
    target = address.path + name if target is None else target
    lines = [f"GET {target} HTTP/1.1", f"Host: {host or f'{address.host}:{address.port}'}", *headers, "", ""]
    await stream.send_all("\r\n".join(lines).encode())
    return stream


async def until(stream: trio.SocketStream, wanted: bytes) -> bytes:
    data = b""
    with trio.fail_after(60):
        while wanted not in data:
            piece = await stream.receive_some()
            assert piece, data
            data += bytes(piece)
    return data


async def whole(stream: trio.SocketStream) -> bytes:
    """Everything up to the end that the server sets. Closes the stream."""
    with trio.fail_after(60):
        async with stream:
            return b"".join([bytes(piece) async for piece in stream])


def states(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: {")]


async def test_a_page_receives_the_captions_and_each_change_of_them() -> None:
    async with open_page(0) as page:
        page.final(Final("", tuple(said(["said", "before"], start_s=61.5))), Live(""))
        async with await ask(page, "events") as stream:
            first = await until(stream, b"\n\n\r\n")
            assert b"text/event-stream" in first
            assert b"X-Content-Type-Options: nosniff" in first
            (state,) = states(first)
            assert state["lines"] == [{"id": 1, "at": 61.5, "source": "", "text": "said before"}]
            page.live(Live("mic", "now", "this"))
            (state,) = states(await until(stream, b'"this"}]}\n\n'))
            assert state["lives"] == [{"source": "mic", "sure": "now", "unsure": "this"}]
            assert state["lines"] == []


@pytest.mark.parametrize("says", ["query", "header"])
async def test_a_reader_that_comes_back_gets_what_it_missed(says: str) -> None:
    async with open_page(0) as page:
        say(page, "had")
        async with await ask(page, "events") as stream:
            (state,) = states(await until(stream, b"\n\n\r\n"))
        say(page, "missed one")
        say(page, "missed two")
        after = f"{state['session']}-1"
        asked = ("events", f"Last-Event-ID: {after}") if says == "header" else (f"events?after={after}",)
        async with await ask(page, *asked) as stream:
            (state,) = states(await until(stream, b"\n\n\r\n"))
    assert [(line["id"], line["text"]) for line in state["lines"]] == [(2, "missed one"), (3, "missed two")]


async def test_the_last_words_reach_the_readers_when_captions_are_ended() -> None:
    """Even when the end is a cancellation, as by Ctrl-C."""
    with trio.CancelScope() as ctrl_c:
        async with open_page(0) as page:
            stream = await ask(page, "events")
            await until(stream, b"\n\n\r\n")
            ctrl_c.cancel()
            try:
                await trio.lowlevel.checkpoint()
            finally:
                say(page, "goodbye")
    assert ctrl_c.cancelled_caught
    data = await whole(stream)
    assert b"goodbye" in data
    assert data.index(b"goodbye") < data.index(b"event: end\n")


async def test_files_are_served_with_a_policy_against_foreign_scripts() -> None:
    async with open_page(0, language="fr") as page:
        answer = await whole(await ask(page, "?overlay"))
        assert b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'" in answer
        assert b"frame-ancestors 'none'" in answer
        assert b'lang="fr"' in answer
        for name in ("page.js", "look.js", "page.css"):
            answer = await whole(await ask(page, name))
            assert b" 200 " in answer
            assert b"://" not in answer.partition(b"\r\n\r\n")[2]  # nothing from elsewhere


async def test_a_language_that_is_none_is_left_out() -> None:
    async with open_page(0, language='en" onclick="') as page, await ask(page, "") as stream:
        assert b'lang=""' in await whole(stream)


async def test_without_sharing_only_this_machine_is_answered() -> None:
    async with open_page(0) as page:
        assert page.url == f"http://127.0.0.1:{page.address.port}/"
        for host in ("captions.example", f"captions.example:{page.address.port}", f"192.168.0.5:{page.address.port}"):
            for name in ("", "events"):
                assert b" 421 " in await whole(await ask(page, name, host=host))


async def test_at_any_other_path_of_a_shared_page_there_is_nothing() -> None:
    async with open_page(0, share=Sharing(own_address())) as page:
        token = page.address.path.strip("/")
        others = ("/", "/events", "/page.js", f"/{token}", f"/{token[:-1]}x/", f"/{token}/..", f"//{token}/", "/../")
        for target in others:
            answer = await whole(await ask(page, "", target=target))
            assert b" 404 " in answer
            assert token.encode() not in answer
        assert b" 200 " in await whole(await ask(page, ""))
        with pytest.raises(OSError, match=r"refused|failed"):
            await trio.open_tcp_stream(OWN, page.address.port)


def own_address() -> str:
    """This machine's address towards others; skips where it has none."""
    from voiceloop.captions.address import _own_hosts

    hosts = [host for host in _own_hosts() if not host.startswith("127.")]
    return hosts[0] if hosts else pytest.skip("this machine has no network")


@contextmanager
def another_device() -> Iterator[tuple[str, list[str]]]:
    """This machine's address on a network with another device, and the words before a command that runs there."""
    ip, name = shutil.which("ip"), f"vl{secrets.token_hex(3)}"
    if ip is None or os.geteuid() != 0:
        pytest.skip("needs root and iproute2")
    commands = [
        f"netns add {name}",
        f"link add {name} type veth peer name eth0 netns {name}",
        f"addr add 10.213.{secrets.randbelow(255)}.1/24 dev {name}",
        f"link set {name} up",
    ]
    own = commands[2].split()[2].partition("/")[0]
    inside = [f"addr add {own[:-1]}2/24 dev eth0", "link set eth0 up", "link set lo up"]
    commands += [f"-n {name} {words}" for words in inside]
    try:
        for words in commands:
            done = subprocess.run([ip, *words.split()], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
        yield own, [ip, "netns", "exec", name]
    finally:
        subprocess.run([ip, "netns", "del", name], capture_output=True, check=False)
        subprocess.run([ip, "link", "del", name], capture_output=True, check=False)


_ELSEWHERE = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=60).read(200).decode())
except (urllib.error.URLError, OSError) as error:
    print("nothing:", error)
"""


async def test_another_device_reads_a_page_only_if_it_is_shared() -> None:
    with another_device() as (own, inside):

        async def read(url: str) -> str:
            command = [*inside, sys.executable, "-c", _ELSEWHERE, url]
            done = await trio.run_process(command, capture_stdout=True, env={"PATH": os.environ["PATH"]})
            return done.stdout.decode()

        async with open_page(0, share=Sharing(own)) as page:
            assert "Live captions" in await read(page.url)
            assert "404" in await read(f"http://{own}:{page.address.port}/")
        async with open_page(0) as page:
            assert "refused" in await read(f"http://{own}:{page.address.port}/")
            assert "refused" in await read(page.url)


_READER = """
import socket, sys, time
host, port, path = sys.argv[1:]
stream = socket.create_connection((host, int(port)))
stream.sendall(f"GET {path}events HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
stream.recv(1000)
time.sleep(600)
"""


async def test_a_device_that_has_vanished_is_dropped() -> None:
    """It acknowledges nothing, and nothing tells that it is gone."""
    with another_device() as (own, inside):
        limits = Limits(alive_s=0.1, stall_s=0.5)
        async with open_page(0, share=Sharing(own), limits=limits) as page, trio.open_nursery() as nursery:
            reader = [sys.executable, "-c", _READER, own, str(page.address.port), page.address.path]
            nursery.start_soon(trio.run_process, [*inside, *reader])
            await reaches(page, 1)
            await trio.run_process([*inside[:1], "-n", inside[3], "link", "set", "eth0", "down"])
            await reaches(page, 0)
            nursery.cancel_scope.cancel()


# Bounds


async def test_two_hundred_read_and_the_next_one_is_told_that_there_is_no_room() -> None:
    async with open_page(0) as page:
        readers = [await ask(page, "events") for _ in range(200)]
        for reader in readers:
            await until(reader, b"data: ")
        for name in ("events", ""):
            answer = await whole(await ask(page, name))
            assert b" 503 " in answer
            assert b"There is no room: 200 people read these captions already." in answer
        say(page, "for all")
        for reader in readers:
            await until(reader, b"for all")
        await readers.pop().aclose()
        await reaches(page, 199)
        async with await ask(page, "events") as stream:
            await until(stream, b"for all")
        for reader in readers:
            await reader.aclose()


async def reaches(page: Page, readers: int) -> None:
    with trio.fail_after(60):
        while page.readers != readers:
            await trio.testing.wait_all_tasks_blocked(0.001)


async def test_connections_that_ask_nothing_are_closed() -> None:
    async with open_page(0, limits=Limits(patience_s=0.2)) as page:
        silent = await trio.open_tcp_stream(OWN, page.address.port)
        half = await trio.open_tcp_stream(OWN, page.address.port)
        await half.send_all(b"GET / HTTP/1.1\r\nHost:")
        assert await whole(silent) == b""
        assert await whole(half) == b""


async def test_more_connections_than_there_may_be_are_closed_at_once() -> None:
    async with open_page(0, limits=Limits(readers=2, others=3)) as page:
        waiting = [await trio.open_tcp_stream(OWN, page.address.port) for _ in range(5)]
        assert await whole(await trio.open_tcp_stream(OWN, page.address.port)) == b""
        await waiting.pop().aclose()
        with trio.fail_after(60):
            while b" 200 " not in await page_css(page):
                pass
        for stream in waiting:
            await stream.aclose()


async def page_css(page: Page) -> bytes:
    try:
        return await whole(await ask(page, "page.css"))
    except trio.BrokenResourceError:  # the server closed the connection before it was asked
        return b""


@pytest.mark.parametrize("drops", ["the kernel", "the server"])
async def test_a_reader_that_takes_nothing_is_dropped_while_the_others_read_on(
    drops: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for it meanwhile is bounded by the socket's buffers. Not every kernel drops it by itself."""
    if drops == "the server":
        monkeypatch.delattr(socket, "TCP_USER_TIMEOUT", raising=False)
    async with open_page(0, limits=Limits(stall_s=0.3, buffer=4096)) as page:
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect((OWN, page.address.port))
        stalled.sendall(f"GET /events HTTP/1.1\r\nHost: {OWN}:{page.address.port}\r\n\r\n".encode())
        good = await ask(page, "events")
        await reaches(page, 2)
        with trio.fail_after(60):
            while page.readers == 2:
                say(page, "word " * 100)
                await until(good, b"word word")
        say(page, "read on")
        await until(good, b"read on")
        with stalled:
            stalled.settimeout(60)
            received = 0
            try:
                while piece := stalled.recv(65536):
                    received += len(piece)
            except ConnectionResetError:
                pass
        assert 0 < received < 200_000
        await good.aclose()


async def test_a_quiet_reader_is_told_that_the_connection_lives() -> None:
    async with open_page(0, limits=Limits(alive_s=0.05)) as page, await ask(page, "events") as stream:
        await until(stream, b"event: alive\ndata: 1\n\n")


async def test_clients_that_send_nonsense_cost_only_themselves() -> None:
    async with open_page(0) as page:
        nonsense = [await trio.open_tcp_stream(OWN, page.address.port) for _ in range(2)]
        await nonsense[0].send_all(b"\x00\xff" * 10)
        await nonsense[1].send_all(b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000)
        async with await ask(page, "page.css") as stream:
            assert b" 200 " in await until(stream, b"\r\n\r\n")
        for stream in nonsense:
            await stream.aclose()


async def test_a_port_that_is_taken_is_reported() -> None:
    async with open_page(0) as page:
        with pytest.raises(OutputError, match=r"port .* can't be opened"):
            async with open_page(page.address.port):
                pass


async def test_an_address_that_is_not_this_machines_is_reported() -> None:
    with pytest.raises(OutputError, match=r"203\.0\.113\.9, port 0, can't be opened"):
        async with open_page(0, share=Sharing("203.0.113.9")):
            pass
