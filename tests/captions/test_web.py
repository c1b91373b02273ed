"""Web page of captions: served to this machine only; speech is shown as plain text, never as markup."""

from __future__ import annotations

import json
from pathlib import Path

import h11
import pytest
import trio

from testbed.browser import browsing, why_not
from tests.captions.speech import said
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.web import READERS, Page, open_page, refusal
from voiceloop.errors import OutputError

NASTY = "<script>document.title='had'</script><img src=x onerror=\"document.title='had'\"> ls"


def request(method: str = "GET", **headers: str) -> h11.Request:
    given = [("Host", "127.0.0.1:80"), *headers.items()] if "Host" not in headers else list(headers.items())
    return h11.Request(method=method, target="/", headers=given)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(), None),
        (request(Origin="http://localhost:80"), None),
        (request(Host="localhost:80"), None),
        (request(Host="captions.example:80"), 421),
        (request(Host="127.0.0.1:81"), 421),
        (request(Host="127.0.0.1"), 421),
        (request(Origin="https://evil.example"), 403),
        (request(Origin="null"), 403),
        (request("POST"), 405),
    ],
)
def test_only_requests_of_the_page_itself_are_answered(asked: h11.Request, status: int | None) -> None:
    assert refusal(asked, 80) == status


async def ask(page: Page, path: str, *headers: str) -> trio.SocketStream:
    stream = await trio.open_tcp_stream("127.0.0.1", page.port)
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{page.port}", *headers, "", ""]
    await stream.send_all("\r\n".join(lines).encode())
    return stream


async def until(stream: trio.SocketStream, wanted: bytes) -> bytes:
    data = b""
    with trio.fail_after(5):
        while wanted not in data:
            piece = await stream.receive_some()
            assert piece, data
            data += bytes(piece)
    return data


async def test_a_page_receives_the_captions_and_each_change_of_them() -> None:
    async with open_page(0) as page:
        page.final(Final("", tuple(said(["said", "before"]))), Live(""))
        async with await ask(page, "/events") as stream:
            first = await until(stream, b"\n\n\r\n")
            assert b"text/event-stream" in first
            assert b"X-Content-Type-Options: nosniff" in first
            assert b"said before" in first
            page.live(Live("mic", "now", "this"))
            event = await until(stream, b'"this"')
            state = json.loads(event.partition(b"data: ")[2].partition(b"\n\n")[0])
            assert state["lives"] == [{"source": "mic", "sure": "now", "unsure": "this"}]


async def test_files_are_served_with_a_policy_against_foreign_scripts() -> None:
    async with open_page(0) as page, await ask(page, "/?overlay") as stream:
        answer = await until(stream, b"</html>")
        assert b"default-src 'none'; script-src 'self'" in answer
    async with open_page(0) as page, await ask(page, "/../web.py") as stream:
        assert b" 404 " in await until(stream, b"\r\n\r\n")


async def test_clients_that_hang_or_send_nonsense_cost_only_themselves() -> None:
    async with open_page(0) as page:
        idle = [await trio.open_tcp_stream("127.0.0.1", page.port) for _ in range(3)]
        await idle[0].send_all(b"\x00\xff" * 10)
        await idle[1].send_all(b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000)
        readers = [await ask(page, "/events") for _ in range(READERS)]
        for reader in readers:
            await until(reader, b"data: ")
        async with await ask(page, "/events") as one_more:
            assert b" 503 " in await until(one_more, b"\r\n\r\n")
        for stream in (*idle, *readers):
            await stream.aclose()
        async with await ask(page, "/page.css") as stream:
            assert b" 200 " in await until(stream, b"\r\n\r\n")


async def test_a_port_that_is_taken_is_reported() -> None:
    async with open_page(0) as page:
        with pytest.raises(OutputError, match=r"port .* can't be opened"):
            async with open_page(page.port):
                pass


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
async def test_in_a_browser_speech_is_plain_text_and_the_overlay_is_transparent(tmp_path: Path) -> None:
    async with open_page(0) as page:
        page.final(Final("speaker", tuple(said(NASTY.split()))), Live("speaker"))
        page.live(Live("mic", "I am", "speaking"))
        shown = await trio.to_thread.run_sync(_read_page, page.url, tmp_path)
    assert shown["title"] == "Live captions"
    assert shown["text"] == [f"speaker{NASTY}", "micI am speaking"]
    assert shown["images"] == 0
    assert shown["large"]
    assert shown["background"] == "rgba(0, 0, 0, 0)"
    assert shown["complaints"] == []


def _read_page(url: str, folder: Path) -> dict[str, object]:
    texts = "return [...document.querySelectorAll('#captions p')].map(p => p.textContent)"
    with browsing(folder / "profile") as browser:
        browser.visit(url)
        while not (text := browser.run(texts)):
            pass
        size = browser.run("return parseFloat(getComputedStyle(document.querySelector('p.final')).fontSize)")
        title, images = browser.run("return document.title"), browser.run("return document.images.length")
        browser.visit(f"{url}?overlay&lines=2")
        background = browser.run("return getComputedStyle(document.body).backgroundColor")
        return {
            "title": title,
            "text": text,
            "images": images,
            "large": size >= 48,
            "background": background,
            "complaints": browser.console_messages(),
        }
