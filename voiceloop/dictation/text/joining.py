"""The joiner: turns transcripts into running text with spaces, capitals, spoken marks and commands. Pure: returns edits
and writes nothing.

The transcript is untrusted. The resulting text holds no control, escape or direction characters, and a newline only
where the user said one or a replacement in the config has one.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from voiceloop.dictation.targets.target import Since
from voiceloop.dictation.text.fillers import fillers_in
from voiceloop.dictation.text.languages import phrases_for
from voiceloop.dictation.text.leaving_out import FullStop, left_out, without_full_stop
from voiceloop.dictation.text.seams import capitalised, needs_space, sentence_after
from voiceloop.dictation.text.spoken_kinds import Command, Format, Spoken
from voiceloop.dictation.text.spoken_phrases import Lexicon, Piece, Reading, commands_in, pieces_of
from voiceloop.dictation.text.tokens import Token, are_unpunctuated, sentences, tokens_of, with_pauses
from voiceloop.text import clean
from voiceloop.types import Word

Marks = Literal["auto", "inline", "off"]
"""Which names of punctuation marks and of formatting are obeyed."""

REMEMBERED = 32
"""How many characters before the cursor are kept to decide about spaces and capitals."""


@dataclass(frozen=True, slots=True)
class Insert:
    """Put exactly `text` before the cursor. `before`: the joiner's state to return to when this is undone."""

    text: str
    before: State


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo the last insertion. `before`: the joiner's state to return to when the undo is refused; `rest`: the rest of
    the transcript after it."""

    before: State = field(default_factory=lambda: State(), compare=False)  # noqa: PLW0108 - it stands below
    rest: Unjoined = field(default_factory=lambda: Unjoined(), compare=False)  # noqa: PLW0108 - it stands below


@dataclass(frozen=True, slots=True)
class Enter:
    """Press Enter. `before`: the joiner's state to return to when that fails."""

    before: State = field(default_factory=lambda: State(), compare=False)  # noqa: PLW0108 - it stands below


@dataclass(frozen=True, slots=True)
class Sleep:
    """Write nothing until `Wake`."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Write again."""


Edit = Insert | Undo | Enter | Sleep | Wake


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the place where the text will go. `verbatim`: add no capitals and no new lines (a terminal).

    `undone`: the joiner's states after undoing one, two, three … of the earlier insertions."""

    since: Since = "nothing"
    language: str | None = None
    verbatim: bool = False
    words: tuple[Word, ...] = ()
    """The words with their times, where the transcriber tells them: its pauses set marks and commands apart."""
    undone: tuple[State, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The text before the cursor, as far as it is known. `sentence`: whether a sentence begins here; None: unknown."""

    tail: str = ""
    sentence: bool | None = True
    tight: bool = False
    """Whether the next piece gets no space before it, whatever it is."""
    caps: bool = False
    """Whether words get capitals ("caps on")."""
    asleep: bool = False

    def moved(self, since: Since) -> State:
        """The state after the user's own input since the last insertion."""
        match since:
            case "elsewhere" | "line":
                return replace(self, tail="", sentence=True, tight=False)
            case "something":
                # Any letter as the tail, so that a space follows: one too many reads better than two words glued
                # together.
                return replace(self, tail="x", sentence=None, tight=False)
        return self

    def written(self, text: str, language: str | None, *, mark: bool) -> State:
        """The state after `text` was written, a spoken `mark` or words."""
        tail = (self.tail + text)[-REMEMBERED:]
        ends = sentence_after(tail, language, mark=mark)
        # Quotes and brackets alone don't begin a sentence: the word after them does.
        begun = any(map(str.isalnum, text)) or self.sentence is not True
        return replace(self, tail=tail, sentence=ends if begun or ends else True)


@dataclass(frozen=True, slots=True)
class Unjoined:
    """The part of a transcript still to be joined: commands to obey, and the sentences after them."""

    commands: tuple[Command, ...] = ()
    sentences: tuple[Sequence[Token], ...] = ()
    spoken: Spoken | None = None
    reading: Reading = Reading.WORDS


@dataclass(slots=True)
class Joiner:
    """Turns each transcript into edits. `commands`: whether spoken marks and commands are obeyed; `marks`: which marks.
    `fillers`: whether the fillers of the language are left out. `full_stop`: what becomes of the transcriber's full
    stop after a few words.

    When an edit fails, the caller that performs the edits sets `state` back to the state before that edit.
    """

    lexicon: Lexicon = field(default_factory=Lexicon)
    commands: bool = True
    state: State = field(default_factory=State)
    marks: Marks = "auto"
    fillers: bool = False
    full_stop: FullStop = "always"
    _last_known: str | None = None
    """The language that the speech was last known to be of."""

    def add(self, text: str, context: Context = Context()) -> list[Edit]:
        """The edits for a transcript, in order. `state` is afterwards the state after all of them."""
        self.state = self.state.moved(context.since)
        text = unicodedata.normalize("NFC", clean(text))
        language, spoken = phrases_for(text, context.language or self._last_known, told=context.language is not None)
        self._last_known = language or self._last_known
        hesitant = spoken.unfinished | spoken.determiners if spoken else frozenset[str]()
        heard = with_pauses(tokens_of(text), context.words, hesitant)
        gone = self.lexicon.nothing | (fillers_in(language) if self.fillers else frozenset())
        tokens = without_full_stop(left_out(heard, gone), self.full_stop, language)
        reading = self._reading(heard, known=language is not None)
        spoken = spoken if self.commands else None
        return self._join(Unjoined((), tuple(sentences(tokens)), spoken, reading), replace(context, language=language))

    def _reading(self, tokens: Sequence[Token], *, known: bool) -> Reading:
        """Which marks are meant in a transcript. One without any punctuation is of a transcriber that writes none."""
        if self.marks == "off":
            return Reading.WORDS
        if self.marks == "inline":
            return Reading.INLINE
        if not known:
            return Reading.APART
        return Reading.INLINE if are_unpunctuated(tokens) else Reading.RARE

    def add_after(self, refused: Undo, context: Context) -> list[Edit]:
        """The edits that replace all edits after a refused undo: the text that it should have removed is still
        there."""
        self.state = refused.before
        return self._join(refused.rest, context)

    def _join(self, unjoined: Unjoined, context: Context) -> list[Edit]:
        spoken = unjoined.spoken
        edits: list[Edit] = []
        waiting: list[Token] = []
        undone = list(context.undone)
        commands, rest = deque(unjoined.commands), deque(unjoined.sentences)
        while commands or rest:
            if not commands:
                sentence = rest.popleft()
                commands += self._to_obey(commands_in(sentence, spoken)) if spoken else []
                if not commands:
                    waiting += [] if self.state.asleep else sentence
                    continue
                self._write(waiting, context, unjoined, edits)
                waiting = []
            command = commands.popleft()
            left = replace(unjoined, commands=tuple(commands), sentences=tuple(rest))
            self._obey(command, edits, undone, left)
        self._write(waiting, context, unjoined, edits)
        return edits

    def _to_obey(self, commands: list[Command]) -> list[Command]:
        """The commands that count now: asleep only "wake up"; awake all but "wake up", which is then ordinary text."""
        return [command for command in commands if (command is Command.WAKE) == self.state.asleep]

    def _obey(self, command: Command, edits: list[Edit], undone: list[State], rest: Unjoined) -> None:
        match command:
            case Command.UNDO:
                last = edits[-1] if edits else None
                if isinstance(last, Insert):  # said in the same utterance: it was not written yet
                    edits.pop()
                    self.state = last.before
                else:
                    edits.append(Undo(self.state, rest))
                    if undone:  # the following text is joined to the text that remains after the undo
                        self.state = replace(undone.pop(0), asleep=self.state.asleep)
            case Command.ENTER:
                edits.append(Enter(self.state))
                undone.clear()
                self.state = self.state.moved("line")
            case Command.SLEEP:
                edits.append(Sleep())
                self.state = replace(self.state, asleep=True)
            case Command.WAKE:
                edits.append(Wake())
                self.state = replace(self.state, asleep=False)

    def _write(self, tokens: list[Token], context: Context, unjoined: Unjoined, edits: list[Edit]) -> None:
        before = self.state
        writer = _Writer(before, context, unjoined.spoken)
        text = writer.write(pieces_of(tokens, self.lexicon, unjoined.spoken, unjoined.reading))
        self.state = writer.state
        if text:
            edits.append(Insert(text, before))


@dataclass(slots=True)
class _Writer:
    """Appends pieces to the text before the cursor."""

    state: State
    context: Context
    spoken: Spoken | None
    text: str = ""
    next_format: Format | None = None

    def write(self, pieces: list[Piece | Format]) -> str:
        for piece in pieces:
            if isinstance(piece, Piece):
                self._piece(piece)
            elif piece in (Format.CAPS_ON, Format.CAPS_OFF):
                self.state = replace(self.state, caps=piece is Format.CAPS_ON)
            elif piece is Format.NO_SPACE:
                self.state = replace(self.state, tight=True)
            elif piece is not Format.LITERAL:
                self.next_format = piece
        return self.text

    def _piece(self, piece: Piece) -> None:
        text = self._cased(piece)
        if self.context.verbatim:
            text = text.replace("\n", " ").rstrip(" ")
        if not text:
            return
        tight = self.state.tight or piece.tight_left
        spaced = not tight and (piece.follows or needs_space(text, after=self.state.tail))
        written = f" {text}" if spaced else text
        self.text += written
        state = self.state.written(written, self.context.language, mark=piece.mark)
        self.state = replace(state, tight=piece.tight_right)

    def _cased(self, piece: Piece) -> str:
        text, format_ = piece.text, self.next_format
        if any(map(str.isalnum, text)):
            self.next_format = None
            if format_ is Format.ALL_CAPS:
                return text.upper()
            if format_ is Format.CAPITAL or self.state.caps:
                return capitalised(text, self.context.language)
        if piece.fixed or piece.heard or self.context.verbatim:
            return text
        if self.state.sentence:
            return capitalised(text, self.context.language)
        return self._lowered(text) if self.state.sentence is False and piece.loose else text

    def _lowered(self, text: str) -> str:
        """Undo the capital that the transcriber gave to the first word of a supposed sentence."""
        word = text.strip(".,;:!?…\"'()")
        small = self.spoken is not None and word.casefold() in self.spoken.small
        return text[0].lower() + text[1:] if small and word[1:] == word[1:].lower() else text
