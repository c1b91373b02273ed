"""The file of API keys: what is there stays, what is added is read as it was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.service.key_file import read, with_variables

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
"""What a key may consist of."""


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]*", fullmatch=True), KEYS), st.text("ab#\n= \"'", max_size=20))
def test_what_is_added_is_read_again_and_every_line_stays(variables: dict[str, str], before: str) -> None:
    after = with_variables(before, variables)
    assert {**read(before), **variables} == read(after)
    assert after.startswith(before)


def test_comments_quotes_and_blanks_are_read_as_systemd_reads_them() -> None:
    text = '# A=1\n; B=1\n C = c \nD=\'a b\'\nE="a \\"b\\" \\$"\nF=a\\ b\nC=d\nno line\n'
    assert read(text) == {"C": "d", "D": "a b", "E": 'a "b" $', "F": "a b"}


def test_a_last_line_without_an_end_is_not_continued() -> None:
    assert read(with_variables("A=1", {"B": "2"})) == {"A": "1", "B": "2"}
