"""The control socket: its commands, bad clients, and who may own it."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceloop.cli.ctl import _as_text, _shown, ctl
from voiceloop.config.tables import Limits
from voiceloop.control import server as control
from voiceloop.control import socket_files as sockets
from voiceloop.control.attention import Attention
from voiceloop.control.commands import COMMANDS
from voiceloop.control.controller import Controller, Loop
from voiceloop.control.server import LONGEST_LINE, MOST_CLIENTS, open_control
from voiceloop.control.socket_files import Taken, listening, living, socket_path
from voiceloop.echo.tally import Pairing
from voiceloop.errors import ControlError, UsageError
from voiceloop.turns.preemptive import Tally

ECHO = {"delay_ms": 80.0, "shifts": 0, "heard_db": -36.2, "removed_db": 30.7, "other_share": 0.018}


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "r"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@dataclass
class Record:
    """The calls that a loop got, and the events that the controller published."""

    calls: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    expected: list[bool] = field(default_factory=list)
    """Whether the user expects to be heard, as the microphone was told."""
    now: float = 0.0

    def publish(self, name: str, /, **fields: object) -> None:
        self.events.append((name, fields))

    def note(self, call: str) -> None:
        self.calls.append(call)

    def states(self) -> list[str]:
        return [fields["state"] for name, fields in self.events if name == "attention"]


def controller(record: Record, *, speaking: bool = False) -> Controller:
    made = Controller("dictate", Attention(), Limits(), lambda: record.now, record.publish)
    conversation = SimpleNamespace(
        speaking=speaking, working=0, usage=None, wasted=Tally(), stop=lambda reason: record.note(f"stop: {reason}")
    )
    microphone = SimpleNamespace(
        mute=lambda *, muted: record.note("muted" if muted else "open"),
        expect=lambda *, heard: record.expected.append(heard),
    )
    listener = SimpleNamespace(forget=lambda: record.note("listener forgets"))
    made.loop = Loop(microphone, cast(Any, conversation), cast(Any, listener), lambda: record.note("wake"))
    return made


@asynccontextmanager
async def served(made: Controller) -> AsyncIterator[None]:
    with listening("dictate") as sock:
        async with open_control(sock, made):
            yield


async def ask(*lines: bytes) -> list[dict[str, Any]]:
    stream = await trio.open_unix_socket(socket_path("dictate"))
    async with stream:
        await stream.send_all(b"".join(line + b"\n" for line in lines))
        await stream.send_eof()
        data = b""
        with trio.fail_after(60):
            while more := await stream.receive_some():
                data += more
    return [json.loads(line) for line in data.splitlines()]


def do(command: str) -> bytes:
    return json.dumps({"do": command}).encode()


# Commands


async def test_start_stop_toggle_and_mute_change_the_state() -> None:
    record = Record()
    made = controller(record)
    async with served(made):
        answers = await ask(*map(do, ["stop", "start", "toggle", "toggle", "mute", "unmute", "mute", "start"]))
    states = ["idle", "listening", "idle", "listening", "muted", "listening", "muted", "listening"]
    assert [answer["state"] for answer in answers] == states == record.states()
    assert all(answer["ok"] for answer in answers)
    assert record.calls[-4:] == ["muted", "open", "muted", "open"]


async def test_unmuting_restores_the_idle_state() -> None:
    made = controller(Record())
    async with served(made):
        answers = await ask(*map(do, ["stop", "mute", "unmute", "unmute"]))
    assert [answer["state"] for answer in answers] == ["idle", "muted", "idle", "idle"]


async def test_cancel_ends_the_current_utterance_before_it_withdraws_the_turn() -> None:
    record = Record()
    async with served(controller(record, speaking=True)):
        await ask(do("cancel"))
    assert record.calls[:2] == ["listener forgets", "stop: withdrawn"]


async def test_cancel_without_a_current_utterance_only_withdraws_turns() -> None:
    record = Record()
    async with served(controller(record)):
        await ask(do("cancel"))
    assert record.calls == ["stop: withdrawn", "open"]


async def test_start_wakes_a_sleeping_dictation() -> None:
    record = Record()
    made = controller(record)
    async with served(made):
        made.publish("dictation.asleep")
        assert [answer["state"] for answer in await ask(do("status"), do("start"))] == ["asleep", "listening"]
    assert "wake" in record.calls


def test_speech_from_before_a_stop_still_counts() -> None:
    attention = Attention()
    attention.stop(10.0)
    assert (attention.accepts(9.9), attention.accepts(10.1)) == (True, False)
    attention.stop(20.0)
    assert not attention.accepts(15.0), "the first stop counts"
    attention.start()
    assert attention.accepts(15.0)


async def test_status_says_how_careful_the_loop_is_with_its_own_voice() -> None:
    made = controller(Record())
    async with served(made):
        assert [answer["echo_caution"] for answer in await ask(do("status"))] == ["normal"]
        made.publish("echo.caution", level="half_duplex")
        assert [answer["echo_caution"] for answer in await ask(do("status"))] == ["half_duplex"]


async def test_status_tells_the_pairing_and_the_last_replys_echo() -> None:
    record = Record()
    made = controller(record)
    async with served(made):
        (answer,) = await ask(do("status"))
        assert answer["echo"] is None
        assert "own echo" not in _as_text(answer, short=False)
        made.loop = replace(cast(Any, made.loop), canceller=SimpleNamespace(pairing=Pairing(None, 0, None)))
        (answer,) = await ask(do("status"))
        assert answer["echo"] == {"aligned_s": None, "shifts": 0, "delay_ms": None, "last_reply": None}
        assert "own echo" not in _as_text(answer, short=False)
        pairing = Pairing(record.now - 12.0, 2, 81.4)
        made.loop = replace(made.loop, canceller=SimpleNamespace(pairing=pairing))
        (answer,) = await ask(do("status"))
        assert answer["echo"] == {"aligned_s": 12.0, "shifts": 2, "delay_ms": 81.4, "last_reply": None}
        assert "own echo    81 ms late; paired for 12 s, moved 2 x" in _as_text(answer, short=False)
        made.publish("echo.reply", turn=3, **ECHO)
        made.publish("turn.done", marks={})  # a turn without a reply
        (answer,) = await ask(do("status"))
    assert answer["echo"]["last_reply"] == ECHO | {"turn": 3}
    line = "own echo    80 ms late, at -36 dBFS, 31 dB removed, 2% somebody else; paired for 12 s, moved 2 x"
    assert line in _as_text(answer, short=False)


async def test_status_names_the_parts_and_the_pending_entries() -> None:
    made = controller(Record())
    made.publish("listening", microphone="Yeti", vad="hybrid")
    made.publish("journal.pending", count=3, doubtful=1)
    async with served(made):
        (answer,) = await ask(do("status"))
    assert answer["parts"] == {"microphone": "Yeti", "vad": "hybrid"}
    assert (answer["pending"], answer["perhaps_delivered"], answer["pid"]) == (3, 1, os.getpid())
    assert answer["limits"] == {"max_cost_per_session": None, "max_posts_per_minute": None}


async def test_status_says_how_fast_the_last_answered_turn_was() -> None:
    made = controller(Record())
    async with served(made):
        (before,) = await ask(do("status"))
        made.publish("turn.done", marks={"last_voiced": 10.0, "text": 10.25, "first_played": 11.0})
        made.publish("turn.done", marks={})  # an interrupted turn, which has nothing to tell
        (after,) = await ask(do("status"))
    assert (before["last_turn"], after["last_turn"]) == (None, {"words_s": 0.25, "reply_s": 1.0})
    assert _as_text(after, short=False).count("last turn   0.25 s to the words, 1.00 s to the reply") == 1
    assert "last turn" not in _as_text(before, short=False)


async def test_status_says_why_there_are_no_notifications() -> None:
    made = controller(Record())
    made.notify = "on"
    async with served(made):
        (before,) = await ask(do("status"))
        made.publish("notify.failed", why="there is no D-Bus on this system")
        (after,) = await ask(do("status"))
    assert (before["notify"], after["notify"]) == ("on", "there is no D-Bus on this system")
    assert "notify      there is no D-Bus on this system" in _as_text(after, short=False)


async def test_a_program_that_was_started_before_an_upgrade_still_gives_its_status() -> None:
    made = controller(Record())
    async with served(made):
        (answer,) = await ask(do("status"))
    older = {key: value for key, value in answer.items() if key not in {"notify", "last_turn"}}
    assert _as_text(older, short=False).startswith("state ")


async def test_a_follower_gets_each_state_and_a_slow_one_the_last() -> None:
    made = controller(Record())
    async with served(made):
        stream = await trio.open_unix_socket(socket_path("dictate"))
        async with stream:
            await stream.send_all(b'{"do": "status", "follow": true}\n')
            first = json.loads(await stream.receive_some())
            made.do("mute")
            second = json.loads(await stream.receive_some())
            for command in ("unmute", "stop", "start", "mute", "unmute", "stop"):
                made.do(command)
            third = json.loads(await stream.receive_some())
    assert [first["state"], second["state"], third["state"]] == ["listening", "muted", "idle"]


async def test_a_follower_that_disconnects_is_noticed_without_any_event() -> None:
    made = controller(Record())
    async with served(made):
        for _ in range(MOST_CLIENTS * 2):
            stream = await trio.open_unix_socket(socket_path("dictate"))
            await stream.send_all(b'{"do": "status", "follow": true}\n')
            await stream.receive_some()
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert (await ask(do("status")))[0]["ok"]


# Bad clients


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"[]", b"{}", b'{"do": "explode"}', b'{"do": ["start"]}', b"\xff\xfe", b"[" * 4000]
)
async def test_a_malformed_request_gets_an_error_and_changes_nothing(line: bytes) -> None:
    record = Record()
    async with served(controller(record)):
        first, second = await ask(line, do("status"))
    assert first["ok"] is False
    assert first["error"]
    assert (second["ok"], second["state"], record.calls) == (True, "listening", [])


@given(st.binary(max_size=300))
def test_any_line_is_a_known_command_or_an_error(line: bytes) -> None:
    request = control._request(line)
    assert isinstance(request, str) or request[0] in COMMANDS


async def test_a_line_without_end_is_refused() -> None:
    async with served(controller(Record())):
        stream = await trio.open_unix_socket(socket_path("dictate"))
        async with stream:
            await stream.send_all(b"x" * (LONGEST_LINE + 1))
            answer = json.loads(await stream.receive_some())
            assert answer == {"ok": False, "error": "the line is too long"}
            assert await stream.receive_some() == b""
        assert (await ask(do("status")))[0]["ok"]


async def test_clients_beyond_the_limit_are_refused_and_those_within_it_are_served() -> None:
    refused = 0
    async with served(controller(Record())):
        streams: list[trio.SocketStream] = []
        for _ in range(1000):
            streams.append(await trio.open_unix_socket(socket_path("dictate")))
        for stream in streams[MOST_CLIENTS:]:
            with trio.fail_after(60):
                answer = await stream.receive_some()
            refused += b"clients are connected already" in answer
            await stream.aclose()
        assert refused == 1000 - MOST_CLIENTS
        await streams[0].send_all(do("mute") + b"\n")
        assert json.loads(await streams[0].receive_some())["state"] == "muted"
        for stream in streams[:MOST_CLIENTS]:
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert (await ask(do("unmute")))[0]["ok"]


async def test_a_silent_client_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE_S", 0.05)
    async with served(controller(Record())):
        stream = await trio.open_unix_socket(socket_path("dictate"))
        with trio.fail_after(60):
            assert await stream.receive_some() == b""
        await stream.aclose()


# Who may own the socket


def test_only_the_user_can_reach_the_socket(runtime: Path) -> None:
    old = os.umask(0)
    try:
        with listening("dictate"):
            assert (runtime / "voiceloop" / "dictate.sock").stat().st_mode & 0o777 == 0o600
            assert (runtime / "voiceloop").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(old)
    assert list((runtime / "voiceloop").iterdir()) == []


def test_a_second_program_is_refused_with_the_process_id_of_the_first() -> None:
    with listening("dictate"):
        words = rf"'voiceloop dictate' is already running: process {os.getpid()} has .*dictate\.sock"
        with pytest.raises(Taken, match=words), listening("dictate"):
            pass
        with listening("captions"):
            assert living() == ["captions", "dictate"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(socket_path("dictate")))


def test_the_socket_of_a_killed_program_is_replaced() -> None:
    code = (
        "import os, signal\nfrom voiceloop.control.socket_files import listening\n"
        "with listening('dictate'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert socket_path("dictate").exists()
    assert living() == []
    with listening("dictate"):
        assert living() == ["dictate"]


def test_a_socket_with_a_full_backlog_counts_as_alive_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "BACKLOG", 1)
    found: list[list[str]] = []
    check = threading.Thread(target=lambda: found.append(living()))
    with ExitStack() as stack:
        with listening("dictate"):
            for _ in range(2):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(str(socket_path("dictate")))
            check.start()
            check.join(60)
            at_once = not check.is_alive()
        check.join()  # the socket is closed by now
    assert (at_once, found) == (True, [["dictate"]])


def test_a_path_that_is_too_long_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    words = r"can't be created: .*too long.*control\.enabled=false"
    with pytest.raises(ControlError, match=words), listening("dictate"):
        pass
    assert list((folder / "voiceloop").iterdir()) == []


def test_a_folder_that_others_can_write_is_not_trusted(runtime: Path) -> None:
    (runtime / "voiceloop").mkdir()
    (runtime / "voiceloop").chmod(0o777)
    with pytest.raises(ControlError, match="other users can access its folder"), listening("dictate"):
        pass


def test_a_socket_that_cannot_be_created_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Iterator[None]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(sockets, "_make_folder", refuse)
    words = r"can't be created: read-only file system\. Fix XDG_RUNTIME_DIR"
    with pytest.raises(ControlError, match=words), listening("dictate"):
        pass


def test_the_microphone_learns_when_the_user_begins_and_ceases_to_expect_to_be_heard() -> None:
    record = Record()
    made = controller(record)
    for command in ("start", "stop", "cancel", "toggle", "mute"):
        made.do(command)
    assert record.expected == [False, True, False]


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["start", "stop", "toggle", "mute", "unmute", "cancel"]), max_size=12))
def test_the_device_is_closed_exactly_while_the_state_is_muted(commands: list[str]) -> None:
    record = Record()
    made = controller(record)
    for command in commands:
        made.do(command)
        last = [call for call in record.calls if call in {"muted", "open"}][-1]
        assert (last == "muted") == (made.attention.state == "muted")


def test_the_command_line_imports_no_slow_library() -> None:
    code = "import sys, voiceloop.cli.main; sys.exit('trio' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Peers that do what they should not


async def _follow() -> trio.SocketStream:
    stream = await trio.open_unix_socket(socket_path("dictate"))
    await stream.send_all(b'{"do": "status", "follow": true}\n')
    return stream


async def test_followers_that_hang_up_while_they_are_sent_to_end_nothing_else() -> None:
    made = controller(Record())
    async with served(made):
        for _ in range(20):
            stream = await _follow()
            await stream.receive_some()
            # In this order: the server finds out by its next send.
            made.do("toggle")
            await stream.aclose()
            made.do("toggle")
        assert (await ask(do("status")))[0]["ok"]


async def test_a_follower_that_does_not_read_is_let_go_and_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    made = controller(Record())
    async with served(made):
        stream = await _follow()
        await stream.receive_some()
        with monkeypatch.context() as patch:
            patch.setattr(control, "PATIENCE_S", 0.05)
            patch.setattr(Controller, "short", property(lambda _: {"state": "x" * 4_000_000}))  # more than sockets hold
            made.do("toggle")
            with trio.fail_after(10):
                await _closed(stream)
        await stream.aclose()
        assert (await ask(do("status")))[0]["ok"]


async def _closed(stream: trio.SocketStream) -> None:
    """Wait until the server has closed the connection. Reads nothing."""
    poll = select.poll()
    poll.register(stream.socket, select.POLLRDHUP)
    await trio.to_thread.run_sync(poll.poll, 10_000)


async def test_a_command_at_which_the_handler_fails_is_an_error_to_the_client_alone() -> None:
    made = controller(Record())

    def fail() -> None:
        raise RuntimeError("no waking")

    made.loop = replace(cast(Any, made.loop), wake=fail)
    async with served(made):
        made.publish("dictation.asleep")
        refused, after = await ask(do("start"), do("status"))
    assert refused == {"ok": False, "error": "'start' failed: RuntimeError: no waking"}
    assert after["ok"]


async def test_another_users_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record()
    async with served(controller(record)):
        monkeypatch.setattr(control, "is_own_peer", lambda _: False)
        async with await trio.open_unix_socket(socket_path("dictate")) as stream:
            assert b"another user" in await stream.receive_some()
    assert record.calls == []


def answering(*lines: bytes) -> tuple[threading.Thread, socket.socket]:
    """Something at the socket's place that sends these lines to whoever asks."""
    folder = socket_path("dictate").parent
    folder.mkdir(mode=0o700, exist_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(socket_path("dictate")))
    server.listen()

    def serve() -> None:
        client, _ = server.accept()
        with client, suppress(OSError):
            client.recv(1000)
            client.sendall(b"".join(lines))

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, server


@pytest.mark.parametrize("command", ["toggle", "status"])
@pytest.mark.parametrize(
    "line",
    [b"\n", b"no json\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b"[" * 100_000, b'{"ok": true, "limits": []}\n'],
)
def test_an_answer_that_is_none_is_told_in_one_line(command: str, line: bytes) -> None:
    thread, server = answering(line)
    with server, pytest.raises(ControlError, match="is not voiceloop"):
        ctl(command, name="dictate")
    thread.join()


@pytest.mark.parametrize("options", [{}, {"json": True}, {"follow": True}])
def test_what_a_program_at_the_socket_sends_reaches_no_terminal_as_it_is(
    options: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\u202eidle"
    thread, server = answering(json.dumps({"ok": True, "state": evil}, ensure_ascii=False).encode() + b"\n")
    with server:
        ctl("status" if options else "toggle", name="dictate", **options)
    thread.join()
    out, _ = capsys.readouterr()
    assert "idle" in out
    assert not any(char in out for char in "\x1b\x07\u202e")


def test_the_sockets_in_a_folder_that_others_can_access_are_not_asked(runtime: Path) -> None:
    with listening("dictate"):
        (runtime / "voiceloop").chmod(0o755)
        for name in (None, "dictate"):
            with pytest.raises(ControlError, match=r"not trusted: other users can access its folder\. Remove"):
                ctl("status", name=name)
        (runtime / "voiceloop").chmod(0o700)


def test_the_sockets_in_another_users_folder_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("dictate"):
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(ControlError, match="belongs to another user"):
            ctl("status", name="dictate")
        with pytest.raises(ControlError, match="belongs to another user"), listening("captions"):
            pass


@pytest.mark.parametrize("name", ["../dictate", "", "a\0b", "a b"])
def test_a_name_that_is_none_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        ctl("status", name=name or " ")


def test_a_full_runtime_folder_costs_no_control() -> None:
    """No file may grow by a byte, as on a full disk: only the process id in the lock is missing."""
    code = (
        "import resource\nfrom voiceloop.control.socket_files import listening, living\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "with listening('dictate'):\n    assert living() == ['dictate']\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_status_with_numbers_that_no_float_can_be_is_no_answer() -> None:
    status = json.loads(json.dumps({"ok": True, **controller(Record()).status}, default=str))
    for damage in ({"up_s": 10**400}, {"usage": {"requests": 1, "cost_usd": 10**400}}, {"limits": {"usd": 10**400}}):
        with pytest.raises(ControlError):
            _shown(status | damage, short=False)
