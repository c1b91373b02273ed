"""The names of system packages on the common distributions."""

from __future__ import annotations

import pytest

from voiceloop.audio.packages import LIBPULSE, PORTAUDIO, install

UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nID_LIKE=debian\n'
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\n'


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "sudo apt install libportaudio2"),
        (UBUNTU, "sudo apt install libportaudio2"),
        (MINT, "sudo apt install libportaudio2"),
        ("ID=fedora\n", "sudo dnf install portaudio"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install portaudio"),
        ("ID=arch\n", "sudo pacman -S portaudio"),
        ("ID='manjaro'\nID_LIKE=arch\n", "sudo pacman -S portaudio"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "sudo zypper install libportaudio2"),
        ("ID=alpine\n", "doas apk add portaudio"),
        ("ID=nixos\n", "on Debian: sudo apt install libportaudio2"),
        ("", "on Debian: sudo apt install libportaudio2"),
        ("BUILD_ID=debian\nID\n", "on Debian: sudo apt install libportaudio2"),
    ],
)
def test_the_command_is_that_of_the_distribution(os_release: str, command: str) -> None:
    assert install(PORTAUDIO, os_release) == command


def test_a_package_that_a_distribution_lacks_is_named_as_elsewhere() -> None:
    assert install({"debian": "this"}, "ID=arch\n") == "on Debian: sudo apt install this"
    assert install(LIBPULSE, "ID=fedora\n") == "sudo dnf install pulseaudio-libs"
