"""The format of a trace file: JSON lines, one record each, its kind in `k`. Times are seconds of one monotonic clock.

    trace       the first line: `version` of this format, `voiceloop`, `at` and `time` (the same moment on the monotonic
                and the wall clock), `rate_hz` of the microphone's sample index, `config` (settings that affect timing)
    event       `name`, `at`, `fields`: an event as `run --json` prints it; transcripts and replies are among them
    mic         the microphone in steps of 20 ms: `index` of the first sample, `at` when it was captured, `peak`, `rms`
    vad         `runs` of [first sample, end, voiced]; for the same samples a later run overrides an earlier one
    muted       `start`, `end` (samples): the listener ignored the microphone
    gap         `index`, `reason`: the microphone was lost there
    request     `id`, `at`, `method`, `url`, `model`, `attempt` (from 1), `sent_bytes` (0 where a body grows), `turn`
    answer      `id`, `at`, `status`, `connected` (whether a connection was opened for it)
    response    `id`, `at` of its end, `first_byte`, `bytes`, `outcome` (done, cancelled, failed), `error` (its class)
    play        what the loudspeaker took: `at`, and for each step `at_tenths_ms` after that, `samples`, `peak`, `rms`
    speaker     the loudspeaker's state from `at` on: `sounding`, `held`, `gain`, `underruns`, `latency_s`, `rate_hz`
    lost        `records`: how many were dropped because the disk was too slow
    end         `at`: the session ended normally

`peak` and `rms` are base64 of one byte for each step (`levels.py`). Sound, bodies, headers and keys are never recorded.
"""

VERSION = 3
"""2: `muted` and `held`, which were `deaf` and `hushed`. 3: the marks `first_pcm`, `first_write` and `first_played` of
`turn.done` are those of a reply's first audible sample, no longer of silence before it."""
KINDS = frozenset(
    ("event", "mic", "vad", "muted", "gap", "request", "answer", "response", "play", "speaker", "lost", "end")
)
"""The kinds of all records except the first line."""
