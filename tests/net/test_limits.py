"""Limits on posts per minute and on cost: they hold, they are reported, and no speech is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from testbed.disks import full_at
from testbed.http_parts import Bench, RecordingReply, endpoint, make_transcript, open_bench, utterance
from testbed.server import Fault, Script, Server, open_server
from testbed.server.catalogue import row
from voiceloop.audio.wav import read_wav
from voiceloop.config.tables import Limits
from voiceloop.errors import LimitReached, RateLimited
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.voice import VoiceHandler, VoiceOptions
from voiceloop.journal.store import JournalStore
from voiceloop.journal.unsent import keep
from voiceloop.net.limits import Gate
from voiceloop.net.rate_limiter import FIRST_INTERVAL_S, LONGEST_INTERVAL_S, Budget, RateLimiter
from voiceloop.net.usage import cost
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.types import Usage


def kept() -> list[Path]:
    """The clips in the journal store, which wait to be transcribed."""
    return [entry.path for entry in JournalStore().entries()]


def post_times(limiter: RateLimiter, wanted: list[float]) -> list[float]:
    """When posts that are wanted at these times are sent, one after the other, in virtual time."""
    now, sent = 0.0, []
    for at in wanted:
        now = max(now, at)
        while (wait_s := limiter.wait_s(now)) > 0:
            now += wait_s
        limiter.posted(now)
        sent.append(now)
    return sent


def test_posts_beyond_the_limit_wait_until_a_minute_has_passed() -> None:
    assert post_times(RateLimiter(3), [0, 1, 2, 3, 4, 70]) == [0, 1, 2, 60, 61, 70]


def test_without_a_limit_nothing_waits() -> None:
    assert post_times(RateLimiter(None), [0.0] * 50) == [0.0] * 50


@given(st.integers(1, 5), st.lists(st.floats(0, 300), max_size=30).map(sorted))
def test_no_minute_ever_has_more_posts_than_allowed(per_minute: int, wanted: list[float]) -> None:
    times = post_times(RateLimiter(per_minute), wanted)
    for first, last in zip(times, times[per_minute:], strict=False):
        assert last - first >= 60 - 1e-6


def test_too_many_requests_lengthens_the_interval_and_success_shortens_it() -> None:
    limiter = RateLimiter(None)
    limiter.posted(0)
    limiter.refused(0, retry_after_s=None)
    assert limiter.wait_s(0) == FIRST_INTERVAL_S
    limiter.posted(10)
    limiter.refused(10, retry_after_s=None)
    assert limiter.wait_s(10) == 2 * FIRST_INTERVAL_S
    limiter.refused(10.1, retry_after_s=None)
    assert limiter.interval_s == 2 * FIRST_INTERVAL_S, "posts refused together count once"
    for _ in range(10):
        limiter.accepted()
    assert limiter.interval_s == 0.0


def test_the_interval_is_bounded_and_retry_after_is_waited_for() -> None:
    limiter = RateLimiter(None)
    for at in range(0, 2_000, 100):
        limiter.refused(float(at), retry_after_s=None)
    assert limiter.interval_s == LONGEST_INTERVAL_S
    limiter.refused(5_000.0, retry_after_s=99.0)
    assert limiter.wait_s(5_000.0) == 99.0


def test_a_budget_without_a_limit_is_never_empty() -> None:
    budget = Budget(None)
    budget.spend(1e9)
    budget.spend(None)
    assert not budget.empty


MODEL = OpenRouterTranscribeOptions(model="a/b")


async def test_posts_over_the_limit_wait_and_a_notice_says_so() -> None:
    async with (
        open_server() as server,
        open_bench(endpoint(server), limits=Limits(max_posts_per_minute=2)) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        await transcription.finish(utterance())
        await transcription.finish(utterance())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transcription.finish, utterance())
            with trio.fail_after(60):
                while not bench.named("notice"):  # noqa: ASYNC110 - there is no event to wait for
                    await trio.sleep(0.01)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        assert len(server.posts()) == 2
        (notice,) = bench.named("notice")
        assert str(notice["text"]).startswith("limits.max_posts_per_minute (2) is reached: the next post waits ")


async def test_after_a_429_the_next_post_waits() -> None:
    async with (
        open_server(Script(faults=[Fault(status=429)])) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        began = trio.current_time()
        await transcription.finish(utterance())
        assert trio.current_time() - began >= FIRST_INTERVAL_S


async def test_at_the_cost_limit_a_notice_is_published_and_speech_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    limits = Limits(max_cost_per_session=0.00025)
    async with (
        open_server() as server,
        open_bench(endpoint(server), limits=limits) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
        transcriber.transcription() as transcription,
    ):
        await transcription.finish(utterance())
        await chat.handle(make_transcript(), RecordingReply())
        assert [notice["text"] for notice in bench.named("notice")] == [
            (
                "limits.max_cost_per_session (0.00025 USD): the session has cost 0.0003 USD: nothing more is sent. "
                "Start again (the count begins at zero) or raise this limit"
            )
        ]
        with pytest.raises(
            LimitReached, match=r"or raise this limit; what you said is kept, and 'voiceloop transcribe --pending'"
        ):
            await transcription.finish(utterance())
        with pytest.raises(LimitReached):
            await chat.handle(make_transcript(), RecordingReply())
        assert len(server.posts()) == 2
    (path,) = kept()
    assert path.parent == tmp_path / "voiceloop" / "unsent"
    assert read_wav(path).pcm == utterance().pcm
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_limit_is_reported_even_if_the_clip_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    async with (
        open_server() as server,
        open_bench(endpoint(server), limits=Limits(max_cost_per_session=1e-9)) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        await transcription.finish(utterance())
        with pytest.raises(LimitReached, match=r"or raise this limit$"):
            await transcription.finish(utterance())


async def test_one_notice_says_that_speech_is_not_counted() -> None:
    async with (
        open_server() as server,
        open_bench(endpoint(server), limits=Limits(max_cost_per_session=1)) as bench,
        OpenRouterSynthesizer.open(OpenRouterSpeakOptions(model="a/b", voice="v"), bench.services) as synthesizer,
    ):
        for _ in range(2):
            async with synthesizer.speech("hi") as pieces:
                async for _piece in pieces:
                    pass
        assert [notice["text"] for notice in bench.named("notice")] == [
            (
                "limits.max_cost_per_session: the server does not say what speech costs; the model's listing has no "
                "price either, so speech is not counted"
            )
        ]


LISTING = [row("a/b", "speech", prompt="0.001")]


async def speak(synthesizer: OpenRouterSynthesizer, text: str) -> Usage:
    async with synthesizer.speech(text) as pieces:
        usages = [piece.usage async for piece in pieces if piece.usage is not None]
    (usage,) = usages
    return usage


@asynccontextmanager
async def listed(bench: Bench, server: Server) -> AsyncIterator[None]:
    """Run the body with the server's price listing in the cache."""
    await bench.clients.models(endpoint(server), "speech")
    yield


async def test_a_cost_limit_requests_prices_in_the_background() -> None:
    options = OpenRouterSpeakOptions(model="a/b", voice="v")
    async with (
        open_server(Script(catalogue=LISTING)) as server,
        open_bench(endpoint(server), limits=Limits(max_cost_per_session=1)) as bench,
        OpenRouterSynthesizer.open(options, bench.services),
    ):
        assert server.requests == [], "starting waits for nothing"
        await server.until(lambda: [request.query for request in server.requests] == ["output_modalities=speech"])


async def test_speech_is_counted_by_its_listed_price_and_a_notice_says_so() -> None:
    async with (
        open_server(Script(catalogue=LISTING)) as server,
        open_bench(endpoint(server), limits=Limits(max_cost_per_session=0.009)) as bench,
        listed(bench, server),
        OpenRouterSynthesizer.open(OpenRouterSpeakOptions(model="a/b", voice="v"), bench.services) as synthesizer,
    ):
        usage = await speak(synthesizer, "hello")
        assert usage.estimated_usd == pytest.approx(0.005)
        assert (usage.cost_usd, usage.characters) == (None, 5)
        await speak(synthesizer, "hello")
        assert [notice["text"] for notice in bench.named("notice")] == [
            (
                "limits.max_cost_per_session: the server does not say what speech costs; speech is counted at the "
                "model's listed price, 1000 USD / 1M characters"
            ),
            (
                "limits.max_cost_per_session (0.009 USD): the session has cost 0.0100 USD (0.0100 of it estimated): "
                "nothing more is sent. Start again (the count begins at zero) or raise this limit"
            ),
        ]
        with pytest.raises(LimitReached):
            await speak(synthesizer, "hello")


async def test_without_a_limit_a_cached_listing_is_used_and_none_is_requested() -> None:
    options = OpenRouterSpeakOptions(model="a/b", voice="v")
    async with open_server(Script(catalogue=LISTING)) as server, open_bench(endpoint(server)) as bench:
        async with OpenRouterSynthesizer.open(options, bench.services) as synthesizer:
            assert (await speak(synthesizer, "hello")).estimated_usd is None
        assert [request.method for request in server.requests] == ["POST"]
        await bench.clients.models(endpoint(server), "speech")
        async with OpenRouterSynthesizer.open(options, bench.services) as synthesizer:
            assert (await speak(synthesizer, "hello")).estimated_usd == pytest.approx(0.005)
        assert bench.named("notice") == []


def test_reported_and_estimated_costs_are_distinguished() -> None:
    paid, listed = Usage(cost_usd=0.001), Usage(estimated_usd=0.002)
    assert cost(paid) == ", 0.001000 USD"
    assert cost(listed) == ", about 0.002000 USD by listed prices"
    assert cost(paid + listed) == ", 0.001000 USD and about 0.002000 USD by listed prices"
    assert cost(Usage()) == cost(None) == ""


async def test_speech_for_a_voice_native_model_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with (
        open_server() as server,
        open_bench(endpoint(server), limits=Limits(max_cost_per_session=1e-9)) as bench,
        VoiceHandler.open(VoiceOptions(model="a/b"), bench.services) as voice,
    ):
        await voice.handle(make_transcript(), RecordingReply())
        with pytest.raises(LimitReached, match="what you said is kept"):
            await voice.handle(make_transcript(), RecordingReply())
    (path,) = kept()
    assert read_wav(path).pcm == utterance().pcm


async def test_a_server_that_asks_to_wait_slows_no_other() -> None:
    gate = Gate(Limits(), None)
    gate.refused("http://busy", 50.0)
    with trio.fail_after(30):
        await gate.passed("http://idle")
    with trio.move_on_after(0.05) as scope:
        await gate.passed("http://busy")
    assert scope.cancelled_caught


async def test_a_long_retry_after_is_an_error_instead_of_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    busy = Fault(status=429, headers=(("Retry-After", "3000"),))
    async with (
        open_server(Script(faults=[busy])) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        with pytest.raises(RateLimited, match="the server asks to wait 3000 s"):
            await transcription.finish(utterance())
        with pytest.raises(
            LimitReached, match=r"accepts no requests for another (3000|29\d\d) s.*what you said is kept"
        ):
            await transcription.finish(utterance())
        assert len(server.posts()) == 1
    assert len(kept()) == 1


async def test_posts_resume_when_the_minute_is_over(autojump_clock: trio.testing.MockClock) -> None:
    notices: list[object] = []

    def publish(_name: str, /, **fields: object) -> None:
        notices.append(fields["text"])

    gate = Gate(Limits(max_posts_per_minute=2), publish)
    for _ in range(5):
        await gate.passed("http://x")
    assert trio.current_time() == pytest.approx(120)
    assert notices == [
        f"limits.max_posts_per_minute (2) is reached: the next post waits {wait} s; nothing you say is lost"
        for wait in (60, 60)
    ]


def test_two_clips_of_the_same_moment_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = {keep(utterance(0.1)) for _ in range(20)}
    assert None not in paths
    assert sorted(path for path in paths if path is not None) == kept()


def test_a_clip_that_does_not_fit_on_the_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with full_at(1_000):
        assert keep(utterance(1.0)) is None
    assert list((tmp_path / "voiceloop" / "unsent").iterdir()) == []
    assert [keep(utterance(1.0))] == kept()
