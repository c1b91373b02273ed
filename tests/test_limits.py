"""Limits on posts and money: they are kept, said, and cost no words."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.parts import Said, endpoint, heard, open_bench, utterance
from tests.server import Fault, Script, open_server
from voiceloop.audio.wav import read_wav
from voiceloop.config.tables import Limits
from voiceloop.errors import LimitReached
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.net.pace import FIRST_INTERVAL_S, LONGEST_INTERVAL_S, Pace, Purse
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber


def post_times(pace: Pace, wanted: list[float]) -> list[float]:
    """When posts that are wanted at these times go out, one after the other, in virtual time."""
    now, out = 0.0, []
    for at in wanted:
        now = max(now, at)
        while (wait_s := pace.wait_s(now)) > 0:
            now += wait_s
        pace.posted(now)
        out.append(now)
    return out


def test_posts_beyond_the_limit_wait_until_a_minute_has_passed() -> None:
    assert post_times(Pace(3), [0, 1, 2, 3, 4, 70]) == [0, 1, 2, 60, 61, 70]


def test_without_a_limit_nothing_waits() -> None:
    assert post_times(Pace(None), [0.0] * 50) == [0.0] * 50


@given(st.integers(1, 5), st.lists(st.floats(0, 300), max_size=30).map(sorted))
def test_no_minute_ever_has_more_posts_than_allowed(per_minute: int, wanted: list[float]) -> None:
    times = post_times(Pace(per_minute), wanted)
    for first, last in zip(times, times[per_minute:], strict=False):
        assert last - first >= 60 - 1e-6


def test_too_many_requests_lengthens_the_interval_and_success_shortens_it() -> None:
    pace = Pace(None)
    pace.posted(0)
    pace.refused(0, None)
    assert pace.wait_s(0) == FIRST_INTERVAL_S
    pace.posted(10)
    pace.refused(10, None)
    assert pace.wait_s(10) == 2 * FIRST_INTERVAL_S
    pace.refused(10.1, None)
    assert pace.interval_s == 2 * FIRST_INTERVAL_S, "posts refused together count once"
    for _ in range(10):
        pace.accepted()
    assert pace.interval_s == 0.0


def test_the_interval_has_an_end_and_retry_after_is_waited_for() -> None:
    pace = Pace(None)
    for at in range(0, 2_000, 100):
        pace.refused(float(at), None)
    assert pace.interval_s == LONGEST_INTERVAL_S
    pace.refused(5_000.0, 99.0)
    assert pace.wait_s(5_000.0) == 99.0


def test_a_purse_without_a_limit_is_never_empty() -> None:
    purse = Purse(None)
    purse.spend(1e9)
    purse.spend(None)
    assert not purse.empty


MODEL = OpenRouterTranscribeOptions(model="a/b")


async def test_posts_over_the_limit_wait_and_that_is_said() -> None:
    async with (
        open_server() as server,
        open_bench(endpoint(server), limits=Limits(max_posts_per_minute=2)) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        await transcription.finish(utterance())
        await transcription.finish(utterance())
        with trio.move_on_after(0.2) as scope:
            await transcription.finish(utterance())
        assert scope.cancelled_caught
        assert len(server.posts()) == 2
        (notice,) = bench.named("notice")
        assert str(notice["text"]).startswith("limits.max_posts_per_minute (2) is reached: the next post waits ")


async def test_a_server_that_asks_for_less_gets_less() -> None:
    async with (
        open_server(Script(faults=[Fault(status=429)])) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(MODEL, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        began = trio.current_time()
        await transcription.finish(utterance())
        assert trio.current_time() - began >= FIRST_INTERVAL_S


async def test_when_the_money_is_spent_it_is_said_and_what_you_say_is_kept(
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
        await chat.handle(heard(), Said())
        assert [notice["text"] for notice in bench.named("notice")] == [
            (
                "limits.max_cost_per_session (0.00025 USD): the session has cost 0.0003 USD: nothing more is sent. "
                "Raise it, or start again"
            )
        ]
        with pytest.raises(LimitReached, match="what you said is kept: voiceloop transcribe ") as caught:
            await transcription.finish(utterance())
        with pytest.raises(LimitReached):
            await chat.handle(heard(), Said())
        assert len(server.posts()) == 2
    (kept,) = (tmp_path / "voiceloop" / "unsent").iterdir()
    assert str(caught.value).endswith(str(kept))
    assert read_wav(kept).pcm == utterance().pcm
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_a_clip_that_cannot_be_kept_still_gives_the_reason(
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
        with pytest.raises(LimitReached, match=r"Raise it, or start again$"):
            await transcription.finish(utterance())


async def test_what_is_not_counted_is_said_once() -> None:
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
            "limits.max_cost_per_session: the server does not say what speech costs; it is not counted"
        ]
