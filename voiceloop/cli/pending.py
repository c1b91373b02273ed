"""`voiceloop transcribe --pending`: what was said and never delivered, in order."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from voiceloop.cli.render import Text, print_error, print_line
from voiceloop.errors import OutputError, UsageError, first
from voiceloop.text import clean, clean_line

if TYPE_CHECKING:
    from voiceloop.config.tables import Config
    from voiceloop.dictation.targets.target import Insertion, Target
    from voiceloop.journal.resending import Failed, Fetched
    from voiceloop.journal.store import Entry
    from voiceloop.plugins import Services

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


async def transcribe_pending(config: Config, to: str, *, json: bool, meant: bool) -> int:
    """Write down what is left, the oldest first, and delete what was written down. What can't be had stays, and the
    others are written all the same: the exit code tells. Raises what the transcriber and the target do; what was not
    written down by then stays. `meant`: the user chose who transcribes it, whoever was to do it when it was said."""
    from voiceloop.journal.store import JournalStore
    from voiceloop.net.wanted import transcribed_by
    from voiceloop.opening import opened

    store = JournalStore()
    with _writable(store.folder), store.claimed() as entries:
        if entries is None:
            raise UsageError("another one is under way", place=PLACE, remedy="Wait for it to end.")
        if not entries:
            print_error("Nothing is kept: all that was said has been sent.")
            return 0
        if not meant:
            _same_engine(entries, transcribed_by(config))
        async with opened(config, Text(config.log.level)) as (_, lent):
            return await _deliver(entries, replace(lent, keeps=False), to, json=json)


def _same_engine(entries: list[Entry], engine: str) -> None:
    """What was said to one service is not sent to another, nor deleted because a worse engine made something of it,
    unless the user wants that. Raises UsageError."""
    asked = {entry.engine or engine for entry in entries if entry.text is None}
    if others := sorted(asked - {engine}):
        what = f"what is kept was said to {', '.join(others)}, and this would give it to {engine}"
        use = engine.partition(" ")[0]
        remedy = f"Give the --config that it was said with. If you want this: --set transcribe.use={use}"
        raise UsageError(what, place=PLACE, remedy=remedy)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Raise what the body can't do with the files in `folder` as OutputError."""
    failed: OSError | None = None
    try:
        yield
    except* OSError as group:
        failed = first(group)
    if failed is not None:
        why = (failed.strerror or str(failed)).lower()
        remedy = "Mend its permissions or free some space"
        raise OutputError(f"can't be written: {why}", place=str(folder), remedy=remedy) from failed


async def _deliver(entries: list[Entry], services: Services, to: str, *, json: bool) -> int:
    from voiceloop.journal.resending import Failed, fetched
    from voiceloop.opening import open_transcriber
    from voiceloop.transcribe.merging import join

    config, code = services.config, 0
    async with AsyncExitStack() as stack, _target(services, to) as target:
        transcriber = await open_transcriber(stack, services)
        print_error(f"transcribe: {transcriber.description}")
        waiting: list[Fetched] = []
        async with fetched(
            entries, transcriber, services.publish, merge=join, overlap=config.conversation.overlap
        ) as found:
            async for one in found:
                if isinstance(one, Failed):
                    code = _tell(one)
                elif target is None or one.entry.doubtful:
                    if _show(one, json=json):
                        one.entry.remove()
                else:
                    waiting.append(one)
        if target is not None:
            await _insert(waiting, target)
    return code


def _tell(failed: Failed) -> int:
    """Say what can't be written down, and what to do about it; the exit code for it."""
    what, path = failed.error.what.rstrip("."), str(failed.entry.path)
    named = what if path in what else f"{path}: {what}"
    print_error(f"voiceloop: {PLACE}: {clean_line(named)}. It stays: listen to it, or delete it")
    return failed.error.exit_code


def _target(services: Services, to: str) -> AbstractAsyncContextManager[Target | None]:
    if to == "stdout":
        return nullcontext(None)
    from voiceloop.dictation.open_target import open_target
    from voiceloop.dictation.targets.target import TargetOptions

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
    """All of it at once: a clipboard holds only one text. What can't be marked would perhaps be written a second time:
    it and all after it stay. Raises OSError for it, when what came before is written."""
    unmarked: OSError | None = None
    marked = []
    for one in waiting:
        try:
            if one.entry.path.is_dir():
                one.entry.mark_delivering()
        except OSError as error:
            unmarked = error
            break
        marked.append(one)
    if text := "\n".join(line for one in marked if (line := clean_line(one.transcript.text))):
        insertion = await target.insert(f"{text}\n", focus=None)
        print_error(f"{len(marked)} written to {target.name}.")
        if target.name == "clipboard":
            await _taken(target, insertion)
    for one in marked:
        one.entry.remove()
    if unmarked is not None:
        raise unmarked
