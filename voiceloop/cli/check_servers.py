"""The check of a part's server: is it there, and does it list the names that the config has? Free of charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import trio

from voiceloop.cli.check_plan import server_name
from voiceloop.cli.report import Report
from voiceloop.config.address import is_near, shown_server
from voiceloop.config.tables import Retry
from voiceloop.errors import ConfigError, RateLimited, ServiceError, TimedOut, VoiceloopError
from voiceloop.net.catalogue import Model, ending
from voiceloop.net.client import Clients
from voiceloop.net.failures import Where, start_it, without_network
from voiceloop.net.wanted import Wanted, doubts

LISTING_S = 5.0
"""How long a server may take to list its models."""


async def check_server(clients: Clients, wanted: Wanted, report: Report) -> None:
    """Ask the server of a part for its models, once, whatever a cache knows."""
    what = server_name(wanted)
    settings = wanted.settings.model_copy(update={"retry": Retry(max_elapsed_s=0)})
    try:
        with trio.fail_after(LISTING_S):
            listed = await clients.models(settings, wanted.kind, fresh=True, stale=False, table=wanted.part)
    except trio.TooSlowError:
        report.failed(what, too_slow(wanted))
    except ServiceError as error:
        if is_failure(error):
            report.failed(what, error)
        else:
            report.add(what, f"it answers, but lists no models: {error.place}: {error.what}")
    except VoiceloopError as error:
        report.failed(what, error)
    else:
        report.add(what, *judged(wanted, listed, datetime.now(UTC).date()))


def is_failure(error: ServiceError) -> bool:
    """Whether the server can't be used. A server may answer and yet have no listing: that is no failure.

    Failures: it can't be reached, it refuses the key or wants money, or it is overloaded or broken.
    """
    return error.status in {401, 402, 403} or (error.retryable and not isinstance(error, RateLimited))


def too_slow(wanted: Wanted) -> TimedOut:
    """The error for a server that has not listed its models in time."""
    where = Where(f"{shown_server(wanted.settings.base_url).rstrip('/')}/models", table=wanted.part)
    remedy = start_it(where) if is_near(where.url) else f"Check the network and base_url{without_network(where)}"
    return TimedOut(f"no answer within {LISTING_S:g} s", place=str(where), remedy=remedy)


def judged(wanted: Wanted, listed: Sequence[Model], today: date) -> tuple[str, int]:
    """What is to be said of a listing, with the exit code."""
    if not listed:
        return "it answers, but lists no models", 0
    certain = replace(wanted, asked=tuple(asked for asked in wanted.asked if asked.known is None))
    if wrong := doubts(certain, listed):
        # A self-hosted server may accept names that it doesn't list; OpenRouter lists every name that it accepts.
        return "; ".join(wrong), ConfigError.exit_code if wanted.table == "openrouter" else 0
    ends = [text for name in wanted.models if (text := ending(name, listed, today, wanted.ends))]
    # What a model may ignore is no mistake.
    return "; ".join([f"it lists {', '.join(wanted.models)}", *doubts(wanted, listed), *ends]), 0
