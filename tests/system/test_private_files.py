"""Files for their owner alone: whatever the umask, and whatever the mode of a file that is there already."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from testbed.running import COMMAND
from voiceloop.audio.wav import WavWriter, wav_bytes
from voiceloop.captions.files import open_files
from voiceloop.cli.trace import _write
from voiceloop.dictation.targets.file_target import FileTarget
from voiceloop.journal.atomic_write import write_atomically
from voiceloop.journal.locks import FileLock
from voiceloop.system import private_files
from voiceloop.system.private_files import open_private, write_private


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """A user who keeps nothing from others."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wav(path: Path) -> None:
    WavWriter(path, 16_000).close()


def captions(path: Path) -> None:
    async def write() -> None:
        async with open_files({"srt": path}, lambda _: None):
            pass

    trio.run(write)


def dictation(path: Path) -> None:
    FileTarget(str(path))._append(b"words")


def atomically(path: Path) -> None:
    path.with_suffix(".part").touch(mode=0o666)
    write_atomically(path, b"words", synced=False)


def lock(path: Path) -> None:
    taken = FileLock.take(path)
    assert taken is not None
    taken.leave()


WRITERS: list[Callable[[Path], None]] = [
    *(wav, captions, dictation, atomically, lock),
    lambda path: write_private(path, b"words"),
    lambda path: _write(path, "words", next_step=""),
]


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
@pytest.mark.parametrize("write", WRITERS)
def test_what_is_written_is_for_its_owner_alone(write: Callable[[Path], None], there: bool, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    if there:
        path.touch(mode=0o666)
    write(path)
    assert mode(path) == 0o600


def test_the_file_of_the_users_shell_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shell.txt"
    path.touch(mode=0o664)
    with path.open("w") as file:
        os.close(open_private(f"/proc/self/fd/{file.fileno()}", os.O_WRONLY))
    assert mode(path) == 0o664


def test_a_pipe_and_a_device_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o666)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.close(open_private(path, os.O_WRONLY))
    os.close(reader)
    assert mode(path) == 0o666


def test_the_users_programs_get_the_umask_that_the_program_was_started_with() -> None:
    code = (
        "import os\nfrom voiceloop.system import private_files as p\n"
        "p.keep_private(); p.keep_private()\n"
        "print(p.inherited_umask(), os.umask(0))\np.restore_umask()\nprint(p.inherited_umask(), os.umask(0))\n"
    )
    done = subprocess.run([sys.executable, "-c", f"import os\nos.umask(0o22)\n{code}"], capture_output=True, check=True)
    assert done.stdout.split() == [b"18", b"63", b"-1", b"18"]
    assert private_files.inherited_umask() == -1


def test_all_that_the_program_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Also folders on the way, and files that are made without a thought of modes."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("VOICELOOP", "XDG", "OPENROUTER"))}
    home = tmp_path / "home"
    said, trace = tmp_path / "said.wav", tmp_path / "trace.jsonl"
    said.write_bytes(wav_bytes(bytes(32_000), 16_000))
    trace.touch(mode=0o666)
    before = {said, trace}
    home.mkdir(mode=0o700)
    runs = (
        ("config", "init"),
        ("config", "choose", "captions", "local"),
        ("run", "--config", "offline", "-i", f"file:{said}", "-o", f"file:{home}/reply.wav", "--trace", str(trace)),
        ("trace", str(trace), "--html", str(home / "page.html")),
    )
    for words in runs:
        done = subprocess.run(
            [COMMAND, *words], env=env | {"HOME": str(home)}, capture_output=True, text=True, check=False, umask=0
        )
        assert done.returncode == 0, done.stderr
    made = [path for path in tmp_path.rglob("*") if path not in before and path != home]
    assert len(made) >= 5
    assert {path: oct(mode(path)) for path in (*made, trace) if mode(path) & 0o077} == {}
