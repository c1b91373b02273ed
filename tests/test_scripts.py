"""scripts/run and scripts/test on fake machines: apt, dpkg, sudo, Python and voiceloop are stubs that log calls."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = ["run", "test", "check_wheel", "debian13", "pipewire", "setup.sh"]
RUN, TEST = "local,espeak,echo,qr", "local,espeak,echo,qr,piper,whisper,parakeet,files"
SUDO = "" if os.geteuid() == 0 else "sudo "

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the scripts install with apt")

APT_GET = """#!/bin/bash
echo "apt-get $*" >>"$LOG"
if [[ $* == "-q update" ]]; then touch "$BOX/updated"; fi
if [[ $1 == -s ]]; then
    [[ -e $BOX/updated || ! -e $BOX/no-lists ]] || { echo "E: Unable to locate package"; exit 100; }
    cat "$BOX/plan" 2>/dev/null
    exit 0
fi
[[ $2 != install ]] || printf '%s\\n' "${@:3}" >>"$BOX/installed"
exit 0
"""
DPKG_QUERY = """#!/bin/bash
code=0
for name in "${@:4}"; do
    if grep -qx "$name" "$BOX/installed"; then echo "installed $name"; else code=1; fi
done
exit $code
"""
PYTHON = """#!/bin/bash
case "$*" in
    "-m venv --clear "*)
        mkdir -p "$4/bin"
        cp "$0" "$4/bin/python"
        echo "made $RANDOM" >"$4/pyvenv.cfg"
        ;;
    *" install "*)
        echo "pip ${*:6}" >>"$LOG"
        [[ ! -e $BOX/offline ]] || { echo "WARNING: Retrying after connection broken" >&2; exit 1; }
        if [[ -e $BOX/offline-extras && $* == *--only-binary* ]]; then
            echo "WARNING: Retrying after connection broken" >&2
            echo "ERROR: No matching distribution found" >&2
            exit 1
        fi
        while read -r lacking; do
            [[ $* != *"$lacking"* ]] || { echo "ERROR: No matching distribution found for $lacking" >&2; exit 1; }
        done < <(cat "$BOX/no-wheels" 2>/dev/null)
        cp "$BOX/voiceloop" "$(dirname "$0")/voiceloop"
        ;;
    -c*tomllib*) exec "$REAL_PYTHON" "$@" ;;
esac
"""
VOICELOOP = """#!/bin/bash
echo "voiceloop $*" >>"$LOG"
case $1 in
    devices) cat "$BOX/devices" 2>/dev/null ;;
    config) echo "$BOX/no-config" ;;
    models) [[ ! -e $BOX/no-models ]] || exit 1 ;;
esac
exit 0
"""
SUDO_STUB = """#!/bin/bash
echo "sudo $*" >>"$LOG"
"$@"
"""


@dataclass
class Box:
    """A fake machine. `log` holds the calls of its stubs."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin = self.path / "bin"
        self.bin.mkdir()
        self.checkout = self.path / "my checkout"
        (self.checkout / "scripts").mkdir(parents=True)
        for name in SCRIPTS:
            shutil.copy(ROOT / "scripts" / name, self.checkout / "scripts" / name)
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        for name in ("installed", "log"):
            (self.path / name).touch()
        stubs = {"apt-get": APT_GET, "dpkg-query": DPKG_QUERY, "python3": PYTHON, "sudo": SUDO_STUB}
        for name, text in stubs.items():
            self.program(name, text)
        (self.path / "voiceloop").write_text(VOICELOOP)
        (self.path / "voiceloop").chmod(0o755)

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def has(self, *packages: str) -> None:
        (self.path / "installed").write_text("".join(f"{name}\n" for name in packages))

    @property
    def log(self) -> list[str]:
        return (self.path / "log").read_text().splitlines()

    def clear_log(self) -> None:
        (self.path / "log").write_text("")

    def _command(self, words: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.path),
            "BOX": str(self.path),
            "REAL_PYTHON": sys.executable,
            "LOG": str(self.path / "log"),
            **self.environment,
        }
        script, *arguments = words
        if script in SCRIPTS:
            return ["bash", str(self.checkout / "scripts" / script), *arguments], environment
        sourced = f'source "{self.checkout}/scripts/setup.sh"; {script}'
        return ["bash", "-euo", "pipefail", "-c", sourced, *arguments], environment

    def run(self, *words: str, code: int = 0) -> str:
        """Run a script, or a line of bash with setup.sh sourced, without a terminal; return its standard error."""
        command, environment = self._command(words)
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stderr

    def run_at_terminal(self, *words: str, typed: str, code: int = 0) -> str:
        """Do the same with a terminal at which `typed` is typed."""
        command, environment = self._command(words)
        try:
            keyboard, terminal = pty.openpty()
        except OSError:  # in a bare chroot
            pytest.skip("this machine has no pseudo-terminals")
        try:
            os.write(keyboard, typed.encode())
            done = subprocess.run(
                command,
                cwd=self.path,
                env=environment,
                stdin=terminal,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            os.close(keyboard)
            os.close(terminal)
        assert done.returncode == code, done.stderr
        return done.stderr


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def installs(box: Box) -> list[str]:
    return [line for line in box.log if line.startswith("apt-get -q install")]


# --- system packages


def test_only_missing_packages_are_installed(box: Box) -> None:
    box.has("a", "c")
    box.run("assume_yes=1 need a b c")
    assert installs(box) == ["apt-get -q install -y --no-install-recommends b"]
    box.clear_log()
    box.run("assume_yes=1 need a b c")
    assert box.log == []


def test_nothing_is_installed_when_apt_would_remove_something(box: Box) -> None:
    (box.path / "plan").write_text("Inst pulseaudio (16)\nRemv pipewire-audio [0.3]\nRemv pipewire-alsa [0.3]\n")
    errors = box.run("assume_yes=1 need pulseaudio", code=1)
    assert "would remove: pipewire-audio pipewire-alsa" in errors
    assert installs(box) == []


def test_without_a_terminal_and_without_yes_the_command_is_shown_and_nothing_is_done(box: Box) -> None:
    errors = box.run("need a b", code=1)
    assert f"{SUDO}apt-get install --no-install-recommends a b" in errors
    assert "--yes" in errors
    assert installs(box) == []


def test_at_a_terminal_the_user_is_asked_first(box: Box) -> None:
    assert "[Y/n]" in box.run_at_terminal("need a", typed="n\n", code=1)
    assert installs(box) == []
    box.run_at_terminal("need a", typed="\n")
    assert installs(box) == ["apt-get -q install -y --no-install-recommends a"]


def test_a_fresh_machine_fetches_its_lists_before_it_simulates(box: Box) -> None:
    (box.path / "no-lists").touch()
    errors = box.run("assume_yes=1 need a")
    assert f"{SUDO}apt-get update && {SUDO}apt-get install" in errors
    calls = [line for line in box.log if not line.startswith("sudo")]
    assert calls[1:] == [
        "apt-get -q update",
        "apt-get -s -q --no-install-recommends install a",
        "apt-get -q install -y --no-install-recommends a",
    ]


def test_a_package_that_apt_does_not_know_is_named(box: Box) -> None:
    (box.path / "no-lists").touch()
    box.program("apt-get", APT_GET.replace('touch "$BOX/updated"', "true"))
    assert "apt can't install: a" in box.run("assume_yes=1 need a", code=1)


@pytest.mark.parametrize(("pipewire", "wanted"), [([], True), (["pipewire-pulse"], False), (["pipewire-audio"], False)])
def test_the_pulseaudio_daemon_is_never_installed_beside_pipewire(box: Box, pipewire: list[str], wanted: bool) -> None:
    box.has(*pipewire)
    (box.path / "offline").touch()
    errors = box.run("test", "--yes", code=1)
    (line,) = installs(box)
    assert (" pulseaudio " in f"{line} ") == wanted
    assert ("sound tests run on PipeWire alone" in errors) != wanted


def test_without_apt_the_script_says_what_to_install(box: Box) -> None:
    for name in ("apt-get", "dpkg-query", "python3"):
        (box.bin / name).unlink()
    few_programs = box.path / "few"
    few_programs.mkdir()
    for name in ("bash", "dirname", "uname", "sed", "grep"):
        (few_programs / name).symlink_to(shutil.which(name) or name)
    box.environment["PATH"] = str(few_programs)
    errors = box.run("have_portaudio() { false; }; system_packages libportaudio2", code=1)
    assert "Install, then run this again" in errors


@pytest.mark.parametrize(
    ("system", "expected"),
    [("Darwin", "brew install"), ("Linux", "dnf install|pacman -S|zypper install|PortAudio|Debian container")],
)
def test_each_system_gets_its_own_installation_command(box: Box, system: str, expected: str) -> None:
    box.run(f'uname() {{ echo {system}; }}; elsewhere | grep -E "{expected}"')


def test_a_python_that_is_too_old_is_reported(box: Box) -> None:
    box.program("python3", "#!/bin/bash\n[[ $1 != --version ]] || echo Python 3.9.2\nexit 1\n")
    errors = box.run("find_python() { return 1; }; make_venv", code=1)
    assert "Python 3.11 or newer is needed, and here is Python 3.9.2" in errors


# --- the environment


def test_the_project_is_installed_once_and_again_when_it_changes(box: Box) -> None:
    box.run("project run")
    assert box.log == [f"pip -e .[{RUN}] --no-compile"]
    box.run("project run")
    assert len(box.log) == 1
    with (box.checkout / "pyproject.toml").open("a") as file:
        file.write("# more\n")
    box.run("project run")
    assert len(box.log) == 2


def test_after_an_installation_for_testing_run_needs_no_network(box: Box) -> None:
    box.run("project test --group dev")
    assert box.log == ["pip --upgrade pip>=25.1", f"pip -e .[{TEST}] --group dev"]
    (box.path / "offline").touch()
    box.run("project run")
    box.run("project test --group dev")
    assert len(box.log) == 2


def test_a_failed_installation_is_tried_again(box: Box) -> None:
    (box.path / "offline").touch()
    assert "The first installation needs the network" in box.run("project run", code=1)
    (box.path / "offline").unlink()
    box.run("project run")
    assert box.log == [f"pip -e .[{RUN}] --no-compile", "pip -e . --no-compile", f"pip -e .[{RUN}] --no-compile"]


def test_what_has_no_wheel_for_this_machine_is_left_out_and_named_with_the_reason(box: Box) -> None:
    (box.path / "no-wheels").write_text("moonshine-voice\n.[\n")
    errors = box.run("machine() { echo 'x86_64 with glibc 2.31'; }; project run")
    assert "Not installed: moonshine-voice==0.1.0 (extra 'local'), on x86_64 with glibc 2.31" in errors
    assert "ERROR: No matching distribution found for moonshine-voice" in errors
    assert errors.count("Not installed") == 1
    assert "voiceloop check" in errors
    one_by_one = [line.partition(" --only-binary=:all: ")[2] for line in box.log if "--only-binary" in line]
    assert {"hibari-tts", "espeakng-loader", "livekit"} <= {re.split("[><=]", line)[0] for line in one_by_one}
    box.clear_log()
    assert box.run("project run") == ""
    assert box.log == [], "it is not tried again at every start"


def test_what_was_not_installed_for_want_of_a_network_is_tried_again(box: Box) -> None:
    (box.path / "no-wheels").write_text(".[\n")
    (box.path / "offline-extras").touch()
    assert box.run("project run").count("Not installed") >= 4
    (box.path / "no-wheels").unlink()
    box.clear_log()
    assert "Not installed" not in box.run("project run")
    assert box.log == [f"pip -e .[{RUN}] --no-compile"]


def test_where_python_may_not_keep_what_it_compiles_the_packages_are_compiled_once(box: Box) -> None:
    box.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    box.run("project run")
    assert box.log == [f"pip -e .[{RUN}]"]


def test_the_extras_that_the_scripts_install_exist(box: Box) -> None:
    lines = box.run(f'make_venv; requirements "{TEST}" >&2').splitlines()
    assert {line.split()[0] for line in lines if " " in line} >= set(TEST.split(","))
    assert "local hibari-tts" in "\n".join(lines)


def test_the_machine_is_told_with_its_c_library(box: Box) -> None:
    assert "with glibc 2." in box.run("machine >&2")
    other = box.run("getconf() { return 1; }; machine >&2")
    assert other.endswith("with a C library other than glibc")


def test_a_broken_virtual_environment_is_made_again(box: Box) -> None:
    box.run("project run")
    (box.checkout / ".venv/bin/python").write_text("#!/no/such/python\n")
    assert "Making the virtual environment" in box.run("project run")


# --- scripts/run

GET = "voiceloop models get smart-turn-v3.2"
READY = ("libportaudio2", "libpulse0", "libasound2-plugins")


def test_run_starts_the_loop_with_its_arguments(box: Box) -> None:
    box.has(*READY)
    (box.path / "devices").write_text('{"index": 0, "inputs": 2}\n')
    box.run("run", "--json", "--set", "audio.echo=off")
    assert box.log[-1] == "voiceloop run --json --set audio.echo=off"
    box.clear_log()
    assert box.run("run") == ""
    assert box.log == ["voiceloop devices --json", "voiceloop run"]


def test_run_fetches_the_model_that_hears_the_end_of_a_turn_once(box: Box) -> None:
    box.has(*READY)
    box.run("run", "captions", "--input", "monitor")
    assert GET not in box.log
    assert "hears whether you have finished" in box.run("run", "--input", "file:x.wav")
    assert GET in box.log
    box.clear_log()
    assert box.run("run", "--input", "file:x.wav") == ""
    assert GET not in box.log


def test_run_goes_on_without_that_model(box: Box) -> None:
    box.has(*READY)
    (box.path / "no-models").touch()
    assert "turns end by words and pauses" in box.run("run", "--input", "file:x.wav")
    assert box.log[-1] == "voiceloop run --input file:x.wav"


def test_that_model_is_fetched_a_day_after_it_could_not_be_had(box: Box) -> None:
    box.has(*READY)
    (box.path / "no-models").touch()
    box.run("run", "--input", "file:x.wav")
    (box.path / "no-models").unlink()
    box.clear_log()
    box.run("run", "--input", "file:x.wav")
    assert GET not in box.log, "each start without a network would wait for it"
    for mark in (box.checkout / ".venv").glob(".*turn-model*"):
        os.utime(mark, (time.time() - 25 * 3600,) * 2)
    box.run("run", "--input", "file:x.wav")
    box.run("run", "--input", "file:x.wav")
    assert box.log.count(GET) == 1


def test_run_without_a_sound_device_uses_a_synthesised_sample(box: Box) -> None:
    box.has(*READY)
    errors = box.run("run", "--json")
    assert "no sound device" in errors
    assert f"The reply is in {box.path}/voiceloop-reply.wav" in errors
    sample, reply = (f"file:{box.path}/voiceloop-{name}.wav" for name in ("sample", "reply"))
    assert box.log[-1] == f"voiceloop run --input {sample} --output {reply} --json"
    assert box.log[-2].startswith("voiceloop say Hello. What time is it?")
    assert box.log[-2].endswith(f"--output {sample}")


def test_run_without_a_sound_device_obeys_options_for_devices(box: Box) -> None:
    box.has(*READY)
    for arguments in (["--input", "file:x.wav"], ["--set", "audio.input=none"], ["-i", "file:x.wav"]):
        box.run("run", *arguments)
        assert box.log[-1] == " ".join(["voiceloop run", *arguments])


@pytest.mark.parametrize("command", ["run", "dictate", "captions"])
def test_each_use_has_its_command_and_needs_no_more_for_sound(box: Box, command: str) -> None:
    box.has(*READY)
    (box.path / "devices").write_text('{"inputs": 2}\n')
    box.run("run", "--yes", command, "--json")
    assert box.log[-1] == f"voiceloop {command} --json"
    assert installs(box) == []


@pytest.mark.parametrize(
    ("present", "packages"),
    [
        (["pipewire-pulse"], "libportaudio2 libpulse0 libasound2-plugins"),
        (["pipewire-pulse", "pipewire-alsa", "libpulse0"], "libportaudio2 libasound2-plugins"),
        (["pulseaudio", "libpulse0"], "libportaudio2 libasound2-plugins"),
        (["pulseaudio", "libpulse0", "libasound2-plugins"], "libportaudio2"),
        ([], "libportaudio2"),
    ],
)
def test_only_what_the_sound_server_needs_is_installed(box: Box, present: list[str], packages: str) -> None:
    box.has(*present)
    box.run("run", "--yes", "--json")
    assert installs(box) == [f"apt-get -q install -y --no-install-recommends {packages}"]


def test_a_sound_server_elsewhere_needs_its_plug_in_too(box: Box) -> None:
    box.environment["PULSE_SERVER"] = "unix:/mnt/wslg/PulseServer"
    box.run("run", "--yes", "--json")
    assert installs(box) == ["apt-get -q install -y --no-install-recommends libportaudio2 libpulse0 libasound2-plugins"]


@pytest.mark.parametrize(
    ("desktop", "package"),
    [
        ({"DISPLAY": ":0"}, "xdotool"),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0", "XDG_CURRENT_DESKTOP": "sway"}, "wtype"),
        ({"WAYLAND_DISPLAY": "wayland-0", "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}, ""),
        ({"WAYLAND_DISPLAY": "wayland-0", "XDG_CURRENT_DESKTOP": "KDE"}, ""),
        ({}, ""),
    ],
)
def test_dictation_gets_the_program_that_types_on_the_desktop(box: Box, desktop: dict[str, str], package: str) -> None:
    box.has(*READY)
    (box.path / "devices").write_text('{"inputs": 2}\n')
    box.environment |= desktop
    box.run("run", "--yes", "dictate", "--to", "stdout")
    assert installs(box) == []
    box.run("run", "--yes", "dictate")
    expected = [f"apt-get -q install -y --no-install-recommends {package}"] if package else []
    assert installs(box) == expected


@pytest.mark.parametrize(
    ("typed", "command"),
    [("\n", "run"), ("1\n", "run"), ("2\n", "dictate"), ("x\n3\n", "captions"), ("dictate\n", "dictate")],
)
def test_at_a_terminal_the_use_is_asked_for(box: Box, typed: str, command: str) -> None:
    box.has(*READY)
    (box.path / "devices").write_text('{"inputs": 2}\n')
    assert "What shall it do?" in box.run_at_terminal("run", typed=typed)
    assert box.log[-1] == f"voiceloop {command}"
    assert "What shall it do?" not in box.run_at_terminal("run", "--config", "mine.toml", typed="")
    assert box.log[-1] == "voiceloop run --config mine.toml"


def test_dictation_and_captions_without_a_sound_device_hear_the_sample(box: Box) -> None:
    box.has(*READY)
    sample = f"file:{box.path}/voiceloop-sample.wav"
    box.run("run", "dictate")
    assert box.log[-1] == f"voiceloop dictate --input {sample} --to stdout"
    box.run("run", "dictate", "--to", "file:notes.txt")
    assert box.log[-1] == f"voiceloop dictate --input {sample} --to file:notes.txt"
    for words in (("--json",), ("--set", "handler.to=file:notes.txt")):
        box.run("run", "dictate", *words)
        assert box.log[-1] == f"voiceloop dictate --input {sample} {' '.join(words)}"
    box.run("run", "captions", "--json")
    assert box.log[-1] == f"voiceloop captions --input {sample} --json"


def test_the_scripts_print_their_help(box: Box) -> None:
    for name in ("run", "test"):
        command, environment = box._command((name, "--help"))
        text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert f"scripts/{name} [--yes] [" in text
        assert "set -" not in text
    assert box.log == []


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.exists():
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        [shellcheck, "-x", *(f"scripts/{name}" for name in SCRIPTS), ".ci/run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
