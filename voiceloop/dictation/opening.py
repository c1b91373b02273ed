"""Opens what types, or the clipboard, on the desktop that is here: tries, and says what it chose."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from voiceloop.dictation.clipboard import ClipboardTarget
from voiceloop.dictation.keys import Xdotool, choose
from voiceloop.dictation.target import PLACE, Target, TargetOptions
from voiceloop.dictation.typing import Desktop, TypingTarget
from voiceloop.dictation.xsession import open_xsession
from voiceloop.errors import TargetError
from voiceloop.events import Publish


@asynccontextmanager
async def open_typing(options: TargetOptions, publish: Publish) -> AsyncIterator[Target]:
    """What types into windows here. Raises `TargetError` when nothing does."""
    async with AsyncExitStack() as stack:
        yield TypingTarget(await _desktop(stack, options, os.environ), options, publish)


@asynccontextmanager
async def open_clipboard(options: TargetOptions) -> AsyncIterator[Target]:
    """The clipboard. Raises `TargetError` when there is none."""
    async with open_xsession(options) as session:
        yield ClipboardTarget(session)


async def _desktop(stack: AsyncExitStack, options: TargetOptions, environment: Mapping[str, str]) -> Desktop:
    if not environment.get("DISPLAY"):
        raise TargetError("there is no desktop here to type into ($DISPLAY is not set)", place=PLACE, remedy="Use --to")
    choice = await choose([Xdotool()])
    session = await stack.enter_async_context(open_xsession(options))
    return Desktop(choice.keys, session, session)
