"""The unit file: its words reach the program unchanged, and portals find the application's id in its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.errors import UsageError
from voiceloop.service.desktop_entry import APP_ID
from voiceloop.service.marks import is_unchanged
from voiceloop.service.unit import USES, Service, Use, quoted, unit, unit_name

PORTAL = re.compile(r"app-(?:[a-zA-Z0-9]+-)?(.+?)(?:@[a-zA-Z0-9]*)?\.service")
"""How xdg-desktop-portal 1.14 to 1.21 finds an application's id in a unit's name (xdp-app-info-host.c)."""
ESCAPE = re.compile(rb'\\x([0-9a-f]{2})|\\([\\"])|(%%)|(\$\$)|(.)', re.DOTALL)


def service(
    use: Use = "run", *, program: str = "/opt/voiceloop", folder: str = "/home/ada", words: str = ""
) -> Service:
    return Service(
        use, Path(program), tuple(words.split()), Path(folder), Path("/home/ada/.config/voiceloop/environment")
    )


def text(of: Service) -> str:
    return unit(of).decode()


def read(word: str) -> bytes:
    """What systemd makes of a word (systemd.service(5), "Command lines" and systemd.syntax(7), "Quoting")."""
    if not word.startswith('"'):
        return word.encode()
    inner = word[1:-1].encode()
    assert b"\n" not in inner
    parts = ESCAPE.findall(inner)
    assert not any(plain in {b'"', b"\\", b"%", b"$"} for *_, plain in parts)
    return b"".join(
        bytes([int(code, 16)]) if code else special or percent[:1] or dollar[:1] or plain
        for code, special, percent, dollar, plain in parts
    )


@given(st.text(alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\\\"'%$; \n\t"))))
def test_every_argument_reaches_the_program_unchanged(word: str) -> None:
    assert read(quoted(word)) == word.encode()


def test_a_word_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        quoted("a\udcff")


def test_ordinary_words_are_not_quoted() -> None:
    assert [quoted(word) for word in ("--set", "speak.voice=nova", "/home/ada/x.toml")] == [
        "--set",
        "speak.voice=nova",
        "/home/ada/x.toml",
    ]


@pytest.mark.parametrize("use", USES)
def test_portals_find_the_applications_id_in_the_name_of_the_unit(use: Use) -> None:
    match = PORTAL.fullmatch(unit_name(use))
    assert match is not None
    assert match[1] == APP_ID


def test_the_loop_starts_at_login_and_the_others_with_the_desktop() -> None:
    assert "WantedBy=default.target\n" in text(service("run"))
    assert "graphical-session" not in text(service("run"))
    for use in ("dictate", "captions"):
        lines = text(service(use)).splitlines()
        assert {"WantedBy=graphical-session.target", "PartOf=graphical-session.target"} <= set(lines)
        assert "After=graphical-session.target" in lines


def test_the_same_service_gives_the_same_file_and_it_is_marked() -> None:
    assert unit(service()) == unit(service())
    assert unit(service()) != unit(service(words="-v"))
    assert is_unchanged(unit(service()))


def test_a_percent_sign_in_a_path_is_no_specifier() -> None:
    lines = text(service(program="/opt/50%h/voiceloop", folder="/home/100%u")).splitlines()
    assert 'ExecStart="/opt/50%%h/voiceloop" run' in lines
    assert "WorkingDirectory=-/home/100%%u" in lines


@pytest.mark.parametrize("folder", ["/home/a\nExecStartPre=/bin/evil", "/home/ada ", "/home/ada\\"])
def test_a_path_that_would_change_the_unit_is_refused_by_name(folder: str) -> None:
    with pytest.raises(UsageError, match="home/a"):
        unit(service(folder=folder))


@pytest.mark.parametrize("program", ["/opt/it's/voiceloop", '/opt/"x"/voiceloop', "/opt/a\\b/voiceloop"])
def test_a_program_that_systemd_would_not_start_is_refused_by_name(program: str) -> None:
    with pytest.raises(UsageError, match="voiceloop"):
        unit(service(program=program))
