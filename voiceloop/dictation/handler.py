"""The dictation handler: writes transcripts where the user wants them. Connects the joiner, which decides how text is
joined, to the target, which decides how it is inserted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets.target import Focus, Insertion, Since, Target, TargetOptions
from voiceloop.dictation.text.joining import Context, Edit, Enter, Insert, Joiner, Marks, Sleep, State, Undo, Wake
from voiceloop.dictation.text.leaving_out import FullStop
from voiceloop.dictation.text.spoken_phrases import Lexicon
from voiceloop.errors import CantUndo, FocusChanged, KeysHeld, TargetError
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services, Turns

REMEMBERED_ONSETS = 256
"""More than the utterances that can wait (`conversation.waiting`) and the noises between them."""
REMEMBERED_INSERTIONS = 100
"""How many insertions repeated "scratch that" can take back."""

_LONG = 600
"""Longer texts are joined in a thread: the loop waits for nothing that takes over 20 ms."""


class DictationOptions(TargetOptions):
    """The keys of `[handler]` with `use = "dictation"`."""

    commands: bool = True
    """Whether spoken commands ("scratch that", "press enter") and marks ("comma", "new line") are obeyed. Off: both are
    written as words, whatever `marks` says."""
    marks: Marks = "auto"
    """Which names of marks and of formatting are obeyed. `auto`: rare ones ("comma", "question mark") anywhere,
    everyday ones ("period", "new line", "cap") only by themselves, between the transcriber's own marks or pauses; in a
    text without any punctuation as `inline`. `inline`: all of them, except after an article. `off`: none."""
    replacements: dict[str, str] = Field(default_factory=dict)
    """The text to write for a spoken phrase, like `{ "my address" = "ada@example.org" }`. Capitals and hyphens in the
    phrase don't matter. A phrase that is replaced by nothing (`""`) goes with the commas around it."""
    fillers: bool = False
    """Whether fillers of the spoken language ("um", "äh", "euh") are left out, with the commas around them."""
    full_stop: FullStop = "always"
    """Whether the full stop that the transcriber puts after a short utterance, of up to six words, is written.
    `sentences`: only where the words are a sentence, not a name, an address or a search term. `never`: not at all. One
    that you say is always written."""
    late_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """The longest time from speech to its text, in seconds, where the focus can't be watched. Later text is not typed,
    because another window may have the focus by then. It is shown, and kept for `voiceloop transcribe --pending`."""


class DictationHandler:
    """Writes each transcript to the target, in the order of speech."""

    Options = DictationOptions
    turns: Turns = "in_order"
    preemptive = False

    def __init__(self, options: DictationOptions, services: Services, target: Target) -> None:
        transcribe = services.config.transcribe.options
        self._publish = services.publish
        self._target = target
        unwatched = options.to == "type" and not target.watches_focus
        self.late_s = options.late_s if unwatched else None
        self._language: str | None = getattr(transcribe, "language", None)
        vocabulary: tuple[str, ...] = getattr(transcribe, "vocabulary", ())
        if vocabulary:
            from voiceloop.transcribe.vocabulary import as_written  # only where there is a vocabulary

            vocabulary = as_written(vocabulary)
        self._joiner = Joiner(
            Lexicon(options.replacements, vocabulary),
            commands=options.commands,
            marks=options.marks,
            fillers=options.fillers,
            full_stop=options.full_stop,
        )
        self._focuses: deque[tuple[int, Focus | None]] = deque(maxlen=REMEMBERED_ONSETS)
        self._insertions: deque[tuple[Insertion, State]] = deque(maxlen=REMEMBERED_INSERTIONS)
        self._paste_unread = False
        """Whether the last insertion of this utterance was pasted but not read, so that it may be missing."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Open the target. Raises `TargetError` when it doesn't work here, `UsageError` when there is no such
        target."""
        assert isinstance(options, DictationOptions)
        async with open_target(options.to, options, services.publish) as target:
            yield cls(options, services, target)

    @property
    def description(self) -> str:
        watched = "focus: watched" if self._target.watches_focus else "focus: not watched"
        return f"dictation into {self._target.name}, {watched}"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    def wake(self) -> None:
        """End the sleep that "go to sleep" began."""
        self._joiner.state = replace(self._joiner.state, asleep=False)

    async def began(self, onset: int) -> None:
        """Note which window has the focus when speech begins; `onset` is the sample index of the beginning."""
        if self._target.watches_focus:
            self._focuses.append((onset, await self._target.focus()))

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Write the transcript. Raises `TargetError` when none of it could be written. Once a part has been written,
        an error is only published as a notice: raising it would keep the whole utterance to be written again."""
        await reply.committed()
        focus = self._focus_at_onset(transcript)
        language = self._language or transcript.language
        terminal = focus is not None and focus.terminal
        undone = self._states_after_undo()
        context = Context(await self._since(), language, verbatim=terminal, words=transcript.words, undone=undone)
        if len(transcript.text) > _LONG:
            edits = await trio.to_thread.run_sync(self._joiner.add, transcript.text, context)
        else:
            edits = self._joiner.add(transcript.text, context)
        await self._apply(edits, focus, context)

    def _focus_at_onset(self, transcript: Transcript) -> Focus | None:
        """The window that had the focus when the utterance began; None if unknown. A target that watches the focus
        inserts nothing when it gets None."""
        utterance = transcript.utterance
        found = (focus for onset, focus in self._focuses if utterance.start <= onset <= utterance.voiced_end)
        return next(found, None)

    async def _since(self) -> Since:
        return await self._target.since(self._insertions[-1][0]) if self._insertions else "nothing"

    def _states_after_undo(self) -> tuple[State, ...]:
        return tuple(before for _, before in reversed(self._insertions))

    async def _apply(self, edits: Sequence[Edit], focus: Focus | None, context: Context) -> None:
        written = self._paste_unread = False
        waiting = deque(edits)
        while waiting:
            edit = waiting.popleft()
            try:
                await self._perform(edit, focus)
            except CantUndo as error:
                assert isinstance(edit, Undo)
                self._publish("notice", text=f"Not undone: {error}")
                waiting = deque(self._joiner.add_after(edit, replace(context, undone=self._states_after_undo())))
            except TargetError as error:
                await self._give_up([edit, *waiting], error, written=written)
                return
            written = written or isinstance(edit, Insert | Enter)

    async def _give_up(self, rest: Sequence[Edit], error: TargetError, *, written: bool) -> None:
        """Stop writing this utterance and put the rest of its text aside. Raises `error` when nothing was written and
        the whole utterance is to be kept (any error other than a changed focus and held keys)."""
        self._set_back(rest)
        if not written and not isinstance(error, FocusChanged | KeysHeld):
            raise error
        text = _text(rest)
        subject, nothing = ("The rest of what you said", "Nothing more") if written else ("What you said", "Nothing")
        try:
            outcome = f"{subject} is in {await self._target.set_aside(text)}" if text else f"{nothing} was done"
        except TargetError as failed:
            if not written:
                raise TargetError(f"{error}, and the text can't be put aside: {failed}") from failed
            outcome = f"The rest was not written: {failed}"
        self._publish("notice", text=f"{error}. {outcome}.")

    def _set_back(self, rest: Sequence[Edit]) -> None:
        """Set the joiner's state back to where the written text really ends. Spoken "go to sleep" and "wake up" in
        `rest` are still obeyed: after "go to sleep" the user expects that nothing is written."""
        if isinstance(rest[0], Insert | Undo | Enter):
            self._joiner.state = rest[0].before
        for edit in rest:
            if isinstance(edit, Sleep | Wake):
                self._sleep(asleep=isinstance(edit, Sleep))

    def _sleep(self, *, asleep: bool) -> None:
        self._joiner.state = replace(self._joiner.state, asleep=asleep)
        self._publish("dictation.asleep" if asleep else "dictation.awake")
        notice = 'Asleep: nothing is written until you say "wake up".' if asleep else "Awake."
        self._publish("notice", text=notice)

    async def _perform(self, edit: Edit, focus: Focus | None) -> None:
        match edit:
            case Insert(text, before):
                insertion = await self._target.insert(text, focus=focus)
                self._paste_unread = not insertion.read
                self._insertions.append((insertion, before))
                self._publish("dictation.inserted", characters=len(insertion.text), target=self._target.name)
            case Undo():
                await self._undo()
            case Enter() if self._paste_unread:  # Enter would send the text in the window without what was just said
                self._publish("notice", text="Enter is not pressed: the window has not read the text pasted before it.")
            case Enter():
                await self._target.enter(focus=focus)
                self._insertions.clear()  # text that was sent can't be taken back
            case Sleep() | Wake():
                self._sleep(asleep=isinstance(edit, Sleep))

    async def _undo(self) -> None:
        if not self._insertions:
            raise CantUndo("there is nothing left to undo", place=self._target.name)
        insertion, _ = self._insertions[-1]
        await self._target.undo(insertion)
        self._insertions.pop()
        self._publish("dictation.undone", characters=len(insertion.text))


def _text(edits: Sequence[Edit]) -> str:
    """The text that the edits would have written; an Enter counts as a newline."""
    return "".join(edit.text if isinstance(edit, Insert) else "\n" for edit in edits).strip()
