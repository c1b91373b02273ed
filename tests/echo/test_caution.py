"""How the loop becomes careful where it hears itself, and trusts the room again."""

from __future__ import annotations

import pytest

from voiceloop.echo.caution import Caution, Level


def after(history: str, *, every_s: float = 10.0) -> list[Level]:
    """The levels after each event: `o` it heard itself, `.` a reply went well."""
    caution, levels = Caution(), []
    for number, event in enumerate(history):
        before = caution.level
        changed = caution.heard_itself(number * every_s) if event == "o" else caution.replied()
        assert changed == (caution.level is not before)
        levels.append(caution.level)
    return levels


N, S, H = Level.NORMAL, Level.STRICT, Level.HALF_DUPLEX


@pytest.mark.parametrize(
    ("history", "levels"),
    [
        ("o.", [N, N]),
        ("oo", [N, S]),
        ("o.o", [N, N, S]),
        ("ooo", [N, S, H]),
        ("oo..o", [N, S, S, S, H]),
        ("oo...", [N, S, S, S, N]),
        ("oo...oo", [N, S, S, S, N, S, H]),
        ("ooo...", [N, S, H, H, H, S]),
        ("ooo........o", [N, S, H, H, H, S, S, S, S, S, S, H]),
        ("ooo.........", [N, S, H, H, H, S, S, S, S, S, S, N]),
    ],
)
def test_it_becomes_stricter_step_by_step_and_goes_back_after_replies_that_went_well(
    history: str, levels: list[Level]
) -> None:
    assert after(history) == levels


def test_its_own_voice_now_and_then_changes_nothing() -> None:
    assert set(after("o" * 20, every_s=61.0)) == {N}


def test_in_a_room_that_nothing_can_follow_it_stays_half_duplex_ever_longer() -> None:
    """Its own voice disturbs each reply that is played with the microphone open."""
    caution, disturbed = Caution(), 0
    for number in range(300):
        if caution.level is H:
            caution.replied()
        else:
            caution.heard_itself(number * 10.0)
            disturbed += 1
    assert disturbed < 12
