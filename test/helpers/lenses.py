# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wide lenses for tests, by the formulas of their models and without OpenCV."""

import numpy as np
import yaml

from spike_depth_ros.calibration import Calibration

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
