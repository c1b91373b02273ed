"""What an address says of its server: whether words that are sent there stay, and which remedy helps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.config.address import is_near, is_near_ip, is_own

HERE = ["127.0.0.1", "127.0.0.2:11434", "localhost", "a.localhost", "[::1]:9"]
OWN = [*HERE, "192.168.1.5", "10.0.0.1:80", "[fd00::1]", "studio.lan", "nas.local"]
NEAR = [*OWN, "nas", "vm:9", "localhost.", "nas.local.", "pc.home.arpa", "gpu.internal", "nas.home"]
FAR = ["openrouter.ai", "openrouter.ai.", "local.example.com", "93.184.216.34", "[2606:4700::1]", "notlocal.org", ""]


@pytest.mark.parametrize("host", NEAR)
def test_a_name_that_the_internet_does_not_have_is_near(host: str) -> None:
    assert is_near(f"http://{host}/v1")


@pytest.mark.parametrize("host", FAR)
def test_a_server_on_the_internet_is_neither_near_nor_own(host: str) -> None:
    assert not is_near(f"https://{host}/v1")
    assert not is_own(f"https://{host}/v1")


def test_only_what_surely_stays_with_the_user_is_own() -> None:
    assert [host for host in NEAR if is_own(f"http://{host}/v1")] == OWN


@given(st.text())
def test_any_text_that_is_own_is_near(url: str) -> None:
    assert is_near(url) or not is_own(url)


@pytest.mark.parametrize(
    ("ip", "near"),
    [
        ("127.0.0.1", True),
        ("192.168.1.5", True),
        ("fe80::1%eth0", True),
        ("93.184.216.34", False),
        ("0.0.0.0", False),
        ("::", False),
        ("nas", False),
    ],
)
def test_what_a_name_leads_to_tells_whether_it_is_near(ip: str, *, near: bool) -> None:
    assert is_near_ip(ip) is near
