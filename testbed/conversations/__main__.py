"""Plays random conversations on all processors, and says which rows of the arbiter's table they reached.

    python -m testbed.conversations [--first 0] [--count 2000]

Prints the numbers of those in which something went wrong, and exits with 1 if there are any.
"""

from __future__ import annotations

import argparse
import sys
import time

from testbed.conversations.many import play_many
from voiceloop.turns.arbiter import INDEPENDENT, REPLACING


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="the number of the first conversation")
    parser.add_argument("--count", type=int, default=2000, help="how many")
    options = parser.parse_args()
    began = time.monotonic()
    played = play_many(range(options.first, options.first + options.count))
    for number, error in sorted(played.wrong.items()):
        print(f"{number}: {error}")
    rows = {(state, event) for table in (REPLACING, INDEPENDENT) for state, row in table.items() for event in row}
    unreached = sorted(f"{state.name} + {event.name}" for state, event in rows - played.steps)
    print(f"{options.count} conversations in {time.monotonic() - began:.0f} s: {len(played.wrong)} wrong")
    print(f"{len(rows & played.steps)} of {len(rows)} rows of the table reached; not: {', '.join(unreached) or 'none'}")
    return 1 if played.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
