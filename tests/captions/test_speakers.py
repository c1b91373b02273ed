"""Who speaks in captions, and sound events between the words: in virtual time, with a service that tells both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import srt
import trio
import webvtt
from trio.testing import MockClock

from tests.captions.recorded_captions import RecordedCaptions, Service
from tests.captions.speech import said
from voiceloop.captions.cues import CueCutter
from voiceloop.captions.files import open_files
from voiceloop.captions.formats import VTT_HEAD
from voiceloop.captions.formats import srt as as_srt
from voiceloop.captions.formats import vtt as as_vtt
from voiceloop.captions.guessing import FINAL_S
from voiceloop.captions.joiner import Joiner
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.speakers import Speakers
from voiceloop.captions.words import Spoken, spoken
from voiceloop.types import CAPTURE_RATE_HZ, SoundEvent, Transcript, Utterance, Word

LONG = [f"word{number}" for number in range(80)]


def by(speaker: str, words: Sequence[Spoken]) -> list[Spoken]:
    return [replace(word, speaker=speaker) for word in words]


@dataclass
class Diarizing(Service):
    """Tells who said each word. As a real service does, it numbers people anew in each answer: by their order, from
    another number on each time."""

    tells_speakers: bool = True
    plain: Service | None = None
    """Takes the guesses."""

    def without_speakers(self) -> Service:
        self.plain = Service(self.truth)
        return self.plain

    async def finish(self, clip: Utterance) -> Transcript:
        transcript = await super().finish(clip)
        begin_s = clip.start / CAPTURE_RATE_HZ
        heard = [word for word in self.truth if word.text in transcript.text.split()]
        people = list(dict.fromkeys(word.speaker for word in heard))
        labels = {name: str(at + len(self.clips) % 3) for at, name in enumerate(people)}
        words = (
            Word(word.text, word.start_s - begin_s, word.end_s - begin_s, speaker=labels[word.speaker])
            for word in heard
        )
        return replace(transcript, words=tuple(words))


def shown(captions: RecordedCaptions) -> list[tuple[str, str]]:
    return [(final.speaker, final.text) for final in captions.finals]


async def test_people_who_speak_without_a_pause_are_told_apart(autojump_clock: MockClock) -> None:
    first = by("A", said(["shall", "we", "start"], 1.0))
    second = by("B", said(["yes", "let", "us"], 2.2))
    third = by("A", said(["good", "then"], 3.4))
    service = Diarizing([*first, *second, *third])
    captions = RecordedCaptions(service)
    await captions.listen()
    assert shown(captions) == [("Person 1", "shall we start"), ("Person 2", "yes let us"), ("Person 1", "good then")]
    starts = [final.words[0].start_s for final in captions.finals]
    assert starts == pytest.approx([1.0, 2.2, 3.4])
    assert service.plain is not None
    assert service.plain.clips, "the guesses go where nobody is told apart"


async def test_nobody_is_named_who_speaks_alone(autojump_clock: MockClock) -> None:
    """His number would mean nothing: after each pause the service may give another one."""
    words = [*by("A", said(["one", "two", "three"], 1.0)), *by("B", said(["four", "five", "six"], 4.0))]
    captions = RecordedCaptions(Diarizing(words))
    await captions.listen()
    assert shown(captions) == [("", "one two three"), ("", "four five six")]


async def test_numbers_begin_again_after_a_pause(autojump_clock: MockClock) -> None:
    words: list[Spoken] = []
    for start_s in (1.0, 5.0):
        words += by("B", said([f"b{start_s}"] * 1, start_s)) + by("A", said([f"a{start_s}"], start_s + 0.4))
    captions = RecordedCaptions(Diarizing(words))
    await captions.listen()
    assert [speaker for speaker, _ in shown(captions)] == ["Person 1", "Person 2"] * 2


async def test_people_are_followed_where_speech_is_cut_without_a_pause(autojump_clock: MockClock) -> None:
    """The service numbers them anew in each piece; both hear the same words at the cut."""
    truth = said(LONG, 1.0)
    truth = [replace(word, speaker="AB"[at // 3 % 2]) for at, word in enumerate(truth)]
    captions = RecordedCaptions(Diarizing(truth))
    await captions.listen(longest_s=10)
    assert captions.text.split() == LONG
    assert [final.speaker for final in captions.finals if not final.speaker] == []
    people: dict[str, set[str]] = {}
    for final in captions.finals:
        for word in final.words:
            people.setdefault(final.speaker, set()).add(truth[LONG.index(word.text)].speaker)
    assert people == {"Person 1": {"A"}, "Person 2": {"B"}}


async def test_a_whole_piece_is_posted_for_who_spoke_and_within_the_budget(autojump_clock: MockClock) -> None:
    """Settled words came from other answers, whose numbers mean other people."""
    truth = by("A", said(LONG[:25], 1.0)) + by("B", said(LONG[25:50], 11.0))
    service = Diarizing(truth)
    captions = RecordedCaptions(service)
    await captions.listen(longest_s=60)
    assert max(clip.duration_s for clip in service.clips) > 20 > FINAL_S
    assert shown(captions) == [("Person 1", " ".join(LONG[:25])), ("Person 2", " ".join(LONG[25:50]))]
    assert captions.pacer.posted_s <= 5 * captions.pacer.heard_s


async def test_words_that_are_not_final_at_the_end_have_no_name(autojump_clock: MockClock) -> None:
    """A post in a pause has told who said them, but by the numbers of that answer."""
    first = [*by("A", said(["one", "two"], 1.0)), *by("B", said(["three", "four"], 1.8))]
    last = [*by("A", said(["five", "six"], 5.0)), *by("B", said(["seven", "eight"], 6.1))]
    service = Diarizing([*first, *last])
    captions = RecordedCaptions(service)
    with trio.move_on_after(6.6):
        await captions.listen()
    asked = service.clips[-1].end / CAPTURE_RATE_HZ
    assert 5.8 < asked < 6.1, "the pause was posted"
    assert shown(captions) == [("Person 1", "one two"), ("Person 2", "three four"), ("", "five six")]


def test_somebody_who_may_have_been_heard_before_gets_no_new_number() -> None:
    speakers, joiner = Speakers(), Joiner()
    before = [*by("0", said(["one"])), *by("1", said(["two", "three"], 0.4))]
    joiner.feed(speakers.name(before, joiner), start_s=0, end_s=1.2, overlap_s=0.5)
    assert [word.speaker for word in joiner.held] == ["1", "2", "2"]
    # 8 said "three", as person 2 did; 9 may be person 1, or somebody else: the numbers begin again.
    after = [*by("8", said(["three"], 0.8)), *by("9", said(["four"], 1.2))]
    named = speakers.name(after, joiner)
    assert [word.speaker for word in named] == ["1", "2"]
    assert [word.speaker for word in joiner.held] == ["", "1", "1"]


def clip(text: str, *words: Word, sounds: tuple[SoundEvent, ...] = ()) -> Transcript:
    pcm = bytes(2 * 4 * CAPTURE_RATE_HZ)
    return Transcript(text, Utterance(pcm, CAPTURE_RATE_HZ, 4 * CAPTURE_RATE_HZ), words=words, sounds=sounds)


def test_sounds_stand_in_brackets_where_they_were_heard() -> None:
    words = (Word("Hello", 0.0, 0.5), Word("there.", 1.5, 2.0))
    found = clip("Hello there.", *words, sounds=(SoundEvent("laughter", 5, 0.6, 1.4), SoundEvent("cough", 10)))
    assert [(word.text, word.start_s, word.end_s) for word in spoken(found, sounds=True)] == [
        ("Hello", 1.0, 1.5),
        ("[laughter]", 1.6, 2.4),
        ("there.", 2.5, 3.0),
        ("[cough]", 3.0, 4.0),
    ]
    assert [word.text for word in spoken(found)] == ["Hello", "there."]


def test_a_sound_alone_is_a_caption_and_no_control_character_gets_through() -> None:
    found = clip("", sounds=(SoundEvent("dog\x1b[31m\nbarking", 0),))
    assert [word.text for word in spoken(found, sounds=True)] == ["[dog barking]"]


def test_between_characters_of_a_script_without_spaces_a_sound_keeps_its_place() -> None:
    found = clip("你好再见", sounds=(SoundEvent("笑", 2),))
    assert [word.text for word in spoken(found, sounds=True)] == ["你", "好", "[笑]", "再", "见"]


async def test_sounds_are_shown_only_if_they_are_wanted(autojump_clock: MockClock) -> None:
    class Laughing(Service):
        async def finish(self, clip: Utterance) -> Transcript:
            return replace(await super().finish(clip), sounds=(SoundEvent("laughter", 0),))

    for wanted in (False, True):
        captions = RecordedCaptions(Laughing(said(["one", "two", "three"], 1.0)), sounds=wanted)
        await captions.listen()
        assert captions.text == ("[laughter] " if wanted else "") + "one two three"
        assert all("[" not in text for text in captions.live_texts)


def line(text: str, start_s: float, speaker: str, source: str = "") -> Final:
    return Final(source, tuple(said(text.split(), start_s)), speaker)


async def test_subtitle_libraries_read_who_speaks(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"a.{kind}" for kind in ("srt", "vtt", "jsonl")}
    async with open_files(paths, pytest.fail) as files:
        files.final(line("Shall we?", 1.0, "Person 1"), Live("", since_s=2.0))
        files.final(line("Yes.", 2.0, "Person 2"), Live("mic"))
        files.final(line("No.", 5.0, "Person 1", "mic"), Live("mic"))
        files.final(line("Who?", 8.0, ""), Live("mic"))
    cues: list[Any] = list(srt.parse(paths["srt"].read_text()))  # type: ignore[no-untyped-call]
    assert [cue.content for cue in cues] == ["[Person 1] Shall we?", "[Person 2] Yes.", "[mic, Person 1] No.", "Who?"]
    captions = webvtt.read(str(paths["vtt"])).captions
    assert [(cue.voice, cue.text) for cue in captions] == [
        ("Person 1", "Shall we?"),
        ("Person 2", "Yes."),
        ("mic, Person 1", "No."),
        (None, "Who?"),
    ]
    rows = [json.loads(row) for row in paths["jsonl"].read_text().splitlines()]
    assert [(row["source"], row.get("speaker")) for row in rows] == [
        (None, "Person 1"),
        (None, "Person 2"),
        ("mic", "Person 1"),
        (None, None),
    ]
    assert cues[0].end.total_seconds() == 2.0, "a cue ends when the next person speaks"


def test_no_line_is_too_long_with_a_name_before_it() -> None:
    cues = CueCutter("speaker").cut(said(["extension"] * 30), speaker="Person 12")
    assert max(len(row) for cue in cues for row in as_srt(cue, 1).splitlines()[2:]) <= 42
    assert len(webvtt.from_buffer(StringIO(VTT_HEAD + "".join(as_vtt(cue, 1) for cue in cues)))) == len(cues)
