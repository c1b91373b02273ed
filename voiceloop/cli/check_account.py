"""The check of what OpenRouter says of the key, and of the providers of each model. Free of charge."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import trio

from voiceloop.cli.check_servers import LISTING_S, is_failure, too_slow
from voiceloop.cli.report import Report
from voiceloop.config.tables import Retry
from voiceloop.errors import ConfigError, OutOfCredits, ServiceError, VoiceloopError
from voiceloop.net.account import parse_credits, parse_key, words
from voiceloop.net.client import Clients
from voiceloop.net.providers import speeds
from voiceloop.net.service import Request
from voiceloop.net.wanted import Wanted, lacks

KEY = "openrouter, key"


def providers_name(wanted: Wanted) -> str:
    """The name of a model's providers in the report."""
    return f"{wanted.part}, speed"


async def check_account(clients: Clients, wants: Sequence[Wanted], report: Report) -> None:
    """Ask OpenRouter for the state of the key, and who provides the models; nothing for other servers."""
    wants = [wanted for wanted in wants if wanted.table == "openrouter"]
    if not wants:
        return
    report.expect(KEY, *map(providers_name, wants))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_check_key, clients, wants[0], report)
        for wanted in wants:
            nursery.start_soon(_check_providers, clients, wanted, report)


async def _check_key(clients: Clients, wanted: Wanted, report: Report) -> None:
    try:
        with trio.fail_after(LISTING_S):
            service = clients.endpoint(_once(wanted).settings)
            key = parse_key((await service.call(Request("/key", method="GET"))).value, service.hide)
            credit = None
            # It needs a management key: another one is no fault. Nor is a server that doesn't answer this.
            with suppress(ServiceError), trio.move_on_after(LISTING_S / 2):
                credit = parse_credits((await service.call(Request("/credits", method="GET"))).value)
    except trio.TooSlowError:
        report.failed(KEY, too_slow(wanted))
    except ServiceError as error:
        _judge(KEY, error, report)
    except VoiceloopError as error:
        report.failed(KEY, error)
    else:
        report.add(KEY, words(key, credit), OutOfCredits.exit_code if key.spent else 0)


async def _check_providers(clients: Clients, wanted: Wanted, report: Report) -> None:
    what = providers_name(wanted)
    try:
        with trio.fail_after(LISTING_S):
            found = await clients.providers(_once(wanted))
    except trio.TooSlowError:
        report.failed(what, too_slow(wanted))
    except ServiceError as error:
        _judge(what, error, report)
    except VoiceloopError as error:
        report.failed(what, error)
    else:
        if wrong := lacks(wanted, found):
            report.add(what, "; ".join(wrong), ConfigError.exit_code)
            return
        measured = f"{speeds(found)} until the answer begins (median of the last 30 minutes)" if speeds(found) else ""
        unmeasured = f"{', '.join(provider.name for provider in found)}; how fast is not known" if found else ""
        report.add(what, measured or unmeasured or "none is listed", tried=bool(found))


def _judge(what: str, error: ServiceError, report: Report) -> None:
    """A gateway need not have these pages: that is no failure."""
    if is_failure(error):
        report.failed(what, error)
    else:
        report.add(what, f"not told by the server: {error.place}: {error.what}", tried=False)


def _once(wanted: Wanted) -> Wanted:
    """The same without retries: this is asked beside a user who waits."""
    return replace(wanted, settings=wanted.settings.model_copy(update={"retry": Retry(max_elapsed_s=0)}))
