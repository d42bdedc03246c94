# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that adapts a checkpoint to one's own recordings."""

from __future__ import annotations

import base64
import functools
import io
import json
import math
import os
import re
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

import bags  # noqa: E402
from html_pages import Reader  # noqa: E402
from training_files import write  # noqa: E402

from spike_depth_ros.checkpoint import (  # noqa: E402
    CheckpointError,
    find_checkpoint,
    load,
    load_with_correction,
)
from spike_depth_ros.estimator import DepthEstimator, Observation  # noqa: E402
from spike_depth_ros.stream.packing import bin_counts, pack, unpack  # noqa: E402
from spike_depth_ros.stream.window import Window  # noqa: E402
from spike_training.adaptation import gate, ros_commands, run  # noqa: E402
from spike_training.adaptation import report as report_module  # noqa: E402
from spike_training.adaptation.correction import CountCorrector  # noqa: E402
from spike_training.adaptation.ladder import load_network  # noqa: E402
from spike_training.adaptation.page import Shown, write_page  # noqa: E402
from spike_training.adaptation.recordings import open_recordings, split_in_time  # noqa: E402
from spike_training.adaptation.windows import LEAST_MEASURED  # noqa: E402
from spike_training.commands.adapt import adapt  # noqa: E402
from spike_training.errors import ConfigError, DataSetError, TrainingError  # noqa: E402
from spike_training.evaluation.predictors import predict  # noqa: E402
from spike_training.sampling.sample import Unlabelled  # noqa: E402
from spike_training.sampling.spike_source import SpikeSource  # noqa: E402

pytestmark = pytest.mark.timeout(300)  # whole adaptations

SIZE = {'size': '96x64', 'rate_hz': 400.0, 'minutes': 0.001, 'device': 'cpu'}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkpoint(tmp_path):
    return write(tmp_path / 'old.safetensors')


@pytest.fixture
def short(tmp_path):
    """Settings with one style and the first rung, as scenes and rungs take most of the time."""
    text, changed = re.subn(r'styles: .*', 'styles: [home]', run.CONFIG.read_text())
    assert changed == 1
    first, end = text.index('  - name: bicross'), text.index('\nmodel:')
    config = tmp_path / 'adapt.yaml'
    config.write_text(text[:first] + text[end:])
    return config


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


def test_what_improves_is_written_with_its_export(
    moving_wall, checkpoint, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'LIMITS', (10.0, 20.0))  # all is better
    monkeypatch.setattr(gate, 'UNVARIED', -math.inf)  # the network is tiny
    out = tmp_path / 'mine.safetensors'
    swapped = []
    monkeypatch.setattr(ros_commands, 'swap', lambda *given: swapped.append(given))
    adapt(out, moving_wall, checkpoint, swap='/spike_depth', **SIZE)
    assert swapped == [('/spike_depth', out)]
    found = report(out)
    assert found['verdict'] == 'improved'
    assert [rung['name'] for rung in found['rungs']] == [
        'affine',
        'bicross',
        'whole',
        'average',
    ]  # the sensor is ideal
    assert {rung['verdict'] for rung in found['rungs']} == {'improved'}
    assert found['scale'] == 'none'
    assert 'checkpoint $PWD/mine.safetensors' in check_page(
        out, 'improved', 'affine bicross whole average'
    )
    info, weights = load(out)
    old_info, old = load(checkpoint)
    assert info.scale == 'none'  # as before
    assert info.stage == found['kept']
    assert info.uncertainty_calibrated
    assert out.with_suffix('.onnx').is_file()
    assert weights.keys() == old.keys()
    assert old_info.architecture == info.architecture
    assert 'mine.safetensors: improved, by' in capsys.readouterr().out

    # The first rung changes scales and shifts alone; the last one is the mean of all.
    rungs = [
        load(next((tmp_path / 'mine' / name).glob('model_*.safetensors')))[1]
        for name in ('affine', 'bicross', 'whole')
    ]
    after = rungs[0]
    mean = load(tmp_path / 'mine' / 'average.safetensors')[1]
    for name in mean:
        expected = np.mean([one[name] for one in rungs], axis=0)
        assert mean[name].dtype == after[name].dtype
        assert np.allclose(mean[name], expected, rtol=1e-5, atol=1e-7)
    changed = {name for name in old if not np.array_equal(old[name], after[name])}
    assert changed
    layers = {name.rpartition('.')[0] for name in old if name.endswith('running_mean')}
    assert changed <= {f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')}

    out.unlink()
    other = write(tmp_path / 'other.safetensors', stage='other')
    before = (tmp_path / 'mine' / 'adapt.json').read_bytes()
    with pytest.raises(ConfigError, match='mine holds an adaptation with another checkpoint'):
        adapt(out, moving_wall, other, **SIZE)
    assert (tmp_path / 'mine' / 'adapt.json').read_bytes() == before


def test_after_an_interrupt_at_the_end_the_page_is_written(
    moving_wall, checkpoint, short, tmp_path, monkeypatch, one_thread
):
    monkeypatch.setattr(gate, 'LIMITS', (10.0, 20.0))  # all is better
    out = tmp_path / 'mine.safetensors'

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    for step in ('write_page', 'export'):
        with monkeypatch.context() as patch:
            patch.setattr(run, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                adapt(out, moving_wall, checkpoint, config=short, **SIZE)
        assert not out.exists()
        (out.with_suffix('') / 'adapt.html').unlink(missing_ok=True)
    adapt(out, moving_wall, checkpoint, config=short, **SIZE)
    assert out.exists()
    check_page(out, 'improved')


def test_a_rung_does_not_go_on_with_windows_of_the_other_kind(
    moving_wall, checkpoint, short, tmp_path, one_thread
):
    out = tmp_path / 'mine.safetensors'
    adapt(out, moving_wall, checkpoint, config=short, **SIZE)
    out.unlink(missing_ok=True)
    path = tmp_path / 'mine' / 'affine' / 'plan.json'
    plan = json.loads(path.read_text())
    assert plan['sensor correction'] is False
    for name, value in (('sensor correction', True), ('settings', 'others')):
        path.write_text(json.dumps({**plan, name: value}))
        with pytest.raises(TrainingError, match=f'begun with another {name}: remove .*affine'):
            adapt(out, moving_wall, checkpoint, config=short, **SIZE)


def test_nothing_improves_where_the_simulation_does_not_match(
    moving_wall, checkpoint, short, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'expected_change', lambda evidence: -0.5)
    monkeypatch.setattr(gate, 'FULL_DISTANCE', 1e-9)
    monkeypatch.setattr(report_module, 'FULL_DISTANCE', 1e-9)
    out = tmp_path / 'mine.safetensors'
    adapt(out, moving_wall, checkpoint, config=short, **SIZE)
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


def test_measured_depth_decides_and_gives_the_scale(
    measured_wall, short, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'LIMITS', (-20.0, -10.0))  # all would be worse
    monkeypatch.setattr(gate, 'MEASURED_LIMITS', (10.0, 20.0))
    checkpoint = write(tmp_path / 'old.safetensors', scale='metric')
    out = tmp_path / 'mine.safetensors'
    adapt(out, measured_wall, checkpoint, config=short, **SIZE)
    found = report(out)
    assert found['verdict'] == 'improved'
    assert found['scale'] == 'metric'
    assert found['recordings']['windows_with_depth'] >= LEAST_MEASURED
    errors = found['measured_error']
    (kept,) = (rung for rung in found['rungs'] if rung['name'] == found['kept'])
    assert kept['expected_change'] == pytest.approx(
        errors[found['kept']]['scaled'] / errors['old']['scaled'] - 1
    )
    scale = float(re.search(r'scale times ([0-9.]+)', capsys.readouterr().out)[1])
    before, after = load(checkpoint)[0], load(out)[0]
    assert after.scale == 'metric'
    assert before.canonical_fx / after.canonical_fx == pytest.approx(scale, abs=1e-3)
    # In the new metres, the median of true over predicted depth is 1.
    opened = open_recordings([measured_wall], '96x64', 400.0)
    network = load_network(out)[1]
    windows = SpikeSource(
        split_in_time(opened.recordings, after.planes).adaptation,
        after.planes,
        after.bins,
        after.multiple,
    )
    batch = windows.samples(range(len(windows)))
    assert gate.fit_scale(network, after, [batch]) == pytest.approx(1, rel=0.02)


def test_a_corrected_sensor_is_exported_and_used_live(
    moving_wall, short, tmp_path, monkeypatch, one_thread, capsys
):
    faulty = [(40, 7), (11, 60), (63, 95)]
    planes = np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)[:, ::-1].copy()
    for row, column in faulty:
        planes[:, row, column // 8] |= 1 << (column % 8)
    recording = tmp_path / 'hot.dat'
    recording.write_bytes(planes[:, ::-1].tobytes())
    monkeypatch.setattr(gate, 'LIMITS', (10.0, 20.0))
    # As much as any other rung, which is not more than the first one.
    monkeypatch.setattr(gate, 'expected_change', lambda evidence: -0.1)
    out = tmp_path / 'mine.safetensors'
    old = write(tmp_path / 'old.safetensors')
    adapt(out, recording, old, config=short, **SIZE)
    assert '3 faulty pixels, response differs by' in capsys.readouterr().out
    assert report(out)['kept'] == 'sensor'
    assert report(out)['correction']['faulty_pixels'] == len(faulty)
    _, weights, correction = load_with_correction(out)
    assert [tuple(place) for place in np.argwhere(correction.faulty).tolist()] == sorted(faulty)
    before = load(old)[1]
    assert all(np.array_equal(weights[name], before[name]) for name in before)

    window = Window.from_planes(unpack(planes[:128], 96), 400.0)
    live = DepthEstimator.from_checkpoint(out, 'cpu', 'torch').predict(Observation(window))
    raw = DepthEstimator.from_checkpoint(old, 'cpu', 'torch').predict(Observation(window))
    # The judge's windows begin at the held-back part; this one is corrected by hand.
    corrector = CountCorrector(correction, load(out)[0].pool, 400.0)
    counts, lengths = bin_counts(planes[:128], 96, bins=load(out)[0].bins)
    batch = Unlabelled(
        torch.from_numpy(counts)[None], torch.from_numpy(lengths), torch.tensor([0])
    )
    network = load_network(out)[1]
    with torch.inference_mode():
        expected = predict(network, corrector.correct(batch), 'spikes').depth[0, 0].numpy()
    assert np.abs(np.log(live.depth / expected)).max() < 1e-3
    assert np.abs(np.log(live.depth / raw.depth)).max() > 1e-2
    with pytest.raises(CheckpointError, match='it has a sensor correction, expected none'):
        adapt(tmp_path / 'again.safetensors', recording, out, **SIZE)


def test_a_bag_of_any_topic_is_adapted_to_with_its_measured_dark_current(
    moving_wall, checkpoint, tmp_path, monkeypatch, one_thread, capsys
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
    text = run.CONFIG.read_text()
    config = tmp_path / 'adapt.yaml'
    first, end = text.index('  - name: whole'), text.index('\nmodel:')
    config.write_text(re.sub(r'styles: .*', 'styles: [home]', text[:first] + text[end:]))
    monkeypatch.setattr(gate, 'LIMITS', (10.0, 20.0))  # all is better

    out = tmp_path / 'mine.safetensors'
    settings = {**SIZE, 'config': config, 'topic': topic}
    with pytest.raises(DataSetError, match='no topic spikes of'):
        adapt(out, bag, checkpoint, **SIZE)
    uncovered = tmp_path / 'uncovered.dat'
    uncovered.write_bytes(pack(np.ones((1500, 64, 96), bool)).tobytes())
    with pytest.raises(DataSetError, match=r'uncovered.*cover the lens'):
        adapt(out, bag, checkpoint, dark=uncovered, **{**settings, 'rate_hz': 4000.0})
    assert not out.with_suffix('').exists()
    adapt(out, bag, checkpoint, dark=dark, **settings)
    assert '(response estimated, dark current measured)' in capsys.readouterr().out
    found = report(out)
    assert [rung['name'] for rung in found['rungs']] == ['sensor', 'affine', 'bicross', 'average']
    plans = [json.loads((tmp_path / 'mine' / name / 'plan.json').read_text())
             for name in ('affine', 'bicross')]  # fmt: skip
    assert all(plan['sensor correction'] for plan in plans)
    correction = load_with_correction(out)[2]
    assert correction.measured.dark
    stored = correction.dark.astype(float) / SIZE['rate_hz']
    assert np.corrcoef(stored.ravel(), current.ravel())[0, 1] > 0.9


def test_a_few_maps_of_depth_are_too_few(measured_wall, checkpoint, short, tmp_path, one_thread):
    for path in sorted((measured_wall / 'depth').iterdir())[:-3]:
        path.unlink()
    out = tmp_path / 'mine.safetensors'
    adapt(out, measured_wall, checkpoint, config=short, **SIZE)
    assert report(out)['recordings']['windows_with_depth'] == 0
    assert report(out)['measured_error'] == {}


def test_what_does_not_improve_writes_no_file(
    moving_wall, checkpoint, short, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'LIMITS', (-20.0, -10.0))  # all is worse
    monkeypatch.setattr(ros_commands, 'swap', None)
    out = tmp_path / 'mine.safetensors'
    adapt(out, moving_wall, checkpoint, swap='/spike_depth', config=short, **SIZE)
    assert not out.exists()
    assert not out.with_suffix('.onnx').exists()
    assert report(out)['verdict'] == 'worse'
    assert f'{checkpoint.name} stays' in check_page(out, 'worse')
    told = capsys.readouterr().out
    assert f'worse; {checkpoint} stays' in told
    assert 'bit order' not in told


def test_a_corrected_reading_is_told(moving_wall, checkpoint, short, tmp_path, one_thread, capsys):
    rows = np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)
    other_order = np.packbits(np.unpackbits(rows, axis=2, bitorder='little'), axis=2)
    recording = tmp_path / 'padded.dat'
    np.pad(other_order, ((0, 0), (0, 0), (0, 4))).tofile(recording)
    out = tmp_path / 'mine.safetensors'
    adapt(out, recording, checkpoint, config=short, **SIZE)
    told = capsys.readouterr().out
    page = (out.with_suffix('') / 'adapt.html').read_text()
    for words in ('the planes had another bit order than stated', 'rows are padded to 16 bytes'):
        assert words in told
        assert words in page


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    shown = Shown(tmp_path, None, '', tmp_path, [], [], None, math.nan)
    write_page(tmp_path, 'adapt.json', shown)
    warning = capsys.readouterr().err
    assert warning.startswith('warning: no page of the adaptation: ')
    assert warning.count('\n') == 1


def test_an_interrupted_adaptation_goes_on(moving_wall, checkpoint, short, tmp_path):
    out = tmp_path / 'mine.safetensors'
    command = [
        sys.executable, 'training/run.py', 'adapt', '--recordings', str(moving_wall), '--out',
        str(out), '--checkpoint', str(checkpoint), '--size', '96x64', '--rate_hz', '400',
        '--minutes', '0.1', '--device', 'cpu', '--config', str(short),
    ]  # fmt: skip
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    folder = tmp_path / 'mine'
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        end = time.monotonic() + 120
        while not (folder / 'affine' / 'latest.json').exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[0]
    assert process.returncode == 130, told
    assert 'the same command goes on where it was' in told
    assert not out.exists()
    # Another spelling of a path is no other checkpoint.
    command[command.index(str(checkpoint))] = os.path.relpath(checkpoint, ROOT)
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)

    # The same plan in one go gives the same weights.
    other = tmp_path / 'whole' / 'mine'
    for name in ('settings.json', 'match.json', 'budget.json', 'affine/plan.json'):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((folder / name).read_bytes())
    command[command.index(str(out))] = str(other.with_suffix('.safetensors'))
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)
    weights = []
    for one in (folder, other):
        (path,) = (one / 'affine').glob('model_*.safetensors')
        weights.append(load(path)[1])
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_folder_with_something_else_and_an_existing_export_are_refused(
    moving_wall, checkpoint, tmp_path
):
    out = tmp_path / 'mine.safetensors'
    out.with_suffix('.onnx').write_bytes(b'')
    with pytest.raises(ConfigError, match=r'mine\.onnx exists'):
        adapt(out, moving_wall, checkpoint, **SIZE)
    out.with_suffix('.onnx').unlink()
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'other').touch()
    with pytest.raises(ConfigError, match='mine exists, which'):
        adapt(out, moving_wall, checkpoint, **SIZE)


def test_another_plane_rate_does_not_go_on_with_the_old_match(
    moving_wall, checkpoint, tmp_path, monkeypatch
):
    class StoppedError(Exception):
        pass

    def stop(*arguments):
        raise StoppedError

    out = tmp_path / 'mine.safetensors'
    monkeypatch.setattr(run, '_match', stop)
    with pytest.raises(StoppedError):
        adapt(out, moving_wall, checkpoint, **SIZE)
    with pytest.raises(ConfigError, match='another content of the recordings'):
        adapt(out, moving_wall, checkpoint, **{**SIZE, 'rate_hz': 300.0})


def test_rungs_with_settings_that_have_no_effect_are_refused(moving_wall, checkpoint, tmp_path):
    text = (ROOT / 'training' / 'configs' / 'adapt.yaml').read_text()
    config = tmp_path / 'rungs.yaml'
    config.write_text(text.replace('    trainable: affine', '    trainable: affine\n    steps: 3'))
    with pytest.raises(ConfigError, match=r'stages\[0\]\.steps is given'):
        adapt(tmp_path / 'mine.safetensors', moving_wall, checkpoint, config=config, **SIZE)


def test_another_adaptation_is_not_watched_into(checkpoint, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    (folder / run.SETTINGS).write_text('{}')
    with pytest.raises(ConfigError, match='mine holds an adaptation to other recordings'):
        adapt(tmp_path / 'mine.safetensors', None, checkpoint, watch='/spikes', **SIZE)


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
