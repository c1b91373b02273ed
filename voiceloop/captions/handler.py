"""Handler `captions`: shows all speech as subtitle files, as events and on a web page. It never replies.

Under `voiceloop captions` words are shown while they are spoken; under `voiceloop run`, at the end of each utterance.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import trio
from pydantic import BaseModel

from voiceloop.captions.options import CaptionsOptions
from voiceloop.captions.showing import FanOut, Final, Live, Output, Showing
from voiceloop.captions.words import spoken
from voiceloop.errors import ConfigError
from voiceloop.events import Publish
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.captions.address import Address
    from voiceloop.captions.files import CueFiles
    from voiceloop.captions.web import Page
    from voiceloop.plugins import Reply, Services, Turns


class CaptionsHandler:
    """The handler of captions: they become final in the order of speaking, and new speech never cancels them."""

    Options = CaptionsOptions
    turns: Turns = "in_order"
    preemptive = False

    def __init__(
        self, options: CaptionsOptions, showing: Showing, address: Address | None = None, files: tuple[Path, ...] = ()
    ) -> None:
        self.options = options
        self.showing = showing
        """The outputs of the captions: events, files and the page."""
        self.files = files
        """The files that are written."""
        self.address = address
        """Where the page is, if there is one."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Open the files and the page. Raises OutputError, on leaving too for a file that failed meanwhile."""
        assert isinstance(options, CaptionsOptions)
        async with AsyncExitStack() as stack:
            files = await _open_files(stack, options, services) if options.writes_files else None
            page = await _open_page(stack, options, services) if options.web is not None else None
            outputs: list[Output] = [output for output in (files, page) if output is not None]
            # The events come last: when one says that a caption is final, the files of a disk that works contain it.
            outputs.append(_Events(services.publish))
            showing = (
                FanOut(outputs) if options.translate is None else await _translating(stack, outputs, options, services)
            )
            yield cls(options, showing, page.address if page else None, files.paths if files else ())

    @property
    def description(self) -> str:
        outputs = ", ".join([*map(str, self.files), *([self.address.url] if self.address else [])])
        language, model = self.options.translate, self.options.translation.model
        translated = f", translated ({language}) by {model}" if language is not None else ""
        return f"captions: {outputs}{translated}" if outputs else f"captions{translated}"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        await reply.committed()
        if words := tuple(spoken(transcript, sounds=self.options.sound_events)):
            self.showing.final(Final("", words), Live(""))

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()


async def _open_files(stack: AsyncExitStack, options: CaptionsOptions, services: Services) -> CueFiles:
    from voiceloop.captions.files import open_named
    from voiceloop.captions.naming import FORMATS, wanted

    given = {kind: text for kind in FORMATS if (text := getattr(options, kind))}
    name = next(iter([*given.values(), options.keep or ""]))
    names = partial(wanted, given, options.keep, datetime.now().astimezone())
    opening = open_named(names, name, lambda text: services.publish("notice", text=text))
    return await stack.enter_async_context(opening)


async def _open_page(stack: AsyncExitStack, options: CaptionsOptions, services: Services) -> Page:
    from voiceloop.captions.address import Sharing
    from voiceloop.captions.web import open_page

    assert options.web is not None
    share = Sharing(options.share_address, options.share_path) if options.share else None
    language, second = _language(services.config.transcribe.options), options.translate or ""
    page = await stack.enter_async_context(open_page(options.web, share=share, language=language, second=second))
    services.publish("captions.page", url=page.address.url, shared=options.share)
    return page


async def _translating(
    stack: AsyncExitStack, outputs: Sequence[Output], options: CaptionsOptions, services: Services
) -> Showing:
    """The outputs, with second lines."""
    from voiceloop.captions.translator import open_translator

    assert options.translate is not None
    spoken_in = _language(services.config.transcribe.options)
    if spoken_in.casefold() == options.translate.casefold():
        what = f"handler.translate: the captions are in that language already ('{spoken_in}')"
        raise ConfigError([f"{what}. Leave it out, or choose another"])
    service = services.clients.service(options.translation.wanted(services.config.openrouter))
    opening = open_translator(outputs, service, options.translate, options.translation, services.publish)
    return await stack.enter_async_context(opening)


def _language(transcribe: object) -> str:
    """The language of the captions, if the options of transcription tell it; for a screen reader's voice."""
    named = re.search(r"-([a-z]{2})$", getattr(transcribe, "model", None) or "")  # as in `tiny-en`
    return getattr(transcribe, "language", None) or (named[1] if named else "")


class _Events:
    """`Showing` that publishes captions as events, which the command line shows."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._last_live: dict[str, tuple[str, str]] = {}

    def live(self, live: Live) -> None:
        if self._last_live.get(live.source) != (shown := (live.sure, live.unsure)):
            self._last_live[live.source] = shown
            self._publish("caption.live", source=live.source, sure=live.sure, unsure=live.unsure)

    def final(self, final: Final, live: Live) -> None:
        start_s, end_s = (round(at_s, 3) for at_s in (final.words[0].start_s, final.words[-1].end_s))
        who: dict[str, object] = {"speaker": final.speaker} if final.speaker else {}
        who |= {"number": final.number} if final.number else {}
        self._publish("caption.final", source=final.source, text=final.text, start_s=start_s, end_s=end_s, **who)
        self._last_live.pop(live.source, None)
        self.live(live)

    def translated(self, number: int, text: str) -> None:
        self._publish("caption.translated", number=number, text=text)
