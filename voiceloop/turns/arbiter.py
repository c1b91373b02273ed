"""The arbiter: the states of a conversation, and what follows from what happens in each. Pure.

`Arbiter.feed` takes what has happened and returns what is to be done; `judge` is the one rule that decides what
interrupts a reply. The conversation (`conversation.py`) gathers the evidence and performs the actions.

With a handler whose turns replace one another one turn is live. What the user says after its speech has ended, whether
or not its reply sounds yet, is a turn of its own beside it, the candidate, until it is decided whether it interrupts.
A held reply is not played, but prepared further; it goes on from the sample where it was held.

    time     -------------------------------------------------------------------------->
    voice    ######                        ##########
    events   ^STARTED  ^ENDED              ^STARTED   ^ENDED          ^ the candidate's text: BARGE_IN or BACKCHANNEL
    state    LISTENING | ANSWERING         | OVERLAP  | UNDECIDED     | ANSWERING
    reply                   [turn 1 =======|held .....................|x or |======]
    live     turn 1                                                   | turn 2 or turn 1
    candidate                              | turn 2                   |

    x: the rest of the reply is discarded. A candidate that is sure to interrupt does so in OVERLAP; LISTENING follows.

    IDLE          no turn is live, and nobody speaks
    LISTENING     the user speaks, in the live turn
    ANSWERING     they have finished: the live turn is transcribed, answered and spoken
    OVERLAP       the user speaks over the live turn, in the candidate
    UNDECIDED     the candidate's speech has ended, and its text decides; the reply is held meanwhile
    OVERDUE       as UNDECIDED, but the text is late: the reply goes on
    UNTAKEN       the user speaks in no turn: it has ended before they have finished, or none could be opened
    UNTAKEN_OVER  the candidate has ended before they have finished; the live turn goes on

Where turns don't replace one another (`plugins.Turns`), a turn whose speech has ended goes on by itself, and the
conversation is IDLE, LISTENING or UNTAKEN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    """A state of the conversation; the module explains them."""

    IDLE = auto()
    LISTENING = auto()
    ANSWERING = auto()
    OVERLAP = auto()
    UNDECIDED = auto()
    OVERDUE = auto()
    UNTAKEN = auto()
    UNTAKEN_OVER = auto()


class Event(Enum):
    """What has happened."""

    # Told by the segmenter.
    STARTED = auto()
    """Speech begins, or the next piece of speech that was cut for length."""
    ENDED = auto()
    """The speech has ended; of a candidate, and `judge` says no more than that. A noise ends like this too: its text,
    which is empty, says later that nobody spoke."""
    # Decided by `judge` of the candidate's speech. ECHO is also decided of the live turn's speech, in LISTENING.
    BARGE_IN = auto()
    """The candidate interrupts the reply."""
    CONTINUES = auto()
    """`judge` says BARGE_IN, but less of the reply was heard than `conversation.merge_ms`, and the handler has not
    acted: the user had not finished, and goes on. The conversation, which knows both, reports this instead."""
    BACKCHANNEL = auto()
    """The candidate's text is empty, or only a backchannel ("mhm")."""
    ECHO = auto()
    """The speech has ended, and nobody spoke: the microphone heard the loop's own voice."""
    # Told by the turns.
    REFUSED = auto()
    """No turn could be opened for the speech. Turns that replace one another are never refused."""
    LIVE_OVER = auto()
    """The live turn is done: its reply was played to the end, or there was none."""
    LIVE_FAILED = auto()
    """The live turn has ended with an error."""
    LIVE_ECHO = auto()
    """The text of the live turn, whose speech has ended, shows that nobody spoke in it."""
    CANDIDATE_OVER = auto()
    """The candidate has ended with an error, before it was decided on."""
    # Told by the clock.
    HOLD_OVER = auto()
    """The reply was held for as long as it may be (`conversation.hold_max_ms`)."""


class Action(Enum):
    """What is to be done, at this very sample."""

    OPEN = auto()
    """Open a turn for the speech: it is live."""
    OPEN_CANDIDATE = auto()
    """Open a turn for the speech: it is the candidate."""
    JOIN = auto()
    """Open a turn for the candidate's speech and the new speech together. It is the candidate now; the former one is
    cancelled, and no HOLD_OVER is reported for that one."""
    COMMIT = auto()
    """The speech of the live turn is complete. Before this the reply of a turn, live or candidate, is prepared but not
    played, and its handler may not act."""
    RELEASE = auto()
    """The live turn goes on by itself, and is live no more. The replies of such turns are played one after another."""
    LIMIT_HOLD = auto()
    """Report HOLD_OVER, unless the candidate has been decided on by then."""
    INTERRUPT = auto()
    """Keep what was heard of the reply in the history, and cancel the live turn."""
    MERGE = auto()
    """Give the speech of the live turn to the candidate, and cancel the live turn."""
    SUCCEED = auto()
    """Discard what has not been played of the live turn's reply. The candidate becomes the live turn."""
    GIVE_WAY = auto()
    """Cancel the candidate."""
    DROP_CANDIDATE = auto()
    """Cancel the candidate as an echo."""
    DROP_LIVE = auto()
    """Cancel the live turn as an echo."""
    SILENCE = auto()
    """Discard what has not been played of the reply."""


Table = Mapping[State, Mapping[Event, tuple[tuple[Action, ...], State]]]

_S, _E, _A = State, Event, Action

_DECIDING: Mapping[Event, tuple[tuple[Action, ...], State]] = {
    _E.STARTED: ((_A.JOIN,), _S.OVERLAP),
    _E.BARGE_IN: ((_A.INTERRUPT, _A.SUCCEED, _A.COMMIT), _S.ANSWERING),
    _E.CONTINUES: ((_A.MERGE, _A.SUCCEED, _A.COMMIT), _S.ANSWERING),
    _E.BACKCHANNEL: ((_A.GIVE_WAY,), _S.ANSWERING),
    _E.ECHO: ((_A.DROP_CANDIDATE,), _S.ANSWERING),
    _E.CANDIDATE_OVER: ((), _S.ANSWERING),
    _E.LIVE_OVER: ((_A.SUCCEED, _A.COMMIT), _S.ANSWERING),
    _E.LIVE_FAILED: ((_A.SUCCEED, _A.COMMIT), _S.ANSWERING),
    _E.LIVE_ECHO: ((_A.DROP_LIVE, _A.SUCCEED, _A.COMMIT), _S.ANSWERING),
}

REPLACING: Table = {
    _S.IDLE: {
        _E.STARTED: ((_A.OPEN,), _S.LISTENING),
    },
    _S.LISTENING: {
        _E.STARTED: ((), _S.LISTENING),
        _E.ENDED: ((_A.COMMIT,), _S.ANSWERING),
        _E.ECHO: ((_A.DROP_LIVE,), _S.IDLE),
        _E.LIVE_OVER: ((), _S.UNTAKEN),
        _E.LIVE_FAILED: ((_A.SILENCE,), _S.UNTAKEN),
    },
    _S.ANSWERING: {
        _E.STARTED: ((_A.OPEN_CANDIDATE,), _S.OVERLAP),
        _E.LIVE_OVER: ((), _S.IDLE),
        _E.LIVE_FAILED: ((_A.SILENCE,), _S.IDLE),
        _E.LIVE_ECHO: ((_A.DROP_LIVE,), _S.IDLE),
    },
    _S.OVERLAP: {
        _E.STARTED: ((), _S.OVERLAP),
        _E.BARGE_IN: ((_A.INTERRUPT, _A.SUCCEED), _S.LISTENING),
        _E.CONTINUES: ((_A.MERGE, _A.SUCCEED), _S.LISTENING),
        _E.ENDED: ((_A.LIMIT_HOLD,), _S.UNDECIDED),
        _E.ECHO: ((_A.DROP_CANDIDATE,), _S.ANSWERING),
        _E.CANDIDATE_OVER: ((), _S.UNTAKEN_OVER),
        _E.LIVE_OVER: ((_A.SUCCEED,), _S.LISTENING),
        _E.LIVE_FAILED: ((_A.SUCCEED,), _S.LISTENING),
        _E.LIVE_ECHO: ((_A.DROP_LIVE, _A.SUCCEED), _S.LISTENING),
    },
    _S.UNDECIDED: {**_DECIDING, _E.HOLD_OVER: ((), _S.OVERDUE)},
    _S.OVERDUE: _DECIDING,
    _S.UNTAKEN: {
        _E.STARTED: ((_A.OPEN,), _S.LISTENING),
        _E.ENDED: ((), _S.IDLE),
    },
    _S.UNTAKEN_OVER: {
        _E.STARTED: ((_A.OPEN_CANDIDATE,), _S.OVERLAP),
        _E.ENDED: ((), _S.ANSWERING),
        _E.LIVE_OVER: ((), _S.UNTAKEN),
        _E.LIVE_FAILED: ((_A.SILENCE,), _S.UNTAKEN),
        _E.LIVE_ECHO: ((_A.DROP_LIVE,), _S.UNTAKEN),
    },
}
"""What is done in each state when something happens, and the state after it, for turns that replace one another. What
isn't here can't happen."""

INDEPENDENT: Table = {
    _S.IDLE: {
        _E.STARTED: ((_A.OPEN,), _S.LISTENING),
    },
    _S.LISTENING: {
        _E.STARTED: ((), _S.LISTENING),
        _E.REFUSED: ((), _S.UNTAKEN),
        _E.ENDED: ((_A.COMMIT, _A.RELEASE), _S.IDLE),
        _E.ECHO: ((_A.DROP_LIVE,), _S.IDLE),
        _E.LIVE_OVER: ((), _S.UNTAKEN),
        _E.LIVE_FAILED: ((), _S.UNTAKEN),
    },
    _S.UNTAKEN: {
        _E.STARTED: ((_A.OPEN,), _S.LISTENING),
        _E.ENDED: ((), _S.IDLE),
    },
}
"""The same for turns that don't replace one another."""

_SPEAKING = frozenset({_S.LISTENING, _S.OVERLAP, _S.UNTAKEN, _S.UNTAKEN_OVER})
_OVER_LIVE = frozenset({_S.ANSWERING, _S.OVERLAP, _S.UNDECIDED, _S.OVERDUE, _S.UNTAKEN_OVER})


class Arbiter:
    """The state of one conversation, and whether the microphone is known to hear the reply of the live turn."""

    def __init__(self, *, replaces: bool) -> None:
        self._table = REPLACING if replaces else INDEPENDENT
        self.state = State.IDLE
        self.hears_reply = False
        """The microphone is known to hear the reply of the live turn. Until that turn is over voice neither lowers nor
        holds its reply (OVERLAP), or its own words would stop it. A candidate whose speech has ended, and that is no
        echo, holds it (UNDECIDED)."""

    def feed(self, event: Event) -> tuple[Action, ...]:
        """Go to the next state; return what is to be done. Raises LookupError if this can't happen in this state."""
        if event not in self._table[self.state]:
            raise LookupError(f"{event.name} can't happen in the state {self.state.name}")
        actions, self.state = self._table[self.state][event]
        if self.state not in _OVER_LIVE or Action.SUCCEED in actions:
            self.hears_reply = False
        return actions

    def stopped(self) -> None:
        """The live turn and the candidate were cancelled by a command: speech that goes on is in no turn."""
        self.state = State.UNTAKEN if self.state in _SPEAKING else State.IDLE
        self.hears_reply = False

    def copied(self) -> None:
        """The speech so far is a copy of what was just played."""
        if self.state is State.OVERLAP:
            self.hears_reply = True

    @property
    def holds(self) -> bool:
        """Whether the reply is held: while the user speaks, unless the microphone is known to hear the reply, and while
        it is undecided whether the speech interrupts."""
        return self.state is State.UNDECIDED or (self.state in _SPEAKING and not self.hears_reply)


class Words(Enum):
    """What the text of a turn is to the reply over which it was said."""

    UNKNOWN = auto()
    """No text has come, not even an empty one."""
    NONE = auto()
    """No words, or only a backchannel."""
    REPEATED = auto()
    """Words of the reply that sounded meanwhile."""
    OTHER = auto()
    """Words of the user."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the candidate."""

    voice_ms: float
    """Voice so far, without the pauses in it."""
    ended: bool
    """Its speech has ended."""
    copies: Callable[[], bool]
    """Whether its sound is a copy of what was just played. That takes up to 20 ms, so it is asked only at need."""
    words: Words = Words.UNKNOWN
    stopped: bool = False
    """Its voice was short and stopped soon after the reply was held, as the reply's own echo does, and the microphone
    did not surely hear anybody else."""
    joined: bool = False
    """Its turn has earlier speech, which was the user's. A text covers that, too; the comparison by sound doesn't."""


def judge(evidence: Evidence, *, barge_in_ms: float) -> Event | None:
    """Decide whether the candidate interrupts the reply. None: not yet.

    As soon as there is a text, it alone decides, even an empty one. Until then `barge_in_ms` of voice do, unless they
    are the reply's own echo. When the speech ends, this is asked once without the text, and then once more with it.
    """
    match evidence.words:
        case Words.OTHER:
            return Event.BARGE_IN
        case Words.NONE:
            return Event.BACKCHANNEL if evidence.ended else None
        case Words.REPEATED:
            return Event.ECHO if evidence.ended else None
    if evidence.ended:
        # Nobody spoke, unless there is earlier speech.
        return Event.ECHO if (evidence.copies() or evidence.stopped) and not evidence.joined else Event.ENDED
    if evidence.voice_ms >= barge_in_ms and not evidence.copies():
        return Event.BARGE_IN
    return None
