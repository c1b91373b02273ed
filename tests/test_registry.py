"""The registry of parts: lookup by entry point and by path, and the errors when that fails."""

from __future__ import annotations

import platform
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from testbed import config_parts
from voiceloop import registry
from voiceloop.errors import ConfigError, EngineError, MissingExtra


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def installed(folder: Path, name: str, entry_points: str) -> None:
    """Make a distribution with these entry points, as pip would install it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.mark.parametrize("kind", registry.GROUPS)
def test_every_built_in_engine_is_found_by_its_name(kind: str) -> None:
    for entry in registry.entries(kind):
        if entry.distribution == registry.OWN:
            part = registry.find(kind, entry.name).part
            assert f"{part.__module__}:{part.__qualname__}" == entry.target


def test_another_distributions_engine_is_found_by_its_name(importable: Path) -> None:
    installed(importable, "loud", "[voiceloop.synthesizers]\nloud = testbed.config_parts:Loud\n")
    assert registry.find("speak", "loud").part is config_parts.Loud
    assert ("loud", "loud") in [(entry.name, entry.distribution) for entry in registry.entries("speak")]


def test_a_built_in_engine_cannot_be_replaced_by_another_distribution(importable: Path) -> None:
    installed(importable, "evil", "[voiceloop.handlers]\necho = testbed.config_parts:Loud\n")
    assert registry.find("handler", "echo").part is not config_parts.Loud
    (row,) = [row for row in registry.survey("handler") if row.entry.distribution == "evil"]
    assert row.why_not == "voiceloop has a part of this name; write use = 'testbed.config_parts:Loud'"


def test_finding_a_built_in_engine_imports_no_other_and_reads_no_other_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: pytest.fail("read every distribution"))
    monkeypatch.delitem(sys.modules, "voiceloop.handlers.chat", raising=False)
    registry.find("handler", "echo")
    assert "voiceloop.handlers.chat" not in sys.modules


def test_an_installed_wheel_finds_its_entry_points_in_its_metadata(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry._own.cache_clear()
    registry._checkout.cache_clear()
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "site-packages" / "voiceloop" / "registry.py"))
    try:
        assert "echo" in [entry.name for entry in registry.entries("handler")]
    finally:
        registry._own.cache_clear()
        registry._checkout.cache_clear()


def test_a_users_class_is_found_by_its_path() -> None:
    assert registry.find("speak", "testbed.config_parts:Loud") == registry.Found(config_parts.Loud)


def test_a_function_is_a_handler_and_nothing_else() -> None:
    found = registry.find("handler", "testbed.config_parts:answer")
    assert (found.part.__name__, found.given) == ("PythonHandler", {"function": "testbed.config_parts:answer"})
    with pytest.raises(ConfigError, match="is a function"):
        registry.find("speak", "testbed.config_parts:answer")


@pytest.mark.parametrize(
    ("kind", "use", "message"),
    [
        ("handler", "chut", "no such engine 'chut'. Did you mean 'chat'\\? There are: 'chat', .*'echo'"),
        ("handler", "testbed.config_parts:NoPart", "is not a voiceloop part. It lacks 'Options', .* and 'open"),
        ("handler", "testbed.config_parts:NUMBER", "is an int. It must be a class or a function"),
        ("handler", "testbed.config_parts:anser", r"there is no 'anser' in .*config_parts.py. Did you mean 'answer'\?"),
        ("handler", "tests.no_such_module:x", "there is no module 'tests.no_such_module'"),
        ("handler", "no_such_package.module:x", "there is no module 'no_such_package'"),
        ("handler", "module:", "is not of the form 'package.module:name'"),
        ("handler", ":name", "is not of the form 'package.module:name'"),
    ],
)
def test_an_unknown_engine_is_reported_with_the_known_ones(kind: str, use: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.find(kind, use)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n", r"SyntaxError: .*\(bad_one.py, line 1\)"),
        ("import no_such_package\n", "'bad_one:A' needs the package 'no_such_package', which is not installed"),
        ("1 / 0\n", r"ZeroDivisionError: division by zero \(.*bad_one.py:1\)"),
    ],
)
def test_a_users_module_that_fails_says_why_and_where(importable: Path, source: str, message: str) -> None:
    (importable / "bad_one.py").write_text(source)
    with pytest.raises(EngineError, match=message) as caught:
        registry.find("handler", "bad_one:A")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("module", "extra", "instead"),
    [
        ("espeakng_loader", "espeak", "speak.use = 'openrouter'"),
        ("hibari", "local", "speak.use = 'espeak'"),
        ("piper", "piper", "speak.use = 'espeak'"),
        ("onnxruntime", "local", "'openai' for a server of your own"),
        ("faster_whisper", "whisper", "transcribe.use = 'moonshine'"),
        ("onnx_asr", "parakeet", "transcribe.use = 'whisper'"),
    ],
)
def test_a_missing_package_names_its_extra_and_what_to_use_instead(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str, instead: str
) -> None:
    monkeypatch.setattr(registry, "has_wheel", lambda _: True)
    text = str(registry.missing(module))
    assert f"pip install 'voiceloop[{extra}]'" in text
    assert instead in text


MACHINES = [
    ("Linux", "x86_64", ("glibc", "2.36"), True),
    ("Linux", "aarch64", ("glibc", "2.31"), True),
    ("Linux", "armv7l", ("glibc", "2.36"), False),
    ("Linux", "riscv64", ("glibc", "2.41"), False),
    ("Linux", "x86_64", ("", ""), False),  # musl, which Python 3.11 does not recognise
    ("Linux", "x86_64", ("musl", "1.2.5"), False),
    ("Darwin", "arm64", ("", ""), True),
    ("Windows", "AMD64", ("", ""), True),
]


@pytest.mark.parametrize(("system", "machine", "libc", "has"), MACHINES)
def test_only_where_there_are_wheels_an_installation_is_advised(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: tuple[str, str], has: bool
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    text = str(registry.missing("onnxruntime"))
    assert ("pip install" in text) == has
    assert ("has no wheel for" in text) != has
    assert "'openai' for a server of your own" in text
    if not has:
        assert f"{system} {machine}, {' '.join(libc) if libc[0] else 'musl'}" in text


def test_the_missing_package_of_an_engine_is_named_before_it_is_opened(importable: Path) -> None:
    with pytest.raises(MissingExtra, match="no_such_package_of_ours"):
        registry.check(config_parts.Quiet)
    installed(importable, "quiet", "[voiceloop.synthesizers]\nquiet = testbed.config_parts:Quiet\n")
    (row,) = [row for row in registry.survey("speak") if row.entry.name == "quiet"]
    assert "no_such_package_of_ours" in row.why_not


@pytest.mark.parametrize(
    ("system", "machine", "there"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("linux", "armv7l", False),
        ("darwin", "arm64", True),
        ("darwin", "x86_64", False),
        ("win32", "AMD64", True),
    ],
)
def test_the_model_is_installed_only_where_its_package_has_a_wheel(system: str, machine: str, there: bool) -> None:
    """Elsewhere pip would refuse the whole extra."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    (line,) = [line for line in project["optional-dependencies"]["local"] if line.startswith("moonshine-voice")]
    marker = Requirement(line).marker
    assert marker is not None
    assert marker.evaluate({"platform_machine": machine, "sys_platform": system}) == there
