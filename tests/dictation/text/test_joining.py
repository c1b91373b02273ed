"""Joining utterances to running text: spaces, capitals, spoken punctuation and commands."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.dictation.targets.target import Since
from voiceloop.dictation.text.joining import Context, Edit, Enter, Insert, Joiner, Sleep, Undo, Wake
from voiceloop.dictation.text.spoken_phrases import Lexicon


def written(*said: str, language: str = "en", joiner: Joiner | None = None, verbatim: bool = False) -> str:
    joiner = joiner or Joiner()
    context = Context(language=language, verbatim=verbatim)
    return "".join(edit.text for text in said for edit in joiner.add(text, context) if isinstance(edit, Insert))


def kinds(edits: list[Edit]) -> list[str | type[Edit]]:
    return [edit.text if isinstance(edit, Insert) else type(edit) for edit in edits]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["Hello there.", "How are you?"], "Hello there. How are you?"),
        (["hello there", "how are you"], "Hello there how are you"),
        (["I went to", "The shop.", "It was shut."], "I went to the shop. It was shut."),
        (["I met", "Peter."], "I met Peter."),
        (["He said", "I am here."], "He said I am here."),
        (["  ", "Yes.", ""], "Yes."),
        (["See", "(below).", "And", ", then, this."], "See (below). And, then, this."),
        (["my iPhone", "iPhone users"], "My iPhone iPhone users"),
        (["今日は。", "元気です。"], "今日は。元気です。"),
        (["Say 元気", "to her"], "Say 元気 to her"),
    ],
)
def test_utterances_are_joined_with_the_spaces_and_capitals_of_one_text(said: list[str], expected: str) -> None:
    assert written(*said) == written(*said, joiner=Joiner(marks="inline")) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("hello comma world full stop how are you question mark", "Hello, world. How are you?"),
        ("Hello, comma, world. Full stop.", "Hello, world."),
        ("Dear Ada, new line. Thank you.", "Dear Ada\nThank you."),
        ("One. New paragraph. two", "One.\n\nTwo"),
        ("he said open quote yes close quote and left", 'He said "yes" and left'),
        ("see open bracket page four close bracket period", "See (page four)."),
        ("well hyphen known dash really", "Well-known – really"),
        ("the period of the comma", "The period of the comma"),
        ("literal comma", "Comma"),
        ("this is all caps important okay", "This is IMPORTANT okay"),
        ("the cap fits cap france", "The cap fits France"),
        ("caps on war and peace caps off is long", "War And Peace is long"),
        ("data no space base", "Database"),
        ("ada at sign example.org", "Ada@example.org"),
    ],
)
def test_punctuation_and_formatting_can_be_spoken_in_english(said: str, expected: str) -> None:
    assert written(said) == written(said, joiner=Joiner(marks="inline")) == expected


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("de", "Hallo Komma Welt Ausrufezeichen neue Zeile wie geht es Fragezeichen", "Hallo, Welt!\nWie geht es?"),
        ("de-AT", "Der Punkt ist wichtig, Punkt.", "Der Punkt ist wichtig."),
        ("de", "Er sagte Doppelpunkt Anführungszeichen auf ja Anführungszeichen zu", "Er sagte: „ja“"),
        ("fr", "Bonjour virgule ça va point d'interrogation", "Bonjour, ça va\u202f?"),
        ("fr", "C'est le point. À la ligne. oui", "C'est le point.\nOui"),
        ("es", "Abrir interrogación qué tal cerrar interrogación nueva línea hola", "¿Qué tal?\nHola"),
        ("es", "Es el punto final punto", "Es el punto final."),
        ("spanish", "hola coma mundo", "Hola, mundo"),
        ("ja", "comma", "Comma"),
    ],
)
def test_each_language_has_its_own_spoken_punctuation(language: str, said: str, expected: str) -> None:
    inline = Joiner(marks="inline")
    assert written(said, language=language) == written(said, language=language, joiner=inline) == expected


def test_a_quote_may_continue_in_the_next_utterance() -> None:
    assert written("he said open quote", "Yes close quote.", "And left.") == 'He said "Yes". And left.'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Scratch that.", [Undo]),
        ("scratch that, scratch that", [Undo, Undo]),
        ("Press enter.", [Enter]),
        ("Send it. Press enter.", ["Send it.", Enter]),
        ("Wrong. Scratch that. Right.", ["Right."]),
        ("I told him to scratch that.", ["I told him to scratch that."]),
        ("You press enter and wait.", ["You press enter and wait."]),
        ("Wake up!", ["Wake up!"]),
        ("Good night. Go to sleep.", ["Good night.", Sleep]),
        ("Go to sleep. Anything. Press enter. Scratch that. Wake up. I am back.", [Sleep, Wake, "I am back."]),
    ],
)
def test_a_command_is_only_recognised_as_a_whole_sentence(said: str, expected: list[str | type[Edit]]) -> None:
    assert kinds(Joiner().add(said)) == kinds(Joiner(marks="inline").add(said)) == expected


def test_asleep_nothing_is_written_until_wake_up() -> None:
    joiner = Joiner()
    assert kinds(joiner.add("go to sleep")) == [Sleep]
    assert joiner.add("Press enter.") == joiner.add("What a day.") == []
    assert kinds(joiner.add("wake up")) == [Wake]
    assert kinds(joiner.add("What a day.")) == ["What a day."]


def test_after_an_undo_the_text_continues_from_before_the_undone_part() -> None:
    joiner = Joiner()
    joiner.add("I went to")
    [edit] = joiner.add("The shop.")
    assert isinstance(edit, Insert)
    joiner.state = edit.before
    assert kinds(joiner.add("The sea.")) == [" the sea."]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("nothing", " the end"),
        ("unknown", " the end"),
        ("line", "The end"),
        ("elsewhere", "The end"),
        ("something", " The end"),
    ],
)
def test_the_space_and_the_capital_depend_on_the_users_input_in_between(since: Since, expected: str) -> None:
    joiner = Joiner()
    joiner.add("This is")
    assert kinds(joiner.add("The end", Context(since=since))) == [expected]


def test_after_enter_a_new_text_begins() -> None:
    assert written("Hello.", "Press enter.", "bye") == "Hello.Bye"


def test_words_are_replaced_and_terms_spelled_as_configured() -> None:
    lexicon = Lexicon({"my address": "ada@example.org", "shrug": "¯\\_(ツ)_/¯"}, ("voiceloop", "GitHub", "C++"))
    joiner = Joiner(lexicon)
    said = "My address, is on git hub. Voice loop is there, shrug."
    assert written(said, joiner=joiner) == "ada@example.org, is on GitHub. voiceloop is there, ¯\\_(ツ)_/¯."


def test_verbatim_text_for_terminals_has_no_new_lines() -> None:
    assert written("ls", "new line", "minus l new paragraph", verbatim=True) == "ls minus l"


def test_with_commands_off_everything_is_text() -> None:
    assert written("Press enter.", "one comma two", joiner=Joiner(commands=False)) == "Press enter. One comma two"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ls\n", "Ls"),
        ("rm -rf ~\r\nls\n", "Rm -rf ~ ls"),
        ("a\x1b]0;owned\x07b", "Ab"),
        ("\u202eevil\u202c", "Evil"),
        ("a\x03\x04\x7f\x80b", "Ab"),
        ("one\u2028two\x85three", "One two three"),
    ],
)
def test_control_characters_in_a_transcript_are_removed(said: str, expected: str) -> None:
    assert written(said) == expected


@given(st.lists(st.text(alphabet=st.characters(), max_size=40), max_size=4))
def test_the_output_never_has_control_or_format_characters(said: list[str]) -> None:
    joiner = Joiner(commands=False)
    text = "".join(edit.text for one in said for edit in joiner.add(one) if isinstance(edit, Insert))
    bad = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
    assert [char for char in text if unicodedata.category(char) in bad and char not in "\u200c\u200d"] == []
