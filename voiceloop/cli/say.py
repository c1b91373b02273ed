"""`voiceloop say TEXT`: synthesizes speech and plays it, or saves it in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import ConfigOption, OutputOption, SetOption, with_devices
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError

if TYPE_CHECKING:
    from voiceloop.config.tables import Config

TextArgument = Annotated[str, typer.Argument(help="The text to speak; - reads it from standard input.")]


SaveOption = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", help="Save the speech in a .wav or .mp3 file instead of playing it."),
]


def say(
    text: TextArgument,
    config: ConfigOption = None,
    sets: SetOption = None,
    loudspeaker: OutputOption = None,
    save: SaveOption = None,
) -> None:
    """Speak TEXT with the configured voice."""
    from voiceloop.config.layers import parse_sets
    from voiceloop.config.load import load
    from voiceloop.config.unused import check_used

    words = sys.stdin.read() if text == "-" else text
    if not words.strip():
        raise UsageError(
            "there is nothing to say", place="say", remedy="Give a text, or - and the text on standard input."
        )
    if save is not None and loudspeaker is not None:
        raise UsageError("--save and --output both say where it goes", place="say", remedy="Give one of them.")
    check_used("say" if save is None else "say --save", parse_sets(sets or ())[0])
    settings = load(config, with_devices(sets, microphone=None, loudspeaker=loudspeaker))
    if save is not None:
        from voiceloop.speak.saving import checked

        path = checked(save)
        run_async(lambda: _save(settings, words, path))
    run_async(lambda: _say(settings, words))


async def _save(config: Config, text: str, path: Path) -> int:
    from voiceloop.cli.render import Text
    from voiceloop.opening import open_part, opened
    from voiceloop.speak.saving import save

    async with opened(config, Text(config.log.level)) as (stack, services):
        await save(await open_part(stack, config.speak, services), text, path)
    return 0


async def _say(config: Config, text: str) -> int:
    from voiceloop.cli.render import Text
    from voiceloop.opening import open_part, opened
    from voiceloop.playback.output import open_speaker
    from voiceloop.speak.aloud import say_aloud

    publish = Text(config.log.level)
    async with opened(config, publish) as (stack, services):
        speaker = await stack.enter_async_context(open_speaker(config.audio, publish))
        await say_aloud(text, await open_part(stack, config.speak, services), speaker, publish)
    return 0
