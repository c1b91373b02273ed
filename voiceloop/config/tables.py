"""The tables of the configuration as pydantic models. Their docstrings are the user's reference.

`voiceloop config schema` and `voiceloop config init` print those docstrings.

Reads no file, environment variable or entry point: `load.py` does. Pydantic's own option for attribute docstrings is
off, because it would parse the source at every start; `schema.py` reads them only when a schema is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from voiceloop.config.address import ADDRESS, no_address
from voiceloop.config.trigger import TRIGGER, no_trigger

EchoMode = Literal["auto", "cancel", "half-duplex", "off"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Keys of one table whose values contradict each other. The message is shown at the first key."""

    keys: tuple[str, ...]
    what: str
    remedy: str = ""


class Table(BaseModel):
    """Base class of the tables: immutable; an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def conflicts(self) -> Iterable[Conflict]:
        """All contradictions between the values of this table."""
        return ()

    @model_validator(mode="after")
    def _no_conflicts(self) -> Self:
        if found := tuple(self.conflicts()):
            raise PydanticCustomError("conflicts", "{text}", {"text": "; ".join(c.what for c in found), "all": found})
        return self


Milliseconds = Annotated[int, Field(ge=0, le=60_000)]


class Audio(Table):
    """Microphone, loudspeaker, echo, and the buffer between speech synthesis and the loudspeaker."""

    input: str = "default"
    """The microphone: `default`, part of a device's name, its index, `monitor` (what the computer plays),
    `file:PATH` (a recording played as the microphone, in real time: WAV, and with the extra `voiceloop[files]` most
    other kinds) or `none`."""
    output: str = "default"
    """The loudspeaker: `default`, part of a device's name, its index, `file:PATH` (a WAV of what was played) or
    `none`."""
    echo: EchoMode = "auto"
    """What keeps the microphone from hearing the reply. `cancel`: an echo canceller removes the reply from the
    microphone's sound, so you can interrupt; needs the extra `voiceloop[echo]`. `half-duplex`: the microphone is muted
    while a reply is played, so you cannot interrupt. `off`: nothing is done, for headphones; you can interrupt. `auto`:
    `cancel` if the extra is installed, otherwise `half-duplex`; `off` if the output is a file or `none`."""
    echo_tail_ms: Milliseconds = 250
    """How long the `half-duplex` mute lasts after the reply's last sample: the loudspeaker's latency and the room's
    reverberation."""
    noise_suppression: bool = False
    """Suppress steady noise, such as a fan's, in the microphone's sound; needs the extra `voiceloop[echo]`. It helps a
    little beside such noise, and takes words away from a voice that is far from the microphone."""
    gain_control: bool = False
    """Bring a voice that is too quiet or too loud to a usual level; needs the extra `voiceloop[echo]`."""
    input_latency: float | Literal["low", "high"] = "low"
    """PortAudio's latency for the microphone: `low`, `high` or seconds."""
    output_latency: float | Literal["low", "high"] = "low"
    """PortAudio's latency for the loudspeaker: `low`, `high` or seconds."""
    output_rate_hz: Annotated[int, Field(ge=8_000, le=192_000)] = 24_000
    """The loudspeaker's sample rate. A device that refuses this rate is opened at its own."""
    buffer_s: Annotated[float, Field(ge=0.5, le=60)] = 4.0
    """How many seconds of synthesised speech are buffered ahead of the loudspeaker; the rest stays in the network
    connection until there is room."""
    jitter_buffer_ms: Milliseconds = 40
    """The jitter buffer's smallest fill level at start: how much of a reply must have arrived before playback begins.
    Used as long as the pieces of replies arrive evenly."""
    jitter_buffer_max_ms: Milliseconds = 400
    """The jitter buffer's largest fill level at start. When pieces have recently arrived unevenly, the level rises
    towards this."""

    @property
    def enhances(self) -> bool:
        """Whether anything is done to the microphone's sound besides removing the echo."""
        return self.noise_suppression or self.gain_control

    def conflicts(self) -> Iterable[Conflict]:
        yield from _in_order(
            self, "jitter_buffer_ms", "jitter_buffer_max_ms", "they are the smallest and the largest fill level"
        )
        if self.jitter_buffer_max_ms > self.buffer_s * 1000:
            what = f"{self.jitter_buffer_max_ms} is more than buffer_s = {self.buffer_s:g} holds"
            yield Conflict(("jitter_buffer_max_ms", "buffer_s"), what, "Lower jitter_buffer_max_ms or raise buffer_s.")


class Segment(Table):
    """Where an utterance begins, pauses and ends in the microphone's sound."""

    # With the default values:
    #
    #     | pre-roll | voice ......... | quiet
    #     | 300 ms   |                 |<- 128 ms ->|                pause: preemptive work begins
    #     ^ utterance begins           |<- 600 ms, or 400 to 1,600 when adaptive ->|   hangover: the utterance is over
    #                                  ^ last voice; the clip goes on for tail_ms (200 ms)

    preroll_ms: Milliseconds = 300
    """Pre-roll: how much audio from before the onset is part of the utterance, so that its first sound is not cut."""
    onset_ms: Milliseconds = 120
    """Onset: this much voice within `onset_window_ms` begins an utterance."""
    onset_window_ms: Milliseconds = 200
    """The length of the window in which `onset_ms` of voice is looked for."""
    pause_ms: Milliseconds = 128
    """The quiet that counts as a pause; preemptive work begins then (see `[preemptive]`). The default is four hops of
    the Silero VAD. Voice activity lasts some 50 ms longer than the voice itself, so a person hears about 180 ms of
    quiet."""
    hangover_ms: Milliseconds = 600
    """Hangover: the quiet that ends an utterance. With `adaptive` this is only the starting point, and the words and
    the speaker's pauses change it."""
    half_duplex_hangover_ms: Milliseconds = 900
    """Used in place of `hangover_ms` in echo mode `half-duplex`: a reply that begins too soon can't be interrupted
    there."""
    adaptive: bool = True
    """Adaptive endpointing: the hangover is shorter after a question or the end of a sentence; longer after "and",
    "um", a comma, or digits in the middle of a number; and it follows the length of the speaker's own pauses. Off: the
    hangover is always `hangover_ms` (in half-duplex `half_duplex_hangover_ms`)."""
    acoustic: bool = True
    """Whether `run` also judges by the sound whether you have finished: by your melody and rhythm, with the model
    `smart-turn-v3.2` (`voiceloop models get smart-turn-v3.2`, 8.7 MB, and the extra `local`; 23 languages). Without
    them, and without `adaptive`, it makes no difference. It costs some 50 ms of one core in each pause."""
    shortest_hangover_ms: Milliseconds = 400
    """The shortest hangover that `adaptive` may choose; 250 where the sound is judged, too, and this key isn't set. In
    echo mode `half-duplex` this key is not used: the shortest is `hangover_ms` or `half_duplex_hangover_ms`, whichever
    is less."""
    longest_hangover_ms: Milliseconds = 1_600
    """The longest hangover that `adaptive` may choose; 3000 where the sound is judged, too, and this key isn't set."""
    tail_ms: Milliseconds = 200
    """How much of the quiet after the last voice stays in the utterance; the quiet after that can become pre-roll of
    the next."""
    min_speech_ms: Milliseconds = 150
    """An utterance with less voice than this is taken for a noise and dropped."""
    max_utterance_s: Annotated[float, Field(ge=1, le=300)] = 30
    """A longer utterance is cut in two at the quietest point shortly before this length."""
    cut_search_ms: Annotated[int, Field(ge=200, le=60_000)] = 5_000
    """How long before the maximum length the quietest point is searched for, at most half of the length. Sound in this
    time may belong to either part, so a transcriber that is fed as speech comes, and captions, get it late."""

    def bounds_ms(self, *, acoustic: bool) -> tuple[int, int]:
        """The shortest and the longest hangover. Where the sound is judged they are further apart, unless they were
        set: what is surer may be decided sooner, and what is held longer."""
        shortest, longest = self.shortest_hangover_ms, self.longest_hangover_ms
        if acoustic and "shortest_hangover_ms" not in self.model_fields_set:
            shortest = max(min(shortest, _ACOUSTIC_MS[0]), self.pause_ms)
        if acoustic and "longest_hangover_ms" not in self.model_fields_set:
            longest = max(longest, _ACOUSTIC_MS[1])
        return shortest, longest

    def conflicts(self) -> Iterable[Conflict]:
        yield from _in_order(self, "onset_ms", "onset_window_ms", "that much voice does not fit into the window")
        yield from _in_order(self, "pause_ms", "hangover_ms", "a pause comes before the end of an utterance")
        yield from _in_order(
            self, "pause_ms", "half_duplex_hangover_ms", "a pause comes before the end of an utterance"
        )
        if self.adaptive:
            yield from self._out_of_bounds()
        if self.min_speech_ms >= self.max_utterance_s * 1000:
            what = f"{self.min_speech_ms} is not less than max_utterance_s = {self.max_utterance_s:g}"
            yield Conflict(("min_speech_ms", "max_utterance_s"), what, _ALL_DROPPED)

    def _out_of_bounds(self) -> Iterable[Conflict]:
        if self.hangover_ms < self.shortest_hangover_ms:
            what = f"{self.hangover_ms} is less than shortest_hangover_ms = {self.shortest_hangover_ms}"
            remedy = f"Raise hangover_ms or lower shortest_hangover_ms: {_STARTING_POINT}."
            yield Conflict(("hangover_ms", "shortest_hangover_ms"), what, remedy)
        if self.pause_ms <= self.hangover_ms:  # otherwise `conflicts` has reported that pause_ms is too long
            yield from _in_order(
                self, "pause_ms", "shortest_hangover_ms", "a pause comes before the end of an utterance"
            )
        for key in ("hangover_ms", "half_duplex_hangover_ms"):
            yield from _in_order(self, key, "longest_hangover_ms", _STARTING_POINT)


_ACOUSTIC_MS = (250, 3_000)
"""The shortest and the longest hangover where the sound is judged."""
_ALL_DROPPED = "Every utterance would be dropped: lower min_speech_ms."
_STARTING_POINT = "adaptive endpointing starts between its shortest and its longest hangover"


def _in_order(table: Table, less: str, more: str, why: str) -> Iterable[Conflict]:
    """A conflict when the value of the key `less` is above that of the key `more`."""
    low, high = getattr(table, less), getattr(table, more)
    if low > high:
        yield Conflict((less, more), f"{low} is more than {more} = {high}", f"Lower {less} or raise {more}: {why}.")


class Conversation(Table):
    """Turn-taking: interruptions, what is said over a reply, and how many turns may wait."""

    barge_in_ms: Milliseconds = 500
    """Barge-in: this much of your voice over a reply cancels the reply. With less it is only held, unless the words
    are more than a backchannel."""
    hold_max_ms: Milliseconds = 3_000
    """How long a reply is held, at most, after a short utterance over it while that is transcribed. After this time
    the reply is resumed and the transcription goes on beside it."""
    merge_ms: Milliseconds = 500
    """If you go on speaking before this much of the reply was heard, the reply is dropped, and what you said before
    and say now becomes one turn. Not when the handler has waited for
    certainty by `reply.committed` on the first part, as tools of `chat` do."""
    merge_max_s: Annotated[float, Field(ge=1, le=120)] = 20
    """For `merge_ms`: speech up to this long is transcribed again as one clip; if it is longer, the texts of its
    parts are joined."""
    overlap: Annotated[int, Field(ge=1, le=16)] = 3
    """How many transcriptions may be under way at once; further ones wait. Several are under way mostly with handlers
    whose turns are `in_order`, like dictation."""
    waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many utterances may wait for a handler whose turns are `in_order` or `exclusive`, the one at work included.
    Further ones are refused with a message."""
    backchannels: tuple[str, ...] = ("mhm", "mm", "mm-hmm", "uh-huh", "hm", "hmm", "yeah", "okay", "ok", "right", "ah")
    """Backchannels: what you may say over a reply without ending it."""
    stop_words: tuple[str, ...] = ("stop", "cancel")
    """What you say to end the turn in progress, with a handler whose turns are `exclusive`."""
    history_turns: Annotated[int, Field(ge=0, le=10_000)] = 20
    """How many past turns a handler is given: what you said in each, and as much of the reply as you heard."""
    earcon: bool = True
    """Whether a short low tone is played when a turn has failed."""


class Preemptive(Table):
    """Preemptive generation: after `segment.pause_ms` of quiet the clip is sent to be transcribed and the answer is
    prepared, as if you had finished. Nothing is played or acted on before it is certain that you have."""

    enabled: bool = True
    """Off: nothing is sent before an utterance is certainly over. Answers come later and cost a little less."""
    max_waste: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of the recent cost that may be wasted because you went on speaking after a pause; 0.5 is half. Above
    it preemptive generation stops for ten pauses, and a notice says so."""


class PartTable(BaseModel):
    """The table of a pluggable part: `use` names the part, the other keys are that part's own options."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    use: str
    part: type[Any]
    """The class that `use` names."""
    options: BaseModel
    """The part's options, already checked."""


class Retry(Table):
    """How failed requests are tried again. The keys are those of the provider's SDK."""

    initial_ms: Milliseconds = 250
    """The wait before the second attempt. It grows with each further attempt by `exponent`, and each wait is
    shortened by up to half at random."""
    max_interval_ms: Milliseconds = 8_000
    """The longest wait, unless the server asks for a longer one (Retry-After)."""
    exponent: Annotated[float, Field(ge=1, le=10)] = 2.0
    """The factor by which the wait grows from one attempt to the next."""
    max_elapsed_s: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """How long all attempts may take together; 0 turns retries off."""
    connection_errors: bool = True
    """Whether a failed connection is tried again."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from _in_order(self, "initial_ms", "max_interval_ms", "the first wait can't be longer than the longest")


class Endpoint(Table):
    """A server that speaks OpenRouter's API."""

    base_url: str = "https://openrouter.ai/api/v1"
    """The server's address. A gateway of your own can take OpenRouter's place."""
    api_key_env: str | None = "OPENROUTER_API_KEY"
    """The name of the environment variable that holds the API key; empty for a server that needs none."""
    api_key_file: str | None = None
    """A file that holds the API key; read if the environment variable is not set."""
    referer: str | None = None
    """The header `HTTP-Referer`, for the provider's rankings."""
    title: str | None = "voiceloop"
    """The header `X-OpenRouter-Title`, for the provider's rankings."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    """How long connecting may take."""
    read_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long the server may send nothing before the request fails."""
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
                yield Conflict((name,), "can't be sent: a header holds ASCII characters on one line", "Use only those.")


class OwnServer(Endpoint):
    """A server of your own: no API key and none of OpenRouter's headers, unless they are set."""

    api_key_env: str | None = ""
    """The name of the environment variable that holds the server's API key; empty for a server that needs none."""
    title: str | None = None
    """The header `X-OpenRouter-Title`. Servers other than OpenRouter don't use it."""


class Limits(Table):
    """Limits of a session. When one is reached, sending pauses and a notice says so; nothing that you say is lost."""

    max_cost_per_session: Annotated[float, Field(gt=0)] | None = None
    """USD. Costs are taken from the services' answers; those of speech synthesis, whose answers have none, from the
    model's listed price. When the amount is spent nothing more is sent until you start again: what you say is kept,
    and `voiceloop transcribe --pending` transcribes it later."""
    max_posts_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests to services in a minute; further ones wait and are then sent without your doing. A server that answers
    'too many requests' is asked less often in any case."""


class Control(Table):
    """The socket by which `voiceloop ctl` starts, stops and mutes a running program."""

    enabled: bool = True
    """Off: there is no socket, and `voiceloop ctl` does not reach the program."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """The name by which `voiceloop ctl --name` finds the program; empty: the command's (`run`, `dictate`,
    `captions`)."""
    start: Literal["listening", "idle"] = "listening"
    """The state at the start. `idle`: speech is ignored until `voiceloop ctl start` or `toggle`."""
    shortcut: str = ""
    """A key combination that works in every window, like `CTRL+ALT+space`: hold it to talk, or tap it to start or stop
    listening. The desktop asks you once whether to allow it, and may let you choose other keys. Needs a desktop with
    the portal for global shortcuts (GNOME 48 and later, KDE Plasma, Hyprland). Empty: none. Best with `start =
    "idle"`."""
    notify: bool = False
    """Whether a desktop notification tells when the program listens, sleeps or is muted."""
    sounds: bool = False
    """Whether a short rising sound tells that listening starts, and a falling one that it stops (`run` and `dictate`).
    They are kept out of what is transcribed, and you may speak over them."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.shortcut and (what := no_trigger(self.shortcut)):
            yield Conflict(("shortcut",), what, TRIGGER)
        for key in ("shortcut", "sounds", "name"):  # not `notify`, which the preset of dictation sets
            if getattr(self, key) and not self.enabled:
                remedy = "Remove one of the two: control.enabled = false turns all control off."
                yield Conflict((key, "enabled"), "does nothing without control", remedy)
        if self.start == "idle" and not self.enabled:
            remedy = "Remove one of the two: only 'voiceloop ctl' or the shortcut could start it."
            yield Conflict(("start", "enabled"), "idle is for ever without control", remedy)


class Journal(Table):
    """The journal: with handlers that do something with each utterance (dictation, captions, commands), an utterance
    is stored on disk before it is sent, and deleted once it is delivered. `voiceloop transcribe --pending` transcribes
    those that were not delivered."""

    enabled: bool = True
    """Off: an utterance is lost if the program is killed, or a service fails, before it is delivered."""
    captions: bool = False
    """Whether `voiceloop captions` stores speech without captions, too, when no file of captions is asked for. What it
    hears is other people's speech, so by default none of it reaches the disk then."""
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """How much undelivered speech is kept; above that the oldest is deleted with a notice. A minute takes 2 MB."""
    max_days: Annotated[float, Field(gt=0, le=36_500)] = 30
    """How long undelivered speech is kept. Speech that is found to be older is deleted a week after that, or after
    `max_days` once more if that is shorter, because the clock may have been wrong when it was stored."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.captions and not self.enabled:
            remedy = "Remove one of the two: journal.enabled = false stores no speech at all."
            yield Conflict(("captions", "enabled"), "does nothing without the journal", remedy)


class Hallucinations(Table):
    """Hallucinations: text that speech recognisers make of noise and silence. Each dropped text is reported with the
    reason, never with the text itself, and all are counted at the end."""

    quiet: bool = True
    """Whether clips that hold no voice are not sent to the recogniser: by their level, and by what Silero's model finds
    in them, whichever `vad.use` is set."""
    least_dbfs: Annotated[float, Field(ge=-120, le=0)] = -58.0
    """For `quiet`: a clip holds no voice if its loudest 10 ms are below this level (dB relative to full scale)."""
    least_voice_ms: Milliseconds = 80
    """For `quiet`: a clip holds no voice if less of it than this is loud enough to be voice."""
    phrases: bool = True
    """Whether known hallucinations ("Thanks for watching!", "Subtitles by …", in many languages) are dropped. Only
    when the text holds nothing else, and the clip is short and weak, or too short to say the text, or the no-speech
    score is at least `phrase_no_speech`. In clips with hardly any voice, also the small words that recognisers make of
    noise ("you", "uh"). Text without letters or digits, or in letters that the model's language doesn't have, is always
    dropped."""
    annotations: bool = True
    """Whether what recognisers write for sounds that are no speech is dropped: `[BLANK_AUDIO]`, `(wind blowing)`,
    `*coughs*`, `<|nospeech|>`. Alone, anything in brackets or stars; beside other words only known annotations, and
    square brackets in capitals. Credits of subtitles behind other words are dropped, too. `false` keeps them, as sound
    events in captions for example."""
    more_phrases: tuple[str, ...] = ()
    """Further phrases for `phrases`. Choose ones that you don't say yourself."""
    weak_dbfs: Annotated[float, Field(ge=-120, le=0)] = -45.0
    """For `phrases`: a clip is weak if its loudest 10 ms are below this level (dB relative to full scale), or hardly
    above the clip's own noise."""
    phrase_no_speech: Annotated[float, Field(ge=0, le=1)] = 0.1
    """For `phrases`: with a no-speech score of at least this a known hallucination is dropped however the clip sounds.
    Models that have this score report it with `transcribe.response_format = "verbose_json"`; for real speech it is near
    0."""
    no_speech: bool = True
    """Whether any text is dropped for which the model reports both a high no-speech score and a low confidence, as
    Whisper's own programs do; or a low confidence for a clip with hardly any voice."""
    repetition: bool = True
    """Whether text that repeats itself in a loop is dropped. Only when the clip is hardly above its own noise, or too
    short to say the text, or the model is unsure; a loop longer than anybody would repeat is always dropped. If the
    text also has other words, these are kept, and one round of the loop."""
    prompt_echo: bool = True
    """Whether text that only repeats the configured prompt or vocabulary, or a part of it, is dropped. Only when the
    clip is hardly above its own noise, or too short to say the text, or the model is unsure and the text is most of the
    prompt."""


class Log(Table):
    """Messages on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are written. Transcripts are written only at `debug`."""


class Config(Table):
    """The whole configuration, with each part's class looked up and its options checked."""

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
