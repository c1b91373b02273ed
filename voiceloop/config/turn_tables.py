"""The tables of turn-taking."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from voiceloop.config.table import Milliseconds, Table


class Conversation(Table):
    """Turn-taking: interruptions, what is said over a reply, and how many turns may wait."""

    barge_in_ms: Milliseconds = 500
    """Barge-in: this much of your voice over a reply cancels the reply. With less it is only held, unless the words
    are more than a backchannel."""
    hold_max_ms: Milliseconds = 3_000
    """How long a reply is held, at most, after a short utterance over it while that is transcribed. After this time
    the reply is resumed and the transcription goes on beside it."""
    merge_ms: Milliseconds = 500
    """If you go on speaking before this much of the reply was heard, the reply is dropped, and what you said before
    and say now becomes one turn. Not when the handler has waited for
    certainty by `reply.committed` on the first part, as tools of `chat` do."""
    merge_max_s: Annotated[float, Field(ge=1, le=120)] = 20
    """For `merge_ms`: speech up to this long is transcribed again as one clip; if it is longer, the texts of its
    parts are joined."""
    overlap: Annotated[int, Field(ge=1, le=16)] = 3
    """How many transcriptions may be under way at once; further ones wait. Several are under way mostly with handlers
    whose turns are `in_order`, like dictation."""
    waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many utterances may wait for a handler whose turns are `in_order` or `exclusive`, the one at work included.
    Further ones are refused with a message."""
    backchannels: tuple[str, ...] = ("mhm", "mm", "mm-hmm", "uh-huh", "hm", "hmm", "yeah", "okay", "ok", "right", "ah")
    """Backchannels: what you may say over a reply without ending it."""
    stop_words: tuple[str, ...] = ("stop", "cancel")
    """What you say to end the turn in progress, with a handler whose turns are `exclusive`."""
    history_turns: Annotated[int, Field(ge=0, le=10_000)] = 20
    """How many past turns a handler is given: what you said in each, and as much of the reply as you heard."""
    earcon: bool = True
    """Whether a short low tone is played when a turn has failed."""


class Preemptive(Table):
    """Preemptive generation: after `segment.pause_ms` of quiet the clip is sent to be transcribed and the answer is
    prepared, as if you had finished. Nothing is played or acted on before it is certain that you have."""

    enabled: bool = True
    """Off: nothing is sent before an utterance is certainly over. Answers come later and cost a little less."""
    max_waste: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of the recent cost that may be wasted because you went on speaking after a pause; 0.5 is half. Above
    it preemptive generation stops for ten pauses, and a notice says so."""
