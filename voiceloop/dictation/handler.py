"""`dictation`: what was heard becomes text where the user wants it. Ties the joiner to the target; decides neither how
text is joined nor how it is put in.
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
from voiceloop.dictation.text.joining import Context, Edit, Enter, Insert, Joiner, Sleep, State, Undo, Wake
from voiceloop.dictation.text.spoken_phrases import Lexicon
from voiceloop.errors import CantUndo, FocusChanged, KeysHeld, TargetError
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services, Turns

REMEMBERED_ONSETS = 256
"""More than utterances can wait (`conversation.waiting`), and noises between them."""
REMEMBERED_INSERTIONS = 100
"""How far back "scratch that" can go, said again and again."""


class DictationOptions(TargetOptions):
    """The keys of `[handler]` with `use = "dictation"`."""

    commands: bool = True
    """Whether spoken marks ("comma", "new line") and commands ("scratch that", "press enter") are heeded. Off: all that
    is said is written."""
    replacements: dict[str, str] = Field(default_factory=dict)
    """What is written for a phrase, like `{ "my address" = "ada@example.org" }`; capitals and hyphens don't matter."""
    late_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Where the focus isn't watched: text that comes later than this after it was said is not typed, for its window may
    be another by now. It is shown, and kept for `voiceloop transcribe --pending`."""


class DictationHandler:
    """Writes what it heard."""

    Options = DictationOptions
    turns: Turns = "in_order"
    preemptive = False

    def __init__(self, options: DictationOptions, services: Services, target: Target) -> None:
        transcribe = services.config.transcribe.options
        self._publish = services.publish
        self._target = target
        blind = options.to == "type" and not target.watches_focus
        self.late_s = options.late_s if blind else None
        self._language: str | None = getattr(transcribe, "language", None)
        vocabulary: tuple[str, ...] = getattr(transcribe, "vocabulary", ())
        self._joiner = Joiner(Lexicon(options.replacements, vocabulary), commands=options.commands)
        self._pins: deque[tuple[int, Focus | None]] = deque(maxlen=REMEMBERED_ONSETS)
        self._done: deque[tuple[Insertion, State]] = deque(maxlen=REMEMBERED_INSERTIONS)
        self._unread = False
        """What was put in last of this utterance may not stand there."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Open the target. Raises `TargetError` or `UsageError` when it can't be had."""
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
        """End the sleep that the user said."""
        self._joiner.state = replace(self._joiner.state, asleep=False)

    async def began(self, onset: int) -> None:
        """Note which window has the focus while something is said."""
        if self._target.watches_focus:
            self._pins.append((onset, await self._target.focus()))

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Write it. Raises `TargetError` when nothing of it could be written; what fails after that is told only, so
        that nobody writes the utterance again."""
        await reply.committed()
        pin = self._pin(transcript)
        language = self._language or transcript.language
        terminal = pin is not None and pin.terminal
        context = Context(await self._since(), language, verbatim=terminal, undone=self._undone())
        await self._apply(self._joiner.add(transcript.text, context), pin, context)

    def _pin(self, transcript: Transcript) -> Focus | None:
        """The window that had the focus when the utterance began; None where nobody knows. A target that watches the
        focus then refuses."""
        utterance = transcript.utterance
        found = (focus for onset, focus in self._pins if utterance.start <= onset <= utterance.voiced_end)
        return next(found, None)

    async def _since(self) -> Since:
        return await self._target.since(self._done[-1][0]) if self._done else "nothing"

    def _undone(self) -> tuple[State, ...]:
        return tuple(before for _, before in reversed(self._done))

    async def _apply(self, edits: Sequence[Edit], pin: Focus | None, context: Context) -> None:
        written = self._unread = False
        waiting = deque(edits)
        while waiting:
            edit = waiting.popleft()
            try:
                await self._do(edit, pin)
            except CantUndo as error:
                assert isinstance(edit, Undo)
                self._publish("notice", text=f"Not taken back: {error}")
                waiting = deque(self._joiner.add_after(edit, replace(context, undone=self._undone())))
            except TargetError as error:
                await self._give_up([edit, *waiting], error, written=written)
                return
            written = written or isinstance(edit, Insert | Enter)

    async def _give_up(self, rest: Sequence[Edit], error: TargetError, *, written: bool) -> None:
        """Write no more. What was said is put aside, unless the whole utterance is kept."""
        self._go_on_before(rest)
        if not written and not isinstance(error, FocusChanged | KeysHeld):
            raise error
        text = _text(rest)
        said, nothing = ("The rest of what you said", "Nothing more") if written else ("What you said", "Nothing")
        try:
            where = f"{said} is in {await self._target.set_aside(text)}" if text else f"{nothing} was done"
        except TargetError as failed:
            if not written:
                raise TargetError(f"{error}, and it can't be put aside: {failed}") from failed
            where = f"The rest was not written: {failed}"
        self._publish("notice", text=f"{error}. {where}.")

    def _go_on_before(self, rest: Sequence[Edit]) -> None:
        """Let the joiner go on from where the text really ends. Asleep or awake it is as was said: who said "go to
        sleep" says next what is not to be written."""
        if isinstance(rest[0], Insert | Undo | Enter):
            self._joiner.state = rest[0].before
        for edit in rest:
            if isinstance(edit, Sleep | Wake):
                self._sleep(asleep=isinstance(edit, Sleep))

    def _sleep(self, *, asleep: bool) -> None:
        self._joiner.state = replace(self._joiner.state, asleep=asleep)
        self._publish("dictation.asleep" if asleep else "dictation.awake")
        told = 'Asleep: nothing is written until you say "wake up".' if asleep else "Awake."
        self._publish("notice", text=told)

    async def _do(self, edit: Edit, pin: Focus | None) -> None:
        match edit:
            case Insert(text, before):
                insertion = await self._target.insert(text, focus=pin)
                self._unread = not insertion.read
                self._done.append((insertion, before))
                self._publish("dictation.inserted", characters=len(insertion.text), target=self._target.name)
            case Undo():
                await self._undo()
            case Enter() if self._unread:  # it would send what stands there without what was just said
                self._publish("notice", text="Enter is not pressed: what was pasted before it has not been read.")
            case Enter():
                await self._target.enter(focus=pin)
                self._done.clear()  # what was sent can't be taken back
            case Sleep() | Wake():
                self._sleep(asleep=isinstance(edit, Sleep))

    async def _undo(self) -> None:
        if not self._done:
            raise CantUndo("nothing was written since", place=self._target.name)
        insertion, _ = self._done[-1]
        await self._target.undo(insertion)
        self._done.pop()
        self._publish("dictation.undone", characters=len(insertion.text))


def _text(edits: Sequence[Edit]) -> str:
    """What they would have written; an Enter parts lines."""
    return "".join(edit.text if isinstance(edit, Insert) else "\n" for edit in edits).strip()
