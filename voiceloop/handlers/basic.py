"""`basic`: answers a few questions in English without a language model, and repeats the rest. The default handler."""

from __future__ import annotations

import re
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import trio
from pydantic import BaseModel

from voiceloop.config.tables import Table
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services, Turns

HELP = "I am voiceloop without a language model. I tell the time and the date, and repeat the rest. Ask how to go on."
GO_ON = "With Ollama, start me with the config local. With a key for OpenRouter, start me with the config assistant."


def _asked(*phrases: str) -> re.Pattern[str]:
    """Matches at the end of a sentence: neither "I had a good time" nor "what time is dinner" asks for the time."""
    polite = "now|right|today|please|here|again|exactly|then|thanks|thank you|for me|at the moment"
    return re.compile(rf"\b(?:{'|'.join(phrases)})(?: (?:{polite}|and (?:the )?(?:time|date)))*(?= \.|$)")


_TELL = r"(?:(?:whats|what is|(?:can you )?tell me|give me|do you (?:have|know)|(?:let me|like to) know) |(?<!\w ))"
_DAY, _AND = "(?:day|date|month|year)(?: of the week)?", "(?:current )?(?:(?:time|date) and (?:the )?(?:current )?)?"
_THE, _NOT = rf"(?:{_TELL}(?:the|todays) |(?<!\w ))", "(?<!n['’]t )(?<!not )(?<!never )"
ANSWERS = {
    f"Hello. {HELP}": re.compile("^(?=h|g)(?:hello|hi|hey|good (?:morning|afternoon|evening)|there|voiceloop|[ .])+$"),
    "You are welcome.": re.compile("^(?=.*thank)(?:thank you|thanks|a lot|(?:so|very) much|okay|great|[ .])+$"),
    "It is {now:%-I:%M %p}.": _asked(rf"what time is it|{_TELL}what (?:time it|the time) is|{_THE}{_AND}time"),
    "Today is {now:%A, %B %-d, %Y}.": _asked(
        rf"(?:what|which) {_DAY} (?:is (?:it|today|this)|do we have)|(?:whats|what is) today|{_THE}{_AND}{_DAY}",
        rf"{_TELL}(?:(?:what|which) {_DAY} (?:it|today)|what (?:the|todays) {_DAY}) is",
    ),
    HELP: _asked(
        r"what (?:else )?(?:can|do) you (?:do|say|understand|answer)",
        r"what (?:can|should) i (?:say|ask|do(?! next| now))(?: you)?",
        r"(?<!\w )(?:i need |please |can you )?help(?: me)?|how does (?:this|it) work|how do i use (?:this|you|it)",
        "(?:who|what) are you|(?:whats|what is) your name|are you (?:a |an )?(?:ai|human|robot|bot|person|computer)",
    ),
    GO_ON: _asked(
        "how (?:do|can|should|to) ?(?:i|we)? (?:go on|continue)|what (?:do|can|should) i do (?:next|now)|whats next",
        r"(?:language model|[oa]l+[au]m+a|open ?r(?:ou|u|ea|ai)[td]er|chat ?gpt)\b[^.]*",
    ),
}
"""The answers, and what asks for them: in small letters, without apostrophes and hyphens (Moonshine writes "to-day"),
sentences divided by " . ". The names at the end are spelled as Moonshine and Whisper hear them."""


def answer(text: str, now: datetime, *, told: bool) -> str:
    """The answer to `text` at the local time `now`. If `told`, it doesn't add what can be asked."""
    repeat = re.search(rf"(?is){_NOT}\b(?:repeat|say)(?: this| that| it)? after me\b(?:,? please\b)?\W*(.*)", text)
    words = re.sub(r"[^\w.]+", " ", re.sub("[.?!]+| and (?=wh)", " . ", re.sub("['’-]", "", text.lower()))).strip(" .")
    if not repeat and (known := [said.format(now=now) for said, asked in ANSWERS.items() if asked.search(words)]):
        return " ".join(known)
    repeated = textwrap.shorten((repeat[1] if repeat else text).strip("\"' "), 400, placeholder=" and so on.")
    if repeat or not repeated:
        return repeated or "I am listening."
    heard = f"You said: {repeated}"
    return heard if told else f"{heard}{'.' if heard[-1].isalnum() else ''} {HELP}"


class BasicOptions(Table):
    """Options of `[handler] use = "basic"`: there are none."""


class BasicHandler:
    """The handler for `use = "basic"`."""

    Options = BasicOptions
    turns: Turns = "replace"
    preemptive = True  # safe: it only speaks, and speech is held back until the turn is certain
    description = "basic: tells the time and the date, repeats the rest"

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone()) -> None:
        self._clock, self._told = clock, False

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        yield cls()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        english = (transcript.language or "en").startswith("en")
        said = answer(transcript.text, self._clock(), told=self._told) if english else transcript.text
        await reply.say(said)
        if HELP in said:
            await reply.committed()
            self._told = True

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()
