# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros.nodes.calibration import (
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


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no such file; expected a calibration'),
        ('just text', 'not a camera calibration; expected YAML'),
        (': [', 'not a camera calibration; expected YAML'),
        ('image_width: 400\nimage_height: 250\n', 'camera_matrix'),
        (CALIBRATION.replace(', 0.0, 1.0]', ', 1.0]', 1), 'camera_matrix has 8 numbers'),
        (
            CALIBRATION.replace('400\n', '640\n', 1),
            'calibrated for 640x250; expected 400x250, the size of the stream',
        ),
        (CALIBRATION.replace('400\n', 'abc\n', 1), 'not a camera calibration; .*abc'),
        (CALIBRATION.replace('400\n', '-400\n', 1), 'calibrated for -400x250'),
        (CALIBRATION.replace('400\n', '.inf\n', 1), 'image_width is inf; expected a whole number'),
        (CALIBRATION.replace('410.5', 'abc', 1), 'not a camera calibration; .*abc'),
        (CALIBRATION.replace('410.5', '.nan', 1), 'camera_matrix has 9 numbers, expected 9 fin'),
        (CALIBRATION.replace('[0.1, -0.2, 0.0, 0.0, 0.01]', '3'), 'not a camera calibration'),
        (CALIBRATION.replace('400\n', '400.9\n', 1), 'image_width is 400.9; expected a whole num'),
        (CALIBRATION.replace('410.5', '-400'), 'camera_matrix has focal lengths -400 and 411.5'),
        (CALIBRATION.replace('411.5', '0'), 'camera_matrix has focal lengths 410.5 and 0; expec'),
        (CALIBRATION.replace('401.0', '-1'), 'projection_matrix has focal lengths 400 and -1'),
        (CALIBRATION.replace('-0.2', '.nan'), 'distortion_coefficients are .* expected finite'),
        (CALIBRATION.replace('-0.2', '.inf'), 'distortion_coefficients are .* expected finite'),
        ('[' * 20_000, 'nested more than 32 levels deep'),
        (
            'a: &a [x, x, x, x, x, x, x, x, x]\n'
            + ''.join(
                f'{new}: &{new} [{", ".join(["*" + old] * 9)}]\n'
                for old, new in zip('abcdefghi', 'bcdefghij', strict=True)
            )
            + 'image_width: *j\n',
            'more than 100000 values',
        ),
        (CALIBRATION + '# ' + 'x' * 2_000_000, 'larger than 1 MiB'),
        (CALIBRATION + 'binning_x: 2\nbinning_y: 2\n', 'has a binning or a roi; expected a'),
        (CALIBRATION + 'roi: {x_offset: 8, y_offset: 0}\n', 'has a binning or a roi; expected a'),
        (CALIBRATION + 'binning_x: two\n', 'not a camera calibration'),
        (b'image_width: \xff', 'not a camera calibration; expected YAML'),
        (CALIBRATION.replace('410.5', 'x' * 5000), 'could not convert string to float: .xxx'),
        (CALIBRATION.replace('plumb_bob', '!!bool x'), 'a value is not of its type'),
        (CALIBRATION.replace('spike', '&a [*a]'), 'is within the value that it repeats'),
    ],
)
def test_a_bad_calibration_gets_one_line(tmp_path, content, message):
    path = tmp_path / 'camera.yaml'
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CalibrationError, match=message) as caught:
        camera_info_from_yaml(path, 400, 250)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_matrix_becomes_a_camera_without_distortion():
    matrix = np.array([[300.0, 0, 200], [0, 301, 125], [0, 0, 1]])
    info = camera_info_from_matrix(matrix, 400, 250)
    assert (info.k[0], info.p[5], info.p[6]) == (300.0, 301.0, 125.0)
    assert not any(camera_info_from_matrix(None, 400, 250).k)
