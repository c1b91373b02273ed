"""What the loop tells and does around a turn: events at its end, a tone when it failed, warm connections before."""

from __future__ import annotations

import trio

from voiceloop.playback.earcon import earcon
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import beginning
from voiceloop.turns.context import TurnContext
from voiceloop.turns.turn import Turn


def tell(turn: Turn) -> None:
    """Publish what became of a turn: what of its reply was heard, its times and its costs."""
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


async def sound_earcon(speaker: Speaker) -> None:
    """A short low tone after what sounds now, unless the reply is cancelled first."""
    epoch = speaker.epoch
    await speaker.silent()
    await speaker.write(earcon(speaker.rate_hz), epoch=epoch)
    speaker.finish(epoch=epoch)


async def warm(context: TurnContext, onset: int) -> None:
    """Get the loudspeaker and the connections ready while the user still speaks, since the sample `onset`."""
    context.speaker.ready()
    try:
        async with trio.open_nursery() as nursery:
            if not context.asleep():
                for part in (context.transcriber, context.handler, context.synthesizer):
                    nursery.start_soon(part.warm)
            if (began := beginning(context.handler)) is not None:
                nursery.start_soon(began, onset)
    except* Exception as group:  # noqa: BLE001 - only a head start is lost; the turn itself will say what is wrong
        context.publish("warm.failed", error=repr(group.exceptions[0]))
