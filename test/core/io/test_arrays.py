# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and depth maps of files: read whole or refused by their header, in one line."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from kit import large_files
from kit.pictures import METRES, depth_png, turned_png, write_pfm
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.depth_values import no_depth, resolve, to_metres, unit_problem
from spike_depth_ros.io import arrays
from spike_depth_ros.tools.arguments import parse_size

GREY = np.arange(1, 25, dtype=np.uint8).reshape(4, 6)


def png(image, **options):
    image.save(file := io.BytesIO(), 'PNG', **options)
    return file.getvalue()


class TestPictures:
    @pytest.mark.parametrize('mode', ['L', 'P', 'RGB', 'RGBA'])
    def test_pixels_are_rgb(self, tmp_path, mode):
        (tmp_path / 'a.png').write_bytes(png(Image.fromarray(GREY).convert(mode)))
        pixels, orientation = arrays.read_picture(tmp_path / 'a.png')
        assert (pixels.dtype, orientation) == (np.uint8, 1)
        np.testing.assert_array_equal(pixels, np.dstack([GREY] * 3))

    def test_a_turned_picture_is_as_shown(self, tmp_path):
        (tmp_path / 'a.png').write_bytes(turned_png(GREY, 6))
        pixels, orientation = arrays.read_picture(tmp_path / 'a.png')
        assert orientation == 6
        np.testing.assert_array_equal(pixels[..., 0], np.rot90(GREY, -1))

    def test_the_size_is_that_of_the_header_alone(self, tmp_path):
        (tmp_path / 'a.png').write_bytes(png(Image.fromarray(GREY))[:45])
        assert arrays.picture_size(tmp_path / 'a.png') == GREY.shape

    def test_a_damaged_length_takes_no_memory(self, tmp_path):
        content = png(Image.fromarray(GREY))
        start = content.index(b'IDAT') - 4
        length = (1 << 29).to_bytes(4, 'big')
        (tmp_path / 'a.png').write_bytes(content[:start] + length + content[start + 4 :])
        tracemalloc.start()
        try:
            arrays.read_picture(tmp_path / 'a.png')
            assert tracemalloc.get_traced_memory()[1] < 1 << 24
        finally:
            tracemalloc.stop()

    def test_lack_of_memory_is_no_damage(self, tmp_path):
        with pytest.raises(MemoryError), arrays.reading(tmp_path):
            raise MemoryError


class TestDepth:
    @pytest.mark.parametrize('suffix', arrays.WRITTEN_SUFFIXES)
    def test_what_is_written_is_read(self, tmp_path, suffix):
        depth = np.rint(METRES * 1000) / np.float32(1000)
        depth[0, :3] = np.nan, np.inf, 5
        unit = 1000.0 if suffix == '.png' else None
        arrays.write_depth(tmp_path / f'd{suffix}', depth, unit)
        np.testing.assert_array_equal(arrays.read_depth(tmp_path / f'd{suffix}', unit), depth)
        sky = 65535 if suffix == '.png' else None
        assert arrays.read_stored(tmp_path / f'd{suffix}').sky == sky

    def test_an_axis_of_one_is_left_out(self, tmp_path):
        for number, shape in enumerate(((24, 40, 1), (1, 24, 40, 1))):
            np.save(tmp_path / f'{number}.npy', METRES.reshape(shape))
            found = arrays.read_stored(tmp_path / f'{number}.npy').values
            np.testing.assert_array_equal(found, METRES)

    def test_other_formats_are_read_by_the_library_too(self, tmp_path):
        stored = np.rint(METRES * 1000).astype('>u2')
        (tmp_path / 'd.pgm').write_bytes(b'P5\n40 24\n65535\n' + stored.tobytes())
        depth_png(tmp_path / 'd.png', 1000)
        pgm, as_png = (arrays.read_depth(tmp_path / name, 1000.0) for name in ('d.pgm', 'd.png'))
        np.testing.assert_array_equal(pgm, as_png)


NONE = {
    'a folder.png': None,
    'a text.png': b'not a picture\n' * 99,
    'a text.npy': b'1 2 3\n4 5 6\n',
    'a text.pfm': b'Pf of another program',
    'a text.pgm': b'P5 of another program',
    'a text.exr': b'v/1\x01 of another program',
    'colour.pfm': b'PF\n2 2\n-1.0\n' + bytes(48),
    'cut.png': png(Image.fromarray(GREY.astype(np.uint16)))[:50],
    'floats.png': b'II*\x00' + bytes(99),
    'scale.pfm': b'Pf\n2 2\n1e\n' + bytes(16),
    'two maps.npy': np.ones((2, 4, 6, 1), np.float32),
    'one of objects.npy': np.array([{}], object),
    'a picture.png': GREY,
    'a list.txt': b'1 2',
}  # fmt: skip
"""Files that are no depth map; bytes, or an array to store."""


def test_what_is_no_depth_map_is_one_line(tmp_path):
    for name, content in NONE.items():
        path = tmp_path / name
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix == '.npy':
            np.save(path, content)
        else:
            path.write_bytes(png(Image.fromarray(content)))
        with pytest.raises(arrays.ArrayFileError) as refused:
            pytest.fail(f'{name}: {arrays.read_stored(path)}')
        text = str(refused.value)
        assert text.startswith(f'{path}: '), name
        assert '\n' not in text


def test_what_a_header_claims_is_not_allocated(tmp_path):
    files = large_files.DEPTHS | {
        'e.pfm': b'Pf\n999999999 999999999\n-1.0\n' + bytes(99),
        'e.exr': large_files.exr((0, 0, 9, 9), tiles=(60_000, 60_000)),
    }
    for name, content in files.items():
        large_files.write(tmp_path / name, content)
        tracemalloc.start()
        try:
            with pytest.raises(arrays.ArrayFileError, match='expected at most 100 million'):
                arrays.read_stored(tmp_path / name)
            assert tracemalloc.get_traced_memory()[1] < 1 << 24, name
        finally:
            tracemalloc.stop()


def test_pixels_up_to_the_bound_are_read(tmp_path, monkeypatch):
    write_pfm(tmp_path / 'd.pfm', METRES)
    monkeypatch.setattr(arrays, 'MAX_PIXELS', METRES.size)
    np.testing.assert_array_equal(arrays.read_pfm(tmp_path / 'd.pfm'), METRES)
    monkeypatch.setattr(arrays, 'MAX_PIXELS', METRES.size - 1)
    with pytest.raises(ValueError, match='40x24 pixels, expected at most'):
        arrays.read_pfm(tmp_path / 'd.pfm')


class TestValues:
    @pytest.mark.parametrize('unit', [256.0, 1000.0, 5000.0])
    def test_integers_of_16_bits_are_divided_as_floats_of_32(self, unit):
        stored = np.arange(1 << 16, dtype=np.uint16)
        expected = stored / np.float32(unit)
        expected[[0, -1]] = np.nan
        np.testing.assert_array_equal(to_metres(stored, per_metre=unit), expected)

    def test_the_unit_that_is_not_given_is_that_of_the_type(self):
        assert to_metres(np.array([1500], np.uint16)).tolist() == [1.5]
        assert to_metres(np.array([1.5], np.float16)).tolist() == [1.5]

    def test_depth_below_0_is_unknown_or_kept(self):
        stored = np.array([-1, -3, 2], np.float32)
        assert np.isnan(resolve(stored, stored)).tolist() == [True, True, False]
        kept = resolve(stored, stored, keep_negative=True)
        np.testing.assert_array_equal(kept, np.float32([np.nan, -3, 2]))

    @pytest.mark.parametrize('kind', [np.uint16, np.uint32, np.int32])
    def test_no_depth_is_0_and_the_largest(self, kind):
        largest = np.iinfo(kind).max
        stored = np.array([0, 1, largest - 1, largest], kind)
        assert no_depth(stored).tolist() == [True, False, False, True]


def test_a_range_with_one_end_is_still_a_range():
    far = np.full((4, 4), 4000, np.float32)
    assert unit_problem(far, (0.0, 300.0))
    assert unit_problem(far / 1e6, (0.05, np.inf))
    assert not unit_problem(far, (0.0, np.inf))


def test_a_centred_camera_has_its_principal_point_between_the_middle_pixels():
    camera = Calibration.centred(30.5, 40, 25)
    assert camera.matrix.tolist() == [[30.5, 0, 19.5], [0, 30.5, 12], [0, 0, 1]]
    assert camera.matrix.dtype == np.float64
    assert (camera.width, camera.height, camera.p[3]) == (40, 25, 0)


def test_a_size_is_refused_by_the_error_that_is_given():
    assert parse_size('400X250', KeyError) == (400, 250)
    with pytest.raises(KeyError, match='expected WIDTHxHEIGHT'):
        parse_size('400', KeyError)
