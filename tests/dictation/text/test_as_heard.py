"""The words are the transcriber's: its spaces, capitals and marks stand; names of marks are words unless set apart."""

from __future__ import annotations

import re
import unicodedata
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from voiceloop.dictation.text.fillers import fillers_in
from voiceloop.dictation.text.joining import Context, Edit, Enter, Insert, Joiner, Marks, Undo
from voiceloop.dictation.text.leaving_out import FullStop
from voiceloop.dictation.text.spoken import LANGUAGES
from voiceloop.dictation.text.spoken_phrases import Lexicon
from voiceloop.text import clean
from voiceloop.types import Word

TERMS = Lexicon(vocabulary=("C#", ".NET", "IT", "US", "Go", "Yahoo!", "MIT"))
WITHOUT_UM = Lexicon({"um": "", "uh": "", "you know": ""})


def written(*said: str, language: str | None = "en", joiner: Joiner | None = None) -> str:
    joiner = joiner or Joiner()
    edits = [edit for text in said for edit in joiner.add(text, Context(language=language))]
    assert all(isinstance(edit, Insert) for edit in edits)
    return "".join(edit.text for edit in edits if isinstance(edit, Insert))


@pytest.mark.parametrize(
    ("language", "heard"),
    [
        (None, "No hi ha cap problema."),
        (None, "No hi ha cap problema"),
        (None, "É o sentido literal da palavra."),
        (None, "Der Dash Button und das Cap sind neu."),
        (None, "Il comma tre vale ancora."),
        ("ca", "No hi ha cap problema"),
        ("en", "There is no space left on the device."),
        ("en", "The trial period ends in a long period of time."),
        ("en", "He had colon cancer."),
        ("en", "We add new line items."),
        ("en", "These results underscore the need, don't they?"),
        ("en", "He is a quote unquote expert."),
        ("en", "The trial ended after a long period."),
        ("en", 'The word "comma" is long.'),
        ("en", "I put caps on. And off."),
        ("fr", "C'est un bon point de vue."),
        ("fr", "C'est un bon point."),
        ("fr", "Il a deux points de retard."),
        ("fr", "Il pêche à la ligne, souvent."),
        ("de", "Der wichtigste Punkt ist klar."),
        ("de", "Das ist der wichtigste Punkt."),
        ("de", "Er meint es wörtlich, glaube ich."),
        ("es", "Quiero que coma algo."),
        ("es", "Lanzan nueva línea de ropa."),
        ("en", "I told him to scratch that."),
        ("en", "If it hangs, press enter."),
    ],
)
def test_everyday_words_are_words(language: str | None, heard: str) -> None:
    assert written(heard, language=language) == heard


@pytest.mark.parametrize(
    ("language", "heard"),
    [
        ("en", "I write C# and F# code."),
        ("en", "Open https://example.org/ and click."),
        ("en", "Yes and / or no."),
        ("en", "Ask @ada or @ bob."),
        ("fr", "Comment ça va ?"),
        ("fr", "Il a dit « bonjour » hier."),
        ("fr", "Il a dit «\u00a0bonjour\u00a0» hier\u202f!"),
        ("de", "Das sind 50 % davon."),
        ("de", "Er sagte „ja“ und ging."),
        ("ja", "今日は 元気 です。"),
    ],
)
def test_the_spaces_are_the_transcribers(language: str, heard: str) -> None:
    assert written(heard, language=language) == heard


@pytest.mark.parametrize(
    ("language", "heard"),
    [
        ("en", "Take fruit, e.g. apples."),
        ("en", "Wait... what is it?"),
        ("en", "Wait… what is it?"),
        ("en", "Apples, pears, etc. are fruit."),
        ("en", "The iPhone! it rings."),
        ("de", "Nimm ca. drei."),
        ("de", "Am 3. Mai, z. B. um drei."),
        ("es", "Los EE. UU. están aquí."),
    ],
)
def test_the_capitals_are_the_transcribers(language: str, heard: str) -> None:
    assert written(heard, language=language) == heard


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", ["Take fruit, e.g.", "apples."], "Take fruit, e.g. apples."),
        ("en", ["Wait...", "what?"], "Wait... what?"),
        ("en", ["Wait...", "What?"], "Wait... What?"),
        ("de", ["Nimm ca.", "drei."], "Nimm ca. drei."),
        ("en", ["I write C#", "and F#", "code."], "I write C# and F# code."),
        ("en", ["See example.org/", "now."], "See example.org/ now."),
        ("de", ["Er sagte „ja“", "und ging."], "Er sagte „ja“ und ging."),
        ("en", ["Plan B full stop", "then C."], "Plan B. Then C."),
        ("en", ["/usr/bin is full."], "/usr/bin is full."),
        ("en", ["example.org is down."], "example.org is down."),
        ("tr", ["istanbul güzel."], "İstanbul güzel."),
        ("ka", ["გამარჯობა."], "გამარჯობა."),
    ],
)
def test_at_a_seam_only_what_is_known_is_changed(language: str, said: list[str], expected: str) -> None:
    assert written(*said, language=language) == expected


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "Hello, comma, world.", "Hello, world."),
        ("en", "Hello comma world.", "Hello, world."),
        ("en", "How are you question mark.", "How are you?"),
        ("en", "I like it full stop.", "I like it."),
        ("en", "Open quote. Hello. Close quote.", '"Hello."'),
        ("en", "Open bracket. See page four. Close bracket.", "(See page four.)"),
        ("en", "Hello, period.", "Hello."),
        ("en", "Hello, comma, new line, world.", "Hello,\nWorld."),
        ("en", "Period.", "."),
        ("en", "Dear Ada comma new line thank you.", "Dear Ada,\nThank you."),
        ("en", "Is it done question mark new line Yes.", "Is it done?\nYes."),
        ("en", "New line new line.", "\n\n"),
        ("en", "That is all. Period new line.", "That is all.\n"),
        ("de", "Liebe Ada Komma neue Zeile danke.", "Liebe Ada,\nDanke."),
        ("en", "I love, all caps, London.", "I love LONDON."),
        ("en", "It is a data, no space, base.", "It is a database."),
        ("en", "GitHub, comma, yes.", "GitHub, yes."),
        ("de", "Hallo Komma Welt.", "Hallo, Welt."),
        ("de", "Das ist klar, Punkt.", "Das ist klar."),
        ("fr", "C'est bien, point. À la ligne. Oui.", "C'est bien.\nOui."),
        ("es", "Hola, coma, mundo.", "Hola, mundo."),
        (None, "Hello, comma, world.", "Hello, world."),
        (None, "hello comma world full stop how are you question mark", "Hello, world. How are you?"),
        (None, "Das ist nicht der Weg, Komma, den ich kenne.", "Das ist nicht der Weg, den ich kenne."),
    ],
)
def test_a_mark_counts_where_it_stands_by_itself_and_a_rare_name_anywhere(
    language: str | None, said: str, expected: str
) -> None:
    joiner = Joiner(Lexicon(vocabulary=("GitHub",)))
    assert written(said, language=language, joiner=joiner) == expected


def test_a_language_once_known_counts_for_words_that_do_not_tell_theirs() -> None:
    joiner = Joiner()
    written("Ich weiß nicht, ob das geht.", language=None, joiner=joiner)
    assert written("Hallo Komma Welt.", language=None, joiner=joiner) == " Hallo, Welt."


def test_marks_can_be_read_everywhere_or_nowhere() -> None:
    said = "I read the long trial period."
    assert written(said, joiner=Joiner(marks="inline")) == "I read the long trial."
    said = "I read it comma then left."
    assert written(said, joiner=Joiner(marks="inline")) == "I read it, then left."
    assert written(said, joiner=Joiner(marks="off")) == said
    assert [type(edit) for edit in Joiner(marks="off").add("Scratch that.", Context(language="en"))] == [Undo]


@pytest.mark.parametrize(
    "heard",
    [
        "My plan B and plan C.",
        "The net result is fine.",
        "It works for us.",
        "Let's go home.",
        "C is a language, c isn't.",
        "I use C# and .NET at Yahoo! now.",
    ],
)
def test_a_term_is_found_by_its_case_and_marks_where_it_is_made_of_them(heard: str) -> None:
    assert written(heard, joiner=Joiner(TERMS)) == heard


def test_a_term_is_found_in_other_capitals_where_its_letters_or_marks_tell_it() -> None:
    assert written("I use c# and .net at yahoo!", joiner=Joiner(TERMS)) == "I use C# and .NET at Yahoo!"
    assert written("Er kam mit dem Auto.", language="de", joiner=Joiner(TERMS)) == "Er kam mit dem Auto."


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Um, I think, uh, we should.", "I think we should."),
        ("Uh.", ""),
        ("I was there, uh.", "I was there."),
        ("Is it, um?", "Is it?"),
        ("He left. Um. Then we left.", "He left. Then we left."),
        ("It works. Uh, next one.", "It works. Next one."),
        ('"Um, yes," she said.', '"Yes," she said.'),
        ("It is (uh) here.", "It is here."),
        ("It is, you know, here.", "It is here."),
        ("Well, um... yes.", "Well yes."),
    ],
)
def test_a_phrase_replaced_by_nothing_takes_its_marks_along(said: str, expected: str) -> None:
    assert written(said, joiner=Joiner(WITHOUT_UM)) == expected


def test_a_command_after_a_filler_is_obeyed() -> None:
    edits = Joiner(fillers=True).add("Um, scratch that.", Context(language="en"))
    assert [type(edit) for edit in edits] == [Undo]


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "Um, I think, uh, we should.", "I think we should."),
        ("de", "Äh, ich bin, ähm, da.", "Ich bin da."),
        ("de", "Ich gehe um acht.", "Ich gehe um acht."),
        ("fr", "Euh, oui.", "Oui."),
        ("pt", "Tenho um cão.", "Tenho um cão."),
        ("xx", "Um, uh, eh.", "Um, uh, eh."),
    ],
)
def test_fillers_of_the_language_can_be_left_out(language: str, said: str, expected: str) -> None:
    assert written(said, language=language, joiner=Joiner(fillers=True)) == expected
    assert written(said, language=language) == said


@pytest.mark.parametrize(
    ("rule", "language", "said", "expected"),
    [
        ("always", "en", "Anna Berg.", "Anna Berg."),
        ("sentences", "en", "Anna Berg.", "Anna Berg"),
        ("sentences", "en", "12 Baker Street, London.", "12 Baker Street, London"),
        ("sentences", "en", "I am here.", "I am here."),
        ("sentences", "en", "One. Two.", "One. Two."),
        ("sentences", "en", "Washington D.C.", "Washington D.C."),
        ("sentences", "en", "Anna Berg full stop.", "Anna Berg."),
        ("sentences", "en", "Really?", "Really?"),
        ("sentences", "en", "The best seven ways to cook fresh rice.", "The best seven ways to cook fresh rice."),
        ("sentences", "de", "Hauptstraße zwölf, Berlin.", "Hauptstraße zwölf, Berlin"),
        ("sentences", "de", "Das ist gut.", "Das ist gut."),
        ("sentences", "fi", "Anna Berg.", "Anna Berg."),
        ("never", "fi", "Anna Berg.", "Anna Berg"),
        ("never", "ja", "東京。", "東京"),
        ("never", "en", "I am here.", "I am here"),
    ],
)
def test_the_full_stop_after_a_few_words_can_be_left_out(
    rule: FullStop, language: str, said: str, expected: str
) -> None:
    assert written(said, language=language, joiner=Joiner(full_stop=rule)) == expected


def timed(text: str, *, pauses: tuple[str, ...] = ()) -> tuple[Word, ...]:
    """The words of `text` as a recogniser times them, without marks. `pauses`: the words with a pause before them."""
    words = []
    at_s = 0.0
    for word in text.replace(",", "").replace(".", "").split():
        at_s += 0.7 if word in pauses else 0.05
        words.append(Word(word, at_s, at_s + 0.2))
        at_s += 0.2
    return tuple(words)


def said_with_pauses(text: str, *pauses: str) -> list[str | type[Edit]]:
    context = Context(language="en", words=timed(text, pauses=pauses))
    edits = Joiner().add(text, context)
    return [edit.text if isinstance(edit, Insert) else type(edit) for edit in edits]


def test_pauses_set_a_mark_and_a_command_apart() -> None:
    assert said_with_pauses("Hello there period now, I go.", "period", "now") == ["Hello there. Now, I go."]
    assert said_with_pauses("Hello there period now, I go.", "period") == ["Hello there period now, I go."]
    assert said_with_pauses("Well, send it press enter", "press") == ["Well, send it", Enter]
    assert said_with_pauses("Well, send it press enter") == ["Well, send it press enter"]


def test_a_pause_after_a_comma_or_a_small_word_sets_no_command_apart() -> None:
    assert said_with_pauses("If it hangs, press enter.", "press") == ["If it hangs, press enter."]
    assert said_with_pauses("I told him to scratch that.", "scratch") == ["I told him to scratch that."]


def test_times_of_other_words_than_the_text_has_show_no_pause() -> None:
    context = Context(language="en", words=timed("Send them press enter", pauses=("press",)))
    [edit] = Joiner().add("Well, send it press enter", context)
    assert isinstance(edit, Insert)


_TOLD = (None, "en", "de", "fr", "es", "it", "ca", "pt", "ja", "ru", "th")
_TEXTS = (
    "No hi ha cap problema de l'any. The plan B ends, e.g. now… What? He's “here” (or not). Yes and / or no! "
    "Das sind 50 % davon, z. B. am 3. Mai. Comment ça va ? Il a dit « bonjour » hier\u202f! ¿Qué tal? ¡Hola! "
    "Los EE. UU. 今日は。 Привет, мир. iPhone C# F# .NET @ada #tag https://example.org/ a_b -v /usr 1,5 ... — – - "
    "É o sentido da palavra; Wait... what: it's ok, Ünal… ไทย নমস্কার"
)
_SAID = _TEXTS.split(" ")


@given(
    st.sampled_from(_TOLD),
    st.lists(st.one_of(st.sampled_from(_SAID), st.text(st.characters(), max_size=6)), max_size=14),
    st.sampled_from(get_args(Marks)),
)
def test_text_without_spoken_marks_and_commands_comes_out_as_it_went_in_but_for_its_first_letter(
    language: str | None, words: list[str], marks: Marks
) -> None:
    text = re.sub("[ \\t\\n]+", " ", unicodedata.normalize("NFC", clean(" ".join(words)))).strip(" ")
    assume(not _names_in(text, language))
    out = written(text, language=language, joiner=Joiner(marks=marks))
    changed = [at for at, (old, new) in enumerate(zip(text, out, strict=True)) if old != new]
    first = next((at for at, char in enumerate(text) if char.isalnum()), 0)
    assert changed in ([], [first])
    assert out.casefold() == text.casefold() or changed == [first]


def _names_in(text: str, language: str | None) -> bool:
    """Whether text holds a name of a mark or a command of its language, or of any if it isn't told."""
    plain = f" {_plain(text)} "
    spoken = [LANGUAGES[code] for code in LANGUAGES if language in (code, None)]
    names = [name for one in spoken for name, _ in one.phrases()]
    names += [name for one in spoken for all_ in one.commands for name in all_.split("|")]
    return any(f" {_plain(name)} " in plain for name in names)


def _plain(text: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in text.casefold()).split())


def test_no_filler_is_the_name_of_a_mark() -> None:
    for code, spoken in LANGUAGES.items():
        assert not fillers_in(code).intersection(name for name, _ in spoken.phrases())


def test_every_everyday_name_is_the_name_of_a_mark() -> None:
    for spoken in LANGUAGES.values():
        assert spoken.everyday <= {name for name, _ in spoken.phrases()}
