"""Synthesizer `none`: speaks nothing, for dictation and captions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import trio
from pydantic import BaseModel

from voiceloop.config.tables import Table
from voiceloop.types import Speech

if TYPE_CHECKING:
    from voiceloop.plugins import Services


class SilentOptions(Table):
    """`[speak] use = "none"` has no keys of its own."""


class Silent:
    """The synthesizer that `use = "none"` names."""

    Options = SilentOptions
    description = "none: nothing is spoken"

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        yield cls()

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        """Return an empty stream, whatever the text."""
        send, receive = trio.open_memory_channel[Speech](0)  # nothing is ever sent
        send.close()
        with receive:
            yield receive

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()
