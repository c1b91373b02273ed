"""How captions end: words that were shown become final, whatever the reason. Virtual time and a fake microphone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from tests.captions.recorded_captions import NO_SCREENING, RecordedCaptions, Service, WordVad, sound
from tests.captions.speech import said
from tests.captions.test_web import own_address
from voiceloop.audio.wav import wav_bytes
from voiceloop.captions.options import CaptionsOptions
from voiceloop.captions.posts import CaptionContext
from voiceloop.captions.program import _caption, _Source, run
from voiceloop.captions.words import Spoken
from voiceloop.config.load import load
from voiceloop.control.attention import Attention
from voiceloop.control.kept import NOTHING, Kept
from voiceloop.errors import StartAnew, VoiceloopError
from voiceloop.plugins import Transcriber
from voiceloop.transcribe.screening import Screened
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, Frame

WORDS = [f"word{number}" for number in range(40)]


@dataclass
class _Microphone:
    """A fake microphone that yields words in real (virtual) time. At `unplugged_s` it raises, as if unplugged."""

    truth: Sequence[Spoken]
    unplugged_s: float = float("inf")
    received: int = 1

    @property
    def frames(self) -> _Microphone:
        return self

    def clock(self, index: int) -> float:
        return index / CAPTURE_RATE_HZ

    def relax(self, *, calm: bool) -> None:
        """Do nothing."""

    def __post_init__(self) -> None:
        self._pcm, self._at, self._began = sound(self.truth), 0, trio.current_time()

    async def receive(self) -> Frame:
        at = self._at
        frame = Frame(self._pcm[2 * at : 2 * (at + FRAME_SAMPLES)], at)
        if not frame.pcm:
            raise trio.EndOfChannel
        if frame.end / CAPTURE_RATE_HZ > self.unplugged_s:
            raise VoiceloopError("is gone", place="audio.input")
        await trio.sleep_until(self._began + frame.end / CAPTURE_RATE_HZ)
        self._at = frame.end
        return frame

    def receive_nowait(self) -> Frame:
        raise trio.WouldBlock


async def caption(captions: RecordedCaptions, microphone: _Microphone, *, waiting: int = 100) -> None:
    screened = Screened(cast("Transcriber", captions.service), NO_SCREENING, (), captions.publish)
    context = CaptionContext(
        transcriber=screened,
        guesser=screened.quietly(),
        showing=captions,
        publish=captions.publish,
        room=lambda: captions.room,
        waiting=waiting,
        keeps=False,
        overlap_s=1.2,
    )
    source = _Source("", cast("Any", microphone), WordVad(captions.service.truth))
    config = load(None, (), preset="captions")
    await _caption(config, CaptionsOptions(), context, [source], Attention(), None)


async def test_when_the_microphone_is_unplugged_in_mid_speech_the_shown_words_are_final(
    autojump_clock: MockClock,
) -> None:
    captions = RecordedCaptions(Service(said(WORDS, 1.0)))
    with pytest.RaisesGroup(pytest.RaisesExc(VoiceloopError, match="is gone"), flatten_subgroups=True):
        await caption(captions, _Microphone(captions.service.truth, unplugged_s=9.0))
    assert len(captions.text.split()) > 10
    assert captions.text == max(captions.live_texts, key=len)
    assert captions.published[-1][0] == "captions.stopped"


async def test_at_the_end_no_word_is_held_back_for_speech_that_never_comes(autojump_clock: MockClock) -> None:
    """The second of two pieces is refused; the first one's last words were held back to be joined with it."""
    captions = RecordedCaptions(Service(said(WORDS, 1.0), service_s=20))
    await caption(captions, _Microphone(captions.service.truth), waiting=1)
    assert len(captions.finals) == 2
    assert captions.text.split() == WORDS[: len(captions.text.split())]
    assert captions.live_texts[-1] == ""


async def test_when_captions_are_cancelled_the_shown_words_are_final(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(said(WORDS, 1.0)))
    with trio.move_on_after(8):
        await caption(captions, _Microphone(captions.service.truth))
    assert captions.text == max(captions.live_texts, key=len)
    assert captions.text


async def started_anew(program: Callable[[], Awaitable[int]]) -> StartAnew:
    """The StartAnew that ends `program`."""
    found: BaseException | None = None
    try:
        await program()
    except (StartAnew, BaseExceptionGroup) as error:
        found = error
    while isinstance(found, BaseExceptionGroup):
        (found,) = found.exceptions
    assert isinstance(found, StartAnew)
    return found


async def test_readers_of_a_shared_page_find_it_again_when_the_program_starts_itself_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hung(_: object) -> None:
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr("voiceloop.captions.program.runaway", hung)
    monkeypatch.setattr("gc.freeze", lambda: None)
    (tmp_path / "said.wav").write_bytes(wav_bytes(bytes(CAPTURE_RATE_HZ), CAPTURE_RATE_HZ))
    host = own_address()
    sets = ["handler.web=0", "handler.share=true", f"handler.share_address={host}", "transcribe.use=none"]
    config = load(None, [*sets, "control.enabled=false", "vad.use=webrtc"], preset="captions")
    urls: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        if name == "captions.page":
            urls.append(str(fields["url"]))

    kept = NOTHING
    for _ in range(2):
        reason = await started_anew(partial(run, config, {"": f"file:{tmp_path}/said.wav"}, publish, kept=kept))
        kept = Kept.of(cast("Any", reason.kept))
    first, second = (url.split("/")[3] for url in urls)
    assert first == second
    assert len(first) == 22
