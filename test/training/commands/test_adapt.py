# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a checkpoint to one's own recordings, and its command."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import itertools
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
import torch
from PIL import Image

from kit import bags
from kit.checkpoints import checkpoint as write
from kit.html_pages import Reader
from kit.refusals import first_line, leaving
from spike_depth_ros.base.results import hash_file
from spike_depth_ros.checkpoint import (
    CheckpointError,
    find_checkpoint,
    load,
    load_with_correction,
    save,
)
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.packing import bin_counts, pack, unpack
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tools.convert.command import main as spike_convert
from spike_training.adaptation import (
    CONFIG,
    candidates,
    evidence,
    findings,
    ros_commands,
    run,
)
from spike_training.adaptation import report as report_module
from spike_training.adaptation.correction import CountCorrector
from spike_training.adaptation.page import Shown, write_page
from spike_training.adaptation.recordings import open_recordings, split_in_time
from spike_training.adaptation.schedule import EXPORT_S
from spike_training.adaptation.windows import LEAST_MEASURED, Sizes
from spike_training.commands.adapt import adapt
from spike_training.errors import ConfigError, DataSetError, TrainingError
from spike_training.evaluation.matched_depth import fit_scale
from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Unlabelled
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.reading import load_config

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


@pytest.fixture(scope='module', autouse=True)
def any_minutes():
    """Allow adaptations of a moment, which train as few steps as possible."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, 'least_seconds', lambda *given: 0.0)
        patch.setattr(candidates, 'LEAST_STEPS', 4)
        yield


@pytest.fixture(scope='module')
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


@pytest.fixture(scope='module')
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


@pytest.fixture(scope='module')
def padded_wall(moving_wall, tmp_path_factory):
    """The wall in the other bit order, its rows padded to 16 bytes."""
    rows = np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)
    other_order = np.packbits(np.unpackbits(rows, axis=2, bitorder='little'), axis=2)
    recording = tmp_path_factory.mktemp('padded') / 'padded.dat'
    np.pad(other_order, ((0, 0), (0, 0), (0, 4))).tofile(recording)
    return recording


@pytest.fixture(scope='module')
def adapted(padded_wall, checkpoint, short, tmp_path_factory):
    """Folder of an adaptation to the padded wall, without an output, and what it has printed."""
    out, printed = tmp_path_factory.mktemp('adapted') / 'mine.safetensors', io.StringIO()
    with contextlib.redirect_stdout(printed):
        adapt_to(out, padded_wall, checkpoint, short)
    return out.with_suffix(''), printed.getvalue()


@pytest.fixture(scope='module')
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


def test_settings_of_an_earlier_version_are_completed(resume, tmp_path, monkeypatch):
    path = tmp_path / 'mine' / 'settings.json'
    now = json.loads(path.read_text())
    # What 557f2af has stored.
    old = {name: value for name, value in now.items() if name in run._BEFORE_FINGERPRINTS}
    path.write_text(json.dumps(old))
    monkeypatch.setattr(findings, 'look_upside_down', interrupted := Interrupt())
    with pytest.raises(KeyboardInterrupt):
        resume()
    assert interrupted.called
    assert json.loads(path.read_text()) == now


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


def test_each_stored_setting_is_compared(matched, tmp_path):
    now = json.loads((matched / 'settings.json').read_text())
    for name in now.keys() - {'names'}:
        for stored in ('other', None, ['a\nb'], {'c': 'd\ne'}):
            if stored != now[name]:
                with pytest.raises(ConfigError) as caught:
                    run._check_same(tmp_path, now | {name: stored}, now)
                assert f'an adaptation with another {name} (' in str(caught.value)
                assert len(str(caught.value).splitlines()) == 1


def test_what_adapt_refuses(
    refusals, resume, moving_wall, padded_wall, checkpoint, short, tmp_path, monkeypatch, capsys
):
    """Nothing is written, and no recording is read before what can be known without."""
    rows, places = {}, itertools.count()

    def row(name, named, call, folder=tmp_path):
        rows[name] = named, leaving(folder, call)

    def begin(name, named, folder=tmp_path, **changes):
        given = {'out': folder / 'new.safetensors', 'recordings': moving_wall,
                 'checkpoint': checkpoint, **SIZE, **changes}  # fmt: skip
        row(name, named, functools.partial(adapt, **given), folder)

    def place():
        """A folder for a row."""
        folder = tmp_path / str(next(places))
        folder.mkdir()
        return folder

    # Arguments.
    begin('no .safetensors', 'mine.onnx', out=tmp_path / 'mine.onnx')
    begin('the checkpoint as output', 'which exists', out=checkpoint)
    begin('no minutes', 'minutes', minutes=0.0)
    begin('no rate', 'rate_hz', rate_hz=0.0)
    begin('recordings and watch', 'watch', watch='/spikes')
    begin('neither', 'watch', recordings=None)
    begin('no recordings', 'recordings', recordings=[])
    begin('no room for watch', 'watch_gb', recordings=None, watch='/a', watch_gb=0.0)
    begin('a checkpoint of pictures', 'task', checkpoint=find_checkpoint('recon_lite'))
    path = place() / 'corrected.safetensors'
    pixels = np.ones((64, 96))
    save(path, *reversed(load(checkpoint)), SensorCorrection(pixels > 1, pixels, pixels))
    begin('a corrected checkpoint', 'corrected.safetensors', checkpoint=path)
    path = write(place() / 'rgb.safetensors', inputs=('rgb',), bins=3)
    begin('a checkpoint of rgb', 'rgb.safetensors', checkpoint=path)
    path = place() / 'adapt.yaml'
    text = CONFIG.read_text()
    path.write_text(text.replace('    trainable: affine', '    trainable: affine\n    steps: 3'))
    begin('a stage with steps', 'stages[0].steps', config=path)

    # Recordings.
    begin('no such recording', 'nothing', recordings=tmp_path / 'nothing')
    bag = bags.bag(place() / 'bag')
    begin('no such topic', 'topic eyes', recordings=bag, topic='eyes', size='')
    rows['no such topic'] = 'topic eyes', first_line(rows['no such topic'][1])
    dark = place() / 'dark.dat'
    dark.write_bytes(bytes(2400 * 64 * 12))
    lit = place() / 'lit.dat'
    lit.write_bytes(
        pack(np.random.default_rng(0).random((1000, 64, 96)) < np.linspace(0, 0.9, 96)).tobytes()
    )
    begin('a lens that is not covered', 'cover the lens', dark=lit)
    files = {'dat': dark, 'bag': dark.with_name('bag')}
    given = ('--size', '96x64', '--rate', '400', '--fx', '80', '--out', str(files['bag']))
    assert spike_convert([str(dark), *given]) == 0
    for kind, file in files.items():
        begin(f'a dark {kind}', 'firing rate', recordings=file, minutes=1e4)

    # What lies beside the output.
    folder = place()
    (folder / 'mine.onnx').write_bytes(b'')
    begin('an export is there', 'mine.onnx', folder, out=folder / 'mine.safetensors')
    folder = place()
    for kind in ('onnx', 'safetensors'):
        (folder / f'mine.{kind}').write_bytes(b'')
    begin('both are there', 'mine.safetensors', folder, out=folder / 'mine.safetensors')
    begin('replaced, but of nothing', 'nothing', folder, out=folder / 'mine.safetensors',
          recordings=tmp_path / 'nothing', overwrite=True)  # fmt: skip
    folder = place()
    (folder / 'mine').mkdir()
    (folder / 'mine' / 'other').touch()
    begin('another folder', 'mine exists', folder, out=folder / 'mine.safetensors')
    folder = place()
    (folder / 'mine').mkdir()
    (folder / 'mine' / run.SETTINGS).write_text('{}')
    begin('watch into an adaptation', 'other recordings', folder, recordings=None, watch='/spikes',
          out=folder / 'mine.safetensors')  # fmt: skip

    # What the adaptation was begun with.
    other = write(tmp_path / 'other.safetensors', stage='other')
    for name, changes in (('minutes', {'minutes': 30.0}), ('topic', {'topic': '/right/spikes'})):

        def unread(changes=changes):
            capsys.readouterr()
            try:
                return resume(**changes)
            finally:
                assert 'mine: recordings' not in capsys.readouterr().out

        row(f'another {name}', f'another {name}', unread)
    row('another checkpoint', 'given', functools.partial(resume, checkpoint=other))
    row('a recording in the dark', 'fingerprint of dark', functools.partial(resume, dark=dark))
    row(
        'another rate',
        'another content of the recordings',
        functools.partial(resume, rate_hz=300.0),
    )

    def replaced():
        """Another recording under the same name, of the same length and time."""
        planes, stat = padded_wall.read_bytes(), padded_wall.stat()
        middle = len(planes) // 2
        try:
            one = bytes([planes[middle] ^ 1])
            padded_wall.write_bytes(planes[:middle] + one + planes[middle + 1 :])
            os.utime(padded_wall, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            return resume()
        finally:
            padded_wall.write_bytes(planes)

    row('a replaced recording', 'of the recordings (replaced since)', replaced)

    def stored(path, content):
        """Go on after a file of the folder has another content."""
        before = path.read_bytes()
        try:
            path.write_bytes(content)
            return resume()
        finally:
            path.write_bytes(before)

    path = tmp_path / 'mine' / 'settings.json'
    for content in (b'', b'{"minutes": 0.0', b'[]', b'\xff', b'[' * 100_000):
        call = functools.partial(stored, path, content)
        row(f'damaged settings {content[:20]}', 'settings.json', call)
    path = tmp_path / 'mine' / 'affine' / 'plan.json'
    plan = json.loads(path.read_text())
    for name, value in (('sensor correction', True), ('settings', 'others')):
        call = functools.partial(stored, path, json.dumps({**plan, name: value}).encode())
        row(f'a stage of another {name}', name, call)

    # Minutes, on which the speed of the machine decides.
    def measured(call):
        with monkeypatch.context() as patch:
            patch.setattr(run, 'least_seconds', LEAST_SECONDS)
            return call()

    for kind, changes in {**{one: {'recordings': file} for one, file in files.items()},
                          'topic': {'recordings': None, 'watch': '/absent'}}.items():  # fmt: skip
        begin(f'few minutes for a {kind}', 'minutes', minutes=2.0, **changes)
        named, call = rows[f'few minutes for a {kind}']
        rows[f'few minutes for a {kind}'] = named, functools.partial(measured, call)
    replace = {r'(minutes is 2: expected) [\d.]+': r'\1 N'}
    errors = ConfigError, CheckpointError, DataSetError, TrainingError
    refusals('adapt', rows, errors, replace)
