"""The conversation: turns, barge-in, holding and history, in virtual time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.config.tables import Conversation as Settings
from voiceloop.errors import RateLimited
from voiceloop.plugins import Turns
from voiceloop.types import CancelReason, Message

LONG = "This is a rather long answer that goes on for quite a while without an end in sight."


async def test_speech_is_answered_aloud(autojump_clock: MockClock) -> None:
    async with open_room(["what time is it"], ["It is noon."]) as room:
        await room.say(1.0)
    assert room.answerer.asked == ["what time is it"]
    assert room.voice.chunks == ["It is noon."]
    assert any(sounded for _, sounded in room.sound)
    assert room.published("transcript")[0]["text"] == "what time is it"
    assert room.published("reply") == [{"turn": 1, "text": "It is noon.", "complete": True}]
    assert room.conversation.history == (Message("user", "what time is it"), Message("assistant", "It is noon."))


async def test_the_recogniser_is_fed_exactly_the_clip_that_it_finishes(autojump_clock: MockClock) -> None:
    async with open_room(["hello"], ["hi"]) as room:
        await room.say(1.0)
    assert room.recogniser.fed == [clip.samples for clip in room.recogniser.clips]


async def test_the_history_is_bounded_and_forgets_the_oldest_first(autojump_clock: MockClock) -> None:
    texts = ["one", "two", "three"]
    async with open_room(texts, ["1.", "2.", "3."], settings=Settings(history_turns=2)) as room:
        for _ in texts:
            await room.say(1.0)
            await room.quiet(2)
    assert [message.text for message in room.conversation.history] == ["two", "2.", "three", "3."]


async def test_the_second_turn_gets_the_first_one_as_history(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], ["First.", "Second."]) as room:
        await room.say(1.0)
        await room.quiet(5)
        await room.say(1.0)
    assert room.answerer.histories[1] == (Message("user", "one"), Message("assistant", "First."))


async def test_a_reply_without_words_leaves_only_the_question_in_the_history(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [""]) as room:
        await room.say(1.0)
    assert room.conversation.history == (Message("user", "one"),)
    assert room.voice.chunks == []


@pytest.mark.parametrize("reply", ["👍", "* * *", "..."])
async def test_a_reply_that_cannot_be_spoken_is_told(reply: str, autojump_clock: MockClock) -> None:
    async with open_room(["one"], [reply]) as room:
        await room.say(1.0)
        await room.quiet(5)
    [failed] = room.published("turn.failed")
    assert "the reply holds nothing that can be spoken" in str(failed["error"])


async def test_an_utterance_without_words_is_no_turn(autojump_clock: MockClock) -> None:
    async with open_room(["", "two"], ["Second."]) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(1.0)
    assert room.answerer.asked == ["two"]
    assert [done["outcome"] for done in room.published("turn.done")] == ["empty", "done"]


async def test_voice_over_a_reply_holds_it_at_once_and_cancels_it_after_half_a_second(
    autojump_clock: MockClock,
) -> None:
    async with open_room(["one", "two"], [LONG, "Second."]) as room:
        await room.say(1.0)
        await room.quiet(2)
        assert room.sounding()
        began = trio.current_time()
        await room.say(1.0)
        await room.quiet(3)
    after_onset = [at - began for at, sounded in room.sound if sounded and at < began + 1.5]
    assert max(after_onset) < 0.12 + 0.03  # the onset is noticed after 120 ms; then a block and its fade
    assert room.answerer.asked == ["one", "two"]
    first = room.published("reply")[0]
    assert not first["complete"]
    assert LONG.startswith(first["text"])


async def test_the_history_keeps_what_was_heard_not_what_was_generated(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], [LONG, "Second."]) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(1.0)
    heard = room.answerer.histories[1][-1]
    assert heard.role == "assistant"
    assert LONG.startswith(heard.text)
    assert 10 < len(heard.text) < 40  # some 1.4 s at 20 characters a second


async def test_a_cough_does_not_interrupt(autojump_clock: MockClock) -> None:
    async with open_room(["one", ""], ["This is all of the reply."]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.cough()
        await room.quiet(3)
    assert room.published("reply")[-1]["complete"]
    sounded = sum(sounded for _, sounded in room.sound) / 100
    spoken = len("This is all of the reply.") * 0.05
    # Nothing is repeated or lost: the reply goes on from the sample where it was held.
    assert spoken <= sounded <= spoken + 0.03


@pytest.mark.parametrize("noise", ["mhm", "Yeah, okay.", "Uh-huh!"])
async def test_a_backchannel_does_not_interrupt(autojump_clock: MockClock, noise: str) -> None:
    async with open_room(["one", noise], ["This is all of the reply."]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.3)
        await room.quiet(3)
    assert room.answerer.asked == ["one"]
    assert room.published("reply")[-1]["complete"]
    assert room.conversation.history[-1].text == "This is all of the reply."


async def test_a_short_word_that_is_no_backchannel_interrupts(autojump_clock: MockClock) -> None:
    async with open_room(["one", "stop"], [LONG, "Fine."]) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(0.3)
        await room.quiet(2)
    assert room.answerer.asked == ["one", "stop"]


async def test_speech_that_goes_on_before_the_reply_was_heard_becomes_one_clip(autojump_clock: MockClock) -> None:
    async with open_room(["I would like", "I would like a coffee"], ["One coffee.", "One coffee."]) as room:
        await room.say(1.0)
        await room.say(1.0)  # goes on while the first half is still being transcribed
        await room.quiet(3)
    assert room.answerer.asked[-1] == "I would like a coffee"
    assert len(room.recogniser.clips[-1].pcm) > len(room.recogniser.clips[0].pcm) * 2
    assert room.published("transcript")[-1]["text"] == "I would like a coffee"
    assert room.published("transcript")[-1]["replaces"] == 1
    assert [message.text for message in room.conversation.history] == ["I would like a coffee", "One coffee."]


async def test_speech_too_long_to_be_posted_again_is_joined_as_text(autojump_clock: MockClock) -> None:
    settings = Settings(merge_max_s=1.5)
    async with open_room(["I would like", "a coffee"], ["Wh", "One coffee."], settings=settings) as room:
        await room.say(1.0)
        await room.quiet(0.2)
        await room.say(1.0)
        await room.quiet(3)
    assert room.answerer.asked[-1] == "I would like a coffee"


async def test_a_turn_that_was_heard_long_enough_is_not_merged(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], [LONG, "Second."]) as room:
        await room.say(1.0)
        await room.quiet(3)
        await room.say(1.0)
        await room.quiet(3)
    assert room.answerer.asked == ["one", "two"]


async def test_no_two_replies_are_ever_audible_and_no_stale_sound_is_played(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], [LONG, "Short."]) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(2.0)
        ended_at = trio.current_time()
        await room.quiet(3)
    assert sum(sounded for at, sounded in room.sound if at > ended_at) / 100 == pytest.approx(
        len("Short.") * 0.05, abs=0.03
    )


async def test_a_failed_turn_plays_the_earcon_and_the_next_turn_works(autojump_clock: MockClock) -> None:
    limited = RateLimited("too many requests", place="POST /audio/transcriptions", remedy="Wait.", status=429)
    async with open_room([limited, "two"], ["Second."]) as room:
        await room.say(1.0)
        await room.quiet(2)
        assert any(sounded for _, sounded in room.sound)  # the earcon
        await room.say(1.0)
    assert room.published("turn.failed")[0]["error"] == str(limited)
    assert room.answerer.asked == ["two"]


async def test_a_handler_that_raises_fails_its_turn_but_its_spoken_words_are_kept(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], [ZeroDivisionError("division by zero"), "Second."]) as room:
        await room.say(1.0)
        await room.quiet(3)
        await room.say(1.0)
    assert "ZeroDivisionError: division by zero" in room.published("turn.failed")[0]["error"]
    assert room.published("reply")[0]["text"] == "I began."
    assert room.answerer.asked == ["one", "two"]


async def test_a_chunk_that_cannot_be_spoken_is_reported_and_the_next_one_is_spoken(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["Here it comes now. And here is more of it."]) as room:
        room.voice.fails["Here it comes now."] = RateLimited("busy", status=429)
        await room.say(1.0)
    assert len(room.published("speech.failed")) == 1
    assert room.published("reply")[0]["text"] == "And here is more of it."


async def test_a_reply_of_which_nothing_can_be_spoken_fails(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["No."]) as room:
        room.voice.fails["No."] = RateLimited("busy", status=429)
        await room.say(1.0)
    assert room.published("turn.done")[0]["outcome"] == "failed"


async def test_in_order_handlers_run_in_the_order_of_speaking_and_speech_never_cancels(
    autojump_clock: MockClock,
) -> None:
    async with open_room(["one", "two", "three"], ["", "", ""], turns="in_order", takes_s=3.0) as room:
        for _ in range(3):
            await room.say(0.5)
    assert room.answerer.asked == ["one", "two", "three"]
    assert room.answerer.cancelled == []
    assert room.recogniser.most_at_once > 1


async def test_a_noise_between_two_turns_does_not_change_their_order(autojump_clock: MockClock) -> None:
    async with open_room(["one", "", "three"], ["", ""], turns="in_order", takes_s=0.1) as room:
        room.answerer.takes_s = 5.0
        await room.say(0.5)
        await room.say(0.5)
        await room.say(0.5)
        await room.quiet(1)
        assert room.answerer.asked == ["one"]
    assert room.answerer.asked == ["one", "three"]


async def test_at_most_as_many_transcriptions_run_at_once_as_the_config_allows(autojump_clock: MockClock) -> None:
    texts = [str(number) for number in range(8)]
    async with open_room(texts, [""] * 8, turns="in_order", takes_s=10.0) as room:
        for _ in texts:
            await room.say(0.4)
    assert room.recogniser.most_at_once == 3
    assert room.answerer.asked == texts


async def test_an_exclusive_handler_is_interrupted_only_by_a_stop_word(autojump_clock: MockClock) -> None:
    async with open_room(["work", "next", "stop"], ["a", "b"], turns="exclusive") as room:
        room.answerer.takes_s = 60.0
        await room.say(0.5)
        await room.say(0.5)
        await room.quiet(2)
        assert room.answerer.asked == ["work"]
        assert room.answerer.cancelled == []
        await room.say(0.3)
    assert room.answerer.cancelled == ["work"]
    assert room.answerer.asked == ["work"]


@pytest.mark.parametrize("turns", ["replace", "in_order"])
async def test_where_speech_interrupts_or_waits_a_stop_word_is_speech_as_any_other(
    turns: Turns, autojump_clock: MockClock
) -> None:
    async with open_room(["stop"], ["I have stopped."], turns=turns) as room:
        await room.say(1.0)
    assert room.answerer.asked == ["stop"]
    assert [done["outcome"] for done in room.published("turn.done")] == ["done"]


async def test_long_speech_that_was_cut_in_two_is_one_turn(autojump_clock: MockClock) -> None:
    async with open_room(["the first half", "and the second"], ["Done."]) as room:
        await room.say(3.0, continues=True)
        await room.say(1.0)
    assert room.answerer.asked == ["the first half and the second"]
    assert room.published("transcript")[0]["start_s"] == 0.0


async def test_a_noise_after_a_cut_does_not_lose_what_was_said(autojump_clock: MockClock) -> None:
    async with open_room(["the first half"], ["Done."]) as room:
        await room.say(3.0, continues=True)
        await room.cough()
    assert room.answerer.asked == ["the first half"]


async def test_connections_are_warmed_when_speech_starts(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["Yes."]) as room:
        await room.say(1.0)
    assert (room.recogniser.warmed, room.answerer.warmed, room.voice.warmed) == (1, 1, 1)


async def test_nothing_is_played_while_the_user_is_speaking_again(autojump_clock: MockClock) -> None:
    """The reply becomes ready while the user speaks again: it is held until that proves to be a backchannel."""
    async with open_room(["one", "mhm"], ["Here is the answer."], takes_s=0.3) as room:
        await room.say(1.0, hangover_s=0.4)
        began = trio.current_time()
        await room.say(0.3)
        assert not any(sounded for at, sounded in room.sound if at > began)
        await room.quiet(3)
    assert room.published("reply")[-1]["complete"]


async def test_the_usage_of_all_turns_is_summed(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], ["A.", "B."]) as room:
        await room.say(1.0)
        await room.quiet(3)
        await room.say(1.0)
    assert room.conversation.usage is not None
    assert room.conversation.usage.requests == 2
    assert room.conversation.usage.cost_usd == pytest.approx(0.002)


async def test_stop_silences_the_reply_at_once(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [LONG]) as room:
        await room.say(1.0)
        await room.quiet(2)
        room.conversation.stop(CancelReason.ENDING)
        stopped = trio.current_time()
        await room.quiet(1)
    assert not any(sounded for at, sounded in room.sound if at > stopped + 0.03)


@pytest.mark.parametrize("seed", range(3))
async def test_every_run_is_the_same(autojump_clock: MockClock, seed: int) -> None:
    async with open_room(["one", "mhm", "two"], [LONG, "Second."]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.2)
        await room.quiet(1)
        await room.say(1.0)
    turns = sorted(room.published("turn.done"), key=lambda done: done["turn"])
    marks = [{name: round(at - room.began, 6) for name, at in done["marks"].items()} for done in turns]
    assert marks[0] == {
        "last_voiced": 1.0,
        "speech_end": 1.6,
        "committed": 1.6,
        "post": 1.6,
        "text": 1.9,
        "first_text": 2.1,
        "first_pcm": 2.2,
        "first_write": 2.2,
        "first_played": 2.21,
        "cancelled": 4.9,
    }
    assert [(done["outcome"], done["reason"]) for done in turns] == [
        ("cancelled", "barge-in"),
        ("cancelled", "backchannel"),
        ("done", ""),
    ]
