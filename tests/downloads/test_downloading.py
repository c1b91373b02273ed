"""The download of a file from a real server on loopback, which cuts, refuses, changes its files and ignores ranges."""

from __future__ import annotations

import errno
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from testbed import server as loopback
from testbed.disks import full_at
from testbed.file_server import FileServer, serving_files
from voiceloop.downloads.downloading import TRIES, Target, download
from voiceloop.errors import BadAnswer, OutputError, ServerFailed, ServiceError, Unreachable
from voiceloop.models.catalogue import File
from voiceloop.net.http import Http

PEM = Path(loopback.__file__).parent / "tls" / "localhost.pem"
DATA = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
CHECKED = File("model.bin", len(DATA), sha256(DATA).hexdigest())
UNCHECKED = File("model.bin")
Told = list[tuple[str, int, int | None]]


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[FileServer, Http]]:
    async with serving_files({"/a/model.bin": DATA}) as server:
        http = Http()
        yield server, http
        await http.aclose()


async def get(server: FileServer, http: Http, folder: Path, file: File = UNCHECKED, told: Told | None = None) -> bytes:
    """Download the file; gives its contents. Nothing else is left in the folder."""
    target = Target(f"{server.url}/a/model.bin", file, folder)
    with trio.fail_after(120):
        await download(http, target, lambda *each: (told if told is not None else []).append(each), pause_s=0)
    assert names(folder) == ["model.bin"]
    return target.path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def fails(server: FileServer, http: Http, folder: Path, file: File = UNCHECKED) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await get(server, http, folder, file)
    assert not (folder / "model.bin").exists(), "nothing that could be taken for a model"
    return caught.value


def full(*_: object) -> None:
    """Stands in for opening a file for writing."""
    raise OSError(errno.ENOSPC, "No space left on device")


def ranges(server: FileServer) -> list[str]:
    return [asked.headers.get("range", "all") for asked in server.asked]


async def test_a_file_comes_whole_and_its_progress_is_told(tmp_path: Path) -> None:
    told: Told = []
    async with serving() as (server, http):
        assert await get(server, http, tmp_path, CHECKED, told) == DATA
    assert told[0] == ("model.bin", 0, len(DATA))
    assert told[-1] == ("model.bin", len(DATA), len(DATA))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


@pytest.mark.parametrize("file", [CHECKED, UNCHECKED], ids=["checked", "unchecked"])
async def test_after_cuts_only_what_is_missing_is_asked_for(tmp_path: Path, file: File) -> None:
    async with serving() as (server, http):
        server.cut_after = [100_000, 50_000, 0, 1]
        assert await get(server, http, tmp_path, file) == DATA
        assert ranges(server) == ["all", "bytes=100000-", "bytes=150000-", "bytes=150000-", "bytes=150001-"]
        assert {asked.headers.get("if-range") for asked in server.asked[1:]} == {server.etag("/a/model.bin")}


async def test_what_an_earlier_run_has_left_is_continued(tmp_path: Path) -> None:
    async with serving() as (server, http):
        with trio.CancelScope() as scope:

            def stop(_: str, done: int, __: int | None) -> None:
                if done:
                    scope.cancel("Ctrl-C")

            await download(http, Target(f"{server.url}/a/model.bin", UNCHECKED, tmp_path), stop)
        assert scope.cancelled_caught
        size = (tmp_path / "model.bin.part").stat().st_size
        assert 0 < size < len(DATA)
        assert await get(server, http, tmp_path) == DATA
        assert ranges(server)[1:] == [f"bytes={size}-"]


@pytest.mark.parametrize("file", [CHECKED, UNCHECKED], ids=["checked", "unchecked"])
async def test_a_file_that_has_changed_meanwhile_is_fetched_anew(tmp_path: Path, file: File) -> None:
    async with serving() as (server, http):
        (tmp_path / "model.bin.part").write_bytes(OTHER[:100_000])
        (tmp_path / "model.bin.etag").write_text('"of-another-version"')
        assert await get(server, http, tmp_path, file) == DATA


async def test_a_part_of_another_version_is_not_joined_to_what_is_there(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.conditions = False
        (tmp_path / "model.bin.part").write_bytes(OTHER[:100_000])
        (tmp_path / "model.bin.etag").write_text('"of-another-version"')
        assert await get(server, http, tmp_path, UNCHECKED) == DATA
        assert ranges(server) == ["bytes=100000-", "all"]


@pytest.mark.parametrize("file", [CHECKED, UNCHECKED], ids=["checked", "unchecked"])
async def test_a_stop_before_the_first_byte_joins_no_two_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: File
) -> None:
    async with serving() as (server, http):
        (tmp_path / "model.bin.part").write_bytes(OTHER[:100_000])
        (tmp_path / "model.bin.etag").write_text('"of-another-version"')
        with monkeypatch.context() as patched:
            patched.setattr("voiceloop.downloads.downloading.FileIO", full)
            with pytest.raises(OutputError):
                await get(server, http, tmp_path, file)
        assert await get(server, http, tmp_path, file) == DATA
        assert ranges(server) == ["bytes=100000-", "all"]


@pytest.mark.parametrize("file", [CHECKED, UNCHECKED], ids=["checked", "unchecked"])
async def test_a_whole_file_that_was_not_yet_checked_is_not_fetched_again(tmp_path: Path, file: File) -> None:
    told: Told = []
    async with serving() as (server, http):
        (tmp_path / "model.bin.part").write_bytes(DATA)
        (tmp_path / "model.bin.etag").write_text(server.etag("/a/model.bin"))
        assert await get(server, http, tmp_path, file, told) == DATA
        assert ranges(server) == [f"bytes={len(DATA)}-"]
    assert told == [("model.bin", len(DATA), len(DATA))]


async def test_a_whole_file_of_another_version_is_fetched_anew(tmp_path: Path) -> None:
    async with serving() as (server, http):
        (tmp_path / "model.bin.part").write_bytes(OTHER)
        assert await get(server, http, tmp_path, CHECKED) == DATA
        assert ranges(server) == [f"bytes={len(DATA)}-", "all"]


async def test_remains_of_an_unknown_version_count_only_until_the_checksum_differs(tmp_path: Path) -> None:
    async with serving() as (server, http):
        (tmp_path / "model.bin.part").write_bytes(OTHER[:100_000])
        assert await get(server, http, tmp_path, CHECKED) == DATA
        assert ranges(server) == ["bytes=100000-", "all"]
        (tmp_path / "model.bin").unlink()
        (tmp_path / "model.bin.part").write_bytes(OTHER[:100_000])
        assert await get(server, http, tmp_path, UNCHECKED) == DATA
        assert ranges(server)[2:] == ["all"]


@pytest.mark.parametrize("weak", [True, False])
async def test_without_a_strong_tag_a_cut_file_is_fetched_anew_unless_a_checksum_will_tell(
    tmp_path: Path, *, weak: bool
) -> None:
    async with serving() as (server, http):
        server.weak, server.etags = weak, weak
        server.cut_after = [100_000]
        assert await get(server, http, tmp_path, UNCHECKED) == DATA
        assert ranges(server) == ["all", "all"]
        (tmp_path / "model.bin").unlink()
        server.cut_after = [100_000]
        assert await get(server, http, tmp_path, CHECKED) == DATA
        assert ranges(server)[2:] == ["all", "bytes=100000-"]


async def test_a_server_that_answers_with_a_part_of_a_range_is_asked_for_the_rest(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.cut_after = [100_000]
        server.most = 80_000
        assert await get(server, http, tmp_path, UNCHECKED) == DATA
        assert ranges(server) == ["all", "bytes=100000-", "bytes=180000-", "bytes=260000-"]


async def test_a_server_that_ignores_ranges_sends_all_again(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.ranges = False
        server.cut_after = [100_000, 200_000]
        assert await get(server, http, tmp_path, CHECKED) == DATA


async def test_remains_that_are_longer_than_the_file_are_dropped(tmp_path: Path) -> None:
    async with serving() as (server, http):
        (tmp_path / "model.bin.part").write_bytes(DATA + b"more")
        assert await get(server, http, tmp_path, CHECKED) == DATA


async def test_a_server_that_sends_another_part_is_given_up(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.shift = 5
        server.cut_after = [1_000] * 20
        error = await fails(server, http, tmp_path, CHECKED)
    assert "other parts" in error.what


async def test_a_wrong_file_is_one_error_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.files["/a/model.bin"] = OTHER
        error = await fails(server, http, tmp_path, CHECKED)
        assert isinstance(error, BadAnswer)
        assert "SHA-256 is another" in error.what
        assert error.place == f"{server.url}/a/model.bin"
        assert names(tmp_path) == []
        server.files["/a/model.bin"] = DATA[:-1]
        assert "299,999 bytes" in (await fails(server, http, tmp_path, CHECKED)).what


async def test_a_server_that_only_cuts_is_given_up_and_what_came_is_kept(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.cut_after = [100_000, *([0] * 20)]
        assert isinstance(await fails(server, http, tmp_path), Unreachable)
        assert len(server.asked) == 1 + TRIES
        assert (tmp_path / "model.bin.part").read_bytes() == DATA[:100_000]


async def test_a_failing_server_is_tried_again_but_a_refusal_is_final(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.statuses = [503, 500, 429]
        assert await get(server, http, tmp_path) == DATA
        (tmp_path / "model.bin").unlink()
        server.statuses = [503] * 20
        assert isinstance(await fails(server, http, tmp_path), ServerFailed)
        assert len(server.asked) == 4 + TRIES
        server.statuses, server.asked = [404], []
        assert "there is no such file (HTTP 404)" in (await fails(server, http, tmp_path)).what
        assert len(server.asked) == 1


async def test_where_nothing_listens_it_fails_at_once(tmp_path: Path) -> None:
    async with serving() as (server, http):
        pass
    http = Http()
    target = Target(f"{server.url}/a/model.bin", CHECKED, tmp_path)
    with trio.fail_after(60), pytest.raises(Unreachable):
        await download(http, target, lambda *_: None, pause_s=3600)
    await http.aclose()


async def test_redirects_are_followed_with_the_range(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.files["/b/blob"] = server.files.pop("/a/model.bin")
        server.redirects = {"/a/model.bin": "/c", "/c": f"{server.url}/b/blob"}
        server.cut_after = [100_000]
        assert await get(server, http, tmp_path) == DATA
        assert [asked.path for asked in server.asked] == ["/a/model.bin", "/c", "/b/blob"] * 2
        assert server.asked[-1].headers["range"] == "bytes=100000-"


async def test_a_redirect_out_of_an_encrypted_connection_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(PEM)
    async with serving() as (plain, http), serving_files({"/b": DATA}, tls) as encrypted:
        encrypted.redirects = {"/a/model.bin": f"{plain.url}/a/model.bin"}
        assert "is not encrypted" in (await fails(encrypted, http, tmp_path)).what
        assert plain.asked == []
        encrypted.redirects = {"/a/model.bin": "/b"}
        assert await get(encrypted, http, tmp_path) == DATA


@pytest.mark.parametrize("location", ["/a/model.bin", "file:///etc/passwd", "http://[", "", "ftp://example.org/x"])
async def test_a_redirect_in_a_circle_or_to_no_address_ends(tmp_path: Path, location: str) -> None:
    async with serving() as (server, http):
        server.redirects = {"/a/model.bin": location}
        assert "redirects" in (await fails(server, http, tmp_path)).what
        assert len(server.asked) <= 6


async def test_a_web_page_is_not_taken_for_a_model(tmp_path: Path) -> None:
    async with serving() as (server, http):
        server.kind = "text/html; charset=utf-8"
        assert "a web page comes instead" in (await fails(server, http, tmp_path)).what


async def test_a_full_disk_is_one_line_and_the_download_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async with serving() as (server, http):
        with full_at(120_000), pytest.raises(OutputError) as caught:
            await get(server, http, tmp_path, CHECKED)
        assert caught.value.what == "the disk is full"
        assert caught.value.place == str(tmp_path)
        assert not (tmp_path / "model.bin").exists()
        assert (tmp_path / "model.bin.part").stat().st_size == 120_000
        assert await get(server, http, tmp_path, CHECKED) == DATA
        assert ranges(server)[-1] == "bytes=120000-"


async def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path))

    async with serving() as (server, http):
        monkeypatch.setattr("voiceloop.downloads.downloading.FileIO", refuse)
        with pytest.raises(OutputError, match=r"can't be written: read-only file system"):
            await get(server, http, tmp_path)
