# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a checkpoint to one's own recordings, and its command."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')
pytest.importorskip('onnx')
pytest.importorskip('jinja2')
Image = pytest.importorskip('PIL.Image')

from kit import bags  # noqa: E402
from kit.checkpoints import checkpoint as write  # noqa: E402
from kit.html_pages import Reader  # noqa: E402
from spike_depth_ros.checkpoint import (  # noqa: E402
    CheckpointError,
    find_checkpoint,
    load,
    load_with_correction,
)
from spike_depth_ros.conversion.command import main as spike_convert  # noqa: E402
from spike_depth_ros.estimator import DepthEstimator, Observation  # noqa: E402
from spike_depth_ros.result_files import hash_file  # noqa: E402
from spike_depth_ros.stream.packing import bin_counts, pack, unpack  # noqa: E402
from spike_depth_ros.stream.window import Window  # noqa: E402
from spike_training.adaptation import (  # noqa: E402
    CONFIG,
    candidates,
    evidence,
    findings,
    ros_commands,
    run,
)
from spike_training.adaptation import report as report_module  # noqa: E402
from spike_training.adaptation.correction import CountCorrector  # noqa: E402
from spike_training.adaptation.page import Shown, write_page  # noqa: E402
from spike_training.adaptation.recordings import open_recordings, split_in_time  # noqa: E402
from spike_training.adaptation.schedule import EXPORT_S  # noqa: E402
from spike_training.adaptation.windows import LEAST_MEASURED, Sizes  # noqa: E402
from spike_training.commands.adapt import adapt  # noqa: E402
from spike_training.errors import ConfigError, DataSetError, TrainingError  # noqa: E402
from spike_training.evaluation.matched_depth import fit_scale  # noqa: E402
from spike_training.evaluation.predictors import predict  # noqa: E402
from spike_training.sampling.sample import Unlabelled  # noqa: E402
from spike_training.sampling.spike_source import SpikeSource  # noqa: E402
from spike_training.settings.reading import load_config  # noqa: E402

pytestmark = pytest.mark.timeout(300)

FEW = Sizes(matched=12, match_scenes=2, corrected=12, compared=8, tested=6, moving=2, scenes=4)
"""As few windows and scenes as an adaptation works with."""

LEAST_SECONDS = run.least_seconds


class Interrupt:
    """Stand-in for a step in which the user interrupts."""

    called = False

    def __call__(self, *arguments, **options):
        self.called = True
        raise KeyboardInterrupt


SIZE = {'size': '96x64', 'rate_hz': 400.0, 'minutes': 0.001, 'device': 'cpu'}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope='session', autouse=True)
def any_minutes():
    """Allow adaptations of a moment, which train as few steps as possible."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, 'least_seconds', lambda *given: 0.0)
        patch.setattr(candidates, 'LEAST_STEPS', 4)
        yield


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
    return write(tmp_path_factory.mktemp('checkpoint') / 'old.safetensors')


def write_settings(folder, *stages):
    """Write settings of some stages with one style and small batches, which take less time."""
    head, *parts = CONFIG.read_text().split('  - name: ')
    parts[-1], rest = parts[-1].split('\nmodel:')
    chosen = [f'  - name: {part}' for part in parts if part.split()[0] in stages]
    assert len(chosen) == len(stages)
    text = re.sub(r'styles: .*', 'styles: [home]', f'{head}{"".join(chosen)}\nmodel:{rest}')
    path = folder / 'adapt.yaml'
    path.write_text(
        text.replace('batch_size: 8', 'batch_size: 2').replace('every: 20', 'every: 2')
    )
    return path


@pytest.fixture(scope='session')
def short(tmp_path_factory):
    """Settings of the first stage alone."""
    return write_settings(tmp_path_factory.mktemp('settings'), 'affine')


def adapt_to(out, recording, checkpoint, config, swap='', **changes):
    """Adapt a checkpoint by few windows and scenes."""
    arguments = run.Arguments(
        [recording], checkpoint, config, SIZE['minutes'], SIZE['size'], SIZE['rate_hz'],
        'spikes', None, None,
    )  # fmt: skip
    return run.run(arguments._replace(**changes), out, 'cpu', swap, FEW)


@pytest.fixture(scope='session')
def padded_wall(moving_wall, tmp_path_factory):
    """The wall in the other bit order, its rows padded to 16 bytes."""
    rows = np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)
    other_order = np.packbits(np.unpackbits(rows, axis=2, bitorder='little'), axis=2)
    recording = tmp_path_factory.mktemp('padded') / 'padded.dat'
    np.pad(other_order, ((0, 0), (0, 0), (0, 4))).tofile(recording)
    return recording


@pytest.fixture(scope='session')
def adapted(padded_wall, checkpoint, short, tmp_path_factory):
    """Folder of an adaptation to the padded wall, without an output, and what it has printed."""
    out, printed = tmp_path_factory.mktemp('adapted') / 'mine.safetensors', io.StringIO()
    with contextlib.redirect_stdout(printed):
        adapt_to(out, padded_wall, checkpoint, short)
    return out.with_suffix(''), printed.getvalue()


@pytest.fixture(scope='session')
def matched(adapted, tmp_path_factory):
    """The same without its report: camera and first candidate."""
    folder = tmp_path_factory.mktemp('matched') / 'mine'
    shutil.copytree(adapted[0], folder, ignore=shutil.ignore_patterns('adapt.*'))
    assert json.loads((folder / 'affine' / 'plan.json').read_text())['sensor correction'] is False
    return folder


@pytest.fixture
def resume(matched, padded_wall, checkpoint, short, tmp_path):
    """Go on with a copy of the adaptation to the wall, which writes TMP_PATH/mine.safetensors."""
    shutil.copytree(matched, tmp_path / 'mine')
    given = {'checkpoint': checkpoint, 'recording': padded_wall, 'config': short}
    return lambda **changes: adapt_to(tmp_path / 'mine.safetensors', **{**given, **changes})


@pytest.fixture
def without_onnx(monkeypatch):
    """Write the calibrated checkpoint alone: an export takes longer than all else together."""
    monkeypatch.setattr(run, 'export', lambda out, checkpoint: shutil.copy(checkpoint, out))


def report(out):
    return json.loads((out.with_suffix('') / 'adapt.json').read_text())


def check_page(out, verdict, rungs='affine'):
    """Parse the page of an adaptation, check its content and decode its pictures."""
    text = (out.with_suffix('') / 'adapt.html').read_text()
    page = Reader(text)
    assert f'{verdict} verdict' in page.text
    for words in (
        'Held-back windows',
        rungs,
        'matched error',
        'old ',
        'dark current',
    ):
        assert words in page.text
    assert 'http' not in text
    assert str(out.parent) not in text
    assert not page.tags & {'script', 'link', 'iframe', 'object'}
    assert len(page.references) == 5 * 4 + 4
    for reference in page.references:
        png = base64.b64decode(reference.removeprefix('data:image/png;base64,'), validate=True)
        with Image.open(io.BytesIO(png)) as image:
            assert np.ptp(np.asarray(image.convert('RGB'))) > 0
    assert len(text) < 2e6
    return page.text


@pytest.mark.parametrize(
    'sizes', [pytest.param('few', id='few'), pytest.param('usual', marks=pytest.mark.long)]
)
def test_what_improves_is_written(
    sizes, moving_wall, checkpoint, tmp_path, monkeypatch, capsys, request
):
    monkeypatch.setattr(evidence, 'LIMITS', (10.0, 20.0))  # all is better
    monkeypatch.setattr(evidence, 'UNVARIED', -math.inf)  # the network is tiny
    out = tmp_path / 'mine.safetensors'
    swapped = []
    monkeypatch.setattr(ros_commands, 'swap', lambda *given: swapped.append(given))
    if sizes == 'few':
        request.getfixturevalue('without_onnx')
        config = write_settings(tmp_path, 'affine', 'bicross', 'whole')
        adapt_to(out, moving_wall, checkpoint, config, '/spike_depth')
    else:
        adapt(out, moving_wall, checkpoint, swap='/spike_depth', **SIZE)
    assert swapped == [('/spike_depth', out)]
    found = report(out)
    assert found['verdict'] == 'improved'
    assert [one['name'] for one in found['rungs']] == [
        'affine',
        'bicross',
        'whole',
        'average',
    ]  # the sensor is ideal
    assert {one['verdict'] for one in found['rungs']} == {'improved'}
    assert found['scale'] == 'none'
    assert 'checkpoint $PWD/mine.safetensors' in check_page(
        out, 'improved', 'affine bicross whole average'
    )
    info, weights = load(out)
    old_info, old = load(checkpoint)
    assert info.scale == 'none'  # as before
    assert info.stage == found['kept']
    assert info.uncertainty_calibrated
    assert out.with_suffix('.onnx').is_file() == (sizes == 'usual')
    assert weights.keys() == old.keys()
    assert old_info.architecture == info.architecture
    printed = capsys.readouterr().out
    assert 'mine.safetensors: improved, by' in printed
    assert 'bit order' not in printed

    # The first stage changes scales and shifts alone; the last candidate is the mean of all.
    trained = [
        load(next((tmp_path / 'mine' / name).glob('model_*.safetensors')))[1]
        for name in ('affine', 'bicross', 'whole')
    ]
    after = trained[0]
    mean = load(tmp_path / 'mine' / 'average.safetensors')[1]
    for name in mean:
        expected = np.mean([one[name] for one in trained], axis=0)
        assert mean[name].dtype == after[name].dtype
        assert np.allclose(mean[name], expected, rtol=1e-5, atol=1e-7)
    changed = {name for name in old if not np.array_equal(old[name], after[name])}
    assert changed
    layers = {name.rpartition('.')[0] for name in old if name.endswith('running_mean')}
    assert changed <= {f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')}


def test_the_folder_of_another_adaptation_is_left_as_it_is(resume, tmp_path):
    other = write(tmp_path / 'other.safetensors', stage='other')
    before = (tmp_path / 'mine' / 'settings.json').read_bytes()
    for changes, words in (
        ({'checkpoint': other}, 'mine holds an adaptation with another checkpoint'),
        ({'rate_hz': 300.0}, 'another content of the recordings'),
    ):
        with pytest.raises(ConfigError, match=words):
            resume(**changes)
    assert (tmp_path / 'mine' / 'settings.json').read_bytes() == before
    assert not (tmp_path / 'mine' / 'adapt.json').exists()


def test_another_topic_or_replaced_input_is_refused_with_both_names(
    resume, padded_wall, checkpoint, tmp_path
):
    path = tmp_path / 'mine' / 'settings.json'
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r'another topic \(spikes, given /right/spikes\)'):
        resume(topic='/right/spikes')
    other = write(tmp_path / 'other.safetensors', stage='other')
    with pytest.raises(ConfigError, match=r'checkpoint \(.*/old\.safetensors, given .*/other\.'):
        resume(checkpoint=other)
    dark = tmp_path / 'dark.dat'
    dark.write_bytes(bytes(1000 * 64 * 12))
    with pytest.raises(ConfigError, match=r'fingerprint of dark \(none, given .*/dark\.dat\)'):
        resume(dark=dark)

    # Another recording under the same name, of the same length and time.
    planes, stat = padded_wall.read_bytes(), padded_wall.stat()
    try:
        middle = len(planes) // 2
        padded_wall.write_bytes(
            planes[:middle] + bytes([planes[middle] ^ 1]) + planes[middle + 1 :]
        )
        os.utime(padded_wall, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        with pytest.raises(ConfigError, match=r'of the recordings \(replaced since\)') as error:
            resume()
    finally:
        padded_wall.write_bytes(planes)
    assert '\n' not in str(error.value)
    assert path.read_bytes() == before


def test_settings_of_an_earlier_version_are_completed(resume, tmp_path, without_onnx):
    path = tmp_path / 'mine' / 'settings.json'
    now = json.loads(path.read_text())
    # What 557f2af has stored.
    old = {name: value for name, value in now.items() if name in run._BEFORE_FINGERPRINTS}
    path.write_text(json.dumps(old))
    resume()
    assert json.loads(path.read_text()) == now


@pytest.mark.parametrize('content', [b'', b'{"minutes": 0.0', b'[]', b'\xff', b'[' * 100_000])
def test_damaged_settings_of_an_adaptation_are_one_line(resume, tmp_path, content):
    (tmp_path / 'mine' / 'settings.json').write_bytes(content)
    with pytest.raises(ConfigError, match=r'settings\.json is damaged .* to begin anew') as error:
        resume()
    assert '\n' not in str(error.value)


def test_a_stored_value_of_two_lines_is_told_in_one(tmp_path):
    with pytest.raises(ConfigError, match='another topic \\(a b, given c') as error:
        run._check_same(tmp_path, {'topic': 'a\nb'}, {'topic': 'c', 'names': {}})
    assert '\n' not in str(error.value)


@pytest.mark.long
def test_after_an_interrupt_at_the_end_the_page_is_written(
    resume, tmp_path, monkeypatch, without_onnx
):
    monkeypatch.setattr(evidence, 'LIMITS', (10.0, 20.0))  # all is better
    out = tmp_path / 'mine.safetensors'

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    for step in ('write_page', 'export'):
        with monkeypatch.context() as patch:
            patch.setattr(run, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                resume()
        assert not out.exists()
        (out.with_suffix('') / 'adapt.html').unlink(missing_ok=True)
    resume()
    assert out.exists()
    check_page(out, 'improved')


def test_a_stage_does_not_go_on_with_windows_of_the_other_kind(resume, tmp_path):
    path = tmp_path / 'mine' / 'affine' / 'plan.json'
    plan = json.loads(path.read_text())
    for name, value in (('sensor correction', True), ('settings', 'others')):
        path.write_text(json.dumps({**plan, name: value}))
        with pytest.raises(TrainingError, match=f'begun with another {name}: remove .*affine'):
            resume()


def test_an_adaptation_begun_by_an_earlier_version_goes_on(checkpoint):
    # By what settings.json and plan.json had at 557f2af.
    assert hash_file(CONFIG).startswith('adfe55492fa0d3c3')
    found = [
        candidates._describe_start(stage, checkpoint, False)['settings'][:16]
        for stage in load_config(CONFIG).stages
    ]
    assert found == ['c92b762eaaee5ad1', '28f5e2d5ab7eff60', '62bf1e555f43079a']


def test_nothing_improves_where_the_simulation_does_not_match(
    resume, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(evidence, 'expected_change', lambda evidence: -0.5)
    monkeypatch.setattr(evidence, 'FULL_DISTANCE', 1e-9)
    monkeypatch.setattr(report_module, 'FULL_DISTANCE', 1e-9)
    out = tmp_path / 'mine.safetensors'
    resume()
    assert not out.exists()
    assert report(out)['verdict'] == 'no change'
    assert 'an improvement takes an expected change' in check_page(out, 'no change')
    warning = r'the simulation does not match the recording well \(distance [0-9.]+, expected at'
    assert re.search(warning, capsys.readouterr().out)
    assert re.search(warning, (out.with_suffix('') / 'adapt.html').read_text())


@pytest.fixture
def measured_wall(moving_wall, tmp_path):
    """The wall with depth at some of its planes, nearer on the left, and a camera matrix."""
    folder = tmp_path / 'measured'
    (folder / 'depth').mkdir(parents=True)
    (folder / 'wall.dat').symlink_to(moving_wall)
    np.savetxt(folder / 'K.txt', [[100, 0, 48], [0, 100, 32], [0, 0, 1]])
    depth = np.full((64, 96), np.nan, np.float32)
    depth[::4, ::4] = np.linspace(2, 6, 24)  # sparse, as by a lidar
    for plane in range(200, 2300, 100):
        np.save(folder / 'depth' / f'wall_{plane:05d}.npy', depth)
    return folder


@pytest.mark.long
def test_measured_depth_decides_and_gives_the_scale(
    measured_wall, short, tmp_path, monkeypatch, without_onnx, capsys
):
    monkeypatch.setattr(evidence, 'LIMITS', (-20.0, -10.0))  # all would be worse
    monkeypatch.setattr(evidence, 'MEASURED_LIMITS', (10.0, 20.0))
    checkpoint = write(tmp_path / 'old.safetensors', scale='metric')
    out = tmp_path / 'mine.safetensors'
    adapt_to(out, measured_wall, checkpoint, short)
    found = report(out)
    assert found['verdict'] == 'improved'
    assert found['scale'] == 'metric'
    assert found['recordings']['windows_with_depth'] >= LEAST_MEASURED
    errors = found['measured_error']
    (kept,) = (one for one in found['rungs'] if one['name'] == found['kept'])
    assert kept['expected_change'] == pytest.approx(
        errors[found['kept']]['scaled'] / errors['old']['scaled'] - 1
    )
    scale = float(re.search(r'scale times ([0-9.]+)', capsys.readouterr().out)[1])
    before, after = load(checkpoint)[0], load(out)[0]
    assert after.scale == 'metric'
    assert before.canonical_fx / after.canonical_fx == pytest.approx(scale, abs=1e-3)
    # In the new metres, the median of true over predicted depth is 1.
    opened = open_recordings([measured_wall], '96x64', 400.0)
    network = candidates.load_network(out)[1]
    windows = SpikeSource(
        split_in_time(opened.recordings, after.planes).adaptation,
        after.planes,
        after.bins,
        after.multiple,
    )
    batch = windows.samples(range(len(windows)))
    assert fit_scale(network, after.canonical_fx, [batch]) == pytest.approx(1, rel=0.02)

    # A few maps of depth are too few.
    out.unlink()
    for path in sorted((measured_wall / 'depth').iterdir())[:-3]:
        path.unlink()
    with pytest.raises(ConfigError, match=r'camera and depth of .* \(replaced since\)'):
        adapt_to(out, measured_wall, checkpoint, short)
    settings = out.with_suffix('') / 'settings.json'  # as an earlier version wrote it
    before = json.loads(settings.read_text())
    del before['camera and depth of the recordings']
    settings.write_text(json.dumps(before))
    adapt_to(out, measured_wall, checkpoint, short)
    assert report(out)['verdict'] == 'worse'
    assert report(out)['recordings']['windows_with_depth'] == 0
    assert report(out)['measured_error'] == {}


@pytest.mark.long
def test_a_corrected_sensor_is_exported_and_used_live(
    moving_wall, short, tmp_path, monkeypatch, capsys
):
    faulty = [(40, 7), (11, 60), (63, 95)]
    planes = np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)[:, ::-1].copy()
    for row, column in faulty:
        planes[:, row, column // 8] |= 1 << (column % 8)
    recording = tmp_path / 'hot.dat'
    recording.write_bytes(planes[:, ::-1].tobytes())
    monkeypatch.setattr(evidence, 'LIMITS', (10.0, 20.0))
    # As much as any other candidate, which is not more than the first one.
    monkeypatch.setattr(evidence, 'expected_change', lambda evidence: -0.1)
    out = tmp_path / 'mine.safetensors'
    old = write(tmp_path / 'old.safetensors')
    adapt_to(out, recording, old, short)
    assert '3 faulty pixels, response differs by' in capsys.readouterr().out
    assert out.with_suffix('.onnx').is_file()
    assert report(out)['kept'] == 'sensor'
    assert report(out)['correction']['faulty_pixels'] == len(faulty)
    _, weights, correction = load_with_correction(out)
    assert [tuple(place) for place in np.argwhere(correction.faulty).tolist()] == sorted(faulty)
    before = load(old)[1]
    assert all(np.array_equal(weights[name], before[name]) for name in before)

    window = Window.from_planes(unpack(planes[:128], 96), 400.0)
    live = DepthEstimator.from_checkpoint(out, 'cpu', 'torch').predict(Observation(window))
    raw = DepthEstimator.from_checkpoint(old, 'cpu', 'torch').predict(Observation(window))
    # Tested windows begin at the held-back part; this one is corrected by hand.
    corrector = CountCorrector(correction, load(out)[0].pool, 400.0)
    counts, lengths = bin_counts(planes[:128], 96, bins=load(out)[0].bins)
    batch = Unlabelled(
        torch.from_numpy(counts)[None], torch.from_numpy(lengths), torch.tensor([0])
    )
    network = candidates.load_network(out)[1]
    with torch.inference_mode():
        expected = predict(network, corrector.correct(batch), 'spikes').depth[0, 0].numpy()
    assert np.abs(np.log(live.depth / expected)).max() < 1e-3
    assert np.abs(np.log(live.depth / raw.depth)).max() > 1e-2
    with pytest.raises(CheckpointError, match='it has a sensor correction, expected none'):
        adapt_to(tmp_path / 'again.safetensors', recording, out, short)


@pytest.mark.long
def test_a_bag_of_any_topic_is_adapted_to_with_its_measured_dark_current(
    moving_wall, checkpoint, tmp_path, monkeypatch, without_onnx, capsys
):
    random = np.random.default_rng(2)
    current = 0.04 * random.random((64, 96))  # spikes per plane
    wall = unpack(np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)[:, ::-1], 96)
    wall |= random.random(wall.shape) < current
    bag, dark = tmp_path / 'bag', tmp_path / 'dark.dat'
    topic, period = '/vidar/stream', round(1e9 / SIZE['rate_hz'])
    packets = [
        (topic, bags.START + k * period, bags.packet(bags.START + k * period, wall[k : k + 40]))
        for k in range(0, len(wall), 40)
    ]
    info = bags.camera(width=96, height=64)
    bags.write(bag, [('/vidar/camera_info', bags.START, info), *packets])
    dark.write_bytes(pack(random.random((3000, 64, 96)) < current)[:, ::-1].tobytes())
    config = write_settings(tmp_path, 'affine', 'bicross')
    monkeypatch.setattr(evidence, 'LIMITS', (10.0, 20.0))  # all is better

    out = tmp_path / 'mine.safetensors'
    adapt_to_bag = functools.partial(adapt_to, out, bag, checkpoint, config)
    with pytest.raises(DataSetError, match='no topic spikes of'):
        adapt_to_bag()
    uncovered = tmp_path / 'uncovered.dat'
    uncovered.write_bytes(pack(np.ones((1500, 64, 96), bool)).tobytes())
    with pytest.raises(DataSetError, match=r'uncovered.*cover the lens'):
        adapt_to_bag(topic=topic, dark=uncovered, rate_hz=4000.0)
    assert not out.with_suffix('').exists()
    adapt_to_bag(topic=topic, dark=dark)
    assert '(response estimated, dark current measured)' in capsys.readouterr().out
    found = report(out)
    assert [one['name'] for one in found['rungs']] == ['sensor', 'affine', 'bicross', 'average']
    plans = [json.loads((tmp_path / 'mine' / name / 'plan.json').read_text())
             for name in ('affine', 'bicross')]  # fmt: skip
    assert all(plan['sensor correction'] for plan in plans)
    correction = load_with_correction(out)[2]
    assert correction.measured.dark
    stored = correction.dark.astype(float) / SIZE['rate_hz']
    assert np.corrcoef(stored.ravel(), current.ravel())[0, 1] > 0.9


def test_what_does_not_improve_writes_no_file(resume, checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evidence, 'LIMITS', (-20.0, -10.0))  # all is worse
    monkeypatch.setattr(ros_commands, 'swap', None)
    out = tmp_path / 'mine.safetensors'
    assert resume(swap='/spike_depth') == 'worse'
    assert not out.exists()
    assert not out.with_suffix('.onnx').exists()
    assert report(out)['verdict'] == 'worse'
    assert f'{checkpoint.name} stays' in check_page(out, 'worse')
    assert f'worse; {checkpoint} stays' in capsys.readouterr().out


def test_a_corrected_reading_is_told(adapted):
    folder, printed = adapted
    page = (folder / 'adapt.html').read_text()
    for words in ('the planes had another bit order than stated', 'rows are padded to 16 bytes'):
        assert words in printed
        assert words in page


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    shown = Shown(tmp_path, None, '', tmp_path, [], [], None, math.nan)
    write_page(tmp_path, 'adapt.json', shown)
    warning = capsys.readouterr().err
    assert warning.startswith('warning: no page of the adaptation: ')
    assert warning.count('\n') == 1


@pytest.mark.long
@pytest.mark.kind
def test_an_interrupted_adaptation_goes_on(
    resume, matched, padded_wall, checkpoint, short, tmp_path, monkeypatch, without_onnx
):
    folder = tmp_path / 'mine'
    plan = json.dumps({**json.loads((matched / 'affine' / 'plan.json').read_text()), 'steps': 40})
    for one in (folder, tmp_path / 'whole' / 'mine'):
        if one != folder:
            shutil.copytree(matched, one)
        shutil.rmtree(one / 'affine')
        (one / 'affine').mkdir()
        (one / 'affine' / 'plan.json').write_text(plan)
    command = [
        sys.executable, 'training/run.py', 'adapt', '--recordings', str(padded_wall), '--out',
        f'{folder}.safetensors', '--checkpoint', str(checkpoint), '--size', '96x64', '--rate_hz',
        '400', '--minutes', str(SIZE['minutes']), '--device', 'cpu', '--config', str(short),
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {'OMP_NUM_THREADS': '1'}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        end = time.monotonic() + 120
        while not (folder / 'affine' / 'latest.json').exists() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130, printed
    assert 'the same command goes on where it was' in printed
    assert not folder.with_suffix('.safetensors').exists()
    # Another spelling of a path is no other checkpoint.
    resume(checkpoint=Path(os.path.relpath(checkpoint)))

    # The same plan in one go gives the same weights.
    adapt_to(tmp_path / 'whole' / 'mine.safetensors', padded_wall, checkpoint, short)
    weights = []
    for one in (folder, tmp_path / 'whole' / 'mine'):
        (path,) = (one / 'affine').glob('model_*.safetensors')
        assert '40' in path.name
        weights.append(load(path)[1])
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_folder_with_something_else_and_an_existing_export_are_refused(
    moving_wall, checkpoint, tmp_path
):
    out = tmp_path / 'mine.safetensors'
    out.with_suffix('.onnx').write_bytes(b'')
    with pytest.raises(ConfigError, match=r'mine\.onnx exists'):
        adapt(out, moving_wall, checkpoint, **SIZE)
    out.write_bytes(b'')
    with pytest.raises(ConfigError, match='which exists: choose another one, or give --overwrite'):
        adapt(out, moving_wall, checkpoint, **SIZE)
    with pytest.raises(DataSetError, match='expected a bag, a'):  # not of both files
        adapt(out, tmp_path / 'nothing', checkpoint, **SIZE, overwrite=True)
    out.unlink()
    out.with_suffix('.onnx').unlink()
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'other').touch()
    with pytest.raises(ConfigError, match='mine exists, which'):
        adapt(out, moving_wall, checkpoint, **SIZE)


def test_stages_with_settings_that_have_no_effect_are_refused(moving_wall, checkpoint, tmp_path):
    text = CONFIG.read_text()
    config = tmp_path / 'adapt.yaml'
    config.write_text(text.replace('    trainable: affine', '    trainable: affine\n    steps: 3'))
    with pytest.raises(ConfigError, match=r'stages\[0\]\.steps is given'):
        adapt(tmp_path / 'mine.safetensors', moving_wall, checkpoint, config=config, **SIZE)


def test_another_adaptation_is_not_watched_into(checkpoint, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    (folder / run.SETTINGS).write_text('{}')
    with pytest.raises(ConfigError, match='mine holds an adaptation to other recordings'):
        adapt(tmp_path / 'mine.safetensors', None, checkpoint, watch='/spikes', **SIZE)


def test_minutes_that_do_not_suffice_are_refused_with_the_least(
    moving_wall, checkpoint, short, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run, 'least_seconds', LEAST_SECONDS)
    out = tmp_path / 'mine.safetensors'
    begin = time.monotonic()
    with pytest.raises(ConfigError, match=r'minutes is 0\.001: expected [0-9.]+ or more') as error:
        adapt_to(out, moving_wall, checkpoint, short)
    assert time.monotonic() - begin < 30
    least = float(re.search(r'expected ([0-9.]+)', str(error.value))[1])
    # Whether an export follows is not known before the end.
    assert 0.2 * 60 * least >= EXPORT_S / 2
    assert not out.with_suffix('').exists()
    # What is refused as too short by nothing goes through the match.
    monkeypatch.setattr(findings, 'match_camera', interrupted := Interrupt())
    with pytest.raises(KeyboardInterrupt):
        adapt_to(out, moving_wall, checkpoint, short, minutes=3 * least)
    assert interrupted.called
    told = capsys.readouterr().out
    assert re.search(r'mine: speed of this machine; about 0\.0 min left', told)
    assert told.count('mine: recordings; about') == 1  # not of what was refused
    assert re.search(r'mine: match of the camera; about [0-9.]+ min left', told)


@pytest.mark.parametrize('kind', ['dat', 'bag'])
def test_minutes_are_refused_before_the_recordings_are_read(
    kind, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, 'least_seconds', LEAST_SECONDS)
    dark = tmp_path / 'dark.dat'  # which is refused once it is read
    dark.write_bytes(bytes(2400 * 64 * 12))
    if kind == 'bag':
        bag = tmp_path / 'bag'
        given = ('--size', '96x64', '--rate', '400', '--fx', '80', '--out', str(bag))
        assert spike_convert([str(dark), *given]) == 0
        dark = bag
    given = {'size': '96x64' if kind == 'dat' else '', 'rate_hz': 400.0, 'device': 'cpu'}
    for minutes, error, words in (
        (2.0, ConfigError, r'minutes is 2: expected [0-9.]+ or more'),
        (1e4, DataSetError, r'mean firing rate of 0'),
    ):
        with pytest.raises(error, match=words):
            adapt(tmp_path / 'mine.safetensors', dark, checkpoint, minutes=minutes, **given)
    with pytest.raises(ConfigError, match=r'minutes is 2: expected [0-9.]+ or more'):
        adapt(tmp_path / 'mine.safetensors', None, checkpoint, minutes=2.0, watch='/absent')
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith('mine')] == []


def test_what_an_adaptation_was_begun_with_is_compared_before_its_recordings_are_read(
    resume, tmp_path, capsys
):
    for changes in ({'minutes': 30.0}, {'topic': '/right/spikes'}):
        with pytest.raises(ConfigError, match='mine holds an adaptation with another'):
            resume(**changes)
    assert 'mine: recordings' not in capsys.readouterr().out


def test_wrong_arguments_are_refused_before_anything_is_written(moving_wall, checkpoint, tmp_path):
    out = tmp_path / 'mine.safetensors'
    for changes, words in (
        ({'out': tmp_path / 'mine.onnx'}, r'expected a \.safetensors file'),
        ({'out': checkpoint}, 'which exists'),
        ({'minutes': 0.0}, 'minutes is 0: expected above 0'),
        ({'rate_hz': 0.0}, 'rate_hz is 0: expected a finite rate above 0'),
        ({'watch': '/spikes'}, 'expected either recordings or watch'),
        ({'recordings': None}, 'expected either recordings or watch'),
        ({'recordings': []}, 'recordings is empty'),
        ({'recordings': None, 'watch': '/a', 'watch_gb': 0.0}, 'watch_gb is 0: expected above 0'),
    ):
        given = {'recordings': moving_wall, 'out': out, 'checkpoint': checkpoint, **SIZE}
        with pytest.raises(ConfigError, match=words):
            adapt(**{**given, **changes})
    with pytest.raises(CheckpointError, match='task'):
        adapt(out, moving_wall, find_checkpoint('recon_lite'), **SIZE)
    with pytest.raises(DataSetError, match='expected a bag, a'):
        adapt(out, tmp_path / 'nothing', checkpoint, **SIZE)
    assert not (tmp_path / 'mine').exists()
