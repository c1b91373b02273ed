"""What a config asks of a model's requests, checked against the model's row in the listing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.net.catalogue import Model


@dataclass(frozen=True, slots=True)
class Known:
    """The models that are known to take a field."""

    names: tuple[str, ...]
    """What their names begin with."""
    who: str
    """The models, for messages."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A key of the config that becomes a field of requests."""

    key: str
    """The key, below the part's table: `temperature`, `reasoning.effort`."""
    fields: tuple[str, ...]
    """The field's names in listings: a model takes it if its row has one of them."""
    effort: str = ""
    """The effort of reasoning that is asked for, if it is that."""
    known: Known | None = None
    """The models that are known to take it, if listings don't say."""


def refused(asked: Asked, model: Model) -> str:
    """Why the model doesn't take what is asked of it; empty if it does, or if the listing doesn't say."""
    taken = bool(set(asked.fields) & set(model.parameters))
    if asked.known is not None:
        if taken or model.id.startswith(asked.known.names):
            return ""
        return f"{model.id} is not known to take it: {asked.known.who} do. Others ignore it"
    if asked.effort == "none":  # a model that doesn't reason does what is asked
        known = f": {', '.join(model.efforts)}" if model.efforts else ""
        return f"{model.id} always reasons: it refuses 'none'. Set another{known}" if model.always_reasons else ""
    if model.parameters and not taken:
        return f"{model.id} doesn't take it, says its listing. Leave it out, or choose another model"
    if asked.effort and model.efforts and asked.effort not in model.efforts:
        return f"{model.id} doesn't know '{asked.effort}', says its listing. It knows {', '.join(model.efforts)}"
    return ""
