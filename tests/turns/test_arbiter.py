"""The arbiter's table: every row leads to a state that fits the turns there are, and the rule of what interrupts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voiceloop.turns.arbiter import INDEPENDENT, REPLACING, Action, Arbiter, Event, Evidence, State, Table, Words, judge

A, E, S = Action, Event, State

ROLES = {
    S.IDLE: set[str](),
    S.UNTAKEN: set[str](),
    S.LISTENING: {"live"},
    S.ANSWERING: {"live"},
    S.UNTAKEN_OVER: {"live"},
    S.OVERLAP: {"live", "candidate"},
    S.UNDECIDED: {"live", "candidate"},
    S.OVERDUE: {"live", "candidate"},
}
"""Which turns there are in each state."""
ENDS = {E.LIVE_OVER: "live", E.LIVE_FAILED: "live", E.CANDIDATE_OVER: "candidate", E.REFUSED: "live"}
"""The turn that an event takes away."""

ROWS = [
    pytest.param(table, state, event, id=f"{name}-{state.name}-{event.name}")
    for name, table in (("replacing", REPLACING), ("independent", INDEPENDENT))
    for state, row in table.items()
    for event in row
]


def test_each_state_has_its_row() -> None:
    assert set(REPLACING) == set(S)
    assert set(INDEPENDENT) == {S.IDLE, S.LISTENING, S.UNTAKEN}


def opened(roles: set[str]) -> set[str]:
    assert "live" not in roles
    return roles | {"live"}


def opened_beside(roles: set[str]) -> set[str]:
    assert roles == {"live"}
    return roles | {"candidate"}


def needs(*names: str, leaves: set[str] | None = None) -> Callable[[set[str]], set[str]]:
    def perform(roles: set[str]) -> set[str]:
        assert set(names) <= roles
        return roles if leaves is None else leaves

    return perform


def lost(name: str) -> Callable[[set[str]], set[str]]:
    def perform(roles: set[str]) -> set[str]:
        assert name in roles
        return roles - {name}

    return perform


def succeeded(roles: set[str]) -> set[str]:
    assert roles == {"candidate"}
    return {"live"}


PERFORMED: dict[Action, Callable[[set[str]], set[str]]] = {
    A.OPEN: opened,
    A.OPEN_CANDIDATE: opened_beside,
    A.JOIN: needs("live", "candidate"),
    A.COMMIT: needs("live"),
    A.RELEASE: lost("live"),
    A.LIMIT_HOLD: needs("candidate"),
    A.INTERRUPT: lost("live"),
    A.MERGE: lost("live"),
    A.SUCCEED: succeeded,
    A.GIVE_WAY: lost("candidate"),
    A.DROP_CANDIDATE: lost("candidate"),
    A.DROP_LIVE: lost("live"),
    A.SILENCE: needs(),
}


@pytest.mark.parametrize(("table", "state", "event"), ROWS)
def test_each_row_leads_to_a_state_that_fits_the_turns_there_are(table: Table, state: State, event: Event) -> None:
    actions, after = table[state][event]
    roles = set(ROLES[state])
    if event is E.REFUSED:  # OPEN gave no turn
        assert roles == {"live"}
    if (ended := ENDS.get(event)) is not None:
        assert ended in roles
        roles -= {ended}
    for action in actions:
        roles = PERFORMED[action](roles)
    assert roles == ROLES[after]


@pytest.mark.parametrize(("table", "state", "event"), ROWS)
def test_what_is_left_of_a_reply_is_discarded_whenever_its_turn_fails_or_is_replaced(
    table: Table, state: State, event: Event
) -> None:
    actions, _ = table[state][event]
    ends = event is E.LIVE_FAILED or {A.INTERRUPT, A.MERGE} & set(actions)
    if ends and table is REPLACING:
        assert A.SILENCE in actions or A.SUCCEED in actions


@pytest.mark.parametrize(("table", "state", "event"), ROWS)
def test_a_turn_is_committed_exactly_when_its_speech_is_over_and_it_is_live(
    table: Table, state: State, event: Event
) -> None:
    actions, after = table[state][event]
    becomes_live = A.SUCCEED in actions or (state is S.LISTENING and event is E.ENDED)
    assert (A.COMMIT in actions) == (becomes_live and after is not S.LISTENING)


@pytest.mark.parametrize(("table", "state", "event"), ROWS)
def test_only_the_beginning_and_the_end_of_speech_change_whether_the_user_speaks(
    table: Table, state: State, event: Event
) -> None:
    speaking = {S.LISTENING, S.OVERLAP, S.UNTAKEN, S.UNTAKEN_OVER}
    _, after = table[state][event]
    if event is E.STARTED:
        assert after in speaking
    elif event in {E.ENDED, E.ECHO}:  # ECHO is judged when the speech has ended, or later
        assert after not in speaking
    else:
        assert (after in speaking) == (state in speaking)


def test_what_cannot_happen_is_an_error_that_names_it() -> None:
    arbiter = Arbiter(replaces=True)
    with pytest.raises(LookupError, match="BACKCHANNEL can't happen in the state IDLE"):
        arbiter.feed(E.BACKCHANNEL)
    assert arbiter.state is S.IDLE


def fed(*events: Event, replaces: bool = True) -> Arbiter:
    arbiter = Arbiter(replaces=replaces)
    for event in events:
        arbiter.feed(event)
    return arbiter


ANSWERING = (E.STARTED, E.ENDED)


@pytest.mark.parametrize(
    ("events", "state", "holds"),
    [
        ((), S.IDLE, False),
        ((E.STARTED,), S.LISTENING, True),
        (ANSWERING, S.ANSWERING, False),
        ((*ANSWERING, E.STARTED), S.OVERLAP, True),
        ((*ANSWERING, E.STARTED, E.ENDED), S.UNDECIDED, True),
        ((*ANSWERING, E.STARTED, E.ENDED, E.HOLD_OVER), S.OVERDUE, False),
        ((*ANSWERING, E.STARTED, E.ENDED, E.HOLD_OVER, E.STARTED), S.OVERLAP, True),
        ((*ANSWERING, E.STARTED, E.CANDIDATE_OVER), S.UNTAKEN_OVER, True),
        ((E.STARTED, E.LIVE_FAILED), S.UNTAKEN, True),
    ],
)
def test_the_reply_is_held_while_the_user_speaks_and_until_their_words_decide(
    events: tuple[Event, ...], state: State, *, holds: bool
) -> None:
    arbiter = fed(*events)
    assert (arbiter.state, arbiter.holds) == (state, holds)


def test_a_reply_that_the_microphone_hears_is_not_held_by_voice_but_by_words_that_are_awaited() -> None:
    arbiter = fed(*ANSWERING, E.STARTED)
    arbiter.copied()
    assert not arbiter.holds
    arbiter.feed(E.ENDED)
    assert arbiter.holds


def test_only_speech_over_a_reply_shows_that_the_microphone_hears_it() -> None:
    arbiter = fed(E.STARTED)
    arbiter.copied()
    assert not arbiter.hears_reply


@pytest.mark.parametrize("event", [E.BARGE_IN, E.CONTINUES, E.LIVE_OVER, E.LIVE_FAILED, E.LIVE_ECHO])
def test_the_next_reply_is_not_known_to_be_heard(event: Event) -> None:
    arbiter = fed(*ANSWERING, E.STARTED)
    arbiter.copied()
    arbiter.feed(event)
    assert not arbiter.hears_reply


def test_the_same_reply_is_known_to_be_heard_until_it_ends() -> None:
    arbiter = fed(*ANSWERING, E.STARTED)
    arbiter.copied()
    for event in (E.ECHO, E.STARTED, E.CANDIDATE_OVER, E.ENDED):
        arbiter.feed(event)
        assert arbiter.hears_reply
    arbiter.feed(E.LIVE_OVER)
    assert not arbiter.hears_reply


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), S.IDLE),
        ((E.STARTED,), S.UNTAKEN),
        (ANSWERING, S.IDLE),
        ((*ANSWERING, E.STARTED), S.UNTAKEN),
        ((*ANSWERING, E.STARTED, E.ENDED), S.IDLE),
        ((*ANSWERING, E.STARTED, E.CANDIDATE_OVER), S.UNTAKEN),
    ],
)
def test_after_a_command_speech_that_goes_on_is_in_no_turn(events: tuple[Event, ...], state: State) -> None:
    arbiter = fed(*events)
    arbiter.stopped()
    assert arbiter.state is state


# --- the rule

BARGE_IN_MS = 300.0


def verdict(  # noqa: PLR0913 - one for each piece of evidence
    *,
    voice_ms: float = 0.0,
    ended: bool = False,
    words: Words = Words.UNKNOWN,
    copies: bool = False,
    stopped: bool = False,
    joined: bool = False,
) -> Event | None:
    evidence = Evidence(voice_ms, ended=ended, copies=lambda: copies, words=words, stopped=stopped, joined=joined)
    return judge(evidence, barge_in_ms=BARGE_IN_MS)


def test_voice_interrupts_once_there_is_enough_of_it() -> None:
    assert verdict(voice_ms=BARGE_IN_MS - 1) is None
    assert verdict(voice_ms=BARGE_IN_MS) is E.BARGE_IN


def test_voice_that_copies_the_reply_does_not_interrupt_it() -> None:
    assert verdict(voice_ms=10_000, copies=True) is None


def test_the_comparison_with_the_reply_is_made_only_when_it_matters() -> None:
    def copies() -> bool:
        raise AssertionError

    assert judge(Evidence(BARGE_IN_MS - 1, ended=False, copies=copies), barge_in_ms=BARGE_IN_MS) is None
    for words in (Words.NONE, Words.REPEATED, Words.OTHER):
        judge(Evidence(BARGE_IN_MS, ended=True, copies=copies, words=words), barge_in_ms=BARGE_IN_MS)


@pytest.mark.parametrize("ended", [False, True])
def test_words_of_the_user_interrupt_at_once(*, ended: bool) -> None:
    assert verdict(words=Words.OTHER, ended=ended, copies=True) is E.BARGE_IN


@pytest.mark.parametrize(("words", "event"), [(Words.NONE, E.BACKCHANNEL), (Words.REPEATED, E.ECHO)])
def test_words_that_do_not_interrupt_decide_only_when_the_user_has_finished(words: Words, event: Event) -> None:
    assert verdict(words=words, voice_ms=10_000) is None
    assert verdict(words=words, ended=True) is event


def test_speech_that_ended_waits_for_its_words_unless_it_is_all_an_echo() -> None:
    assert verdict(ended=True) is E.ENDED
    assert verdict(ended=True, copies=True) is E.ECHO
    assert verdict(ended=True, copies=True, joined=True) is E.ENDED


def test_speech_that_stopped_with_the_reply_is_an_echo_once_it_has_ended() -> None:
    assert verdict(ended=True, stopped=True) is E.ECHO
    assert verdict(ended=True, stopped=True, joined=True) is E.ENDED
    assert verdict(voice_ms=BARGE_IN_MS, stopped=True) is E.BARGE_IN
