"""An echo path between the virtual cables: the loudspeaker's sound comes back at the microphone."""

from __future__ import annotations

from testbed.sound.cable import Cable, PipeWire

GAIN_DB = -12


def steady_echo_path(cable: Cable) -> None:
    """Connect the loudspeaker to the microphone so that a busy machine doesn't change the delay, as in a real room."""
    if isinstance(cable.server, PipeWire):
        cable.server.echo(GAIN_DB)
    else:
        echo_path(cable, delay_ms=80)


def echo_path(cable: Cable, *, delay_ms: int, gain_db: float = GAIN_DB, fixed: bool = False) -> None:
    """Connect the loudspeaker to the microphone, for as long as the server runs.

    PulseAudio's loopback corrects its latency by resampling, and jumps at times, unless it is `fixed`.
    """
    path = ("source=speaker.monitor", "sink=mic_cable", f"latency_msec={delay_ms}")
    cable.pactl("load-module", "module-loopback", *path, *(["adjust_time=0"] if fixed else []))
    number = cable.pactl("list", "short", "sink-inputs").split()[0]
    cable.pactl("set-sink-input-volume", number, f"{gain_db}dB")
