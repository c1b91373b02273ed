"""A server of files on loopback that understands ranges, and misbehaves when told. Records what it was asked."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import trio


@dataclass
class Asked:
    """One request: its path and its headers, with names in lower case."""

    path: str
    headers: dict[str, str]


@dataclass
class FileServer:
    """What is served, by path. The ways to misbehave apply to every request until they are changed."""

    files: dict[str, bytes]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    cut_after: list[int] = field(default_factory=list)
    """For each of the next requests, how many bytes of the body are sent before the connection is closed."""
    ranges: bool = True
    """Whether `Range` is understood."""
    conditions: bool = True
    """Whether `If-Range` is understood."""
    most: int | None = None
    """The most bytes that a range is answered with."""
    etags: bool = True
    weak: bool = False
    shift: int = 0
    """Added to the beginning of each range: another part than was asked for."""
    statuses: list[int] = field(default_factory=list)
    """For each of the next requests, the status to refuse it with (0: answer it)."""
    redirects: dict[str, str] = field(default_factory=dict)
    kind: str = "application/octet-stream"
    pause: trio.Event | None = None
    """Wait for this after half of the body."""
    pause_at: str = ""
    """The path whose requests wait. Empty: all."""
    paused: trio.Event = field(default_factory=trio.Event)
    """Set when a half was sent."""

    def etag(self, path: str) -> str:
        tag = f'"{sha256(self.files[path]).hexdigest()[:16]}"'
        return f"W/{tag}" if self.weak else tag

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body for a request."""
        if self.statuses and (status := self.statuses.pop(0)):
            return status, {}, b"no"
        if asked.path in self.redirects:
            return 302, {"Location": self.redirects[asked.path]}, b""
        if asked.path not in self.files:
            return 404, {}, b"not here"
        data = self.files[asked.path]
        headers = {"Content-Type": self.kind} | ({"ETag": self.etag(asked.path)} if self.etags else {})
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        condition = asked.headers.get("if-range") if self.conditions else None
        if wanted is None or not self.ranges or (condition is not None and condition != headers.get("ETag")):
            return 200, headers, data
        begin = int(wanted[1]) + self.shift
        if begin >= len(data):
            return 416, {"Content-Range": f"bytes */{len(data)}"}, b""
        part = data[begin:][: self.most]
        headers["Content-Range"] = f"bytes {begin}-{begin + len(part) - 1}/{len(data)}"
        return 206, headers, part

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer one request and close the connection."""
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = await stream.receive_some(4096)
                if not piece:
                    return
                head += piece
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines if line)
            asked = Asked(first.split(" ")[1], {name.lower(): value.strip() for name, _, value in pairs})
            self.asked.append(asked)
            status, headers, body = self.answer(asked)
            pause = self.pause if self.pause_at in {"", asked.path} else None
            await self._send_head(stream, status, headers, len(body))
            sent = self.cut_after.pop(0) if self.cut_after and status < 300 else len(body)
            await self._send_body(stream, body[:sent], len(body) // 2, pause)

    async def _send_head(self, stream: trio.abc.Stream, status: int, headers: dict[str, str], size: int) -> None:
        lines = [f"HTTP/1.1 {status} .", f"Content-Length: {size}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())

    async def _send_body(self, stream: trio.abc.Stream, body: bytes, half: int, pause: trio.Event | None) -> None:
        if pause is None:
            await stream.send_all(body)
            return
        await stream.send_all(body[:half])
        self.paused.set()
        await pause.wait()
        await stream.send_all(body[half:])


@asynccontextmanager
async def serving_files(files: dict[str, bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[FileServer]:
    """Serve `files` (by path, like `/a/model.bin`) until the block ends; encrypted, if there is a `tls`."""
    server = FileServer(files)

    async def handle(stream: trio.SocketStream) -> None:
        opened: trio.abc.Stream = stream
        if tls is not None:
            opened = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        try:
            await server.serve(opened)
        except trio.BrokenResourceError:
            return  # the client has gone

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        await nursery.start(trio.serve_listeners, handle, listeners)
        yield server
        nursery.cancel_scope.cancel("the block has ended")
