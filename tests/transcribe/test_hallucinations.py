"""Hallucinations: words that nobody said are dropped, words that somebody may have said are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.wav import read_wav
from voiceloop.config.tables import Hallucinations
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer
from voiceloop.plugins import Transcription
from voiceloop.transcribe import voice_evidence
from voiceloop.transcribe.answers import transcript as parsed
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions
from voiceloop.transcribe.hallucinations import Judgement, Reason, judge, not_worth_posting, without_voice
from voiceloop.transcribe.openai import OpenAITranscribeOptions
from voiceloop.transcribe.screening import Screened, screened
from voiceloop.transcribe.voice_evidence import Voice, VoiceJudge
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


CLEAR = Voice(first=1.0, settled=1.0)
"""The evidence for a voice that is clearly heard."""
OF_NOISE = [
    ("You", 0.93, Voice(0.01, 0.01), SPEECH, Reason.PHRASE),  # a sniff
    ("Uh?", 0.78, Voice(0.35, 0.08), SPEECH, Reason.PHRASE),  # a throat cleared
    ("Uh, uh, uh.", 0.67, Voice(0.47, 0.02), SPEECH, Reason.PHRASE),
    ("Yeah.", 0.59, Voice(0.64, 0.22), SPEECH, Reason.PHRASE),
    ("Thank you for watching!", 0.78, Voice(0.40, 0.02), LONG_SPEECH, Reason.PHRASE),  # music
    ("© transcript Emily Beynon", 0.72, Voice(0.1, 0.02), LONG_SPEECH, Reason.PHRASE),  # coughs
    ("That.", 0.48, Voice(0.65, 0.21), SPEECH, Reason.DOUBTFUL),
    ("And the packet.", 0.21, Voice(0.48, 0.48), SPEECH, Reason.DOUBTFUL),
    ("The first is the first is the first is the first is", 0.6, Voice(0.2, 0.01), LONG_SPEECH, Reason.LOOP),  # hiss
    ("♪♪♪♪♪", 0.72, Voice(0.01, 0.0), SPEECH, Reason.NO_WORDS),  # keys
    ("??", 0.5, CLEAR, SPEECH, Reason.NO_WORDS),
    ("2-3ตวบนลา", 0.5, CLEAR, SPEECH, Reason.SCRIPT),
    ("You", 0.22, CLEAR, SPEECH, Reason.PHRASE),  # a cough with a voiced end
]
"""What Moonshine tiny made of noises: text, confidence, evidence for voice, a clip about as long and loud; and why it
is dropped."""


@pytest.mark.parametrize(("text", "confidence", "voice", "sound", "reason"), OF_NOISE)
def test_what_moonshine_makes_of_noise_is_dropped(
    text: str, confidence: float, voice: Voice, sound: Utterance, reason: Reason
) -> None:
    transcript = Transcript(text, sound, confidence=confidence, language="en")
    judgement = judge(transcript, RULES, voice=voice)
    assert judgement.reason is reason
    assert len(judgement.text.split()) <= 3


@pytest.mark.parametrize(
    ("text", "confidence", "voice"),
    [
        ("E.", 0.66, Voice(0.6, 0.13)),  # a letter, spoken by a person to a model that had heard nothing before
        ("Oh,", 0.80, Voice(0.5, 0.12)),
        ("Four.", 0.71, Voice(0.7, 0.49)),
        ("You.", 0.8, CLEAR),
        ("Yeah.", 0.47, CLEAR),
        ("Thank you.", 0.3, CLEAR),
        ("Livid.", 0.37, CLEAR),
    ],
)
def test_a_word_that_moonshine_hears_from_a_person_is_transcribed(text: str, confidence: float, voice: Voice) -> None:
    transcript = Transcript(text, SPEECH, confidence=confidence, language="en")
    assert judge(transcript, RULES, voice=voice) == Judgement(text)


def test_a_small_word_in_a_clear_voice_is_kept_where_the_engine_says_that_somebody_spoke() -> None:
    """Whisper's confidence in single words is low, but its no-speech score tells them from noise."""
    scored = Transcript("Two.", SPEECH, confidence=0.3, no_speech=0.05, language="en")
    assert judge(scored, RULES, voice=CLEAR) == Judgement("Two.")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("こんにちは", "ja"),
        ("こんにちは", None),
        ("Привет", "ru"),
        ("The angle α is 3", "en"),
        ("Naïve café", "en-GB"),
        ("12:30", "en"),
    ],
)
def test_letters_of_any_script_are_transcribed_where_the_language_may_have_them(
    text: str, language: str | None
) -> None:
    assert judge(Transcript(text, SPEECH, language=language), RULES) == Judgement(text)


def test_a_clip_without_voice_is_dropped_unless_that_is_turned_off() -> None:
    nothing = Voice(first=0.2, settled=0.02)
    assert without_voice(SPEECH, nothing, RULES) is Reason.NO_VOICE
    assert without_voice(SPEECH, CLEAR, RULES) is None
    assert without_voice(SPEECH, nothing, Hallucinations(quiet=False)) is None


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


async def test_every_drop_is_published_with_its_reason_but_not_its_text_and_counted_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(voice_evidence, "open_look", lambda: lambda _: CLEAR)
    published: list[tuple[str, dict[str, object]]] = []
    fake = FakeTranscriber()

    def publish(name: str, /, **fields: object) -> None:
        published.append((name, fields))

    with screened(fake, RULES, MoonshineOptions(), publish) as outer:  # type: ignore[arg-type]
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


async def test_a_clip_without_voice_never_reaches_the_recogniser() -> None:
    fake = FakeTranscriber()
    rules_off = Hallucinations(quiet=False, phrases=False)
    with trio.fail_after(120):
        for rules, requests in ((RULES, 0), (rules_off, 1)):
            outer = Screened(fake, rules, (), None, VoiceJudge())  # type: ignore[arg-type]
            await finish(outer, fake, SPEECH)  # Silero's own verdict: it is only shaped like speech
            assert fake.requests == requests


async def test_guesses_and_final_words_share_one_voice_model() -> None:
    looks: list[bytes] = []

    def look(pcm: bytes) -> Voice:
        looks.append(pcm)
        return CLEAR

    fake = FakeTranscriber()
    outer = Screened(fake, RULES, (), None, VoiceJudge(look))  # type: ignore[arg-type]
    await finish(outer, fake, SPEECH)
    await finish(outer.quietly(), fake, SPEECH)
    assert len(looks) == 2


def test_the_vocabulary_is_a_prompt_too() -> None:
    options = OpenAITranscribeOptions(prompt="A talk on:", vocabulary=("Trio", "nurseries"))
    with screened(FakeTranscriber(), RULES, options, lambda *_, **__: None) as outer:  # type: ignore[arg-type]
        assert outer.prompts == (
            "A talk on:",
            "A talk on: Trio, nurseries",
            "Trio, nurseries",
        )
