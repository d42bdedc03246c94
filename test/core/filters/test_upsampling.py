# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Enlarging of depth maps, by the library and by ``spike_upsample``."""

import contextlib
import dataclasses
import functools
import io
import os
import shutil
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from kit import large_files
from kit.pictures import turned_png, write_pfm
from kit.programs import largest_file
from kit.refusals import refused
from spike_depth_ros.checkpoint import (
    CheckpointError,
    find_checkpoint,
    load,
    load_info,
    onnx_path,
    save,
)
from spike_depth_ros.filters import upsampling
from spike_depth_ros.filters.upsampling import Upsampler, camera_matrix
from spike_depth_ros.io.arrays import read_depth, write_depth
from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_depth_ros.tools.upsample import main
from spike_training.runs.export import export

INFO = UpsampleInfo(
    architecture='upsample_lite', settings={'width': 8, 'blocks': 1, 'factors': (2, 4)},
    factors=(2, 4), stage='random', package_version='0',
)  # fmt: skip

pytestmark = pytest.mark.timeout(300)  # an export takes 15 s, beside other work more


@pytest.fixture(scope='module')
def checkpoint():
    """The shipped network."""
    return find_checkpoint('upsample_lite')


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """An exported network whose weights are far from their beginning."""
    folder = tmp_path_factory.mktemp('upsample')
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(INFO)
        for head in network.heads.values():
            torch.nn.init.normal_(head.weight, std=0.5)
        save(folder / 'trained.safetensors', weights_of(network), INFO)
    with contextlib.redirect_stdout(io.StringIO()):
        export(folder / 'model.safetensors', checkpoint=folder / 'trained.safetensors')
    return folder / 'model.safetensors'


@pytest.fixture(scope='module')
def upsampler(checkpoint):
    return Upsampler.from_checkpoint(checkpoint, threads=1)


def depth_map(height=20, width=33):
    """Two surfaces with noise, and a few holes of each kind."""
    rng = np.random.default_rng(0)
    depth = np.where(np.arange(width) < width // 2, 1.5, 4.0) * rng.uniform(
        0.9, 1, (height, width)
    )
    depth[2, 3], depth[4, 4], depth[4, 5], depth[height - 1, width - 1] = (
        0,
        np.nan,
        np.inf,
        -np.inf,
    )
    return depth.astype(np.float32)


def check_export(checkpoint, factor, fill):
    """Compare an export with the network of its checkpoint."""
    network = build_with_weights(*load(checkpoint, UpsampleInfo)).eval()
    depth = depth_map()
    with torch.inference_mode():
        expected = network(torch.from_numpy(depth)[None, None], factor, fill)[0, 0].numpy()
    beyond = np.s_[4 * factor : 5 * factor, 5 * factor : 6 * factor]
    expected[beyond] = np.inf  # the network itself takes it for a hole
    found = Upsampler.from_checkpoint(checkpoint, threads=1).upsample(depth, factor, fill)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isposinf(found).sum() == factor**2
    assert np.isnan(found).sum() == (0 if fill else 3 * factor**2)


@pytest.mark.parametrize('factor', [2, 4, 8, 16])
@pytest.mark.parametrize('fill', [False, True])
def test_the_shipped_export_is_the_network(checkpoint, factor, fill):
    check_export(checkpoint, factor, fill)


@pytest.mark.long  # torch exports for some ten seconds
@pytest.mark.kind
def test_a_new_export_is_the_network_and_names_it(exported, tmp_path):
    for factor in INFO.factors:
        for fill in (False, True):
            check_export(exported, factor, fill)
    assert load_info(exported, UpsampleInfo).onnx_sha256
    assert onnx_path(exported).stat().st_size < 100_000
    path = copy_of(exported, tmp_path)
    info, weights = load(path, UpsampleInfo)
    save(path, weights, dataclasses.replace(info, factors=(2, 4, 8)))
    with pytest.raises(CheckpointError, match='x8'):
        Upsampler.from_checkpoint(path)


def test_large_maps_are_enlarged_in_parts(upsampler, monkeypatch):
    depth = depth_map(50, 70)
    whole = upsampler.upsample(depth, 2)
    monkeypatch.setattr(upsampling, 'MAX_WEIGHTS', 9 * 4 * 17**2)
    assert len([*upsampler._parts(50, 2)]) == 3
    np.testing.assert_allclose(upsampler.upsample(depth, 2), whole, rtol=1e-6)


def test_units_do_not_matter_and_constants_stay(upsampler):
    depth = depth_map()
    np.testing.assert_allclose(
        upsampler.upsample(1000 * depth, 4), 1000 * upsampler.upsample(depth, 4), rtol=1e-5
    )
    constant = np.full((3, 5), 0.3)  # float64
    assert (upsampler.upsample(constant, 4) == np.float32(0.3)).all()


def test_holes_alone_give_nan(upsampler):
    for hole in (0.0, np.nan, -np.inf):
        for fill in (False, True):
            found = upsampler.upsample(np.full((3, 4), hole, np.float32), 4, fill)
            assert found.shape == (12, 16)
            assert np.isnan(found).all()
    assert np.isposinf(upsampler.upsample(np.full((3, 4), np.inf, np.float32), 4)).all()


def test_camera_matrix_of_a_known_point():
    small = np.array([[100.0, 0, 79.5], [0, 110, 59.5], [0, 0, 1]])
    large = camera_matrix(small, 4)
    np.testing.assert_array_equal(large, [[400, 0, 319.5], [0, 440, 239.5], [0, 0, 1]])
    # The middle of the small pixel (30, 10) is that of the large pixels 120 to 123, 40 to 43.
    point = np.linalg.inv(small) @ [30, 10, 1]
    np.testing.assert_allclose(large @ point, [121.5, 41.5, 1])


MAPS = {
    'factor 3': ('factor is 3', np.ones((4, 4)), 3),
    'factor 32': ('factor is 32', np.ones((4, 4)), 32),
    'integers': ('uint16', np.ones((4, 4), np.uint16), 2),
    'truths': ('bool', np.ones((4, 4), bool), 2),
    'two rows': ('9x2', np.ones((2, 9)), 2),
    'two columns': ('2x9', np.ones((9, 2)), 2),
    'a channel': ('[4, 4, 1]', np.ones((4, 4, 1)), 2),
    'below 0': ('row 0, column 1', np.eye(4) - 2 * np.eye(4, k=1), 2),
    'too large': ('3000x3000', np.broadcast_to(1.0, (3000, 3000)), 4),
}


def test_wrong_maps_are_refused(upsampler, refusals):
    rows = {
        name: (named, functools.partial(upsampler.upsample, depth, factor))
        for name, (named, depth, factor) in MAPS.items()
    }
    rows['a camera, factor 3'] = 'factor is 3', functools.partial(camera_matrix, np.eye(3), 3)
    rows['a camera of 9 numbers'] = '[9]', functools.partial(camera_matrix, np.ones(9), 2)
    refusals('depth_map', rows, ValueError)


def copy_of(checkpoint, folder):
    for path in (checkpoint, onnx_path(checkpoint)):
        shutil.copy(path, folder)
    return folder / checkpoint.name


def test_files_that_do_not_fit_are_refused(checkpoint, tmp_path, refusals):
    info, weights = load(checkpoint, UpsampleInfo)
    whole, rows = onnx_path(checkpoint).read_bytes(), {}

    def row(name, named, export=whole, weights=weights, **changes):
        path = tmp_path / str(len(rows)) / 'model.safetensors'
        path.parent.mkdir()
        save(path, weights, dataclasses.replace(info, **changes))
        if export is not None:
            onnx_path(path).write_bytes(export)
        rows[name] = named, functools.partial(Upsampler.from_checkpoint, path)

    row('no export', 'model.onnx', export=None)
    row('a damaged export', 'model.onnx', export=whole[:-1])
    row('other weights', 'model.onnx', weights={**weights, 'other': np.zeros(1)})
    row('a width of 0', 'width', settings={'width': 0})
    row('another architecture', 'architecture', architecture='any')
    depth = find_checkpoint('unet_lite')
    rows['another task'] = 'field task', functools.partial(Upsampler.from_checkpoint, depth)
    refusals('upsample_export', rows, CheckpointError)


# --- The command -------------------------------------------------------------------------------


def run(checkpoint, *arguments):
    fixed = ('--factor', 4, '--threads', 1, '--checkpoint', checkpoint)
    return main([str(argument) for argument in (*arguments, *fixed)])


def millimetres(path):
    cv2.imwrite(str(path), np.nan_to_num(1000 * depth_map(), posinf=0, neginf=0).astype(np.uint16))
    return path


def test_a_png_keeps_its_unit(checkpoint, upsampler, tmp_path, capsys):
    small, out = millimetres(tmp_path / 'small.png'), tmp_path / 'large.png'
    assert run(checkpoint, small, '--per-metre', 1000, '--out', out) == 0
    assert '1 map(s), 4 times' in capsys.readouterr().out
    written = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert written.dtype == np.uint16
    expected = 1000 * upsampler.upsample(read_depth(small, 1000), 4)
    np.testing.assert_allclose(written, np.nan_to_num(expected), atol=0.51)
    assert (written == 0).sum() == 4 * 16
    filled = tmp_path / 'filled.png'
    assert run(checkpoint, small, '--per-metre', 1000, '--fill', '--out', filled) == 0
    assert (cv2.imread(str(filled), cv2.IMREAD_UNCHANGED) > 0).all()


def test_a_folder_of_floats_and_integers(checkpoint, upsampler, tmp_path):
    folder, out = tmp_path / 'small', tmp_path / 'large'
    folder.mkdir()
    np.save(folder / 'a.npy', 500 * depth_map())
    write_pfm(folder / 'b.pfm', 500 * depth_map())
    (folder / 'notes.txt').write_text('not a map')
    assert run(checkpoint, folder, '--per-metre', 500, '--out', out) == 0
    assert sorted(path.name for path in out.iterdir()) == ['a.npy', 'b.pfm']
    expected = upsampler.upsample(depth_map(), 4)
    expected[16:20, 20:24] = np.inf  # what is beyond the range stays so, and other holes NaN
    for name in ('a.npy', 'b.pfm'):
        np.testing.assert_allclose(read_depth(out / name), expected, rtol=1e-5)


def test_a_float_map_may_have_lines_of_either_kind(tmp_path):
    path, metres = tmp_path / 'a.pfm', np.array([[1, 2], [3, 4]], '<f4')
    for line in (b'\n', b'\r\n'):
        path.write_bytes(line.join((b'Pf', b'2 2', b'-1.0', metres[::-1].tobytes())))
        np.testing.assert_array_equal(read_depth(path), metres)


@pytest.mark.parametrize('suffix', ['.npy', '.pfm', '.png'])
def test_a_map_that_does_not_fit_on_the_disk_is_named(checkpoint, tmp_path, capsys, suffix):
    small, out = tmp_path / f'small{suffix}', tmp_path / f'large{suffix}'
    {'.npy': np.save, '.pfm': write_pfm, '.png': lambda path, _: millimetres(path)}[suffix](
        small, 1000 * depth_map()
    )
    with largest_file(100):
        assert run(checkpoint, small, '--per-metre', 1000, '--out', out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'File too large' in line
    assert str(out) in line
    assert [path.name for path in tmp_path.iterdir()] == [small.name]


@pytest.mark.parametrize('options', [(), ('--overwrite',)])
def test_a_file_that_is_made_meanwhile_stays_unless_overwritten(
    checkpoint, tmp_path, monkeypatch, capsys, options
):
    small, out, enlarge = tmp_path / 'small.npy', tmp_path / 'large.npy', Upsampler.upsample
    np.save(small, depth_map())

    def meanwhile(*given):
        out.write_text('of another process')
        return enlarge(*given)

    monkeypatch.setattr(Upsampler, 'upsample', meanwhile)
    assert run(checkpoint, small, '--out', out, *options) == 0
    other = tmp_path / 'large_2.npy'
    assert other.exists() == (not options)
    assert read_depth(out if options else other).shape == (80, 132)
    assert options or out.read_text() == 'of another process'
    told = f'another process has made it meanwhile: the result is {other}'
    assert (told in capsys.readouterr().err) == (not options)


def test_an_existing_file_is_replaced_if_asked_to(checkpoint, tmp_path):
    folder, out = tmp_path / 'small', tmp_path / 'large'
    folder.mkdir()
    out.mkdir()
    np.save(folder / 'a.npy', depth_map())
    (out / 'a.npy').write_text('mine')
    assert run(checkpoint, folder, '--out', out, '--overwrite') == 0
    assert read_depth(out / 'a.npy').shape == (80, 132)


def two_maps(folder):
    folder.mkdir()
    for name in ('a.npy', 'b.npy'):
        np.save(folder / name, depth_map())
    return folder


@pytest.mark.parametrize('options', [(), ('--overwrite',)])
@pytest.mark.parametrize('step', [1, 2])
def test_an_interrupt_between_the_maps_of_a_folder_places_none(
    checkpoint, tmp_path, monkeypatch, step, options
):
    small, out, replace = two_maps(tmp_path / 'small'), tmp_path / 'large', Path.replace
    out.mkdir()
    for name in ('a.npy', 'b.npy') if options else ():
        (out / name).write_text('mine')
    before, steps = contents(out), []

    def interrupted(path, target):
        moved = replace(path, target)
        if '.incomplete_' in str(path):  # not of what is put back
            steps.append(path)
            if len(steps) == step:
                raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, 'replace', interrupted)
    assert run(checkpoint, small, '--out', out, *options) == 130
    assert contents(out) == before


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_map_that_cannot_be_placed_keeps_the_others_away(
    checkpoint, tmp_path, monkeypatch, capsys
):
    small, out, enlarge = two_maps(tmp_path / 'small'), tmp_path / 'large', Upsampler.upsample

    out.mkdir()

    def meanwhile(*given):
        (out / 'b.npy').write_text('of another process')
        return enlarge(*given)

    monkeypatch.setattr(Upsampler, 'upsample', meanwhile)
    assert run(checkpoint, small, '--out', out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('b.npy: another process has made it meanwhile: nothing is written')
    assert contents(out) == {'b.npy': b'of another process'}


@pytest.mark.parametrize('umask', [0o077, 0o002])
def test_maps_have_the_umask_of_the_user(checkpoint, tmp_path, umask):
    small, before = two_maps(tmp_path / 'small'), os.umask(umask)
    try:
        for options in ((), ('--overwrite',)):
            assert run(checkpoint, small, '--out', tmp_path / 'large', *options) == 0
            assert run(checkpoint, small / 'a.npy', '--out', tmp_path / 'c.npy', *options) == 0
    finally:
        os.umask(before)
    files = [*(tmp_path / 'large').iterdir(), tmp_path / 'c.npy']
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == 3 * [0o666 & ~umask]
    assert stat.S_IMODE((tmp_path / 'large').stat().st_mode) == 0o777 & ~umask


def test_unknown_pixels_do_not_become_surfaces(checkpoint, tmp_path):
    """A plane at 2 m, a box at 1 m before it, unknown pixels around the box; one is beyond."""
    metres = np.full((24, 32), 2.0, np.float32)
    metres[8:16, 10:22] = 1
    unknown = np.zeros((24, 32), bool)
    unknown[7:17, 22:24] = True
    holes = np.kron(unknown, np.ones((4, 4), bool))
    png = tmp_path / 'a.png'
    cv2.imwrite(str(png), np.where(unknown, 65535, 1000 * metres).astype(np.uint16))
    assert run(checkpoint, png, '--per-metre', 1000, '--out', tmp_path / 'b.png') == 0
    large = cv2.imread(str(tmp_path / 'b.png'), cv2.IMREAD_UNCHANGED)
    assert (large[holes] == 0).all()
    assert ((large[~holes] >= 1000) & (large[~holes] <= 2000)).all()

    for code in (65535, -1, 0, -np.inf, np.nan):
        np.save(tmp_path / 'a.npy', np.where(unknown, code, metres))
        assert run(checkpoint, tmp_path / 'a.npy', '--out', tmp_path / 'b.npy', '--overwrite') == 0
        large = np.load(tmp_path / 'b.npy')
        assert np.isnan(large[holes]).all()
        assert ((large[~holes] >= 1) & (large[~holes] <= 2)).all()


@pytest.mark.parametrize('code', [np.inf, 65504, 1e6, 1e10])
@pytest.mark.parametrize('options', [(), ('--fill',)])
def test_what_is_beyond_the_range_stays_beyond(checkpoint, tmp_path, code, options):
    metres = np.full((12, 16), 2.0)
    metres[:4] = code
    sky = np.kron(np.isin(metres, code), np.ones((4, 4), bool))
    for kind in (np.float16, np.float32, np.float64)[code > 65504 and code < np.inf :]:
        np.save(tmp_path / 'a.npy', metres.astype(kind))
        out = tmp_path / 'b.npy'
        assert run(checkpoint, tmp_path / 'a.npy', '--out', out, '--overwrite', *options) == 0
        large = np.load(out)
        assert np.isposinf(large[sky]).all()
        np.testing.assert_allclose(large[~sky], 2, rtol=1e-6)


def test_a_png_with_what_is_beyond_is_read_back(checkpoint, tmp_path):
    """As it is written, and as Pillow reads it: 65535 with a text that says what it means."""
    metres = np.full((12, 16), 2.0, np.float32)
    metres[:4], metres[6, 6] = np.inf, np.nan
    write_depth(tmp_path / 'a.png', metres, 1000)
    np.testing.assert_array_equal(read_depth(tmp_path / 'a.png', 1000), metres)
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.text == {'spike_depth_ros': '65535 is beyond the range'}
        stored = np.asarray(picture)
    assert (stored[:4] == 65535).all()
    assert (
        run(checkpoint, tmp_path / 'a.png', '--per-metre', 1000, '--out', tmp_path / 'b.png') == 0
    )
    assert np.isposinf(read_depth(tmp_path / 'b.png', 1000)[:16]).all()
    Image.fromarray(stored).save(tmp_path / 'of_others.png')
    assert np.isnan(read_depth(tmp_path / 'of_others.png', 1000)[:4]).all()
    write_depth(tmp_path / 'c.png', metres[4:], 1000)
    with Image.open(tmp_path / 'c.png') as picture:
        assert not picture.text


ONES = np.ones((8, 8))
TWO_METRES = np.full((8, 8), 2000, np.uint16)
MILLIMETRES = ('--per-metre', 1000)
FILES = {
    'millimetres': ('a.npy', 1500 * ONES, '--per-metre', 1),
    'metres as millimetres': ('a.npy', 1.5 * ONES, *MILLIMETRES),
    'millimetres in part': (
        'a.npy', np.repeat([2.0, 5000.0], [60, 4]).reshape(8, 8), '--per-metre', 1,
    ),
    'integers without a unit': ('a.png', 'integers'),
    'integers of an array': ('a.npy', ONES.astype(np.int32)),
    'below 0': ('a.npy', -2 * ONES),
    'three channels': ('a.npy', np.ones((4, 4, 3))),
    'a picture of depth': ('a.npy', ONES.astype(np.uint8)),
    'no array': ('a.npy', b'no array'),
    'no picture': ('a.png', b'no picture'),
    'a ramp of millions': ('a.npy', np.linspace(1e6, 3e6, 16).reshape(4, 4)),
    'another format as .pfm': ('a.pfm', b'P5\n2 2\n-1\n'),
    'colours as .pfm': ('a.pfm', b'PF\n2 2\n-1\n' + bytes(48)),
    'a .pfm that was cut': ('a.pfm', b'Pf\n4 4\n-1\n1234'),
    'a text': ('a.txt', b'text'),
    'no file': ('a.npy', None),
    'no maps': ('maps', None),
    'a map that viewers turn': ('turned.png', turned_png(TWO_METRES), *MILLIMETRES),
}  # fmt: skip
"""Files that are no depth maps, and options."""


def test_what_cannot_be_enlarged_is_one_line(checkpoint, tmp_path, capsys, monkeypatch, refusals):
    """And nothing is written."""
    monkeypatch.chdir(tmp_path)
    rows = {}

    def row(name, named, *given, out='out.npy', checkpoint=checkpoint):
        fixed = '--out', out, '--factor', 4, '--threads', 1, '--checkpoint', checkpoint
        rows[name] = (
            named,
            functools.partial(refused, capsys, main, *given, *fixed, keeps=tmp_path),
        )

    for number, (name, (file, content, *options)) in enumerate(FILES.items()):
        path = Path(str(number), file)
        (path if file == 'maps' else path.parent).mkdir(parents=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, np.ndarray):
            np.save(path, content)
        elif content:
            millimetres(path)
        named = '--per-metre' if options and 'turn' not in name else file
        row(name, named, path, *options, out=f'out{path.suffix}')
    for name, content in large_files.DEPTHS.items():
        path = large_files.write(Path(name), content)
        row(f'the size of {name}', name, path, *MILLIMETRES, out=f'out{path.suffix}')

    np.save('a.npy', depth_map())
    row('another format', '.npy', 'a.npy', out='out.png')
    row('no folder', 'no', 'a.npy', out='no/out.npy')
    row('onto itself', 'a.npy', 'a.npy', out='a.npy')
    row('another task', 'field task', 'a.npy', checkpoint=find_checkpoint('unet_lite'))
    two_maps(Path('small'))
    np.save('small/b.npy', depth_map()[:2])
    Path('kept').mkdir()
    Path('kept/a.npy').write_text('mine')
    row('a small map of two', 'b.npy', 'small', '--overwrite', out='kept')
    row('a folder onto itself', 'small', 'small', '--overwrite', out='small')
    two_maps(Path('both'))
    for kind in ('file', 'folder', 'link'):
        place = Path(f'large_{kind}') / 'b.npy'
        (place if kind == 'folder' else place.parent).mkdir(parents=True)
        if kind == 'file':
            place.write_text('mine')
        elif kind == 'link':
            place.symlink_to(Path('a.npy').absolute())
        overwrite = () if kind == 'file' else ('--overwrite',)
        row(f'a {kind} in its place', 'b.npy', 'both', *overwrite, out=place.parent)
    refusals('spike_upsample', rows, None, {r'read: the magic.*': 'read: REASON'})


def test_an_unknown_factor_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(['a.npy', '--factor', '3', '--checkpoint', 'x', '--out', 'y'])
    assert '--factor is 3: expected 2 or 4 or 8 or 16' in capsys.readouterr().err


class TestShipped:
    def test_it_is_small_and_says_what_it_learnt_from(self, upsampler):
        path = find_checkpoint('upsample_lite')
        assert upsampler.info == load_info(path, UpsampleInfo)
        assert upsampler.info.factors == (2, 4, 8, 16)
        assert set(upsampler.info.datasets.values()) == {'Apache-2.0'}
        for file in (path, onnx_path(path)):
            assert file.stat().st_size <= 500_000

    def test_a_step_stays_sharp(self, upsampler):
        small = np.full((30, 40), 4.0)
        small[:, 17:] = 1.0
        small[12:20, 5:15] = 2.0
        large = upsampler.upsample(small, 8)
        between = ~np.isclose(large[..., None], [1, 2, 4], rtol=0.05).any(axis=-1)
        interpolated = cv2.resize(small, (320, 240), interpolation=cv2.INTER_LINEAR)
        hanging = ~np.isclose(interpolated[..., None], [1, 2, 4], rtol=0.05).any(axis=-1)
        assert between.sum() < 0.3 * hanging.sum()

    @pytest.mark.parametrize('factor', [2, 4, 8, 16])
    def test_published_maps_are_nearer_than_repeated_pixels(self, upsampler, factor, real_data):
        root = real_data / 'middlebury_full'
        for number in range(1, 7):
            truth, small = (
                cv2.imread(str(root / folder / f'{number}.png'), cv2.IMREAD_UNCHANGED)
                for folder in ('test_gt', f'testx{factor}')
            )
            if factor < 8:  # the middle, which takes a quarter of the time
                (top, left), (height, width) = (np.array(small.shape) // n for n in (4, 2))
                small = small[top : top + height, left : left + width]
                truth = truth[factor * top :, factor * left :]
                truth = truth[: factor * height, : factor * width]
            large = upsampler.upsample(small.astype(np.float32), factor)
            known = (truth > 0) & np.isfinite(large)
            repeated = small.repeat(factor, axis=0).repeat(factor, axis=1)
            own, bar = (
                np.abs(np.rint(one[known]) - truth[known]).mean() for one in (large, repeated)
            )
            assert own < bar, number


@pytest.mark.parametrize('kind', [np.int16, np.uint32, np.int32, np.int64])
def test_the_largest_integer_is_unknown(tmp_path, kind):
    """It is what a cast of -1 or of infinity leaves, not what is beyond the range."""
    stored = np.full((8, 10), 2000, kind)
    stored[:3] = np.iinfo(kind).max
    np.save(tmp_path / 'a.npy', stored)
    depth = read_depth(tmp_path / 'a.npy', 1000)
    assert np.isnan(depth[:3]).all()
    assert (depth[3:] == 2).all()
