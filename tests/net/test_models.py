"""Model listings: fetched, cached for a day, and used to suggest the right name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import Bench, endpoint, open_bench
from testbed.server import Fault, Script, Server, open_server
from testbed.server.catalogue import PRESETS, row
from voiceloop.cli.models import prices
from voiceloop.errors import BadRequest, NoSuchModel, Unreachable
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.net.catalogue import KINDS, Cache, Model, advice, find, nearest, parse
from voiceloop.net.service import Request
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber

CATALOGUE = [
    row("openai/gpt-4o-mini-tts", "speech", voices=["alloy", "nova"], prompt="0.0000006"),
    row("mistralai/voxtral-mini-tts", "speech", voices=["amy"], prompt="0.000016"),
    row("openai/whisper-1", "transcription", audio="0.0001"),
    row("openai/gpt-4o-mini", "text", prompt="0.00000015", completion="0.0000006", request="0"),
]


def speak(model: str, voice: str) -> Request:
    return Request("/audio/speech", json={"model": model, "input": "hi", "voice": voice}, model=model)


async def refusal(bench: Bench, server: Server, request: Request) -> str:
    with pytest.raises((NoSuchModel, BadRequest)) as caught:
        await bench.clients.endpoint(endpoint(server)).call(request)
    return str(caught.value)


async def test_the_error_of_an_unknown_model_suggests_the_nearest_name() -> None:
    script = Script(catalogue=CATALOGUE, models=["openai/gpt-4o-mini-tts"])
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        said = await refusal(bench, server, speak("openai/gpt4o-mini-tts", "alloy"))
        assert said.endswith("for openai/gpt4o-mini-tts. Did you mean 'openai/gpt-4o-mini-tts'?")
        said = await refusal(bench, server, speak("x/y", "alloy"))
        assert said.endswith("'voiceloop models' lists the models")
        # The listing was requested once.
        assert [request.method for request in server.requests].count("GET") == 1
        # Of a clip too, whose body is encoded where it is made.
        clip = Request(
            "/audio/transcriptions", body=("application/json", b'{"model": "openai/whisper1"}'), model="openai/whisper1"
        )
        assert "Did you mean 'openai/whisper-1'?" in await refusal(bench, server, clip)


async def test_the_error_of_an_unknown_voice_suggests_one_or_lists_all() -> None:
    script = Script(catalogue=CATALOGUE, refuse=lambda body: body["voice"] not in {"alloy", "nova"})
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        said = await refusal(bench, server, speak("openai/gpt-4o-mini-tts", "aloy"))
        assert said.endswith("Did you mean the voice 'alloy'?")
        said = await refusal(bench, server, speak("openai/gpt-4o-mini-tts", "zebra"))
        assert said.endswith("The voices of openai/gpt-4o-mini-tts are alloy, nova")


async def test_a_server_without_a_listing_gives_the_usual_remedy() -> None:
    async with open_server(Script(models=[])) as server, open_bench(endpoint(server)) as bench:
        assert "'voiceloop models' lists the models" in await refusal(bench, server, speak("a/b", "v"))


async def test_a_listing_is_cached_for_a_day_and_requested_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICELOOP_TEST_KEY")
    async with open_server(Script(catalogue=CATALOGUE)) as server, open_bench(endpoint(server)) as bench:
        for _ in range(2):
            await bench.clients.models(endpoint(server), "speech")
        found = await bench.clients.models(endpoint(server), "speech")
        assert [model.id for model in found] == ["mistralai/voxtral-mini-tts", "openai/gpt-4o-mini-tts"]
        await bench.clients.models(endpoint(server), "speech", fresh=True)
        await bench.clients.models(endpoint(server), "transcription")
        asked = [request.query for request in server.requests]
        assert asked == ["output_modalities=speech"] * 2 + ["output_modalities=transcription"]


async def test_an_old_listing_is_used_if_the_server_is_unreachable() -> None:
    async with open_server(Script(catalogue=CATALOGUE)) as server, open_bench(endpoint(server)) as bench:
        settings = endpoint(server, retry={"max_elapsed_s": 0})
        await bench.clients.models(settings, "chat")
        server.script.fault = lambda _path, _number: Fault(drop=True)
        gone = settings.model_copy(update={"base_url": "http://127.0.0.1:1"})
        with pytest.raises(Unreachable):
            await bench.clients.models(gone, "chat", fresh=True)
        cache = bench.clients._cache()
        cache.put(gone.base_url, "chat", [Model("a/b", "", (), ())])
        assert (await bench.clients.models(gone, "chat", fresh=True))[0].id == "a/b"


def test_a_broken_or_old_cache_is_ignored(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep")
    assert cache.get("http://x", "speech") is None
    listed = (Model("a/b", "B", ("v",), (("prompt", 1e-6),)),)
    cache.put("http://x", "speech", listed)
    assert cache.get("http://x", "speech") == listed
    assert cache.get("http://x", "speech", newest_s=0) is None
    assert cache.get("http://y", "speech") is None
    (file,) = (tmp_path / "deep").iterdir()
    for broken in ("", "[]", '{"at": "x"}', '{"at": 1, "models": 7}'):
        file.write_text(broken)
        assert cache.get("http://x", "speech", newest_s=1e12) is None
    (tmp_path / "file").write_text("")
    Cache(tmp_path / "file").put("http://x", "speech", listed)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "id", "name", "pricing", "supported_voices", "x"]), inner)
    ),
    max_leaves=12,
)


@given(values | st.builds(lambda rows: {"data": rows}, st.lists(values)))
def test_no_listing_breaks_the_parser(value: Any) -> None:
    for model in parse(value):
        assert model.id
        assert all(0 < price < 1e6 for _, price in model.prices)


def test_names_are_shown_without_escapes() -> None:
    (model,) = parse({"data": [{"id": "a/\x1b[31mb", "name": "\u202eevil", "supported_voices": ["v\x07", 3]}]})
    assert (model.id, model.name, model.voices) == ("a/b", "evil", ("v",))


def test_the_nearest_name_is_found_without_the_vendors_name() -> None:
    names = ["openai/whisper-1", "openai/whisper-large-v3", "google/chirp-3"]
    assert nearest("whisper-1", names)[0] == "openai/whisper-1"
    assert nearest("Whisper-Large-v3", names)[0] == "openai/whisper-large-v3"
    assert nearest("zzz", names) == []
    assert advice({"model": "zzz"}, [Model(name, "", (), ()) for name in names]) == ""
    assert advice(None, []) == ""


def test_a_name_without_a_tag_is_ollamas_latest() -> None:
    listed = parse({"data": [{"id": "llama3.2:latest"}, {"id": "qwen3:8b"}]})
    assert find("llama3.2", listed) is find("llama3.2:latest", listed) is not None
    assert find("qwen3", listed) is None
    assert find("qwen3:4b", listed) is None


def test_prices_are_shown_per_million() -> None:
    assert prices(parse({"data": CATALOGUE})[1], "chat") == "0.15 / 1M tokens in, 0.6 / 1M tokens out"
    assert prices(parse({"data": CATALOGUE})[2], "speech") == "0.6 / 1M characters"
    assert prices(parse({"data": CATALOGUE})[3], "transcription") == "0.0001 / audio"


async def run(server: Server, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    sets = ["--set", f"openrouter.base_url={server.url}"]
    environment = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(folder), "HOME": str(folder), "COLUMNS": "100"}
    command = [sys.executable, "-m", "voiceloop", "models", *arguments, *sets]
    with trio.fail_after(60):
        return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, env=environment)


async def test_the_command_lists_models_voices_and_prices(tmp_path: Path) -> None:
    async with open_server(Script(catalogue=CATALOGUE)) as server:
        done = await run(server, tmp_path)
        text = done.stdout.decode()
        assert (done.returncode, done.stderr) == (0, b"")
        for words in ("speech: 2", "alloy, nova", "0.6 / 1M characters", "transcription: 1", "openai/whisper-1"):
            assert words in text
        listed = json.loads((await run(server, tmp_path, "--chat", "--json")).stdout)
        assert [(each["kind"], each["id"], each["prices"]["prompt"]) for each in listed] == [
            ("chat", "openai/gpt-4o-mini", 1.5e-07)
        ]


async def test_the_command_reports_an_unreachable_server(tmp_path: Path) -> None:
    async with open_server() as server:
        pass
    done = await run(server, tmp_path, "--speech", "--set", "openrouter.retry.max_elapsed_s=0")
    assert done.returncode == 69
    assert b"/models: no connection: Connection refused. Start the server, or correct base_url\n" in done.stderr


async def test_opening_a_part_reports_a_name_that_a_fresh_listing_lacks_without_a_request() -> None:
    async with open_server(Script(catalogue=CATALOGUE)) as server, open_bench(endpoint(server)) as bench:
        speak_options = OpenRouterSpeakOptions(model="openai/gpt-4o-mini-tts", voice="aloy")
        async with OpenRouterSynthesizer.open(speak_options, bench.services):
            assert bench.named("notice") == [], "nothing is known yet"
        for kind in KINDS:
            await bench.clients.models(endpoint(server), kind)
        asked = len(server.requests)
        chat = ChatOptions(model="openai/gpt-4o-mini:nitro", models=("openai/gpt4o-mini", "@preset/mine"))
        async with (
            OpenRouterSynthesizer.open(speak_options, bench.services),
            OpenRouterTranscriber.open(OpenRouterTranscribeOptions(model="whisper-1"), bench.services),
            ChatHandler.open(chat, bench.services),
        ):
            assert [notice["text"] for notice in bench.named("notice")] == [
                "speak.voice: openai/gpt-4o-mini-tts has no voice 'aloy'. Did you mean the voice 'alloy'?",
                "transcribe.model: the server lists no model 'whisper-1'. Did you mean 'openai/whisper-1'?",
                "handler.models: the server lists no model 'openai/gpt4o-mini'. Did you mean 'openai/gpt-4o-mini'?",
            ]
        assert len(server.requests) == asked


async def check(server: Server, folder: Path, *sets: str) -> subprocess.CompletedProcess[bytes]:
    values = [f"openrouter.base_url={server.url}", "openrouter.retry.max_elapsed_s=0", *sets]
    command = [sys.executable, "-m", "voiceloop", "check", "--config", "assistant", "-i", "none", "-o", "none"]
    command += [word for value in values for word in ("--set", value)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OPENROUTER_API_KEY": "test-key"}
    with trio.fail_after(60):
        return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, env=environment)


async def test_check_compares_the_names_with_the_listing(tmp_path: Path) -> None:
    async with open_server(Script(catalogue=PRESETS)) as server:
        done = await check(server, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert b"ok  transcribe, server it lists openai/whisper-large-v3" in done.stdout
        done = await check(server, tmp_path, "speak.voice=novva", "handler.model=gpt-4o-mimi")
        assert done.returncode == 78
        assert (
            b"no  speak, server      speak.voice: openai/gpt-4o-mini-tts-2025-12-15 has no voice 'novva'" in done.stdout
        )
        assert (
            b"handler.model: the server lists no model 'gpt-4o-mimi'. Did you mean 'openai/gpt-4o-mini'" in done.stdout
        )
        assert server.posts() == []


async def test_check_fails_if_the_server_refuses_the_connection_and_says_how_to_go_on(tmp_path: Path) -> None:
    async with open_server() as server:
        pass
    done = await check(server, tmp_path)
    assert done.returncode == 69, done.stdout + done.stderr
    refused = re.findall(rb"no  (\w+), server .*no connection: Connection refused\. Start the server.*", done.stdout)
    assert refused == [b"transcribe", b"handler", b"speak"]
    assert b"voiceloop run --config offline" in done.stdout


async def test_the_command_requests_the_listing_of_each_parts_server(tmp_path: Path) -> None:
    own = [row("Systran/faster-whisper-small", "transcription"), row("kokoro", "speech", voices=["af_heart"])]
    async with open_server(Script(catalogue=PRESETS)) as server, open_server(Script(catalogue=own, key=None)) as local:
        values = {"use": "openai", "base_url": local.url}
        heard = values | {"model": "Systran/faster-whisper-small"}
        spoken = values | {"model": "kokoro", "voice": "af_heart"}
        sets = [f"transcribe.{key}={value}" for key, value in heard.items()]
        sets += [f"speak.{key}={value}" for key, value in spoken.items()]
        # No server of this machine listens at port 9.
        sets.append("handler.base_url=http://127.0.0.1:9/v1")
        words = [*(word for value in sets for word in ("--set", value)), "--chat"]
        done = await run(server, tmp_path, "--config", "local", *words, "--speech", "--transcription")
        assert done.returncode == 69, "the chat model's server is not there"
        done = await run(server, tmp_path, "--config", "local", *words[:-1])
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"kokoro" in done.stdout
        assert b"Systran/faster-whisper-small" in done.stdout
        assert server.requests == []


@pytest.mark.parametrize(
    "damage",
    [
        {"at": 10**400},
        {"models": [{"id": 7, "name": "x", "voices": [], "prices": []}]},
        {"models": [{"id": "a", "name": "x", "voices": [1], "prices": []}]},
        {"models": [{"id": "a", "name": None, "voices": "alloy", "prices": []}]},
        {"models": [{"id": "a", "name": "x", "voices": [], "prices": [["prompt", "dear"]]}]},
        {"models": [{"id": "a", "name": "x", "voices": [], "prices": [[{}, 1.0]]}]},
        {"models": {"id": 1}},
        {"models": 3},
        [],
    ],
)
def test_a_damaged_listing_on_disk_counts_as_missing(tmp_path: Path, damage: Any) -> None:
    cache = Cache(tmp_path)
    cache.put("http://a", "speech", parse({"data": [{"id": "a/b", "supported_voices": ["alloy"]}]}))
    (path,) = tmp_path.iterdir()
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | damage if isinstance(damage, dict) else damage))
    assert cache.get("http://a", "speech") is None
    path.write_text('{"at": ' + "[" * 5_000 + "]" * 5_000 + "}")
    assert cache.get("http://a", "speech") is None
