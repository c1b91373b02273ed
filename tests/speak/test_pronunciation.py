"""Pronunciation: what hibari is given, and that it is understood."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.pronunciation import spoken_form

MENDED = {
    # Addresses and files.
    "Write to jane.doe@example.com now.": "Write to jane dot doe at example dot com now.",
    "Mail bob+x@mail.example.co.uk, please.": "Mail bob plus x at mail dot example dot co dot uk, please.",
    "See https://example.com/a?b=1 for more.": "See example dot com for more.",
    "See (https://www.example.com/a).": "See (example dot com).",
    "See www.example.com or example.org.": "See example dot com or example dot org.",
    "At http://localhost:8080/x it runs.": "At localhost it runs.",
    "At 192.168.1.10:8080 it runs.": "At 192 dot 168 dot 1 dot 10 port 8080 it runs.",
    "Ping 127.0.0.1.": "Ping 127 dot 0 dot 0 dot 1.",
    "Open /etc/hosts please.": "Open slash etc slash hosts please.",
    "Open ~/notes please.": "Open tilde slash notes please.",
    r"It is in C:\Users\joe.": "It is in C colon backslash Users backslash joe.",
    "Edit config.toml and main.py.": "Edit config dot toml and main dot py.",
    "Read notes.txt, then Node.js.": "Read notes dot TXT, then Node dot JS.",
    "Run src/main.rs now.": "Run src slash main dot RS now.",
    "Run git commit --amend -m now.": "Run git commit dash amend dash m now.",
    # Numbers that are no quantities.
    "Python 3.11.2 is out.": "Python 3 point 11 point 2 is out.",
    "Take v2.0 or version v3.": "Take version 2 point 0 or version 3.",
    "1234567890123456": "1 2 3 4, 5 6 7 8, 9 0 1 2, 3 4 5 6",
    "Code 007 and 12345678.": "Code 0 0 7 and 1 2 3 4, 5 6 7 8.",
    "3f2a9c1d8e7b": "3 F 2 A, 9 C 1 D, 8 E 7 B",
    "550e8400-e29b-41d4-a716-446655440000": "5 5 0 E, 8 4 0 0, E 2 9 B, 4 1 D 4, A 7 1 6, 4 4 6 6, 5 5 4 4, 0 0 0 0",
    "Call +1 (555) 123-4567.": "Call plus 1, 5 5 5, 1 2 3, 4 5 6 7.",
    "Call (020) 7946 0018 now.": "Call 0 2 0, 7 9 4 6, 0 0 1 8 now.",
    "Call +44 20 7946 0018 now.": "Call plus 4 4, 2 0, 7 9 4 6, 0 0 1 8 now.",
    "Call 0800 123 4567 now.": "Call 0 8 0 0, 1 2 3, 4 5 6 7 now.",
    "Call 555-123-4567.": "Call 555-123-4567 .",
    "At 2024-03-05T10:20:30Z.": "At 2024-03-05, 10:20.",
    "12 345 678 people": "12,345,678 people",
    "1.000.000 people": "1,000,000 people",
    "1_000_000 rows": "1,000,000 rows",
    # Quantities.
    "It takes 5 s or 2 h.": "It takes 5 seconds or 2 hours.",
    "It takes 1 s.": "It takes 1 second.",
    "€5 m and $20 m": "5 million euros and 20 million dollars",
    "230 V, 10 A, 40 W, 30 dB, 30 m.": "230 volts, 10 amps, 40 watts, 30 decibels, 30 meters.",
    "5 µs and 7µs": "5 microseconds and 7 microseconds",
    "4 KiB, 5MiB, 1 GiB.": "4 kibby bytes, 5 mebby bytes, 1 gibby byte.",
    "50 Mbit/s, 10 MB/s, 100 Mbps.": "50 megabits per second, 10 megabytes per second, 100 megabits per second.",
    "It costs 5 € or 5 USD.": "It costs 5 euros or 5 dollars.",
    "$100, $1.5 million.": "100 dollars, 1.5 million dollars.",
    "$3.50 or $0.99 or £12.99.": "3 dollars and 50 cents or 99 cents or 12 pounds and 99 pence.",
    "-$5 or US$1 or $1.": "minus 5 dollars or 1 US dollar or 1 dollar.",
    "$5M, €3bn, £2.5k, $1,200.": "5 million dollars, 3 billion euros, 2.5 thousand pounds, 1,200 dollars.",
    "I paid $5-10, or $5–$10.": "I paid 5 to 10 dollars, or 5 to 10 dollars.",
    "See p. 12 and pages 3–5.": "See page 12 and pages 3 to 5.",
    "Pages 10-20.": "Pages 10-20 .",
    "It is 5/8.": "It is 5/8 .",
    "From 10:30–11:00, Mon–Fri.": "From 10:30 to 11:00, Monday to Friday.",
    "He's 6'2 tall.": "He's 6 foot 2 tall.",
    "3 - 2 = 1 and 3 * 4 = 12": "3 minus 2 = 1 and 3 times 4 = 12",
    "≥ 3, ≤ 2, ≠ 5, ≈ 4": "at least 3, at most 2, is not 5, about 4",
    # Names.
    "JSON and YAML, not XML.": "Jason and yammel, not XML.",
    "C++, C# and F#.": "C++, C sharp and F sharp.",
    "Press Ctrl+C.": "Press Control+C.",
    "PostgreSQL behind nginx, on IPv6.": "Postgres Q L behind engine X, on I P V 6.",
    "Fruit, e.g. apples; i.e. food.": "Fruit, for example apples; that is food.",
    "TODO: open 24/7 and/or not.": "to do: open 24 7 and or not.",
    "Read the README.": "Read the read me.",
    # Signs.
    "Use `ls` [once] {now}.": "Use ls (once) (now).",
    "He said 你好 to me.": "He said to me.",
    "π and ٣": "pi and 3",
    "note¹": "note",
}
"""What hibari reads wrongly, and what it is given instead."""

UNCHANGED = [
    "Hello there, how are you?",
    "The API uses HTTP, SQL, HTML, URLs, the CPU and the USA.",
    "Meet me at 7:05 pm or 19:30.",
    "On March 5th, 2024 and 5 March 2024, in the 1990s.",
    "The 1st, 2nd and 21st.",
    "It rose by 5% or 3.5 %.",
    "8 GB, 20 °C, 68°F, 3 km/h, 100 ms, 2.4 GHz, 100 mph.",
    "1,000,000 and 12,345.67 and 3.14159 and -3.5 and 1000000.",
    "1/2 cup and 3/4 mile.",
    "Mr. Smith and Dr. Jones vs. St. John, etc.",
    "Chapter IV and Henry VIII.",
    "Use the @ sign: @alice, #1, #topic, A & B, AT&T.",
    "Call 555-123-4567 now.",
    "snake_case, camelCase, kebab-case, Wi-Fi, H.264, MP3, 4K.",
    "Open from 9 A.M. to 5 P.M., 5 A day, Highway 1 A north.",
    "I'm OK. It's 9am. 10 a.m. tomorrow.",
    "x = y + 2, 10^6, m², ±5, a < b",
    "The U.S. and a Ph.D.",
    "She left (5 minutes ago) — really… ok?!",
    "It is 5.5 m/s2 or so; in 2024, 300 people came.",
    "No. I said no.",
    "The café and the naïve résumé.",
]
"""What hibari reads rightly."""


@pytest.mark.parametrize(("text", "spoken"), MENDED.items())
def test_what_would_be_read_wrongly_is_mended(text: str, spoken: str) -> None:
    assert spoken_form(text) == spoken


@pytest.mark.parametrize("text", UNCHANGED)
def test_what_is_read_rightly_is_left_alone(text: str) -> None:
    assert spoken_form(text) == text


@given(st.text() | st.text("0123456789.,-/:$€ abAB@~_"))
def test_any_text_is_one_line_without_longer_numbers_than_can_be_said(text: str) -> None:
    spoken = spoken_form(text)
    assert "\n" not in spoken
    assert not re.search(r"\d{36}", spoken)


UNDERSTOOD = {
    "Write to jane@example.com now.": "write to jane at example com now",
    "See https://example.com/a?b=1 for more.": "see example com for more",
    "Python 3.11.2 is out.": "python 3 11 2 is out",
    "It takes 5 s or 2 h.": "it takes 5 seconds or 2 hours",
    "A fuse for 10 A and 12 V.": "a fuse for 10 amps and 12 volts",
    "Pages 3–5 and 10-20.": "pages 3 5 and 10 20",
    "The API returns JSON over HTTP.": "the api returns json over http",
    "It costs 5 € or 12 £.": "it costs 5 euros or 12 pounds",
    "C++ and C# are languages.": "c and c are languages",
    "Fruit, e.g. apples, i.e. food.": "fruit for example apples that is food",
    "The file is called notes.txt.": "the file is called notes txt",
    "Call 0800 123 4567 now.": "call 0800 123 4567 now",
    "It is -$5 or $3.": "it is minus 5 dollars or 3 dollars",
    "50 Mbit/s and 10 MB/s.": "50 megabits per second and 10 megabytes per second",
    "We are open Mon–Fri.": "we are open monday to friday",
}
"""Texts, and the words that a recogniser hears in hibari's reading of them."""


@pytest.fixture(scope="module")
def hear() -> Any:
    """A function that reads a text with hibari and returns the words that Moonshine hears."""
    pytest.importorskip("hibari", reason="the extra 'local' is not installed")
    pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
    import soxr

    from voiceloop.speak.hibari_voice import RATE_HZ, Voice, find_voice
    from voiceloop.transcribe.embedded.moonshine import model_files
    from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
    from voiceloop.transcribe.embedded.recogniser import Call

    voice, recogniser = Voice(find_voice("heart"), british=False), MoonshineRecogniser(model_files.find("tiny-en"))

    def heard(text: str) -> str:
        pcm = b"".join(voice.sound(phonemes) for phonemes in voice.phonemes(spoken_form(text)))
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768
        return recogniser.recognise(soxr.resample(samples, RATE_HZ, 16_000), Call()).text

    return heard


@pytest.mark.parametrize(("text", "words"), UNDERSTOOD.items())
def test_a_recogniser_understands_what_was_mended(hear: Any, text: str, words: str) -> None:
    # A range is heard as "10 to 20" or as "10, 20": both are understood.
    assert [word for word in _words(hear(text)) if word != "to"] == [word for word in words.split() if word != "to"]


_NUMBERS = {
    "twenty": "20",
    "three": "3",
    "two": "2",
    "five": "5",
    "ten": "10",
    "twelve": "12",
    "sixty": "60",
    "thirty": "30",
    "fifty": "50",
}


def _words(text: str) -> list[str]:
    """The words of a transcript, with numbers as digits and without signs."""
    return [_NUMBERS.get(word, word) for word in re.findall(r"[a-z0-9']+", text.lower())]
