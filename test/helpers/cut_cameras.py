# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras whose pictures are cut out of a larger sensor, and how ``image_geometry`` reads them."""

import dataclasses

import bags
import lenses
import numpy as np

SIZE = bags.WIDTH, bags.HEIGHT  # of the pictures


def camera_info(binning=(0, 0), region=(0, 0, 0, 0), size=SIZE, fx=(120.0, 126.0), **fields):
    """A CameraInfo of the full sensor.

    Args:
        binning: Pixels that become one, across and down.
        region: x, y, width, height.
        size: Columns and rows of the full sensor.
        fx: Focal lengths of the full sensor, pixels.
        fields: Further ones.
    """
    message = bags.camera(width=size[0], height=size[1])
    message.k[[0, 4]] = message.p[[0, 5]] = fx
    message.p[[2, 6]] = message.k[[2, 5]]
    message.binning_x, message.binning_y = binning
    x, y, width, height = region
    message.roi = dataclasses.replace(
        message.roi, x_offset=x, y_offset=y, width=width, height=height
    )
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def read(message):
    """K and P of pictures, as ``image_geometry.PinholeCameraModel.fromCameraInfo`` has them."""
    k, p = (np.array(one, float).reshape(3, -1) for one in (message.k, message.p))
    for matrix in (k, p):
        matrix[:2, 2] -= message.roi.x_offset, message.roi.y_offset
        matrix[0] /= max(1, message.binning_x)
        matrix[1] /= max(1, message.binning_y)
    return k, p


def bag(path, message, stamp_ns=bags.START, planes=400, **options):
    """A bag of bars, whose camera is a message."""
    messages = [one for one in bags.stream(planes, **options) if one[0] != '/camera_info']
    return bags.write(path, [('/camera_info', stamp_ns, message), *messages])


BINNED = {'binning': (3, 3), 'size': (3 * SIZE[0], 3 * SIZE[1])}
CUT = {
    'binning': BINNED,
    'binning of rows': {'binning': (1, 2), 'size': (SIZE[0], 2 * SIZE[1])},
    'region': {'region': (320, 100, *SIZE), 'size': (800, 500), 'fx': (50.0, 51.0)},
    'both': {'region': (32, 20, 2 * SIZE[0], 2 * SIZE[1]), 'binning': (2, 2), 'size': (200, 120)},
    'ones': {'binning': (1, 1), 'region': (0, 0, *SIZE)},
}
"""Messages whose pictures have the size of the bars, by name."""

DOES_NOT_FIT = {
    'binning of the pictures': ({'binning': (3, 3)}, 'binning 3x3 of 48x32 pixels'),
    'region of the pictures': (
        {'region': (320, 0, *SIZE)}, 'region 48x32 at (320, 0) of 48x32 pixels; expected a part',
    ),
    'corner alone': (
        {'region': (16, 8, 0, 0)}, 'region 0x0 at (16, 8) of 48x32 pixels; expected a part',
    ),
    'all in one': ({'binning': (200, 1)}, 'binning 200x1 of 48x32 pixels; expected a part'),
}  # fmt: skip
"""Messages whose pictures have another size, and what is said of them."""

PRISM = (0.3, 0.05, 0.001, 0.0005, 0.0, 0.55, 0.1, 0.01, 0.004, -0.002, 0.003, 0.001)
LENSES = {
    '8': lenses.lens('rational_polynomial', PRISM[:8]),
    '12': lenses.lens('rational_polynomial', PRISM),
    '14': lenses.lens('rational_polynomial', (*PRISM, 0.0, 0.0)),
    'zeros behind': lenses.lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.01, *(0.0,) * 9)),
    'three zeros behind': lenses.lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.01, 0, 0, 0)),
    'seven behind': lenses.lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.01, *(0.0,) * 7)),
}
"""Lenses of other numbers of coefficients."""
