"""The transcriber of `use = "realtime"`: streams speech to a server over a WebSocket, and posts clips where it can't.

    speech    ---------------------- pause    end
    feed      append append append ...        |
    server           delta  delta  delta      commit -> completed: the text
                                     x        the connection is lost: the clip is posted, as `use = "openai"` does

Nothing is lost: the sound of an utterance is at hand until its text is known.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.language import language_code
from voiceloop.config.tables import Conflict
from voiceloop.net.service import Request, Service
from voiceloop.nursery import private_nursery
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.clip_transcriber import ready
from voiceloop.transcribe.keeping import keeping_unsent
from voiceloop.transcribe.openai import OpenAITranscribeOptions, OpenAITranscriber
from voiceloop.transcribe.realtime.line import Line
from voiceloop.transcribe.realtime.lines import Lines
from voiceloop.transcribe.realtime.protocol import session_update
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance


class RealtimeTranscribeOptions(OpenAITranscribeOptions):
    """Options of `[transcribe] use = "realtime"`: a server with OpenAI's realtime transcription. What is not about the
    connection is used for clips, too."""

    model: str = "gpt-live-transcribe"
    """The model that hears speech while it is spoken."""
    clip_model: str | None = None
    """The model for clips, which are posted while speech can't be streamed. Left out: `model`."""
    query: Annotated[dict[str, str], Field(max_length=16)] = Field(default_factory=lambda: {"intent": "transcription"})
    """The query of the WebSocket's address. Some servers want the model there, too:
    `{ intent = "transcription", model = "..." }`."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from super().conflicts()
        if self.upload == "streamed":
            what = "speech goes over the WebSocket as it comes: there are no clips to send so"
            yield Conflict(("upload",), what, "Leave it out.")


class RealtimeTranscriber(OpenAITranscriber):
    """The transcriber of `use = "realtime"`."""

    Options: ClassVar[type[BaseModel]] = RealtimeTranscribeOptions
    requires: ClassVar = ("wsproto",)
    preemptive: ClassVar[bool] = False
    """What is said after a pause goes on in the same utterance: beginning again would cost what was heard."""
    _options: RealtimeTranscribeOptions

    def __init__(self, options: Any, service: Service, services: Services, nursery: trio.Nursery) -> None:
        super().__init__(options, service, services)
        self._keeps = services.keeps
        request = Request("/realtime", method="GET", params=options.query, model=options.model)
        update = session_update(
            model=options.model,
            language=language_code(options.language),
            prompt=options.prompt_with(options.prompt),
        )
        self._lines = Lines(service, request, update, nursery, services.publish)

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, RealtimeTranscribeOptions)
            await ready(options.upload_format)
            service = services.clients.service(options.wanted(services.config.openrouter))
            async with private_nursery() as nursery:
                transcriber = cls(options, service, services, nursery)
                transcriber._lines.warm()
                yield transcriber

        return opened()

    @property
    def description(self) -> str:
        return f"realtime, {self._options.model} at {self._service.shown_url}"

    @property
    def streams(self) -> bool:
        """Whether an utterance that begins now is heard while it is spoken."""
        return self._lines.available

    async def warm(self) -> None:
        """Have a connection ready: one for streaming, else those for clips. What there is of these is proved in any
        case, as a clip may have to take the place of a stream."""
        if self._lines.available:
            self._lines.warm()
            await self._service.prove()
        else:
            await super().warm()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        streamed = _Streamed(self, self._lines.begin())
        try:
            yield streamed
        finally:
            streamed.end()

    @property
    def clip_model(self) -> str:
        return self._options.clip_model or self._options.model

    async def text_of(self, line: Line, utterance: Utterance) -> Transcript | None:
        """End the utterance of a connection, and return its text; None if there is none."""
        async with keeping_unsent(utterance, keeps=self._keeps):
            await self._service.passed()
        hearing = line.hearing
        if hearing is None or line.gone:
            return None
        line.commit()
        if not await line.text():
            return None
        self._lines.worked()
        self._service.spent(hearing.usage)
        return Transcript(hearing.text, utterance, usage=hearing.usage, language=self._options.language)

    async def posted(self, utterance: Utterance) -> Transcript:
        """The text of a clip that is posted."""
        return await self._poster.post(utterance)

    def over(self, line: Line) -> None:
        """The utterance of a connection is over, or given up."""
        self._lines.end(line)


class _Streamed:
    """One utterance on its way to text. `line` is None where it is posted as a clip."""

    def __init__(self, owner: RealtimeTranscriber, line: Line | None) -> None:
        self._owner, self._line = owner, line

    @property
    def live(self) -> bool:
        """Whether its words come while it is spoken."""
        return self._line is not None and not self._line.gone

    def follow(self, heard: Callable[[str], None]) -> None:
        """Have `heard` called with the words so far."""
        if self._line is not None:
            self._line.follow(heard)

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self._line is not None and not self._line.gone:
            self._line.feed(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        if self._line is not None and utterance.rate_hz == CAPTURE_RATE_HZ:
            text = await self._owner.text_of(self._line, utterance)
            if text is not None:
                return text
        return await self._owner.posted(utterance)

    def end(self) -> None:
        """It is over, or given up."""
        if self._line is not None:
            self._owner.over(self._line)
