"""The tables of the configuration, typed; their docstrings are the reference (`voiceloop config schema`).

Knows no file, environment or entry point: `load.py` does. Pydantic's own reading of attribute docstrings is left off:
it parses the source at every start; `schema.py` does so when a schema is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from voiceloop.config.address import ADDRESS, no_address

EchoMode = Literal["auto", "cancel", "half-duplex", "off"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Keys of one table whose values can't stand together; the first is the one to change."""

    keys: tuple[str, ...]
    what: str
    remedy: str = ""


class Table(BaseModel):
    """A table of the config: frozen, and a key that it doesn't know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def conflicts(self) -> Iterable[Conflict]:
        """What can't stand together, all of it."""
        return ()

    @model_validator(mode="after")
    def _no_conflicts(self) -> Self:
        if found := tuple(self.conflicts()):
            raise PydanticCustomError("conflicts", "{text}", {"text": "; ".join(c.what for c in found), "all": found})
        return self


Milliseconds = Annotated[int, Field(ge=0, le=60_000)]


class Audio(Table):
    input: str = "default"
    """The microphone: `default`, part of a device's name, its index, `monitor` (what the computer plays),
    `file:PATH` (a WAV played as the microphone, in real time) or `none`."""
    output: str = "default"
    """The loudspeaker: `default`, part of a device's name, its index, `file:PATH` (a WAV of what was played) or
    `none`."""
    echo: EchoMode = "auto"
    """What is done about hearing ourselves. `cancel`: the reply is subtracted from what the microphone hears, so you
    can interrupt; needs the extra `voiceloop[echo]`. `half-duplex`: deaf while speaking, so you cannot interrupt.
    `off`: for headphones; you can interrupt. `auto`: `cancel` where the extra is installed, else `half-duplex`; `off`
    where the output is a file or `none`."""
    echo_tail_ms: Milliseconds = 250
    """How long after its last sample `half-duplex` stays deaf: the loudspeaker's latency and the room."""
    input_latency: float | Literal["low", "high"] = "low"
    """PortAudio's latency for the microphone: `low`, `high` or seconds."""
    output_latency: float | Literal["low", "high"] = "low"
    """PortAudio's latency for the loudspeaker: `low`, `high` or seconds."""
    output_rate_hz: Annotated[int, Field(ge=8_000, le=192_000)] = 24_000
    """The loudspeaker's rate; a device that refuses it is opened at its own."""
    buffer_s: Annotated[float, Field(ge=0.5, le=60)] = 4.0
    """How much speech the ring buffer before the loudspeaker holds; more waits in the socket."""
    jitter_buffer_ms: Milliseconds = 40
    """How much of a reply must have arrived before its first sample is played, when replies come evenly."""
    jitter_buffer_max_ms: Milliseconds = 400
    """How much of it is waited for at most, when they come in fits and starts."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from _in_order(
            self, "jitter_buffer_ms", "jitter_buffer_max_ms", "the least that is waited for and the most"
        )
        if self.jitter_buffer_max_ms > self.buffer_s * 1000:
            what = f"{self.jitter_buffer_max_ms} is more than buffer_s = {self.buffer_s:g} holds"
            yield Conflict(("jitter_buffer_max_ms", "buffer_s"), what, "Lower it or raise buffer_s.")


class Segment(Table):
    preroll_ms: Milliseconds = 300
    """How much audio from before the onset belongs to the utterance, so that its first sound is in it."""
    onset_ms: Milliseconds = 120
    """How much voice within `onset_window_ms` begins an utterance."""
    onset_window_ms: Milliseconds = 200
    """See `onset_ms`."""
    pause_ms: Milliseconds = 128
    """The quiet after which speech has paused, and work goes ahead (see `[preemptive]`): four hops of Silero. Voice
    activity lasts some 50 ms longer than the voice, so that about 180 ms of quiet are heard."""
    hangover_ms: Milliseconds = 600
    """The quiet after which an utterance has ended, unless what was said or how the speaker pauses says otherwise
    (`adaptive`)."""
    half_duplex_hangover_ms: Milliseconds = 900
    """`hangover_ms` where the echo mode is half-duplex: there a reply that came too soon can't be interrupted."""
    adaptive: bool = True
    """Whether the quiet that ends an utterance is judged: shorter after a question or the end of a sentence, longer
    after "and", "um", a comma or digits in progress, and by the speaker's own pauses. Off: always `hangover_ms`."""
    shortest_hangover_ms: Milliseconds = 400
    """The least that `adaptive` makes of it; where the echo mode is half-duplex that is `hangover_ms`."""
    longest_hangover_ms: Milliseconds = 1_600
    """The most that `adaptive` makes of it."""
    tail_ms: Milliseconds = 200
    """How much of the quiet after the last voice stays in the utterance; the rest is pre-roll for the next."""
    min_speech_ms: Milliseconds = 150
    """An utterance with less voice than this is a noise and is dropped."""
    max_utterance_s: Annotated[float, Field(ge=1, le=300)] = 30
    """Speech longer than this is cut at its quietest point near the end, and goes on as the next utterance."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from _in_order(self, "onset_ms", "onset_window_ms", "so much voice never fits into the window")
        yield from _in_order(self, "pause_ms", "hangover_ms", "a pause comes before the end")
        yield from _in_order(self, "pause_ms", "half_duplex_hangover_ms", "a pause comes before the end")
        if self.adaptive:
            yield from self._out_of_bounds()
        if self.min_speech_ms >= self.max_utterance_s * 1000:
            what = f"{self.min_speech_ms} is not less than max_utterance_s = {self.max_utterance_s:g}"
            yield Conflict(("min_speech_ms", "max_utterance_s"), what, "Every utterance would be dropped: lower it.")

    def _out_of_bounds(self) -> Iterable[Conflict]:
        if self.hangover_ms < self.shortest_hangover_ms:
            what = f"{self.hangover_ms} is less than shortest_hangover_ms = {self.shortest_hangover_ms}"
            remedy = "Raise it or lower shortest_hangover_ms: judging starts between its bounds."
            yield Conflict(("hangover_ms", "shortest_hangover_ms"), what, remedy)
        if self.pause_ms <= self.hangover_ms:  # else that is said, and is what to mend
            yield from _in_order(self, "pause_ms", "shortest_hangover_ms", "a pause comes before the end")
        for key in ("hangover_ms", "half_duplex_hangover_ms"):
            yield from _in_order(self, key, "longest_hangover_ms", "judging starts between its bounds")


def _in_order(table: Table, less: str, more: str, why: str) -> Iterable[Conflict]:
    low, high = getattr(table, less), getattr(table, more)
    if low > high:
        yield Conflict((less, more), f"{low} is more than {more} = {high}", f"Lower it or raise {more}: {why}.")


class Conversation(Table):
    barge_in_ms: Milliseconds = 500
    """How much of your voice over a reply cancels it; until then it is only held."""
    decide_ms: Milliseconds = 3_000
    """How long a reply stays held while a short sound over it is being transcribed; then it goes on meanwhile."""
    merge_ms: Milliseconds = 500
    """When you go on speaking before this much of the reply was heard, what you said before joins what you say next."""
    merge_max_s: Annotated[float, Field(ge=1, le=120)] = 20
    """Joined speech up to this long is transcribed again as one clip; beyond it the texts are joined."""
    overlap: Annotated[int, Field(ge=1, le=16)] = 3
    """How many transcriptions may be under way at once for handlers whose turns are `in_order`."""
    waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many utterances may wait for a handler whose turns are `in_order` or `exclusive`; more are refused, with a
    word."""
    backchannels: tuple[str, ...] = ("mhm", "mm", "mm-hmm", "uh-huh", "hm", "hmm", "yeah", "okay", "ok", "right", "ah")
    """What you may say over a reply without ending it."""
    stop_words: tuple[str, ...] = ("stop", "cancel")
    """What you say to end the turn at work of a handler whose turns are `exclusive`."""
    history_turns: Annotated[int, Field(ge=0, le=10_000)] = 40
    """How many past messages a handler is given."""
    earcon: bool = True
    """A short low tone when a turn failed."""


class Preemptive(Table):
    """Working ahead in pauses: at `segment.pause_ms` of quiet the clip is posted, and the answer prepared, as if you
    had finished; nothing is heard or done before that is certain."""

    enabled: bool = True
    """Off: nothing is sent before an utterance is certain to be over. Answers come later and cost a little less."""
    max_waste: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of the cost, of late, that may be for nothing because you went on after a pause. Above it working
    ahead pauses itself for ten pauses, and says so."""


class PartTable(BaseModel):
    """A pluggable part: `use` names it, the other keys are its own options."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    use: str
    part: type[Any]
    """The class that `use` names."""
    options: BaseModel
    """Its options, checked."""


class Retry(Table):
    """How failed requests are tried again, as in the provider's SDK."""

    initial_ms: Milliseconds = 250
    """The first wait; it doubles (see `exponent`), with jitter."""
    max_interval_ms: Milliseconds = 8_000
    """The longest wait, unless the server asks for more by Retry-After."""
    exponent: Annotated[float, Field(ge=1, le=10)] = 2.0
    """What each wait is multiplied by."""
    max_elapsed_s: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """All tries together; 0 turns retries off."""
    connection_errors: bool = True
    """Whether a connection that fails is tried again."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from _in_order(self, "initial_ms", "max_interval_ms", "the first wait is the shortest")


class Endpoint(Table):
    """A server that speaks OpenRouter's API."""

    base_url: str = "https://openrouter.ai/api/v1"
    """Where it is; a local or self-hosted gateway can stand in."""
    api_key_env: str | None = "OPENROUTER_API_KEY"
    """The environment variable that holds the key; empty for a server that needs none."""
    api_key_file: str | None = None
    """A file that holds the key, where there is no environment variable."""
    referer: str | None = None
    """`HTTP-Referer`, for the provider's rankings."""
    title: str | None = "voiceloop"
    """`X-OpenRouter-Title`, for the provider's rankings."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    """How long a connection may take."""
    read_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long the server may be silent."""
    retry: Retry = Retry()
    """How failed requests are tried again."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.api_key_env and not self.api_key_env.replace("_", "a").isalnum():
            what, remedy = "is not the name of an environment variable", "Name the variable that holds the key."
            yield Conflict(("api_key_env",), what, remedy)
        if what := no_address(self.base_url):
            yield Conflict(("base_url",), what, ADDRESS)
        for name in ("referer", "title"):
            value = getattr(self, name)
            if value is not None and not (value.isascii() and value.isprintable()):
                yield Conflict(
                    (name,), "can't be sent: a header holds ASCII letters on one line", "Write it with those."
                )


class OwnServer(Endpoint):
    """A server that people run themselves: no key, and none of OpenRouter's headers, unless they are set."""

    api_key_env: str | None = ""
    """The environment variable that holds its key; empty for a server that needs none."""
    title: str | None = None
    """`X-OpenRouter-Title`: of no use here."""


class Limits(Table):
    """What a session may take. Reaching a limit pauses and says so; nothing said is lost."""

    max_cost_per_session: Annotated[float, Field(gt=0)] | None = None
    """USD, as the services' answers say it; speech, whose answers don't, by the model's listed price. When it is spent
    nothing more is sent, until you start again: what you say is kept, and `voiceloop transcribe --pending` writes it
    down."""
    max_posts_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests to services; more wait for their turn, and go on by themselves. A server that says 'too many requests'
    is asked less often in any case."""


class Control(Table):
    """The socket by which `voiceloop ctl` starts, stops and mutes a running program."""

    enabled: bool = True
    """Off: there is none."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """What `voiceloop ctl --name` calls it; empty: as the command (`run`, `dictate`, `captions`)."""
    start: Literal["listening", "idle"] = "listening"
    """How it begins. `idle`: nothing that is said counts until `voiceloop ctl start` or `toggle`."""
    notify: bool = False
    """Whether the desktop shows when it listens, sleeps or is muted (`notify-send`)."""


class Journal(Table):
    """Where a handler does something with what is said (dictation, captions, commands), each utterance is on disk
    before it is posted and deleted once it is delivered. `voiceloop transcribe --pending` fetches what is left."""

    enabled: bool = True
    """Off: what is not delivered when the program is killed, or a service fails, is lost."""
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """How much of what nobody fetched is kept; the oldest is deleted for more, with a word. A minute is 2 MB."""
    max_days: Annotated[float, Field(gt=0, le=36_500)] = 30
    """How long it is kept: what is found to be older is deleted a week later, or after as long again if that is less.
    The clock may have been wrong when it was kept."""


class Hallucinations(Table):
    """Words that nobody said: what recognisers make of noise and silence. What is dropped is said with its reason,
    never with its text, and counted at the end."""

    quiet: bool = True
    """Clips without voice are not posted."""
    least_dbfs: Annotated[float, Field(ge=-120, le=0)] = -58.0
    """How loud the loudest 10 ms of a clip must be (dB of full scale), for `quiet`."""
    least_voice_ms: Milliseconds = 80
    """How much of it must be voice, for `quiet`."""
    phrases: bool = True
    """Known hallucinations ("Thanks for watching!", "Subtitles by …", in many languages) are dropped when they are all
    that was heard and the clip is short and weak, or too short to say them, or the no-speech score agrees."""
    more_phrases: tuple[str, ...] = ()
    """More such phrases, which you don't say yourself."""
    weak_dbfs: Annotated[float, Field(ge=-120, le=0)] = -45.0
    """A clip whose loudest 10 ms is below this is weak, for `phrases`; so is one that hardly rises above its noise."""
    phrase_no_speech: Annotated[float, Field(ge=0, le=1)] = 0.1
    """From which no-speech score on a known hallucination is dropped whatever the clip is like. Models that have the
    score tell it with `transcribe.response_format = "verbose_json"`; in real speech it is near 0."""
    no_speech: bool = True
    """Any text is dropped that the model itself is unsure of and heard no speech for (as Whisper's own programs do)."""
    repetition: bool = True
    """A text that goes round in a loop is dropped when the clip hardly rises above its noise or is too short to say
    it, or the model is unsure; a loop that goes on as nobody would, always. Where other words stand beside it, they
    stay, and it once."""
    prompt_echo: bool = True
    """A text that is the configured prompt again, or the vocabulary, is dropped under the same conditions."""


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is written to standard error. Transcripts only at `debug`."""


class Config(Table):
    """Everything that can be set, with each part's class and options already looked up and checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    vad: PartTable
    transcribe: PartTable
    handler: PartTable
    speak: PartTable
    audio: Audio = Audio()
    segment: Segment = Segment()
    conversation: Conversation = Conversation()
    preemptive: Preemptive = Preemptive()
    openrouter: Endpoint = Endpoint()
    limits: Limits = Limits()
    control: Control = Control()
    journal: Journal = Journal()
    hallucinations: Hallucinations = Hallucinations()
    log: Log = Log()
