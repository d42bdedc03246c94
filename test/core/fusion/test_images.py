# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import array
import functools
from types import SimpleNamespace

import numpy as np
import pytest

from spike_depth_ros.fusion.images import BAYER, ENCODINGS, pixels_from_msg
from spike_depth_ros.stream.decode import PacketError


def message(rows, encoding, step=None, /, **changes):
    """An image message of rows of bytes, padded to a step, without padding in the last row."""
    step = step or rows.shape[1]
    padded = np.full((len(rows), step), 255, np.uint8)
    padded[:, : rows.shape[1]] = rows
    data = array.array('B', padded.tobytes()[: (len(rows) - 1) * step + rows.shape[1]])
    width = rows.shape[1] // (3 if encoding in ('rgb8', 'bgr8') else 1)
    given = {'height': len(rows), 'width': width, 'encoding': encoding, 'step': step}
    return SimpleNamespace(**(given | {'data': data} | changes))


RNG = np.random.default_rng(0)
ROWS = RNG.integers(0, 255, (6, 24), np.uint8)


def test_grey_and_colours_with_padded_rows():
    for step in (None, 40):
        assert np.array_equal(pixels_from_msg(message(ROWS, 'mono8', step)), ROWS)
        colours = ROWS.reshape(6, 8, 3)
        assert np.array_equal(pixels_from_msg(message(ROWS, 'rgb8', step)), colours)
        assert np.array_equal(pixels_from_msg(message(ROWS, 'bgr8', step)), colours[..., ::-1])


@pytest.mark.parametrize('encoding', BAYER)
def test_patterns_give_the_colour_of_the_light(encoding):
    light = dict(zip('rgb', (200, 90, 30), strict=True))
    pattern = encoding.removeprefix('bayer_').removesuffix('8')
    rows = np.empty((12, 16), np.uint8)
    for place, colour in enumerate(pattern):
        rows[place // 2 :: 2, place % 2 :: 2] = light[colour]
    found = pixels_from_msg(message(rows, encoding))
    assert (found == [200, 90, 30]).all()


def test_other_messages_are_refused_in_one_line(refusals):
    rows = {
        str(changes): (
            named,
            functools.partial(pixels_from_msg, message(ROWS, 'mono8', **changes)),
        )
        for named, changes in (
            (f"'32FC1': expected one of {ENCODINGS[0]}", {'encoding': '32FC1'}),
            ('step of 23', {'step': 23}),
            ('24x0', {'height': 0}),
            ('0x6', {'width': 0}),
            ('7 rows', {'height': 7}),
            ('24x2 pixels of bayer_rggb8', {'encoding': 'bayer_rggb8', 'height': 2}),
        )
    }
    refusals('frame_messages', rows, PacketError)
