"""The documents against the program: their examples run, and the names, links, commands and keys in them exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from testbed.running import COMMAND
from voiceloop import registry
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.cli.main import app
from voiceloop.config.load import presets
from voiceloop.config.tables import Config

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
FOLDERS = ("voiceloop", "bench", "testbed", "tests", "scripts", "configs", "docs")
ENGINE = "from contextlib import asynccontextmanager"
PLACEHOLDERS = {"COMMAND": "run"}


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """The indented and fenced blocks, without indent and fence."""
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    outside = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^|\n\n)((?:    .*(?:\n|$)|\n(?=    ))+)", outside)
    return [*fenced, *(textwrap.dedent(block) for block in indented)]


def inline(text: str) -> list[str]:
    """What stands in backticks in the prose and the tables."""
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def example(document: str, first_line: str) -> str:
    """The block that begins with `first_line`."""
    found = [block for block in blocks(read(document)) if block.startswith(first_line)]
    assert len(found) == 1, f"{document} has {len(found)} examples that begin with {first_line}"
    return found[0]


def commands(text: str) -> list[list[str]]:
    """The words of each `voiceloop ...` command line in the blocks, without `voiceloop`, comments and pipes."""
    lines = [line.strip().removeprefix("$ ") for block in blocks(text) for line in block.splitlines()]
    found = []
    for line in lines:
        if match := re.match(r"(?:\.venv/bin/|bindsym .* exec (?:--no-startup-id )?)?voiceloop (.*)", line):
            lexer = shlex.shlex(match[1], posix=True, punctuation_chars="|")
            lexer.whitespace_split, lexer.commenters = True, "#"
            found.append(list(takewhile(lambda word: word != "|" and not word.startswith("2>"), lexer)))
    return found


def parse(words: list[str]) -> None:
    """Parse a command line as the program does, without running it. Raises what the program would say."""
    command: Any = get_command(app)
    context = command.make_context("voiceloop", list(words))
    while hasattr(command, "commands"):
        words = [*context._protected_args, *context.args]  # what the group's own options leave
        if not words and command.invoke_without_command:
            return
        name, command, rest = command.resolve_command(context, words)
        context = command.make_context(name, list(rest), parent=context)


def fields(model: type[BaseModel], at: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{at}{name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields(inner, f"{at}{name}.")


@cache
def keys() -> frozenset[str]:
    """Every key of the configuration, with the options of every engine and handler, and every table."""
    found = set(fields(Config, ""))
    for kind in registry.GROUPS:
        found.add(f"{kind}.use")
        for entry in registry.entries(kind):
            found |= set(fields(registry.find(kind, entry.name).part.Options, f"{kind}."))
    return frozenset(found) - {f"{kind}.{name}" for kind in registry.GROUPS for name in ("part", "options")}


TABLES = frozenset(Config.model_fields)
OF_EXAMPLES = frozenset({"speak.pitch_hz"})
"""Options of the engine that docs/engines.md makes."""


def is_key(name: str) -> bool:
    return name in keys() | OF_EXAMPLES


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def say(text: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "say", text, "-o", "file:out.wav", *words], cwd=folder, capture_output=True, text=True, check=False
    )


def hear_silence(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the loop on a second of silence."""
    (folder / "said.wav").write_bytes(wav_bytes(bytes(32_000), 16_000))
    arguments = ["run", "-i", "file:said.wav", "-o", "file:out.wav", "--config", "offline", *words]
    return subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)


# Examples


def test_the_engine_example_speaks(tmp_path: Path) -> None:
    (tmp_path / "hum.py").write_text(example("docs/engines.md", ENGINE))
    done = say("one two three", tmp_path, "--set", "speak.use=hum:Hum", "--set", "speak.pitch_hz=200")
    assert done.returncode == 0, done.stderr
    sound = read_wav(tmp_path / "out.wav")
    assert any(sound.pcm)


def test_a_misspelt_option_of_the_engine_example_is_corrected(tmp_path: Path) -> None:
    (tmp_path / "hum.py").write_text(example("docs/engines.md", ENGINE))
    done = say("one", tmp_path, "--set", "speak.use=hum:Hum", "--set", "speak.pich_hz=200")
    assert done.returncode == 78
    assert "pitch_hz" in done.stderr


@pytest.mark.parametrize("document", ["README.md", "docs/handlers.md"])
def test_the_handler_example_answers(document: str, tmp_path: Path) -> None:
    code = example(document, "# answer.py")
    (tmp_path / "answer.py").write_text(code)
    done = hear_silence(tmp_path, "--json", "--set", "handler.use=answer:answer")
    assert done.returncode == 0, done.stderr
    assert "answer:answer" in done.stdout
    namespace: dict[str, Any] = {}
    exec(compile(code, "answer.py", "exec"), namespace)
    assert namespace["answer"]("hello") == "You said: hello"


def test_the_handler_example_with_its_config_is_taken(tmp_path: Path) -> None:
    (tmp_path / "remember.py").write_text(example("docs/handlers.md", "# remember.py"))
    config = example("docs/handlers.md", '[handler]\nuse = "python"')
    (tmp_path / "config.toml").write_text(f'{config}\n[transcribe]\nuse = "moonshine"\n[speak]\nuse = "espeak"\n')
    done = hear_silence(tmp_path, "--json", "--config", "config.toml")
    assert done.returncode == 0, done.stderr
    assert "remember:answer" in done.stdout


SAMPLES = {
    "run": "Hello. What time is it?",
    "dictate": "This is a small test. Can you hear what I say?",
    "captions": "This is a small test. Can you hear what I say?",
}
"""What `scripts/run` says to each command where there is no microphone."""


@pytest.mark.parametrize("command", SAMPLES)
def test_the_sessions_in_the_readme_are_what_the_program_prints(command: str, tmp_path: Path) -> None:
    """Every line from the engines' on, but for the folder and the figures; without a config file and without a key."""
    pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "LC_", "LANG"))}
    env = kept | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    sample = f"file:{tmp_path}/voiceloop-sample.wav"
    subprocess.run([COMMAND, "say", SAMPLES[command], "--config", "offline", "-o", sample], env=env, check=True)
    words = [COMMAND, command, "-i", sample]
    words += {"run": ["-o", f"file:{tmp_path}/voiceloop-reply.wav"], "dictate": ["--to", "stdout"], "captions": []}[
        command
    ]
    log = tmp_path / "printed"
    with log.open("wb") as printed:  # one file for both streams, so that the lines keep their order
        subprocess.run(words, env=env, stdout=printed, stderr=printed, check=True)
    sessions = example("README.md", "$ scripts/run").split("$ scripts/run")[1:]
    (session,) = [text for text in sessions if text.split("\n")[0].strip() == command.removeprefix("run")]
    assert command != "run" or f"Said:  {SAMPLES[command]}  (voiceloop-sample.wav)\n" in session
    lines = re.split(r"\.wav\)\n|\n…\n", session)[1].strip().splitlines()
    shown = [line for line in lines if not line.startswith(("Speech is transcribed", "The reply is in"))]
    told = log.read_text().replace(str(tmp_path), "/home/you/voiceloop").strip().splitlines()
    assert told[0] == "Speech is transcribed by Moonshine on this machine."
    assert [without_figures(line) for line in told[1:]] == [without_figures(line) for line in shown]


def without_figures(line: str) -> str:
    """A line without the time of day and the seconds, which differ from run to run."""
    return re.sub(r"\d+:\d\d [AP]M|[\d.]+ s\b", "N", line)


def test_the_readme_installs_what_it_calls_and_what_scripts_run_needs_for_sound() -> None:
    block = next(block for block in blocks(read("README.md")) if "pipx install" in block)
    apt, *rest = (line.partition("#")[0].split() for line in block.splitlines())
    assert apt[:3] == ["sudo", "apt", "install"]
    # A desktop has a sound server, which the variable stands for.
    needed = subprocess.run(
        ["bash", "-c", "source scripts/setup.sh && sound_packages"],
        cwd=ROOT,
        env={**os.environ, "PULSE_SERVER": "unix:/none"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    comes_along = {"libpulse0"}  # libasound2-plugins depends on it
    assert {"libportaudio2", "libasound2-plugins"} <= set(needed)
    assert set(apt[3:]) == {"pipx", *needed} - comes_along
    # The folder of pipx's commands is in the path from the next terminal on only.
    assert [words[:2] for words in rest[:2]] == [["pipx", "install"], ["pipx", "ensurepath"]]


def test_blocks_of_python_and_toml_can_be_read() -> None:
    found = {"python": 0, "toml": 0}
    for document in DOCUMENTS:
        for block in blocks(read(document)):
            if re.search(r"^(from \S+ import|import \w|(async )?def \w|class \w)", block, re.MULTILINE):
                compile(block, document, "exec")
                found["python"] += 1
            elif re.match(r"\[[\w.\"-]+\]\n", block):
                tomllib.loads(block)
                found["toml"] += 1
    assert min(found.values()) >= 3, found


# Names, links, commands and keys


def test_the_readme_has_at_most_120_lines() -> None:
    assert len(read("README.md").splitlines()) <= 120


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_a_document_names_exist(document: str) -> None:
    names = set(re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w", read(document)))
    missing = [name for name in names if not (ROOT / name).exists()]
    assert not missing


def test_every_document_names_some_file_of_the_repository() -> None:
    without = [name for name in DOCUMENTS if not re.search(rf"(?:{'|'.join(FOLDERS)})/\w", read(name))]
    assert not without


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", read(document)) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), f"{document}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{document}: {link}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_command_lines_are_accepted_by_the_programs_own_parser(document: str) -> None:
    for words in commands(read(document)):
        try:
            parse(words)
        except Exception as error:
            raise AssertionError(f"{document}: voiceloop {shlex.join(words)}: {error!r}") from error


def test_the_command_lines_are_found() -> None:
    found = [words for document in DOCUMENTS for words in commands(read(document))]
    assert len(found) > 40
    assert (
        len([span for document in DOCUMENTS for span in inline(read(document)) if span.startswith("voiceloop ")]) > 20
    )
    assert {words[0] for words in found} >= {
        "run",
        "captions",
        "dictate",
        "ctl",
        "transcribe",
        "trace",
        "config",
        "models",
    }


@pytest.mark.parametrize(
    "words", [["run", "--no-such"], ["no-such"], ["config", "no-such"], ["dictate", "--from", "x"]]
)
def test_a_wrong_command_line_is_noticed(words: list[str]) -> None:
    with pytest.raises(Exception, match="No such"):
        parse(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_named_in_the_prose_exist_with_their_options(document: str) -> None:
    root: Any = get_command(app)
    for span in inline(read(document)):
        words = span.split()
        if words[0] != "voiceloop" or len(words) == 1:
            continue
        command = root.commands[PLACEHOLDERS.get(words[1], words[1])]
        if hasattr(command, "commands") and len(words) > 2:
            command = command.commands[words[2]]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, f"{document}: {span}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_keys_of_the_configuration_exist(document: str) -> None:
    text = read(document)
    named = set(re.findall(r"--set '?([a-z_][\w.]*)=", text))
    tables = "|".join(TABLES)
    for span in inline(text):
        if match := re.fullmatch(rf"((?:{tables})\.[a-z_.]+)(?: ?= ?.+)?", span):
            named.add(match[1])
        named |= set(re.findall(rf"(?:^|\s)((?:{tables})\.[a-z_]+)=", span))
    files = {name for name in named if name.endswith((".py", ".toml", ".md"))}
    unknown = {name for name in named - files if not is_key(name)}
    assert not unknown


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tables_of_the_configuration_exist(document: str) -> None:
    text = read(document)
    named = {span[1:-1] for span in inline(text) if re.fullmatch(r"\[[a-z_.]+\]", span)}
    assert named <= TABLES
    for block in blocks(text):
        if re.match(r"\[[\w.]+\]\n", block):
            for table, values in tomllib.loads(block).items():
                assert table in TABLES
                assert {f"{table}.{key}" for key in values} <= keys()


def test_keys_and_tables_are_found_in_the_documents() -> None:
    text = "\n".join(map(read, DOCUMENTS))
    assert len(set(re.findall(r"--set '?([\w.]+)=", text))) > 10
    assert len({span for span in inline(text) if span.strip("[]") in TABLES and span.startswith("[")}) > 8
    assert is_key("openrouter.retry.max_elapsed_s")
    assert is_key("handler.paste_chord")
    assert not is_key("handler.no_such")
    assert not is_key("speculation.enabled")


def test_the_reference_names_every_table_command_and_preset() -> None:
    text = read("docs/reference.md")
    assert not {table for table in TABLES if f"`[{table}]`" not in text}
    root: Any = get_command(app)
    assert not {name for name in root.commands if f"`voiceloop {name}" not in text}
    assert not {name for name in presets() if f"`{name}`" not in text}


# The map of the code


def test_the_table_where_to_change_things_names_what_is_there() -> None:
    """In each cell a file is followed by the classes, functions and constants to look for in it."""
    table = read("CONTRIBUTING.md").partition("## Where do I change")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 11
    for row in rows:
        names = re.findall(r"`([^`]+)`", row)
        assert any(name.startswith("tests/") for name in names), row
        text = ""
        for name in names:
            path = ROOT / name
            if "/" in name or path.is_file():
                assert path.exists(), f"{name}: {row}"
                text = path.read_text(encoding="utf-8") if path.is_file() else ""
            elif text and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) and name != "Options":
                missing = [part for part in name.split(".") if not re.search(rf"\b{part}\b", text)]
                assert not missing, f"{name}: {row}"


@pytest.mark.parametrize(("way", "at_most"), [("The way of a frame", 8), ("The way of a reply", 7)])
def test_the_ways_through_the_code_name_files_that_are_there(way: str, at_most: int) -> None:
    section = re.split(rf"^### {way}.*\n", read("CONTRIBUTING.md"), flags=re.MULTILINE)[1].partition("\n#")[0]
    steps = re.findall(r"^\d+\. `([\w/.]+)`", section, re.MULTILINE)
    assert 5 <= len(steps) <= at_most
    for name in re.findall(r"`([\w/]+\.py)`", section):
        assert (ROOT / "voiceloop" / name).is_file(), name


def test_the_map_of_the_code_has_every_folder() -> None:
    text = read("CONTRIBUTING.md").partition("## The map")[2].partition("\n## ")[0]
    folders = {path.parent.relative_to(ROOT / "voiceloop") for path in (ROOT / "voiceloop").rglob("__init__.py")}
    missing = {str(path) for path in folders - {Path()} if f"`{path}/`" not in text}
    assert not missing


def test_every_benchmark_that_the_documents_name_is_one_of_scripts_bench() -> None:
    script = read("scripts/bench")
    line = re.search(r"^#\s+scripts/bench \[([^]]+)\]", script, re.MULTILINE)
    assert line is not None
    known = set(re.sub(r"[\s#]", "", line[1]).split("|"))
    offered = re.findall(r"^ {4}([a-z-]+(?: \| [a-z-]+)*)\)(?: exec|$)", script, re.MULTILINE)
    assert known == {name for names in offered for name in names.split(" | ")}
    for document in DOCUMENTS:
        text = re.sub(r"\s+", " ", read(document))
        named = set(re.findall(r"`scripts/bench ([a-z-]+)", text))
        assert named <= known, f"{document}: {named - known}"
    assert known <= set(re.findall(r"scripts/bench ([a-z-]+)", read("docs/benchmarks.md")))
