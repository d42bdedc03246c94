# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import itertools

import numpy as np
import pytest

from spike_depth_ros.nodes.parts.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    camera_info_from_yaml,
)

# As camera_calibration writes it.
CALIBRATION = """
image_width: 400
image_height: 250
camera_name: spike
camera_matrix:
  rows: 3
  cols: 3
  data: [410.5, 0.0, 199.0, 0.0, 411.5, 124.0, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.0, 0.0, 0.01]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
projection_matrix:
  rows: 3
  cols: 4
  data: [400.0, 0.0, 198.0, 0.0, 0.0, 401.0, 123.0, 0.0, 0.0, 0.0, 1.0, 0.0]
"""


def test_the_standard_yaml_is_read(tmp_path):
    path = tmp_path / 'camera.yaml'
    path.write_text(CALIBRATION)
    info = camera_info_from_yaml(path, 400, 250)
    assert (info.width, info.height, info.distortion_model) == (400, 250, 'plumb_bob')
    assert (info.k[0], info.k[5], info.p[0], info.r[4]) == (410.5, 124.0, 400.0, 1.0)
    assert list(info.d) == [0.1, -0.2, 0.0, 0.0, 0.01]


@pytest.mark.parametrize('value', ['', ' {}', '\n  data:', '\n  data: []'])
def test_empty_distortion_coefficients_are_none(tmp_path, value):
    path = tmp_path / 'camera.yaml'
    start = CALIBRATION.index('distortion_coefficients:')
    path.write_text(CALIBRATION[:start] + f'distortion_coefficients:{value}\n')
    assert list(camera_info_from_yaml(path, 400, 250).d) == []


def test_a_camera_matrix_of_zeros_is_not_calibrated(tmp_path):
    path = tmp_path / 'camera.yaml'
    matrix = '[410.5, 0.0, 199.0, 0.0, 411.5, 124.0, 0.0, 0.0, 1.0]'
    path.write_text(CALIBRATION.replace(matrix, str([0.0] * 9)))
    assert not any(camera_info_from_yaml(path, 400, 250).k)


REPEATED = (
    'a: &a [x, x, x, x, x, x, x, x, x]\n'
    + ''.join(
        f'{new}: &{new} [{", ".join(["*" + old] * 9)}]\n'
        for old, new in itertools.pairwise('abcdefghij')
    )
    + 'image_width: *j\n'
)
"""Half a kilobyte that stands for 9**10 values."""

WRONG = {
    'no file': ('camera.yaml', None),
    'text': ('YAML', 'just text'),
    'damaged': ('YAML', ': ['),
    'sizes alone': ('camera_matrix', 'image_width: 400\nimage_height: 250\n'),
    'eight numbers': ('camera_matrix', CALIBRATION.replace(', 0.0, 1.0]', ', 1.0]', 1)),
    'of another size': ('640x250', CALIBRATION.replace('400\n', '640\n', 1)),
    'a width of letters': ('abc', CALIBRATION.replace('400\n', 'abc\n', 1)),
    'a width below zero': ('-400x250', CALIBRATION.replace('400\n', '-400\n', 1)),
    'a width without end': ('image_width', CALIBRATION.replace('400\n', '.inf\n', 1)),
    'a width with a fraction': ('image_width', CALIBRATION.replace('400\n', '400.9\n', 1)),
    'a focal length of letters': ('abc', CALIBRATION.replace('410.5', 'abc', 1)),
    'a focal length that is no number': ('camera_matrix', CALIBRATION.replace('410.5', '.nan', 1)),
    'a focal length below zero': ('camera_matrix', CALIBRATION.replace('410.5', '-400')),
    'a focal length of zero': ('camera_matrix', CALIBRATION.replace('411.5', '0')),
    'that of P below zero': ('projection_matrix', CALIBRATION.replace('401.0', '-1')),
    'that of K of a long text': ('xxx', CALIBRATION.replace('410.5', 'x' * 5000)),
    'a number for a list': (
        'camera.yaml', CALIBRATION.replace('[0.1, -0.2, 0.0, 0.0, 0.01]', '3'),
    ),
    'nan of a lens': ('distortion_coefficients', CALIBRATION.replace('-0.2', '.nan')),
    'inf of a lens': ('distortion_coefficients', CALIBRATION.replace('-0.2', '.inf')),
    'deeply nested': ('32 levels', '[' * 20_000),
    'repeated without end': ('100000 values', REPEATED),
    'large': ('1 MiB', CALIBRATION + '# ' + 'x' * 2_000_000),
    'binning': ('binning', CALIBRATION + 'binning_x: 2\nbinning_y: 2\n'),
    'a region': ('roi', CALIBRATION + 'roi: {x_offset: 8, y_offset: 0}\n'),
    'binning of letters': ('camera.yaml', CALIBRATION + 'binning_x: two\n'),
    'bytes': ('YAML', b'image_width: \xff'),
    'another type': ('type', CALIBRATION.replace('plumb_bob', '!!bool x')),
    'within itself': ('repeats', CALIBRATION.replace('spike', '&a [*a]')),
}  # fmt: skip


def test_a_bad_calibration_is_refused(refusals, tmp_path):
    def read(content):
        path = tmp_path / 'camera.yaml'
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        camera_info_from_yaml(path, 400, 250)

    rows = {
        name: (named, functools.partial(read, content)) for name, (named, content) in WRONG.items()
    }
    of_others = {r'(camera_matrix\.data): .*': r'\1: <why, of a library>'}
    refusals('calibration_file', rows, CalibrationError, of_others)


def test_a_matrix_becomes_a_camera_without_distortion():
    matrix = np.array([[300.0, 0, 200], [0, 301, 125], [0, 0, 1]])
    info = camera_info_from_matrix(matrix, 400, 250)
    assert (info.k[0], info.p[5], info.p[6]) == (300.0, 301.0, 125.0)
    assert not any(camera_info_from_matrix(None, 400, 250).k)
