"""Configuration: TOML files, `--set`, and the variables of the environment that are read."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random

from bench.fuzz.family import Family
from bench.fuzz.mutating import ODD_TEXTS, data, text
from bench.fuzz.texts import UNSAFE, name
from voiceloop.config.address import host_of, is_near, no_address, port_of, shown, shown_server
from voiceloop.config.choice import read_choices
from voiceloop.config.language import language_code, told
from voiceloop.config.load import DEFAULTS, find_file, load_with_origins, presets
from voiceloop.config.secrets import scrub
from voiceloop.config.show import as_toml, effective, origins
from voiceloop.config.toml import NotToml, parse
from voiceloop.config.trigger import no_trigger
from voiceloop.errors import ConfigError, EngineError
from voiceloop.net.local_servers import candidates
from voiceloop.net.proxies import Proxies
from voiceloop.net.redaction import Redaction, secrets_of

_OWN = """
# a comment
[audio]
input = "file:talk.wav"
echo = "off"
[segment]
pause_ms = 700
pre_roll_ms = 300
[handler]
use = "chat"
model = "a/model"
base_url = "http://127.0.0.1:8080/v1"
tools = []
provider = { sort = "latency" }
[control]
shortcut = "<Super>space"
name = "x"
[transcribe]
use = "openai"
language = "en-US"
vocabulary = ["Ada", "kubectl=cube control"]
[hallucinations]
phrases = true
extra = ['''
a''', "b"]
[limits]
usd = 1.5
posts_a_minute = 10
[[odd]]
at = 1979-05-27T07:32:00Z
"""
TEXTS = (_OWN, *(path.read_text(encoding="utf-8") for path in presets().values()))
_SETS = (
    *("audio.echo=off", "handler.use=echo", "segment.pause_ms=5", 'transcribe.vocabulary=["a", "b"]', "a.b.c.d=1"),
    *("openrouter.api_key=sk-or-v1-0123456789abcdef", "audio.input=[USB] Mic", "x", "=", "handler.provider={a = 1}"),
    *("speak.base_url=http://user:secret@host:99999/v1", "log.level=debug", "control.shortcut=<Ctrl>F13"),
)


def _toml(random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "my.toml")
        body = text(random, random.choice(TEXTS), TEXTS).encode("utf-8", "surrogatepass")
        path.write_bytes(data(random, body) if random.random() < 0.1 else body)
        sets = [
            text(random, given) if random.random() < 0.5 else given
            for given in random.choices(_SETS, k=random.randint(0, 3))
        ]
        with suppress(EngineError):
            try:
                loaded = load_with_origins(str(path), sets)
            except ConfigError as error:
                problems = error.problems
            else:
                values = effective(loaded.config)
                assert parse(as_toml(values, origins(values, loaded.merged, DEFAULTS)))
                return
            assert problems
            assert not UNSAFE.search("".join(problems)), problems
            assert not any("\n" in problem for problem in problems), problems


def _choices(random: Random) -> None:
    body = text(random, '[dictate]\nengine = "cloud"\n[captions]\nengine = "local"\n', TEXTS)
    with suppress(NotToml):
        read_choices(parse(body))


_LONGEST_VARIABLE = 4_000
_PROXY = ("http://user:pass%40word@proxy:3128", "proxy:8080", "socks5://[::1]:1080", "https://p/", "http://a:b:c@d@e")
_NO_PROXY = ("localhost,.example.org,10.0.0.0/8,[::1]:8080,fe80::/10,*", "127.0.0.1:11434, host:80", "[", "]:1", "a:²")
_URLS = (
    "http://127.0.0.1:8080/v1",
    "https://openrouter.ai/api/v1",
    "http://[fe80::1%eth0]:1/v1",
    "http://user:pw@h/sk-0123456789abcdef/v1",
)


def _short(random: Random, example: str) -> str:
    """A variable of the environment, mutated."""
    return text(random, example)[:_LONGEST_VARIABLE]


def _environment(random: Random) -> None:
    environment = {
        "HTTPS_PROXY": _short(random, random.choice(_PROXY)),
        "http_proxy": _short(random, random.choice(_PROXY)),
        "OLLAMA_HOST": _short(random, random.choice((*_PROXY, "0.0.0.0", ":11434", "[::]:1"))),
        "VOICELOOP_CONFIG": _short(random, random.choice(("offline", "~/x.toml", "/dev/null", *ODD_TEXTS))).replace(
            "\0", ""
        ),
    }
    with suppress(ConfigError):
        find_file(None, environment)
    asked = candidates(environment)
    assert all(url.endswith("/v1") and no_address(url) == "" for url in asked), asked
    proxies = Proxies.of({"https": environment["HTTPS_PROXY"], "no": _short(random, random.choice(_NO_PROXY))})
    proxies.address(
        "https", random.choice(("example.org", "10.1.2.3", "fe80::1", "localhost")), random.choice((None, 80))
    )
    _address(_short(random, random.choice(_URLS)), environment)
    language_code(name(random))
    told(name(random))
    no_trigger(_short(random, "<Ctrl><Alt>F12"))


def _address(url: str, environment: dict[str, str]) -> None:
    """As the program reads an address: what is none is refused, and nothing else is asked of it."""
    assert no_address(url) or host_of(url)
    if no_address(url) == "":
        port_of(url), is_near(url), shown_server(url)
        Redaction(secrets_of(url, environment))(shown(url))
    scrub(url)


FAMILIES = (
    Family("toml", "config files, and --set", _toml),
    Family("choices", "the file of kept choices", _choices),
    Family("environment", "variables of the environment, and addresses", _environment),
)
