# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What inspect says of a data set, and that its pictures show it."""

import functools
import json

import numpy as np
import pytest
from PIL import Image

from kit import readable
from kit.clips import FRAME_S, HEIGHT, WIDTH, Sliding, write_folder
from kit.refusals import leaving
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.stream import packing
from spike_training.commands.inspect_data import inspect_data
from spike_training.datasets import readers
from spike_training.errors import ConfigError, DataSetError
from spike_training.reports import pixel_speed
from spike_training.reports.contact_sheet import contact_sheet, firing_rates
from spike_training.reports.data_set import describe_clip, measure_samples
from spike_training.reports.events import BRIGHTER, DARKER
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.sample import collate


def source(clip=None):
    return ClipSource([clip or Sliding()], HEIGHT, WIDTH, with_rgb=True)


def test_figures_are_those_of_the_samples():
    report, shown = measure_samples(source(), 100)
    assert report['samples'] == len(shown) == 6
    depths = np.stack([Sliding().depth(k) for k in range(6)])
    depth = report['depth']
    assert depth['known_share'] == pytest.approx(np.isfinite(depths).mean())
    assert depth['sky_share'] == 0
    assert depth['percentiles_m']['50'] == pytest.approx(np.nanmedian(depths), rel=1e-5)
    assert sum(depth['histogram']) == np.isfinite(depths).sum()
    near = depth['edges_m'].index(2.0)
    assert depth['histogram'][near] == np.count_nonzero((depths >= 2) & (depths < 3))
    rate = report['firing_rate']
    assert rate['mean'] == pytest.approx(0.2, abs=0.01)
    assert rate['percentiles']['5'] < rate['mean'] < rate['percentiles']['95']
    assert rate['mean'] == pytest.approx(np.mean([firing_rates(one) for one in shown]), rel=1e-6)


def test_sky_counts():
    class Sky(Sliding):
        def depth(self, index):
            depth = super().depth(index)
            depth[: HEIGHT // 2] = np.inf
            return depth

    report, _ = measure_samples(source(Sky()), 3)
    assert report['depth']['sky_share'] == pytest.approx(0.5)
    assert report['depth']['known_share'] == pytest.approx(0.5)


def test_the_sheet_shows_image_rate_and_depth_side_by_side():
    _, shown = measure_samples(source(), 2)
    grid = contact_sheet(collate(shown))
    assert grid.shape[1] > 3 * WIDTH
    wide = contact_sheet(shown[0])
    assert wide.shape[0] < grid.shape[0]
    # The image is in it as it is.
    places = [grid[y : y + HEIGHT, x : x + WIDTH] for y in range(60) for x in range(40)]
    assert any(np.array_equal(place, Sliding().image(0)) for place in places)


def test_every_kind_of_set_writes_figures_and_pictures(tmp_path, capsys):
    write_folder(tmp_path / 'frames', Sliding(30, damaged=(0,)))
    row = ' '.join(str(value) for value in np.eye(4).ravel())
    (tmp_path / 'frames/poses.txt').write_text(f'{row}\n' * 30)
    light = luminance(Sliding().image(0))
    planes = np.random.default_rng(0).random((100, HEIGHT, WIDTH)) < light
    (tmp_path / 'spikes').mkdir()
    packing.pack(planes)[:, ::-1].tofile(tmp_path / 'spikes/a.dat')
    inspect_data(
        {'folder': str(tmp_path / 'frames'), 'dat': f'{tmp_path / "spikes"},size=90x60'},
        tmp_path / 'out',
        frames=30,
        height=32,
        width=48,
        planes=32,
    )
    folder, dat = (
        json.loads((tmp_path / f'out/{name}.json').read_text()) for name in ('folder', 'dat')
    )
    assert folder['clips'][0]['frames'] == folder['clips'][0]['labelled'] == 30
    assert folder['clips'][0]['poses'] == 30
    assert folder['clips'][0]['size'] == [HEIGHT, WIDTH]
    assert folder['samples'] == 29
    ((reason, names),) = folder['skipped'].items()
    assert 'images/00000.png: cannot be read' in reason
    assert names == ['folder/frames, frame 0']
    assert dat['clips'][0]['planes'] == 100
    assert dat['clips'][0]['labelled'] == 0
    assert dat['samples'] == 3
    assert dat['depth']['percentiles_m'] == {}
    assert dat['firing_rate']['mean'] == pytest.approx(planes[:96, 6:54, 5:85].mean(), abs=0.01)
    for name in ('folder', 'dat'):
        with Image.open(tmp_path / f'out/{name}.png') as picture:
            assert min(picture.size) > 100
    printed = capsys.readouterr().out
    assert 'folder: 1 recordings, 30 frames, 30 with depth, 1 left out; metrics of 29' in printed
    assert 'left out, ' in printed
    assert 'pose of the camera: at 30 of 30 frames' in printed
    assert 'depth: none' in printed


def test_duration_rate_and_motion_show_a_wrong_time_base(tmp_path, capsys):
    """The texture moves by 4 pixels from frame to frame, 30 a second or 10."""
    write_folder(tmp_path / 'frames', Sliding(12))
    speeds = {}
    for rate in (30, 10):
        where = {'folder': f'{tmp_path / "frames"},frame_hz={rate}'}
        inspect_data(where, tmp_path / 'out', frames=2, height=32, width=48, planes=32)
        (clip,) = json.loads((tmp_path / 'out/folder.json').read_text())['clips']
        speeds[rate] = clip['pixels_per_s']
        assert clip['seconds'] == pytest.approx(11 / rate)
        assert clip['rate_hz'] == pytest.approx(rate)
        printed = capsys.readouterr().out
        assert f'time: {11 / rate:.4g} s, {rate} frames/s, longest gap {1 / rate:.3g} s' in printed
        assert f'motion {speeds[rate]:.3g} pixels/s' in printed
    assert speeds == {30: pytest.approx(4 * 30, rel=0.1), 10: pytest.approx(4 * 10, rel=0.1)}


def test_motion_of_spikes(tmp_path):
    """A texture at 200 pixels a second, seen by a camera of 20,000 planes a second."""
    light = luminance(np.concatenate([Sliding().image(0), Sliding().image(5)], axis=1))
    charge, planes = np.random.default_rng(0).random((HEIGHT, WIDTH)), []
    for plane in range(1024):
        at = plane * 200 / 20_000
        first, share = int(at), at % 1
        seen = light[:, first : first + WIDTH] * (1 - share)
        charge += seen + light[:, first + 1 : first + 1 + WIDTH] * share
        planes.append(charge >= 1)
        charge -= planes[-1]
    packing.pack(np.array(planes))[:, ::-1].tofile(tmp_path / 'a.dat')
    (clip,) = readers.read('dat', f'{tmp_path},size=90x60')
    assert describe_clip(clip)['pixels_per_s'] == pytest.approx(200, rel=0.15)


def test_motion_of_wide_pictures_is_that_of_their_pixels(monkeypatch):
    monkeypatch.setattr(pixel_speed, '_WIDEST', WIDTH * 2 // 3)  # they are compared as small ones
    assert describe_clip(Sliding())['pixels_per_s'] == pytest.approx(4 / FRAME_S, rel=0.1)


def test_what_inspect_refuses(refusals, tmp_path):
    (tmp_path / 'file').touch()
    data, damaged = {'folder': str(tmp_path)}, source(Sliding(3, damaged=(0, 1, 2)))
    inspect = functools.partial(inspect_data, data, tmp_path / 'new')
    rows = {
        'no data set': ('0 data sets', functools.partial(inspect_data, {}, tmp_path)),
        'planes 0': ('planes', functools.partial(inspect, planes=0)),
        'mean_rate 1.5': ('mean_rate', functools.partial(inspect, mean_rate=1.5)),
        'a file as folder': ('file', functools.partial(inspect_data, data, tmp_path / 'file')),
        'damaged frames': ('3 of 3', functools.partial(measure_samples, damaged, 3)),
    }
    rows = {name: (named, leaving(tmp_path, call)) for name, (named, call) in rows.items()}
    refusals('run_inspect', rows, (ConfigError, DataSetError))


def test_events_are_counted_and_drawn(tmp_path, capsys):
    readable.mvsec(tmp_path / 'set')
    inspect_data(
        {'mvsec': str(tmp_path / 'set')}, tmp_path / 'out', height=16, width=32, planes=16
    )
    events = json.loads((tmp_path / 'out/mvsec.json').read_text())['events']
    assert events['frames'] == 3
    assert events['rate_hz']['median'] == pytest.approx(1000, rel=0.03)
    assert events['brighter_share'] == pytest.approx(0.5, abs=0.02)
    assert (events['empty_windows'], events['skipped']) == (0, {})
    printed = capsys.readouterr().out
    assert 'events before 3 frames: median 1e+03 a second' in printed
    assert '50% brighter; 0 windows of 50 ms without an event' in printed
    with Image.open(tmp_path / 'out/mvsec_events.png') as picture:
        drawn = np.array(picture.convert('RGB')).reshape(-1, 3)
    for colour in (BRIGHTER, DARKER):
        assert (drawn == colour).all(axis=1).any()
