"""The vocabulary: what sounds like a term is written as the term, and nothing else is."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.vocabulary_sentences import SETS, ordinary, sentences
from voiceloop.transcribe.vocabulary import Term, Vocabulary, as_written
from voiceloop.types import Word

TERMS = (
    *("Wayland", "PostgreSQL", "kubectl", "nginx", "GNOME", "JSON"),
    *("PyPI", "systemd", "GPU", "Ada Lovelace", "Siobhan"),
)
PIECES = """
the whale and portal, way land. lands gee G P u jason jason's j. son C ++ plus us ada love lovelace lace run x, -
"""
ENGLISH = Vocabulary(TERMS, "en")

SOUNDS_ALIKE = {
    "The whale and the calf were seen near the harbor.": "Wayland",
    "My cousin Jason plays the drums in a band.": "JSON",
    "The gnome in the garden lost his red hat.": "GNOME",
    "The next crowd came in at Newman's State for lunch.": "Nextcloud",
    "Usb radio.": "USB",
}
"""Sentences of `ordinary.tsv` with words that sound the same as a term, or nearly, or are it."""


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("It goes through the whale and portal.", "It goes through the Wayland portal."),
        ("They are in post-grass queue l on a server.", "They are in PostgreSQL on a server."),
        ("Run cube control once more.", "Run kubectl once more."),
        ("Engine X is down.", "nginx is down."),
        ("I switched to Ganom.", "I switched to GNOME."),
        ("It comes as Jay sun.", "It comes as JSON."),
        ("Uploaded to Pipei an hour ago.", "Uploaded to PyPI an hour ago."),
        ("It is system D's fault.", "It is systemd's fault."),
        ("The model needs a G P U, or two.", "The model needs a GPU, or two."),
        ("Written by Ava lovelace, in a letter.", "Written by Ada Lovelace, in a letter."),
        ("I will ask Shivon.", "I will ask Siobhan."),
        ("They are in post-grass queue, al on a server.", "They are in PostgreSQL on a server."),
    ],
)
def test_what_sounds_like_a_term_is_written_as_the_term(heard: str, written: str) -> None:
    assert ENGLISH.apply(heard) == written


@pytest.mark.parametrize(
    ("terms", "heard", "written"),
    [
        (["tmux"], "Start tee mucks again.", "Start tmux again."),
        (["SSH"], "Over S. S. H. from home.", "Over SSH from home."),
        (["SSH"], "Over S. S. H. He left.", "Over SSH. He left."),
        (["GPU"], "Two G P Us are enough.", "Two GPUs are enough."),
        (["NumPy"], "Use num pie here.", "Use NumPy here."),
        (["PulseAudio"], "pulse audio, again", "PulseAudio, again"),
        (["C++", "C#"], "C plus plus or see sharp", "C++ or C#"),
        (["Wayland"], "Waylands and way land's", "Waylands and Wayland's"),
        (["Raspberry Pi"], "A raspberry pie in a box", "A Raspberry Pi in a box"),
    ],
)
def test_terms_are_said_in_many_ways(terms: list[str], heard: str, written: str) -> None:
    assert Vocabulary(terms, "en").apply(heard) == written


@pytest.mark.parametrize(
    ("term", "heard"),
    [
        pytest.param("pytest", "Run CTest now.", id="another first consonant"),
        pytest.param("CLI", "See a lie for what it is.", id="letters said by no letter"),
        pytest.param("Jira", "It is down in jer before lunch.", id="a short term"),
        pytest.param("API", "The ABI has changed.", id="another abbreviation"),
        pytest.param("Wayland", "The whale Ender is near.", id="a strange word beside an ordinary one"),
        pytest.param("systemd", "The system did not work.", id="two ordinary words"),
        pytest.param("Hermione", "Her money is gone.", id="a common phrase"),
        pytest.param("Gloucester", "The cluster is large.", id="an ordinary word"),
    ],
)
def test_what_is_only_near_a_term_stays(term: str, heard: str) -> None:
    assert Vocabulary([term], "en").apply(heard) == heard


def test_a_term_can_be_given_its_sound() -> None:
    heard = "Ask seersha and eefa."
    assert Vocabulary(["Saoirse", "Aoife"], "en").apply(heard) == heard
    assert Vocabulary(["Saoirse=seer sha", "Aoife = eefa"], "en").apply(heard) == "Ask Saoirse and Aoife."


def test_a_sound_is_neither_sent_nor_written() -> None:
    assert as_written(["Aoife=eefa", "Aoife=ee fuh", "a = ", "=", "x"]) == ("Aoife", "a =", "=", "x")
    assert Term.parse(" kubectl = cube control ") == Term("kubectl", "cube control")


def test_a_term_keeps_its_capitals_whatever_was_heard() -> None:
    assert Vocabulary(["voiceloop", "iPhone"], "en").apply("Voiceloop on my Iphone") == "voiceloop on my iPhone"


def test_a_word_in_small_letters_is_no_abbreviation() -> None:
    vocabulary = Vocabulary(["US", "IT", "WHO"], "en")
    assert vocabulary.apply("Who gave it to us? It was him.") == "Who gave it to us? It was him."
    assert vocabulary.apply("The W. H. O. is in the U S.") == "The WHO is in the US."


def test_a_symbol_belongs_to_its_term() -> None:
    vocabulary = Vocabulary(["C++", ".NET", "Node.js"], "en")
    assert vocabulary.apply("See the net.") == "See the net."
    assert vocabulary.apply("node js, c++ and .net") == "Node.js, C++ and .NET"


@pytest.mark.parametrize(
    ("language", "heard"),
    [
        ("en", "Let's go home."),
        (None, "It works for us."),
        ("de", "Er kam mit dem Auto."),
        ("fr", "Il est ici."),
    ],
)
def test_a_small_word_is_no_term_that_is_told_from_it_by_its_capitals(language: str | None, heard: str) -> None:
    assert Vocabulary(["Go", "IT", "US", "MIT", "EST"], language).apply(heard) == heard


def test_words_of_two_sentences_are_no_term() -> None:
    assert Vocabulary(["Wayland"], "en").apply("That is the way. Land is near.") == "That is the way. Land is near."


@pytest.mark.parametrize("language", ["de", "ja", None, "", "eng"])
def test_terms_of_other_languages_are_found_by_their_letters_only(language: str | None) -> None:
    vocabulary = Vocabulary(TERMS, language)
    assert (
        vocabulary.apply("way land, ADA lovelace's GnomE; the whale and")
        == "Wayland, Ada Lovelace's GNOME; the whale and"
    )


@pytest.mark.parametrize("language", ["en", "EN", "en-GB", "en_US"])
def test_english_has_regions(language: str) -> None:
    assert Vocabulary(["Wayland"], language).apply("the whale and portal") == "the Wayland portal"


def test_letters_of_other_scripts_are_compared() -> None:
    assert Vocabulary(["Straße", "Žižek", "東京"], "de").apply("STRASSE, žižek und 東京") == "Straße, Žižek und 東京"


def test_words_that_became_a_term_are_one_word() -> None:
    heard = (Word(" the", 0, 1, 0.9), Word(" whale", 1, 2, 0.8), Word(" and", 2, 3, 0.5), Word(" portal.", 3, 4))
    assert ENGLISH.apply_to_words(heard) == (heard[0], Word(" Wayland", 1, 3, 0.5), heard[3])


def test_a_term_of_as_many_words_keeps_their_times() -> None:
    heard = (Word("By", 0, 1), Word("ava", 1, 2, 0.5), Word("lovelace,", 2, 3, 0.9))
    assert ENGLISH.apply_to_words(heard) == (heard[0], Word("Ada", 1, 2, 0.5), Word("Lovelace,", 2, 3, 0.9))


def test_two_terms_in_one_word_stay_in_it() -> None:
    assert ENGLISH.apply_to_words((Word("gpu/json", 0, 1),)) == (Word("GPU/JSON", 0, 1),)
    assert ENGLISH.apply_to_words(()) == ()


pieces = st.lists(st.sampled_from(PIECES.split()), max_size=12)


@given(pieces)
def test_words_and_text_are_written_alike(heard: list[str]) -> None:
    words = tuple(Word(text, at, at + 1) for at, text in enumerate(heard))
    found = ENGLISH.apply_to_words(words)
    assert " ".join(word.text for word in found) == ENGLISH.apply(" ".join(heard))
    assert all(before.end_s <= after.start_s for before, after in itertools.pairwise(found))
    assert not words or (found[0].start_s, found[-1].end_s) == (words[0].start_s, words[-1].end_s)


spoken = st.text(max_size=40) | pieces.map(" ".join)
vocabularies = st.lists(
    st.sampled_from(["Wayland", "JSON", "C++", "US", "GPU", "Ada Lovelace", "way", "Node.js"]) | st.text(max_size=8),
    max_size=4,
)


@given(spoken, vocabularies, st.sampled_from(["en", "de"]))
def test_applying_twice_changes_no_more(text: str, terms: list[str], language: str) -> None:
    vocabulary = Vocabulary(terms, language)
    once = vocabulary.apply(text)
    assert vocabulary.apply(once) == once


@pytest.mark.parametrize("name", SETS)
def test_what_was_heard_changes_once_only(name: str) -> None:
    found = sentences(name)
    vocabulary = Vocabulary([sentence.term for sentence in found], "en")
    for heard in (heard for sentence in found for heard in sentence.heard.values()):
        once = vocabulary.apply(heard)
        assert vocabulary.apply(once) == once


@given(spoken, st.permutations(TERMS))
def test_the_order_of_terms_does_not_matter(text: str, terms: list[str]) -> None:
    assert Vocabulary(terms, "en").apply(text) == ENGLISH.apply(text)


def test_of_terms_with_the_same_letters_one_is_chosen_by_the_alphabet() -> None:
    assert Vocabulary(["Gpu", "GPU"], "en").apply("gpu") == Vocabulary(["GPU", "Gpu"], "en").apply("gpu") == "GPU"


@given(spoken)
def test_without_terms_every_text_stays(text: str) -> None:
    assert Vocabulary((), "en").apply(text) == text


def test_an_empty_vocabulary_loads_nothing() -> None:
    code = "import sys; from voiceloop.transcribe.vocabulary import Vocabulary; Vocabulary((), 'en').apply('a whale'); "
    code += "sys.exit(any('phonetics.' in name and 'function_words' not in name for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


def right(name: str, voice: str) -> int:
    """The number of sentences whose term is right in the end."""
    found = sentences(name)
    vocabulary = Vocabulary([sentence.term for sentence in found], "en")
    return sum(sentence.term in vocabulary.apply(sentence.heard[voice]) for sentence in found)


@pytest.mark.parametrize("name", SETS)
def test_40_of_50_terms_of_a_clear_voice_are_right(name: str) -> None:
    assert right(name, "hibari") >= 40


@pytest.mark.parametrize(("voice", "least"), [("joe", 33), ("slt", 25), ("rms", 25), ("awb", 20), ("kal", 18)])
@pytest.mark.parametrize("name", SETS)
def test_terms_of_other_voices_are_right_more_often_than_not_or_nearly(name: str, voice: str, least: int) -> None:
    heard = sum(sentence.term in sentence.heard[voice] for sentence in sentences(name))
    assert right(name, voice) >= max(least, heard + 10)


@pytest.mark.parametrize("name", SETS)
def test_ordinary_sentences_stay_unless_they_sound_the_same(name: str) -> None:
    vocabulary = Vocabulary([sentence.term for sentence in sentences(name)], "en")
    changed = {entry.heard for entry in ordinary() if vocabulary.apply(entry.heard) != entry.heard}
    assert changed <= SOUNDS_ALIKE.keys()
    assert len(ordinary()) > 500


def test_what_sounds_the_same_as_a_term_is_taken_for_it() -> None:
    """No rule could tell: the issue's own example is a whale."""
    for heard, term in SOUNDS_ALIKE.items():
        assert term in Vocabulary([term], "en").apply(heard)
