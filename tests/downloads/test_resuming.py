"""The rules for resuming a download, with values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.downloads.resuming import Begin, begin, headers_for, validator

TAG = '"abc"'


def test_what_is_missing_is_asked_for_if_the_version_is_known() -> None:
    assert headers_for(10, TAG, checked=False) == {"Range": "bytes=10-", "If-Range": TAG}


def test_a_checksum_stands_in_for_the_version() -> None:
    assert headers_for(10, "", checked=True) == {"Range": "bytes=10-"}


def test_everything_is_asked_for_if_nothing_would_tell_the_versions_apart() -> None:
    assert headers_for(10, "", checked=False) == {}
    assert headers_for(0, TAG, checked=True) == {}


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (206, {"content-range": "bytes 10-19/20"}, Begin(10, 20)),
        (206, {"content-range": "bytes 10-19/*"}, Begin(10, None)),
        (206, {"content-range": "bytes 9-19/20"}, None),
        (206, {"content-range": "10-19"}, None),
        (206, {}, None),
        (200, {"content-length": "20"}, Begin(0, 20)),
        (200, {}, Begin(0, None)),
        (200, {"content-length": "-3"}, Begin(0, None)),
        (416, {"content-range": "bytes */20"}, None),
        (416, {"content-range": "bytes */10"}, Begin(10, 10)),
        (416, {}, None),
        (404, {"content-length": "20"}, None),
    ],
)
def test_where_the_body_begins(status: int, headers: dict[str, str], expected: Begin | None) -> None:
    assert begin(status, headers, 10) == expected


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (206, {"content-range": "bytes 10-19/20", "etag": TAG}, Begin(10, 20)),
        (206, {"content-range": "bytes 10-19/20", "etag": '"other"'}, None),
        (206, {"content-range": "bytes 10-19/20", "etag": f"W/{TAG}"}, None),
        (206, {"content-range": "bytes 10-19/20"}, None),
        (416, {"content-range": "bytes */10"}, Begin(10, 10)),
        (416, {"content-range": "bytes */10", "etag": '"other"'}, None),
        (200, {"content-length": "20", "etag": '"other"'}, Begin(0, 20)),
    ],
)
def test_only_parts_of_one_version_are_joined(status: int, headers: dict[str, str], expected: Begin | None) -> None:
    assert begin(status, headers, 10, TAG) == expected


def test_that_a_range_is_wrong_means_nothing_if_none_was_asked_for() -> None:
    assert begin(416, {"content-range": "bytes */0"}, 0) is None


@pytest.mark.parametrize(
    ("tag", "expected"),
    [('"abc"', '"abc"'), ("", ""), ('W/"abc"', ""), ("abc", ""), ('"a"b"', ""), ('"a\r\nX: y"', ""), ('"é"', "")],
)
def test_only_a_strong_tag_identifies_a_version(tag: str, expected: str) -> None:
    assert validator({"etag": tag}) == expected


@given(st.integers(100, 599), st.dictionaries(st.sampled_from(["content-range", "content-length"]), st.text()))
def test_no_headers_of_a_server_put_bytes_into_the_wrong_place(status: int, headers: dict[str, str]) -> None:
    begins = begin(status, headers, 10)
    assert begins is None or begins.at in {0, 10}
    assert begins is None or (begins.at == 0) == (status == 200)
