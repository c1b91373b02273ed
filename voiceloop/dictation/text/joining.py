"""Joins what was said into running text: spaces, capitals, spoken marks and commands. Pure; puts nothing anywhere.

The transcript is untrusted: what leaves here holds no control, escape or direction character, and a newline only where
one was said or a replacement of the user's has one.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from voiceloop.dictation.targets.target import Since
from voiceloop.dictation.text.spoken import Command, Format, Spoken, spoken_in
from voiceloop.dictation.text.spoken_phrases import Lexicon, Piece, Token, commands_in, pieces_of, sentences, tokens_of
from voiceloop.text import clean, join_chunks

REMEMBERED = 32
"""Characters before the cursor that spacing and capitals look at."""
_OPENING = frozenset("([{¿¡«„“‘#@/")
_CLOSING = frozenset(".,;:!?…)]}»”’%")
_ENDS = frozenset(".!?…。！？")
_AFTER_END = "\"'”’“»)] "


@dataclass(frozen=True, slots=True)
class Insert:
    """Put `text` before the cursor, exactly. `before` is the joiner's state when that is undone."""

    text: str
    before: State


@dataclass(frozen=True, slots=True)
class Undo:
    """Take the last insertion back. `before` is the joiner's state when that is refused, `rest` what was said after."""

    before: State = field(default_factory=lambda: State(), compare=False)  # noqa: PLW0108 - it stands below
    rest: Said = field(default_factory=lambda: Said(), compare=False)  # noqa: PLW0108 - it stands below


@dataclass(frozen=True, slots=True)
class Enter:
    """Press Enter. `before` is the joiner's state when that fails."""

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
    """What is known of where the text will go. `verbatim`: no capitals of ours, no new lines (a terminal).

    `undone`: the states that taking back the insertions before leads to, the last one's first."""

    since: Since = "nothing"
    language: str | None = None
    verbatim: bool = False
    undone: tuple[State, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What stands before the cursor, as far as is known. `sentence`: whether a sentence begins here; None: unknown."""

    tail: str = ""
    sentence: bool | None = True
    tight: bool = False
    """No space follows, whatever comes."""
    caps: bool = False
    asleep: bool = False

    def moved(self, since: Since) -> State:
        """After what the user did meanwhile."""
        match since:
            case "elsewhere" | "line":
                return replace(self, tail="", sentence=True, tight=False)
            case "something":
                # A space too many reads better than two words glued together.
                return replace(self, tail="x", sentence=None, tight=False)
        return self

    def written(self, text: str) -> State:
        """After `text` was put in."""
        tail = (self.tail + text)[-REMEMBERED:]
        ends = tail.rstrip(_AFTER_END)[-1:] in _ENDS or tail.endswith("\n")
        # Quotes and brackets alone don't begin a sentence: the word after them does.
        begun = any(map(str.isalnum, text)) or self.sentence is not True
        return replace(self, tail=tail, sentence=ends or not begun)


@dataclass(frozen=True, slots=True)
class Said:
    """What is still to be joined: commands that are heeded, and the sentences after them."""

    commands: tuple[Command, ...] = ()
    sentences: tuple[Sequence[Token], ...] = ()


@dataclass(slots=True)
class Joiner:
    """Turns each transcript into edits. `commands`: whether spoken marks and commands are heeded.

    `state` may be set back by whoever does the edits, to what it was when one failed.
    """

    lexicon: Lexicon = field(default_factory=Lexicon)
    commands: bool = True
    state: State = field(default_factory=State)

    def add(self, text: str, context: Context = Context()) -> list[Edit]:
        """What to do for a transcript, in order. The state is then that after all of it."""
        self.state = self.state.moved(context.since)
        tokens = tokens_of(unicodedata.normalize("NFC", clean(text)))
        return self._join(Said(sentences=tuple(sentences(tokens))), context)

    def add_after(self, refused: Undo, context: Context) -> list[Edit]:
        """What to do in place of all that came after an undo that was refused: what it was to take back still stands
        there."""
        self.state = refused.before
        return self._join(refused.rest, context)

    def _join(self, said: Said, context: Context) -> list[Edit]:
        spoken = spoken_in(context.language) if self.commands else None
        edits: list[Edit] = []
        waiting: list[Token] = []
        undone = list(context.undone)
        commands, rest = deque(said.commands), deque(said.sentences)
        while commands or rest:
            if not commands:
                sentence = rest.popleft()
                commands += self._heeded(commands_in(sentence, spoken)) if spoken else []
                if not commands:
                    waiting += [] if self.state.asleep else sentence
                    continue
                self._write(waiting, context, spoken, edits)
                waiting = []
            command = commands.popleft()
            self._obey(command, edits, undone, Said(tuple(commands), tuple(rest)))
        self._write(waiting, context, spoken, edits)
        return edits

    def _heeded(self, commands: list[Command]) -> list[Command]:
        """Asleep, only waking counts; awake, it is words like any others."""
        return [command for command in commands if (command is Command.WAKE) == self.state.asleep]

    def _obey(self, command: Command, edits: list[Edit], undone: list[State], rest: Said) -> None:
        match command:
            case Command.UNDO:
                last = edits[-1] if edits else None
                if isinstance(last, Insert):  # said in the same breath: it was never put in
                    edits.pop()
                    self.state = last.before
                else:
                    edits.append(Undo(self.state, rest))
                    if undone:  # what follows is joined to what then stands there
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

    def _write(self, tokens: list[Token], context: Context, spoken: Spoken | None, edits: list[Edit]) -> None:
        before = self.state
        writer = _Writer(before, context, spoken)
        text = writer.write(pieces_of(tokens, self.lexicon, spoken))
        self.state = writer.state
        if text:
            edits.append(Insert(text, before))


@dataclass(slots=True)
class _Writer:
    """Writes pieces behind what stands before the cursor."""

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
        spaced = not (self.state.tight or piece.tight_left) and _parted(self.state.tail, text)
        written = f" {text}" if spaced else text
        self.text += written
        self.state = replace(self.state.written(written), tight=piece.tight_right)

    def _cased(self, piece: Piece) -> str:
        text, how = piece.text, self.next_format
        if any(map(str.isalnum, text)):
            self.next_format = None
            if how is Format.ALL_CAPS:
                return text.upper()
            if how is Format.CAPITAL or self.state.caps:
                return _capitalised(text)
        if piece.fixed or self.context.verbatim:
            return text
        if self.state.sentence:
            return _capitalised(text)
        return self._lowered(text) if self.state.sentence is False and piece.loose else text

    def _lowered(self, text: str) -> str:
        """Without the capital that the transcriber gave the first word of what it took for a sentence."""
        word = text.strip(".,;:!?…\"'()")
        small = self.spoken is not None and word.casefold() in self.spoken.small
        return text[0].lower() + text[1:] if small and word[1:] == word[1:].lower() else text


def _capitalised(text: str) -> str:
    at = next((at for at, char in enumerate(text) if char.isalnum()), 0)
    if "@" in text or "://" in text or any(char.isupper() for char in text[at + 1 :]):  # an address, an "iPhone"
        return text
    return text[:at] + text[at : at + 1].upper() + text[at + 1 :]


def _parted(tail: str, text: str) -> bool:
    """Whether a space belongs between what stands before the cursor and `text`."""
    if not tail or tail[-1].isspace() or tail[-1] in _OPENING or text[0].isspace():
        return False
    if text[0] in _CLOSING and not any(map(str.isalnum, text)):
        return False
    return len(join_chunks([tail, text])) > len(tail) + len(text)  # scripts that use no spaces
