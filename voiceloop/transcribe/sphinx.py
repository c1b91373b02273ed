"""The transcriber `use = "sphinx"`: pocketsphinx, embedded, in a separate process.

pocketsphinx holds the GIL while it decodes, so it can't run in the daemon. The worker process (`sphinx_worker.py`)
loads the model once, when the loop opens, and forks for each transcription. So several may be open at once, and an
abandoned one stops using the processor as soon as its socket closes. When the worker dies, another is started. The
forks of the dead worker finish their utterances; an utterance whose fork died is given to a new fork.

`sphinx_process.py` starts and kills the process.
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
"""Maximum length of an answer."""
MORE_TRIES = 2
"""How often an utterance is given to another fork after its first fork died. Twice, because a dying worker may still
accept it. Also how often the worker is started again after it died while loading."""
BREADTH = 3_000
"""Phone models kept active in each frame (`maxhmmpf`). pocketsphinx's default of 30,000 needs half as much work again
for the same word errors (24 % on read speech, 73 % on telephone prompts); 1,000 raises them (34 and 77 %)."""
MODEL_PATHS = {"hmm": "hmm", "lm": "lm", "dictionary": "dict", "jsgf": "jsgf"}
"""The options that are paths, with pocketsphinx's names for them."""
_AGAIN = "Say it again; the recogniser has been restarted"


class SphinxOptions(Table):
    """Options of `[transcribe] use = "sphinx"`."""

    hmm: Path | None = None
    """Folder of an acoustic model. Left out: American English, from the package."""
    lm: Path | None = None
    """A language model (ARPA or binary). Left out: English, from the package."""
    dictionary: Path | None = None
    """A pronouncing dictionary. Left out: 134,000 words of English, from the package."""
    jsgf: Path | None = None
    """A JSGF grammar instead of the language model: only its sentences are recognised, but far more reliably."""
    keyphrase: str | None = None
    """A single phrase to listen for instead of the language model, in words of the dictionary."""
    keyphrase_threshold: Annotated[float, Field(gt=0, le=1)] = 1e-30
    """Threshold for detecting the keyphrase. Smaller values miss it less often and give more false detections."""
    remove_noise: bool = False
    """Turn on pocketsphinx's noise removal, for steady noise. On clean speech more words are wrong with it."""
    second_pass: bool = False
    """Search a second time at the end, over the words found (`fwdflat`). The text comes 0.2 to 0.4 s later; on the test
    recordings it made no clear difference."""

    @model_validator(mode="after")
    def _one_search(self) -> Self:
        searches = [name for name in ("lm", "jsgf", "keyphrase") if getattr(self, name) is not None]
        if len(searches) > 1:
            raise ValueError(f"only one of {', '.join(searches)} can be set: each replaces the others")
        return self

    def settings(self) -> dict[str, object]:
        """The settings under pocketsphinx's names."""
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
        """Whether the user has set any model, grammar or keyphrase."""
        return any(getattr(self, name) is not None for name in (*MODEL_PATHS, "keyphrase"))


def check(options: SphinxOptions) -> None:
    """Raise `ConfigError` if a model path doesn't exist."""
    given = {name: getattr(options, name) for name in MODEL_PATHS}
    missing = [
        f"transcribe.{name}: there is no file or folder '{path}'"
        for name, path in given.items()
        if path and not path.expanduser().exists()
    ]
    if missing:
        raise ConfigError(missing)


class Died(Exception):
    """The fork that decodes the utterance has died."""


class SphinxTranscription:
    """One utterance, decoded while it arrives."""

    def __init__(self, owner: SphinxTranscriber, stream: trio.SocketStream) -> None:
        self._owner = owner
        self._stream = stream
        self._fed_bytes = 0
        self._mean_sent = False

    async def feed(self, pcm: bytes) -> None:
        """Send speech to the recogniser (int16, mono, 16 kHz). Waits when the recogniser is far behind.

        If the recogniser has died, `finish` gives the whole utterance to another.
        """
        self._fed_bytes += len(pcm)
        if pcm:
            with suppress(Died):
                await self._send(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        """Return the transcript; its text is empty when no word was recognised.

        Raises `EngineError` when the recogniser dies repeatedly on this utterance or can't be started.
        """
        if utterance.rate_hz != CAPTURE_RATE_HZ:
            raise EngineError(f"needs audio at {CAPTURE_RATE_HZ} Hz, not {utterance.rate_hz} Hz", place=PLACE)
        try:
            answer = await self._ask(utterance.pcm[self._fed_bytes :])
        except Died:
            answer = await self._ask_again(utterance.pcm)
        if "error" in answer:
            raise EngineError(f"pocketsphinx failed: {answer['error']}", place=PLACE, remedy=_AGAIN)
        if answer["text"]:  # the mean of mere noise would make the next utterance worse
            self._owner.cmn = answer["cmn"]
        words = tuple(Word(*word) for word in answer["words"])
        return Transcript(text=answer["text"], utterance=utterance, words=words, confidence=answer["confidence"])

    def close(self) -> None:
        """Close the socket. This ends the fork at once."""
        self._stream.socket.close()

    async def _ask_again(self, pcm: bytes) -> Any:
        """Give the whole utterance to new forks."""
        for _ in range(MORE_TRIES):
            self.close()
            self._stream, self._mean_sent = await self._owner.utterance(), False
            with suppress(Died):
                return await self._ask(pcm)
        raise EngineError("the recogniser's process died on this utterance", place=PLACE, remedy=_AGAIN)

    async def _ask(self, pcm: bytes) -> Any:
        """Send the rest of the utterance and wait for the answer. Raises `Died`."""
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
        if not self._mean_sent:
            self._mean_sent = True
            await self._send(self._owner.cmn.encode())
        try:
            await self._stream.send_all(LENGTH.pack(len(message)) + message)
        except trio.BrokenResourceError:
            raise Died from None


class SphinxTranscriber:
    """pocketsphinx in its own process. The text is ready about 70 ms after the last sample.

    A demonstration: a quarter of the words of clean read English are wrong, and more in noise. For real use, set
    `transcribe.use` to a service or a local server.
    """

    Options = SphinxOptions
    requires: ClassVar = ("pocketsphinx",)

    def __init__(self, options: SphinxOptions, services: Services, worker: Worker) -> None:
        self._options = options
        self._services = services
        self._worker = worker
        self._failure: EngineError | None = None
        self._worker_changed = trio.Event()
        self.cmn = ""
        """The cepstral mean of the last utterance. The next one starts with it: same microphone, same speaker."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Start the process.

        Waits until the model is loaded (about 0.5 s) only if the user has set one, so that errors in it are reported
        at start-up. Raises `MissingExtra`, `ConfigError`, `EngineError`.
        """
        assert isinstance(options, SphinxOptions)
        registry.check(cls)
        check(options)
        self = cls(options, services, await Worker.start(options.settings()))
        try:
            if options.own_model:
                await self._worker.ready()
            async with private_nursery() as nursery:
                nursery.start_soon(self._keep_running, name="restart the recogniser's process")
                yield self
        finally:
            with trio.move_on_after(KILL_S, shield=True):
                await self._worker.kill()

    @property
    def description(self) -> str:
        search = "a grammar" if self._options.jsgf else "a keyphrase" if self._options.keyphrase else "English"
        return f"pocketsphinx, {search} (a demonstration: about one word in four of clean speech comes out wrong)"

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[SphinxTranscription]:
        """Begin an utterance. Raises `EngineError` when the recogniser can't be started."""
        transcription = SphinxTranscription(self, await self.utterance())
        try:
            yield transcription
        finally:
            transcription.close()

    async def warm(self) -> None:
        """Does nothing: the worker is always running."""
        await trio.lowlevel.checkpoint()

    async def utterance(self) -> trio.SocketStream:
        """A socket to a new fork. If the worker has died, waits for the next worker."""
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
            await self._worker_changed.wait()

    async def _keep_running(self) -> None:
        """Start the worker again whenever it dies. Give up when it can't load the model, or dies repeatedly while it
        loads."""
        died_loading = 0
        while True:
            try:
                await self._worker.ready()
                died_loading = 0
            except EngineError as error:
                died_loading += 1
                if not isinstance(error, DiedLoading) or died_loading > MORE_TRIES:
                    self._failure = error
                    self._announce_change()
                    return
            await self._worker.ended()
            self._services.publish("notice", text="The recogniser's process died; starting it again.")
            self._worker = await Worker.start(self._options.settings())
            self._announce_change()

    def _announce_change(self) -> None:
        changed, self._worker_changed = self._worker_changed, trio.Event()
        changed.set()
