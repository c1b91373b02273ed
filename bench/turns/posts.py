"""Finds the requests that led to a reply that was heard, and the cost of all requests. Pure: works on the service's log
and on recordings.

Traces back from the loudspeaker: the speech request whose sound was played, the chat request whose answer it spoke, the
transcriptions whose text that chat request contained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.turns.material import Reply, chunk_ends
from bench.turns.measures import Sound, locate
from testbed.server.recordings import Recording, Recordings
from testbed.sound.cable import SPEAKER_HZ

PRICES = {"second": 0.006 / 60, "token in": 0.15e-6, "token out": 0.6e-6, "letter": 15e-6}
"""USD: a second of audio posted, a token of chat in and out, a letter spoken. What OpenAI lists for whisper-1,
gpt-4o-mini and tts-1.
A request is paid for as far as it was sent, whether its result was used or not; a cancelled chat costs its tokens so
far."""
LETTERS_A_TOKEN = 4
_PROBE_S = 0.2
_FOUND = 0.85


@dataclass(frozen=True, slots=True)
class Posts:
    """Requests by kind, each in the order in which the service received them."""

    transcriptions: Sequence[dict[str, Any]]
    chats: Sequence[dict[str, Any]]
    speeches: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, requests: Sequence[dict[str, Any]], begin: float, end: float) -> Posts:
        """The valid requests of the log that were received between two times."""
        ordered = sorted(requests, key=lambda request: float(request["received_at"]))
        among = [r for r in ordered if r["method"] == "POST" and begin <= r["received_at"] < end and not r["broken"]]
        paths = ("/audio/transcriptions", "/chat/completions", "/audio/speech")
        return cls(*([r for r in among if r["path"].endswith(path)] for path in paths))


@dataclass(frozen=True, slots=True)
class Used:
    """The requests of a turn that led to the reply that was heard."""

    transcriptions: Sequence[dict[str, Any]]
    chat: dict[str, Any]
    speeches: Sequence[dict[str, Any]]

    def took_s(self) -> float:
        """The services' times in a row: the last transcription, the chat until the token that completes the first
        chunk, and the speech until its first byte."""
        speech, heard = self.speeches[0], self.transcriptions[-1]
        last = chunk_ends([word for _, word in self.chat["words"]], speech["body"]["input"])
        assert last is not None
        chat_s = self.chat["words"][last][0] - self.chat["received_at"]
        text_s = heard["answered_at"] - heard["received_at"]
        return float(text_s + chat_s + speech["first_byte_at"] - speech["received_at"])


def used(posts: Posts, sound: Sound, replies: Sequence[Reply]) -> Used | None:
    """The requests that led to `sound`, the loudspeaker's recording; None when no reply of the log is in it."""
    speeches = _heard(posts, sound, replies)
    chat = _writer(posts.chats, speeches[0]) if speeches else None
    texts = _transcribed(posts.transcriptions, chat) if chat is not None else []
    return Used(texts, chat, speeches) if chat is not None and texts else None


def heard_chats(posts: Posts, sound: Sound, replies: Sequence[Reply]) -> list[dict[str, Any]]:
    """The chat requests whose replies are in `sound`, at least in part, in order."""
    writers = [_writer(posts.chats, speech) for speech in _heard(posts, sound, replies)]
    return [chat for chat in posts.chats if any(chat is writer for writer in writers)]


def cost(posts: Posts) -> float:
    """What the requests cost, in USD."""
    audio = sum(one["audio_s"] for one in posts.transcriptions) * PRICES["second"]
    asked = sum(
        _tokens_in(chat) * PRICES["token in"] + len(chat["words"]) * PRICES["token out"] for chat in posts.chats
    )
    spoken = sum(len(speech["body"]["input"]) for speech in posts.speeches) * PRICES["letter"]
    return float(audio + asked + spoken)


def last_message(chat: dict[str, Any]) -> str:
    """The user's last message in a chat request."""
    return str(chat["body"]["messages"][-1]["content"])


def _tokens_in(chat: dict[str, Any]) -> float:
    return sum(len(str(message.get("content"))) for message in chat["body"]["messages"]) / LETTERS_A_TOKEN


def _heard(posts: Posts, sound: Sound, replies: Sequence[Reply]) -> list[dict[str, Any]]:
    """The speech requests whose sound began to play at the loudspeaker."""
    known = (one for reply in replies for one in reply.sentences)
    voices = Recordings(Recording(one.words, one.pcm, one.rate_hz) for one in known)
    return [speech for speech in posts.speeches if _is_heard(speech, sound, voices)]


def _is_heard(speech: dict[str, Any], sound: Sound, voices: Recordings) -> bool:
    pcm = voices.speak(speech["body"]["input"], SPEAKER_HZ)
    if not speech["sent"] or pcm is None:
        return False
    probe = np.frombuffer(pcm, "<i2").astype(np.float64)[: round(_PROBE_S * SPEAKER_HZ)]
    return locate(probe, sound)[1] > _FOUND


def _writer(chats: Sequence[dict[str, Any]], speech: dict[str, Any]) -> dict[str, Any] | None:
    """The last chat request before a speech request whose answer contains its text."""
    before = [chat for chat in chats if chat["received_at"] < speech["received_at"]]
    text = speech["body"]["input"]
    wrote = [chat for chat in before if chunk_ends([word for _, word in chat["words"]], text) is not None]
    return wrote[-1] if wrote else None


def _transcribed(transcriptions: Sequence[dict[str, Any]], chat: dict[str, Any]) -> list[dict[str, Any]]:
    """The transcriptions whose texts make up the chat request's message. The latest ones count: earlier ones with the
    same text were discarded."""
    before = [one for one in transcriptions if one["answered_at"] and one["answered_at"] <= chat["received_at"]]
    rest, found = last_message(chat), []
    for one in reversed(before):
        text = one["words"][0][1] if one["words"] else ""
        if text and text in rest:
            rest = rest.replace(text, "", 1)
            found.append(one)
    return found[::-1]
