"""Handler `captions`: shows all speech as subtitle files, as events and on a web page. It never replies.

Under `voiceloop captions` words are shown while they are spoken; under `voiceloop run`, at the end of each utterance.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.captions.showing import FanOut, Final, Live, Showing
from voiceloop.captions.words import spoken
from voiceloop.config.tables import Conflict, Milliseconds, Table
from voiceloop.errors import OutputError
from voiceloop.events import Publish
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.captions.address import Address
    from voiceloop.plugins import Reply, Services, Turns


class CaptionsOptions(Table):
    """The keys of `[handler]` with `use = "captions"`."""

    srt: str | None = None
    """The SubRip file to write: a name, which may have codes of strftime for the time of the start (`talk-%F.srt`), or
    a folder. Each cue is appended as soon as it is final. Nothing is overwritten: where the file holds something, the
    next free name is taken (`talk-2.srt`)."""
    vtt: str | None = None
    """The WebVTT file to write, in the same way."""
    jsonl: str | None = None
    """The file of JSON lines to write, in the same way: `number`, `start_s`, `end_s`, `source`, `speaker` where it is
    known, `text`, `lines`."""
    keep: str | None = None
    """A folder for a file of each of the three formats, named by the time of the start. It is created if need be."""
    web: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """The port of a web page that shows the captions, reachable from this machine only; 0 takes a free port."""
    share: bool = False
    """Whether other devices on the local network can read the page: at this machine's address there, below a path that
    is random for each start. Whoever has the address can read along, and so can who overhears the network."""
    share_address: str | None = None
    """This machine's IP address to share the page at. Left out: that of the network which its default route uses."""
    share_path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,128}$")] | None = None
    """The path to share the page below, for an address that stays the same, as for a poster: at least 22 letters and
    digits that nobody can guess. Left out: one of 128 random bits at each start."""
    sound_events: bool = False
    """Whether sounds are shown in brackets, like `[laughter]`, where the engine tells of them."""
    guesses: bool = True
    """Whether `voiceloop captions` shows words while they are spoken. Off: it shows each utterance at its end, which
    costs a quarter or less."""
    guess_every_ms: Milliseconds | None = None
    """How often what is spoken is transcribed for a guess, if the budget allows it. Left out: 1200 with a server; 400
    with an engine on this machine, which then uses up to 0.4 of a processor core for it."""
    posted_per_second: Annotated[float, Field(ge=2, le=20)] = 5.0
    """How many seconds of audio may be sent to a server that costs money for each second of speech, in all. Final words
    come first; guesses use the rest, of which they need about 3. A server without a key is taken to cost nothing."""
    overlap_ms: Milliseconds = 1_200
    """How much audio two pieces share when long speech is cut into pieces, so that no word is torn at the cut."""

    @property
    def writes_files(self) -> bool:
        """Whether subtitle files are written."""
        return bool(self.srt or self.vtt or self.jsonl or self.keep)

    def conflicts(self) -> Iterator[Conflict]:
        if self.share and self.web is None:
            yield Conflict(("share", "web"), "'share' needs a page", "Give 'web' a port, such as 8765.")


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

        def failed(error: OutputError) -> None:
            effect = "Nothing more is written to this file; captions continue without it"
            services.publish("notice", text=f"{error}. {effect}.")

        assert isinstance(options, CaptionsOptions)
        showings: list[Showing] = []
        address = None
        async with AsyncExitStack() as stack:
            paths: tuple[Path, ...] = ()
            if options.writes_files:
                from voiceloop.captions.files import open_files
                from voiceloop.captions.naming import FORMATS, wanted

                given = {kind: text for kind in FORMATS if (text := getattr(options, kind))}
                names = wanted(given, options.keep, datetime.now().astimezone())
                files = stack.enter_context(open_files(names, failed))
                showings.append(files)
                paths = files.paths
            if options.web is not None:
                from voiceloop.captions.address import Sharing
                from voiceloop.captions.web import open_page

                share = Sharing(options.share_address, options.share_path) if options.share else None
                opening = open_page(options.web, share=share, language=_language(services.config.transcribe.options))
                page = await stack.enter_async_context(opening)
                showings.append(page)
                address = page.address
                services.publish("captions.page", url=address.url, shared=options.share)
            # The events come last: when one says that a caption is final, the files already contain it.
            yield cls(options, FanOut([*showings, _Events(services.publish)]), address, paths)

    @property
    def description(self) -> str:
        outputs = ", ".join([*map(str, self.files), *([self.address.url] if self.address else [])])
        return f"captions: {outputs}" if outputs else "captions"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        await reply.committed()
        if words := tuple(spoken(transcript, sounds=self.options.sound_events)):
            self.showing.final(Final("", words), Live(""))

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()


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
        who = {"speaker": final.speaker} if final.speaker else {}
        self._publish("caption.final", source=final.source, text=final.text, start_s=start_s, end_s=end_s, **who)
        self._last_live.pop(live.source, None)
        self.live(live)
