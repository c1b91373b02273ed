"""The checksums: CRC32C as the standard has it, however long the data are; and what is said about a wrong file."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.downloads.checksums import crc32c, difference
from voiceloop.models.catalogue import File


def plain(data: bytes) -> str:
    """CRC32C bit by bit, as RFC 3720 defines it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return base64.b64encode((crc ^ 0xFFFFFFFF).to_bytes(4, "big")).decode()


def of(data: bytes) -> str:
    return crc32c(io.BytesIO(data))


# RFC 3720, B.4
@pytest.mark.parametrize(
    ("data", "crc"),
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283)],
)
def test_the_standards_examples(data: bytes, crc: int) -> None:
    assert base64.b64decode(of(data)) == crc.to_bytes(4, "big")


@given(st.binary(max_size=300), st.integers(0, 20_000))
def test_any_length_gives_what_the_definition_gives(data: bytes, zeros: int) -> None:
    assert of(data + bytes(zeros) + data) == plain(data + bytes(zeros) + data)


def test_more_than_one_block_gives_what_the_definition_gives() -> None:
    data = (bytes(range(251)) * 20_000)[: 4096 * 1024 + 4096 * 3 + 17]
    assert of(data) == plain(data)


def test_a_file_is_compared_by_size_then_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"123456789")
    digest = hashlib.sha256(b"123456789").hexdigest()
    assert not difference(path, File("a"))
    assert not difference(path, File("a", 9, digest))
    assert not difference(path, File("a", 9, crc32c="4waSgw=="))
    assert difference(path, File("a", 10)) == "it has 9 bytes, and should have 10"
    assert "SHA-256" in difference(path, File("a", 9, digest[::-1]))
    assert "CRC32C" in difference(path, File("a", 9, crc32c="4waSgg=="))


def test_the_sha256_counts_where_both_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"123456789")
    assert "SHA-256" in difference(path, File("a", 9, "0" * 64, crc32c="4waSgw=="))
