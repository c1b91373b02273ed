"""Random conversations by number: the same number gives the same conversation."""

from __future__ import annotations

from random import Random

from testbed.conversations.scene import Act, Behaviour


def conversation(number: int) -> tuple[list[Act], Behaviour]:
    """What the user does, and how the parts behave."""
    random = Random(number)
    return [_act(random) for _ in range(random.randrange(25))], _behaviour(random)


def _act(random: Random) -> Act:
    match random.randrange(7):
        case 0:
            return Act(random.choice(["word", "word", "mhm", "noise"]), random.randint(1, 60))
        case 1:
            return Act(random.choice(["word", "mhm"]), random.randint(7, 20))  # too short for a barge-in
        case 2:
            return Act("quiet", random.randint(1, 120))
        case 3:
            return Act("quiet", random.randint(30, 60))  # about as long as the hangover
        case 4:
            return Act(random.choice(["quiet", "hint"]), random.randint(1, 25))
        case 5:
            return Act("echo", random.randint(5, 60))
        case _:
            return Act(random.choice(["gap", "stall", "stop"]), random.randint(1, 60))


def _behaviour(random: Random) -> Behaviour:
    return Behaviour(
        seed=random.randrange(1_000_000),
        turns=random.choice(["replace", "replace", "in_order", "exclusive"]),
        generation=random.choice(["on", "on", "off", "resting"]),
        clips=random.choice([True, True, False]),
        preemptive=random.random() < 0.5,
        half_duplex=random.choice([False, False, True]),
        fails=random.choice([1000, 6, 2]),
        longest_s=random.choice([30.0, 30.0, 1.0, 2.0]),
        waiting=random.choice([100, 2]),
        acoustic=random.random() < 0.5,  # the last one, so that all before are what they were
    )
