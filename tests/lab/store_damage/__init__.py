"""Random damage to a store directory, in place. Every operator tells what it did, or nothing if it does not apply."""

import struct

from store_damage import beside, log, names, queues, told
from store_damage.store import Store

KINDS = (log, queues, beside, told, names)
OPERATORS = [operator for kind in KINDS for operator in kind.OPERATORS]
# Most of these only make the start refused.
RARE = [operator for kind in KINDS for operator in kind.RARE]


def damage(root, mode, random):
    """Applies up to four operators; returns what they did, and keys of the broker's properties."""
    keys, done = {}, []
    for _ in range(random.choice([0, 1, 1, 1, 2, 2, 3, 4])):
        operator = random.choice(RARE if random.random() < 0.1 else OPERATORS)
        try:
            what = operator(Store(root, mode), random, keys)
        except (OSError, ValueError, IndexError, struct.error):
            # One before it took away what this one is about.
            continue
        if what:
            done.append(f"{operator.__name__}: {what}")
    return done, keys
