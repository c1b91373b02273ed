"""What `voiceloop check` says of the echo that it has measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from voiceloop.cli.report import Finding
from voiceloop.echo.measuring import Measured
from voiceloop.errors import DeviceError

HEARD, REMOVED = "echo, heard", "echo, removed"
"""The names in the report."""
Mode = Literal["cancel", "off", "half-duplex"]
_REMOVED_DB = 12.0
"""A canceller that works removes 20 to 45 dB."""
_LEFT_DB = 6.0
"""What is left of an echo is no voice for a detector if it is hardly over the room's noise."""
_SURE = 0.9
_RISE_DB = 6.0
_LOUD_DB = 6.0
"""An echo that is so much louder than what was played is louder than most people."""
_YES = "You can interrupt a reply here"
_HEADPHONES = "Use headphones, or turn the loudspeaker down"


def findings(measured: Measured, mode: Mode) -> Iterator[Finding]:
    """The lines of the report. `mode`: what is done about the echo; `half-duplex` where no canceller is installed."""
    if measured.copy:
        yield Finding(HEARD, _heard(measured))
        yield _removed(measured, mode)
    elif measured.over_noise_db >= _RISE_DB:
        what = "something was heard while the sound played, but no copy of it: an echo that no canceller can follow"
        remedy = f"Try again when it is quiet. If that says the same: {_HEADPHONES[0].lower()}{_HEADPHONES[1:]}"
        yield _failed(HEARD, what, remedy)
    elif measured.silent:
        why = "the microphone gives only digital silence. Is it muted, or the wrong device?"
        yield Finding(HEARD, f"no echo was heard, but {why}", tried=False)
    elif mode == "half-duplex":
        yield Finding(HEARD, "no echo was heard: with headphones say --set audio.echo=off, then you can interrupt")
    else:
        yield Finding(HEARD, f"no echo was heard: headphones, or a quiet loudspeaker. {_YES}")


def _heard(measured: Measured) -> str:
    late = "a copy of it" if measured.delay_ms is None else f"{measured.delay_ms:.0f} ms after it was played"
    if measured.gain_db is None:
        return f"{late}, quieter than the room's noise"
    loudness = f"{_loudness(measured.gain_db)}, {measured.over_noise_db:.0f} dB over the room's noise"
    clips = "; it is too loud for the microphone" if measured.clips else ""
    moved = f"; its delay changed {measured.shifts} x meanwhile" if measured.shifts else ""
    return f"{late}, {loudness}{clips}{moved}"


def _loudness(gain_db: float) -> str:
    """An echo's loudness, compared with what was played."""
    if not round(gain_db):
        return "as loud as what was played"
    return f"{abs(gain_db):.0f} dB {'above' if gain_db > 0 else 'below'} what was played"


def _removed(measured: Measured, mode: Mode) -> Finding:
    if measured.gain_db is None or measured.over_noise_db < _LEFT_DB:
        way = "with --set audio.echo=off you can interrupt a reply" if mode == "half-duplex" else _YES
        return Finding(REMOVED, f"the echo is too faint to matter. {way[0].upper()}{way[1:]}")
    known = measured.echo_only >= _SURE or measured.left_db <= _LEFT_DB
    if mode == "half-duplex":
        remedy = "To interrupt a reply: pip install 'voiceloop[echo]', or headphones with --set audio.echo=off"
        return Finding(REMOVED, f"nothing: no canceller is installed. {remedy}", tried=False)
    if measured.delay_ms is None and measured.removed_db < _REMOVED_DB:
        return _failed(REMOVED, "the echo can't be followed: it comes too late, or its delay changes", _HEADPHONES)
    if mode == "off":
        if not known:
            return _failed(REMOVED, "nothing is removed, and the echo is not recognised", _HEADPHONES)
        louder = "You can interrupt a reply here by being louder than it; with audio.echo=cancel more easily"
        return Finding(REMOVED, f'nothing (audio.echo is "off"), but it is recognised. {louder}')
    removed = f"{measured.removed_db:.0f} dB of it"
    if measured.removed_db < _REMOVED_DB and not known:
        return _failed(REMOVED, f"only {removed}: a reply would interrupt itself", _HEADPHONES)
    if measured.removed_db < _REMOVED_DB and measured.left_db > _LEFT_DB:
        return Finding(REMOVED, f"only {removed}, but it is recognised. {_YES} by being louder than it")
    loud = measured.clips or measured.gain_db >= _LOUD_DB
    hint = ", but more easily if the loudspeaker is turned down" if loud else ""
    return Finding(REMOVED, f"{removed}. {_YES}{hint}")


def _failed(name: str, what: str, remedy: str) -> Finding:
    error = DeviceError(what, place="audio.echo", remedy=remedy)
    return Finding(name, str(error), error.exit_code)
