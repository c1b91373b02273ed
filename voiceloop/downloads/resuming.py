"""The rules for resuming a download: which part to ask for, and what the answer's head means. Pure.

What is there of a file is trusted only if the server says that the file is still the same (`If-Range` with a strong
validator), or if a checksum will tell at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Begin:
    """The body begins at byte `at` of the file, which has `total` bytes in all; None if the server doesn't say."""

    at: int
    total: int | None


def headers_for(size: int, validator: str, *, checked: bool) -> dict[str, str]:
    """The headers that ask for what is missing, if `size` bytes are there; empty to ask for all."""
    if size <= 0 or not (validator or checked):
        return {}
    return {"Range": f"bytes={size}-"} | ({"If-Range": validator} if validator else {})


def begin(status: int, headers: Mapping[str, str], asked_from: int, tag: str = "") -> Begin | None:
    """Where the body begins, after the bytes from `asked_from` (0: all) were asked for, of the version `tag`. If it
    begins at the end (416), nothing is missing.

    None: what is there is of no use (it is longer than the file, or the server sends another part than asked for, or a
    part of another version, RFC 9110 15.3.7.3), so ask for all. A server may ignore `If-Range`; so its tag is compared.
    """
    if status == 206:
        if tag and validator(headers) != tag:
            return None
        found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", headers.get("content-range", "").strip())
        if found is None or int(found[1]) != asked_from:
            return None
        return Begin(asked_from, None if found[3] == "*" else int(found[3]))
    if status == 200:
        length = headers.get("content-length", "")
        return Begin(0, int(length) if re.fullmatch(r"\d{1,18}", length) else None)
    if status == 416 and asked_from > 0:
        whole = headers.get("content-range", "").strip() == f"bytes */{asked_from}"
        same = not tag or headers.get("etag", tag).strip() == tag  # few servers send it with this status
        return Begin(asked_from, asked_from) if whole and same else None
    return None


def validator(headers: Mapping[str, str]) -> str:
    """What identifies this version of the file: a strong ETag; empty if there is none."""
    tag = headers.get("etag", "").strip()
    return tag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', tag) else ""
