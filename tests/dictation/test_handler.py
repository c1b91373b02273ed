"""The dictation handler: transcripts in, edits of a target out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from voiceloop.dictation.handler import DictationHandler, DictationOptions
from voiceloop.dictation.targets.target import Focus, Insertion, Since
from voiceloop.errors import CantUndo, FocusChanged, KeysHeld, TargetError
from voiceloop.types import Transcript, Utterance, Word

NOTES, MAIL, XTERM = Focus("1", "Notes"), Focus("2", "Mail"), Focus("3", "XTerm", terminal=True)


@dataclass
class Page:
    """A fake target that keeps its text. `refuses`: the errors that its next calls raise."""

    text: str = ""
    aside: str = ""
    here: Focus = NOTES
    happened: Since = "nothing"
    refuses: list[TargetError] = field(default_factory=list)
    aside_refuses: TargetError | None = None
    name: str = "page"
    watches_focus: bool = True
    reads: bool = True

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return self.here

    async def since(self, insertion: Insertion) -> Since:
        await trio.lowlevel.checkpoint()
        return self.happened

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        await self._allowed(focus)
        self.text += text
        return Insertion(text, focus, read=self.reads)

    async def undo(self, insertion: Insertion) -> None:
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise self.refuses.pop()
        self.text = self.text.removesuffix(insertion.text)

    async def enter(self, *, focus: Focus | None) -> None:
        await self._allowed(focus)
        self.text += "⏎"

    async def set_aside(self, text: str) -> str:
        await trio.lowlevel.checkpoint()
        if self.aside_refuses is not None:
            raise self.aside_refuses
        self.aside = text
        return "the drawer"

    async def _allowed(self, focus: Focus | None) -> None:
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise self.refuses.pop()
        if focus != self.here:
            raise FocusChanged("it went elsewhere")


class Committed:
    """A reply that is committed at once."""

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()


class Dictation:
    """A handler with a `Page`. `say`: speak while the current window has the focus; `write`: handle the transcript."""

    def __init__(self, page: Page | None = None, **options: Any) -> None:
        self.page = page or Page()
        self.notices: list[str] = []
        transcribe = SimpleNamespace(options=SimpleNamespace(language="en", vocabulary=("voiceloop",)))
        services = SimpleNamespace(config=SimpleNamespace(transcribe=transcribe), publish=self._publish)
        self.handler = DictationHandler(DictationOptions(**options), cast(Any, services), self.page)
        self._at = 0

    async def say(self, text: str) -> Transcript:
        self._at += 16_000
        await self.handler.began(self._at)
        return Transcript(text, Utterance(b"", self._at - 4_800, self._at + 8_000))

    async def write(self, transcript: Transcript) -> None:
        await self.handler.handle(transcript, cast(Any, Committed()))

    async def dictate(self, *texts: str) -> str:
        for text in texts:
            await self.write(await self.say(text))
        return self.page.text

    def _publish(self, name: str, /, **fields: object) -> None:
        if name == "notice":
            self.notices.append(str(fields["text"]))


async def test_utterances_are_joined_to_one_text() -> None:
    dictation = Dictation(replacements={"my name": "Ada"})
    assert await dictation.dictate("Hello.", "my name is new to Voice Loop", "press enter", "bye") == (
        "Hello. Ada is new to voiceloop⏎Bye"
    )


async def test_marks_fillers_and_full_stops_are_those_of_the_config() -> None:
    said = "Um, that is a long period."
    assert await Dictation().dictate(said) == said
    assert await Dictation(marks="inline").dictate(said) == "Um, that is a long."
    assert await Dictation(fillers=True).dictate(said) == "That is a long period."
    assert await Dictation(commands=False, marks="inline").dictate(said) == said
    assert await Dictation(full_stop="sentences").dictate("Ada Lovelace.") == "Ada Lovelace"


async def test_the_transcribers_times_set_a_command_apart() -> None:
    words = [
        Word(text, at_s, at_s + 0.3) for text, at_s in (("Well", 0.0), ("done", 0.3), ("press", 1.5), ("enter", 1.8))
    ]
    dictation = Dictation()
    said = await dictation.say("Well, done press enter")
    await dictation.write(replace(said, words=tuple(words)))
    assert dictation.page.text == "Well, done⏎"


async def test_scratch_that_undoes_one_insertion_after_the_other() -> None:
    dictation = Dictation()
    assert await dictation.dictate("One.", "Two.", "Three.", "Scratch that, scratch that.") == "One."
    assert await dictation.dictate("Then two.") == "One. Then two."


async def test_text_after_scratch_that_in_one_utterance_is_joined_to_the_text_before_it() -> None:
    dictation = Dictation()
    assert await dictation.dictate("One.", "Two.", "Scratch that. Three.", "Four.") == "One. Three. Four."
    dictation = Dictation()
    assert await dictation.dictate("One.", "Scratch that. Two.", "Three.") == "Two. Three."


async def test_go_to_sleep_works_after_scratch_that_in_one_utterance() -> None:
    dictation = Dictation()
    assert await dictation.dictate("One.", "Two.", "Scratch that. Go to sleep.", "Not for you.") == "One."
    assert await dictation.dictate("Wake up.", "Three.") == "One. Three."


async def test_the_utterance_after_a_refused_undo_is_joined_to_the_text_that_is_still_there() -> None:
    dictation = Dictation()
    await dictation.dictate("One.", "Two.")
    dictation.page.refuses = [CantUndo("no", place="page") for _ in range(2)]
    assert await dictation.dictate("Scratch that. Scratch that.") == "One. Two."
    assert await dictation.dictate("Three.") == "One. Two. Three."


async def test_text_after_a_refused_undo_in_one_utterance_is_joined_to_the_text_that_is_still_there() -> None:
    dictation = Dictation()
    await dictation.dictate("Hello there.")
    dictation.page.refuses = [CantUndo("no", place="page")]
    assert await dictation.dictate("Scratch that. I like it.") == "Hello there. I like it."
    dictation = Dictation()
    await dictation.dictate("and some", "words")
    dictation.page.refuses = [CantUndo("no", place="page") for _ in range(2)]
    assert await dictation.dictate("Scratch that, scratch that. The end. Press enter.") == "And some words the end.⏎"
    assert len(dictation.notices) == 2


async def test_undo_stops_at_the_last_enter() -> None:
    dictation = Dictation()
    assert await dictation.dictate("One.", "press enter", "scratch that") == "One.⏎"
    assert "there is nothing left to undo" in dictation.notices[-1]


async def test_text_spoken_to_one_window_is_not_typed_into_another() -> None:
    dictation = Dictation()
    said = await dictation.say("The secret. Press enter. And more.")
    dictation.page.here = MAIL
    await dictation.write(said)
    assert (dictation.page.text, dictation.page.aside) == ("", "The secret.\nAnd more.")
    assert dictation.notices == ["it went elsewhere. What you said is in the drawer."]
    assert await dictation.dictate("New.") == "New."


async def test_go_to_sleep_works_after_text_that_could_not_be_written() -> None:
    dictation = Dictation()
    said = await dictation.say("Hello. Go to sleep.")
    dictation.page.here = MAIL
    await dictation.write(said)
    assert await dictation.dictate("My secret.") == ""
    dictation = Dictation(Page(refuses=[TargetError("it is gone")]))
    with pytest.raises(TargetError, match="gone"):
        await dictation.dictate("Hello. Go to sleep.")
    assert await dictation.dictate("My secret.") == ""
    assert await dictation.dictate("Wake up. Hello.") == "Hello."


async def test_it_stays_awake_when_the_text_after_wake_up_fails() -> None:
    dictation = Dictation()
    await dictation.dictate("Go to sleep.")
    dictation.page.refuses = [TargetError("it is gone")]
    with pytest.raises(TargetError, match="gone"):
        await dictation.dictate("Wake up. Hello.")
    assert await dictation.dictate("Hello.") == "Hello."


async def test_the_turn_fails_when_the_text_can_be_neither_written_nor_set_aside() -> None:
    dictation = Dictation(Page(aside_refuses=TargetError("no clipboard")))
    said = await dictation.say("The secret.")
    dictation.page.here = MAIL
    with pytest.raises(TargetError, match=r"it went elsewhere, and the text can't be put aside: no clipboard"):
        await dictation.write(said)


async def test_a_turn_does_not_fail_when_only_its_rest_could_not_be_set_aside() -> None:
    class LosesFocus(Page):
        async def enter(self, *, focus: Focus | None) -> None:
            await super().enter(focus=focus)
            self.here = MAIL

    dictation = Dictation(LosesFocus(aside_refuses=TargetError("no clipboard")))
    assert await dictation.dictate("One. Press enter. Two.") == "One.⏎"
    assert dictation.notices == ["it went elsewhere. The rest was not written: no clipboard."]


async def test_an_utterance_fails_when_only_its_undo_worked() -> None:
    class FailsAfterUndo(Page):
        async def undo(self, insertion: Insertion) -> None:
            await super().undo(insertion)
            self.refuses = [TargetError("it is gone")]

    dictation = Dictation(FailsAfterUndo())
    await dictation.dictate("One.")
    with pytest.raises(TargetError, match="gone"):
        await dictation.dictate("Scratch that. Two.")
    assert dictation.page.text == ""


async def test_after_a_paste_that_was_not_read_enter_is_pressed_only_when_said_again() -> None:
    dictation = Dictation(Page(reads=False))
    assert await dictation.dictate("Send it. Press enter.") == "Send it."
    assert dictation.notices == ["Enter is not pressed: the window has not read the text pasted before it."]
    assert await dictation.dictate("Press enter.") == "Send it.⏎"


async def test_enter_spoken_to_one_window_is_not_pressed_in_another() -> None:
    dictation = Dictation()
    said = await dictation.say("press enter")
    dictation.page.here = MAIL
    await dictation.write(said)
    assert dictation.page.text == ""
    assert dictation.notices == ["it went elsewhere. Nothing was done."]


async def test_an_utterance_whose_window_is_unknown_is_not_typed() -> None:
    dictation = Dictation()
    await dictation.write(Transcript("From the past.", Utterance(b"", 0, 100)))
    assert (dictation.page.text, dictation.page.aside) == ("", "From the past.")


async def test_text_is_set_aside_while_a_modifier_key_is_held() -> None:
    dictation = Dictation(Page(refuses=[KeysHeld("Shift is held")]))
    assert await dictation.dictate("Hello.") == ""
    assert dictation.page.aside == "Hello."
    assert await dictation.dictate("Hello.") == "Hello."


async def test_a_refused_undo_is_reported_and_changes_nothing() -> None:
    dictation = Dictation()
    await dictation.dictate("One.")
    dictation.page.refuses = [CantUndo("you typed since")]
    assert await dictation.dictate("Scratch that.", "two") == "One. Two"
    assert dictation.notices == ["Not undone: you typed since"]


async def test_a_failure_of_the_target_fails_the_turn_and_the_next_turn_continues_the_text_before_it() -> None:
    dictation = Dictation()
    await dictation.dictate("I went to")
    dictation.page.refuses = [TargetError("it is gone")]
    with pytest.raises(TargetError, match="gone"):
        await dictation.dictate("The shop.")
    assert await dictation.dictate("The sea.") == "I went to the sea."


async def test_a_failure_after_some_text_was_written_does_not_fail_the_turn() -> None:
    dictation = Dictation()

    class WithoutKeys(Page):
        async def enter(self, *, focus: Focus | None) -> None:
            await trio.lowlevel.checkpoint()
            raise TargetError("no keys")

    dictation = Dictation(WithoutKeys())
    assert await dictation.dictate("Sent. Press enter.") == "Sent."
    assert dictation.notices == ["no keys. Nothing more was done."]


async def test_the_rest_of_a_partly_written_utterance_is_set_aside() -> None:
    class FailsAfterEnter(Page):
        async def enter(self, *, focus: Focus | None) -> None:
            await super().enter(focus=focus)
            self.refuses = [TargetError("no keys")]

    dictation = Dictation(FailsAfterEnter())
    assert await dictation.dictate("One. Press enter. Two.") == "One.⏎"
    assert dictation.page.aside == "Two."
    assert dictation.notices == ["no keys. The rest of what you said is in the drawer."]


async def test_new_line_is_not_typed_into_a_terminal() -> None:
    dictation = Dictation(Page(here=XTERM))
    assert await dictation.dictate("ls new line", "minus l") == "ls minus l"


async def test_asleep_nothing_is_written_and_sleep_and_wake_are_reported() -> None:
    dictation = Dictation()
    assert await dictation.dictate("Go to sleep.", "Press enter.", "Secret.", "Wake up.", "Hello.") == "Hello."
    assert len(dictation.notices) == 2


async def test_return_pressed_by_hand_begins_a_new_text() -> None:
    dictation = Dictation()
    await dictation.dictate("Hello")
    dictation.page.happened = "line"
    assert await dictation.dictate("there") == "HelloThere"


def test_the_start_says_whether_the_focus_is_watched() -> None:
    assert Dictation().handler.description == "dictation into page, focus: watched"
    assert Dictation(Page(watches_focus=False)).handler.description == "dictation into page, focus: not watched"


async def test_a_shortcut_wakes_it_as_the_spoken_command_does() -> None:
    dictation = Dictation()
    await dictation.dictate("go to sleep", "nobody hears this")
    dictation.handler.wake()
    assert await dictation.dictate("hello") == "Hello"


@pytest.mark.parametrize(
    ("to", "watched", "late_s"), [("type", True, None), ("type", False, 10.0), ("stdout", False, None)]
)
def test_text_can_come_too_late_only_where_the_focus_is_not_watched(to: str, watched: bool, late_s: float) -> None:
    assert Dictation(Page(watches_focus=watched), to=to).handler.late_s == late_s
