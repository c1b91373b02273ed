"""What a trace file holds: JSON lines, one record each, its kind in `k`. All times are seconds of one monotonic clock.

    trace       the first line: `version` of this format, `voiceloop`, `at` and `time` (the same moment on the monotonic
                and the wall clock), `rate_hz` of the microphone's sample index, `config` (what decides about times)
    event       `name`, `at`, `fields`: an event as `run --json` prints it; transcripts and replies are in here
    mic         20 ms of the microphone a step: `index` of the first sample, `at` when that was captured, `peak`, `rms`
    vad         `runs` of [first sample, end, voiced]; a later one overrides an earlier one on the same samples
    deaf        `start`, `end` (samples): not listened to
    gap         `index`, `reason`: the microphone was lost there
    request     `id`, `at`, `method`, `url`, `model`, `attempt` (1 is the first), `sent_bytes`, `turn` if known
    answer      `id`, `at`, `status`, `connected` (over a connection opened for it)
    response    `id`, `at` of its end, `first_byte`, `bytes`, `outcome` (done, cancelled, failed), `error` (its kind)
    play        what the loudspeaker pulled: `at`, then for each step `at_tenths_ms` later, `samples`, `peak`, `rms`
    speaker     its state from `at` on: `sounding`, `held`, `gain`, `underruns`, `latency_s`, `rate_hz`
    lost        `records` that the trace had no room for
    end         `at`: the session ended in order

`peak` and `rms` are base64 of a byte a step, as `levels.py` packs them. Never in here: sound, bodies, headers, keys.
"""

VERSION = 1
KINDS = frozenset(
    ("event", "mic", "vad", "muted", "gap", "request", "answer", "response", "play", "speaker", "lost", "end")
)
"""All but the header's."""
