"""The server's WebSocket: OpenAI's realtime transcription, with the published field rules and with faults.

A session takes sound, tells a word of its text for every `Script.delta_s` of it, and all of the text after the commit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import h11
import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from testbed.server import answers
from testbed.server.field_rules import Broken
from testbed.server.script import SocketFault
from testbed.server.state import Recorded, Server, Socket
from voiceloop.audio.wav import wav_bytes

RATE_HZ = 24_000
LEAST_S = 0.1
LARGEST = 15 * 1024 * 1024
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SAID = "conversation.item.input_audio_transcription."


def is_upgrade(request: Recorded) -> bool:
    """Whether a request asks for the WebSocket."""
    return request.path.endswith("/realtime") and request.headers.get("upgrade", "").lower() == "websocket"


async def serve(server: Server, stream: trio.abc.Stream, http: h11.Connection, request: Recorded) -> None:
    """Answer the handshake and serve the session, until the client or a fault ends it."""
    fault = server.next_socket_fault()
    status = fault.status
    if status is None and server.script.key is not None:
        status = None if request.headers.get("authorization") == f"Bearer {server.script.key}" else 401
    if status is not None:
        request.status = status
        plain = answers.error(status)
        head = h11.Response(status_code=status, headers=[("Connection", "close"), *plain.headers])
        await stream.send_all((http.send(head) or b"") + (http.send(h11.Data(data=plain.pieces[0])) or b""))
        await stream.send_all(http.send(h11.EndOfMessage()) or b"")
        return
    request.status = 101
    key = "no key" if fault.bad_proof else request.headers.get("sec-websocket-key", "")
    proof = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", proof)]
    await stream.send_all(http.send(h11.InformationalResponse(status_code=101, headers=headers)) or b"")
    session = _Session(server, stream, request, fault, rest=http.trailing_data[0])
    try:
        with session.socket.scope:
            await session.run()
    except (_Over, trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        session.socket.gone = True
        request.gone.set()
        server.notify()


class _Over(Exception):
    """The connection ends."""


class _Session:
    def __init__(
        self,
        server: Server,
        stream: trio.abc.Stream,
        request: Recorded,
        fault: SocketFault,
        *,
        rest: bytes,
    ) -> None:
        self._server, self._stream, self._request, self._fault = server, stream, request, fault
        self.socket = Socket(request.query)
        server.sockets.append(self.socket)
        self._wire = Connection(ConnectionType.SERVER, trailing_data=rest)
        self._sound = bytearray()
        self._pieces: list[str] = []
        self._words: list[str] | None = None
        """The words of the utterance that is being heard; None before its first sound."""
        self._told = 0

    async def run(self) -> None:
        await self._send("session.created", session={"type": "transcription", "id": "sess_1"})
        while True:
            for event in self._wire.events():
                await self._handle(event)
            data = await self._stream.receive_some(65_536)
            if not data:
                raise _Over
            self._wire.receive_data(bytes(data))

    async def _handle(self, event: Event) -> None:
        match event:
            case CloseConnection():
                await self._write(event.response())
                raise _Over
            case Ping():
                self.socket.pings += 1
                self._server.notify()
                await self._write(event.response())
            case TextMessage():
                self._pieces.append(event.data)
                if event.message_finished:
                    text, self._pieces = "".join(self._pieces), []
                    try:
                        await self._take(json.loads(text), len(text))
                    except (Broken, ValueError) as error:
                        self._request.broken = self._request.broken or str(error)
                        await self._send("error", error={"type": "invalid_request_error", "message": str(error)})
            case Pong() | BytesMessage():
                self._request.broken = self._request.broken or "only text messages are expected"

    async def _take(self, value: Any, size: int) -> None:
        _need(isinstance(value, dict) and size <= LARGEST, "a message must be an object of at most 15 MiB")
        match value.get("type"):
            case "session.update":
                await self._update(value)
            case "input_audio_buffer.append":
                await self._append(value)
            case "input_audio_buffer.commit":
                _need(value.keys() == {"type"}, "a commit has no other fields")
                await self._commit()
            case "input_audio_buffer.clear":
                self.socket.clears += 1
                self._sound.clear()
                self._words, self._told = None, 0
                if not self._fault.not_cleared:
                    await self._send("input_audio_buffer.cleared")
            case kind:
                raise Broken(f"unknown event {kind!r}")
        self._server.notify()

    async def _update(self, value: dict[str, Any]) -> None:
        self.socket.session = session(value)
        if self._fault.refuse_session:
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": self._fault.refuse_session}
            await self._send("error", error=error)
        elif not self._fault.no_session:
            await self._send("session.updated", session=self.socket.session)

    async def _append(self, value: dict[str, Any]) -> None:
        _need(self.socket.session, "sound must not come before session.update")
        pcm = sound(value)
        self._sound += pcm
        self.socket.sound_s += len(pcm) / 2 / RATE_HZ
        if self._fault.garbage:
            await self._stream.send_all(self._fault.garbage)
            self._fault = SocketFault()
        if self._fault.cut_after_s is not None and self.socket.sound_s >= self._fault.cut_after_s:
            raise _Over
        if self._fault.close_after_s is not None and self.socket.sound_s >= self._fault.close_after_s:
            await self._write(CloseConnection(1011, "the session has ended"))
            raise _Over
        if self._words is None:
            self._words = self._server.next_text().split()
            if self._server.script.turn_s:
                await self._send("input_audio_buffer.speech_started", item_id=self._item, audio_start_ms=0)
        await self._tell(self._words)
        turn_s = self._server.script.turn_s
        if turn_s and len(self._sound) / 2 / RATE_HZ >= turn_s:
            await self._commit()

    async def _tell(self, words: list[str]) -> None:
        """Tell the words that have been said by now."""
        delta_s = self._server.script.delta_s
        if not delta_s:
            return
        due = min(len(words), int(len(self._sound) / 2 / RATE_HZ / delta_s))
        while self._told < due:
            text = words[self._told] if self._told == 0 else f" {words[self._told]}"
            await self._send(f"{_SAID}delta", item_id=self._item, content_index=0, delta=text)
            self._told += 1

    async def _commit(self) -> None:
        if len(self._sound) / 2 / RATE_HZ < LEAST_S:
            message = "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio"
            await self._send("error", error={"code": "input_audio_buffer_commit_empty", "message": message})
            return
        item, words, told = self._item, self._words or [], self._told
        pcm, self._words, self._told = bytes(self._sound), None, 0
        self._sound.clear()
        self.socket.items.append(pcm)
        self._server.notify()
        if self._fault.mute:
            return
        if self._fault.error:
            await self._send("error", error={"type": "server_error", "message": self._fault.error})
            return
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        await trio.sleep(self._server.script.transcribe_s)
        if self._fault.failed:
            await self._send(f"{_SAID}failed", item_id=item, content_index=0, error={"message": self._fault.failed})
            return
        text = await self._heard(pcm, " ".join(words))
        for number, word in enumerate(words[told:], told):
            await self._send(f"{_SAID}delta", item_id=item, content_index=0, delta=word if number == 0 else f" {word}")
        used = {"type": "duration", "seconds": len(pcm) / 2 / RATE_HZ}
        await self._send(f"{_SAID}completed", item_id=item, content_index=0, transcript=text, usage=used)

    async def _heard(self, pcm: bytes, text: str) -> str:
        hear = self._server.script.hear
        return text if hear is None else await trio.to_thread.run_sync(hear, wav_bytes(pcm, RATE_HZ))

    @property
    def _item(self) -> str:
        """The id of the item that the buffered sound will be."""
        return f"item_{len(self._server.sockets)}_{len(self.socket.items)}"

    async def _send(self, kind: str, **fields: object) -> None:
        await self._write(TextMessage(data=json.dumps({"type": kind, "event_id": "event_1", **fields})))
        if self._fault.deaf and kind == "session.updated":
            await trio.sleep_forever()

    async def _write(self, event: Event) -> None:
        await self._stream.send_all(self._wire.send(event))


def _need(ok: object, rule: str) -> None:
    if not ok:
        raise Broken(rule)


def session(value: Mapping[str, Any]) -> dict[str, Any]:
    """Check a `session.update`; gives its session."""
    made = value.get("session")
    _need(isinstance(made, dict) and value.keys() == {"type", "session"}, "session.update must have a session")
    assert isinstance(made, dict)
    _need(made.keys() == {"type", "audio"} and made["type"] == "transcription", "session.type must be transcription")
    given = made["audio"].get("input", {})
    _need(made["audio"].keys() == {"input"} and isinstance(given, dict), "session.audio must have an input alone")
    _need(given.get("format") == {"type": "audio/pcm", "rate": RATE_HZ}, "format must be audio/pcm at 24000")
    _need("turn_detection" in given and given["turn_detection"] is None, "turn_detection must be null")
    wanted = given.get("transcription")
    _need(isinstance(wanted, dict) and isinstance(wanted.get("model"), str), "transcription must have a model")
    assert isinstance(wanted, dict)
    _need(wanted.keys() <= {"model", "language", "prompt"}, "transcription has unknown fields")
    _need(given.keys() <= {"format", "transcription", "turn_detection", "noise_reduction"}, "input has unknown fields")
    return made


def sound(value: Mapping[str, Any]) -> bytes:
    """Check an `input_audio_buffer.append`; gives its sound."""
    _need(value.keys() == {"type", "audio"} and isinstance(value["audio"], str), "append must have audio")
    try:
        pcm = base64.b64decode(value["audio"], validate=True)
    except (binascii.Error, ValueError):
        raise Broken("audio is not base64") from None
    _need(pcm and len(pcm) % 2 == 0, "audio must have whole samples")
    return pcm
