# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stored depth means to each reader: known, unknown or beyond; and in which unit it is."""

import cv2
import numpy as np
import pytest

from kit import bags, readable
from kit.pictures import HEIGHT, WIDTH, picture, texts, write_pfm
from spike_depth_ros.io.arrays import encode_png
from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.errors import FrameError

SPIKE_SIZE = bags.HEIGHT, bags.WIDTH
K = ('30 0 19.5', '0 31 11.5', '0 0 1')

INTEGERS = {0: np.nan, 65535: np.nan}
FLOATS = {
    0: np.nan, -1: np.nan, -np.inf: np.nan, np.nan: np.nan, 65535: np.nan,
    np.inf: np.inf, 65504: np.inf, 1e6: np.inf, 1e30: np.inf,
}  # fmt: skip
"""Stored codes, and what they mean."""
HALF = {code: meaning for code, meaning in FLOATS.items() if not 65504 < code < np.inf}


def with_codes(codes, size=(HEIGHT, WIDTH), metre=1.0, kind=np.float32):
    """A map of 4 m with a row of codes, and what it means."""
    stored, depth = np.full(size, 4.0 * metre), np.full(size, 4, np.float32)
    stored[5, : len(codes)], depth[5, : len(codes)] = [*codes], [*codes.values()]
    with np.errstate(over='ignore'):
        return stored.astype(kind), depth


def store(path, stored):
    """Write a map in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npy':
        np.save(path, stored)
    elif path.suffix == '.pfm':
        write_pfm(path, stored)
    elif path.suffix == '.pgm':
        header = f'P5\n{stored.shape[1]} {stored.shape[0]}\n65535\n'.encode()
        path.write_bytes(header + stored.astype('>u2').tobytes())
    else:
        path.write_bytes(cv2.imencode('.png', stored)[1].tobytes())


def folder(root, suffix, *maps):
    for k, stored in enumerate(maps):
        picture(root / f'images/{k:05d}.png', k)
        store(root / f'depth/{k:05d}{suffix}', stored)
    texts(root / 'K.txt', *K)
    return str(root)


@pytest.mark.parametrize(
    ('suffix', 'codes', 'metre', 'kind'),
    [
        ('.npy', FLOATS, 1, np.float32),
        ('.npy', FLOATS, 1, np.float64),
        ('.npy', HALF, 1, np.float16),
        ('.pfm', FLOATS, 1, np.float32),
        ('.png', INTEGERS, 1000, np.uint16),
        ('.pgm', INTEGERS, 1000, np.uint16),
    ],
)
def test_maps_of_a_folder(tmp_path, suffix, codes, metre, kind):
    stored, depth = with_codes(codes, metre=metre, kind=kind)
    (clip,) = readers.read('folder', folder(tmp_path, suffix, stored, stored))
    np.testing.assert_array_equal(clip.depth(1), depth)


@pytest.mark.parametrize('kind', ['P5', 'P2'])
@pytest.mark.parametrize('largest', [4095, 10_000])
def test_a_pgm_of_another_largest_value_is_not_scaled(tmp_path, kind, largest):
    stored = np.full((HEIGHT, WIDTH), 2500, '>u2')
    stored[5, :3] = 0, 4000, 4095
    header = f'{kind} # depth, 16 bits\n{WIDTH} {HEIGHT}\n# by a range camera\n{largest}\n'
    plain = '\n'.join(' '.join(map(str, row)) for row in stored)
    folder(tmp_path, '.pgm', stored, stored)
    for path in (tmp_path / 'depth').iterdir():
        path.write_bytes(header.encode() + (stored.tobytes() if kind == 'P5' else plain.encode()))
    (clip,) = readers.read('folder', str(tmp_path))
    expected = np.full((HEIGHT, WIDTH), 2.5, np.float32)
    expected[5, :3] = np.nan, 4, 4.095
    np.testing.assert_array_equal(clip.depth(1), expected)


@pytest.mark.parametrize('name', ['folder', 'dat'])
def test_the_unit_without_an_option_is_that_of_each_map(tmp_path, name):
    """Integers are millimetres in .npy too, also where they would be plausible metres."""
    size = (HEIGHT, WIDTH) if name == 'folder' else SPIKE_SIZE
    near, far = np.full(size, 240, np.uint16), np.full(size, 100, np.float32)
    if name == 'folder':
        (clip,) = readers.read('folder', folder(tmp_path, '.npy', near, near, near, far))
        maps = [clip.depth(k) for k in range(4)]
    else:
        for plane, one in zip((20, 30, 40, 60), (near, near, near, far), strict=True):
            store(tmp_path / f'depth/car_000{plane}.npy', one)
        packing.pack(bags.moving_bars(100))[:, ::-1].tofile(tmp_path / 'car.dat')
        where = f'{tmp_path},size={bags.WIDTH}x{bags.HEIGHT},fx=70'
        (clip,) = readers.read('dat', where)
        maps = [depth() for depth in clip.depths]
    np.testing.assert_allclose(maps[0], 0.24, rtol=1e-6)
    np.testing.assert_array_equal(maps[3], 100)


def test_floats_beside_integers_keep_their_unit(tmp_path):
    millimetres = np.full((HEIGHT, WIDTH), 4000, np.uint16)
    root = folder(tmp_path, '.png', *[millimetres] * 4)
    (tmp_path / 'depth/00003.png').unlink()
    np.save(tmp_path / 'depth/00003.npy', np.full((HEIGHT, WIDTH), 100, np.float32))
    (clip,) = readers.read('folder', root)
    np.testing.assert_array_equal(clip.depth(0), 4)
    np.testing.assert_array_equal(clip.depth(3), 100)


def test_messages_that_are_no_true_depth_are_told(tmp_path):
    messages = bags.stream(100)
    for plane, encoding in ((20, '32FC1'), (50, '32FC1'), (80, 'mono16')):
        stamp = bags.START + plane * bags.PERIOD
        kind = np.float32 if encoding == '32FC1' else np.uint16
        messages.append(
            ('/depth/truth', stamp, bags.image(stamp, np.full(SPIKE_SIZE, 4, kind), encoding))
        )
    messages[-2][2].data = messages[-2][2].data[:-10]
    (clip,) = readers.read('rosbag', str(bags.write(tmp_path / 'bag', messages)))
    assert clip.depths[0]()[0, 0] == 4
    with pytest.raises(FrameError, match=r'bag: depth at \d+ ns: data holds 6134 bytes; expected'):
        clip.depths[1]()
    ((reason, names),) = clip.skipped.items()
    assert reason == 'true depth of an encoding other than 32FC1 (metres) and 16UC1 (millimetres)'
    assert names[0].endswith("ns ('mono16')")


def test_floats_in_another_unit(tmp_path):
    """The codes are those of the stored values, and 1e6 is of metres."""
    codes = {65504: np.inf, 65535: np.nan, -1: np.nan, 9e5: 900.0, 1e9: np.inf}
    stored, depth = with_codes(codes, metre=1000)
    (clip,) = readers.read('folder', folder(tmp_path, '.npy', stored, stored) + ',per_metre=1000')
    np.testing.assert_array_equal(clip.depth(0), depth)


def test_exr(tmp_path, monkeypatch):
    monkeypatch.setenv('OPENCV_IO_ENABLE_OPENEXR', '1')
    stored, depth = with_codes(HALF)
    where = folder(tmp_path, '.npy', stored, stored)
    for path in (tmp_path / 'depth').iterdir():
        path.unlink()
        half = [cv2.IMWRITE_EXR_TYPE, cv2.IMWRITE_EXR_TYPE_HALF]
        if not cv2.imwrite(str(path.with_suffix('.exr')), stored, half):
            pytest.skip('this OpenCV writes no OpenEXR')
    (clip,) = readers.read('folder', where)
    np.testing.assert_array_equal(clip.depth(1), depth)


def test_our_own_png_has_what_is_beyond(tmp_path):
    stored, depth = with_codes({0: np.nan, 65535: np.inf}, metre=1000, kind=np.uint16)
    where = folder(tmp_path, '.png', stored, stored)
    path = tmp_path / 'depth/00001.png'
    path.write_bytes(encode_png(stored, True))
    (clip,) = readers.read('folder', where)
    np.testing.assert_array_equal(clip.depth(1), depth)
    assert np.isnan(clip.depth(0)[5, :2]).all()


@pytest.mark.parametrize(('name', 'per_metre'), [('kitti', 256), ('tum', 5000)])
def test_sets_of_integers(tmp_path, name, per_metre):
    stored, depth = with_codes(INTEGERS, metre=per_metre, kind=np.uint16)
    for k in range(2):
        if name == 'kitti':
            picture(tmp_path / f'image_02/data/{k:010d}.png')
            store(tmp_path / f'depth/{k:010d}.png', stored)
        else:
            picture(tmp_path / f'rgb/{k}.png')
            store(tmp_path / f'depth/{k}.png', stored)
    texts(tmp_path / 'calib.txt', 'P_rect_02: 700 0 20 0 0 700 12 0 0 0 1 0')
    for one in ('rgb', 'depth'):
        texts(tmp_path / f'{one}.txt', *(f'{k}.0 {one}/{k}.png' for k in range(2)))
    (clip,) = readers.read(name, str(tmp_path))
    np.testing.assert_array_equal(clip.depth(1), depth)


def test_a_set_that_stores_sky_so_keeps_it(tmp_path):
    stored, depth = with_codes({0: np.nan, 65535: np.inf}, metre=100, kind=np.uint16)
    for k in range(2):
        picture(tmp_path / f'vkitti_1.3.1_rgb/0001/clone/{k:05d}.png', k)
        store(tmp_path / f'vkitti_1.3.1_depthgt/0001/clone/{k:05d}.png', stored)
    (clip,) = readers.read('vkitti', str(tmp_path))
    np.testing.assert_array_equal(clip.depth(0), depth)


def recorded(root, name, stored):
    """A recording of spikes with two equal maps, and the text that reads it."""
    planes = readable.spikes(100)
    integers = stored.dtype.kind == 'u'
    if name == 'dat':
        readable.write_planes(root / 'car.dat', planes)
        for plane in (30, 60):
            store(root / f'depth/car_000{plane}{".png" if integers else ".npy"}', stored)
        return f'{root},size=40x20,fx=70'
    if name == 'npz':
        maps = {'depth': np.stack([stored, stored]), 'depth_planes': [30, 60]}
        readable.window(root / 'a.npz', planes, **maps)
        return str(root)
    truths = [(plane, '16UC1' if integers else '32FC1', stored) for plane in (30, 60)]
    return str(readable.record(root / 'bag', planes, truths))


@pytest.mark.parametrize('name', ['dat', 'npz', 'rosbag'])
@pytest.mark.parametrize(
    ('codes', 'metre', 'kind'), [(FLOATS, 1, np.float32), (INTEGERS, 1000, np.uint16)]
)
def test_recordings_of_spikes(tmp_path, name, codes, metre, kind):
    stored, depth = with_codes(codes, readable.MAP.shape, metre, kind)
    (clip,) = readers.read(name, recorded(tmp_path, name, stored))
    np.testing.assert_array_equal(clip.depths[1](), depth)
