# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of other writers, as commands read them: told where a layout fits by chance, and read."""

import itertools

import cv2
import numpy as np
import pytest

from kit import streams
from kit.streams import HEIGHT, WIDTH
from spike_depth_ros.io.bags.bag import IMAGE, Bag, decode
from spike_depth_ros.stream.decode import chunk_from_msg
from spike_depth_ros.tools.convert.command import main as convert
from spike_depth_ros.tools.reconstruct.command import main as reconstruct

SIZE = ('--size', f'{WIDTH}x{HEIGHT}')

WRITERS = {
    'whole': (streams.whole, ('--packing', 'whole')),
    'head': (streams.with_head, ('--skip-columns', '16')),
    'pixels': (streams.pixel_by_pixel, ('--axes', 'hwt')),
}


@pytest.fixture(scope='module')
def spikes():
    return streams.scene()


def written(path, data):
    path.write_bytes(data)
    return path


def run(command, capsys, *arguments):
    """Status and the lines of a command's standard error."""
    status = command([str(argument) for argument in arguments])
    return status, capsys.readouterr().err.splitlines()


def unpacked(bag, height=HEIGHT, width=WIDTH):
    """Spikes of a bag, ``[planes, height, width]``, by numpy alone."""
    found = [decode(one.data, IMAGE) for one in Bag(bag).messages(['/spikes'])]
    planes = np.concatenate([chunk_from_msg(one, height, width).data for one in found])
    return np.unpackbits(planes, axis=2, count=width, bitorder='little') == 1


@pytest.mark.parametrize('writer', WRITERS)
def test_a_layout_that_fits_by_chance_is_told_and_its_option_reads_it(
    tmp_path, capsys, spikes, writer
):
    write, option = WRITERS[writer]
    data = write(spikes)
    each = HEIGHT * -(-WIDTH // 8)
    chance = written(tmp_path / 'chance.dat', data[: len(data) // each * each])
    given = (*SIZE, '--rate', 20_000, '--out')
    if writer != 'pixels':  # of which a part has other planes
        status, lines = run(convert, capsys, chance, *given, tmp_path / 'wrong')
        assert status == 0
        assert [line for line in lines if line.endswith(f': try {" ".join(option)}')] == lines
        assert len(lines) == 1
    path = written(tmp_path / 'a.dat', data)
    status, lines = run(convert, capsys, path, *option, *given, tmp_path / 'bag')
    assert (status, lines) == (0, [])
    np.testing.assert_array_equal(unpacked(tmp_path / 'bag'), spikes)


def test_a_picture_of_large_areas_is_told_as_well(tmp_path, capsys):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rate = np.where(y > 130, 0.25, 0.02) + np.where((x > 60) & (y < 90), 0.1, 0)
    spikes = np.random.default_rng(5).random((150, HEIGHT, WIDTH)) < rate
    path = written(tmp_path / 'a.dat', streams.whole(spikes))
    given = (*SIZE, '--rate', 20_000, '--out', tmp_path / 'wrong', '--allow-partial')
    status, (line,) = run(convert, capsys, path, *given)
    assert status == 0
    assert line.endswith(': try --packing whole')


def test_bits_of_pixels_are_told_and_read(tmp_path, capsys):
    spikes = streams.scene(160, 64, 96)
    path = written(tmp_path / 'a.dat', streams.pixel_by_pixel(spikes))
    given = ('--size', '96x64', '--rate', 20_000, '--out')
    status, (line,) = run(convert, capsys, path, *given, tmp_path / 'wrong')
    assert status == 0
    assert line.endswith('of plane after plane of 96x64: try --axes hwt')
    assert run(convert, capsys, path, '--axes', 'hwt', *given, tmp_path / 'bag') == (0, [])
    np.testing.assert_array_equal(unpacked(tmp_path / 'bag', 64, 96), spikes)


@pytest.mark.parametrize('writer', ['whole', 'head'])
def test_a_slow_motion_tells_it_too(tmp_path, capsys, spikes, writer):
    write, option = WRITERS[writer]
    data = write(spikes)
    path = written(tmp_path / 'a.dat', data)
    given = (*SIZE, '--rate', 20_000, '--method', 'rate', '--planes', 100, '--every', 100, '--out')
    status, lines = run(reconstruct, capsys, path, '--allow-partial', *given, tmp_path / 'wrong')
    assert status == 0
    assert [line for line in lines if line.endswith(f'try {" ".join(option)}')]
    status, lines = run(reconstruct, capsys, path, *option, *given, tmp_path / 'right')
    assert (status, lines) == (0, [])
    rate = spikes[:100].mean(axis=0)
    right, wrong = (
        cv2.imread(str(tmp_path / name / '000000.png'), cv2.IMREAD_GRAYSCALE).astype(float)
        for name in ('right', 'wrong')
    )
    assert np.corrcoef(right.ravel(), rate.ravel())[0, 1] > 0.95
    assert np.corrcoef(wrong.ravel(), rate.ravel())[0, 1] < 0.5


@pytest.mark.parametrize('order', ['little', 'big'])
@pytest.mark.parametrize(('skip', 'size'), [(5, (21, 7)), (16, (16, 3)), (0, (13, 5))])
def test_other_rows_are_read_bit_by_bit(tmp_path, capsys, order, skip, size):
    width, height = size
    stored = np.random.default_rng(0).random((30, height, width + skip)) < 0.3
    layouts = {'rows': streams.by_rows, 'whole': streams.whole}
    for packing, write in layouts.items():
        path = written(tmp_path / f'{packing}.dat', write(stored, order))
        given = ('--size', f'{width}x{height}', '--rate', 20_000, '--bit-order', order)
        option = ('--packing', packing, '--skip-columns', skip)
        out = tmp_path / f'bag_{packing}'
        assert run(convert, capsys, path, *given, *option, '--out', out) == (0, [])
        (message,) = (decode(one.data, IMAGE) for one in Bag(out).messages(['/spikes']))
        planes = chunk_from_msg(message, height, width).data
        found = np.unpackbits(planes, axis=2, count=width, bitorder=order)
        np.testing.assert_array_equal(found, stored[:, :, skip:])


def test_a_layout_that_does_not_fit_is_refused_with_its_option(tmp_path, capsys, spikes):
    for name, (write, option) in WRITERS.items():
        if name == 'pixels':
            continue
        path = written(tmp_path / f'{name}.dat', write(spikes[:107]))
        status, (line,) = run(
            convert, capsys, path, *SIZE, '--rate', 20_000, '--out', tmp_path / 'o'
        )
        assert status == 1
        assert line.endswith(f'try {" ".join(option)}')
        assert '--allow-partial' not in line
        assert '344x' not in line


def test_rows_that_are_not_padded_are_suggested_with_their_size(tmp_path, capsys, spikes):
    path = written(tmp_path / 'a.dat', streams.whole(spikes))
    status, (line,) = run(convert, capsys, path, '--rate', 20_000, '--out', tmp_path / 'o')
    assert status == 1
    assert line.endswith('rows not padded: --size 346x260 --packing whole)')


@pytest.mark.parametrize('head', [16, 100, 4096])
def test_a_file_with_a_head_is_told_where_to_cut(tmp_path, capsys, spikes, head):
    data = streams.by_rows(spikes[:36])
    path = written(tmp_path / 'a.dat', (b'HEADER 1' * 512)[:head] + data)
    given = (*SIZE, '--rate', 20_000, '--out')
    status, (line,) = run(convert, capsys, path, *given, tmp_path / 'o')
    assert status == 1
    words = f'its planes begin behind a head of {head} bytes: cut it off, for example by tail -c +'
    assert f'{words}{head + 1} {path} > planes.dat' in line
    assert '--allow-partial' not in line
    status, (line,) = run(convert, capsys, path, '--allow-partial', *given, tmp_path / 'wrong')
    assert status == 0
    assert words in line
    cut = written(tmp_path / 'planes.dat', path.read_bytes()[head:])
    assert run(convert, capsys, cut, *given, tmp_path / 'bag') == (0, [])


def test_a_file_that_was_cut_short_is_still_one(tmp_path, capsys):
    spikes = streams.scene(100, 64, 90)
    path = written(tmp_path / 'a.dat', streams.by_rows(spikes)[:-77])
    given = ('--size', '90x64', '--rate', 20_000, '--out', tmp_path / 'bag')
    status, (line,) = run(convert, capsys, path, *given)
    assert status == 1
    assert line.endswith('(--allow-partial) if the recording was cut short')
    assert run(convert, capsys, path, *given, '--allow-partial') == (0, [])
    np.testing.assert_array_equal(unpacked(tmp_path / 'bag', 64, 90), spikes[:-1])


@pytest.mark.parametrize('name', ['a.npy', 'a.npz'])
def test_axes_of_an_array_are_those_of_its_size_or_told(tmp_path, capsys, spikes, name):
    path = tmp_path / name
    (np.save if name == 'a.npy' else np.savez)(path, spikes.transpose(1, 2, 0))
    given = ('--rate', 20_000, '--out')
    status, (line,) = run(convert, capsys, path, *given, tmp_path / 'wrong')
    assert status == 0
    assert line.endswith('of an array [height, width, planes]: try --axes hwt')
    for number, option in enumerate((SIZE, ('--axes', 'hwt'))):
        out = tmp_path / f'bag{number}'
        assert run(convert, capsys, path, *option, *given, out) == (0, [])
        np.testing.assert_array_equal(unpacked(out), spikes)
    status, (line,) = run(convert, capsys, path, *SIZE, '--axes', 'thw', *given, tmp_path / 'o')
    assert status == 1
    assert line.endswith('its planes are 120x346; expected 346x260 as given')


def test_columns_of_an_array_are_left_out(tmp_path, capsys, spikes):
    np.save(tmp_path / 'a.npy', spikes)
    given = ('--skip-columns', 16, '--size', '330x260', '--rate', 20_000)
    out = tmp_path / 'bag'
    assert run(convert, capsys, tmp_path / 'a.npy', *given, '--out', out) == (0, [])
    np.testing.assert_array_equal(unpacked(out, HEIGHT, 330), spikes[:, :, 16:])


RIGHT = {
    'a moving scene': {},
    'a fast one': {'speed': 1.0},
    'a dark one': {'brightness': 0.02},
    'a bright one': {'brightness': 0.9},
    'a noisy one': {'noise': 0.2},
    'a still one': {'speed': 0.0},
}


KINDS = (*RIGHT, 'noise', 'covered', 'saturated', 'hot pixels', 'flicker')
SIZES = (346, 260), (400, 250), (250, 250), (128, 96)
"""Each kind is in one of them, and in a small one; each size has several kinds."""


@pytest.mark.parametrize(
    ('kind', 'size'),
    [
        *((kind, (64, 48)) for kind in KINDS),
        *((kind, SIZES[k % len(SIZES)]) for k, kind in enumerate(KINDS)),
    ],
)
def test_right_files_are_not_doubted(tmp_path, capsys, kind, size):
    width, height = size
    planes = 100 if height < 100 else 64
    rng = np.random.default_rng(3)
    if kind in RIGHT:
        spikes = streams.scene(planes, height, width, **RIGHT[kind])
    else:
        rate = {'noise': 0.3, 'covered': 0.0, 'saturated': 1.0, 'hot pixels': 0.001}.get(kind)
        if rate is None:
            rate = (0.2 + 0.15 * np.sin(np.arange(planes) / 9))[:, None, None]
        spikes = rng.random((planes, height, width)) < rate
        if kind == 'hot pixels':
            spikes |= rng.random((height, width)) < 0.001
    path = written(tmp_path / 'a.dat', streams.by_rows(spikes))
    given = ('--size', f'{width}x{height}', '--rate', 20_000, '--out')
    assert run(convert, capsys, path, *given, tmp_path / 'bag') == (0, [])
    np.save(tmp_path / 'a.npy', spikes)
    assert run(convert, capsys, tmp_path / 'a.npy', *given[2:], tmp_path / 'other') == (0, [])


@pytest.mark.parametrize('name', ['vidar_car_400x250', 'sreds/203_part3_key_id151'])
def test_real_recordings_are_not_doubted_and_their_rewrites_are(real_data, tmp_path, capsys, name):
    planes = np.fromfile(real_data / 'spikes' / f'{name}.dat', np.uint8).reshape(-1, 250, 50)[:300]
    path = written(tmp_path / 'a.dat', planes.tobytes())
    given = ('--size', '400x250', '--rate', 20_000, '--out')
    assert run(convert, capsys, path, *given, tmp_path / 'bag') == (0, [])
    headed = np.pad(planes, ((0, 0), (0, 0), (2, 0)), constant_values=0xA5)
    path = written(tmp_path / 'b.dat', headed[:200].tobytes())
    status, (line,) = run(convert, capsys, path, *given, tmp_path / 'wrong')
    assert status == 0
    assert line.endswith('try --skip-columns 16')
    assert run(convert, capsys, path, '--skip-columns', 16, *given, tmp_path / 'right') == (0, [])
    np.testing.assert_array_equal(
        unpacked(tmp_path / 'right', 250, 400),
        np.unpackbits(planes[:200, ::-1], axis=2, bitorder='little') == 1,
    )


def test_dim_light_of_little_contrast_tells_it_too(tmp_path, capsys):
    random = np.random.default_rng(1)
    rate = 0.04 + 0.005 * cv2.GaussianBlur(random.standard_normal((HEIGHT, WIDTH)), (0, 0), 6)
    spikes = streams.integrated(rate, 176, random.random((HEIGHT, WIDTH)))
    data, each = streams.whole(spikes), HEIGHT * -(-WIDTH // 8)
    path = written(tmp_path / 'dim.dat', data[: len(data) // each * each])
    given = (*SIZE, '--rate', 20_000, '--out', tmp_path / 'bag')
    status, lines = run(convert, capsys, path, *given)
    assert (status, len(lines)) == (0, 1)
    assert lines[0].startswith('warning: ')
    assert lines[0].endswith(': try --packing whole')


@pytest.mark.parametrize(
    ('kind', 'size'),
    [
        *((kind, (64, 48)) for kind in ('squares', 'stripes', 'waves', 'flicker')),
        ('squares', (346, 260)),
        ('stripes', (416, 250)),
        ('waves', (416, 250)),
        ('flicker', (346, 260)),
    ],
)
def test_patterns_of_right_files_are_not_doubted(tmp_path, capsys, kind, size):
    width, height = size
    planes = 200 if height < 100 else 100
    y, x = np.mgrid[:height, :width]
    start = np.random.default_rng(1).random((height, width))
    if kind == 'squares':
        spikes = streams.integrated(0.1 + 0.3 * ((x // 8 + y // 8) % 2), planes, start)
    elif kind == 'stripes':  # as simulators start: all pixels charged alike
        spikes = streams.integrated(0.1 + 0.5 * (x // 4 % 2), planes)
    elif kind == 'waves':
        spikes = streams.integrated(0.01 * (1 + 0.5 * np.sin(x / 9)), planes)
    else:
        light = np.cumsum(0.6 + 0.4 * np.sin(2 * np.pi * np.arange(planes) / 20))
        rate = 0.01 * (1 + 0.5 * np.sin(x / 9))
        spikes = streams.fired(start + rate * sum_of_light for sum_of_light in (0.0, *light))
    stored = np.packbits(spikes[:, ::-1], axis=2, bitorder='little').tobytes()
    path = written(tmp_path / 'right.dat', stored)
    given = ('--size', f'{width}x{height}', '--rate', 20_000, '--out', tmp_path / 'bag')
    assert run(convert, capsys, path, *given) == (0, [])


def test_stripes_that_move_fast_are_no_other_packing(tmp_path, capsys):
    x = np.arange(WIDTH) + 0.3 * np.arange(176)[:, None]
    start = np.random.default_rng(1).random((HEIGHT, WIDTH))
    sums = np.cumsum(0.05 + 0.45 * (x // 8 % 2), axis=0)  # of the rates of a row
    spikes = streams.fired(itertools.chain([start], (start + row for row in sums)))
    path = written(tmp_path / 'a.dat', streams.whole(spikes))
    given = ('--packing', 'whole', *SIZE, '--rate', 20_000, '--out', tmp_path / 'bag')
    assert run(convert, capsys, path, *given) == (0, [])
