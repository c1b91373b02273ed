"""A WebSocket that died without a word: the words come soon, by a clip, and the next ones are streamed again."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from testbed.http_parts import Bench, open_bench, utterance
from testbed.middlebox import Middlebox, open_middlebox
from testbed.server import Script, Server, open_server
from voiceloop.config.tables import Endpoint
from voiceloop.net import system, trust
from voiceloop.net.websocket import WebSocket
from voiceloop.transcribe.realtime import line
from voiceloop.transcribe.realtime.line import Line
from voiceloop.transcribe.realtime.transcriber import RealtimeTranscribeOptions, RealtimeTranscriber
from voiceloop.types import Utterance

TEXTS = ("one two", "three four", "five six", "seven eight")


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[RealtimeTranscriber, Server, Middlebox, Bench]]:
    script = Script(texts=TEXTS, openai=True, key=None)
    async with open_server(script) as server, open_middlebox(server.port) as box:
        options = RealtimeTranscribeOptions(base_url=box.url, model="m")
        async with open_bench(Endpoint()) as bench, RealtimeTranscriber.open(options, bench.services) as transcriber:
            yield transcriber, server, box, bench


async def said(transcriber: RealtimeTranscriber) -> str:
    """The text of a clip that is fed."""
    clip = utterance(2.0)
    with trio.fail_after(30):
        async with transcriber.transcription() as transcription:
            await transcription.feed(clip.pcm)
            return (await transcription.finish(clip)).text


@pytest.fixture
def idle_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "IDLE_S", 0.0)


@pytest.mark.usefixtures("idle_for_long")
async def test_an_utterance_on_a_dead_connection_is_posted_and_the_next_one_is_streamed_again() -> None:
    async with opened() as (transcriber, server, box, bench):
        assert await said(transcriber) in TEXTS
        box.swallow()
        assert await said(transcriber) in TEXTS
        assert len(server.posts()) == 1
        assert all(path.closed for path in box.dead)
        # A new connection was opened meanwhile, and nobody had to be told.
        with trio.fail_after(10):
            await server.until(lambda: len(server.sockets) == 2)
        assert await said(transcriber) in TEXTS
        assert len(server.posts()) == 1
        assert bench.named("notice") == []


@pytest.mark.usefixtures("idle_for_long")
async def test_a_connection_that_answers_the_ping_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, prove = trio.Event(), Line._prove

    async def watched(self: Line, socket: WebSocket, asked_at: float) -> None:
        await prove(self, socket, asked_at)
        judged.set()

    monkeypatch.setattr(Line, "_prove", watched)
    async with opened() as (transcriber, server, _box, _bench):
        assert await said(transcriber) in TEXTS
        assert await said(transcriber) in TEXTS
        with trio.fail_after(30):
            await judged.wait()
        assert await said(transcriber) in TEXTS
        assert len(server.sockets) == 1
        assert server.posts() == []


async def test_connections_for_clips_are_proved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "IDLE_S", 0.0)
    async with opened() as (transcriber, server, box, _bench):
        clip = Utterance(utterance(1.0).pcm, 0, 8_000, rate_hz=8_000)
        async with transcriber.transcription() as transcription:
            await transcription.finish(clip)
        assert len(server.posts()) == 1
        box.swallow()
        with trio.fail_after(30):
            await transcriber.warm()
            await box.until(lambda: any(path.closed for path in box.dead))
        assert [bytes(path.swallowed[:5]) for path in box.dead if path.closed] == [b"HEAD "]


async def test_after_a_suspend_the_next_utterance_opens_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    suspended = [0.0]
    monkeypatch.setattr(system, "suspended_s", lambda: suspended[0])
    async with opened() as (transcriber, server, box, bench):
        assert await said(transcriber) in TEXTS
        box.swallow()
        suspended[0] = 60.0
        assert await said(transcriber) in TEXTS
        assert len(server.sockets) == 2
        assert server.posts() == []
        assert bench.named("notice") == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops packets by a socket's filter")
async def test_speech_that_nobody_acknowledges_is_posted_after_2_s() -> None:
    async with opened() as (transcriber, server, box, bench):
        assert await said(transcriber) in TEXTS
        box.drop()
        assert await said(transcriber) in TEXTS
        assert len(server.posts()) == 1
        (notice,) = bench.named("notice")
        assert "acknowledged for 2 s" in str(notice["text"])
