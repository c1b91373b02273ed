"""Requests to compare with a provider's SDK: each case makes the same request with the SDK and with our own part.
`testbed.record_golden` runs the SDK's side.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from testbed.http_parts import RecordingReply
from voiceloop.audio.wav import wav_bytes
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.voice import VoiceHandler, VoiceOptions
from voiceloop.plugins import Services
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.types import Message, Transcript, Utterance

CLIP = Utterance(bytes(range(64)), start=0, voiced_end=32)
CLIP_BASE64 = base64.b64encode(wav_bytes(CLIP.pcm, CLIP.rate_hz)).decode()
HISTORY = (Message("user", "Hello."), Message("assistant", "Good day."))
PROMPT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Good day."},
]

Run = Callable[[Services], Any]


def comparable(body: Any) -> Any:
    """A request's body for JSON: the file of a form in base64."""
    if not isinstance(body, dict) or not isinstance(body.get("file"), bytes):
        return body
    return {**body, "file": base64.b64encode(body["file"]).decode()}


def kind(content_type: str) -> str:
    """A content type without its boundary, which is random."""
    return content_type.partition(";")[0]


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    sdk: str
    sdk_call: str
    """A call in Python; `client` is the SDK's, `ARGUMENTS` the keyword arguments."""
    arguments: dict[str, Any]
    run: Run
    """Makes the same request with our own part."""
    openrouter: dict[str, Any] = field(default_factory=dict)
    """Keys of `[openrouter]` for it."""

    @property
    def sdk_code(self) -> str:
        make = {
            "openrouter": (
                "from openrouter import OpenRouter\n"
                "client = OpenRouter(api_key='sk-test', server_url=sys.argv[1], x_open_router_title='voiceloop')\n"
            ),
            "openai": (
                "from openai import OpenAI\n"
                "client = OpenAI(api_key='sk-test', base_url=sys.argv[1], max_retries=0,\n"
                "    default_headers={'X-OpenRouter-Title': 'voiceloop'})\n"
            ),
        }[self.sdk]
        arguments = f"ARGUMENTS = json.loads({json.dumps(self.arguments)!r})\n"
        return f"import json, sys\n{arguments}{make}{self.sdk_call}\n"


def _transcribe(**options: Any) -> Run:
    async def run(services: Services) -> None:
        values = OpenRouterTranscribeOptions(**options)
        told = replace(services, names_speakers=True)
        async with OpenRouterTranscriber.open(values, told) as part, part.transcription() as transcription:
            await transcription.finish(CLIP)

    return run


def _speak(text: str, **options: Any) -> Run:
    async def run(services: Services) -> None:
        values = OpenRouterSpeakOptions(**options)
        async with OpenRouterSynthesizer.open(values, services) as part, part.speech(text) as pieces:
            async for _ in pieces:
                pass

    return run


def _speak_as(said: Sequence[str | None], text: str, **options: Any) -> Run:
    """Speech in the voice of recordings, with what is said in each."""

    async def run(services: Services) -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "me.wav"
            file.write_bytes(wav_bytes(CLIP.pcm, CLIP.rate_hz))
            references = [{"file": str(file), "text": words} for words in said]
            await _speak(text, input_references=references, **options)(services)

    return run


def _chat(text: str, **options: Any) -> Run:
    async def run(services: Services) -> None:
        async with ChatHandler.open(ChatOptions(**options), services) as part:
            await part.handle(Transcript(text, CLIP), RecordingReply(HISTORY))

    return run


def _voice(**options: Any) -> Run:
    async def run(services: Services) -> None:
        async with VoiceHandler.open(VoiceOptions(**options), services) as part:
            await part.handle(Transcript("(spoken)", CLIP), RecordingReply(HISTORY))

    return run


AUDIO = {"data": CLIP_BASE64, "format": "wav"}
WHISPER = {"model": "openai/whisper-large-v3"}
MINI = {"model": "openai/gpt-4o-mini-tts-2025-12-15", "voice": "alloy"}
STT = "client.stt.create_transcription(**ARGUMENTS)"
STT_FORM = (
    "import base64\n"
    "ARGUMENTS['file']['content'] = base64.b64decode(ARGUMENTS['file']['content'])\n"
    "client.stt.create_transcription_multipart(**ARGUMENTS)"
)
TTS = "client.tts.create_speech(**ARGUMENTS)"
OPENAI_TTS = "client.audio.speech.create(**ARGUMENTS)"
OPENAI_CHAT = "[chunk for chunk in client.chat.completions.create(**ARGUMENTS)]"
CHAT = "[chunk for chunk in client.chat.send(**ARGUMENTS)]"
EVERYWHERE = {
    "session_id": "s-1",
    "user": "someone",
    "trace": {"trace_id": "t-1", "trace_name": "a turn", "where": "kitchen"},
}
"""What `[openrouter]` says of every request, in the SDK's names."""
PRIVATE = {"zdr": True, "data_collection": "deny"}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}

CASES = (
    Case("transcription", "openrouter", STT, {**WHISPER, "input_audio": AUDIO}, _transcribe(**WHISPER)),
    Case(
        "transcription_all",
        "openrouter",
        STT,
        {
            **WHISPER,
            "input_audio": AUDIO,
            "language": "en",
            "temperature": 0.5,
            "response_format": "verbose_json",
            "timestamp_granularities": ["word", "segment"],
            "provider": {"options": {"groq": {"prompt": "Ada"}}},
        },
        _transcribe(
            **WHISPER,
            language="en",
            temperature=0.5,
            response_format="verbose_json",
            timestamp_granularities=("word", "segment"),
            provider={"groq": {"prompt": "Ada"}},
        ),
    ),
    Case(
        "transcription_form",
        "openrouter",
        STT_FORM,
        {
            **WHISPER,
            "file": {"file_name": "clip.wav", "content": CLIP_BASE64, "content_type": "audio/wav"},
            "language": "en",
            "temperature": 0.5,
            "response_format": "verbose_json",
            "diarize": True,
            # No lists: the SDK writes `[]` behind names that have it already (1.3.84: `keyterms[][]`).
            "provider": '{"zdr":true,"options":{"groq":{"temperature":0.1}}}',
            "trace": '{"trace_id":"t-1"}',
        },
        _transcribe(
            **WHISPER,
            multipart=True,
            language="en",
            temperature=0.5,
            diarize=True,
            provider={"groq": {"temperature": 0.1}},
        ),
        {"zdr": True, "trace": {"trace_id": "t-1"}},
    ),
    Case(
        "transcription_diarize",
        "openrouter",
        STT,
        {**WHISPER, "input_audio": AUDIO, "response_format": "verbose_json", "diarize": True},
        _transcribe(**WHISPER, diarize=True),
    ),
    Case(
        "transcription_keyterms",
        "openrouter",
        STT,
        {
            **WHISPER,
            "input_audio": AUDIO,
            "keyterms": ["Ada", "Wayland"],
            "provider": {**PRIVATE, "options": {"groq": {"temperature": 0.1}}},
            **EVERYWHERE,
        },
        _transcribe(
            **WHISPER, vocabulary=("Ada", "Wayland=way land"), keyterms=True, provider={"groq": {"temperature": 0.1}}
        ),
        {**PRIVATE, **EVERYWHERE},
    ),
    Case("speech", "openrouter", TTS, {**MINI, "input": "Hello.", "response_format": "pcm"}, _speak("Hello.", **MINI)),
    Case(
        "speech_all",
        "openrouter",
        TTS,
        {
            **MINI,
            "input": "Naïve 🙂",
            "response_format": "pcm",
            "speed": 1.5,
            "instructions": "Warmly.",
            "provider": {**PRIVATE, "options": {"azure": {"style": "cheerful"}}},
            **EVERYWHERE,
        },
        _speak("Naïve 🙂", **MINI, speed=1.5, instructions="Warmly.", provider={"azure": {"style": "cheerful"}}),
        {**PRIVATE, **EVERYWHERE},
    ),
    Case(
        "speech_imitated",
        "openrouter",
        TTS,
        {
            "model": "fishaudio/s2-pro",
            "input": "Hello.",
            "response_format": "pcm",
            "input_references": [
                {"type": "input_audio", "input_audio": AUDIO},
                {"type": "text", "text": "What I say."},
                {"type": "input_audio", "input_audio": AUDIO},
            ],
        },
        _speak_as(("What I say.", None), "Hello.", model="fishaudio/s2-pro", speed=1.0),
    ),
    Case(
        "speech_openai",
        "openai",
        OPENAI_TTS,
        {**MINI, "input": "Hello.", "response_format": "pcm", "speed": 1.25},
        _speak("Hello.", **MINI, speed=1.25),
    ),
    Case(
        "chat",
        "openai",
        OPENAI_CHAT,
        {"model": "openai/gpt-4o-mini", "messages": [*PROMPT, {"role": "user", "content": "What?"}], **STREAM},
        _chat("What?", model="openai/gpt-4o-mini", system="Be brief."),
    ),
    Case(
        "chat_all",
        "openai",
        OPENAI_CHAT,
        {
            "model": "openai/gpt-4o-mini",
            "messages": [{"role": "user", "content": "What?"}],
            **STREAM,
            "temperature": 0.5,
            "max_tokens": 99,
            "extra_body": {"models": ["a/b", "c/d"], "provider": {"sort": "latency"}},
        },
        _chat(
            "What?",
            model="openai/gpt-4o-mini",
            models=("a/b", "c/d"),
            system="",
            history_tokens=0,
            temperature=0.5,
            max_tokens=99,
            provider={"sort": "latency"},
        ),
    ),
    Case(
        "chat_openrouter",
        "openrouter",
        CHAT,
        {"model": "openai/gpt-4o-mini", "messages": [*PROMPT, {"role": "user", "content": "What?"}], **STREAM},
        _chat("What?", model="openai/gpt-4o-mini", system="Be brief."),
    ),
    Case(
        "chat_openrouter_all",
        "openrouter",
        CHAT,
        {
            "model": "openai/gpt-5.6",
            "models": ["a/b"],
            "messages": [{"role": "user", "content": "What?"}],
            **STREAM,
            **EVERYWHERE,
            "reasoning": {"effort": "none"},
            "service_tier": "flex",
            "max_completion_tokens": 99,
            "temperature": 0.5,
            "tools": [
                {"type": "openrouter:web_search", "parameters": {"max_results": 3, "max_uses": 1}},
                {"type": "openrouter:datetime", "parameters": {"timezone": "Europe/Paris"}},
                {"type": "openrouter:web_fetch"},
            ],
            "plugins": [{"id": "response-healing"}, {"id": "web", "max_results": 2}],
            "provider": {
                **PRIVATE,
                "order": ["groq", "cerebras"],
                "only": ["groq", "cerebras", "azure"],
                "ignore": ["deepinfra"],
                "allow_fallbacks": False,
                "require_parameters": True,
                "sort": "latency",
                "max_price": {"prompt": "1", "completion": "2.5"},
                "preferred_max_latency": 0.5,
                "preferred_min_throughput": {"p90": 50},
                "quantizations": ["fp8"],
                "enforce_distillable_text": True,
                "options": {"groq": {"x": 1}},
            },
            "top_p": 0.9,
            "seed": 7,
            "stop": ["END"],
            "prompt_cache_key": "k",
            "parallel_tool_calls": False,
        },
        _chat(
            "What?",
            model="openai/gpt-5.6",
            models=("a/b",),
            system="",
            history_tokens=0,
            reasoning={"effort": "none"},
            service_tier="flex",
            max_completion_tokens=99,
            temperature=0.5,
            server_tools={
                "web_search": {"max_results": 3, "max_uses": 1},
                "datetime": {"timezone": "Europe/Paris"},
                "web_fetch": {},
            },
            plugins={"response-healing": {}, "web": {"max_results": 2}},
            provider={
                "order": ("groq", "cerebras"),
                "only": ("groq", "cerebras", "azure"),
                "ignore": ("deepinfra",),
                "allow_fallbacks": False,
                "require_parameters": True,
                "sort": "latency",
                "max_price": {"prompt": 1, "completion": 2.5},
                "preferred_max_latency": 0.5,
                "preferred_min_throughput": {"p90": 50},
                "quantizations": ("fp8",),
                "enforce_distillable_text": True,
                "options": {"groq": {"x": 1}},
            },
            extra={"top_p": 0.9, "seed": 7, "stop": ["END"], "prompt_cache_key": "k", "parallel_tool_calls": False},
        ),
        {**PRIVATE, **EVERYWHERE},
    ),
    Case(
        "voice",
        "openai",
        OPENAI_CHAT,
        {
            "model": "openai/gpt-audio",
            "messages": [*PROMPT, {"role": "user", "content": [{"type": "input_audio", "input_audio": AUDIO}]}],
            "modalities": ["text", "audio"],
            "audio": {"voice": "alloy", "format": "pcm16"},
            **STREAM,
        },
        _voice(model="openai/gpt-audio", system="Be brief."),
    ),
)
