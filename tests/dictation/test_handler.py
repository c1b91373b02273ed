"""The dictation handler: a transcript in, edits to a target out."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from voiceloop.dictation.handler import DictationHandler, DictationOptions
from voiceloop.dictation.targets.target import Focus, Insertion, Since
from voiceloop.errors import CantUndo, FocusChanged, KeysHeld, TargetError
from voiceloop.types import Transcript, Utterance

NOTES, MAIL, XTERM = Focus("1", "Notes"), Focus("2", "Mail"), Focus("3", "XTerm", terminal=True)


@dataclass
class Page:
    """A target that keeps its text, and refuses as it is told to."""

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


class Certain:
    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()


class Desk:
    """A handler at a page; `say` says something in the window that has the focus, `write` writes it."""

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
        await self.handler.handle(transcript, cast(Any, Certain()))

    async def dictate(self, *texts: str) -> str:
        for text in texts:
            await self.write(await self.say(text))
        return self.page.text

    def _publish(self, name: str, /, **fields: object) -> None:
        if name == "notice":
            self.notices.append(str(fields["text"]))


async def test_utterances_become_one_text() -> None:
    desk = Desk(replacements={"my name": "Ada"})
    assert await desk.dictate("Hello.", "my name is new to Voice Loop", "press enter", "bye") == (
        "Hello. Ada is new to voiceloop⏎Bye"
    )


async def test_scratch_that_takes_back_one_insertion_after_the_other() -> None:
    desk = Desk()
    assert await desk.dictate("One.", "Two.", "Three.", "Scratch that, scratch that.") == "One."
    assert await desk.dictate("Then two.") == "One. Then two."


async def test_what_is_said_after_scratch_that_in_one_breath_is_joined_to_what_stands_there() -> None:
    desk = Desk()
    assert await desk.dictate("One.", "Two.", "Scratch that. Three.", "Four.") == "One. Three. Four."
    desk = Desk()
    assert await desk.dictate("One.", "Scratch that. Two.", "Three.") == "Two. Three."


async def test_it_sleeps_when_told_so_after_scratch_that() -> None:
    desk = Desk()
    assert await desk.dictate("One.", "Two.", "Scratch that. Go to sleep.", "Not for you.") == "One."
    assert await desk.dictate("Wake up.", "Three.") == "One. Three."


async def test_what_follows_an_undo_that_was_refused_is_joined_to_what_still_stands_there() -> None:
    desk = Desk()
    await desk.dictate("One.", "Two.")
    desk.page.refuses = [CantUndo("no", place="page") for _ in range(2)]
    assert await desk.dictate("Scratch that. Scratch that.") == "One. Two."
    assert await desk.dictate("Three.") == "One. Two. Three."


async def test_what_is_said_after_an_undo_that_was_refused_in_one_breath_is_joined_to_what_still_stands_there() -> None:
    desk = Desk()
    await desk.dictate("Hello there.")
    desk.page.refuses = [CantUndo("no", place="page")]
    assert await desk.dictate("Scratch that. I like it.") == "Hello there. I like it."
    desk = Desk()
    await desk.dictate("and some", "words")
    desk.page.refuses = [CantUndo("no", place="page") for _ in range(2)]
    assert await desk.dictate("Scratch that, scratch that. The end. Press enter.") == "And some words the end.⏎"
    assert len(desk.notices) == 2


async def test_there_is_an_end_to_what_can_be_taken_back() -> None:
    desk = Desk()
    assert await desk.dictate("One.", "press enter", "scratch that") == "One.⏎"
    assert "nothing was written since" in desk.notices[-1]


async def test_text_said_in_one_window_is_not_typed_into_another() -> None:
    desk = Desk()
    said = await desk.say("The secret. Press enter. And more.")
    desk.page.here = MAIL
    await desk.write(said)
    assert (desk.page.text, desk.page.aside) == ("", "The secret.\nAnd more.")
    assert desk.notices == ["it went elsewhere. What you said is in the drawer."]
    assert await desk.dictate("New.") == "New."


async def test_it_sleeps_when_told_so_behind_what_could_not_be_written() -> None:
    desk = Desk()
    said = await desk.say("Hello. Go to sleep.")
    desk.page.here = MAIL
    await desk.write(said)
    assert await desk.dictate("My secret.") == ""
    desk = Desk(Page(refuses=[TargetError("it is gone")]))
    with pytest.raises(TargetError, match="gone"):
        await desk.dictate("Hello. Go to sleep.")
    assert await desk.dictate("My secret.") == ""
    assert await desk.dictate("Wake up. Hello.") == "Hello."


async def test_it_stays_awake_when_what_was_said_after_waking_it_fails() -> None:
    desk = Desk()
    await desk.dictate("Go to sleep.")
    desk.page.refuses = [TargetError("it is gone")]
    with pytest.raises(TargetError, match="gone"):
        await desk.dictate("Wake up. Hello.")
    assert await desk.dictate("Hello.") == "Hello."


async def test_the_turn_fails_when_nothing_was_written_and_nothing_can_be_put_aside() -> None:
    desk = Desk(Page(aside_refuses=TargetError("no clipboard")))
    said = await desk.say("The secret.")
    desk.page.here = MAIL
    with pytest.raises(TargetError, match=r"it went elsewhere, and it can't be put aside: no clipboard"):
        await desk.write(said)


async def test_what_can_not_be_put_aside_fails_no_turn_of_which_a_part_was_written() -> None:
    class Fickle(Page):
        async def enter(self, *, focus: Focus | None) -> None:
            await super().enter(focus=focus)
            self.here = MAIL

    desk = Desk(Fickle(aside_refuses=TargetError("no clipboard")))
    assert await desk.dictate("One. Press enter. Two.") == "One.⏎"
    assert desk.notices == ["it went elsewhere. The rest was not written: no clipboard."]


async def test_an_utterance_fails_when_only_its_undo_came_about() -> None:
    class Undoes(Page):
        async def undo(self, insertion: Insertion) -> None:
            await super().undo(insertion)
            self.refuses = [TargetError("it is gone")]

    desk = Desk(Undoes())
    await desk.dictate("One.")
    with pytest.raises(TargetError, match="gone"):
        await desk.dictate("Scratch that. Two.")
    assert desk.page.text == ""


async def test_enter_is_not_pressed_after_a_paste_that_was_not_read_until_it_is_said_again() -> None:
    desk = Desk(Page(reads=False))
    assert await desk.dictate("Send it. Press enter.") == "Send it."
    assert desk.notices == ["Enter is not pressed: what was pasted before it has not been read."]
    assert await desk.dictate("Press enter.") == "Send it.⏎"


async def test_enter_said_in_one_window_is_not_pressed_in_another() -> None:
    desk = Desk()
    said = await desk.say("press enter")
    desk.page.here = MAIL
    await desk.write(said)
    assert desk.page.text == ""
    assert desk.notices == ["it went elsewhere. Nothing was done."]


async def test_an_utterance_of_which_nobody_knows_the_window_is_not_typed() -> None:
    desk = Desk()
    await desk.write(Transcript("From the past.", Utterance(b"", 0, 100)))
    assert (desk.page.text, desk.page.aside) == ("", "From the past.")


async def test_held_keys_put_the_text_aside() -> None:
    desk = Desk(Page(refuses=[KeysHeld("Shift is held")]))
    assert await desk.dictate("Hello.") == ""
    assert desk.page.aside == "Hello."
    assert await desk.dictate("Hello.") == "Hello."


async def test_an_undo_that_is_refused_is_told_and_changes_nothing() -> None:
    desk = Desk()
    await desk.dictate("One.")
    desk.page.refuses = [CantUndo("you typed since")]
    assert await desk.dictate("Scratch that.", "two") == "One. Two"
    assert desk.notices == ["Not taken back: you typed since"]


async def test_a_target_that_fails_fails_the_turn_and_the_next_goes_on_as_if_it_had_not_been() -> None:
    desk = Desk()
    await desk.dictate("I went to")
    desk.page.refuses = [TargetError("it is gone")]
    with pytest.raises(TargetError, match="gone"):
        await desk.dictate("The shop.")
    assert await desk.dictate("The sea.") == "I went to the sea."


async def test_what_fails_after_something_was_written_fails_no_turn() -> None:
    desk = Desk()

    class Keyless(Page):
        async def enter(self, *, focus: Focus | None) -> None:
            await trio.lowlevel.checkpoint()
            raise TargetError("no keys")

    desk = Desk(Keyless())
    assert await desk.dictate("Sent. Press enter.") == "Sent."
    assert desk.notices == ["no keys. Nothing more was done."]


async def test_what_is_left_when_something_was_written_is_put_aside() -> None:
    class Once(Page):
        async def enter(self, *, focus: Focus | None) -> None:
            await super().enter(focus=focus)
            self.refuses = [TargetError("no keys")]

    desk = Desk(Once())
    assert await desk.dictate("One. Press enter. Two.") == "One.⏎"
    assert desk.page.aside == "Two."
    assert desk.notices == ["no keys. The rest of what you said is in the drawer."]


async def test_a_terminal_gets_no_new_line() -> None:
    desk = Desk(Page(here=XTERM))
    assert await desk.dictate("ls new line", "minus l") == "ls minus l"


async def test_it_is_told_when_it_sleeps() -> None:
    desk = Desk()
    assert await desk.dictate("Go to sleep.", "Press enter.", "Secret.", "Wake up.", "Hello.") == "Hello."
    assert len(desk.notices) == 2


async def test_return_by_hand_begins_a_new_text() -> None:
    desk = Desk()
    await desk.dictate("Hello")
    desk.page.happened = "line"
    assert await desk.dictate("there") == "HelloThere"


def test_the_start_says_whether_the_focus_is_watched() -> None:
    assert Desk().handler.description == "dictation into page, focus: watched"
    assert Desk(Page(watches_focus=False)).handler.description == "dictation into page, focus: not watched"


async def test_a_shortcut_wakes_it_as_saying_so_does() -> None:
    desk = Desk()
    await desk.dictate("go to sleep", "nobody hears this")
    desk.handler.wake()
    assert await desk.dictate("hello") == "Hello"


@pytest.mark.parametrize(
    ("to", "watched", "late_s"), [("type", True, None), ("type", False, 10.0), ("stdout", False, None)]
)
def test_only_where_nobody_sees_the_window_text_can_come_too_late(to: str, watched: bool, late_s: float) -> None:
    assert Desk(Page(watches_focus=watched), to=to).handler.late_s == late_s
