"""Handler `basic`: what it answers without a language model, what it repeats, and that it understands spoken words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.resample import resample
from voiceloop.config.load import load
from voiceloop.handlers.basic import GO_ON, HELP, BasicHandler, answer
from voiceloop.opening import open_part, opened
from voiceloop.speak.pronunciation import spoken_form
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

NOW = datetime(2026, 11, 26, 19, 5, tzinfo=UTC)
TIME = "It is 7:05 PM."
DATE = "Today is Thursday, November 26, 2026."
HELLO = f"Hello. {HELP}"
WELCOME = "You are welcome."

ASKED = {
    TIME: (
        "What time is it?",
        "what time is it",
        "What's the time?",
        "What’s the time, please?",
        "Whats the time",
        "What is the current time?",
        "Okay, what time is it now?",
        "Hello. What time is it?",
        "This is a test. What time is it? I am late.",
        "Do you know what time it is?",
        "Can you tell me what time it is, please?",
        "Tell me the time.",
        "Do you have the time?",
        "The time, please.",
        "Time?",
        "I'd like to know what time it is.",
    ),
    DATE: (
        "What's today's date?",
        "What is the date today?",
        "What is the date to-day?",
        "Which day is it?",
        "What day is it today?",
        "What day is today?",
        "What day of the week is it?",
        "What's the day of the week?",
        "Can you tell me which day it is?",
        "Tell me today's date.",
        "What is today?",
        "What year is it?",
        "Which month is it?",
        "Today's date?",
        "Date, please.",
    ),
    f"{TIME} {DATE}": (
        "What's the time and the date?",
        "Tell me the date and time.",
        "What time is it? And what day is it?",
        "What time is it and what day is it?",
        "What day is it and what's the time, please?",
        "What is today's date and time?",
        "What's the date and the time?",
        "The current date and time, please.",
    ),
    HELP: (
        "What can you do?",
        "What else can you do for me?",
        "What can I say?",
        "What should I ask you?",
        "What can I do?",
        "What can I do here?",
        "Help.",
        "help me please",
        "Who are you?",
        "Are you a robot?",
        "What's your name?",
        "How does this work?",
    ),
    GO_ON: (
        "How do I go on?",
        "How to go on",
        "How can we continue from here? How do I go on?",
        "What's next?",
        "What do I do now?",
        "What can I do now?",
        "How do I use Ollama?",
        "How do I use Alama?",
        "How do I use open router?",
        "How do I use Open Raider?",
        "Do you have a language model in there?",
    ),
    HELLO: ("Hello.", "hi", "Hi there!", "Good morning.", "Good afternoon.", "Hello, hello.", "Hey, Voiceloop!"),
    WELCOME: ("Thank you.", "Thanks a lot!", "thank you very much", "Okay, thank you."),
}
REPEATED = (
    "I had a good time.",
    "It's time to go.",
    "All the time.",
    "It was about the time.",
    "We must keep to the date.",
    "Okay.",
    "Great, thanks to you.",
    "There.",
    "What a time to be alive!",
    "What time is the meeting?",
    "What time does the train leave?",
    "What time is it in Tokyo?",
    "What's the time difference?",
    "Tell me the time of the meeting.",
    "Have a nice day.",
    "What a day!",
    "I have a date tonight.",
    "What day is the wedding?",
    "What day is it tomorrow?",
    "What's the date of the party?",
    "Help me write a letter.",
    "What are you doing?",
    "She asked me what time it is.",
    "He wants to know what day it is.",
    "I don't know what time it is.",
    "He has a good time and what a day.",
    "Don't repeat after me.",
    "Don’t say that after me: hello.",
    "Do not repeat after me!",
    "Never repeat this after me.",
    "I thank you for the fish.",
    "Thank you for the fish.",
    "Hello. My name is Anna.",
    "A llama stood by the open river.",
    "This is a small test. Can you hear what I say?",
)


class RecordedReply:
    """A reply that records its text and whether the handler waited for the turn to be certain."""

    def __init__(self) -> None:
        self.said = ""
        self.certain = trio.Event()

    async def say(self, delta: str) -> None:
        await trio.lowlevel.checkpoint()
        self.said += delta

    async def committed(self) -> None:
        await self.certain.wait()


async def reply_to(handler: BasicHandler, text: str, language: str | None = None, *, certain: bool = True) -> str:
    """What the handler says. If the turn is not `certain`, it is cancelled while the handler waits for that."""
    reply = RecordedReply()
    if certain:
        reply.certain.set()
    async with trio.open_nursery() as nursery:

        async def handle() -> None:
            await handler.handle(Transcript(text, Utterance(b"", 0, 0), language=language), cast(Any, reply))
            nursery.cancel_scope.cancel("answered")

        nursery.start_soon(handle)
        if not certain:
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel("the user went on")
    return reply.said


@pytest.mark.parametrize(("expected", "text"), [(said, text) for said, texts in ASKED.items() for text in texts])
def test_a_question_is_answered_however_it_is_put(expected: str, text: str) -> None:
    assert answer(text, NOW, told=True) == expected
    assert answer(text.upper(), NOW, told=False) == expected


@pytest.mark.parametrize("text", REPEATED)
def test_words_that_only_resemble_a_question_are_repeated(text: str) -> None:
    assert answer(text, NOW, told=True) == f"You said: {text}"


@pytest.mark.parametrize("text", ["", '"', " ' "])
def test_where_there_are_no_words_it_says_that_it_listens(text: str) -> None:
    assert answer(text, NOW, told=False) == "I am listening."


def test_quotes_around_the_text_are_not_repeated() -> None:
    assert answer("\"'Front left. Isn't it?'", NOW, told=True) == "You said: Front left. Isn't it?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Repeat after me: the quick brown fox.", "the quick brown fox."),
        ("repeat after me the quick brown fox", "the quick brown fox"),
        ("Please repeat this after me. What time is it?", "What time is it?"),
        ("Say after me, hello.", "hello."),
        ('Say after me, "I am a robot."', "I am a robot."),
        ("Repeat after me.", "I am listening."),
        ("Can you say that after me please", "I am listening."),
        ("Can you say that after me, please?", "I am listening."),
        ("Repeat after me please: hello.", "hello."),
        ("Repeat after me: please come in.", "please come in."),
    ],
)
def test_it_repeats_what_is_to_be_repeated(text: str, expected: str) -> None:
    assert answer(text, NOW, told=False) == expected


@pytest.mark.parametrize(
    ("now", "time", "date"),
    [
        (datetime(2027, 1, 1, 0, 0, tzinfo=UTC), "12:00 AM", "Friday, January 1, 2027"),
        (datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "12:30 PM", "Thursday, February 29, 2024"),
        (datetime(2026, 7, 4, 9, 59, tzinfo=UTC), "9:59 AM", "Saturday, July 4, 2026"),
    ],
)
def test_times_and_dates_are_given_as_people_say_them(now: datetime, time: str, date: str) -> None:
    assert answer("What time is it?", now, told=True) == f"It is {time}."
    assert answer("What's the date?", now, told=True) == f"Today is {date}."


@pytest.mark.parametrize("text", [TIME, DATE, HELP, GO_ON])
def test_no_rule_of_pronunciation_changes_an_answer(text: str) -> None:
    assert spoken_form(text) == text


def test_times_and_dates_are_read_rightly_by_the_embedded_voice() -> None:
    pytest.importorskip("hibari", reason="the extra 'local' is not installed")
    from voiceloop.speak.hibari_voice import Voice, find_voice

    voice = Voice(find_voice("heart"), british=False)
    for written, read in (
        (TIME, "It is seven oh five PM."),
        ("It is 12:00 AM.", "It is twelve AM."),
        (DATE, "Today is Thursday, November twenty-sixth, twenty twenty six."),
    ):
        assert _sounds(voice.phonemes(written)) == _sounds(voice.phonemes(read))


def _sounds(phonemes: list[str]) -> str:
    """Phonemes without stress, spaces and marks."""
    return "".join(char for char in "".join(phonemes) if char.isalpha() and char not in "ˈˌ")


@given(st.text() | st.lists(st.sampled_from([*"abt.?! '’-", *sum(ASKED.values(), ()), *REPEATED])).map(" ".join))
def test_any_text_has_an_answer_of_bounded_length(text: str) -> None:
    for told in (True, False):
        said = answer(text, NOW, told=told)
        assert said.strip()
        assert len(said) <= len("You said: ") + 400 + len(f". {HELP}{GO_ON}")


def test_a_long_text_is_cut_after_a_word() -> None:
    said = answer("repeat after me " + "banana " * 20_000, NOW, told=True)
    assert said.startswith("banana banana")
    assert said.endswith("banana and so on.")
    assert len(said) <= 400


async def test_what_it_can_do_is_said_once_in_a_session() -> None:
    handler = BasicHandler(lambda: NOW)
    assert await reply_to(handler, "What time is it?") == TIME
    assert await reply_to(handler, "front center") == f"You said: front center. {HELP}"
    assert await reply_to(handler, "Front left.") == "You said: Front left."
    assert await reply_to(handler, "help") == HELP


async def test_who_has_asked_what_it_can_do_is_not_told_again() -> None:
    handler = BasicHandler(lambda: NOW)
    assert await reply_to(handler, "What can you do?") == HELP
    assert await reply_to(handler, "Front left.") == "You said: Front left."


async def test_a_reply_that_was_never_certain_tells_nobody_what_it_can_do() -> None:
    handler = BasicHandler(lambda: NOW)
    assert HELP in await reply_to(handler, "Front", certain=False)
    assert await reply_to(handler, "Front left.") == f"You said: Front left. {HELP}"


async def test_another_language_is_repeated_as_it_is() -> None:
    handler = BasicHandler(lambda: NOW)
    assert await reply_to(handler, "Wie spät ist es?", "de") == "Wie spät ist es?"
    assert HELP in await reply_to(handler, "front center", "en-US")


async def test_the_clock_is_the_local_time() -> None:
    async with BasicHandler.open(BasicHandler.Options(), cast(Any, None)) as handler:
        before = datetime.now(UTC).astimezone()
        said = await reply_to(handler, "What time is it?")
        after = datetime.now(UTC).astimezone()
    assert said in {answer("What time is it?", now, told=True) for now in (before, after)}


async def test_spoken_questions_are_answered() -> None:
    pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
    pytest.importorskip("hibari", reason="the extra 'local' is not installed")
    asked = {
        "What time is it?": TIME,
        "What's the time, please?": TIME,
        "What's today's date?": DATE,
        "Which day is it?": DATE,
        "What can you do?": HELP,
        "How do I go on?": GO_ON,
        "Who are you?": HELP,
        "How do I use Ollama?": GO_ON,
        "Thank you.": WELCOME,
        "Repeat after me: the quick brown fox.": "the quick brown fox.",
        "I had a good time.": "You said: I had a good time.",
    }
    config = load("offline", ["speak.use=hibari"])
    async with opened(config, lambda name, /, **fields: None) as (stack, services):
        transcriber = await open_part(stack, config.transcribe, services)
        synthesizer = await open_part(stack, config.speak, services)
        handler = BasicHandler(lambda: NOW)
        await reply_to(handler, "help")
        for text, expected in asked.items():
            heard = await _heard(transcriber, await _clip(synthesizer, text))
            assert await reply_to(handler, heard) == expected, heard


async def _clip(synthesizer: Any, text: str) -> Utterance:
    """The sound of `text`, with 0.3 s of silence before and behind it."""
    async with synthesizer.speech(text) as pieces:
        speech = [piece async for piece in pieces]
    pcm = resample(b"".join(piece.pcm for piece in speech), from_hz=speech[0].rate_hz, to_hz=CAPTURE_RATE_HZ)
    silence = bytes(CAPTURE_RATE_HZ * 3 // 10 * SAMPLE_BYTES)
    return Utterance(silence + pcm + silence, 0, (len(silence) + len(pcm)) // SAMPLE_BYTES)


async def _heard(transcriber: Any, clip: Utterance) -> str:
    async with transcriber.transcription() as transcription:
        return str((await transcription.finish(clip)).text)
