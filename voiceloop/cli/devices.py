"""`voiceloop devices`: lists the microphones and loudspeakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from voiceloop.audio.devices import Device


def devices(json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False) -> None:
    """List the sound devices. Name one in `audio.input` or `audio.output` by its index or by a part of its name.

    Devices without an index belong to the sound server (PulseAudio or PipeWire). If two have the same name, give the
    sound server's name for it, in parentheses.
    """
    from voiceloop.cli.running import run_async

    run_async(lambda: _devices(json=json))


async def _devices(*, json: bool) -> int:
    from voiceloop.audio.streams import devices as list_devices

    found = await list_devices()
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps([asdict(device) for device in found], indent=2))
    elif found:
        for line in table(found):
            typer.echo(line)
    else:
        from voiceloop.audio.devices import NO_DEVICE

        typer.echo(f"There are no sound devices. {NO_DEVICE}.", err=True)
    return 0


def table(found: Sequence[Device]) -> list[str]:
    """One line per device: index, name, input and output channels, native rate, host API, marks.

    A device that shares its name with another one has the sound server's name for it among its marks.
    """
    from voiceloop.audio.devices import twins
    from voiceloop.text import clean, columns, padded

    names = [clean(device.name) for device in found]
    shared = twins(found)
    wide = max(4, *map(columns, names))
    lines = [f"  #  {'name':<{wide}}  in  out      rate  through"]
    for device, name in zip(found, names, strict=True):
        number = "" if device.node else device.index
        marks = [f"default {which}" for which in ("input", "output") if device.is_default(which)]
        marks += [mark for mark in ("monitor", "muted") if getattr(device, mark)]
        marks += [clean(device.node)] if device.name in shared and device.node else []
        lines.append(
            f"{number:>3}  {padded(name, wide)}  {device.inputs:>2}  {device.outputs:>3}  "
            f"{device.rate_hz:>5} Hz  {device.api}" + (f"  ({', '.join(marks)})" if marks else "")
        )
    return lines
