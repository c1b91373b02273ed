"""The private nursery: a single error is unwrapped from its group."""

from __future__ import annotations

import pytest
import trio

from voiceloop.nursery import private_nursery


async def fail(error: Exception) -> None:
    await trio.lowlevel.cancel_shielded_checkpoint()  # so that another task's error can't cancel this one first
    raise error


async def run(*errors: Exception) -> None:
    async with private_nursery() as nursery:
        for error in errors:
            nursery.start_soon(fail, error)
        await trio.sleep_forever()


async def test_an_error_of_the_body_is_unwrapped() -> None:
    with pytest.raises(KeyError):
        async with private_nursery():
            raise KeyError


async def test_a_tasks_error_is_unwrapped_and_ends_the_body() -> None:
    with pytest.raises(KeyError):
        await run(KeyError())


async def test_errors_of_two_tasks_stay_in_a_group() -> None:
    with pytest.RaisesGroup(KeyError, ValueError, flatten_subgroups=True):
        await run(KeyError(), ValueError())


async def test_tasks_end_with_the_body() -> None:
    async with private_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)


async def test_cancelling_from_outside_is_no_error() -> None:
    with trio.CancelScope() as scope:
        async with private_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
