"""The loudspeaker's states as spans of time: sounding, held, ducked, and underruns. Pure."""

from __future__ import annotations

from collections.abc import Callable

from voiceloop.trace.timeline import Session, Span, SpeakerState

_DUCKED_BELOW = 0.99


def states(session: Session) -> dict[str, list[Span]]:
    """Spans of `sounding`, `held`, `ducked` and `underrun`; the last have length 0 and say how many underruns."""
    found = {
        "sounding": _spans(session, lambda state: state.sounding),
        "held": _spans(session, lambda state: state.held),
        "ducked": _spans(session, lambda state: state.gain < _DUCKED_BELOW and state.sounding),
    }
    underruns, before = [], 0
    for state in session.speaker:
        if state.underruns > before:
            underruns.append(Span(state.at, state.at, f"{state.underruns - before} underrun"))
        before = max(before, state.underruns)
    return found | {"underrun": underruns}


def _spans(session: Session, holds: Callable[[SpeakerState], bool]) -> list[Span]:
    spans: list[Span] = []
    since: float | None = None
    for state in session.speaker:
        if holds(state) and since is None:
            since = state.at
        elif not holds(state) and since is not None:
            spans.append(Span(since, state.at))
            since = None
    if since is not None:
        spans.append(Span(since, max(since, session.length)))
    return spans
