"""`captions`: writes down what is said, as subtitle files and as a page, and says nothing.

`voiceloop captions` gives it words while they are spoken; under `voiceloop run` it gets each utterance at its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.captions.showing import Everywhere, Final, Live, Showing
from voiceloop.captions.words import spoken
from voiceloop.config.tables import Milliseconds, Table
from voiceloop.errors import OutputError
from voiceloop.events import Publish
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services, Turns


class CaptionsOptions(Table):
    """The keys of `[handler]` with `use = "captions"`."""

    srt: Path | None = None
    """A file to write as SubRip, a cue as soon as it is final. A file that holds something is not written over."""
    vtt: Path | None = None
    """The same as WebVTT."""
    jsonl: Path | None = None
    """The same as lines of JSON: `start_s`, `end_s`, `source`, `text`."""
    web: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """The port, on this machine alone, of a page that shows the captions; 0 takes a free one."""
    guesses: bool = True
    """Whether words are shown while they are spoken (`voiceloop captions`). Off: each utterance at its end, at a
    quarter of the cost or less."""
    guess_every_ms: Milliseconds = 700
    """How often what is being said is posted for a guess, when the budget allows."""
    posted_per_second: Annotated[float, Field(ge=2, le=20)] = 5.0
    """How many seconds of audio may be posted in all for each second of speech. Guesses keep within what the final
    words leave of it."""
    overlap_ms: Milliseconds = 1_200
    """With how much of the one before a piece begins that was cut in the middle of speech, so that no word is torn."""


class CaptionsHandler:
    """Captions are final in the order of speaking; speech never cancels them."""

    Options = CaptionsOptions
    turns: Turns = "in_order"
    preemptive = False

    def __init__(self, options: CaptionsOptions, showing: Showing, url: str) -> None:
        self.options = options
        self.showing = showing
        """Where captions go: the events, the files, the page."""
        self._url = url

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Open the files and the page. Raises OutputError, at the end too for a file that failed meanwhile."""

        def failed(error: OutputError) -> None:
            services.publish("notice", text=f"{error}. Nothing more is written there; captions go on without it.")

        assert isinstance(options, CaptionsOptions)
        showings: list[Showing] = []
        url = ""
        async with AsyncExitStack() as stack:
            paths = {kind: path for kind in ("srt", "vtt", "jsonl") if (path := getattr(options, kind)) is not None}
            if paths:
                from voiceloop.captions.files import open_files

                showings.append(stack.enter_context(open_files(paths, failed)))
            if options.web is not None:
                from voiceloop.captions.web import open_page

                page = await stack.enter_async_context(open_page(options.web))
                showings.append(page)
                url = page.url
            # Last: what is told to be final is in the files by then.
            yield cls(options, Everywhere([*showings, _Events(services.publish)]), url)

    @property
    def description(self) -> str:
        names = [str(path) for path in (self.options.srt, self.options.vtt, self.options.jsonl) if path is not None]
        where = ", ".join([*names, *([self._url] if self._url else [])])
        return f"captions: {where}" if where else "captions"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        await reply.committed()
        if words := tuple(spoken(transcript)):
            self.showing.final(Final("", words), Live(""))

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()


class _Events:
    """Captions as events, for the command line to show."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._last: dict[str, tuple[str, str]] = {}

    def live(self, live: Live) -> None:
        if self._last.get(live.source) != (shown := (live.sure, live.unsure)):
            self._last[live.source] = shown
            self._publish("caption.live", source=live.source, sure=live.sure, unsure=live.unsure)

    def final(self, final: Final, live: Live) -> None:
        start_s, end_s = (round(at_s, 3) for at_s in (final.words[0].start_s, final.words[-1].end_s))
        self._publish("caption.final", source=final.source, text=final.text, start_s=start_s, end_s=end_s)
        self._last.pop(live.source, None)
        self.live(live)
