"""The question where to transcribe: when it is asked, what it says, and how the answer is kept. On a real terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import termios
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from testbed.patching import patched
from testbed.running import COMMAND
from testbed.serving import KEY, serving
from voiceloop.audio.wav import wav_bytes
from voiceloop.cli.choosing import answered, question
from voiceloop.config.commands import load_command
from voiceloop.net.catalogue import Model
from voiceloop.types import CAPTURE_RATE_HZ

PROMPT = "1 or 2 [1] "


class Terminal:
    """A terminal as standard input and standard error of a command. It types `answers`, one at each prompt.

    `columns`: its width; 0 if it doesn't say."""

    def __init__(self, answers: Sequence[str], *, columns: int = 0) -> None:
        self.shown = ""
        self._columns = columns
        self._answers = list(answers)

    def run(self, *words: str, env: dict[str, str]) -> int:
        """Run `voiceloop WORDS…` to its end; gives its exit code."""
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (24, self._columns))
        with subprocess.Popen([COMMAND, *words], env=env, stdin=its, stderr=its, stdout=subprocess.DEVNULL) as process:
            os.close(its)
            timer = threading.Timer(120, process.kill)
            timer.start()
            self._talk(ours)
            code = process.wait()
            timer.cancel()
        os.close(ours)
        return code

    def _talk(self, terminal: int) -> None:
        for self.shown in _read(terminal):
            if self.shown.endswith(PROMPT) and self._answers:
                os.write(terminal, self._answers.pop(0).encode())


def _read(terminal: int) -> Iterator[str]:
    """All that was shown so far, after each piece. A piece may end in the middle of a character."""
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
            yield shown.decode(errors="ignore").replace("\r\n", "\n")
    except OSError:  # the last program that had the terminal has ended
        return


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user with a key who has configured nothing."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG"))}
    (tmp_path / "run").mkdir(mode=0o700)
    env = kept | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "OPENROUTER_API_KEY": KEY}
    # A busy machine's server, too, lists its prices before the question is asked.
    return patched(env, tmp_path / "python", "from voiceloop.cli import choosing\nchoosing.PRICE_S = 60.0\n")


@pytest.fixture
def silence(tmp_path: Path) -> str:
    path = tmp_path / "silence.wav"
    path.write_bytes(wav_bytes(bytes(CAPTURE_RATE_HZ // 5), CAPTURE_RATE_HZ))
    return f"file:{path}"


def dictate(silence: str, *more: str) -> tuple[str, ...]:
    return ("dictate", "-i", silence, "--to", "stdout", "--set", "control.notify=false", *more)


def kept(env: dict[str, str]) -> str:
    path = Path(env["HOME"], ".config/voiceloop/choices.toml")
    lines = path.read_text().splitlines() if path.exists() else []
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def test_the_question_names_the_price_of_an_hour_and_the_answer_is_asked_for_once(
    env: dict[str, str], silence: str
) -> None:
    with serving("--catalogue") as server:
        words = dictate(silence, "--set", f"openrouter.base_url={server.url}")
        first = Terminal(["what?\n", "2\n"])
        assert first.run(*words, env=env) == 0, first.shown
        assert "USD for an hour of speech" in first.shown
        assert "openai/whisper-large-v3" in first.shown
        assert first.shown.count(PROMPT) == 2
        assert "Kept in ~/.config/voiceloop/choices.toml. To change it: voiceloop config choose dictate local" in (
            first.shown
        )
        assert kept(env) == 'dictate = "cloud"'
        again = Terminal([])
        assert again.run(*words, env=env) == 0, again.shown
        assert PROMPT not in again.shown


def test_enter_means_this_machine(env: dict[str, str], silence: str) -> None:
    terminal = Terminal(["\n"])
    words = dictate(silence, "--set", "openrouter.base_url=http://127.0.0.1:9/v1")
    assert terminal.run(*words, env=env) == 0, terminal.shown
    assert "its price is not known" in terminal.shown
    assert kept(env) == 'dictate = "local"'


def test_the_end_of_the_input_keeps_nothing_and_stays_on_this_machine(env: dict[str, str], silence: str) -> None:
    terminal = Terminal(["\x04"])
    words = dictate(silence, "--set", "openrouter.base_url=http://127.0.0.1:9/v1")
    assert terminal.run(*words, env=env) == 0, terminal.shown
    assert terminal.shown.count(PROMPT) == 1
    assert kept(env) == ""


def test_an_answer_that_cannot_be_kept_counts_for_the_run(env: dict[str, str], silence: str) -> None:
    Path(env["HOME"], ".config").write_text("not a folder")
    terminal = Terminal(["1\n"])
    words = dictate(silence, "--set", "openrouter.base_url=http://127.0.0.1:9/v1")
    assert terminal.run(*words, env=env) == 0, terminal.shown
    assert "For this run only: " in terminal.shown
    assert "the choice can't be kept" in terminal.shown


@pytest.mark.parametrize("more", [("--local",), ("--cloud",), ("--set", "transcribe.use=moonshine"), ("--json",)])
def test_nothing_is_asked_if_the_command_line_decides_or_a_program_reads(
    env: dict[str, str], tmp_path: Path, silence: str, more: tuple[str, ...]
) -> None:
    terminal = Terminal([])
    words = ("dictate", "-i", silence, "--to", f"file:{tmp_path / 'out'}", "--set", "control.notify=false", *more)
    assert terminal.run(*words, "--set", "openrouter.base_url=http://127.0.0.1:9/v1", env=env) == 0, terminal.shown
    assert PROMPT not in terminal.shown
    assert kept(env) == ""


def test_nothing_is_asked_without_a_key_or_without_a_terminal(env: dict[str, str], silence: str) -> None:
    terminal = Terminal([])
    assert terminal.run(*dictate(silence), env=env | {"OPENROUTER_API_KEY": ""}) == 0, terminal.shown
    assert PROMPT not in terminal.shown
    done = subprocess.run(
        [COMMAND, *dictate(silence)], env=env, input="2\n", capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert PROMPT not in done.stderr
    assert kept(env) == ""


def test_config_choose_keeps_changes_and_forgets_a_choice(env: dict[str, str]) -> None:
    def choose(*words: str) -> str:
        command = [COMMAND, "config", "choose", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.strip() == str(Path(env["HOME"], ".config/voiceloop/choices.toml"))
        return done.stderr

    assert "Speech goes to openrouter.ai" in choose("dictate", "cloud")
    assert "Moonshine" in choose("captions", "local")
    assert kept(env) == 'captions = "local"\ndictate = "cloud"'
    show = subprocess.run([COMMAND, "config", "show", "dictate"], env=env, capture_output=True, text=True, check=True)
    assert "# Chosen for dictate: cloud. To change it: voiceloop config choose dictate local" in show.stdout
    choose("dictate", "ask")
    assert kept(env) == 'captions = "local"'


def test_the_price_of_captions_and_of_dictation_is_from_one_posting_to_the_most(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("OPENROUTER_API_KEY", "test-key")
    listed = tuple(
        Model(f"openai/whisper-large-v3{suffix}", "", (), (("audio", 0.00001),)) for suffix in ("", "-turbo")
    )
    for command, price in (("captions", "0.04 to 0.18"), ("dictate", "0.04 to 0.07")):
        lines = question(load_command(command, flag="cloud").config, listed)  # type: ignore[arg-type]
        assert f"about {price} USD for an hour of speech" in lines[-1]
    once = load_command("dictate", sets=["preemptive.enabled=false"], flag="cloud").config
    assert "about 0.04 USD" in question(once, listed)[-1]
    assert "its price is not known" in question(once, ())[-1]


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ([""], "local"),
        (["1\n"], "local"),
        (["x\n", " 2 \n"], "cloud"),
        (["Cloud\n"], "cloud"),
        (["3\n"], None),
        ([], None),
    ],
)
def test_the_first_valid_answer_counts(lines: list[str], place: str | None) -> None:
    given = iter(lines)
    assert answered(lambda: next(given, None)) == place


@pytest.mark.parametrize("damaged", ['dictate = "clowd"', "dictate =", "nobody = 1", "\udcff"])
def test_the_remedy_for_damaged_choices_works_and_keeps_the_others(damaged: str, env: dict[str, str]) -> None:
    path = Path(env["HOME"], ".config/voiceloop/choices.toml")
    path.parent.mkdir(parents=True)
    path.write_text(f'captions = "cloud"\n{damaged}\n', errors="surrogateescape")
    words = [COMMAND, "config", "choose", "dictate", "local"]
    refused = subprocess.run(
        [COMMAND, "config", "show", "dictate"], env=env, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, "voiceloop config choose dictate local" in refused.stderr) == (78, True), refused.stderr
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    readable = damaged in {'dictate = "clowd"', "nobody = 1"}
    assert kept(env) == ('captions = "cloud"\n' if readable else "") + 'dictate = "local"'


def test_damaged_choices_stop_nobody_who_has_decided_otherwise(env: dict[str, str]) -> None:
    path = Path(env["HOME"], ".config/voiceloop/choices.toml")
    path.parent.mkdir(parents=True)
    path.write_text("rubbish")
    for words in (["run"], ["dictate", "--set", "transcribe.use=moonshine"]):
        subprocess.run([COMMAND, "config", "show", *words], env=env, capture_output=True, check=True)


def test_with_standard_input_closed_nothing_is_asked(env: dict[str, str], silence: str) -> None:
    command = " ".join(["exec", COMMAND, *dictate(silence), "<&-"])
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert PROMPT not in done.stderr


def test_the_question_fits_a_narrow_terminal(env: dict[str, str], silence: str) -> None:
    with serving("--catalogue") as server:
        asked = Terminal(["1\n"], columns=60)
        assert asked.run(*dictate(silence, "--set", f"openrouter.base_url={server.url}"), env=env) == 0, asked.shown
    before, _, _ = asked.shown.partition(PROMPT)
    assert "USD for an hour" in " ".join(before.split())
    assert max(map(len, before.splitlines())) <= 60
