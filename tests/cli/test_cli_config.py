"""`voiceloop config` and `voiceloop plugins` as processes: their output streams and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"


@dataclass
class Machine:
    """A home directory and a way to run the program in it."""

    home: Path

    def run(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {
            key: value for key, value in os.environ.items() if key not in {"VOICELOOP_CONFIG", "XDG_CONFIG_HOME"}
        }
        done = subprocess.run(
            [sys.executable, "-m", "voiceloop", *arguments],
            cwd=self.home,
            env=inherited | {"HOME": str(self.home), "OPENROUTER_API_KEY": KEY, "NO_COLOR": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert KEY not in done.stdout + done.stderr
        return done

    @property
    def own_file(self) -> Path:
        return self.home / ".config" / "voiceloop" / "config.toml"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_show_prints_a_config_that_can_be_read_back(machine: Machine) -> None:
    done = machine.run("config", "show", "--config", "assistant", "--set", "audio.echo=off")
    values = tomllib.loads(done.stdout)
    assert values["handler"]["use"] == "chat"
    assert values["audio"]["echo"] == "off"
    assert "# --set" in done.stdout
    assert done.stderr == ""


def test_show_as_json_names_each_origin(machine: Machine) -> None:
    done = machine.run("config", "show", "--json", "--config", "assistant")
    shown = json.loads(done.stdout)
    assert shown["file"].endswith("assistant.toml")
    assert shown["values"]["speak"]["voice"] == "alloy"
    assert shown["origins"]["speak.voice"].startswith("preset assistant:")
    assert shown["origins"]["audio.echo"] == "default"


def test_errors_are_on_stderr_and_the_exit_code_is_78(machine: Machine) -> None:
    (machine.home / "bad.toml").write_text(f'[openrouter]\napi_key = "{KEY}"\n[segment]\nonset = 1\n[nowhere]\n')
    done = machine.run("config", "show", "--config", "bad.toml", code=78)
    assert done.stdout == ""
    assert [line.split(" ")[2] for line in done.stderr.splitlines()[1:]] == [
        "bad.toml:2",
        "bad.toml:4",
        "bad.toml:5",
    ]


def test_init_writes_a_file_that_is_then_used_and_never_overwrites_it(machine: Machine) -> None:
    assert machine.run("config", "init", "assistant").stdout.strip() == str(machine.own_file)
    assert machine.run("config", "path").stdout.strip() == str(machine.own_file)
    assert tomllib.loads(machine.run("config", "show").stdout)["handler"]["use"] == "chat"
    before = machine.own_file.read_text()
    assert "there is already" in machine.run("config", "init", code=2).stderr
    assert machine.own_file.read_text() == before


def test_init_without_a_preset_writes_comments_alone(machine: Machine) -> None:
    before = [machine.run("config", "show", command).stdout for command in ("run", "dictate", "captions")]
    machine.run("config", "init")
    text = machine.own_file.read_text()
    assert not {"vad", "transcribe", "handler", "speak"} & set(tomllib.loads(text))
    assert {'# use = "moonshine"', '# use = "openrouter"', '# use = "chat"'} <= set(text.splitlines())
    assert [machine.run("config", "show", command).stdout for command in ("run", "dictate", "captions")] == before


def test_path_says_where_a_config_would_be(machine: Machine) -> None:
    done = machine.run("config", "path")
    assert done.stdout.strip() == str(machine.own_file)
    assert "voiceloop config init" in done.stderr
    (machine.home / "x.toml").touch()
    assert machine.run("config", "path", VOICELOOP_CONFIG="x.toml").stdout == "x.toml\n"


def test_the_schema_is_json_on_stdout(machine: Machine) -> None:
    assert json.loads(machine.run("config", "schema").stdout)["properties"]["handler"]


def test_plugins_are_listed_with_whether_they_load(machine: Machine) -> None:
    rows = json.loads(machine.run("plugins", "--json").stdout)
    assert {row["kind"] for row in rows} == {"vad", "transcribe", "handler", "speak"}
    (echo,) = [row for row in rows if row["name"] == "echo"]
    assert (echo["distribution"], echo["loads"], echo["why_not"]) == ("voiceloop", True, None)
    assert "echo" in machine.run("plugins").stdout
