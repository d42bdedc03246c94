# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times in the names of frames, as cameras, drivers and data sets write them."""

import datetime

import numpy as np
import pytest

from kit.pictures import depth_png, picture
from spike_training.datasets import readers

TIMES = [0.0, 0.033, 0.067, 0.1, 0.4, 0.433, 0.467, 0.5]
MINUTE = datetime.datetime(2023, 5, 1, 12, 30, 59, 700_000)


def moments(form):
    """Names by a date; half a second, over the end of a minute."""
    return [(MINUTE + datetime.timedelta(seconds=time)).strftime(form) for time in TIMES]


def counted(form, numbers=range(1, 20)):
    return [form.format(number) for number in numbers]


def of_clock(start, unit, form='{}'):
    return [form.format(start + round(time * unit)) for time in TIMES]


def clip_of(root, names, options='', depth=True):
    for name in names:
        picture(root / f'images/{name}.png')
        if depth:
            depth_png(root / f'depth/{name}.png', 1000)
    (clip,) = readers.read('folder', f'{root},fx=33{"" if depth else ",depth=none"}{options}')
    return clip


@pytest.mark.parametrize(
    'names',
    [
        [f'{1305031102 + time:.6f}' for time in TIMES],
        [f'{1305031102 + time:.6f}'.replace('.', '_') for time in TIMES],
        [repr(1305031102 + time) for time in TIMES],
        [f'1305031102-{round(time * 1e9):09d}' for time in TIMES],
        [f'frame{k:06d}-{1305031102 + time:.3f}' for k, time in enumerate(TIMES)],
        [f'cam0.{1305031102 + time:.6f}_rect' for time in TIMES],
        of_clock(1403636579763555584, 10**9),
        of_clock(1403636579763555, 10**6, 'left_{}'),
        of_clock(1403636579763, 10**3),
        of_clock(123456789012, 10**9),  # since the start of the machine
        [f'{time:.6f}' for time in TIMES],
        [f'{time}' for time in TIMES],
        moments('%Y-%m-%d_%H-%M-%S.%f'),
        moments('%Y-%m-%dT%H:%M:%S.%f'),
        moments('IMG_%Y%m%d_%H%M%S%f'),
        moments('2018-10-31-06-55-01_%Y-%m-%d-%H-%M-%S-%f'),
    ],
    ids=lambda names: names[1],
)
def test_times_are_those_of_the_names(tmp_path, names):
    clip = clip_of(tmp_path, names)
    np.testing.assert_allclose(clip.times_s - clip.times_s[0], TIMES, atol=1e-6)
    assert len(clip.labelled) == 8


def test_a_clock_stays_the_own_one(tmp_path):
    clip = clip_of(tmp_path, of_clock(1403636579763555584, 10**9), depth=False)
    assert clip.times_s[0] == 1403636579.7635555
    clip = clip_of(tmp_path / 'date', moments('%Y%m%d_%H%M%S%f'), depth=False)
    assert clip.times_s[0] == MINUTE.replace(tzinfo=datetime.timezone.utc).timestamp()


def test_fractions_are_no_whole_numbers(tmp_path):
    """.5 is after .433, and a half."""
    clip = clip_of(tmp_path, ['7.5', '7.25', '7.875', '8.0', '8.375'])
    np.testing.assert_array_equal(clip.times_s, [7.25, 7.5, 7.875, 8, 8.375])


@pytest.mark.parametrize(
    ('names', 'numbers'),
    [
        (counted('frame_{:04d}'), range(1, 20)),
        (counted('{:010d}', (0, 1, 2, 5, 6)), (0, 1, 2, 5, 6)),
        (counted('841512070123_color_{:04d}'), range(1, 20)),
        (counted('2023-05-01_12-30-05_{:04d}'), range(1, 20)),
        (counted('20230501_{:06d}', range(1, 100)), range(1, 100)),
        (counted('aachen_{:06d}_000019_rgb'), range(1, 20)),
        ([f'frame_{k}_{40 * k}' for k in range(5)], range(5)),
        (['cam1_9', 'cam1_10', 'cam1_12'], (9, 10, 12)),
        (['run1_8', 'run1_9', 'run2_3'], (18, 19, 23)),
        (['m\u00b2_1', 'm\u00b2_2', 'm\u00b2_4'], (1, 2, 4)),
        (['left', 'middle', 'right'], (0, 1, 2)),
    ],
    ids=lambda names: names[0] if isinstance(names, list) else '',
)
def test_counters_stay_numbers_of_frames(tmp_path, names, numbers):
    clip = clip_of(tmp_path, names, ',frame_hz=10', depth=False)
    np.testing.assert_allclose(clip.times_s, np.array([*numbers]) / 10)


@pytest.mark.parametrize(
    ('names', 'option', 'seconds'),
    [
        (counted('1.{:04d}', (1, 2, 4)), 's', [1.0001, 1.0002, 1.0004]),
        (counted('1.{:04d}', (1, 2, 4)), 'frames', [1 / 30, 2 / 30, 4 / 30]),
        (['123456789012', '123456822345'], 'us', [123456.789012, 123456.822345]),
        (['123456789012', '123456822345'], 'ms', [123456789.012, 123456822.345]),
        (['20230501_000001', '20230501_000003'], 'date', [1682899201, 1682899203]),
        (['20230501_000001', '20230501_000003'], 'frames', [1 / 30, 3 / 30]),
    ],
)
def test_the_option_decides(tmp_path, names, option, seconds):
    clip = clip_of(tmp_path, names, f',times={option}', depth=False)
    np.testing.assert_allclose(clip.times_s, seconds, rtol=1e-12)


def test_single_images_need_no_times(tmp_path):
    clip = clip_of(tmp_path, counted('1.{:04d}'), ',frame_hz=0', depth=False)
    assert not clip.video
    assert len(clip) == 19
