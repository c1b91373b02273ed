"""The classifier of how a transcript ends, and the guess of its language."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.capture.endpointing.ending_words import NAMES, SPACELESS, WORDS
from voiceloop.capture.endpointing.endings import Basis, Ending, basis, code, ending, guess

OPEN, LINKED, UNKNOWN, STOP, QUESTION = Ending.OPEN, Ending.LINKED, Ending.UNKNOWN, Ending.STOP, Ending.QUESTION


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the time?", QUESTION),
        ('He said "what?"', QUESTION),
        ("Really?!", QUESTION),
        ("Where are you from?", QUESTION),
        ("Open the window, please.", QUESTION),
        ("No, that's all.", QUESTION),
        ("Open the window.", STOP),
        ("Stop!", STOP),
        ("Yes.", STOP),
        ("set a timer for twenty minutes", UNKNOWN),
        ("That's what I am looking for.", UNKNOWN),
        ("turn it on", LINKED),
        ("I want to go to", LINKED),
        ("I went to the shop and", OPEN),
        ("I went to the shop and.", OPEN),
        ("I went to the shop, and…", OPEN),
        ("Because", OPEN),
        ("Give me the.", OPEN),
        ("Well, um.", OPEN),
        ("Well, I’m", OPEN),
        ("First of all,", OPEN),
        ("So what I mean is...", OPEN),
        ("It was -", OPEN),
        ("I was going to—", OPEN),
        ("Tea, or?", UNKNOWN),
        ("", UNKNOWN),
        ("   ", UNKNOWN),
        ("?", QUESTION),
    ],
)
def test_english_endings(text: str, expected: Ending) -> None:
    assert ending(text, "en") is expected


@pytest.mark.parametrize(
    "text",
    [
        "my number is five five",
        "0 1 7",
        "It's 0 1 7.",
        "555-12",
        "01763",
        "oh one seven",
        "5, 5, 5.",
        "4455 66",
        "030",
        "12345",
    ],
)
def test_a_number_being_read_out_means_that_the_speaker_goes_on(text: str) -> None:
    assert ending(text, "en") is OPEN


@pytest.mark.parametrize(
    "text",
    [
        "Set it to 20.",
        "Make that twenty five.",
        "In 1984.",
        "It costs 1,500 euros.",
        "0 1 7 0 5 5 5 1 2 3 4.",
        "It is 0.",
    ],
)
def test_a_complete_number_does_not_mean_that_the_speaker_goes_on(text: str) -> None:
    assert ending(text, "en") is STOP


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "can you tell"),
        ("en", "I need"),
        ("en", "I really"),
        ("en", "it's on the second"),
        ("de", "Ich brauche"),
        ("de", "Zeig mir den nächsten"),
        ("fr", "je voudrais"),
        ("fr", "c'est vraiment"),
        ("es", "necesito"),
        ("es", "quiero otra"),
        ("it", "vorrei"),
        ("it", "il prossimo"),
        ("pt", "eu preciso"),
        ("pt", "a próxima"),
        ("nl", "ik zoek"),
        ("nl", "de volgende"),
    ],
)
def test_a_verb_without_its_object_and_a_word_before_a_noun_want_more(language: str, text: str) -> None:
    assert ending(text, language) is LINKED
    assert ending(f"{text}.", language) is UNKNOWN
    assert ending(f"{text}.", language, punctuated=False) is LINKED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Voilà ce qu'il y a.", "fr"),
        ("Dis-moi ce qu'il y a.", None),
        ("왜 안 와.", None),
        ("정말 안 돼.", "ko"),
        ("好 的。", "zh"),
    ],
)
def test_words_of_one_letter_and_of_one_character_are_not_spelling(text: str, language: str | None) -> None:
    assert ending(text, language) is not Ending.OPEN


@pytest.mark.parametrize("text", ["It is spelled m i", "M I S.", "A-N", "a. n."])
def test_spelling_means_that_the_speaker_goes_on(text: str) -> None:
    assert ending(text, "en") is OPEN
    assert ending(text, None) is OPEN


@pytest.mark.parametrize("text", ["This is plan b.", "So do I.", "See you at 9 p.m.", "She lives in the U.S."])
def test_a_single_letter_and_an_abbreviation_are_not_spelling(text: str) -> None:
    assert ending(text, None) is STOP


def test_a_web_address_that_lacks_its_end_wants_more() -> None:
    assert ending("write to anna at example dot", "en") is LINKED


@pytest.mark.parametrize("text", ["Open the window.", "Open the window!", "Open the window?", "Open the window"])
def test_without_punctuation_that_counts_the_words_decide(text: str) -> None:
    assert ending(text, "en", punctuated=False) is UNKNOWN
    assert ending(text, "ja", punctuated=False) is UNKNOWN


def test_commas_and_closing_words_count_without_punctuation() -> None:
    assert ending("I went to the shop,", "en", punctuated=False) is OPEN
    assert ending("No, that's all.", "en", punctuated=False) is QUESTION


def test_a_conjunction_after_an_amount_means_that_the_speaker_goes_on() -> None:
    assert ending("$20 and.", "en") is OPEN


@pytest.mark.parametrize(
    ("language", "open_", "linked", "closed"),
    [
        ("de", "Ich möchte einen Tisch und.", "Stell das Radio an", "Vielen Dank, das war's."),
        ("fr", "Je voudrais savoir si c'est.", "Je pars avec", "Un café, s'il vous plaît."),
        ("es", "Quiero un café y.", "Vamos a hablar sobre", "Un café, por favor."),
        ("it", "Vorrei un caffè e.", "Ne parliamo con", "Un caffè, per favore."),
        ("pt", "Eu quero um café e.", "Vamos falar sobre", "Um café, por favor."),
        ("nl", "Ik wil een koffie en.", "Zet de radio aan", "Een koffie, alstublieft."),
    ],
)
def test_each_language_has_its_lists_of_words(language: str, open_: str, linked: str, closed: str) -> None:
    assert ending(open_, language) is OPEN
    assert ending(linked, language) is LINKED
    assert ending(closed, language) is QUESTION
    assert ending("1 2", language) is OPEN


def test_an_elided_article_means_that_the_speaker_goes_on() -> None:
    assert ending("Je cherche l'", "fr") is OPEN
    assert ending("Dov'è l’", "it") is OPEN


def test_the_lists_are_casefolded_composed_and_disjoint() -> None:
    for language, words in WORDS.items():
        for word in (*words.open, *words.link, *words.wanting, *words.closing, *words.digits):
            assert word == unicodedata.normalize("NFC", word).casefold().strip(), (language, word)
        assert not words.open & words.link, language
        assert not words.wanting & (words.open | words.link | words.digits), language
        assert not words.open & {phrase.split()[-1] for phrase in words.closing}, language
        assert len(words.open) > 20, language


def test_decomposed_and_capital_letters_make_no_difference() -> None:
    assert ending(unicodedata.normalize("NFD", "JA, ÄHM."), "de") is OPEN


@pytest.mark.parametrize("name", ["en", "EN", "en-US", "en_GB", "English", " english "])
def test_a_language_may_be_named_in_several_ways(name: str) -> None:
    assert code(name) == "en"
    assert basis(name) is Basis.WORDS


def test_scripts_without_spaces_and_unknown_languages_are_classified_by_punctuation() -> None:
    for language in (*SPACELESS, "Japanese", None, ""):
        assert basis(language) is Basis.PUNCTUATION
    assert ending("今何時ですか？", "ja") is QUESTION
    assert ending("東京に行きます。", "ja") is STOP
    assert ending("それで、", "ja") is OPEN
    assert ending("それで", "ja") is UNKNOWN
    assert ending("I went to the shop and.", None) is STOP
    assert ending("0 1 7.", None) is OPEN


def test_in_other_languages_no_text_is_evidence() -> None:
    assert basis("pl") is Basis.PAUSES
    for text in ("Która godzina?", "Tak.", "i,", "0 1 7"):
        assert ending(text, "pl") is UNKNOWN


def test_every_language_name_stands_for_a_language_with_a_rule() -> None:
    assert set(NAMES.values()) <= set(WORDS) | SPACELESS


@given(st.text(), st.sampled_from([*WORDS, "ja", "pl", None]))
def test_any_text_can_be_classified(text: str, language: str | None) -> None:
    assert isinstance(ending(text, language), Ending)


@given(st.text(alphabet="abc und. ?,", max_size=300), st.sampled_from([*WORDS, None]))
def test_only_the_end_of_the_text_makes_a_difference(text: str, language: str | None) -> None:
    assert ending("word " * 100 + text, language) is ending("table " * 200 + text, language)


@given(st.text(), st.sampled_from([*WORDS, None]))
def test_a_question_mark_at_the_end_always_makes_a_question(text: str, language: str | None) -> None:
    assert ending(text + " ok?", language) is QUESTION


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I would like to know what the weather will be like"),
        ("en", "I would like tea"),
        ("de", "Ich möchte wissen, wie das Wetter in der nächsten Woche wird"),
        ("fr", "Je voudrais savoir comment est le temps dans la semaine"),
        ("es", "Quiero saber si el tiempo va a ser bueno porque los niños están con mi madre"),
        ("it", "Vorrei sapere come sarà il tempo nella settimana che viene e se è bello"),
        ("pt", "Eu queria saber como vai ficar o tempo na semana que vem e se é bom"),
        ("nl", "Ik wil graag weten hoe het weer is in de volgende week"),
    ],
)
def test_a_language_is_guessed_by_its_small_words(language: str, text: str) -> None:
    assert guess(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "Berlin.",
        "I went.",
        "Into the house.",
        "Chciałbym wiedzieć, jaka pogoda będzie w przyszłym tygodniu i co z tym zrobić",
        "Jag skulle vilja veta hur vädret blir i nästa vecka",
        "Bilmek istiyorum hava nasıl olacak",
        "今何時ですか",
        "Que de la casa se come",  # Spanish, but three of its four small words are Portuguese, too
        "como que se desde o",
    ],
)
def test_no_language_is_guessed_for_a_text_that_is_too_short_or_in_another_language(text: str) -> None:
    assert guess(text) is None


@given(st.text())
def test_the_guess_of_any_text_is_a_known_language_or_none(text: str) -> None:
    assert guess(text) in {None, *WORDS}
