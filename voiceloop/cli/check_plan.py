"""The plan of `voiceloop check`: what a command uses of its configuration. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceloop.config.address import host_of, is_own
from voiceloop.config.choice import Command
from voiceloop.config.tables import Config
from voiceloop.net.wanted import Wanted, Wants, all_wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried, in the order of the report."""

    config: Config
    """The command's configuration. `audio.input` is the device that the command hears."""
    heard: str
    """The name of that device in the report."""
    loudspeaker: bool
    """Whether the loudspeaker and the treatment of its echo belong to it."""
    parts: dict[str, str]
    """The names in the report of the parts that the command opens, by their tables in the config."""
    asked: tuple[str, ...] = ()
    """Further tables whose servers are asked: to open their parts would do more than to try them."""

    @property
    def wanted(self) -> Sequence[Wanted]:
        """What these parts need from servers."""
        return [wanted for wanted in all_wanted(self.config) if wanted.part in {*self.parts, *self.asked}]

    @property
    def names(self) -> list[str]:
        """The names of all that is tried."""
        devices = [self.heard, "loudspeaker", "echo"] if self.loudspeaker else [self.heard]
        return [*devices, *self.parts.values(), *(server_name(wanted) for wanted in self.wanted)]

    def charged_by(self, part: str) -> str:
        """The host that may charge for the use of a part; empty for engines and servers of the user's own."""
        options = getattr(self.config, part).options
        if not isinstance(options, Wants):
            return ""
        address = options.wanted(self.config.openrouter).settings.base_url
        return "" if is_own(address) else host_of(address)


def server_name(wanted: Wanted) -> str:
    """The name of a part's server in the report."""
    return f"{wanted.part}, server"


def plan_of(command: Command, config: Config, device: str | None = None) -> Plan:
    """The plan for a command. `device` is the input that the user names; captions hear what the computer plays, unless
    there is one."""
    if command == "captions":
        audio = config.audio.model_copy(update={"input": device or "monitor"})
        parts = {"vad": "vad", "transcribe": "transcribe"}
        return Plan(
            config.model_copy(update={"audio": audio}),
            "sound heard",
            loudspeaker=False,
            parts=parts,
            asked=("handler",),
        )
    if command == "dictate":
        parts = {"vad": "vad", "transcribe": "transcribe", "handler": "target"}
        return Plan(config, "microphone", loudspeaker=config.audio.output != "none", parts=parts)
    parts = {name: name for name in ("vad", "transcribe", "handler", "speak")}
    return Plan(config, "microphone", loudspeaker=True, parts=parts)
