"""`voiceloop run`: listens, passes what was said to the handler, and speaks its answer."""

from __future__ import annotations

import sys
from functools import partial

from voiceloop.cli.options import (
    ConfigOption,
    InputOption,
    JsonOption,
    OutputOption,
    SetOption,
    TraceOption,
    VerboseOption,
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
    verbose: VerboseOption = False,
) -> None:
    """Listen and answer aloud. Ctrl-C ends it."""
    from voiceloop import app
    from voiceloop.cli import anew
    from voiceloop.cli.engines import where_words_go
    from voiceloop.cli.output import open_output
    from voiceloop.cli.render import at_terminal, renderer
    from voiceloop.cli.suggesting import suggest
    from voiceloop.config.commands import load_command
    from voiceloop.control.kept import NOTHING

    command = load_command("run", config, with_devices(sets, microphone=microphone, loudspeaker=loudspeaker))
    publish = renderer(command.config, json=json, verbose=verbose)
    publish("engines", text=where_words_go(command))

    handed_over = anew.handed_over(publish)

    async def work() -> int:
        if handed_over is NOTHING and at_terminal(sys.stderr) and not json:
            await suggest(command, publish)
        return await app.run(command.config, publish, trace=trace, kept=handed_over)

    run_async(work, output=partial(open_output, json=json))
