"""Counts the turns that the installed program starts from its own reply, over an echo path on a private sound server.

Each recorded prompt gets a reply in a recorded human voice. One run of the program gives all replies of a table row.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from testbed.running import running
from testbed.serving import KEY, serving
from testbed.sound.cable import SPEAKER_HZ, Cable, why_not
from testbed.sound.echoing import echo_path
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.echo.webrtc_aec import installed

PROMPT = Path("/usr/share/sounds/alsa/Front_Center.wav")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
ANSWERS = ("queue-callswaiting", "conf-waitforleader", "vm-toenternumber", "tt-monkeysintro", "queue-thankyou")
GIVE_UP_S = 20.0


def measure(mode: str, delay_ms: int, replies: int, folder: Path) -> str:
    """Measure one echo mode at one delay; gives a row of the table."""
    words = ["--text", "front center", "--reply", "Please wait.", "--transcribe-ms", "100", "--speak-ms", "100"]
    for name in ANSWERS:
        voice, path = read_wav(ASTERISK / f"{name}.wav"), folder / f"{name}.wav"
        path.write_bytes(wav_bytes(resample(voice.pcm, from_hz=voice.rate_hz, to_hz=SPEAKER_HZ), SPEAKER_HZ))
        words += ["--wav", str(path)]
    with Cable() as cable, serving(*words) as server:
        echo_path(cable, delay_ms=delay_ms)
        config = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}", "--set", f"audio.echo={mode}"]
        with running(*config, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop:
            loop.wait_for("ready")
            for number in range(replies):
                cable.speak_file(PROMPT)
                try:
                    loop.wait_for("reply", count=number + 1, timeout_s=GIVE_UP_S)
                except TimeoutError:
                    break
                time.sleep(1)  # long enough for an echo that is taken for speech to start a turn
            extra = len(loop.named("transcript")) - (number + 1)
            started = len(loop.named("speech.started"))
            held, ducked = len(loop.named("held")), len(loop.named("ducked"))
            complete = sum(bool(event.fields["complete"]) for event in loop.named("reply"))
    return (
        f"| {mode} | {delay_ms} ms | {number + 1} | {extra} | {started - number - 1} | {held} | {ducked} | {complete} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench echo", description=__doc__.partition("\n")[0])
    parser.add_argument("--replies", type=int, default=20)
    parser.add_argument(
        "--delay-ms", type=int, action="append", help="delay of the echo path; may be repeated (default: 60)"
    )
    parser.add_argument("--mode", action="append", choices=["cancel", "half-duplex", "off"])
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    modes = arguments.mode or [*(["cancel"] if installed() else []), "half-duplex", "off"]
    print("| echo | delay | prompts | turns from its own voice | onsets | held | ducked | replies played to the end |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for mode in modes:
        for delay_ms in arguments.delay_ms or [60]:
            with tempfile.TemporaryDirectory() as folder:
                print(measure(mode, delay_ms, arguments.replies, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
