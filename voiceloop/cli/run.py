"""`voiceloop run`: listens, passes what was said to the handler, and speaks its answer."""

from __future__ import annotations

from voiceloop.cli.options import (
    ConfigOption,
    InputOption,
    JsonOption,
    OutputOption,
    SetOption,
    TraceOption,
    with_devices,
)
from voiceloop.cli.running import run_async


def run(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    config: ConfigOption = None,
    sets: SetOption = None,
    microphone: InputOption = None,
    loudspeaker: OutputOption = None,
    json: JsonOption = False,
    trace: TraceOption = None,
) -> None:
    """Listen and answer aloud. Ctrl-C ends it."""
    from voiceloop import app
    from voiceloop.cli.render import renderer
    from voiceloop.config.load import load

    settings = load(config, with_devices(sets, microphone=microphone, loudspeaker=loudspeaker))
    publish = renderer(settings, json=json)
    run_async(lambda: app.run(settings, publish, trace=trace))
