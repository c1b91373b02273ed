"""A voice of hibari: what it is loaded from, and that loading and speaking disturb nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.gil import GilWatch
from tests.speak.test_hibari import TEXTS, loaded, say, sound
from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.speak import hibari_voice
from voiceloop.speak.hibari_voice import RATE_HZ, Voice, find_voice, installed_voices, parts
from voiceloop.speak.pronunciation import spoken_form

pytest.importorskip("hibari", reason="the extra 'local' is not installed")


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice(find_voice("heart"), british=False)


_BITS = ["$", "€5", "3.50", "...", "--", "'s", "’", "a", "I", "2024", "1,000", "10:30", "-5", "/", "@", "x.com", "Dr."]
_BITS += [
    "½",
    "0th",
    "1.2.3",
    "(",
    ")",
    "[a](b)",
    "^",
    "*",
    "=",
    "é",
    "IV",
    "¹",
    "²",
    "٣",
    "π",
    "#",
    "_",
    "\\",
    "00",
    "ß",
]
_LISTS = st.lists(st.sampled_from(_BITS), max_size=10)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.text(max_size=40) | _LISTS.map("".join) | _LISTS.map(" ".join))
def test_no_text_fails(voice: Voice, text: str) -> None:
    voice.phonemes(spoken_form(text))


@pytest.mark.parametrize(
    ("phonemes", "longest", "cut"),
    [("aa bb cc", 5, ["aa bb", "cc"]), ("aaaaaaa", 3, ["aaa", "aaa", "a"]), ("", 3, []), ("aa", 3, ["aa"])],
)
def test_phonemes_are_cut_between_words(phonemes: str, longest: int, cut: list[str]) -> None:
    assert list(parts(phonemes, longest)) == cut


class TestVoiceThatCanNotBeUsed:
    async def problem(self, voice: object, **options: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            async with loaded(voice=str(voice), **options):
                pass
        (line,) = caught.value.problems
        assert "\n" not in line
        return line

    async def test_an_unknown_name_lists_the_voices(self) -> None:
        assert "heart, emma, fenrir" in await self.problem("nobody")

    async def test_a_voice_that_was_not_fetched_is_not_fetched(self, monkeypatch: Any, tmp_path: Path) -> None:
        monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
        assert "voiceloop models get emma" in await self.problem("emma")
        assert not (tmp_path / "bf_emma.int8.onnx").exists()

    async def test_a_missing_file(self, tmp_path: Path) -> None:
        assert "there is no file" in await self.problem(tmp_path / "a.onnx")

    async def test_a_truncated_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.onnx"
        path.write_bytes(find_voice("heart").read_bytes()[:100_000])
        assert "can't be loaded" in await self.problem(path)

    async def test_a_file_that_is_no_network(self, tmp_path: Path) -> None:
        path = tmp_path / "a.onnx"
        path.write_text("<html>404</html>")
        assert "can't be loaded" in await self.problem(path)

    async def test_another_network(self) -> None:
        other = find_voice("heart").with_name("oov.onnx")
        assert "is not a voice of hibari" in await self.problem(other)

    async def test_a_voice_that_was_fetched_is_used_with_its_accent(self, monkeypatch: Any, tmp_path: Path) -> None:
        # Stands for the British voice: the same network, but read with the British dictionaries.
        (tmp_path / "bf_emma.int8.onnx").write_bytes(find_voice("heart").read_bytes())
        monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
        async with loaded(voice="emma") as emma, loaded(accent="gb") as british:
            assert sound(await say(emma, "I can't.")).tobytes() == sound(await say(british, "I can't.")).tobytes()

    async def test_a_voice_among_the_users_models_is_found_by_its_name(self, monkeypatch: Any, tmp_path: Path) -> None:
        monkeypatch.setenv("HIBARI_HOME", str(tmp_path / "none"))
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        with pytest.raises(ConfigError, match="voiceloop models get emma"):
            find_voice("emma")
        assert "emma" not in installed_voices()
        folder = tmp_path / "voiceloop" / "models" / "emma"
        folder.mkdir(parents=True)
        (folder / "bf_emma.int8.onnx").write_bytes(b"a voice")
        assert find_voice("emma") == installed_voices()["emma"] == folder / "bf_emma.int8.onnx"


async def test_damaged_dictionaries_are_one_line(monkeypatch: Any) -> None:
    monkeypatch.setattr(hibari_voice, "_unpacked", lambda path: b'{"a":"b"')
    with pytest.raises(EngineError, match=r"dictionaries can't be read.*Install it again"):
        async with loaded():
            pass


async def test_a_damaged_file_of_a_dictionary_is_one_line(monkeypatch: Any) -> None:
    read = Path.read_bytes

    def damaged(path: Path) -> bytes:
        data = read(path)
        return data[:2_000] + bytes(2_000) + data[4_000:] if path.name == "tagger.json.gz" else data

    monkeypatch.setattr(Path, "read_bytes", damaged)
    with pytest.raises(EngineError, match=r"dictionaries can't be read.*Install it again"):
        async with loaded():
            pass


async def test_a_voice_without_any_audible_sound_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(Voice, "sound", lambda self, phonemes, speed=1.0: bytes(24_000))
    with pytest.raises(ConfigError, match="the voice is silent"):
        async with loaded():
            pass


async def test_an_error_of_the_network_costs_one_text(monkeypatch: Any) -> None:
    async with loaded() as hibari:
        run, calls = hibari._voice._session.run, []

        def failing(*given: Any) -> Any:
            calls.append(given)
            if len(calls) == 1:
                raise RuntimeError("bad allocation")
            return run(*given)

        monkeypatch.setattr(hibari._voice, "_session", SimpleNamespace(run=failing))
        with pytest.raises(EngineError, match=r"hibari can't speak a text \(RuntimeError: bad allocation\)"):
            await say(hibari, "Yes.")
        assert len(sound(await say(hibari, "Yes."))) > RATE_HZ // 4


async def test_an_unknown_version_of_the_package_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr("hibari.__version__", "0.3.0")
    with pytest.raises(EngineError, match=r"0\.3\.0 is not known.*hibari-tts>=0\.2\.1,<0\.3"):
        async with loaded():
            pass


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"voiceloop\[local\]"):
        async with loaded():
            pass


OFFLINE = """
import socket, sys

def forbidden(*args, **kwargs):
    print("the network was used", args, flush=True)
    sys.exit(3)

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = forbidden
import trio
from types import SimpleNamespace
from voiceloop.speak.hibari import HibariOptions, HibariSynthesizer

async def main():
    async with HibariSynthesizer.open(HibariOptions(), SimpleNamespace(publish=print)) as synthesizer:
        async with synthesizer.speech("Hello, zyxwvut, 5 km.") as pieces:
            print(sum([len(piece.pcm) async for piece in pieces]))

trio.run(main)
"""


def test_it_speaks_without_touching_the_network(tmp_path: Path) -> None:
    environment = {"HIBARI_HOME": str(tmp_path), "HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, env=environment, timeout=180, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(ran.stdout) > RATE_HZ


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's statistics are needed")
class TestAudioCallbacks:
    """What holds the GIL keeps the audio callbacks from running."""

    LONGEST_S = 0.02

    REPEATS = 3
    """A voice that holds the GIL too long does so each time; a busy machine, now and then."""

    def test_they_are_not_held_up_by_loading_a_voice(self) -> None:
        longest_s = []
        for _ in range(self.REPEATS):
            with GilWatch() as watch:
                Voice(find_voice("heart"), british=False).warm()
            longest_s.append(watch.longest_s)
        assert min(longest_s) < self.LONGEST_S, longest_s

    async def test_they_are_not_held_up_by_speaking(self) -> None:
        longest_s = []
        async with loaded() as synthesizer:
            for _ in range(self.REPEATS):
                with GilWatch() as watch:
                    for text in TEXTS:
                        await say(synthesizer, text)
                longest_s.append(watch.longest_s)
        assert min(longest_s) < self.LONGEST_S, longest_s
