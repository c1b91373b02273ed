"""The tables of the microphone, the loudspeaker, and where utterances begin and end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from voiceloop.config.table import Conflict, Milliseconds, Table, in_order

EchoMode = Literal["auto", "cancel", "half-duplex", "off"]


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
        yield from in_order(
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
        yield from in_order(self, "onset_ms", "onset_window_ms", "that much voice does not fit into the window")
        yield from in_order(self, "pause_ms", "hangover_ms", "a pause comes before the end of an utterance")
        yield from in_order(self, "pause_ms", "half_duplex_hangover_ms", "a pause comes before the end of an utterance")
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
            yield from in_order(
                self, "pause_ms", "shortest_hangover_ms", "a pause comes before the end of an utterance"
            )
        for key in ("hangover_ms", "half_duplex_hangover_ms"):
            yield from in_order(self, key, "longest_hangover_ms", _STARTING_POINT)


_ACOUSTIC_MS = (250, 3_000)
"""The shortest and the longest hangover where the sound is judged."""
_ALL_DROPPED = "Every utterance would be dropped: lower min_speech_ms."
_STARTING_POINT = "adaptive endpointing starts between its shortest and its longest hangover"
