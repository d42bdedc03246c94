# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation to recordings of two eyes, which teach metres, and its command."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import io
import itertools
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kit import bags
from kit.checkpoints import checkpoint as write
from kit.html_pages import Reader
from kit.refusals import first_line, leaving
from spike_depth_ros.checkpoint import load
from spike_depth_ros.stream.packing import unpack
from spike_training.adaptation import (
    CONFIG,
    STEREO_CONFIG,
    candidates,
    ros_commands,
    run,
)
from spike_training.adaptation.recordings import open_recordings
from spike_training.adaptation.second_eye import SecondEye
from spike_training.adaptation.windows import Sizes, open_windows
from spike_training.commands.adapt import adapt
from spike_training.datasets.readers import pairs
from spike_training.errors import ConfigError, DataSetError, TrainingError
from spike_training.evaluation.matched_depth import (
    LEAST_DISPARITY_PX,
    fit_scale,
)
from spike_training.sampling.sample import Batch
from spike_training.sensor.camera import SpikeCamera

pytestmark = pytest.mark.timeout(300)

FEW = Sizes(
    matched=12, match_scenes=2, corrected=12, compared=8, tested=6, moving=2, scenes=4, paired=6
)
PHOTOMETRIC = STEREO_CONFIG.with_name('adapt_photometric.yaml')

SIZE = ('96x64', 400.0)
HEIGHT, WIDTH, RATE_HZ, SECONDS, STEP = 64, 96, 400.0, 6, 20
BASELINE, FX = 0.12, 100.0
FAR_PX, NEAR_PX = 6, 12
"""Disparity of the upper half of the pictures, and of the lower one."""


def record(path, shift, seed):
    """Write what an eye sees of a wall in two parts that moves: columns further by shifts."""
    import cv2

    knots = [*range(0, round(SECONDS * RATE_HZ) + 1, STEP)]
    noise = np.random.default_rng(1).random((HEIGHT, WIDTH + NEAR_PX + len(knots)), np.float32)
    wall = cv2.GaussianBlur(noise, None, 1.5)
    wall = 0.05 + 0.4 * (wall - wall.min()) / np.ptp(wall)
    light = np.stack(
        [
            np.concatenate([half[:, k + by : k + by + WIDTH] for half, by in zip(
                np.split(wall, 2), shift, strict=True)])
            for k in range(len(knots))
        ]
    )  # fmt: skip
    camera = SpikeCamera(HEIGHT, WIDTH, torch.tensor([seed]))
    planes = camera.expose(torch.from_numpy(light)[None], knots)[0].numpy()
    path.write_bytes(planes[:, ::-1].tobytes())  # bottom row first
    return path


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    """Left and right .dat file of 6 s at 400 Hz, 96x64 pixels."""
    folder = tmp_path_factory.mktemp('pair')
    left = record(folder / 'left.dat', (0, 0), 1)
    return left, record(folder / 'right.dat', (FAR_PX, NEAR_PX), 2)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return write(tmp_path_factory.mktemp('checkpoint') / 'old.safetensors')


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Settings with one style and small batches, which take less time."""
    text = re.sub(r'styles: .*', 'styles: [home]', PHOTOMETRIC.read_text())
    path = tmp_path_factory.mktemp('settings') / 'adapt.yaml'
    path.write_text(text.replace('batch_size: 8', 'batch_size: 2'))
    return path


@pytest.fixture(scope='module', autouse=True)
def any_minutes():
    """Allow adaptations of a moment, which train as few steps as possible."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, 'least_seconds', lambda *given: 0.0)
        patch.setattr(candidates, 'LEAST_STEPS', 4)
        patch.setattr(pairs, 'WINDOWS', 4)  # whose alignment is checked, which is tested elsewhere
        yield


@pytest.fixture
def without_onnx(monkeypatch):
    """Write the calibrated checkpoint alone: an export takes longer than all else together."""
    monkeypatch.setattr(run, 'export', lambda out, checkpoint: shutil.copy(checkpoint, out))


def eye_of(*right, **changes):
    return SecondEye(tuple(map(str, right)), **{'baseline': BASELINE, 'fx': FX, **changes})


def adapt_to(out, left, eye, checkpoint, config, **changes):
    """Adapt a checkpoint by few windows and scenes."""
    arguments = run.Arguments(
        [left], checkpoint, config, 0.001, *SIZE, 'spikes', None, None, eye
    )  # fmt: skip
    return run.run(arguments._replace(**changes), out, 'cpu', '', FEW)


def windows_of(pair, checkpoint, **changes):
    eye = eye_of(pair[1], **changes)
    return open_windows(
        [pair[0]], *SIZE, 'spikes', load(checkpoint)[0], torch.device('cpu'), FEW, eye
    )


class TestPairs:
    def test_matched_depth_is_that_of_the_baseline(self, pair, checkpoint):
        found = windows_of(pair, checkpoint)
        assert found.matched_decides
        assert found.pairs.number == 2 * FEW.tested
        assert 0.7 < found.pairs.matched < 1
        for batches in (found.known, found.measured):
            depth = torch.cat([batch.depth[:, 0] for batch in batches]).numpy()
            assert depth.shape == (FEW.tested, HEIGHT, WIDTH)
            assert np.nanmedian(depth[:, :30]) == pytest.approx(BASELINE * FX / FAR_PX, rel=0.02)
            assert np.nanmedian(depth[:, 34:]) == pytest.approx(BASELINE * FX / NEAR_PX, rel=0.02)
            assert np.nanmax(depth) < BASELINE * FX / LEAST_DISPARITY_PX
        # Both eyes are there to learn from.
        batch = found.adaptation.batch(0, 2)
        assert batch.right.counts.shape == batch.counts.shape
        assert batch.baseline_m.tolist() == pytest.approx([BASELINE] * 2)

    def test_the_longer_eye_is_cut(self, pair, tmp_path):
        short = tmp_path / 'short.dat'
        short.write_bytes(pair[1].read_bytes()[: 2100 * 12 * HEIGHT])
        for left, right in ((pair[0], short), (short, pair[0])):
            opened = open_recordings([left], *SIZE, 'spikes', eye_of(right))
            assert [clip.planes for clip in opened.clips] == [2100]
            assert opened.duration_s == 2100 / RATE_HZ

    def test_recordings_in_folders_have_right_ones_of_the_same_names(self, pair, tmp_path):
        for eye, path in zip(('left', 'right'), pair, strict=True):
            for name in ('one.dat', 'day/two.dat'):
                (tmp_path / eye / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / eye / name).symlink_to(path)
        (tmp_path / 'left' / 'one.dat').unlink()
        shutil.copy(pair[0], tmp_path / 'left' / 'one.dat')
        opened = open_recordings([tmp_path / 'left'], *SIZE, 'spikes', eye_of(tmp_path / 'right'))
        assert [clip.name for clip in opened.clips] == ['dat/two', 'dat/one']
        assert all(clip.right is not None for clip in opened.clips)

    def test_the_depth_of_the_recording_wins(self, pair, checkpoint, tmp_path):
        (tmp_path / 'depth').mkdir()
        left = tmp_path / 'left.dat'
        left.symlink_to(pair[0])
        for plane in range(100, 2400, 50):
            np.save(
                tmp_path / 'depth' / f'left_{plane:05}.npy', np.full((64, 96), 3.0, np.float32)
            )
        found = windows_of((left, pair[1]), checkpoint)
        assert not found.matched_decides
        assert float(found.measured[0].depth.min()) == 3.0
        assert 0.5 < float(np.nanmedian(found.pairs.measured[0].depth)) < 2.5


@pytest.fixture(scope='module')
def adapted(pair, checkpoint, config, tmp_path_factory):
    """Output of an adaptation to the pair, beside its folder, and what it has printed."""
    out, printed = tmp_path_factory.mktemp('adapted') / 'mine.safetensors', io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(run, 'export', lambda out, checkpoint: shutil.copy(checkpoint, out))
        assert adapt_to(out, pair[0], eye_of(pair[1]), checkpoint, config) == 'improved'
    return out, printed.getvalue()


@pytest.fixture(scope='module')
def begun(adapted):
    """The folder of that adaptation."""
    return adapted[0].with_suffix('')


def test_the_scale_is_measured_and_kept_in_file_and_page(adapted, begun, pair, checkpoint):
    out, printed = adapted
    report = json.loads((begun / 'adapt.json').read_text())
    names = [one['name'] for one in report['rungs']]
    assert names == ['scale', 'photometric']
    scale = report['rungs'][0]
    assert scale['verdict'] == 'improved'
    errors = report['measured_error']
    assert scale['expected_change'] == pytest.approx(
        errors['scale']['bounded'] / errors['old']['bounded'] - 1
    )
    # A pure factor changes no shape.
    assert errors['scale']['scaled'] == pytest.approx(errors['old']['scaled'], rel=1e-5)
    assert scale['evidence']['drift'] == pytest.approx(math.log(report['pairs']['scale_factor']))
    assert report['scale'] == 'metric'
    told = report['pairs']
    assert (told['baseline_m'], told['fx_px'], told['number']) == (BASELINE, FX, 12)
    assert told['depth'] == 'matched'

    # Half of the pictures is 2 m away, the other half 1 m.
    before, after = load(checkpoint)[0], load(begun / 'scale.safetensors')[0]
    factor = before.canonical_fx / after.canonical_fx
    assert factor == pytest.approx(told['scale_factor'])
    windows = windows_of(pair, checkpoint)
    network = candidates.load_network(checkpoint)[1]
    assert fit_scale(network, before.canonical_fx, windows.known) == pytest.approx(
        factor, rel=1e-4
    )
    assert fit_scale(network, after.canonical_fx, windows.known) == pytest.approx(1, rel=1e-4)
    info = load(out)[0]
    assert info.scale == 'metric'
    assert info.canonical_fx == pytest.approx(after.canonical_fx)  # of either candidate
    assert info.uncertainty_calibrated

    page = Reader((begun / 'adapt.html').read_text())
    for words in ('Two eyes', '0.12 m', 'error in metres', 'depth: both eyes', 'factor of scale'):
        assert words in page.text
    assert len(page.references) == 5 * 5 + 4
    for reference in page.references:
        png = base64.b64decode(reference.removeprefix('data:image/png;base64,'), validate=True)
        with Image.open(io.BytesIO(png)) as image:
            assert np.ptp(np.asarray(image.convert('RGB'))) > 0
    assert '12 pairs at a baseline of 0.12 m and a focal length of 100 pixels' in printed
    assert 'sensor is left out: each of two eyes would need its own' in printed
    assert 'the depth that both eyes match decides' in printed
    assert re.search(r'scale: improved \(metres -[0-9.]+%\)', printed)


def test_scale_alone_is_offered(tmp_path, pair, checkpoint, without_onnx):
    config = tmp_path / 'adapt.yaml'
    config.write_text(re.sub(r'styles: .*', 'styles: [home]', STEREO_CONFIG.read_text()))
    out = tmp_path / 'mine.safetensors'
    assert adapt_to(out, pair[0], eye_of(pair[1]), checkpoint, config) == 'improved'
    told = json.loads((tmp_path / 'mine' / 'adapt.json').read_text())
    assert told['kept'] == 'scale'
    assert [rung['name'] for rung in told['rungs']] == ['scale']


@pytest.fixture
def resume(begun, pair, checkpoint, config, tmp_path):
    """Go on with a copy of the adaptation to the pair, which writes TMP_PATH/mine.safetensors."""
    shutil.copytree(begun, tmp_path / 'mine')
    given = {'left': pair[0], 'eye': eye_of(pair[1]), 'checkpoint': checkpoint, 'config': config}
    return lambda **changes: adapt_to(tmp_path / 'mine.safetensors', **{**given, **changes})


def test_an_interrupted_adaptation_goes_on_with_the_scale_that_it_measured(
    resume, tmp_path, monkeypatch, without_onnx
):
    report = tmp_path / 'mine' / 'adapt.json'
    before = json.loads(report.read_text())
    report.unlink()
    # What is measured again may differ on another machine.
    monkeypatch.setattr(run, 'fit_scale', None)
    assert resume() == 'improved'
    after = json.loads(report.read_text())
    assert after['pairs'] == before['pairs']
    assert after['measured_error'] == before['measured_error']
    assert load(tmp_path / 'mine.safetensors')[0].scale == 'metric'


def test_settings_without_a_second_eye_are_those_of_one(tmp_path):
    now = {'minutes': 1, 'names': {}, **dict.fromkeys(run._OF_TWO_EYES)}
    old = dict.fromkeys(run._BEFORE_FINGERPRINTS)
    run._check_same(tmp_path, old | {'minutes': 1}, now)


def test_photometric_starts_in_the_metres_of_the_pairs(begun, checkpoint):
    plan = json.loads((begun / 'photometric' / 'plan.json').read_text())
    assert plan['checkpoint'] == candidates.hash_file(begun / 'scale.safetensors')
    (path,) = (begun / 'photometric').glob('model_*.safetensors')
    scaled, trained = load(begun / 'scale.safetensors')[0], load(path)[0]
    assert trained.canonical_fx == scaled.canonical_fx != load(checkpoint)[0].canonical_fx


def test_labelled_places_get_the_sizes_of_the_pairs():
    class Places:
        def batch(self, *given):
            return Batch(
                torch.zeros(1, 1, 2, 2), torch.ones(1), None,
                torch.tensor([[[[1.0, math.nan], [math.inf, 2.0]]]]), torch.ones(1), torch.ones(1),
            )  # fmt: skip

    depth = candidates.ResizedSource(Places(), 1.5).batch(0, 1).depth[0, 0]
    assert depth[0].isnan().tolist() == [False, True]
    assert [float(depth[0, 0]), float(depth[1, 0]), float(depth[1, 1])] == [1.5, math.inf, 3.0]


CALIBRATION = """\
image_width: {width}
image_height: {height}
distortion_model: plumb_bob
camera_matrix: {{data: [{fx}, 0, {cx}, 0, {fx}, {cy}, 0, 0, 1]}}
distortion_coefficients: {{data: [0, 0, 0, 0, 0]}}
rectification_matrix: {{data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{data: [{fx}, 0, {cx}, {tx}, 0, {fx}, {cy}, 0, 0, 0, 1, 0]}}
"""


def calibrations(folder, baseline=BASELINE, off_centre=0):
    """Write the calibrations of both cameras; the right one's picture lies further left."""
    found = []
    for name, tx, beside in (('left', 0, 0), ('right', -FX * baseline, off_centre)):
        found.append(folder / f'{name}.yaml')
        found[-1].write_text(
            CALIBRATION.format(
                width=WIDTH, height=HEIGHT, fx=FX, cx=(WIDTH - 1) / 2 - beside,
                cy=(HEIGHT - 1) / 2, tx=tx,
            )
        )  # fmt: skip
    return found


def write_bag(path, pair, calibrated):
    """Write both eyes as topics of a bag, the right one stamped three planes later."""
    period, messages = round(1e9 / RATE_HZ), []
    for eye, file, late in zip(('left', 'right'), pair, (0, 3), strict=True):
        planes = unpack(np.fromfile(file, np.uint8).reshape(-1, HEIGHT, 12)[:, ::-1], WIDTH)
        for k in range(late, len(planes), 200):
            stamp = bags.START + k * period
            messages.append((f'/{eye}/spikes', stamp, bags.packet(stamp, planes[k : k + 200])))
        info = bags.camera(fx=FX, width=WIDTH, height=HEIGHT)
        info.p[3] = -FX * BASELINE if eye == 'right' and calibrated else 0
        messages.append((f'/{eye}/camera_info', bags.START, info))
    bags.write(path, sorted(messages, key=lambda one: one[1]))
    return path


@pytest.fixture(scope='module')
def both_bags(pair, tmp_path_factory):
    """Bags of both eyes without and with the calibration of the pair."""
    folder = tmp_path_factory.mktemp('bags')
    return [write_bag(folder / name, pair, name == 'known') for name in ('unknown', 'known')]


def windows_of_bag(bag, checkpoint, **changes):
    few = dataclasses.replace(FEW, tested=5, paired=5)
    eye = dataclasses.replace(eye_of('/right/spikes', baseline=None, fx=None), **changes)
    info = load(checkpoint)[0]
    device = torch.device('cpu')
    return open_windows([bag], '400x250', 20e3, 'left/spikes', info, device, few, eye)


class TestCalibrations:
    def test_files_say_how_the_cameras_are(self, pair, checkpoint, tmp_path):
        left, right = calibrations(tmp_path, off_centre=3)
        files = {'baseline': None, 'fx': None, 'camera_info': left, 'right_camera_info': right}
        found = windows_of(pair, checkpoint, **files)
        # What is infinitely far is 3 pixels to the right in the right eye.
        depth = found.measured[0].depth[0, 0].numpy()
        assert np.nanmedian(depth[34:]) == pytest.approx(BASELINE * FX / (NEAR_PX - 3), rel=0.02)

    def test_a_focal_length_beside_the_recording_is_used(self, pair, checkpoint, tmp_path):
        (tmp_path / 'left.dat').symlink_to(pair[0])
        np.savetxt(tmp_path / 'K.txt', [[2 * FX, 0, 48], [0, 2 * FX, 32], [0, 0, 1]])
        found = windows_of((tmp_path / 'left.dat', pair[1]), checkpoint, fx=None)
        assert (found.pairs.rig.fx_px, found.fx) == (2 * FX, 2 * FX)

    @pytest.mark.parametrize('calibrated', [True, False])
    def test_a_bag_has_both_topics_and_cameras(self, both_bags, checkpoint, calibrated):
        # Else a baseline, and the focal length of the bag.
        baseline = None if calibrated else BASELINE
        found = windows_of_bag(both_bags[calibrated], checkpoint, baseline=baseline).pairs
        assert found.rig.baseline_m == pytest.approx(BASELINE)
        depth = found.measured[0].depth[0, 0].numpy()
        assert np.nanmedian(depth[34:]) == pytest.approx(BASELINE * FX / NEAR_PX, rel=0.02)


def test_both_topics_of_a_running_system_are_recorded(tmp_path, monkeypatch):
    told = []

    def record_both(*command):
        told.append(command)
        (Path(command[command.index('--out') + 1])).mkdir()
        return ''

    monkeypatch.setattr(ros_commands, '_run', record_both)
    bag = ros_commands.record('/rig/left/spikes', tmp_path, 10.0, 4.0, 'cam2/spikes')
    assert bag == tmp_path / 'recording'
    ((name, *options),) = told
    assert name == 'spike_record'
    assert '/rig/left/spikes' not in options  # the topic alone
    assert options[-10:] == [
        '--stereo', '--ros-args', '-r', 'left/spikes:=/rig/left/spikes', '-r',
        'left/camera_info:=/rig/left/camera_info', '-r', 'right/spikes:=/cam2/spikes', '-r',
        'right/camera_info:=/cam2/camera_info',
    ]  # fmt: skip


def test_what_adapt_refuses_of_two_eyes(refusals, resume, pair, both_bags, checkpoint, tmp_path):
    rows, places = {}, itertools.count()

    def row(name, named, call):
        rows[name] = named, leaving(tmp_path, call)

    def place():
        folder = tmp_path / str(next(places))
        folder.mkdir()
        return folder

    # Options.
    given = {'out': tmp_path / 'new.safetensors', 'recordings': pair[0], 'checkpoint': checkpoint,
             'size': SIZE[0], 'rate_hz': SIZE[1], 'minutes': 0.001, 'device': 'cpu'}  # fmt: skip
    right = {'right': str(pair[1]), 'baseline': BASELINE, 'fx': FX}
    unlabelled = place() / 'pairs.yaml'
    text = PHOTOMETRIC.read_text()
    unlabelled.write_text(text.replace('source_weight: 1.0', 'source_weight: 0'))
    for name, (named, changes) in {
        'a baseline without right': ('baseline', {'baseline': BASELINE, 'fx': FX}),
        'a camera without right': ('right_camera_info', {'right_camera_info': Path('a')}),
        'flat': ('flat', {**right, 'flat': pair[0]}),
        'dark': ('dark', {**right, 'dark': pair[0]}),
        'no stage for one eye': ('stages', {'config': STEREO_CONFIG}),
        'a stage of two eyes for one': ('stages[0].kind', {'config': PHOTOMETRIC}),
        'nothing known of the cameras': ('calibration', {'right': str(pair[1])}),
        'a stage without labelled spikes': ('kind', {**right, 'config': unlabelled}),
    }.items():
        row(name, named, functools.partial(adapt, **{**given, **changes}))

    # Calibrations.
    left_file, right_file = calibrations(place(), off_centre=3)
    files = {'baseline': None, 'fx': None, 'camera_info': left_file,
             'right_camera_info': right_file}  # fmt: skip
    for name, (named, changes) in {
        'baseline 0': ('baseline', {'baseline': 0.0}),
        'baseline nan': ('baseline', {'baseline': math.nan}),
        'fx alone': ('--fx', {'baseline': None}),
        'no calibration': ('calibration', {'baseline': None, 'fx': None}),
        'baseline alone': ('--baseline', {'fx': None}),
        'fx -3': ('fx', {'fx': -3.0}),
        'baseline and a camera': ('--camera-info', {'fx': None, 'camera_info': Path('a')}),
        'no such file': ('no:', {**files, 'camera_info': Path('no'),
                                 'right_camera_info': Path('no')}),
        'another camera': ('median', {'baseline': 9.0, 'fx': 1000.0}),
        'one of two cameras': ('--camera-info', {**files, 'right_camera_info': None}),
        'cameras exchanged': ('exchange the cameras', {**files, 'camera_info': right_file,
                                                       'right_camera_info': left_file}),
    }.items():  # fmt: skip
        row(name, named, functools.partial(windows_of, pair, checkpoint, **changes))

    # Right recordings that are none.
    planes = np.fromfile(pair[1], np.uint8).reshape(-1, HEIGHT, 12)
    folder = place()
    other = folder / 'other.dat'
    shutil.copy(pair[1], other)
    for name, (named, content) in {
        'damaged': ('damaged.dat', pair[1].read_bytes()[:999]),
        'copy': ('baseline', pair[0].read_bytes()),
        'dark': ('right eye', bytes(planes.nbytes)),
        'still': ('right eye', np.tile(planes[:40], (60, 1, 1)).tobytes()),
        'later': ('at one time', planes[::-1].tobytes()),
        'orders': ('bit orders', np.packbits(np.unpackbits(planes, bitorder='little')).tobytes()),
    }.items():
        (folder / f'{name}.dat').write_bytes(content)
        both = pair[0], folder / f'{name}.dat'
        row(f'right: {name}', named, functools.partial(windows_of, both, checkpoint))
    for name, named, both in (
        ('missing', 'nothing.dat', (pair[0], folder / 'nothing.dat')),
        ('same', 'left.dat', (pair[0], pair[0])),
        ('exchanged', 'not exchanged', pair[::-1]),
    ):
        row(f'right: {name}', named, functools.partial(windows_of, both, checkpoint))
    eyes = {eye: tmp_path / f'{eye}s' for eye in ('left', 'right')}
    for eye, name in (('left', 'one'), ('right', 'one'), ('left', 'two')):
        eyes[eye].mkdir(exist_ok=True)
        shutil.copy(pair[eye == 'right'], eyes[eye] / f'{name}.dat')
    for name, named, lefts, eye in (
        ('none', '0 of 1', [pair[0]], eye_of()),
        ('two', '2 of 1', [pair[0]], eye_of(pair[1], pair[1])),
        ('not all of a folder', 'two.dat', [eyes['left']], eye_of(eyes['right'])),
        ('of a bag and a file', 'one kind', [both_bags[0], pair[0]], eye_of(pair[1], pair[1])),
    ):
        topic = 'left/spikes' if both_bags[0] in lefts else 'spikes'
        call = functools.partial(open_recordings, lefts, *SIZE, topic, eye)
        row(f'right: {name}', named, call)

    # Bags.
    of_bag = functools.partial(windows_of_bag, both_bags[1], checkpoint)
    row('two right topics', 'a and b', functools.partial(of_bag, right=('a', 'b')))
    call = functools.partial(of_bag, right=('nothing',))
    row('no such right topic', 'no topic nothing', first_line(call))
    call = functools.partial(windows_of_bag, both_bags[0], checkpoint)
    row('a bag without a baseline', 'baseline of 0 m', call)
    recording = place() / 'recording'
    recording.mkdir()
    (recording / 'metadata.yaml').write_text(
        'rosbag2_bagfile_information:\n  topics_with_message_count:\n'
        '  - topic_metadata: {name: /rig/left/spikes}\n'
    )
    call = functools.partial(ros_commands.record, '/rig/left/spikes', recording.parent, 10.0, 4.0,
                             'cam2/spikes')  # fmt: skip
    row('recorded without the right topic', 'cam2/spikes', call)

    # What the adaptation was begun with.
    row('another right', 'right', functools.partial(resume, eye=eye_of(other)))
    call = functools.partial(resume, eye=eye_of(pair[1], baseline=0.13))
    row('another baseline', 'calibration of both cameras', call)
    row('one eye', 'given none', functools.partial(resume, eye=None, config=CONFIG))

    def replaced():
        before = pair[1].read_bytes()
        try:
            pair[1].write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
            return resume()
        finally:
            pair[1].write_bytes(before)

    row('a replaced right', 'fingerprint of right', replaced)

    def of_one_eye():
        path = tmp_path / 'mine' / 'settings.json'
        before = path.read_bytes()
        try:
            settings = json.loads(before)
            for name in run._OF_TWO_EYES:
                del settings[name]  # as an earlier version stored
            path.write_text(json.dumps(settings))
            return resume()
        finally:
            path.write_bytes(before)

    row('begun with one eye', 'right', of_one_eye)
    differing = {
        r'depth is [\d.e+]+ m': 'depth is N m',
        r'disparity is [\d.]+': 'disparity is N',
        r'[\d.]+% of the pixels': 'N% of the pixels',
        r'(another (config|right) \().*(\): give)': r'\1...\3',  # long texts are cut
    }
    refusals('adapt_pair', rows, (ConfigError, DataSetError, TrainingError), differing)
