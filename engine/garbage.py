"""When Python looks for cycles of garbage: seldom, and not among what stays.

A collection stops everything, about a microsecond for each young object: with a thousand accounts
one of 700 allocations took up to 15 ms, several times a second. Almost all of ours is freed by
its reference count, so nothing is gained by looking that often.
"""

import gc

YOUNG_OBJECTS = 200_000
"""More containers made than freed since the last collection, before there is another."""
OLDER_TURNS = (20, 100)


def collect_seldom() -> None:
    """To be called once everything that stays is there: no collection looks at that again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *OLDER_TURNS)
