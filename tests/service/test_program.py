"""The command that a service runs: where pipx, uv, pip and virtual environments put it."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceloop.errors import UsageError
from voiceloop.service.program import installed_program


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_link_of_pipx_and_uv_is_kept_because_what_it_leads_to_may_move(tmp_path: Path) -> None:
    real = made(tmp_path / "share/pipx/venvs/voiceloop/bin/voiceloop")
    link = tmp_path / "bin/voiceloop"
    link.parent.mkdir()
    link.symlink_to(real)
    assert installed_program(str(link), str(real.with_name("python")), tmp_path, []) == link


def test_a_relative_name_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = made(tmp_path / ".venv/bin/voiceloop")
    monkeypatch.chdir(tmp_path)
    assert installed_program(".venv/bin/voiceloop", "/usr/bin/python3", tmp_path, []) == program


def test_started_with_python_m_it_is_the_command_beside_the_interpreter(tmp_path: Path) -> None:
    program = made(tmp_path / "bin/voiceloop")
    started = str(tmp_path / "lib/voiceloop/__main__.py")
    assert installed_program(started, str(tmp_path / "bin/python"), tmp_path, []) == program


def test_or_the_one_among_the_packages_commands(tmp_path: Path) -> None:
    program = made(tmp_path / ".local/bin/voiceloop")
    assert installed_program("-m", "/usr/bin/python3", program.parent, []) == program


def test_a_folder_of_that_name_is_no_command(tmp_path: Path) -> None:
    (tmp_path / "voiceloop").mkdir()
    with pytest.raises(UsageError, match="no command 'voiceloop'"):
        installed_program(str(tmp_path / "voiceloop"), str(tmp_path / "python"), tmp_path, [])


def test_a_command_in_a_cache_is_refused_also_behind_a_link(tmp_path: Path) -> None:
    cached = made(tmp_path / "cache/uv/archive-v0/x/bin/voiceloop")
    link = tmp_path / "voiceloop"
    link.symlink_to(cached)
    for name in (cached, link):
        with pytest.raises(UsageError, match=r"cache.*uv tool install"):
            installed_program(str(name), "/usr/bin/python3", tmp_path, [tmp_path / "cache"])
