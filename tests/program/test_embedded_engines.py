"""The installed command with the embedded engines: a whole conversation without a key, and what can go wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.running import voiceloop
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.handlers.basic import HELP
from voiceloop.transcribe.embedded.moonshine import model_files

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
pytest.importorskip("hibari", reason="the extra 'local' is not installed")

SENTENCE = "This is a small test. Can you hear what I say?"
SAID = SENTENCE.lower().replace(".", "").replace("?", "").split()
HERE = "Speech is transcribed by Moonshine on this machine."
RUN = ("run", "--config", "offline", "--set", "control.enabled=false", "--set", "handler.use=echo")

SPOILT_PYTHON = """
import os, resource, sys
from importlib.machinery import PathFinder

hidden = os.environ.get("HIDDEN", "").split()
find_spec = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] in hidden else find_spec(name, *rest)
)

def limit(event, arguments):
    "From the first use of that module or file on, only a few more MB can be had."
    global when
    if when and event in {"import", "open"} and str(arguments[0]).endswith(when):
        when = ""
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + int(os.environ["MORE_MB"]) * 1_000_000, -1))

when = os.environ.get("LIMITED_FROM", "")
sys.addaudithook(limit)
"""
"""A `sitecustomize` that hides the modules in `$HIDDEN`, or takes memory away."""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without the developer's config and key, in which Python can be spoilt."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SPOILT_PYTHON)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG"))}
    return env | {"HOME": str(tmp_path), "PYTHONPATH": str(folder)}


@pytest.fixture
def silence(tmp_path: Path) -> str:
    path = tmp_path / "silence.wav"
    path.write_bytes(wav_bytes(bytes(32_000), 16_000))
    return f"file:{path}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the installed model's files as links, to be spoilt."""
    folder = tmp_path / "model-en"
    folder.mkdir()
    for name in model_files.FILES:
        (folder / name).symlink_to(model_files.find("tiny-en").folder / name)
    return folder


def words(text: str) -> list[str]:
    """The words, without the marks that the recogniser puts around them."""
    return re.findall("[a-z]+", text.lower())


def problem(code: int, *words: str, env: dict[str, str]) -> str:
    """Run the command, check that it ends with `code`; gives the one problem that it told after the engines' names."""
    got, _, errors = voiceloop(*words, env=env)
    assert got == code, errors
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if line not in {HERE, "voiceloop: 1 mistake in the configuration"}]
    assert len(lines) == 1, errors
    return lines[0]


def test_a_conversation_needs_no_key(env: dict[str, str], tmp_path: Path) -> None:
    said, reply = tmp_path / "said.wav", tmp_path / "reply.wav"
    code, _, errors = voiceloop("say", SENTENCE, "--config", "offline", "-o", f"file:{said}", env=env)
    assert code == 0, errors
    code, out, errors = voiceloop(*RUN, "-i", f"file:{said}", "-o", f"file:{reply}", env=env)
    assert code == 0, errors
    assert [words(line) for line in out.splitlines()] == [["you", *SAID], ["loop", *SAID]]
    code, out, errors = voiceloop("transcribe", str(reply), "--config", "offline", env=env)
    assert words(out) == SAID, errors
    assert 0.7 < len(read_wav(reply).pcm) / len(read_wav(said).pcm) < 1.5


def test_without_a_config_a_spoken_question_is_answered(env: dict[str, str], tmp_path: Path) -> None:
    said, reply = tmp_path / "said.wav", tmp_path / "reply.wav"
    assert voiceloop("say", "What can you do?", "--config", "offline", "-o", f"file:{said}", env=env)[0] == 0
    words = ("run", "--set", "control.enabled=false", "-i", f"file:{said}", "-o", f"file:{reply}")
    code, out, errors = voiceloop(*words, env=env)
    assert code == 0, errors
    assert out.splitlines() == ["you:  What can you do?", f"loop: {HELP}"]
    code, out, errors = voiceloop("transcribe", str(reply), "--config", "offline", env=env)
    assert "i tell the time and the date" in " ".join(re.findall("[a-z]+", out.lower())), errors


def test_the_limit_of_a_2_gb_machine_is_enough(env: dict[str, str], tmp_path: Path) -> None:
    said, reply = tmp_path / "said.wav", tmp_path / "reply.wav"
    assert voiceloop("say", SENTENCE, "--config", "offline", "-o", f"file:{said}", env=env)[0] == 0
    limited = env | {"LIMITED_FROM": "voiceloop.cli.main", "MORE_MB": "2000"}
    code, out, errors = voiceloop(*RUN, "-i", f"file:{said}", "-o", f"file:{reply}", env=limited)
    assert code == 0, errors
    assert [words(line) for line in out.splitlines()] == [["you", *SAID], ["loop", *SAID]]


@pytest.mark.parametrize(("since", "more_mb"), [("onnxruntime", 10), ("tokenizer.bin", 25)])
def test_too_little_memory_is_one_line(since: str, more_mb: int, env: dict[str, str], silence: str) -> None:
    limited = env | {"LIMITED_FROM": since, "MORE_MB": str(more_mb)}
    line = problem(69, *RUN, "-i", silence, "-o", "none", env=limited)
    assert "moonshine" in line
    assert "memory" in line


@pytest.mark.parametrize(
    ("hidden", "setting", "expected"),
    [
        ("onnxruntime", "speak.use=none", ("'onnxruntime' is not installed", "voiceloop[local]", "'openai'")),
        ("moonshine_voice voiceloop_moonshine", "speak.use=none", ("no Moonshine model", "'whisper'")),
        ("hibari", "speak.use=hibari", ("'hibari' is not installed", "voiceloop[local]", "'espeak'")),
        ("hibari espeakng_loader", "speak.use=local", ("'hibari' is not installed", "voiceloop[local]", "'espeak'")),
        ("espeakng_loader", "speak.use=espeak", ("'espeakng_loader' is not installed", "voiceloop[espeak]")),
        ("piper", "speak.use=piper", ("'piper' is not installed", "voiceloop[piper]")),
    ],
)
def test_a_missing_package_is_one_line_that_names_its_extra_and_another_engine(
    hidden: str, setting: str, expected: tuple[str, ...], env: dict[str, str], silence: str
) -> None:
    words = ("-i", silence, "-o", "none", "--set", setting)
    line = problem(69, *RUN, *words, env=env | {"HIDDEN": hidden})
    for part in expected:
        assert part in line


def test_without_hibari_espeak_speaks_and_a_line_says_so(env: dict[str, str], silence: str) -> None:
    code, _, errors = voiceloop(*RUN, "-v", "-i", silence, "-o", "none", env=env | {"HIDDEN": "hibari"})
    assert code == 0, errors
    assert "eSpeak NG speaks, as hibari is not installed: pip install 'voiceloop[local]'" in errors
    assert "speak       eSpeak NG en-us (en)" in errors


def truncated(folder: Path) -> None:
    path = folder / model_files.ENCODER
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def exchanged(folder: Path) -> None:
    """Each network under the name of the other: of another architecture than expected."""
    encoder, decoder = folder / model_files.ENCODER, folder / model_files.DECODER
    first, second = encoder.readlink(), decoder.readlink()
    for path, target in ((encoder, second), (decoder, first)):
        path.unlink()
        path.symlink_to(target)


def unreadable(name: str) -> Callable[[Path], None]:
    """A file that exists, but that even root can't read."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/proc/self/mem")

    return spoil


def without_decoder(folder: Path) -> None:
    (folder / model_files.DECODER).unlink()


def gone(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


SPOILT: tuple[tuple[str, Callable[[Path], None], int, str], ...] = (
    ("gone", gone, 78, "there is no folder"),
    ("incomplete", without_decoder, 78, "it has no decoder_model_merged.ort"),
    ("truncated", truncated, 69, "encoder_model.ort can't be loaded"),
    ("exchanged", exchanged, 69, "don't make a Moonshine model"),
    ("unreadable tokens", unreadable(model_files.TOKENS), 69, "tokenizer.bin can't be read"),
    ("unreadable network", unreadable(model_files.ENCODER), 69, "encoder_model.ort can't be loaded"),
)


@pytest.mark.parametrize("case", SPOILT, ids=[case[0] for case in SPOILT])
def test_a_spoilt_model_is_one_line(
    case: tuple[str, Callable[[Path], None], int, str], env: dict[str, str], model: Path, silence: str
) -> None:
    _, spoil, code, expected = case
    spoil(model)
    line = problem(code, *RUN, "-i", silence, "-o", "none", "--set", f"transcribe.model={model}", env=env)
    assert expected in line
    assert str(model) in line


@pytest.mark.parametrize("use", ["moonshine", "whisper"])
def test_the_check_says_what_is_missing_and_goes_on(use: str, env: dict[str, str]) -> None:
    words = ("check", "--config", "offline", "-i", "none", "-o", "none", "--set", f"transcribe.use={use}")
    code, out, errors = voiceloop(*words, env=env | {"HIDDEN": "onnxruntime faster_whisper"})
    assert code == 69, errors
    (line,) = [line for line in out.splitlines() if line[4:].startswith("transcribe ")]
    assert line.startswith("no  transcribe")
    assert "is not installed" in line
    assert "ok  speak" in out
