# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the classes of the stream refuse: arrays and sizes of Python, and messages."""

import copy
import dataclasses
import functools

import numpy as np
import pytest

from kit import bags
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.decode import (
    PacketError,
    chunk_from_msg,
    depth_from_msg,
    grey_from_msg,
    truth_from_msg,
)
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.window import Window

PLANES = np.zeros((3, 4, 5))
PACKED = np.zeros((4, 2, 3), np.uint8)


def one_is(value, kind):
    spikes = np.zeros(PLANES.shape, kind)
    spikes[1, 2, 3] = value
    return spikes


def corrected(faulty=None, gain=1.0, dark=0.0):
    faulty = np.zeros((20, 21), bool) if faulty is None else faulty
    maps = (np.full(faulty.shape, value, np.float32) for value in (gain, dark))
    return SensorCorrection(faulty, *maps)


def corner():
    faulty = np.zeros((80, 80), bool)
    faulty[:18, :18] = True
    return faulty


ARRAYS = {
    'rows too short': ('25 pixels', packing.unpack, PACKED, 25),
    'rows too long': ('rows of 3 bytes', packing.bin_counts, PACKED, 16),
    'counts of another size': (
        '[32, 2, 24]', functools.partial(packing.bin_counts, out=np.zeros((32, 2, 25), np.uint8)),
        PACKED, 24,
    ),
    'counts of a small type': (
        '300',
        functools.partial(packing.bin_counts, bins=1, out=np.zeros((1, 2, 24), np.uint8)),
        np.zeros((300, 2, 3), np.uint8), 24,
    ),
    'bins of no planes': ('0 planes', packing.bin_edges, 0),
    'one plane alone': ('spikes [3, 4]', Window.from_planes, PLANES[:, :, 0], 20_000),
    **{
        f'rate {rate}': ('plane rate', Window.from_planes, PLANES, rate)
        for rate in (0, '20k', None, float('nan'), -1, 2e9)
    },
    **{
        f'spikes of {value}': (str(value), Window.from_planes, one_is(value, kind), 20_000)
        for value, kind in (
            (np.nan, float), (255, np.uint8), (2, np.int64), (-1, np.int8), (0.5, np.float32),
        )
    },
    'spikes of text': ('<U1', Window.from_planes, one_is('x', str), 20_000),
    'complex spikes': ('complex128', Window.from_planes, one_is(1j, complex), 20_000),
    'a chunk of longer rows': (
        '[3, 2, 2]', SpikeChunk, np.zeros((3, 2, 2), np.uint8), Geometry(2, 8), 0,
    ),
    'a chunk of int8': ('int8', SpikeChunk, np.zeros((3, 2, 1), np.int8), Geometry(2, 8), 0),
    'an empty chunk': (
        'without planes', SpikeChunk, np.zeros((0, 2, 1), np.uint8), Geometry(2, 8), 0,
    ),
    'a sensor without columns': ('0x250', Geometry, 250, 0),
    'another bit order': ("bit order 'lsb'", Geometry, 250, 400, 'lsb'),
    'a ring below its window': (
        'ring of 100', PlaneRing, Geometry(1, 32), 50_000, 128, 0, 'every', 100,
    ),
    'a window of nothing': ('window 0', PlaneRing, Geometry(1, 32), 50_000, 0, 0, 'every', 100),
    'a pixel far from good ones': ('row 0 and column 0', corrected, corner()),
    'gain 0': ('gain', corrected, None, 0.0),
    'gain nan': ('gain', corrected, None, np.nan),
    'dark below 0': ('dark', corrected, None, 1.0, -1.0),
    'dark above float16': ('dark', corrected, None, 1.0, 1e6),
    'all faulty': ('100% of the pixels', corrected, np.ones((20, 21), bool)),
    'faulty of floats': ('faulty', corrected, np.zeros((20, 21))),
}  # fmt: skip


@pytest.mark.filterwarnings('ignore:overflow encountered in cast')
def test_arrays_and_sizes_that_do_not_fit_are_refused(refusals):
    rows = {
        name: (named, functools.partial(call, *given))
        for name, (named, call, *given) in ARRAYS.items()
    }
    refusals('spike_arrays', rows, ValueError)


READERS = {
    'planes': (
        functools.partial(chunk_from_msg, height=5, width=13),
        bags.packet(0, np.zeros((4, 5, 13), np.uint8)),
    ),
    'a plane': (
        functools.partial(chunk_from_msg, height=5, width=13),
        bags.image(0, np.zeros((5, 13), np.uint8), 'mono8'),
    ),
    'depth': (depth_from_msg, bags.image(0, np.ones((2, 3), np.float32), '32FC1')),
    'truth': (truth_from_msg, bags.image(0, np.ones((2, 3), np.uint16), '16UC1')),
    'a picture': (grey_from_msg, bags.image(0, np.ones((2, 3), np.uint8), 'mono8')),
}
"""Readers of images, and a message that each takes."""

KEPT = ('header', 'is_bigendian')


def test_images_with_a_field_that_does_not_fit_are_refused(refusals):
    rows = {}
    for kind, (read, good) in READERS.items():
        read(good)
        for field in {one.name for one in dataclasses.fields(good)} - {*KEPT, '__msgtype__'}:
            value = getattr(good, field)
            if field == 'encoding':
                wrong = {'rgb8': 'rgb8', 'too long': 'x' * 10**6 + '\n'}
            elif field == 'data':
                wrong = {'cut short': value[:-1]}
            else:
                wrong = {number: number for number in (0, value + 3)}
            for what, value in wrong.items():
                message = copy.copy(good)
                setattr(message, field, value)
                rows[f'{kind}, {field} {what}'] = field, functools.partial(read, message)
    shortened = {r'x{99,600} \.\.\. x{9,600}': 'x ... x'}
    refusals('image_messages', dict(sorted(rows.items())), PacketError, shortened)
