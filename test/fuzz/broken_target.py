# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A target of fuzzing that breaks the contract in every way."""

import os
import time

from judging import Target


def make(random):
    return random.choice(list(WAYS))


def spin():
    while True:
        pass


def fail(text):
    raise ValueError(text)


WAYS = {
    'works': lambda: None,
    'refused': lambda: fail('expected 1, found 2'),
    'other kind': lambda: {}['key'],
    'two lines': lambda: fail('one\ntwo'),
    'too long': lambda: fail('x' * 5000),
    'unprintable': lambda: fail('\x1b[2J'),
    'empty': lambda: fail(''),
    'memory': lambda: bytearray(1 << 30),
    'exit': lambda: os._exit(3),
    'abort': os.abort,
    'hang': spin,
    'sleep': lambda: time.sleep(600),
}
EXPECTED = {'works': '.', 'refused': 'r', 'exit': 'C', 'abort': 'C', 'hang': 'C', 'sleep': 'C'}
"""What becomes of a case; of the others it fails."""


def use(case, folder):
    WAYS[case]()


TARGET = Target(make, use, (ValueError,))
