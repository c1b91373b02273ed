"""Trace page in a real browser: it draws, it can be zoomed, and text of the session stays plain text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.browser import Browser, browsing, why_not
from tests.trace.making import done, one_turn, session
from tests.trace.test_showing import NASTY, nasty
from voiceloop.trace.page import page

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")

COLOURS = """
const canvas = document.getElementById('chart');
const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
const found = {};
for (let n = 0; n < pixels.length; n += 4) if (pixels[n + 3] === 255) {
  const colour = `${pixels[n]},${pixels[n + 1]},${pixels[n + 2]}`;
  found[colour] = (found[colour] ?? 0) + 1;
}
const style = getComputedStyle(document.documentElement);
const named = {};
for (const name of ['end', 'transcribe', 'answer', 'clause', 'speak', 'mic', 'play', 'voice']) {
  const value = parseInt(style.getPropertyValue(`--${name}`).trim().slice(1), 16);
  named[name] = found[`${value >> 16},${(value >> 8) & 255},${value & 255}`] ?? 0;
}
return named;
"""
SETTLE = "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))));"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as running:
        yield running


def shown(browser: Browser, tmp_path: Path, records: list[Any], fragment: str = "") -> None:
    path = tmp_path / "page.html"
    path.write_text(page(session(tmp_path, records)), encoding="utf-8")
    browser.open(path, fragment)
    browser.run(SETTLE)


def test_everything_is_drawn_and_the_browser_reports_no_error(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, one_turn())
    drawn = browser.run(COLOURS)
    assert all(drawn.values()), drawn
    assert browser.run("return document.querySelector('#turns .total').textContent") == "1,130 ms"
    assert "[segment] pause_ms 160" in browser.run("return document.getElementById('notes').textContent")
    assert browser.console_messages() == []


def test_the_width_of_a_stage_is_its_share_of_the_time(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, one_turn())
    pieces = "[...document.querySelectorAll('button.turn .bar i')]"
    widths = browser.run(f"return {pieces}.map((piece) => piece.getBoundingClientRect().width)")
    assert [round(width / sum(widths), 2) for width in widths] == [0.19, 0.26, 0.27, 0.09, 0.18, 0.01, 0.02]


def test_a_click_on_a_turn_shows_it_and_the_wheel_zooms(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, [*one_turn()[:-1], done(9.0, 2, {"last_voiced": 7.0, "first_played": 8.0})])
    before = browser.run(COLOURS)
    browser.run("document.querySelector('button.turn').click();")
    browser.run(SETTLE)
    after_click = browser.run(COLOURS)
    assert after_click["transcribe"] > 2 * before["transcribe"]
    wheel = {"type": "scroll", "x": 400, "y": 300, "deltaX": 0, "deltaY": -600, "duration": 0}
    browser.act("wheel", wheel)
    browser.run(SETTLE)
    assert browser.run(COLOURS) != after_click
    browser.act("key", {"type": "keyDown", "value": "0"}, {"type": "keyUp", "value": "0"})
    browser.run(SETTLE)
    assert browser.run(COLOURS)["transcribe"] == pytest.approx(before["transcribe"], rel=0.2)
    assert browser.console_messages() == []


def test_the_tooltip_describes_what_is_under_the_pointer(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, one_turn(), "#turn=1")
    # The middle of the transcription in the first lane, found by its colour.
    x, y = browser.run(
        """
        const canvas = document.getElementById('chart'), ratio = canvas.width / canvas.clientWidth;
        const value = getComputedStyle(document.documentElement).getPropertyValue('--transcribe').trim().slice(1);
        const wanted = [0, 2, 4].map((n) => parseInt(value.slice(n, n + 2), 16));
        const pen = canvas.getContext('2d'), around = canvas.getBoundingClientRect();
        for (let y = 20; y < 100; y++) for (let x = 100; x < canvas.clientWidth; x++) {
          const pixel = pen.getImageData(x * ratio, y * ratio, 1, 1).data;
          if (wanted.every((part, n) => part === pixel[n])) return [around.left + x + 4, around.top + y + 4];
        }
        return null;
        """
    )
    browser.act("pointer", {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0})
    browser.run(SETTLE)
    tip = browser.run("return document.getElementById('tip').innerText")
    assert "transcription: 290 ms" in tip
    assert "after turn 1's last voiced sample" in tip


def test_hostile_text_is_shown_as_plain_text(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, nasty())
    assert "alert(1)" in browser.run("return document.getElementById('turns').innerText")
    assert browser.run("return document.querySelectorAll('script').length") == 2
    shown_text = browser.run("return document.body.innerText")
    assert not set(shown_text) & set("\u202e\u2066\x1b\x07")
    assert NASTY not in shown_text
    assert browser.console_messages() == []


def test_an_empty_session_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, one_turn()[:1])
    assert "No turn" in browser.run("return document.getElementById('turns').innerText")
    assert browser.console_messages() == []


def test_the_dark_page_has_colours_of_its_own(tmp_path: Path) -> None:
    flags = ("--blink-settings=preferredColorScheme=0",)
    with browsing(tmp_path / "profile", *flags) as dark:
        shown(dark, tmp_path, one_turn())
        assert dark.run("return matchMedia('(prefers-color-scheme: dark)').matches") is True
        drawn = dark.run(COLOURS)
        assert all(drawn.values()), drawn
