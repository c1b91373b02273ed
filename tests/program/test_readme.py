"""What the documents show is what happens: their examples, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from testbed.running import COMMAND
from voiceloop.audio.wav import read_wav, wav_bytes

ROOT = Path(__file__).parent.parent.parent


def example(document: str, first_line: str) -> str:
    """The indented block that begins with `first_line`, without its indent."""
    text = (ROOT / document).read_text()
    block = re.search(rf"^(    {re.escape(first_line)}\n(?:    .*\n|\n)*)", text, re.MULTILINE)
    assert block is not None, f"{document} has no example that begins with {first_line}"
    return textwrap.dedent(block[1])


def say(text: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "say", text, "-o", "file:out.wav", *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_engine_of_contributing_speaks(tmp_path: Path) -> None:
    (tmp_path / "hum.py").write_text(example("CONTRIBUTING.md", "from contextlib import asynccontextmanager"))
    done = say("one two three", tmp_path, "--set", "speak.use=hum:Hum", "--set", "speak.pitch_hz=200")
    assert done.returncode == 0, done.stderr
    sound = read_wav(tmp_path / "out.wav")
    assert any(sound.pcm)


def test_a_misspelt_option_of_ones_own_engine_is_answered(tmp_path: Path) -> None:
    (tmp_path / "hum.py").write_text(example("CONTRIBUTING.md", "from contextlib import asynccontextmanager"))
    done = say("one", tmp_path, "--set", "speak.use=hum:Hum", "--set", "speak.pich_hz=200")
    assert done.returncode == 78
    assert "pitch_hz" in done.stderr


def test_the_handler_of_the_readme_answers(tmp_path: Path) -> None:
    code = example("README.md", "# answer.py").partition("\nvoiceloop run")[0]
    (tmp_path / "answer.py").write_text(code)
    (tmp_path / "said.wav").write_bytes(wav_bytes(bytes(32_000), 16_000))
    words = ["run", "--json", "-i", "file:said.wav", "-o", "none", "--config", "offline"]
    done = subprocess.run(
        [COMMAND, *words, "--set", "handler.use=answer:answer"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr
    assert "answer:answer" in done.stdout
    namespace: dict[str, object] = {}
    exec(compile(code, "answer.py", "exec"), namespace)
    answer = namespace["answer"]
    assert callable(answer)
    assert answer("hello") == "You said: hello"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/dictation.md"])
def test_files_that_the_documents_name_are_there(document: str) -> None:
    text = (ROOT / document).read_text()
    for name in set(re.findall(r"(?:scripts|configs|tests|docs)/[\w./-]*\w", text)):
        assert (ROOT / name).exists(), f"{document} names {name}"
