"""`voiceloop transcribe --pending`: transcribes and delivers kept speech that was never delivered, oldest first."""

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
"""How often the clipboard is checked for new content."""


def checked_destination(to: str) -> str:
    """`to`, if pending text can be written there. Raises UsageError otherwise."""
    if to in {"stdout", "clipboard"} or (to.startswith("file:") and to != "file:"):
        return to
    if to == "type":
        what = "pending text comes too late for the window that it was meant for, so it is not typed"
        raise UsageError(what, place=PLACE, remedy="Leave --to out to print it, or: --to clipboard, --to file:PATH.")
    raise UsageError(f"text can't be written to '{to}'", place=PLACE, remedy="Use stdout, clipboard or file:PATH.")


async def transcribe_pending(config: Config, to: str, *, json: bool, engine_chosen: bool) -> int:
    """Transcribe the pending entries, oldest first, write their text to `to`, and delete those that were written.

    An entry that can't be transcribed stays; the others are still written, and the exit code reports the failure.
    Raises the errors of the transcriber and the target; the entries not written by then stay. `engine_chosen`: the user
    chose the engine on the command line, so it is used even where an entry was recorded for another one.
    """
    from voiceloop.journal.store import JournalStore
    from voiceloop.net.wanted import transcribed_by
    from voiceloop.opening import opened

    store = JournalStore()
    with _writable(store.folder), store.claimed() as entries:
        if entries is None:
            raise UsageError(
                "another 'voiceloop transcribe --pending' is running", place=PLACE, remedy="Wait until it ends."
            )
        if not entries:
            print_error("Nothing is pending: everything that was said has been delivered.")
            return 0
        if not engine_chosen:
            _require_same_engine(entries, transcribed_by(config))
        async with opened(config, Text(config.log.level)) as (_, services):
            return await _deliver(entries, replace(services, keeps=False), to, json=json)


def _require_same_engine(entries: list[Entry], engine: str) -> None:
    """Raise UsageError if an entry was recorded for another engine than `engine`.

    Without the user's consent, speech meant for one service is not sent to another, nor deleted after a worse engine
    has transcribed it.
    """
    engines = {entry.engine or engine for entry in entries if entry.text is None}
    if others := sorted(engines - {engine}):
        what = f"the kept speech was recorded for {', '.join(others)}, but this config would send it to {engine}"
        use = engine.partition(" ")[0]
        consent = f"To send it anyway: --set transcribe.use={use}"
        remedy = f"Use --cloud, --local or the --config that it was recorded with. {consent}"
        raise UsageError(what, place=PLACE, remedy=remedy)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn the body's OSErrors about the files in `folder` into an OutputError."""
    failed: OSError | None = None
    try:
        yield
    except* OSError as group:
        failed = first(group)
    if failed is not None:
        why = (failed.strerror or str(failed)).lower()
        remedy = "Fix its permissions or free some space"
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
            async for result in found:
                if isinstance(result, Failed):
                    code = _print_failure(result)
                elif target is None or result.entry.doubtful:
                    if _print_text(result, json=json):
                        result.entry.remove()
                else:
                    waiting.append(result)
        if target is not None:
            await _insert(waiting, target)
    return code


def _print_failure(failed: Failed) -> int:
    """Report an entry that can't be transcribed, and the remedy; return its exit code."""
    what, path = failed.error.what.rstrip("."), str(failed.entry.path)
    named = what if path in what else f"{path}: {what}"
    print_error(f"voiceloop: {PLACE}: {clean_line(named)}. It is kept: listen to it, or delete it")
    return failed.error.exit_code


def _target(services: Services, to: str) -> AbstractAsyncContextManager[Target | None]:
    if to == "stdout":
        return nullcontext(None)
    from voiceloop.dictation.open_target import open_target
    from voiceloop.dictation.targets.target import TargetOptions

    return open_target(to, TargetOptions(to=to), services.publish)


def _print_text(result: Fetched, *, json: bool) -> bool:
    """Print a text; False when the reader of standard output has gone away."""
    if not result.transcript.text.strip():
        return True
    if result.entry.doubtful and not json:
        print_error("The next line may already have been typed before the program ended:")
    return print_line(_as_json(result) if json else clean(result.transcript.text))


def _as_json(result: Fetched) -> str:
    facts, usage = result.entry.facts, result.transcript.usage
    return jsonlib.dumps(
        {
            "time": facts.get("time"),
            "text": result.transcript.text,
            "perhaps_delivered": result.entry.doubtful,
            "reason": facts.get("reason"),
            "usage": asdict(usage) if usage else None,
        }
    )


async def _wait_for_new_clipboard(target: Target, insertion: Insertion) -> None:
    """Wait until something else is copied: before, nobody knows whether the text was pasted.

    When a signal ends the wait, the entries stay, because it is unknown whether the text was pasted.
    """
    print_error("The text is in the clipboard: paste it now.")
    print_error("The command ends when you copy something else. After Ctrl-C the text is kept and is shown next time.")
    while await target.since(insertion) == "nothing":  # noqa: ASYNC110 - not every clipboard reports changes
        await trio.sleep(LOOK_S)


async def _insert(waiting: list[Fetched], target: Target) -> None:
    """Insert all texts at once, because a clipboard holds only one text, then delete their entries.

    Each entry is first marked as being delivered. If that fails, the entry might be written twice, so it and all after
    it stay; the OSError is raised once the texts before it are written.
    """
    mark_error: OSError | None = None
    marked = []
    for fetched in waiting:
        try:
            if fetched.entry.path.is_dir():
                fetched.entry.mark_delivering()
        except OSError as error:
            mark_error = error
            break
        marked.append(fetched)
    if text := "\n".join(line for fetched in marked if (line := clean_line(fetched.transcript.text))):
        insertion = await target.insert(f"{text}\n", focus=None)
        print_error(f"{len(marked)} {'text' if len(marked) == 1 else 'texts'} written to {target.name}.")
        if target.name == "clipboard":
            await _wait_for_new_clipboard(target, insertion)
    for fetched in marked:
        fetched.entry.remove()
    if mark_error is not None:
        raise mark_error
