"""`voiceloop devices`: the microphones and loudspeakers that there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from voiceloop.audio.devices import Device


def devices(json: Annotated[bool, typer.Option("--json", help="As one JSON list.")] = False) -> None:
    """List the sound devices that `audio.input` and `audio.output` can name, by index or a part of the name.

    Those without an index are the sound server's own, PulseAudio's or PipeWire's.
    """
    from voiceloop.cli.running import run_async

    run_async(lambda: _devices(json=json))


async def _devices(*, json: bool) -> int:
    from voiceloop.audio.streams import devices as there_are

    found = await there_are()
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps([asdict(device) for device in found], indent=2))
    elif found:
        for line in table(found):
            typer.echo(line)
    else:
        from voiceloop.audio.devices import NO_DEVICE

        typer.echo(f"There is no sound device. {NO_DEVICE}.", err=True)
    return 0


def table(found: Sequence[Device]) -> list[str]:
    """The devices a line each: index, name, channels each way, own rate, through what, what is default or a monitor."""
    from voiceloop.text import clean

    wide = max(4, *(len(device.name) for device in found))
    lines = [f"  #  {'name':<{wide}}  in  out      rate  through"]
    for device in found:
        number = "" if device.node else device.index
        marks = [f"default {which}" for which in ("input", "output") if device.is_default(which)]
        marks += ["monitor"] if device.monitor else []
        lines.append(
            f"{number:>3}  {clean(device.name):<{wide}}  {device.inputs:>2}  {device.outputs:>3}  "
            f"{device.rate_hz:>5} Hz  {device.api}" + (f"  ({', '.join(marks)})" if marks else "")
        )
    return lines
