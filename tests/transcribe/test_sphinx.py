"""Transcriber `sphinx`: PocketSphinx in a worker process, on recorded human voices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soxr
import trio
from pydantic import ValidationError

from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.transcribe.sphinx import SphinxOptions, SphinxTranscriber
from voiceloop.transcribe.sphinx_process import WORKER
from voiceloop.types import FRAME_SAMPLES, SAMPLE_BYTES, Utterance

pytest.importorskip("pocketsphinx", reason="the extra 'offline' is not installed")

PATIENCE_S = 120
"""A generous timeout for a busy machine: no test here measures time."""
JSGF = "#JSGF V1.0; grammar prompts; public <prompt> = hello world | goodbye | thank you | two | ten;"


def prompt(name: str) -> Utterance:
    """A recorded human voice of Debian's asterisk-core-sounds-en-wav (8 kHz), at 16 kHz."""
    for folder in sorted(Path("/usr/share/asterisk/sounds").glob("en*")):
        if (path := folder / f"{name}.wav").exists():
            with wave.open(str(path)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
            wide = soxr.resample(samples, 8_000, 16_000).clip(-32_768, 32_767).astype("<i2")
            return Utterance(wide.tobytes(), 0, len(wide))
    pytest.skip("recorded prompts are missing: apt-get install asterisk-core-sounds-en-wav")


class FakeServices:
    """Fake services that record the notices."""

    def __init__(self) -> None:
        self.notices: list[object] = []

    def publish(self, name: str, /, **fields: object) -> None:
        self.notices.append(fields["text"])


@asynccontextmanager
async def recogniser(services: FakeServices | None = None, **options: Any) -> AsyncIterator[SphinxTranscriber]:
    with trio.fail_after(PATIENCE_S):
        async with SphinxTranscriber.open(
            SphinxOptions(**options), cast(Any, services or FakeServices())
        ) as transcriber:
            yield transcriber


async def transcribe(transcriber: SphinxTranscriber, utterance: Utterance, *, fed: bool = True) -> str:
    async with transcriber.transcription() as transcription:
        if fed:
            await feed(transcription, utterance)
        return (await transcription.finish(utterance)).text


async def feed(transcription: Any, utterance: Utterance, step: int = FRAME_SAMPLES * SAMPLE_BYTES) -> None:
    for at in range(0, len(utterance.pcm), step):
        await transcription.feed(utterance.pcm[at : at + step])


def pid_of(transcriber: SphinxTranscriber) -> int:
    return transcriber._worker.pid


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.gram"
    path.write_text(JSGF)
    return path


async def test_speech_fed_frame_by_frame_becomes_text() -> None:
    utterance = prompt("conf-kicked")  # "You have been kicked from this conference."
    async with recogniser() as transcriber, transcriber.transcription() as transcription:
        await feed(transcription, utterance)
        transcript = await transcription.finish(utterance)
    assert transcript.text.startswith("you have been")
    assert transcript.utterance is utterance
    assert [word.text for word in transcript.words] == transcript.text.split()
    assert all(word.start_s < word.end_s <= utterance.duration_s for word in transcript.words)
    assert transcript.confidence is not None
    assert 0 < transcript.confidence <= 1


async def test_the_size_of_the_pieces_fed_changes_nothing(grammar: Path) -> None:
    utterance = prompt("hello-world")
    results = set()
    for step in (64, 999 * 2, 1 << 20, 0):
        async with recogniser(jsgf=grammar) as transcriber, transcriber.transcription() as transcription:
            if step:
                await feed(transcription, utterance, step)
            results.add((await transcription.finish(utterance)).words)
    assert len(results) == 1


async def test_silence_and_an_empty_clip_give_empty_texts() -> None:
    async with recogniser() as transcriber:
        assert await transcribe(transcriber, Utterance(b"", 0, 0)) == ""
        async with transcriber.transcription() as transcription:
            transcript = await transcription.finish(Utterance(bytes(32_000), 0, 0))
    assert transcript.text == ""
    assert transcript.words == ()
    assert transcript.confidence is None


async def test_with_a_grammar_its_sentences_are_recognised(grammar: Path) -> None:
    async with recogniser(jsgf=grammar) as transcriber:
        assert "grammar" in transcriber.description
        assert await transcribe(transcriber, prompt("hello-world")) == "hello world"
        assert await transcribe(transcriber, prompt("auth-thankyou")) == "thank you"
        assert await transcribe(transcriber, prompt("vm-goodbye"), fed=False) == "goodbye"


async def test_a_keyphrase_is_recognised_and_other_speech_is_not() -> None:
    async with recogniser(keyphrase="Hello World", keyphrase_threshold=1e-40) as transcriber:
        assert await transcribe(transcriber, prompt("hello-world")) == "hello world"
        assert await transcribe(transcriber, prompt("conf-kicked")) == ""


async def test_several_transcriptions_may_be_open_at_once(grammar: Path) -> None:
    first, second = prompt("hello-world"), prompt("auth-thankyou")
    async with (
        recogniser(jsgf=grammar) as transcriber,
        transcriber.transcription() as one,
        transcriber.transcription() as two,
    ):
        await feed(one, first)
        await feed(two, second)
        assert (await two.finish(second)).text == "thank you"
        assert (await one.finish(first)).text == "hello world"


async def test_a_cancelled_transcription_ends_its_process_in_the_middle_of_decoding() -> None:
    long = Utterance(prompt("conf-kicked").pcm * 60, 0, 0)
    async with recogniser() as transcriber:
        with trio.move_on_after(0.5):
            await transcribe(transcriber, long)
        with trio.fail_after(20):
            while _children(pid_of(transcriber)):  # noqa: ASYNC110 - there is no event to wait for
                await trio.sleep(0.02)


async def test_an_utterance_survives_the_death_of_the_worker_and_of_its_fork(grammar: Path) -> None:
    utterance = prompt("hello-world")
    services = FakeServices()
    async with recogniser(services, jsgf=grammar) as transcriber:
        before = pid_of(transcriber)
        async with transcriber.transcription() as transcription:
            await transcription.feed(utterance.pcm[:6_400])
            os.killpg(before, signal.SIGKILL)
            await transcription.feed(utterance.pcm[6_400:])
            assert (await transcription.finish(utterance)).text == "hello world"
        assert pid_of(transcriber) != before
        assert await transcribe(transcriber, utterance) == "hello world"
    assert services.notices == ["The recogniser's process died; starting it again."]


async def test_an_utterance_on_which_every_process_dies_is_one_clear_error(grammar: Path) -> None:
    async with recogniser(jsgf=grammar) as transcriber:
        # Each fork of the worker is killed as soon as it exists.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_kill_forks, transcriber)
            with pytest.raises(EngineError, match=r"died on this utterance. Say it again"):
                await transcribe(transcriber, Utterance(prompt("conf-kicked").pcm * 60, 0, 0))
            nursery.cancel_scope.cancel()
        assert await transcribe(transcriber, prompt("hello-world")) == "hello world"


async def _kill_forks(transcriber: SphinxTranscriber) -> None:
    while True:
        for pid in _children(pid_of(transcriber)):
            os.kill(pid, signal.SIGKILL)
        await trio.sleep(0.01)


async def test_a_worker_that_is_killed_while_it_loads_is_started_again() -> None:
    services = FakeServices()
    async with recogniser(services) as transcriber:
        os.killpg(pid_of(transcriber), signal.SIGKILL)
        assert await transcribe(transcriber, Utterance(bytes(32_000), 0, 0)) == ""
    assert len(services.notices) == 1


async def test_closing_leaves_no_process() -> None:
    async with recogniser() as transcriber, transcriber.transcription():
        pid = pid_of(transcriber)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_an_error_in_the_body_is_raised_unchanged() -> None:
    async def fail() -> None:
        async with recogniser():
            raise KeyError

    with pytest.raises(KeyError):
        await fail()


def test_no_process_is_left_when_the_daemon_is_killed() -> None:
    daemon = textwrap.dedent("""
        import sys, trio
        from voiceloop.transcribe.sphinx import SphinxOptions, SphinxTranscriber
        async def main():
            async with SphinxTranscriber.open(SphinxOptions(), None) as t, t.transcription() as u:
                await u.feed(bytes(64_000))
                print(t._worker.pid, flush=True)
                await trio.sleep_forever()
        trio.run(main)
    """)
    with subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
    _wait_until_gone(worker)


def test_the_worker_imports_none_of_the_daemons_libraries() -> None:
    code = f"import runpy, sys; runpy.run_path({str(WORKER)!r}); import pocketsphinx; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"trio", "numpy", "pydantic", "voiceloop"} & set(out.split())


async def test_missing_model_files_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        async with recogniser(lm=tmp_path / "a.lm", dictionary=tmp_path / "b.dict"):
            pass
    assert "transcribe.lm" in str(caught.value)
    assert "b.dict" in str(caught.value)


async def test_a_broken_grammar_is_an_error_at_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gram"
    broken.write_text("no grammar at all")
    with pytest.raises(EngineError, match=r"can't be started.*hmm, lm, dictionary, jsgf"):
        async with recogniser(jsgf=broken):
            pass


def test_only_one_kind_of_search_can_be_configured(grammar: Path) -> None:
    with pytest.raises(ValidationError, match="only one of jsgf, keyphrase"):
        SphinxOptions(jsgf=grammar, keyphrase="hello")


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"voiceloop\[offline\]|no wheel"):
        async with recogniser():
            pass


async def test_the_description_says_that_it_is_a_demonstration() -> None:
    async with recogniser() as transcriber:
        assert "demonstration" in transcriber.description


def _children(pid: int) -> list[int]:
    """The child processes of `pid` that are still running."""
    if not Path("/proc").exists():
        pytest.skip("needs /proc")
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def _wait_until_gone(pid: int) -> None:
    import time

    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists() or _children(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
