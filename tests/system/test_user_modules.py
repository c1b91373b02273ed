"""The user's own modules: what the config names is found, and no other file that lies there is ever run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.running import COMMAND
from voiceloop.errors import ConfigError, EngineError
from voiceloop.registry import import_attribute
from voiceloop.system import user_modules

BESIDE = ("brotli", "h2", "zstandard", "socksio", "curio", "signal", "typer", "rich", "httpx", "numpy", "sitecustomize")
"""Modules that our dependencies import if they are there, that they need, or that Python itself brings."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is looked in; what was imported from it is forgotten afterwards."""
    before = set(sys.modules)
    user_modules.look_in([tmp_path])
    yield tmp_path
    user_modules.look_in([])
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_a_module_that_is_named_is_found_and_its_neighbour_is_not(folder: Path) -> None:
    (folder / "named_here.py").write_text("def answer(text): return text\n")
    (folder / "lying_there.py").write_text("raise AssertionError('it was run')\n")
    assert callable(import_attribute("named_here:answer", "named_here:answer"))
    with pytest.raises(ModuleNotFoundError):
        __import__("lying_there")
    assert str(folder) not in sys.path


def test_a_package_is_found_with_all_that_it_holds(folder: Path) -> None:
    (folder / "own_package").mkdir()
    (folder / "own_package" / "helper.py").write_text("WORD = 'hello'\n")
    (folder / "own_package" / "main.py").write_text("from own_package.helper import WORD\nfrom . import helper\n")
    assert import_attribute("own_package.main:WORD", "x") == "hello"


def test_a_neighbour_that_a_named_module_imports_is_refused_with_the_remedy(folder: Path) -> None:
    (folder / "named_too.py").write_text("import beside_it\n")
    (folder / "beside_it.py").write_text("")
    with pytest.raises(
        EngineError, match=r"needs the package 'beside_it'.*Put 'named_too' and 'beside_it' into a folder"
    ):
        import_attribute("named_too:answer", "named_too:answer")


def test_an_installed_module_comes_before_one_of_the_same_name(folder: Path) -> None:
    (folder / "wave.py").write_text("raise AssertionError('it was run')\n")
    with pytest.raises(ConfigError, match=r"there is no 'answer' in .*python"):
        import_attribute("wave:answer", "wave:answer")


@pytest.mark.parametrize("program", [[COMMAND], [sys.executable, "-m", "voiceloop"]], ids=["voiceloop", "python -m"])
def test_no_file_in_the_working_directory_is_run_but_what_is_named(program: list[str], folder: Path) -> None:
    for name in BESIDE:
        (folder / f"{name}.py").write_text(f"open('run', 'a').write('{name} ')\n")
    (folder / "mine.py").write_text("print('mine is imported')\ndef answer(text): return text\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("VOICELOOP", "XDG", "OPENROUTER", "PYTHONPATH"))}
    env |= {"HOME": str(folder), "OPENROUTER_API_KEY": "none"}
    package = str(Path(user_modules.__file__).parents[2])
    nobody = ("--set", "openrouter.base_url=http://127.0.0.1:9/v1", "--set", "openrouter.retry.max_elapsed_s=0")
    voice = 'model = "openai/gpt-4o-mini-tts-2025-12-15"\nvoice = "alloy"'
    (folder / "mine.toml").write_text(f'[handler]\nuse = "mine:answer"\n[speak]\nuse = "openrouter"\n{voice}\n')
    words = ("say", "hello", "--config", "mine.toml", *nobody, "-o", "none")
    env["PYTHONPATH"] = package
    done = subprocess.run([*program, *words], env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert "127.0.0.1:9" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "run").exists(), (folder / "run").read_text()
    assert "mine is imported" in done.stdout
