# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras: wide lenses by the formulas of their models, and pictures cut out of a sensor."""

import dataclasses

import numpy as np
import yaml

from kit import bags
from spike_depth_ros.geometry.calibration import Calibration

WIDTH, HEIGHT = 400, 250


def matrix(fx, cx=(WIDTH - 1) / 2, cy=(HEIGHT - 1) / 2):
    return (fx, 0.0, cx, 0.0, fx, cy, 0.0, 0.0, 1.0)


def projection(fx, cx=(WIDTH - 1) / 2, cy=(HEIGHT - 1) / 2):
    return (fx, 0.0, cx, 0.0, 0.0, fx, cy, 0.0, 0.0, 0.0, 1.0, 0.0)


def lens(model, d, fx=300.0, target=270.0, width=WIDTH, height=HEIGHT, **changes):
    """Calibration of a lens; ``target`` is the focal length of the rectified picture."""
    centre = {'cx': (width - 1) / 2, 'cy': (height - 1) / 2}
    fields = {
        'distortion_model': model, 'd': d, 'k': matrix(fx, **centre),
        'p': projection(target, **centre), **changes,
    }  # fmt: skip
    return Calibration(width, height, **fields)


def turned(camera, yaw):
    """A camera whose rectification turns it about the vertical axis."""
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    return dataclasses.replace(camera, r=(c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c))


def write_calibration(path, camera):
    """Write the file of a calibration as camera_calibration does."""
    content = {
        'image_width': camera.width,
        'image_height': camera.height,
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': list(camera.k)},
        'distortion_model': camera.distortion_model,
        'distortion_coefficients': {'rows': 1, 'cols': len(camera.d), 'data': list(camera.d)},
        'rectification_matrix': {'rows': 3, 'cols': 3, 'data': list(camera.r)},
        'projection_matrix': {'rows': 3, 'cols': 4, 'data': list(camera.p)},
    }
    path.write_text(yaml.safe_dump(content))


PLUMB_BOB = lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.0))
RATIONAL = lens('rational_polynomial', (0.3, 0.05, 0.001, 0.0005, 0.0, 0.55, 0.1, 0.01))
FISHEYE = lens('equidistant', (0.03, -0.02, 0.005, 0.0), fx=260.0, target=180.0)
ALL = {'plumb_bob': PLUMB_BOB, 'rational_polynomial': RATIONAL, 'equidistant': FISHEYE}


def project(calibration, rays):
    """Project rays ``[..., 3]`` in front of a camera to pixels of its sensor, ``[..., 2]``."""
    x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    r2 = x**2 + y**2
    d = np.zeros(8)
    d[: len(calibration.d)] = calibration.d
    if calibration.distortion_model in ('equidistant', 'fisheye'):
        r = np.sqrt(r2)
        angle = np.arctan(r)
        powers = sum(c * angle ** (2 * n) for n, c in enumerate((1, *d[:4])))
        factor = np.divide(angle * powers, r, out=np.ones_like(r), where=r > 0)
        x, y = x * factor, y * factor
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = d
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
            y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
        )
    fx, _, cx, _, fy, cy = calibration.k[:6]
    return np.stack([fx * x + cx, fy * y + cy], axis=-1)


def rays_of(k, rows, columns):
    """Rays of the pixels of a pinhole camera, ``[rows, columns, 3]``."""
    v, u = np.indices((rows, columns), np.float64)
    return np.stack([(u - k[2]) / k[0], (v - k[5]) / k[4], np.ones_like(u)], axis=-1)


def unproject(calibration):
    """Rays of the pixels of a distorted sensor, ``[height, width, 3]``, by Newton's method."""
    v, u = np.indices((calibration.height, calibration.width), np.float64)
    wanted = np.stack([u, v], axis=-1)
    rays = rays_of(calibration.k, calibration.height, calibration.width)
    step = 1e-6
    for _ in range(30):
        error = project(calibration, rays) - wanted
        if np.abs(error).max() < 1e-9:
            break
        jacobian = np.stack(
            [
                (project(calibration, rays + move) - project(calibration, rays - move))
                / (2 * step)
                for move in (np.array([step, 0, 0]), np.array([0, step, 0]))
            ],
            axis=-1,
        )
        rays[..., :2] -= np.linalg.solve(jacobian, error[..., None])[..., 0]
    assert np.abs(project(calibration, rays) - wanted).max() < 1e-3
    return rays


def message(calibration, make):
    """A CameraInfo of a calibration, by a function that takes its fields."""
    names = ('width', 'height', 'distortion_model', 'd', 'k', 'r', 'p')
    return make(**{name: getattr(calibration, name) for name in names})


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
    '8': lens('rational_polynomial', PRISM[:8]),
    '12': lens('rational_polynomial', PRISM),
    '14': lens('rational_polynomial', (*PRISM, 0.0, 0.0)),
    'zeros behind': lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.01, *(0.0,) * 9)),
    'three zeros behind': lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.01, 0, 0, 0)),
    'seven behind': lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.01, *(0.0,) * 7)),
}
"""Lenses of other numbers of coefficients."""
