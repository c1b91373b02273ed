"""`voiceloop transcribe --pending`: what was said and never delivered, in order."""

from __future__ import annotations

import json as jsonlib
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import trio

from voiceloop.cli.render import Text, print_error, print_line
from voiceloop.errors import UsageError
from voiceloop.text import clean, clean_line

if TYPE_CHECKING:
    from voiceloop.config.tables import Config
    from voiceloop.dictation.target import Insertion, Target
    from voiceloop.plugins import Services
    from voiceloop.service.pending import Fetched
    from voiceloop.service.shelf import Entry

PLACE = "transcribe --pending"
LOOK_S = 0.5
"""How often the clipboard is looked at."""


def checked(to: str) -> str:
    """`to`, if what comes late may go there. Raises UsageError."""
    if to in {"stdout", "clipboard"} or (to.startswith("file:") and to != "file:"):
        return to
    if to == "type":
        what = "what is left comes too late for its window, and is not typed"
        raise UsageError(what, place=PLACE, remedy="Leave --to out to have it printed, or: --to clipboard, file:PATH.")
    raise UsageError(f"'{to}' is no place for text", place=PLACE, remedy="There are: stdout, clipboard, file:PATH.")


async def transcribe_pending(config: Config, to: str, *, json: bool) -> int:
    """Write down what is left, the oldest first, and delete what was written down. Raises what the transcriber and the
    target do; what was not written down by then stays."""
    from voiceloop.app import opened
    from voiceloop.service.journal import bounds
    from voiceloop.service.shelf import Shelf

    shelf = Shelf()
    if removed := shelf.trim(bounds(config.journal), now=time.time()):
        print_error(f"{len(removed)} of the oldest were deleted (journal.max_mb, journal.max_days).")
    with shelf.claimed() as entries:
        if entries is None:
            raise UsageError("another one is under way", place=PLACE, remedy="Wait for it to end.")
        if not entries:
            print_error("Nothing is kept: all that was said has been sent.")
            return 0
        async with opened(config, Text(config.log.level)) as (_, lent):
            await _deliver(entries, replace(lent, keeps=False), to, json=json)
    return 0


async def _deliver(entries: list[Entry], services: Services, to: str, *, json: bool) -> None:
    from voiceloop.app import open_transcriber
    from voiceloop.service.pending import fetched

    config = services.config
    async with AsyncExitStack() as stack, _target(services, to) as target:
        transcriber = await open_transcriber(stack, services)
        print_error(f"transcribe: {transcriber.description}")
        waiting: list[Fetched] = []
        async with fetched(entries, transcriber, overlap=config.conversation.overlap) as texts:
            async for one in texts:
                if target is None or one.entry.doubtful:
                    if _show(one, json=json):
                        one.entry.remove()
                else:
                    waiting.append(one)
        if target is not None:
            await _insert(waiting, target)


def _target(services: Services, to: str) -> AbstractAsyncContextManager[Target | None]:
    if to == "stdout":
        return nullcontext(None)
    from voiceloop.dictation.target import TargetOptions, open_target

    return open_target(to, TargetOptions(to=to), services.publish)


def _show(one: Fetched, *, json: bool) -> bool:
    """Print a text; False when nobody reads it."""
    if not one.transcript.text.strip():
        return True
    if one.entry.doubtful and not json:
        print_error("The next line may already have been typed, when the program ended:")
    return print_line(_as_json(one) if json else clean(one.transcript.text))


def _as_json(one: Fetched) -> str:
    facts, usage = one.entry.facts, one.transcript.usage
    return jsonlib.dumps(
        {
            "time": facts.get("time"),
            "text": one.transcript.text,
            "perhaps_delivered": one.entry.doubtful,
            "reason": facts.get("reason"),
            "usage": asdict(usage) if usage else None,
        }
    )


async def _taken(target: Target, insertion: Insertion) -> None:
    """Wait until something else is in the clipboard: what a program has put there is gone when that ends. Told to end
    before, it leaves the entries: nobody knows whether they were pasted."""
    print_error("It is there while this runs: paste it. This ends when something else is copied.")
    print_error("Ended by Ctrl-C, it is kept, to be shown once more.")
    while await target.since(insertion) == "nothing":  # noqa: ASYNC110 - not every clipboard tells
        await trio.sleep(LOOK_S)


async def _insert(waiting: list[Fetched], target: Target) -> None:
    """All of it at once: a clipboard holds only one text."""
    text = "\n".join(line for one in waiting if (line := clean_line(one.transcript.text)))
    for one in waiting:
        if one.entry.path.is_dir():
            one.entry.mark_delivering()
    if text:
        insertion = await target.insert(f"{text}\n", focus=None)
        print_error(f"{len(waiting)} written to {target.name}.")
        if target.name == "clipboard":
            await _taken(target, insertion)
    for one in waiting:
        one.entry.remove()
