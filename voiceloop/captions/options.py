"""The options of captions: the keys of `[handler]` with `use = "captions"`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from voiceloop.captions.translation import Translation
from voiceloop.config.language import OneLanguage
from voiceloop.config.tables import Conflict, Endpoint, Milliseconds, Table
from voiceloop.net.wanted import Wanted


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
    known, `text`, `lines`, `translation` where there is one."""
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
    translate: OneLanguage = None
    """The language (`fr`, `pt-BR`) of a second line below each final caption, translated by a language model. It comes
    a moment after the words, which never wait for it."""
    translation: Translation = Translation()
    """How second lines are made."""
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

    def may_want(self, openrouter: Endpoint) -> Wanted | None:
        return self.translation.wanted(openrouter) if self.translate is not None else None

    def conflicts(self) -> Iterator[Conflict]:
        if self.share and self.web is None:
            yield Conflict(("share", "web"), "'share' needs a page", "Give 'web' a port, such as 8765.")
