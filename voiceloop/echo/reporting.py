"""Publishes the figures of each reply's echo, once the turn that spoke it has ended. Adds no work while it sounds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

from voiceloop.echo.tally import ReplyEcho
from voiceloop.events import Publish

_SOUNDED = "first_played"
"""The mark of a turn whose reply was audible."""


class HearsReplies(Protocol):
    """The canceller, as far as it is asked."""

    def end_reply(self) -> ReplyEcho | None: ...


def reporting(publish: Publish, canceller: HearsReplies) -> Publish:
    """A `publish` that adds the event `echo.reply` after the `turn.done` of each turn whose reply sounded. Its fields:
    `turn`, and those of `tally.ReplyEcho`."""

    def publish_and_report(name: str, /, **fields: Any) -> None:
        publish(name, **fields)
        if name == "turn.done" and _SOUNDED in fields["marks"] and (echo := canceller.end_reply()) is not None:
            publish("echo.reply", turn=fields["turn"], **asdict(echo))

    return publish_and_report
