"""The captions' page in a real browser: scrolling back, what was missed, screen readers, phones, and looks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from testbed.browser import Browser, browsing, why_not
from tests.captions.speech import said
from voiceloop.captions.address import Address
from voiceloop.captions.lines import Lines
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.web import Limits, Page, open_page

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
"""Of `npm install --no-save axe-core`."""
NASTY = "<script>document.title='had'</script><img src=x onerror=\"document.title='had'\"> ls"
TEXTS = "return [...document.querySelectorAll('#captions p')].map((line) => line.textContent)"
STATE = "return document.getElementById('state').textContent"
NEWEST = "const button = document.getElementById('newest'); return button.hidden ? null : button.textContent"
TOP = "return document.getElementById('session').scrollTop"
AT_END = """const { scrollHeight, clientHeight, scrollTop } = document.getElementById('session');
return scrollHeight - clientHeight - scrollTop < 8"""
NO_STORAGE = """Object.defineProperty(window, 'localStorage',
  { get() { throw new DOMException('denied', 'SecurityError'); } })"""
WATCH = """
window.heard = [];
new MutationObserver((changes) => {
  for (const { addedNodes, target } of changes)
    for (const node of addedNodes)
      heard.push([target.id, target.getAttribute('aria-live'), node.textContent]);
}).observe(document.getElementById('captions'), { childList: true, subtree: true, characterData: true });
"""
"""Records what changes in the live region, which is what screen readers read out."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile"), "--disable-smooth-scrolling") as browser:
        yield browser


class Reader:
    """A reader at a browser, which is driven in a thread: the page's server runs in this one."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def opens(self, url: str, *, width: int = 1200, height: int = 700) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        await trio.to_thread.run_sync(partial(self.browser.command, "Emulation.setDeviceMetricsOverride", **size))
        await trio.to_thread.run_sync(self.browser.visit, url)

    async def sees(self, script: str) -> Any:
        return await trio.to_thread.run_sync(self.browser.run, script)

    async def until(self, script: str, wanted: Any) -> None:
        with trio.fail_after(60):
            while (seen := await self.sees(script)) != wanted:
                await trio.lowlevel.checkpoint()
                self.last_seen = seen

    async def turns_wheel(self, delta: int) -> None:
        wheel = {"type": "scroll", "x": 200, "y": 300, "deltaX": 0, "deltaY": delta, "duration": 0}
        await trio.to_thread.run_sync(self.browser.act, "wheel", wheel)

    async def presses(self, key: str) -> None:
        keys = ({"type": "keyDown", "value": key}, {"type": "keyUp", "value": key})
        await trio.to_thread.run_sync(self.browser.act, "key", *keys)

    async def chooses(self, name: str, value: str) -> None:
        await self.sees(
            f"const select = document.getElementById('look').elements.{name};"
            f"select.value = '{value}'; select.dispatchEvent(new Event('change'))"
        )

    async def complaints(self) -> list[str]:
        return await trio.to_thread.run_sync(self.browser.console_messages)


@pytest.fixture
async def reader(window: Browser) -> AsyncIterator[Reader]:
    window.console_messages()  # those of earlier tests, which cut connections
    yield Reader(window)
    window.command("Storage.clearDataForOrigin", origin="*", storageTypes="local_storage")
    window.visit("about:blank")


def say(page: Page, text: str, source: str = "", *, start_s: float = 0.0) -> None:
    page.final(Final(source, tuple(said(text.split(), start_s))), Live(source))


def say_many(page: Page, count: int) -> None:
    for number in range(count):
        say(page, f"this is line {number + 1} of those that are said", start_s=number * 4.0)


async def test_speech_is_plain_text_and_the_overlay_is_transparent(reader: Reader) -> None:
    async with open_page(0) as page:
        say(page, NASTY, "speaker")
        page.final(Final("", tuple(said(["Yes."])), "Person 2"), Live(""))
        page.live(Live("mic", "I am", "speaking"))
        await reader.opens(page.url)
        await reader.until(TEXTS, [f"speaker: {NASTY}", "Person 2: Yes."])
        assert await reader.sees("return document.getElementById('lives').textContent") == "mic: I am speaking"
        assert await reader.sees("return [document.title, document.images.length]") == ["Live captions", 0]
        size = "return parseFloat(getComputedStyle(document.querySelector('p.final')).fontSize)"
        assert await reader.sees(size) >= 48
        await reader.chooses("colours", "light")
        await reader.opens(f"{page.url}?overlay&lines=2")
        background = "return getComputedStyle(document.body).backgroundColor"
        assert await reader.sees(background) == "rgba(0, 0, 0, 0)"
        assert await reader.sees("return getComputedStyle(document.querySelector('header')).display") == "none"
        assert await reader.complaints() == []


async def test_second_lines_come_below_their_words_and_are_saved_with_them(reader: Reader) -> None:
    async with open_page(0, second="fr") as page:
        for number, text in enumerate(["Hello.", "How are you?", "Fine."], 1):
            page.final(Final("mic", tuple(said(text.split())), number=number), Live("mic"))
        page.translated(1, "Bonjour.")
        await reader.opens(page.url)
        await reader.until(TEXTS, ["mic: Hello.Bonjour.", "mic: How are you?", "mic: Fine."])
        page.translated(3, "<b>Bien.</b>")
        page.translated(2, "")
        await reader.until(TEXTS, ["mic: Hello.Bonjour.", "mic: How are you?", "mic: Fine.<b>Bien.</b>"])
        looks = "return [...document.querySelectorAll('.second')].map((e) => [e.lang, getComputedStyle(e).display])"
        assert await reader.sees(looks) == [["fr", "block"]] * 2
        await reader.until(AT_END, True)
        await reader.sees(
            "window.saved = []; URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); "
            "return '#'; }; document.getElementById('save').click()"
        )
        text = (
            "[0:00:00] mic: Hello.\n    Bonjour.\n[0:00:00] mic: How are you?\n[0:00:00] mic: Fine.\n    <b>Bien.</b>\n"
        )
        await reader.until("return saved", [text])
        assert await reader.complaints() == []


@pytest.mark.parametrize("font", ["", "wide"])
async def test_with_a_number_of_lines_only_so_many_whole_rows_are_shown(reader: Reader, font: str) -> None:
    async with open_page(0) as page:
        say_many(page, 5)
        await reader.opens(f"{page.url}?lines=2&size=60")
        await reader.until("return document.querySelectorAll('#captions p').length", 5)
        await reader.chooses("font", font)
        rows = "return session.clientHeight / parseFloat(getComputedStyle(session).lineHeight)"
        assert await reader.sees(rows) == pytest.approx(2, abs=0.02)
        await reader.until(AT_END, True)


async def test_the_newest_line_is_followed_until_the_reader_scrolls_up(reader: Reader) -> None:
    async with open_page(0) as page:
        say_many(page, 40)
        await reader.opens(page.url)
        await reader.until(
            f"return document.querySelectorAll('#captions p').length === 40 && (() => {{ {AT_END} }})()", True
        )
        say(page, "followed")
        await reader.until(f"return /followed/.test(captions.textContent) && (() => {{ {AT_END} }})()", True)
        assert await reader.sees(NEWEST) is None
        await reader.turns_wheel(-600)
        await reader.until(NEWEST, "Newest")
        top = await reader.sees(TOP)
        say(page, "one more")
        page.live(Live("", "and", "more"))
        await reader.until(NEWEST, "Newest (1 new line)")
        say(page, "and another")
        await reader.until(NEWEST, "Newest (2 new lines)")
        assert await reader.sees(TOP) == top
        await reader.sees("document.getElementById('newest').click()")
        await reader.until(AT_END, True)
        assert await reader.sees(NEWEST) is None
        say(page, "followed again")
        await reader.until(f"return /again/.test(captions.textContent) && (() => {{ {AT_END} }})()", True)


async def test_the_reader_stays_in_place_when_the_window_or_the_size_changes(reader: Reader) -> None:
    async with open_page(0) as page:
        say_many(page, 40)
        await reader.opens(page.url)
        await reader.until("return document.querySelectorAll('#captions p').length", 40)
        await reader.chooses("size", "6.5rem")
        await reader.until(AT_END, True)
        await reader.chooses("size", "1.2rem")
        await reader.until(AT_END, True)
        assert await reader.sees(NEWEST) is None


async def test_the_keyboard_reaches_everything(reader: Reader) -> None:
    focused = "return document.activeElement.id || document.activeElement.name"
    async with open_page(0) as page:
        say_many(page, 40)
        await reader.opens(page.url)
        await reader.until("return document.querySelectorAll('#captions p').length", 40)
        order = []
        for _ in range(3):
            await reader.presses("\ue004")  # Tab
            order.append(await reader.sees(focused))
        assert order == ["look-button", "save", "session"]
        await reader.presses("\ue00e")  # page up
        await reader.until(NEWEST, "Newest")
        await reader.presses("\ue004")
        assert await reader.sees(focused) == "newest"
        await reader.presses("\ue007")  # enter
        await reader.until(AT_END, True)
        assert await reader.sees(focused) == "session"
        await reader.sees("document.getElementById('look-button').focus()")
        await reader.presses("\ue007")
        assert await reader.sees(focused) == "size"
        assert await reader.sees("return document.getElementById('look-button').ariaExpanded") == "true"
        await reader.presses("\ue00c")  # escape
        assert await reader.sees(focused) == "look-button"


@pytest.mark.parametrize("remembers", [True, False])
async def test_size_colours_and_font_are_remembered_where_the_browser_allows(
    reader: Reader, *, remembers: bool
) -> None:
    looks = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    size = "return getComputedStyle(document.getElementById('session')).fontSize"
    black, yellow, white = "rgb(0, 0, 0)", "rgb(255, 255, 0)", "rgb(255, 255, 255)"
    run = reader.browser.command
    script = "" if remembers else run("Page.addScriptToEvaluateOnNewDocument", source=NO_STORAGE)["identifier"]
    async with open_page(0) as page:
        await reader.opens(page.url)
        assert await reader.sees(looks) == [black, white]
        await reader.chooses("colours", "yellow")
        await reader.chooses("size", "2.8rem")
        await reader.chooses("font", "serif")
        assert await reader.sees(looks) == [black, yellow]
        assert await reader.sees(size) == "44.8px"
        say(page, "it works")
        await reader.until(TEXTS, ["it works"])
        await reader.opens(page.url)
        assert await reader.sees(looks) == [black, yellow if remembers else white]
        assert (await reader.sees(size) == "44.8px") == remembers
        assert await reader.sees("return document.documentElement.dataset.font") == ("serif" if remembers else "")
        await reader.chooses("colours", "light")
        assert await reader.sees(looks) == [white, black]
        await reader.until(TEXTS, ["it works"])
        assert await reader.complaints() == []
    if script:
        run("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


async def test_the_systems_colours_follow_the_system(reader: Reader) -> None:
    async with open_page(0) as page:
        await reader.opens(page.url)
        await reader.chooses("colours", "system")
        seen = set()
        for scheme in ("dark", "light"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            reader.browser.command("Emulation.setEmulatedMedia", features=features)
            seen.add(await reader.sees("return getComputedStyle(document.body).backgroundColor"))
        reader.browser.command("Emulation.setEmulatedMedia", features=[])
        assert len(seen) == 2


@asynccontextmanager
async def reachable(page: Page) -> AsyncIterator[None]:
    """The page can be reached while the block runs; then every connection is cut."""
    listeners = await trio.open_tcp_listeners(page.address.port, host=page.address.host)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, page.serve, listeners))
        yield
        nursery.cancel_scope.cancel()


async def free_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        return int(listener.socket.getsockname()[1])


async def test_who_was_cut_off_gets_what_was_said_meanwhile_each_line_once(reader: Reader) -> None:
    page = Page(Address("127.0.0.1", await free_port()), Limits())
    async with reachable(page):
        say(page, "before")
        await reader.opens(page.url)
        await reader.until(TEXTS, ["before"])
    await reader.until("return /^Connection lost at .* Trying again[.]$/.test(state.textContent)", True)
    say(page, "missed one")
    say(page, "missed two")
    async with reachable(page):
        await reader.sees("dispatchEvent(new Event('online'))")
        await reader.until(STATE, "Connected again. 2 lines in between.")
        assert await reader.sees(TEXTS) == ["before", "missed one", "missed two"]


async def test_lines_that_are_no_longer_kept_are_marked_as_missing(reader: Reader) -> None:
    page = Page(Address("127.0.0.1", await free_port()), Limits())
    page._lines = Lines("s", kept=2)
    async with reachable(page):
        say(page, "first")
        await reader.opens(page.url)
        await reader.until(TEXTS, ["first"])
    await reader.until("return /^Connection lost/.test(state.textContent)", True)
    for number in range(2, 7):
        say(page, f"number {number}")
    async with reachable(page):
        await reader.sees("dispatchEvent(new Event('online'))")
        await reader.until(TEXTS, ["first", "3 lines are missing here.", "number 5", "number 6"])
        await reader.opens(page.url)  # one who comes late
        await reader.until(TEXTS, ["4 earlier lines are no longer kept.", "number 5", "number 6"])


async def test_a_new_session_at_the_same_address_is_told_apart(reader: Reader) -> None:
    async with open_page(0) as page:
        say_many(page, 3)
        await reader.opens(page.url)
        await reader.until("return document.querySelectorAll('#captions p').length", 3)
    await reader.until(STATE, "The captions have ended.")
    async with open_page(page.address.port) as anew:
        say(anew, "hello again")
        await reader.sees("dispatchEvent(new Event('online'))")
        await reader.until("return document.querySelectorAll('#captions p').length", 5)
        assert (await reader.sees(TEXTS))[3:] == ["The captions were started again.", "hello again"]


async def test_a_screen_reader_hears_each_settled_line_once_and_no_live_words(reader: Reader) -> None:
    async with open_page(0, language="en") as page:
        say(page, "said before the reader came")
        await reader.opens(page.url)
        await reader.until(TEXTS, ["said before the reader came"])
        await reader.sees(WATCH)
        await reader.until("return document.getElementById('captions').ariaLive", "polite")
        for words in ("please", "please hold", "please hold your"):
            page.live(Live("mic", words, "cool"))
            await reader.until("return lives.textContent", f"mic: {words} cool")
        say(page, "please hold your call", "mic")
        await reader.until("return document.querySelectorAll('#captions p').length", 2)
        say(page, "thank you", "mic")
        await reader.until("return document.querySelectorAll('#captions p').length", 3)
        page.live(Live("mic", "one", "more"))
        await reader.until("return lives.textContent", "mic: one more")
        heard = await reader.sees("return heard")
        assert heard == [["captions", "polite", "mic: please hold your call"], ["captions", "polite", "mic: thank you"]]
        tree = await trio.to_thread.run_sync(reader.browser.command, "Accessibility.getFullAXTree")
        named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown(tree)]
        assert ("log", "What was said") in named
        assert ("status", "") in named
        assert {("button", "Display"), ("button", "Save text"), ("main", "Captions of this session")} <= set(named)
        texts = [name for role, name in named if role == "StaticText"]
        assert "please hold your call" in texts
        assert not [text for text in texts if "one" in text.split()]
        assert await reader.sees("return [document.documentElement.lang, captions.lang]") == ["en", "en"]


def shown(tree: Any) -> list[Any]:
    return [node for node in tree["nodes"] if not node["ignored"]]


@pytest.mark.parametrize("look", ["", "light", "yellow", "system"])
async def test_at_320_pixels_nothing_is_scrolled_sideways_and_nothing_moves(reader: Reader, look: str) -> None:
    async with open_page(0, language="en") as page:
        say(page, "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "speaker")
        say_many(page, 20)
        page.live(Live("mic", "I am", "speaking"))
        await reader.opens(page.url, width=320, height=640)
        await reader.until("return document.querySelectorAll('#captions p').length", 21)
        await reader.sees("document.getElementById('look-button').click()")
        await reader.chooses("colours", look)
        await reader.chooses("size", "6.5rem")
        widths = "return [document.documentElement.scrollWidth, document.getElementById('session').scrollWidth]"
        assert await reader.sees(widths) == [320, 320]
        heights = "return [...document.querySelectorAll('button, select')].map((e) => e.offsetHeight)"
        assert all(height == 0 or height >= 44 for height in await reader.sees(heights))  # 0: hidden
        assert await reader.sees("return document.getAnimations().length") == 0
        if AXE.is_file():
            await reader.sees(AXE.read_text())
            assert await trio.to_thread.run_sync(reader.browser.run_later, _FAULTS) == []


_FAULTS = """
axe.run().then(({ violations }) => done(violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html)])))
"""


async def test_the_text_is_saved_with_times(reader: Reader, tmp_path: Path) -> None:
    async with open_page(0) as page:
        say(page, "good morning", "mic", start_s=1.2)
        say(page, "an hour later", "speaker", start_s=3725.9)
        await reader.opens(page.url)
        await reader.until("return document.querySelectorAll('#captions p').length", 2)
        save = {"behavior": "allow", "downloadPath": str(tmp_path)}
        await trio.to_thread.run_sync(partial(reader.browser.command, "Browser.setDownloadBehavior", **save))
    # It can be saved when the captions have ended, too.
    await reader.until(STATE, "The captions have ended.")
    await reader.sees("document.getElementById('save').click()")
    with trio.fail_after(60):
        while not (text := saved(tmp_path)):
            await reader.sees("return 0")
    assert text == "[0:00:01] mic: good morning\n[1:02:05] speaker: an hour later\n"


def saved(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("captions-????-??-??-????.txt"))
