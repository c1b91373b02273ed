"""Hallucinations: words that nobody said are dropped, words that somebody may have said are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.wav import read_wav
from voiceloop.config.tables import Hallucinations
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer
from voiceloop.plugins import Transcription
from voiceloop.transcribe.answers import transcript as parsed
from voiceloop.transcribe.hallucinations import Judgement, Reason, judge, not_worth_posting
from voiceloop.transcribe.openai import OpenAITranscribeOptions
from voiceloop.transcribe.screening import Screened, screened
from voiceloop.transcribe.sphinx import SphinxOptions
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
RULES = Hallucinations()


def noise(seconds: float, level_dbfs: float, seed: int = 1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * CAPTURE_RATE_HZ))
    return samples * 32768 * 10 ** (level_dbfs / 20)


def clip(samples: np.ndarray) -> Utterance:
    return Utterance(samples.clip(-32768, 32767).astype("<i2").tobytes(), 0, len(samples))


HISS = clip(noise(1.0, -50))
"""Steady noise, for which recognisers invent words."""
SPEECH = clip(np.concatenate([noise(0.3, -70), noise(0.8, -25), noise(0.3, -70)]))
"""As loud as speech, above a quiet room."""
LONG_NOISE = clip(np.concatenate([noise(0.3, -70), noise(6.0, -25), noise(0.3, -70)]))
"""Loud, but steadier than any speech: hardly any part is louder than the rest."""

LONG_SPEECH = clip(np.concatenate([noise(0.3, -70), *[noise(0.4, -25), noise(0.1, -55)] * 36]))
"""Long enough for all texts below to be said in it, and with gaps as in speech."""


def judged(text: str, utterance: Utterance, **more: float) -> Judgement:
    """How the rules judge `text` as the transcript of `utterance`."""
    return judge(Transcript(text, utterance, **more), RULES)  # type: ignore[arg-type]


HALLUCINATED = [
    "Thank you.",
    " Thanks for watching!",
    "Thank you. Thank you.",
    "Subtitles by the Amara.org community",
    "Subtitles by Jane Doe",
    "you",
    "ご視聴ありがとうございました",
    "Untertitel der Amara.org-Community",
    "Продолжение следует...",
    "시청해주셔서 감사합니다!",
]


@pytest.mark.parametrize("text", HALLUCINATED)
def test_a_known_hallucination_in_a_weak_clip_is_dropped(text: str) -> None:
    assert judged(text, HISS) == Judgement("", Reason.PHRASE)


@pytest.mark.parametrize("text", ["Thank you.", "you", "Bye.", "Gracias."])
def test_a_thank_you_said_aloud_is_transcribed(text: str) -> None:
    assert judged(text, SPEECH) == Judgement(text)


@pytest.mark.skipif(not (ASTERISK / "auth-thankyou.wav").exists(), reason="needs Debian's recorded prompts")
@pytest.mark.parametrize("quieter_db", [0, 10, 20, 30])
def test_a_recorded_thank_you_is_transcribed_even_far_from_the_microphone(quieter_db: int) -> None:
    voice = np.frombuffer(read_wav(ASTERISK / "auth-thankyou.wav").at(CAPTURE_RATE_HZ), "<i2").astype(float)
    quiet = np.concatenate([np.zeros(4800), voice, np.zeros(4800)]) * 10 ** (-quieter_db / 20)
    said = clip(quiet + noise(len(quiet) / CAPTURE_RATE_HZ, -70)[: len(quiet)])
    assert judged("Thank you.", said) == Judgement("Thank you.")


def test_a_known_hallucination_is_dropped_in_any_clip_when_the_no_speech_score_agrees() -> None:
    assert judged("Thank you.", SPEECH, no_speech=0.3).reason is Reason.PHRASE
    assert judged("Thank you.", SPEECH, no_speech=0.01).reason is None


def test_a_known_hallucination_that_nobody_can_say_so_fast_is_dropped() -> None:
    click = clip(np.concatenate([noise(0.3, -70), noise(0.12, -20), noise(0.3, -70)]))
    assert judged("Thank you so much for watching.", click).reason is Reason.PHRASE


def test_other_words_in_a_weak_clip_are_not_dropped() -> None:
    assert judged("Turn the light off.", HISS) == Judgement("Turn the light off.")


def test_text_that_the_model_itself_scores_as_no_speech_is_dropped() -> None:
    assert judged("Some words.", SPEECH, no_speech=0.9, confidence=0.2).reason is Reason.NO_SPEECH
    assert judged("Some words.", SPEECH, no_speech=0.9, confidence=0.9).reason is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no " * 30, ""),
        ("I think that " * 8, ""),
        ("We went there and then and then and then and then and then", "We went there and then"),
        ("ああああああああああああああ", ""),
        ("はい" * 20, ""),
        ("no " * 10 + "thank you.", "no thank you."),
        ("We said no no no no no no no no, and went home.", "We said no and went home."),
        ("I think that " * 6 + "I think", ""),
    ],
)
def test_a_repetition_loop_is_dropped_or_kept_once_beside_other_words(text: str, left: str) -> None:
    assert judged(text, LONG_NOISE) == Judgement(left, Reason.LOOP)


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no, no!",
        "one two one two one two",
        "Bye bye. Bye bye.",
        "haha",
        "The number is 1 1 1 1 1 0 0 0 0.",
    ],
)
def test_ordinary_repetition_is_transcribed(text: str) -> None:
    assert judged(text, LONG_NOISE) == Judgement(text)


ALOUD = [
    "No, no, no, no, no, no, no, no!",
    "Test test test test test test test test.",
    "La la la la la la la la, sing along",
    "The serial is zero zero zero zero zero zero zero zero one",
    "one two one two one two one two one two",
    "Let it be, let it be, let it be, let it be",
    "ははははははははははははは",
]


@pytest.mark.parametrize("text", ALOUD)
def test_repetition_said_aloud_and_clearly_is_transcribed(text: str) -> None:
    assert judged(text, LONG_SPEECH) == Judgement(text)
    assert judged(text, LONG_SPEECH, confidence=0.2).reason is Reason.LOOP
    assert judged(text, HISS).reason is Reason.LOOP


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no " * 100, ""),
        ("I think that " * 30, ""),
        ("はい" * 60, ""),
        ("We went there and then" + " and then" * 40, "We went there and then"),
        ("no " * 100 + "thank you.", "no thank you."),
    ],
)
def test_an_endless_loop_is_dropped_however_clear_it_sounds(text: str, left: str) -> None:
    assert judged(text, LONG_SPEECH) == Judgement(left, Reason.LOOP)


def test_a_loop_that_nobody_can_say_so_fast_is_dropped() -> None:
    assert judged("The end is near" + " near" * 9, SPEECH) == Judgement("The end is near", Reason.LOOP)


DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COUNTING = ", ".join(f"one hundred and twenty {digit}" for digit in DIGITS)


def test_counting_aloud_is_transcribed() -> None:
    """Counting repeats as much as a loop does, so the words alone are no evidence that nobody said them."""
    assert judged(COUNTING, LONG_SPEECH) == Judgement(COUNTING)
    assert judged(COUNTING, LONG_SPEECH, confidence=0.2).reason is Reason.LOOP
    assert judged(COUNTING, SPEECH).reason is Reason.LOOP
    assert judged(COUNTING, HISS).reason is Reason.LOOP


WORDS = "the a cat dog house runs sleeps big small and of to in over"


@given(st.lists(st.sampled_from(WORDS.split()), max_size=60), st.sampled_from([LONG_NOISE, LONG_SPEECH]))
def test_each_word_of_a_loop_is_kept_once_and_none_is_added(words: list[str], sound: Utterance) -> None:
    text = " ".join(words)
    judgement = judge(Transcript(text, sound), RULES)
    rest = iter(words)
    assert all(word in rest for word in judgement.text.split())
    assert not judgement.text or set(judgement.text.split()) == set(words)
    assert (judgement.reason is None) == (judgement.text == text)


def test_the_prompts_echo_is_dropped_but_not_a_name_from_it() -> None:
    prompt = ("Names that may be said: Ada Lovelace, Grace Hopper.",)
    echo = judge(Transcript("Names that may be said, Ada Lovelace, Grace Hopper", SPEECH), RULES, prompt)
    assert echo.reason is Reason.ECHO
    assert judge(Transcript("Ada Lovelace", SPEECH), RULES, prompt).reason is None
    assert judge(Transcript("Ada Lovelace", HISS), RULES, prompt).reason is Reason.ECHO
    assert judge(Transcript("Ada Lovelace", SPEECH), RULES, ("Ada Lovelace",)).reason is None


def test_a_vocabulary_said_aloud_is_transcribed() -> None:
    """The vocabulary is sent in the prompt, but its words are expected in speech."""
    options = OpenAITranscribeOptions(model="a", vocabulary=("voiceloop", "Ada Lovelace"))
    prompts = (str(options.prompt_with(None)),)
    said = "Voiceloop, Ada Lovelace."
    assert judge(Transcript(said, LONG_SPEECH), RULES, prompts) == Judgement(said)
    assert judge(Transcript(said, LONG_SPEECH, confidence=0.2), RULES, prompts).reason is Reason.ECHO
    assert judge(Transcript("Ada Lovelace.", LONG_SPEECH, confidence=0.2), RULES, prompts).reason is None
    assert judge(Transcript(said, HISS), RULES, prompts).reason is Reason.ECHO


def test_silence_and_clicks_are_not_worth_posting() -> None:
    assert not_worth_posting(clip(noise(1.0, -75)), RULES) is Reason.QUIET
    click = clip(np.concatenate([noise(0.5, -90), noise(0.03, -20), noise(0.5, -90)]))
    assert not_worth_posting(click, RULES) is Reason.LITTLE
    assert not_worth_posting(SPEECH, RULES) is None
    assert not_worth_posting(clip(noise(1.0, -75)), Hallucinations(quiet=False)) is None


@pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs Debian's recorded prompts")
def test_a_quiet_persons_shortest_words_are_posted() -> None:
    for name in ("yes", "no", "digits/2", "digits/5", "digits/8", "vm-for"):
        path = ASTERISK / f"{name}.wav"
        if not path.exists():
            continue
        voice = np.frombuffer(read_wav(path).at(CAPTURE_RATE_HZ), "<i2").astype(float)
        for quieter_db in (0, 20, 30):
            quiet = voice * 10 ** (-quieter_db / 20) + noise(len(voice) / CAPTURE_RATE_HZ, -70)[: len(voice)]
            assert not_worth_posting(clip(quiet), RULES) is None, (name, quieter_db)


def test_each_kind_can_be_turned_off() -> None:
    off = Hallucinations(phrases=False, no_speech=False, repetition=False, prompt_echo=False)
    for text in ("Thank you.", "no " * 30, "expect this"):
        found = judge(Transcript(text, HISS, confidence=0.1, no_speech=0.9), off, ("expect this",))
        assert found == Judgement(text)


def test_phrases_can_be_added_in_the_config() -> None:
    rules = Hallucinations(more_phrases=("Beep boop.",))
    assert judge(Transcript("beep boop", HISS), rules).reason is Reason.PHRASE


def test_the_no_speech_score_is_read_from_the_answer() -> None:
    where = Where("http://x", "m")
    rows = [{"no_speech_prob": 0.7}, {"no_speech_prob": 0.2}, {"no_speech_prob": "odd"}, 5]
    assert parsed(JsonAnswer({"text": "x", "segments": rows}, None), SPEECH, where).no_speech == 0.2
    assert parsed(JsonAnswer({"text": "x"}, None), SPEECH, where).no_speech is None


class FakeTranscriber:
    """A fake transcriber: counts its requests and always returns a thank-you."""

    preemptive = True
    description = "fake"

    def __init__(self) -> None:
        self.requests = 0

    async def finish(self, utterance: Utterance) -> Transcript:
        self.requests += 1
        return Transcript("Thank you.", utterance)


async def finish(outer: Screened, fake: FakeTranscriber, utterance: Utterance) -> str:
    inner: Transcription = fake  # type: ignore[assignment]
    return (await outer.finish(inner, utterance)).text


async def test_every_drop_is_published_with_its_reason_but_not_its_text_and_counted_at_the_end() -> None:
    published: list[tuple[str, dict[str, object]]] = []
    fake = FakeTranscriber()

    def publish(name: str, /, **fields: object) -> None:
        published.append((name, fields))

    with screened(fake, RULES, SphinxOptions(), publish) as outer:  # type: ignore[arg-type]
        assert await finish(outer, fake, clip(noise(1, -80))) == ""
        assert await finish(outer, fake, HISS) == ""
        assert await finish(outer, fake, SPEECH) == "Thank you."
        assert await finish(outer.quietly(), fake, HISS) == ""
    assert fake.requests == 3
    assert [(name, fields.get("reason", fields.get("dropped"))) for name, fields in published] == [
        ("hallucination.dropped", "too quiet"),
        ("hallucination.dropped", "a known hallucination"),
        ("hallucinations", {"too quiet": 1, "a known hallucination": 1}),
    ]
    assert "Thank" not in repr(published)


def test_the_vocabulary_is_a_prompt_too() -> None:
    options = OpenAITranscribeOptions(prompt="A talk on:", vocabulary=("Trio", "nurseries"))
    with screened(FakeTranscriber(), RULES, options, lambda *_, **__: None) as outer:  # type: ignore[arg-type]
        assert outer.prompts == (
            "A talk on:",
            "A talk on: Trio, nurseries",
            "Trio, nurseries",
        )
