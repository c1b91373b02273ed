"""The transcriber of `use = "realtime"` on the loopback server's WebSocket: nothing that it does loses words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from testbed.http_parts import Bench, open_bench, utterance
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.server import Script, Server, SocketFault, open_server
from voiceloop.audio.resample import resample
from voiceloop.config.tables import Endpoint, Limits
from voiceloop.errors import NoSuchModel
from voiceloop.plugins import Transcription
from voiceloop.transcribe.realtime import line, pauses, protocol
from voiceloop.transcribe.realtime.transcriber import RealtimeTranscribeOptions, RealtimeTranscriber
from voiceloop.types import Transcript, Utterance

TEXTS = ("one two three four", "five six seven", "eight nine")


@dataclass
class Opened:
    """A transcriber with its server, and the words that it told while it was fed."""

    server: Server
    bench: Bench
    transcriber: RealtimeTranscriber

    @property
    def notices(self) -> list[str]:
        return [str(fields["text"]) for fields in self.bench.named("notice")]

    @property
    def posts(self) -> int:
        return len(self.server.posts("/audio/transcriptions"))

    async def hear(self, clip: Utterance | None = None) -> tuple[Transcript, list[str]]:
        """Feed a clip in small pieces and finish it; also returns what was told before."""
        clip = clip or utterance(2.0)
        told: list[str] = []
        async with self.transcriber.transcription() as transcription:
            transcription.follow(told.append)  # type: ignore[attr-defined]
            await fed(transcription, clip)
            return await transcription.finish(clip), told

    async def said(self) -> str:
        """The text of a clip that is fed."""
        return (await self.hear())[0].text


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition is true."""
    with trio.fail_after(60):
        while not condition():
            await wait_all_tasks_blocked()


async def fed(transcription: Transcription, clip: Utterance) -> None:
    for at in range(0, len(clip.pcm), 641):  # not whole samples
        await transcription.feed(clip.pcm[at : at + 641])


@asynccontextmanager
async def opened(
    *faults: SocketFault | None, options: dict[str, Any] | None = None, limits: Limits | None = None, **script: Any
) -> AsyncIterator[Opened]:
    values: dict[str, Any] = {"texts": TEXTS, "openai": True, "key": None} | script
    async with open_server(Script(**values, socket_faults=list(faults))) as server:
        chosen: dict[str, Any] = {"model": "m", "retry": {"max_elapsed_s": 0}} | (options or {})
        given = RealtimeTranscribeOptions(base_url=server.url, **chosen)
        async with (
            open_bench(Endpoint(), limits=limits) as bench,
            RealtimeTranscriber.open(given, bench.services) as transcriber,
        ):
            yield Opened(server, bench, transcriber)
    assert server.broken == []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection is tried again without a pause."""
    monkeypatch.setattr(pauses, "FIRST_S", 0.0)
    monkeypatch.setattr(pauses, "LONGEST_S", 0.0)


# Streaming


async def test_words_are_told_while_speech_is_fed_and_the_text_after_its_end() -> None:
    async with opened() as at:
        clip = utterance(2.0)
        async with at.transcriber.transcription() as transcription:
            told: list[str] = []
            transcription.follow(told.append)  # type: ignore[attr-defined]
            await fed(transcription, clip)
            await until(lambda: told == ["one", "one two", "one two three", "one two three four"])
            transcript = await transcription.finish(clip)
        assert transcript.text == TEXTS[0]
        assert transcript.utterance is clip
        assert transcript.usage is not None
        assert transcript.usage.audio_s == pytest.approx(2.0, abs=0.01)
        assert at.posts == 0
        assert at.notices == []


async def test_all_of_the_sound_arrives_at_24_khz() -> None:
    async with opened() as at:
        await at.said()
        (socket,) = at.server.sockets
        sent = np.frombuffer(socket.items[0], "<i2").astype(int)
        whole = np.frombuffer(resample(utterance(2.0).pcm, from_hz=16_000, to_hz=24_000), "<i2").astype(int)
        assert len(sent) == len(whole) == 48_000
        assert np.abs(sent - whole).max() <= 1


async def test_a_long_clip_that_is_fed_at_once_is_sent_in_small_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def append(pcm: bytes) -> str:
        sizes.append(len(pcm))
        return protocol.append(pcm)

    monkeypatch.setattr(line, "append", append)
    async with opened() as at:
        clip = utterance(30.0)
        async with at.transcriber.transcription() as transcription:
            await transcription.feed(clip.pcm)
            assert (await transcription.finish(clip)).text == TEXTS[0]
    assert max(sizes) <= 1.1 * 24_000 * 2
    assert sum(sizes) == 30 * 24_000 * 2


async def test_the_next_utterances_use_the_same_connection() -> None:
    async with opened() as at:
        assert [await at.said() for _ in TEXTS] == list(TEXTS)
        assert len(at.server.sockets) == 1
        assert at.posts == 0


async def test_two_utterances_at_once_use_two_connections() -> None:
    async with opened() as at:
        async with at.transcriber.transcription() as first, at.transcriber.transcription() as second:
            for transcription in (first, second):
                await transcription.feed(utterance(2.0).pcm)
            texts = {(await transcription.finish(utterance(2.0))).text for transcription in (second, first)}
        assert texts == set(TEXTS[:2])
        assert len(at.server.sockets) == 2


async def test_the_options_are_in_the_session_and_in_the_address() -> None:
    options = {
        "model": "whisper",
        "language": "de",
        "prompt": "Zoë.",
        "vocabulary": ("Ada",),
        "query": {"intent": "transcription", "model": "whisper"},
    }
    async with opened(options=options) as at:
        transcript, _ = await at.hear()
        assert transcript.language == "de"
        (socket,) = at.server.sockets
        wanted = {"model": "whisper", "language": "de", "prompt": "Zoë. Ada"}
        assert socket.session["audio"]["input"]["transcription"] == wanted
        assert socket.query == "intent=transcription&model=whisper"


async def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sesame")
    async with opened(options={"api_key_env": "MY_KEY"}, key="sesame") as at:
        assert await at.said() == TEXTS[0]
        assert len(at.server.sockets) == 1


async def test_an_utterance_that_was_a_noise_is_forgotten_by_the_server() -> None:
    async with opened(delta_s=0.0) as at:
        async with at.transcriber.transcription() as transcription:
            await transcription.feed(utterance(1.0).pcm)
        await until(lambda: any(socket.clears == 1 for socket in at.server.sockets))
        assert await at.said() == TEXTS[1]
        assert {len(item) for socket in at.server.sockets for item in socket.items} == {2 * 48_000}


async def test_words_of_an_utterance_that_was_given_up_are_not_those_of_the_next_one() -> None:
    async with opened() as at:
        for seconds in (1.0, 0.5):
            told: list[str] = []
            async with at.transcriber.transcription() as transcription:
                transcription.follow(told.append)  # type: ignore[attr-defined]
                await transcription.feed(utterance(seconds).pcm)
                await until(lambda told=told: bool(told))  # type: ignore[misc]
        transcript, told = await at.hear()
        assert transcript.text == TEXTS[2]
        assert all(TEXTS[2].startswith(words) for words in told)
        assert at.notices == []
        assert at.posts == 0


async def test_words_that_come_after_an_utterance_was_given_up_are_not_shown(at_once: None) -> None:
    """It is given up before its first word has arrived."""
    async with opened() as at:
        for _ in range(2):
            async with at.transcriber.transcription() as transcription:
                await transcription.feed(utterance(1.0).pcm)
                await wait_all_tasks_blocked()
        transcript, told = await at.hear()
        assert transcript.text in TEXTS
        assert all(transcript.text.startswith(words) for words in told)
        assert at.notices == []
        assert at.posts == 0


async def test_a_server_that_forgets_nothing_is_connected_to_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "CLEARED_S", 0.05)
    async with opened(SocketFault(not_cleared=True), delta_s=0.0) as at:
        async with at.transcriber.transcription() as transcription:
            await transcription.feed(utterance(1.0).pcm)
            await until(lambda: any(socket.sound_s > 0.5 for socket in at.server.sockets))
        await until(lambda: at.server.sockets[0].gone)
        assert await at.said() == TEXTS[1]
        assert at.notices == []


async def test_a_server_that_ends_turns_by_itself_loses_nothing() -> None:
    async with opened(turn_s=0.7) as at:
        assert await at.said() == " ".join(TEXTS)
        assert at.posts == 0


# Clips in its place

LOST = {
    "the upgrade is refused": SocketFault(status=404),
    "the server knows no WebSocket": SocketFault(status=200),
    "the server is unavailable": SocketFault(status=503),
    "the handshake is wrong": SocketFault(bad_proof=True),
    "the session is refused": SocketFault(refuse_session="no such model"),
    "the session never begins": SocketFault(no_session=True),
    "the connection breaks in mid-utterance": SocketFault(cut_after_s=1.0),
    "the connection is closed in mid-utterance": SocketFault(close_after_s=1.0),
    "the commit is never answered": SocketFault(mute=True),
    "the commit is answered with an error": SocketFault(error="overloaded"),
    "the transcription fails": SocketFault(failed="unintelligible"),
    "bytes that are no frame": SocketFault(garbage=b"\xff\xff\xff\xff"),
    "a message of bytes": SocketFault(garbage=b"\x82\x01x"),
    "a text that is no UTF-8": SocketFault(garbage=b"\x81\x02\xc3\x28"),
    "a message that is no JSON": SocketFault(garbage=b"\x81\x02no"),
    "JSON that is no event": SocketFault(garbage=b"\x81\x02[]"),
    "a server that falls silent": SocketFault(deaf=True),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_the_utterance_is_posted_and_said_once_and_later_ones_are_streamed_again(
    fault: SocketFault, at_once: None
) -> None:
    silent = fault.no_session or fault.mute or fault.deaf
    options = {"clip_model": "clips"} | ({"connect_timeout_s": 1.5, "read_timeout_s": 1.5} if silent else {})
    with nothing_unclosed():
        async with opened(fault, fault, options=options) as at:
            for _ in range(2):
                # The loopback server posts its texts by a count of their own.
                assert await at.said() in TEXTS
            assert at.posts == 2
            assert {request.body["model"] for request in at.server.posts()} == {"clips"}
            (notice,) = at.notices
            assert "speech is posted as clips" in notice
            assert "/realtime (m)" in notice
            assert await at.said() in TEXTS
            assert at.posts == 2
            assert at.notices[1:] == [f"{at.server.url}: speech is streamed again."]


async def test_the_whole_clip_is_posted_when_the_connection_breaks_in_its_middle() -> None:
    async with opened(SocketFault(cut_after_s=1.0)) as at:
        clip = utterance(2.0)
        _, told = await at.hear(clip)
        assert told
        (post,) = at.server.posts()
        assert post.body["file"].endswith(clip.pcm)


async def test_while_the_pause_runs_nothing_is_tried_and_clips_are_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "FIRST_S", 600.0)
    monkeypatch.setattr(pauses, "LONGEST_S", 600.0)
    async with opened(SocketFault(status=503)) as at:
        await until(lambda: not at.transcriber.streams)
        for _ in range(3):
            await at.transcriber.warm()
            assert await at.said() in TEXTS
        assert at.server.sockets == []
        assert at.posts == 3
        assert len(at.notices) == 1


async def test_a_refused_key_is_named() -> None:
    async with opened(SocketFault(status=401)) as at:
        await at.said()
        assert "the key was refused (HTTP 401)" in at.notices[0]
        assert "Check the key: transcribe.api_key_env is empty" in at.notices[0]


async def test_an_error_of_the_clip_itself_is_raised() -> None:
    async with opened(SocketFault(status=404), models=["other"]) as at:
        with pytest.raises(NoSuchModel, match="No endpoints found for m"):
            await at.said()


async def test_a_session_that_ends_while_nobody_speaks_is_not_reported() -> None:
    async with opened() as at:
        assert await at.said() == TEXTS[0]
        at.server.drop_sockets()
        await until(lambda: not at.transcriber._lines._lines)
        assert await at.said() == TEXTS[1]
        assert at.notices == []
        assert at.posts == 0


async def test_a_clip_of_another_rate_is_posted() -> None:
    async with opened() as at:
        clip = Utterance(utterance(1.0).pcm, 0, 8_000, rate_hz=8_000)
        assert (await at.hear(clip))[0].text in TEXTS
        assert at.posts == 1


async def test_limits_hold_for_streams_too() -> None:
    async with opened(limits=Limits(max_posts_per_minute=2)) as at:
        await at.said()
        assert at.transcriber.streams
        await at.said()
        assert not at.transcriber.streams


@pytest.mark.parametrize("steps", range(1, 200, 23))
async def test_a_cancelled_utterance_leaves_nothing_open(steps: int) -> None:
    with nothing_unclosed():
        async with opened() as at:
            with cancelled_at(steps):
                await at.said()
            assert await at.said() in TEXTS
            assert at.notices == []
