"""What is said about the desktop session: nothing where the desktop does all, else what its configuration needs."""

from __future__ import annotations

import pytest

from voiceloop.service.session import Session

UNIT = "app-x@dictate.service"


def session(environ: dict[str, str], told: set[str], *, announced: bool) -> Session:
    return Session.of(environ, frozenset(told), announced=announced)


def test_nothing_is_said_on_gnome_and_kde_nor_over_ssh_while_their_session_runs() -> None:
    told = {"WAYLAND_DISPLAY", "DISPLAY", "PATH"}
    here = session({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, told, announced=True)
    assert here.advice(UNIT) == []
    assert here.known
    assert session({}, told, announced=True).advice(UNIT) == []


def test_a_window_manager_that_announces_nothing_gets_a_line_for_its_configuration() -> None:
    here = session({"WAYLAND_DISPLAY": "wayland-1", "SWAYSOCK": "/run/x", "HOME": "/"}, {"HOME"}, announced=False)
    assert not here.known
    what, _, line = here.advice(UNIT)
    assert what.startswith("This desktop doesn't reach graphical-session.target")
    variables = "WAYLAND_DISPLAY SWAYSOCK"
    assert line.strip() == f"exec systemctl --user import-environment {variables}; exec systemctl --user start {UNIT}"


def test_without_a_session_it_starts_with_the_next_one() -> None:
    assert session({}, set(), announced=False).advice(UNIT)[0].startswith("No desktop session is running")


@pytest.mark.parametrize("announced", [True, False])
def test_variables_that_systemd_lacks_are_named(announced: bool) -> None:
    found = session({"DISPLAY": ":0", "XAUTHORITY": "/x"}, {"DISPLAY"}, announced=announced)
    assert "import-environment XAUTHORITY" in " ".join(found.advice(UNIT))
