# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of valid inputs: bytes, texts, and trees of plain values."""

import copy
import struct
from random import Random
from typing import Any

INTEGERS = tuple(
    value
    for bits in (7, 8, 15, 16, 31, 32, 63, 64)
    for value in (2**bits - 1, 2**bits, -(2**bits))
) + (0, 1, 2, -1, 10**9, 10**18, 10**30, 10**400)
FLOATS = (0.0, -0.0, 1e-320, 1e-12, 0.5, 1.5, -1.0, 1e12, 1e38, 1.7e308, float('inf'),
          float('-inf'), float('nan'))  # fmt: skip
TEXTS = (
    '', ' ', '.', '..', '/', '/dev/null', '/dev/zero', '../../../etc/passwd', 'a\nb', 'a\r\nb',
    '\x1b[2J', '\x00', 'null', 'nan', 'true', '1e400', '0x7fffffff', 'é' * 50, '\ud800', '💥',
    '%s%n{}{0}', "'; DROP TABLE messages; --", 'x' * 5000, '8UC1', 'mono8', '32FC1', '16UC1',
    'previous', 'imagenet', 'first', 'cuda', 'torch', '-1', '=', '--', '~', '!!python/none',
)  # fmt: skip
WORDS = (
    b'\x00' * 4, b'\xff' * 4, b'\x28\xb5\x2f\xfd', b'\x89MCAP0\r\n', b'PK\x03\x04', b'\x93NUMPY',
    b'[[[[[[[[', b'{{{{', b'&a *a', b'!!', b'- ' * 40, b': ', b'\r\n', b'#', b'<<: ', b'\t', b'"',
)  # fmt: skip


def corrupt(random: Random, data: bytes) -> bytes:
    """Change one to four places of some bytes."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _change(random, changed)
    return bytes(changed)


def _change(random: Random, data: bytearray) -> None:
    if not data:
        data += random.randbytes(random.randint(1, 64))
        return
    place = random.randrange(len(data))
    length = min(len(data) - place, random.choice((1, 2, 4, 8, 64, 512)))
    kind = random.randrange(9)
    if kind == 0:
        data[place] ^= 1 << random.randrange(8)
    elif kind == 1:
        data[place] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    elif kind == 2:
        data[place : place + length] = random.randbytes(length)
    elif kind == 3:
        del data[place:]
    elif kind == 4:
        del data[place : place + length]
    elif kind == 5:
        data[place:place] = data[place : place + length] * random.choice((1, 2, 50))
    elif kind == 6:
        data[place:place] = random.choice(WORDS)
    else:
        packed = _packed(random)
        data[place : place + len(packed)] = packed


def _packed(random: Random) -> bytes:
    """A number of an extreme size, as a field of a binary file."""
    size, kind = random.choice(((2, 'H'), (4, 'I'), (8, 'Q')))
    value = random.choice(INTEGERS) % (1 << 8 * size)
    return struct.pack(random.choice('<>') + kind, value)


def value(random: Random) -> Any:
    """A plain value that is seldom expected."""
    kind = random.randrange(8)
    if kind == 0:
        return None
    if kind == 1:
        return random.choice((True, False))
    if kind == 2:
        return random.choice(INTEGERS)
    if kind == 3:
        return random.choice(FLOATS)
    if kind == 4:
        return random.choice(TEXTS)
    if kind == 5:
        return [value(random) for _ in range(random.randrange(4))]
    if kind == 6:
        return {str(value(random)): value(random) for _ in range(random.randrange(3))}
    return near(random, random.choice((1, 16, 128, 0.5, 400.0)))


def near(random: Random, number: float) -> float:
    """A number near another one: neighbours, multiples and other signs of it."""
    change = random.choice((-1, 1, 0.5, -0.25))
    if abs(number) > 1e300:  # whole numbers may be too large for a float
        return -number
    return random.choice((number + change, -number, number * 2, number * 1000, number / 3))


def mutate_tree(random: Random, tree: Any, changes: int = 0) -> Any:
    """Change a few values of a tree of dicts and lists; a copy.

    Args:
        random: The source of randomness.
        tree: Of plain values.
        changes: How many; 0: one to three.
    """
    tree = {'root': copy.deepcopy(tree)}
    for _ in range(changes or random.choice((1, 1, 2, 3))):
        parent, key = random.choice([*_places(tree)])
        old = parent[key]
        kind = random.randrange(8)
        if kind == 0 and parent is not tree:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict) and parent is not tree:
            parent[random.choice((*TEXTS, f'{key}s'))] = parent.pop(key)
        elif kind == 2 and isinstance(old, list):
            parent[key] = old * random.choice((0, 2, 30))
        elif kind == 3 and isinstance(old, (int, float)) and not isinstance(old, bool):
            parent[key] = near(random, old)
        elif kind == 4 and isinstance(old, str):
            parent[key] = text(random, old)
        elif kind == 5:
            parent[key] = [old]
        else:
            parent[key] = value(random)
    return tree['root']


def _places(tree: Any) -> Any:
    """All (parent, key) of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in list(items):
        yield tree, key
        if isinstance(child, (dict, list)):
            yield from _places(child)


def text(random: Random, old: str) -> str:
    """Another text, as UTF-8 with lone surrogates replaced."""
    if random.random() < 0.5:
        return random.choice(TEXTS)
    return corrupt(random, old.encode(errors='replace')).decode(errors='replace')
