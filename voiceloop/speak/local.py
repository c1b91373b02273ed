"""Synthesizer `local`: embedded voices, picked by language. Makes no sound itself.

    language   first that is there
    --------   ---------------------------------------------------
    any        the Piper voice that the config names for it
    en         hibari
    not en     a Piper voice that is installed (`voiceloop models get`)
    any        eSpeak NG

The voice of the usual language is opened at start; another when a reply first needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop import registry
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError, EngineError
from voiceloop.nursery import private_nursery
from voiceloop.speak.local_choice import Choice, Engine, base, choose

if TYPE_CHECKING:
    from voiceloop.plugins import Services
    from voiceloop.types import Speech

PLACE = 'speak.use = "local"'
Code = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]


class LocalOptions(Table):
    """The keys of `[speak]` with `use = "local"`."""

    language: Code | None = None
    """The language of all replies (`en`, `en-gb`, `de`). Unset: that of the transcript, where the transcriber tells it;
    else `transcribe.language`; else English."""
    voices: dict[Code, str] = Field(default_factory=dict)
    """Voices of Piper by language: `{ de = "de_DE-thorsten-high" }`, by name or path. They go before the other
    engines."""
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    """The speed: 2.0 is twice as fast."""


class LocalSynthesizer:
    """The voices of this machine. It speaks the usual language; `in_language` gives the voice of another."""

    Options = LocalOptions
    requires: ClassVar = ()  # which engine is needed depends on the language: `open` checks

    def __init__(self, options: LocalOptions, services: Services, nursery: trio.Nursery) -> None:
        self._options, self._services, self._nursery = options, services, nursery
        self._installed = _installed()
        found, self._damaged = _piper_voices(self._installed, options)
        self._piper = found | options.voices
        self._language = options.language or _transcribed_language(services) or "en"
        self._voices: dict[Choice, _Voice] = {}
        self._told: set[str] = set()
        """The languages of which was said that there is no voice for them."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Open the voice of the usual language. Raises MissingExtra, EngineError, and ConfigError for a voice that is
        missing or damaged, of whichever language."""
        assert isinstance(options, LocalOptions)
        _check_voices(options)
        async with private_nursery() as nursery:
            local = cls(options, services, nursery)
            await local._usual().opened()
            local._tell_substitute()
            local._tell_damaged()
            yield local

    @property
    def description(self) -> str:
        """Which voice speaks which language."""
        voices = [self._usual().name]
        if self._options.language is None:
            others = {base(code) for code in self._piper} | {"en"}
            choices = {code: self._choice(code) for code in sorted(others)}
            voices += [choice.name for choice in choices.values() if choice is not None]
            if Engine.ESPEAK in self._installed:
                voices.append("eSpeak NG (others)")
        return ", ".join(dict.fromkeys(voices))

    async def warm(self) -> None:
        """The user has begun to speak: get the voices in use ready."""
        for voice in list(self._voices.values()):
            await voice.warm()

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text` in the usual language."""
        return self._usual().speech(text)

    def in_language(self, code: str) -> LocalSynthesizer | _Voice:
        """The voice for text in a language; the usual one if `speak.language` is set, or if there is no other."""
        if self._options.language is not None or base(code) == base(self._language):
            return self
        choice = self._choice(code)
        if choice is None:
            self._tell_missing(base(code))
            return self
        return self._voice(choice)

    def _usual(self) -> _Voice:
        choice = self._choice(self._language)
        if choice is None:
            raise registry.missing("hibari" if base(self._language) == "en" else "espeakng_loader")
        return self._voice(choice)

    def _choice(self, code: str) -> Choice | None:
        return choose(code, self._piper, self._installed)

    def _voice(self, choice: Choice) -> _Voice:
        if choice not in self._voices:
            usual = next(iter(self._voices.values()), None)  # the first that was needed
            self._voices[choice] = _Voice(choice, self._options.speed, self._services, self._nursery, usual)
        return self._voices[choice]

    def _tell_substitute(self) -> None:
        """Say that English sounds worse than it could."""
        if self._usual().choice.engine is Engine.ESPEAK and base(self._language) == "en":
            remedy = "pip install 'voiceloop[local]'"
            self._services.publish("notice", text=f"speak: eSpeak NG speaks, as hibari is not installed: {remedy}")

    def _tell_damaged(self) -> None:
        """Say which voices were left out. They are no reason to stop: nobody has named them."""
        for problem in self._damaged:
            self._services.publish("notice", text=f"{problem}. Until then it is left out")

    def _tell_missing(self, language: str) -> None:
        if language not in self._told:
            self._told.add(language)
            remedy = (
                "Install eSpeak NG (pip install 'voiceloop[espeak]'), or fetch a Piper voice (voiceloop models get)"
            )
            self._services.publish("notice", text=f"speak: there is no voice for the language '{language}'. {remedy}")


class _Voice:
    """A voice that is opened when it is first needed, and stays open. It is a `Synthesizer`.

    `usual` speaks instead if the engine has no such voice.
    """

    def __init__(
        self, choice: Choice, speed: float, services: Services, nursery: trio.Nursery, usual: _Voice | None
    ) -> None:
        self.choice, self._speed = choice, speed
        self._services, self._nursery, self._usual = services, nursery, usual
        self._refused = False
        self._opening = trio.Lock()
        self._synthesizer: Any = None

    @property
    def name(self) -> str:
        return self.choice.name

    @property
    def description(self) -> str:
        return self.choice.name

    async def warm(self) -> None:
        if self._synthesizer is not None:
            await self._synthesizer.warm()

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`. Raises EngineError."""
        async with (await self._opened_or_usual()).speech(text) as pieces:
            yield pieces

    async def _opened_or_usual(self) -> Any:
        if self._refused and self._usual is not None:  # not tried again for each chunk
            return await self._usual.opened()
        try:
            return await self.opened()
        except ConfigError as error:
            # A language that eSpeak NG does not have, or a file that has changed since the start.
            problem = "; ".join(error.problems)
            if self._usual is None:
                raise EngineError(problem, place=PLACE, remedy="Correct it and start again") from None
            if not self._refused:  # two replies may have needed it at once
                self._refused = True
                self._services.publish("notice", text=f"{problem}. {self._usual.name} speaks instead")
            return await self._usual.opened()

    async def opened(self) -> Any:
        """The synthesizer. Raises MissingExtra, EngineError and ConfigError."""
        async with self._opening:
            if self._synthesizer is None:
                self._synthesizer = await self._nursery.start(self._hold_open, name=f"voice {self.name}")
        return self._synthesizer

    async def _hold_open(self, task_status: trio.TaskStatus[Any]) -> None:  # noqa: ASYNC114
        """Keep the synthesizer open until the end, in a task of its own: any task may have needed it first."""
        part, options = _part(self.choice, self._speed)
        async with part.open(options, self._services) as synthesizer:
            task_status.started(synthesizer)
            await trio.sleep_forever()


def _part(choice: Choice, speed: float) -> tuple[Any, BaseModel]:
    """The class of a voice and its options."""
    if choice.engine is Engine.HIBARI:
        from voiceloop.speak.hibari import HibariOptions, HibariSynthesizer

        return HibariSynthesizer, HibariOptions(accent="gb" if choice.voice == "en-gb" else None, speed=speed)
    if choice.engine is Engine.PIPER:
        from voiceloop.speak.piper import PiperOptions, PiperSynthesizer

        return PiperSynthesizer, PiperOptions(voice=choice.voice, speed=speed)
    from voiceloop.speak.espeak import EspeakOptions, EspeakSynthesizer

    return EspeakSynthesizer, EspeakOptions(voice=choice.voice, rate_wpm=min(450, max(80, round(175 * speed))))


def _installed() -> frozenset[Engine]:
    """The engines whose packages are installed. Imports none of them."""
    from importlib.util import find_spec

    return frozenset(engine for engine in Engine if all(find_spec(package) for package in engine.value))


def _piper_voices(installed: frozenset[Engine], options: LocalOptions) -> tuple[dict[str, str], list[str]]:
    """The first sound one of the installed Piper voices for each language for which none is named, and what is wrong
    with those before it. Not for English, which hibari speaks sooner."""
    from voiceloop.speak.piper_files import voice_files, voices_by_language

    voices: dict[str, str] = {}
    problems: list[str] = []
    for code, names in voices_by_language().items() if Engine.PIPER in installed else ():
        if code == "en" or code in options.voices:
            continue
        for name in names:
            try:
                voice_files(name, "speak")
            except ConfigError as error:
                problems += error.problems
            else:
                voices[code] = name
                break
    return voices, problems


def _check_voices(options: LocalOptions) -> None:
    """Raises MissingExtra and ConfigError, so that a wrong path is known at start and not at the first reply."""
    if not options.voices:
        return
    from voiceloop.speak.piper import PiperSynthesizer
    from voiceloop.speak.piper_files import voice_files

    registry.check(PiperSynthesizer)
    problems: list[str] = []
    for code, path in options.voices.items():
        try:
            voice_files(path, f"speak.voices.{code}")
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _transcribed_language(services: Services) -> str | None:
    """The language that the config says will be spoken."""
    language: str | None = getattr(services.config.transcribe.options, "language", None)
    return language
