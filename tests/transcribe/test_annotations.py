"""Annotations and credits in transcripts: what was no speech is left out, what somebody said stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.config.tables import Hallucinations
from voiceloop.transcribe.annotations import so_far, without_annotations, without_credits
from voiceloop.transcribe.screening import Screened
from voiceloop.types import Transcript, Utterance, Word

NO_SPEECH = [
    "[BLANK_AUDIO]",
    "(wind blowing)",
    "*coughs*",
    "[Musik]",
    "<|nospeech|>",
    " [[BLANK_AUDIO]] ",
    "- [Music] (applause)",
    "[Applaus von links]",
    "(The whole thing.)",
    "**soft music**",
    "♪ (upbeat music) ♪",
    "（笑）【音楽】",
    "[音乐]",
    "<|en|><|EMO_UNKNOWN|><|BGM|><|withitn|>",
    "<noise>",
]
AS_HEARD = [
    "I like it (a lot).",
    "See [1] and *this*.",
    "Press [Enter] (twice), or {now}.",
    "Vitamin [C], 2 * 3 * 4, a < b and c > d.",
    "Das Konzert (mit Musik) war *sehr* gut.",
    "He said (and I quote) music is laughter.",
    "That is snake_case and <your name>.",
    "音楽（クラシック）が好きです。",
    "(a) is first, (b) is second.",
]
BESIDE = [
    ("Save it. [MUSIC PLAYING]", "Save it."),
    ("[blank_audio] Save it. (coughs)", "Save it."),
    ("Save (clears throat) it, *sighs*.", "Save it,."),
    ("Hello [Laughter], he said.", "Hello, he said."),
    ("Hello (gentle music) (soft piano music playing) (speaking in foreign language)", "Hello"),
    ("Hallo (leise Musik) Welt. [Applaus]", "Hallo Welt."),
    ("Bonjour (rires) Marie. [Musique]", "Bonjour Marie."),
    ("Hola (risas). *suspira*", "Hola."),
    ("Привет [смех] Анна.", "Привет Анна."),
    ("はい（笑） [音楽]", "はい"),
    ("<|de|><|NEUTRAL|>Ja, gern.<|endoftext|>", "Ja, gern."),
    ("♪ Save it ♪", "Save it"),
    ("[SPEAKER_00] Save it.", "Save it."),
]
CREDITS = [
    ("Please save it. Subtitles by the Amara.org community", "Please save it."),
    ("Save it! Subtitles by the Amara.org community Subtitles by the Amara.org community", "Save it!"),
    ("Ja, gut. Untertitelung des ZDF, 2020", "Ja, gut."),
    ("Ja. Untertitel im Auftrag des ZDF für funk, 2017", "Ja."),
    ("Ja. Copyright WDR 2021", "Ja."),
    ("Oui. Sous-titrage Société Radio-Canada", "Oui."),
    ("Oui. Sous-titres réalisés par la communauté d'Amara.org", "Oui."),
    ("Sí. Subtítulos realizados por la comunidad de Amara.org", "Sí."),
    ("Да. Редактор субтитров А.Семкин Корректор А.Егорова", "Да."),
    ("Да. Субтитры сделал DimaTorzok", "Да."),
    ("Evet. Altyazı M.K.", "Evet."),
    ("好的。字幕由Amara.org社区提供", "好的。"),
    ("好。请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", "好。"),
]


@pytest.mark.parametrize("text", NO_SPEECH)
def test_annotations_alone_are_nothing(text: str) -> None:
    assert without_annotations(text).text == ""


@pytest.mark.parametrize("text", AS_HEARD)
def test_other_brackets_beside_words_stay_as_heard(text: str) -> None:
    assert without_annotations(text).text == text
    assert so_far(text) == text


@pytest.mark.parametrize(("text", "left"), BESIDE)
def test_annotations_beside_words_go_and_the_words_stay(text: str, left: str) -> None:
    assert without_annotations(text).text == left


@pytest.mark.parametrize(("text", "left"), CREDITS)
def test_credits_behind_words_go(text: str, left: str) -> None:
    assert without_credits(text).text == left


@pytest.mark.parametrize(
    "text",
    [
        "I like the subtitles by the Amara.org community",
        "Subtitles by the Amara.org community",
        "Save it. Thanks for watching!",
        "Look at this. Subtitles by Jane Doe are good.",
        "Er sagt, Untertitel der Amara.org-Community sind gut.",
    ],
)
def test_what_somebody_may_have_said_is_no_credit(text: str) -> None:
    assert without_credits(text).text == text


def test_the_times_of_the_words_that_stay_are_kept() -> None:
    words = tuple(Word(text, at, at + 1) for at, text in enumerate(["Save", "[MUSIC", "PLAYING]", "it.", "(coughs)"]))
    stripped = without_annotations("Save [MUSIC PLAYING] it. (coughs)", words)
    assert stripped.words == (words[0], words[3])
    assert without_annotations("Save [MUSIC] it.", words).words == ()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[Mus", ""),
        ("(wind blo", ""),
        ("*cou", ""),
        ("Save it [MUS", "Save it"),
        ("Save <|en", "Save"),
        ("[MUSIC] Save", "Save"),
        ("Save it (a l", "Save it (a l"),
    ],
)
def test_annotations_are_not_shown_while_they_are_written(text: str, left: str) -> None:
    assert so_far(text) == left


@given(st.text(st.sampled_from("ab AB.]),:♪>_-|0）笑 "), max_size=60))
def test_no_word_outside_of_brackets_is_lost(text: str) -> None:
    left = without_annotations(f"{text} [MUSIC]").text
    assert [char for char in left if char.isalnum()] == [char for char in text if char.isalnum()]


class Fixed:
    """A transcriber that hears a given text, and tells its beginning."""

    def __init__(self, text: str) -> None:
        self.text = text

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Fixed]:
        yield self

    def follow(self, heard: Callable[[str], None]) -> None:
        heard(self.text)

    async def finish(self, utterance: Utterance) -> Transcript:
        return Transcript(self.text, utterance)


@pytest.mark.parametrize(
    ("text", "on", "kept", "reasons"),
    [
        ("[BLANK_AUDIO]", True, "", ["an annotation"]),
        ("[Music]", False, "[Music]", []),
        ("<|en|>Save it. (coughs)", True, "Save it.", []),
        ("Save it. Subtitles by the Amara.org community", True, "Save it.", ["a credit of subtitles"]),
        ("♪♪", False, "", ["no words"]),
    ],
)
async def test_every_transcript_passes_here(text: str, on: bool, kept: str, reasons: list[str]) -> None:
    published: list[object] = []
    rules = Hallucinations(annotations=on, quiet=False, phrases=text == "♪♪")

    def publish(name: str, /, **fields: object) -> None:
        published.append(fields["reason"])

    screened = Screened(Fixed(text), rules, (), publish)  # type: ignore[arg-type]
    heard: list[str] = []
    async with screened.transcription() as transcription:
        transcription.follow(heard.append)
        transcript = await transcription.finish(Utterance(bytes(32_000), 0, 16_000))
    assert (transcript.text, published) == (kept, reasons)
    provisional = so_far(text) if on else text
    assert heard == ([provisional] if provisional else [])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[Musique] Comment ça va ? Très bien !", "Comment ça va ? Très bien !"),
        ("<|fr|> Comment ça va ? Très  bien !", "Comment ça va ? Très  bien !"),
        ("保存して(音楽)ください", "保存してください"),
        ("Hello (applause)(laughter)there.", "Hello there."),
        ("Hello [Music] [Applause] there.", "Hello there."),
        ("Hello (laughter).", "Hello."),
    ],
)
def test_only_the_joints_are_spaced_anew(text: str, left: str) -> None:
    assert without_annotations(text).text == left


@pytest.mark.parametrize(
    ("text", "sounds"),
    [
        ("[BLANK_AUDIO]", []),
        ("<|nospeech|>", []),
        ("♪♪", []),
        ("(silence)", []),
        ("[Stille]", []),
        ("[APPLAUSE] (dog_barking)", [("applause", 0), ("dog barking", 0)]),
        ("[SPEAKER_00] Save it.", []),
        ("[VIDEO PLAYBACK]", []),
        ("Save it. [MUSIC] Then go. (coughs)", [("music", 6), ("coughs", 12)]),
        ("<|en|>Save it.", []),
        ("I like it (a lot).", []),
    ],
)
def test_the_sounds_of_annotations_are_told_with_their_place(text: str, sounds: list[tuple[str, int]]) -> None:
    assert [(sound.text, sound.letters) for sound in without_annotations(text).sounds] == sounds


@pytest.mark.parametrize("shown", [False, True])
async def test_a_sound_is_told_beside_the_text_and_is_a_dropped_text_only_where_nobody_shows_it(shown: bool) -> None:
    published: list[str] = []
    rules = Hallucinations(quiet=False, phrases=False)

    def publish(name: str, /, **fields: object) -> None:
        published.append(name)

    screened = Screened(Fixed("[Music]"), rules, (), publish)  # type: ignore[arg-type]
    screened.shows_sounds = shown
    async with screened.transcription() as transcription:
        found = await transcription.finish(Utterance(bytes(32_000), 0, 16_000))
    assert (found.text, [sound.text for sound in found.sounds]) == ("", ["Music"])
    assert published == ([] if shown else ["hallucination.dropped"])
