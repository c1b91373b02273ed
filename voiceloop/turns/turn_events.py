"""Actions around a turn: events at its end, an earcon when it failed, and warm connections before it begins."""

from __future__ import annotations

from functools import partial
from math import exp

import trio

from voiceloop.capture.endpointing.judgement import Decision
from voiceloop.errors import contained
from voiceloop.events import Publish
from voiceloop.playback.earcon import earcon
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import beginning
from voiceloop.turns.context import TurnContext
from voiceloop.turns.turn import Turn
from voiceloop.types import CAPTURE_RATE_HZ


def publish_end(turn: Turn) -> None:
    """Publish what became of a turn: what was heard of its reply, its times and its costs."""
    heard = turn.heard()
    publish = turn.context.publish
    if heard.text:
        publish("reply", turn=turn.number, text=heard.text, complete=heard.complete)
    publish(
        "turn.done",
        turn=turn.number,
        outcome=turn.outcome,
        reason=turn.reason or "",
        marks={name: round(at, 4) for name, at in turn.marks.items()},
        usage=turn.usage,
    )
    if turn.error is not None:
        publish("turn.failed", turn=turn.number, error=turn.error)


def publish_decision(publish: Publish, decision: Decision | None, *, ended: bool) -> None:
    """Publish what was known about a pause, and how long it had to last for that. `ended`: it ended the turn."""
    if decision is None:
        return
    ending, sound = decision.evidence.ending, decision.evidence.sound
    publish(
        "pause.judged",
        at_s=decision.start / CAPTURE_RATE_HZ,
        ended=ended,
        words=ending.name.lower() if ending is not None else None,
        sound=round(1 / (1 + exp(-sound)), 3) if sound is not None else None,
        factor=round(decision.factor, 3),
        speaker_factor=round(decision.speaker_factor, 3),
        hangover_ms=round(decision.hangover * 1000 / CAPTURE_RATE_HZ),
    )


async def sound_earcon(speaker: Speaker) -> None:
    """Play a short low tone once nothing else is audible, unless the reply is cancelled first."""
    epoch = speaker.epoch
    await speaker.silent()
    await speaker.write(earcon(speaker.rate_hz), epoch=epoch)
    speaker.finish(epoch=epoch)


async def warm(context: TurnContext, onset: int) -> None:
    """Get the loudspeaker and the connections ready while the user still speaks, and tell the handler of the `onset`
    (a sample index) if it wants to know."""
    context.speaker.ready()
    try:
        async with trio.open_nursery() as nursery:
            if not context.asleep():
                for part in (context.transcriber, context.handler, context.synthesizer):
                    nursery.start_soon(contained, part.warm, name="warming a part")
            if (began := beginning(context.handler)) is not None:
                nursery.start_soon(contained, partial(began, onset), name="telling the handler of an onset")
    except* Exception as group:  # noqa: BLE001 - only a head start is lost; the turn itself will report what is wrong
        context.publish("warm.failed", error=repr(group.exceptions[0]))
