"""The download of one file from an address: resumed after a cut, and complete or not there.

NAME.part   what has come so far
NAME.etag   which version of the file that is
NAME        the whole file, once its contents are checked
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import trio

from voiceloop.config.address import shown
from voiceloop.downloads.checksums import difference
from voiceloop.downloads.resuming import Begin, begin, headers_for, validator
from voiceloop.downloads.storing import disk_errors, synced
from voiceloop.errors import BadAnswer, ServiceError, Unreachable
from voiceloop.models.catalogue import File

if TYPE_CHECKING:
    from voiceloop.net.http import Answer, Http

Tell = Callable[[str, int, int | None], None]
"""Called with a file's name, how many of its bytes are there, and how many it has (None: not known)."""
CONNECT_S, READ_S = 15.0, 30.0
TRIES = 5
"""How often in a row an attempt may bring nothing."""
LONGEST_PAUSE_S = 8.0
REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_PARTIAL = frozenset({200, 206, 416})


@dataclass(frozen=True, slots=True)
class Target:
    """A file to fetch: from where, and into which folder."""

    url: str
    file: File
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / self.file.name

    @property
    def part(self) -> Path:
        return self.folder / f"{self.file.name}.part"

    @property
    def etag(self) -> Path:
        return self.folder / f"{self.file.name}.etag"

    def size(self) -> int:
        """How many bytes have come so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    def tag(self) -> str:
        """The version of what has come so far: a strong ETag, or empty."""
        text = self.etag.read_text(encoding="utf-8", errors="replace") if self.etag.exists() else ""
        return validator({"etag": text})

    def drop(self) -> None:
        """Remove what has come so far."""
        self.part.unlink(missing_ok=True)
        self.etag.unlink(missing_ok=True)


async def download(http: Http, target: Target, tell: Tell, *, pause_s: float = 1.0) -> None:
    """Fetch a file whole. What came before a cut is kept, also when this fails or is cancelled.

    `pause_s`: the wait after the first failure; it doubles. Raises ServiceError; its kind BadAnswer if the contents are
    not those of the catalogue; OutputError if the disk is full.
    """
    with disk_errors(target.folder):
        before = target.size()
        await _fetch(http, target, tell, pause_s)
        problem = await trio.to_thread.run_sync(difference, target.part, target.file)
        if problem and before:  # that may have been of another version
            target.drop()
            await _fetch(http, target, tell, pause_s)
            problem = await trio.to_thread.run_sync(difference, target.part, target.file)
        if problem:
            target.drop()
            raise _refused(target, f"{target.file.name} is not the file of the catalogue: {problem}; it was removed")
        await trio.to_thread.run_sync(synced, target.part)
        target.part.rename(target.path)
        target.etag.unlink(missing_ok=True)


async def _fetch(http: Http, target: Target, tell: Tell, pause_s: float) -> None:
    """Fetch all bytes, in as many attempts as it takes."""
    tries, most = 0, target.size()
    heard = most > 0
    """Whether the server has ever answered. Without a network nothing is gained by waiting."""
    while True:
        try:
            return await _attempt(http, target, tell)
        except _OtherPart:
            target.drop()
            heard, tries = True, tries + 1
            if tries >= TRIES:
                raise _refused(target, "the server sends other parts of the file than it is asked for") from None
        except ServiceError as error:
            size = target.size()
            heard = heard or size > 0 or error.status is not None
            tries = 0 if size > most else tries + 1
            most = max(most, size)
            if not error.retryable or tries >= TRIES or not heard:
                raise
        await trio.sleep(min(pause_s * 2 ** max(tries - 1, 0), LONGEST_PAUSE_S))


class _OtherPart(Exception):
    """The server can't continue what is there: everything must be asked for."""


async def _attempt(http: Http, target: Target, tell: Tell) -> None:
    """One request for what is missing, written as it comes. Raises ServiceError, _OtherPart and OSError."""
    size = target.size()
    tag = target.tag()
    asked = headers_for(size, tag, checked=target.file.checked)
    async with _answer(http, target.url, asked) as answer:
        begins = begin(answer.status, answer.headers, size if asked else 0, tag if asked else "")
        if begins is None and asked and answer.status in _PARTIAL:
            raise _OtherPart
        if begins is None:
            raise _from_status(target, answer.status)
        if answer.status == 416:  # all is there; the body is an error's
            tell(target.file.name, size, size)
            return
        if "html" in answer.headers.get("content-type", "").lower():
            raise _refused(target, "a web page comes instead, perhaps from a network that wants a login")
        await _write(answer, target, begins, tell)
    if begins.total is not None and target.size() != begins.total:
        raise Unreachable("the file ended early", place=shown(target.url))


async def _write(answer: Answer, target: Target, begins: Begin, tell: Tell) -> None:
    """Write the body. Raises ServiceError after a cut, and OSError."""
    done = begins.at
    if done == 0:
        # In this order: a stop in between must not leave an old part with the new tag.
        target.part.unlink(missing_ok=True)
        target.etag.write_text(validator(answer.headers), encoding="ascii")
    with FileIO(target.part, "a" if done else "w") as file:
        tell(target.file.name, done, begins.total)

        async def take(piece: bytes) -> bool:
            nonlocal done
            await trio.lowlevel.checkpoint()
            left = memoryview(piece)
            while left:  # on a disk that is nearly full only a part is written, and the next call fails
                left = left[file.write(left) :]
            done += len(piece)
            tell(target.file.name, done, begins.total)
            return True

        await answer.drain(take)


@asynccontextmanager
async def _answer(http: Http, url: str, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
    """The answer at an address, or where it redirects to. No key is sent along, so that it may redirect anywhere."""
    from voiceloop.net.attempt import Attempt
    from voiceloop.net.failures import Where
    from voiceloop.net.http import Call

    place = url
    for _ in range(REDIRECTS + 1):
        call = Call("GET", place, Where(shown(place), table="models"), CONNECT_S, READ_S, headers)
        async with http.exchange(call, Attempt()) as answer:
            if answer.status not in _MOVED:
                yield answer
                return
            location = answer.headers.get("location", "")
        place = _redirected(place, location)
    raise BadAnswer(f"it redirects more than {REDIRECTS} times", place=shown(url), status=200)


def _redirected(url: str, location: str) -> str:
    """The address that `url` redirects to. Raises BadAnswer if it is none, or is less protected."""
    try:
        target = urljoin(url, location)
        scheme, host = urlsplit(target).scheme, urlsplit(target).hostname
    except ValueError:
        scheme, host, target = "", None, ""
    if not host or scheme not in ({"https"} if url.startswith("https:") else {"https", "http"}):
        raise BadAnswer("it redirects to what is no address, or is not encrypted", place=shown(url), status=200)
    return target


def _from_status(target: Target, status: int) -> ServiceError:
    """The error for an answer without the file. `failures.py` has the same for services, with remedies for a config."""
    from voiceloop.net.failures import KINDS

    words = {404: "there is no such file", 401: "it wants a login", 403: "it refuses"}
    kind = KINDS[500] if status >= 500 else KINDS.get(status, KINDS[400])
    what = words.get(status, "the server failed" if status >= 500 else "the server refuses")
    return kind.error(f"{what} (HTTP {status})", place=shown(target.url), status=status)


def _refused(target: Target, what: str) -> BadAnswer:
    return BadAnswer(what, place=shown(target.url), status=200)
