"""Languages: checked at the start, and told to a transcriber without their region."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voiceloop.config.language import language_code, told
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions
from voiceloop.transcribe.embedded.parakeet import ParakeetOptions
from voiceloop.transcribe.embedded.whisper import WhisperOptions
from voiceloop.transcribe.openai import OpenAITranscribeOptions
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions
from voiceloop.transcribe.realtime.transcriber import RealtimeTranscribeOptions

OPTIONS = (
    OpenRouterTranscribeOptions,
    OpenAITranscribeOptions,
    RealtimeTranscribeOptions,
    WhisperOptions,
    ParakeetOptions,
    MoonshineOptions,
)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    ("written", "kept"),
    [("en", "en"), ("en-US", "en-US"), ("zh_TW", "zh-TW"), ("pt-BR", "pt-BR"), ("yue", "yue"), ("auto", None)],
)
def test_a_tag_is_kept_whole_and_auto_is_none(options: type[MoonshineOptions], written: str, kept: str | None) -> None:
    assert options.model_validate({"model": "a/b", "language": written}).language == kept


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("German", "'de'"),
        ("Deutsch", "'de'"),
        ("eng", "'en'"),
        ("xx", "like 'en'"),
        ("english please", "like 'en'"),
        ("", "like 'en'"),
    ],
)
def test_what_is_no_code_is_refused_with_the_right_one(
    options: type[MoonshineOptions], written: str, remedy: str
) -> None:
    with pytest.raises(ValidationError, match=remedy):
        options.model_validate({"model": "a/b", "language": written})


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en-US", "en"), ("zh-TW", "zh"), ("pt-BR", "pt"), ("nb-NO", "no"), ("iw", "he"), ("yue", "yue"), (None, None)],
)
def test_a_request_has_the_language_alone(tag: str | None, code: str | None) -> None:
    assert language_code(tag) == code


@pytest.mark.parametrize(
    ("answer", "code"), [("german", "de"), ("English", "en"), ("de", "de"), ("klingon", "klingon")]
)
def test_a_language_that_is_told_by_name_has_its_code(answer: str, code: str) -> None:
    assert told(answer) == code
