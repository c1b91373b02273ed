"""Splitter: cuts a streamed reply into chunks to speak, without its Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.splitter import Splitter, weight
from voiceloop.text import join_chunks

FRAGMENTS = st.sampled_from(
    [
        *"ab.,!?;: \n*_`~#>-|[]()<>\\\"'1",
        "Dr. ",
        "e.g. ",
        "U.S. ",
        "3.14",
        "1,000",
        "https://a.example/b?c=d. ",
        "... ",
        "“Yes.” ",
        "。",
        "「はい。」",
        "你好，",
        "สวัสดี ",
        "؟ ",
        "é",
        "👩\u200d🔬",
        "\x1b[1m",
        "\u202e",
        "```\n",
        "**bold** ",
        "[text](http://x.example)",
        "\n\n",
        "- item\n",
        "| a | b |\n",
        "A long enough clause to be spoken, ",
        "Then a sentence. ",
        "words without a comma and then more of them because ",
    ]
)
REPLIES = st.lists(FRAGMENTS, max_size=40).map("".join)


def split(text: str, **options: int) -> list[str]:
    splitter = Splitter(**options)  # type: ignore[arg-type]
    return splitter.feed(text) + splitter.finish()


@given(REPLIES, st.data())
def test_cutting_the_deltas_elsewhere_changes_nothing(text: str, data: st.DataObject) -> None:
    splitter, chunks, rest = Splitter(), [], text
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        chunks += splitter.feed(rest[:cut])
        rest = rest[cut:]
    assert chunks + splitter.finish() == split(text)


@given(REPLIES, st.integers(20, 80))
def test_no_chunk_is_empty_or_longer_than_allowed(text: str, longest: int) -> None:
    for chunk in split(text, longest=longest):
        assert chunk == chunk.strip()
        assert any(map(str.isalnum, chunk))
        assert sum(map(weight, chunk)) <= longest


@given(st.text(st.sampled_from("abcdé .,!?。你ก็1\n"), max_size=300))
def test_no_word_of_plain_text_is_lost(text: str) -> None:
    assert [c for c in "".join(split(text)) if c.isalpha()] == [c for c in text if c.isalpha()]


@given(REPLIES)
def test_a_splitter_can_be_used_again(text: str) -> None:
    splitter = Splitter()
    splitter.feed(text)
    splitter.finish()
    assert splitter.feed("Once more. ") + splitter.finish() == ["Once more."]


def test_the_first_chunk_is_a_clause_and_the_others_are_sentences() -> None:
    splitter = Splitter()
    assert splitter.feed("Well, that is a good question, and ") == ["Well, that is a good question,"]
    assert splitter.feed("the answer is long, so listen. Now ") == ["and the answer is long, so listen."]
    assert splitter.feed("comes a list: one, two. ") == []
    assert splitter.finish() == ["Now comes a list: one, two."]


def test_a_first_clause_that_runs_on_is_cut_before_a_conjunction() -> None:
    splitter = Splitter()
    assert splitter.feed("Mercury is the closest planet to the sun while ") == [
        "Mercury is the closest planet to the sun"
    ]
    assert splitter.feed("Neptune is the farthest one that we know of because ") == []
    assert splitter.finish() == ["while Neptune is the farthest one that we know of because"]


@pytest.mark.parametrize(
    "text", ["You need salt and pepper.", "I like it because it is green.", "Look at Tom and Jerry."]
)
def test_a_short_first_clause_is_not_cut(text: str) -> None:
    assert split(text) == [text]


def test_a_clause_is_cut_later_before_and_because_and_joins_nouns_too() -> None:
    text = "It lies about half way between Vienna"
    assert split(f"{text} and Prague.") == [f"{text} and Prague."]
    assert split(f"{text} because it does.") == [text, "because it does."]


def test_after_a_very_short_sentence_the_next_chunk_may_be_a_clause_again() -> None:
    said = "Sure! When the water boils and foams, add the salt."
    assert split(said) == ["Sure!", "When the water boils and foams,", "add the salt."]
    longer = "That is what I would have said. When the water boils and foams, add the salt."
    assert len(split(longer)) == 2


def test_a_lone_yes_with_a_comma_is_not_cut_off() -> None:
    assert split("Yes, that works.") == ["Yes, that works."]


def test_how_long_the_first_clause_must_be_can_be_set() -> None:
    assert split("Well, yes.", first_min=4) == ["Well,", "yes."]
    assert split("Well, yes.") == ["Well, yes."]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith met Mr. Jones.",
        "Fruit, e.g. Apples.",
        "The U.S. Army came.",
        "Pi is 3.14 and not 3.15.",
        "It costs 1,000.50 in all.",
        "No. 5 is alive.",
        "J. R. R. Tolkien wrote it.",
        "Meet at 5:30 p.m. on Monday.",
        "He asked “Why?” and left.",
        "Wait... what is that?",
        "Open www.example.com/a.b today.",
        "Yahoo! is a company.",
    ],
)
def test_a_sentence_stays_whole(sentence: str) -> None:
    assert split(f"{sentence} Next one.", first_min=1_000) in ([sentence, "Next one."], _with_shortened_url(sentence))


def _with_shortened_url(sentence: str) -> list[str]:
    return [sentence.replace("www.", "").replace("/a.b", ""), "Next one."]


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("(It rains.) We stay.", ["(It rains.)", "We stay."]),
        ("Really?! Yes… Fine. 5 more.", ["Really?!", "Yes…", "Fine.", "5 more."]),
        ("At 5 p.m. We left etc. Then more.", ["At 5 p.m.", "We left etc.", "Then more."]),
        ("今日は晴れ。散歩へ！はい", ["今日は晴れ。", "散歩へ！", "はい"]),
        ("「はい。」と彼は言った。次。", ["「はい。」と彼は言った。", "次。"]),
        ("ما اسمك؟ اسمي علي. شكرا", ["ما اسمك؟", "اسمي علي.", "شكرا"]),
        ("यह है। वह भी।", ["यह है।", "वह भी।"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, chunks: list[str]) -> None:
    assert split(text) == chunks


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "am 3. Mai um 15 Uhr, also z. B. in der 2. Woche."),
        ("de-AT", "Das ist i. d. R. so, d. h. bei uns u. a. Anna und Otto."),
        ("de", "Er lebte von 4 v. Chr. bis 30 n. Chr. Genauer weiß man es nicht."),
        ("de", "Das sind z.B. Äpfel, bzw. Birnen, ggf. Nüsse."),
        ("es", "Hay ciudades, p. ej. Madrid, y vivió en 40 a. C. en Roma."),
    ],
)
def test_abbreviations_and_ordinals_don_t_end_a_sentence(language: str, text: str) -> None:
    splitter = Splitter(language=language, first_min=1_000)
    assert splitter.feed(text) + splitter.finish() == [text]


def test_abbreviations_follow_the_language() -> None:
    german = Splitter(language="de")
    assert german.feed("Am 5. Mai kam Hr. Meier. Dann") + german.finish() == ["Am 5. Mai kam Hr. Meier.", "Dann"]
    english = Splitter(language="en-GB")
    assert english.feed("I was 5. May came.") + english.finish() == ["I was 5.", "May came."]


def test_text_without_any_stop_is_cut_between_words() -> None:
    chunks = split("word " * 200, longest=100)
    assert all(set(chunk.split()) == {"word"} for chunk in chunks)
    assert sum(len(chunk.split()) for chunk in chunks) == 200


def test_a_script_without_spaces_is_cut_by_its_length_and_never_before_a_mark() -> None:
    assert [len(chunk) for chunk in split("字" * 100, longest=90)] == [30, 30, 30, 10]
    assert not any(chunk.startswith("่") for chunk in split("ก่" * 100, longest=31))


@pytest.mark.parametrize(
    ("markdown", "spoken"),
    [
        ("# Heading\nText", ["Heading", "Text"]),
        ("Some **bold**, *soft* and __strong__ ~~old~~ words", ["Some bold, soft and strong old words"]),
        ("2 * 3 is 6, 2*3 too; snake_case; ~5", ["2 * 3 is 6, 2*3 too; snake_case; ~5"]),
        ("- one\n- two\n* three\n", ["one", "two", "three"]),
        ("1. one\n2. two", ["1. one", "2. two"]),
        ("> quoted\n> text", ["quoted text"]),
        ("Run `ls -l` now", ["Run ls -l now"]),
        ("Before\n```python\nprint('x')\n```\nAfter", ["Before", "After"]),
        ("~~~\ncode", ["code"]),
        ("~~~sh\nls -l\n~~~", ["ls -l"]),
        ("Run:\n```sh\nls -l", ["Run:"]),
        ("Sure.\n```\nThe answer is four.", ["Sure.", "The answer is four."]),
        ("See [the docs](https://x.example/a_(b)) and ![a cat](c.png)", ["See the docs and a cat"]),
        ("A [ref][1] and [1] and [^2] and [this]", ["A ref and and and [this]"]),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |\n", ["a, b", "1, 2"]),
        ("One\n\n---\n\nTwo", ["One", "Two"]),
        ("Title\n=====\nText", ["Title", "Text"]),
        ("a <b>bold</b> x < y <https://x.example/z>", ["a bold x < y x.example"]),
        (r"not \*emphasis\*", ["not *emphasis*"]),
        ("Great 👍🏽! Yes ❤️", ["Great!", "Yes"]),
        ("Go to https://www.example.com/a/b?c=d, please", ["Go to example.com, please"]),
        ("hard\nwrapped text", ["hard wrapped text"]),
        ("A line.\nAnother", ["A line.", "Another"]),
        ("***", []),
        ("an [open bracket", ["an [open bracket"]),
    ],
)
def test_markdown_is_read_not_spelled(markdown: str, spoken: list[str]) -> None:
    assert split(markdown, first_min=1_000) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Paris is the capital of France[1][2].", "Paris is the capital of France."),
        ("So it is [1][2][3], they say[^4].", "So it is, they say."),
        ("So it is[[1]](https://x.example/a), as of 2024[2](https://x.example).", "So it is, as of 2024."),
        ("So it is【4:0†report.pdf】, they say.", "So it is, they say."),
        ("It is so.\n[1]: https://x.example/a", "It is so."),
        ("The answer is [42](https://x.example).", "The answer is 42."),
        ("【注意】これは大事です。", "【注意】これは大事です。"),
        ("See [note 1] and [1a].", "See [note 1] and [1a]."),
    ],
)
def test_the_numbers_of_citations_are_not_spoken(text: str, spoken: str) -> None:
    assert " ".join(split(text)) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("詳しくはhttps://e.com/pathをご覧ください。", "詳しくはe.comをご覧ください。"),
        ("詳しくはwww.e.com/pathをご覧ください。", "詳しくはe.comをご覧ください。"),
        ("见https://e.com/a，然后继续。", "见e.com，然后继续。"),
        ("https://e.com/a을 보세요.", "e.com을 보세요."),
        ("ดูที่https://e.com/aนะ", "ดูที่e.comนะ"),
        ("Siehe „https://e.com/a“ (oder https://f.org/b_(c)?d=e).", "Siehe „e.com“ (oder f.org)."),
        ("Go to https://e.com/a?b=c. Then <https://f.org/x>, see?", "Go to e.com. Then f.org, see?"),
        ("https://例え.jp/a を見て", "https://例え.jp/a を見て"),
    ],
)
def test_nothing_beside_a_url_is_lost(text: str, spoken: str) -> None:
    assert "".join(split(text)).replace(" ", "") == spoken.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "I like it (a lot), if a < b and c > d.",
        "Is it 3 <4 or 5> 4? [Really], {yes} (so it is).",
        "«Oui», dit-il [à voix basse]. „Ja“, sagt er (leise).",
        "「はい」（そうです）［本当に］。",
    ],
)
def test_no_word_in_brackets_is_lost(text: str) -> None:
    letters = [char for char in text if char.isalnum()]
    assert [char for char in " ".join(split(text)) if char.isalnum()] == letters


def test_words_in_angle_brackets_are_spoken_unless_they_are_a_tag() -> None:
    text = 'Type <your name>, <b>not</b> <break time="1s"/> <a href=x>his</a>, if a <b and c> d.'
    assert " ".join(split(text)) == "Type your name, not his, if a b and c d."


def test_a_line_that_ends_a_sentence_is_spoken_at_once() -> None:
    assert Splitter().feed("One moment.\n") == ["One moment."]


def test_an_empty_line_ends_a_chunk_at_once() -> None:
    assert Splitter().feed("no stop here\n\n") == ["no stop here"]


def test_escape_sequences_and_direction_marks_are_not_spoken() -> None:
    assert split("\x1b[31mred\x1b[0m \u202eword.") == ["red word."]


def test_chunks_join_with_a_space_only_where_the_script_has_one() -> None:
    assert join_chunks(["Hello there.", "And you?"]) == "Hello there. And you?"
    assert join_chunks(["今日は。", "晴れ。"]) == "今日は。晴れ。"
