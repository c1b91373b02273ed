"""`sphinx`: the embedded recogniser, pocketsphinx in a process of its own. Knows neither how it decodes nor how
it is kept alive apart from the daemon (`sphinx_process.py`).

pocketsphinx holds the GIL while it decodes, so it can't live in the daemon. `sphinx_worker.py` loads the model once,
when the loop opens, and forks for each transcription: several may be open at once, and one that is abandoned frees its
processor the moment its socket closes. When the worker dies another is started; its forks finish what they are at, and
an utterance whose fork died is given to a new one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import trio
from pydantic import BaseModel, Field, model_validator

from voiceloop import registry
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError, EngineError
from voiceloop.nursery import private_nursery
from voiceloop.transcribe.sphinx_process import KILL_S, PLACE, DiedLoading, Worker
from voiceloop.transcribe.sphinx_worker import LENGTH
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance, Word

if TYPE_CHECKING:
    from voiceloop.plugins import Services

ANSWER_BYTES = 1 << 20
MORE_TRIES = 2
"""Forks that an utterance is given to after the first one died. Two, because a worker that is dying may still take it.
"""
BREADTH = 3_000
"""Phone models kept alive in each frame. pocketsphinx keeps 30,000: the same errors (24 % of read speech, 73 % of
telephone prompts) for half as much work again; with 1,000 errors rise (34 and 77 %)."""
MODEL_PATHS = {"hmm": "hmm", "lm": "lm", "dictionary": "dict", "jsgf": "jsgf"}
_AGAIN = "Say it again; the recogniser has been started afresh"


class SphinxOptions(Table):
    """The keys of `[transcribe]` with `use = "sphinx"`."""

    hmm: Path | None = None
    """The folder of an acoustic model; none is the American English one of the package."""
    lm: Path | None = None
    """A language model (ARPA or binary); none is that of the package."""
    dictionary: Path | None = None
    """A pronouncing dictionary; none is that of the package (134,000 words of English)."""
    jsgf: Path | None = None
    """A JSGF grammar instead of the language model: only its sentences are heard, far more reliably."""
    keyphrase: str | None = None
    """A single phrase to listen for instead of the language model, in words of the dictionary."""
    keyphrase_threshold: Annotated[float, Field(gt=0, le=1)] = 1e-30
    """How sure of the phrase it must be: smaller hears it more often, and wrongly more often."""
    remove_noise: bool = False
    """pocketsphinx's noise removal, for steady noise; on clean speech it costs words."""
    second_pass: bool = False
    """Search once more at the end, over the words found (`fwdflat`): the text comes 0.2 to 0.4 s later, and on the
    recordings that it was tried on it made no clear difference."""

    @model_validator(mode="after")
    def _one_search(self) -> Self:
        searches = [name for name in ("lm", "jsgf", "keyphrase") if getattr(self, name) is not None]
        if len(searches) > 1:
            raise ValueError(f"only one of {', '.join(searches)} can be set: each is a whole search of its own")
        return self

    def settings(self) -> dict[str, object]:
        """As pocketsphinx spells them."""
        given: dict[str, object] = {
            spelled: str(path) for name, spelled in MODEL_PATHS.items() if (path := getattr(self, name)) is not None
        }
        if self.keyphrase is not None:
            given |= {"keyphrase": self.keyphrase.lower(), "kws_threshold": self.keyphrase_threshold}
        if "jsgf" in given or "keyphrase" in given:
            given["lm"] = None
        return given | {"remove_noise": self.remove_noise, "fwdflat": self.second_pass, "maxhmmpf": BREADTH}

    @property
    def own_model(self) -> bool:
        return any(getattr(self, name) is not None for name in (*MODEL_PATHS, "keyphrase"))


def check(options: SphinxOptions) -> None:
    """Raise ConfigError for files that are not there."""
    given = {name: getattr(options, name) for name in MODEL_PATHS}
    missing = [
        f"transcribe.{name}: there is no '{path}'"
        for name, path in given.items()
        if path and not path.expanduser().exists()
    ]
    if missing:
        raise ConfigError(missing)


class Died(Exception):
    """The fork that an utterance was fed to is gone."""


class SphinxTranscription:
    """One utterance, decoded as it comes."""

    def __init__(self, owner: SphinxTranscriber, stream: trio.SocketStream) -> None:
        self._owner = owner
        self._stream = stream
        self._fed_bytes = 0
        self._begun = False

    async def feed(self, pcm: bytes) -> None:
        """Pass speech on (int16, mono, 16 kHz). Waits when the recogniser is far behind; when it died, `finish` gives
        the utterance to its successor."""
        self._fed_bytes += len(pcm)
        if pcm:
            with suppress(Died):
                await self._send(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        """The text, which is empty when no word was understood. Raises EngineError when the recogniser dies over it
        again and again, or can't be started."""
        if utterance.rate_hz != CAPTURE_RATE_HZ:
            raise EngineError(f"takes {CAPTURE_RATE_HZ} Hz, not {utterance.rate_hz}", place=PLACE)
        try:
            heard = await self._ask(utterance.pcm[self._fed_bytes :])
        except Died:
            heard = await self._ask_others(utterance.pcm)
        if "error" in heard:
            raise EngineError(f"pocketsphinx failed: {heard['error']}", place=PLACE, remedy=_AGAIN)
        if heard["text"]:  # the mean of a noise would spoil the next utterance
            self._owner.cmn = heard["cmn"]
        words = tuple(Word(*word) for word in heard["words"])
        return Transcript(text=heard["text"], utterance=utterance, words=words, confidence=heard["confidence"])

    def close(self) -> None:
        """The fork dies of it, at once."""
        self._stream.socket.close()

    async def _ask_others(self, pcm: bytes) -> Any:
        for _ in range(MORE_TRIES):
            self.close()
            self._stream, self._begun = await self._owner.utterance(), False
            with suppress(Died):
                return await self._ask(pcm)
        raise EngineError("the recogniser died over this utterance", place=PLACE, remedy=_AGAIN)

    async def _ask(self, pcm: bytes) -> Any:
        if pcm:
            await self._send(pcm)
        await self._send(b"")
        line = bytearray()
        while not line.endswith(b"\n") and len(line) < ANSWER_BYTES:
            try:
                data = await self._stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data:
                raise Died
            line += data
        return json.loads(line)

    async def _send(self, message: bytes) -> None:
        if not self._begun:
            self._begun = True
            await self._send(self._owner.cmn.encode())
        try:
            await self._stream.send_all(LENGTH.pack(len(message)) + message)
        except trio.BrokenResourceError:
            raise Died from None


class SphinxTranscriber:
    """pocketsphinx in its own process: the text is there 25 to 50 ms after the last sample.

    A demonstration: 28 % of the words of clean read English are wrong, more in noise. For real use set
    `transcribe.use` to a service or a local server.
    """

    Options = SphinxOptions
    requires: ClassVar = ("pocketsphinx",)

    def __init__(self, options: SphinxOptions, services: Services, worker: Worker) -> None:
        self._options = options
        self._services = services
        self._worker = worker
        self._failure: EngineError | None = None
        self._changed = trio.Event()
        self.cmn = ""
        """The cepstral mean of the last utterance: the microphone and the speaker are the same in the next."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Start the process. Waits until the model is loaded (about 0.5 s) only where it is the user's own: then a
        mistake in it is said at start. Raises MissingExtra, ConfigError, EngineError."""
        assert isinstance(options, SphinxOptions)
        registry.check(cls)
        check(options)
        self = cls(options, services, await Worker.start(options.settings()))
        try:
            if options.own_model:
                await self._worker.ready()
            async with private_nursery() as nursery:
                nursery.start_soon(self._keep)
                yield self
        finally:
            with trio.move_on_after(KILL_S, shield=True):
                await self._worker.kill()

    @property
    def description(self) -> str:
        search = "a grammar" if self._options.jsgf else "a keyphrase" if self._options.keyphrase else "English"
        return f"pocketsphinx, {search} (a demonstration: about 28 % of the words of clean speech come out wrong)"

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[SphinxTranscription]:
        """Start on an utterance. Raises EngineError when the recogniser can't be started."""
        transcription = SphinxTranscription(self, await self.utterance())
        try:
            yield transcription
        finally:
            transcription.close()

    async def warm(self) -> None:
        """Nothing to do: the worker is always up."""
        await trio.lowlevel.checkpoint()

    async def utterance(self) -> trio.SocketStream:
        """A socket to a new fork; when the worker has just died, one to its successor's."""
        while True:
            if self._failure is not None:
                raise self._failure
            worker = self._worker
            try:
                return await worker.utterance()
            except OSError:
                await self._replaced(worker)

    async def _replaced(self, worker: Worker) -> None:
        while self._worker is worker and self._failure is None:
            await self._changed.wait()

    async def _keep(self) -> None:
        """Start the worker again whenever it dies; give up when it can't load, or dies of it again and again."""
        died_loading = 0
        while True:
            try:
                await self._worker.ready()
                died_loading = 0
            except EngineError as error:
                died_loading += 1
                if not isinstance(error, DiedLoading) or died_loading > MORE_TRIES:
                    self._failure = error
                    self._announce()
                    return
            await self._worker.ended()
            self._services.publish("notice", text="The recogniser's process died; starting it again.")
            self._worker = await Worker.start(self._options.settings())
            self._announce()

    def _announce(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()
