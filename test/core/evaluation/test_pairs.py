# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``evaluate_bag --stereo``: pairs of windows of a bag of two cameras, and their scores."""

import dataclasses
import functools
import json
import math

import cv2
import numpy as np
import pytest

from kit import bags, cameras, streams
from kit.refusals import refused
from spike_depth_ros.checkpoint import default_checkpoint, load, save
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.evaluation.metrics import DepthErrors
from spike_depth_ros.evaluation.pairs import PairReplay
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.bags.bag import Bag, BagError, decode
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.estimator import MATCHED, StereoEstimator
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.tools.evaluate.command import main

HEIGHT, WIDTH, PLANES, WINDOW = 96, 160, 400, 64
SHIFT = 10
RIG = StereoRig.from_baseline(0.1, 300.0, WIDTH, HEIGHT)
TRUE_M = 300 * 0.1 / SHIFT
EYES = ('left', 'right')


@pytest.fixture(scope='module')
def spikes():
    """Planes of each eye, of a wall SHIFT pixels apart."""
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH + SHIFT), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    rate = 0.02 + 0.3 * (smooth - smooth.min()) / (smooth.max() - smooth.min())
    views = {'left': (rate[:, :WIDTH], PLANES, 1), 'right': (rate[:, SHIFT:], PLANES, 2)}
    return {eye: streams.integrated(*view) for eye, view in views.items()}


def stream(spikes, eye, period_ns=bags.PERIOD, offset_ns=0, lag_ns=0, keep=lambda k: True,
           calibration=None, space='', planes=PLANES):  # fmt: skip
    """Messages of an eye.

    Args:
        spikes: Planes of each eye.
        eye: The eye.
        period_ns: Time between planes.
        offset_ns: Added to its stamps.
        lag_ns: Added to the times at which they were recorded.
        keep: Whether a packet, by the number of its first plane, is there.
        calibration: That of the eye; None: of RIG.
        space: Namespace.
        planes: How many, the same again and again.
    """
    info = bags.lens_camera(calibration or getattr(RIG, eye), bags.START + offset_ns)
    messages = [(f'{space}/{eye}/camera_info', bags.START, info)]
    for first in range(0, planes, 40):
        if keep(first):
            stamp, again = bags.START + first * period_ns, first % PLANES
            packet = bags.packet(stamp + offset_ns, spikes[eye][again : again + 40])
            at_ns = stamp + 40 * period_ns + lag_ns
            messages.append((f'{space}/{eye}/spikes', at_ns, packet))
    return messages


def write(path, *streams):
    return bags.write(path, sorted((one for s in streams for one in s), key=lambda one: one[1]))


def truths(planes, depth=None):
    depth = np.full((HEIGHT, WIDTH), TRUE_M, np.float32) if depth is None else depth
    stamps = (bags.START + plane * bags.PERIOD for plane in planes)
    return [('/left/depth/truth', at, bags.image(at, depth, '32FC1')) for at in stamps]


@pytest.fixture(scope='module')
def bag(tmp_path_factory, spikes):
    path = tmp_path_factory.mktemp('bags') / 'pair'
    both = (stream(spikes, eye) for eye in EYES)
    return write(path, *both, truths([32, 96, 160, 224]))


def replay(path, **options):
    bag = Bag(path)
    found = PairReplay(bag, bag.known.pair(), WINDOW, **options)
    return found, list(found.windows())


def starts(samples):
    """First plane of the left and of the right window of each pair."""
    return [
        [round((one.t0_ns - bags.START) / bags.PERIOD) for one in (sample.window, sample.right)]
        for sample in samples
    ]


SAME = [[first, first] for first in range(0, PLANES - WINDOW + 1, WINDOW)]


def test_every_pair_comes_out_with_its_planes_and_rig(bag, spikes):
    found, samples = replay(bag)
    assert starts(samples) == SAME
    for sample in samples:
        first = round((sample.window.t0_ns - bags.START) / bags.PERIOD)
        for window, eye in ((sample.window, 'left'), (sample.right, 'right')):
            expected = packing.pack(spikes[eye][first : first + WINDOW])
            np.testing.assert_array_equal(window.data, expected)
        assert sample.rig == RIG
        assert sample.window.camera.fx_px == 300.0
    for one in (found, found.right):
        assert one.accounting.check() == (0, 0)
        assert one.accounting.dropped == 0
        assert one.accounting.windowed == len(SAME) * WINDOW
    assert found.warnings_of_pairs() == []


@pytest.mark.parametrize('lag_ms', [-900, -150, 9, 150, 900])
def test_the_order_of_recording_changes_nothing(tmp_path, spikes, lag_ms):
    left = stream(spikes, 'left', planes=6000)
    late = stream(spikes, 'right', planes=6000, lag_ns=lag_ms * 1_000_000)
    found, samples = replay(write(tmp_path / 'bag', left, late))
    assert starts(samples) == [[first, first] for first in range(0, 6000 - WINDOW + 1, WINDOW)]
    assert found.accounting.dropped == found.right.accounting.dropped == 0


def test_packets_that_overtake_each_other_are_paired_all_the_same(tmp_path, spikes):
    both = [message for eye in EYES for message in stream(spikes, eye, planes=6000)]
    topics = [f'/{eye}/spikes' for eye in EYES]
    found, samples = replay(bags.write(tmp_path / 'bag', bags.overtaken(both, topics)))
    assert starts(samples) == [[first, first] for first in range(0, 6000 - WINDOW + 1, WINDOW)]
    for sample in samples[:: len(samples) // 5]:
        first = round((sample.window.t0_ns - bags.START) / bags.PERIOD)
        for window, eye in ((sample.window, 'left'), (sample.right, 'right')):
            planes = [(first + k) % PLANES for k in range(WINDOW)]
            np.testing.assert_array_equal(window.data, packing.pack(spikes[eye][planes]))
    for one in (found, found.right):
        assert one.accounting.dropped == 0


def test_windows_beside_a_gap_of_either_eye_are_left_out(tmp_path, spikes):
    left = stream(spikes, 'left', keep=lambda first: first != 120)
    right = stream(spikes, 'right', keep=lambda first: first != 240)
    found, samples = replay(write(tmp_path / 'bag', left, right))
    assert starts(samples) == [[0, 0], [160, 160], [288, 288]]
    assert (found.accounting.lost_in_transport, found.right.accounting.lost_in_transport) == (
        40,
        40,
    )
    (text,) = found.warnings_of_pairs()
    assert text == '64 planes of the left camera are in no pair, as /right/spikes has none of ' \
        'their time'  # fmt: skip


def test_a_right_camera_that_ends_early_ends_the_pairs(tmp_path, spikes):
    right = stream(spikes, 'right', keep=lambda first: first < 160)
    found, samples = replay(write(tmp_path / 'bag', stream(spikes, 'left'), right))
    assert starts(samples) == SAME[:2]
    assert found.accounting.dropped == 0


def test_a_camera_that_pauses_for_longer_than_the_ring_holds_is_no_error(tmp_path, spikes):
    """A pause of 1.2 s of either; the ring holds 0.4 s."""
    planes = 24_000
    pause = planes * bags.PERIOD

    def twice(eye, between):
        first = stream(spikes, eye)
        later = [
            (topic, at + pause + bags.PERIOD * PLANES, shifted(message))
            for topic, at, message in first
        ]
        return [*first, *(filler(eye) if between else []), *later]

    def shifted(message, by_ns=pause + bags.PERIOD * PLANES):
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec + by_ns
        return dataclasses.replace(message, header=bags.header(stamp))

    def filler(eye):
        packet = bags.packet(bags.START, spikes[eye][:40])
        for first in range(PLANES, PLANES + planes, 40):
            by_ns = first * bags.PERIOD
            at_ns = bags.START + by_ns + 40 * bags.PERIOD
            yield f'/{eye}/spikes', at_ns, shifted(packet, by_ns)

    for goes_on in EYES:
        streams = (twice(eye, eye == goes_on) for eye in EYES)
        found, samples = replay(write(tmp_path / goes_on, *streams))
        later = PLANES + planes
        at = starts(samples)
        assert at[: len(SAME)] == SAME
        assert [left for left, _ in at[len(SAME) :]] == [right for _, right in at[len(SAME) :]]
        assert len(at) >= 2 * len(SAME) - 1
        assert at[-1][0] >= later + PLANES - 2 * WINDOW
        assert found.accounting.overwritten == found.right.accounting.overwritten == 0
        assert (found.alone > 0) == (goes_on == 'left')


OF_RIGHT = {
    'another clock': ('/right/spikes is 10 s behind', {'offset_ns': -(10**10)}),
    'another rate': ('/right/spikes 10000', {'period_ns': 2 * bags.PERIOD}),
    'one packet': ('40', {'keep': lambda first: first < 40}),
    'no packet': ('/right/spikes', {'keep': lambda first: False}),
    'the left calibration': ('left calibration', {'calibration': RIG.left}),
    'a calibration of nan': (
        '/right/spikes', {'calibration': dataclasses.replace(RIG.right, k=(math.nan,) * 9)},
    ),
    'a wider sensor': (
        '/right/spikes', {'calibration': dataclasses.replace(RIG.right, width=WIDTH + 8)},
    ),
}  # fmt: skip
"""Streams of the right eye that make no pair with the left one."""


def test_what_makes_no_pair_is_one_line(tmp_path, spikes, refusals):
    rows = {}

    def row(name, named, *streams, spikes_topic=None):
        path = write(tmp_path / str(len(rows)) / 'bag', *streams)

        def call():
            bag = Bag(path)
            found = PairReplay(bag, bag.known.pair(spikes_topic), WINDOW)
            list(found.windows())

        rows[name] = named, call

    left, right = (stream(spikes, eye) for eye in EYES)
    for name, (named, of_right) in OF_RIGHT.items():
        row(name, named, left, stream(spikes, 'right', **of_right))
    both = (stream(spikes, eye, calibration=RIG.right) for eye in EYES)
    row('the right calibration', 'right calibration', *both)
    moved = stream(spikes, 'right', calibration=StereoRig.from_baseline(0.2, 300, 160, 96).right)
    at_ns = bags.START + 200 * bags.PERIOD
    later = [(moved[0][0], at_ns, moved[0][2])]
    row('a calibration that changes', 'camera_info changes', left, right, later)
    twice = [stream(spikes, eye, space=space) for space in ('/a', '/b') for eye in EYES]
    row('two pairs', 'left/spikes', *twice)
    row('the right one as the left', 'left', *twice, spikes_topic='/b/right/spikes')
    bare = [one for one in twice[0] if 'info' not in one[0]]
    row('no camera', '/a/left/spikes', bare, twice[1])
    refusals('bag_of_pairs', rows, BagError)


def bad_cameras():
    """Calibrations of an eye that make no rig with the other one."""
    p = np.array(RIG.right.p)
    return {
        'nan in P': dataclasses.replace(RIG.right, p=(*p[:3], math.nan, *p[4:])),
        'nan in K': dataclasses.replace(RIG.right, k=(math.nan,) * 9),
        'no size': dataclasses.replace(RIG.right, width=0, height=0),
        'damaged': dataclasses.replace(RIG.right, distortion_model='x', d=(0.5,) * 3),
        'left one': RIG.left,
    }


@pytest.mark.parametrize('name', bad_cameras())
@pytest.mark.parametrize('eye', EYES)
def test_one_bad_camera_info_leaves_the_rig_as_it_was(tmp_path, spikes, name, eye):
    bad = bags.lens_camera(bad_cameras()[name])
    if name == 'left one' and eye == 'left':
        bad = bags.lens_camera(RIG.right)
    good = bags.lens_camera(getattr(RIG, eye))
    topic = f'/{eye}/camera_info'
    streams = [stream(spikes, one) for one in EYES]
    # The first one is in use for at least a window.
    later = [(topic, bags.START + at * bags.PERIOD, one) for at, one in ((110, bad), (300, good))]
    path = write(tmp_path / 'bag', *streams, later)
    samples = replay(path)[1]
    assert starts(samples) == SAME
    assert {id(sample.rig) for sample in samples} == {id(samples[0].rig)}
    assert (
        evaluate(path, tmp_path / 'out', '--stereo', '--fill', 'none', '--write-bag', 'mcap') == 0
    )
    cameras = [
        decode(one.data, bags.CAMERA_INFO)
        for one in Bag(tmp_path / 'out/bag').messages(['/depth/camera_info'])
    ]
    assert len(cameras) == len(SAME)
    for camera in cameras:
        np.testing.assert_array_equal(camera.p, RIG.left.p)
    told = json.loads((tmp_path / 'out/metrics.json').read_text())['warnings']
    assert len(told) == 1
    assert 'camera_info: ' in told[0]
    assert 'stays' in told[0]


def evaluate(bag, out, *options):
    given = ('--device', 'cpu', '--threads', 1, '--window', WINDOW, *options)
    return main([str(one) for one in (bag, '--out', out, *given)])


@pytest.mark.usefixtures('with_page')
@pytest.mark.parametrize('fill', ['mono', 'none'])
def test_the_figures_are_those_of_the_librarys_own_predictions(bag, tmp_path, capsys, fill):
    assert evaluate(bag, tmp_path, '--stereo', '--fill', fill) == 0
    told = capsys.readouterr().out
    content = json.loads((tmp_path / 'metrics.json').read_text())
    mono = DepthEstimator.from_checkpoint(device='cpu', threads=1) if fill == 'mono' else None
    estimator, errors, shares = StereoEstimator(mono), [None, None], []
    truth = np.full((HEIGHT, WIDTH), TRUE_M, np.float32)
    for number, sample in enumerate(replay(bag)[1]):
        found = estimator.predict(Observation(sample.window, None, sample.right, sample.rig))
        shares.append([found.matched, (~np.isnan(found.depth)).mean()])
        if number < 4:
            only = np.where(found.origin == MATCHED, found.depth, np.nan)
            for k, depth in enumerate((found.depth, only)):
                errors[k] = errors[k] or DepthErrors(0.1, 1000.0)
                errors[k].add(depth, truth)
    matched, answered = np.mean(shares, axis=0)
    (model,) = content['models']
    label = 'stereo_unet_lite' if fill == 'mono' else 'stereo'
    assert (model['label'], model['scale']) == (label, 'stereo')
    assert (content['windows'], content['windows_with_truth']) == (6, 4)
    for name, value in errors[0].metrics().items():
        assert content[name] == pytest.approx(value, abs=1e-6)
    assert content['coverage'] == pytest.approx(errors[0].coverage)
    pairs = model['pairs']
    assert pairs['matched'] == pytest.approx(matched)
    assert pairs['answered'] == pytest.approx(answered)
    for name, value in errors[1].metrics().items():
        assert pairs['of_matched'][name] == pytest.approx(value, abs=1e-6)
    assert pairs['of_matched']['coverage'] == pytest.approx(errors[1].coverage)
    assert errors[1].abs_rel < 0.03
    assert (content['coverage'] == 1.0) == (fill == 'mono')
    assert f'{label}: {matched:.1%} of the pixels are matched, {answered:.1%} have depth; ' in told
    assert content['right_planes']['received'] == content['planes']['received'] == PLANES
    assert content['topics']['right_spikes'] == '/right/spikes'
    page = (tmp_path / 'report.html').read_text()
    assert 'pixels matched' in page
    assert 'Abs Rel of matched pixels' in page


def test_two_runs_give_the_same_bytes(bag, tmp_path):
    for name in 'ab':
        assert evaluate(bag, tmp_path / name, '--stereo', '--fill', 'none') == 0
    for name in ('metrics.json', 'windows.csv'):
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()


def test_the_new_bag_has_the_old_one_and_depth_beside_both_cameras(bag, tmp_path):
    assert evaluate(bag, tmp_path, '--stereo', '--fill', 'none', '--write-bag', 'mcap') == 0
    old, new = Bag(bag), Bag(tmp_path / 'bag')
    for topic in old.topics:
        assert [*new.messages([topic])] == [*old.messages([topic])]
    added = {f'/depth/{name}' for name in ('image', 'uncertainty', 'camera_info')}
    assert set(new.topics) == set(old.topics) | added
    images = [decode(one.data, bags.IMAGE) for one in new.messages(['/depth/image'])]
    estimator = StereoEstimator()
    for sample, image in zip(replay(bag)[1], images, strict=True):
        found = estimator.predict(Observation(sample.window, None, sample.right, sample.rig))
        assert image.data.tobytes() == found.published_depth().tobytes()
        assert stamp_ns(image.header.stamp) == sample.window.reference_ns


def test_models_of_the_fill_are_compared(bag, tmp_path, capsys):
    path = tmp_path / 'nearer.safetensors'
    info, tensors = load(default_checkpoint())
    save(path, tensors, dataclasses.replace(info, canonical_fx=2 * info.canonical_fx))
    path.with_suffix('.onnx').write_bytes(default_checkpoint().with_suffix('.onnx').read_bytes())
    models = ('--model', default_checkpoint(), '--model', path)
    assert evaluate(bag, tmp_path / 'out', '--stereo', *models) == 0
    content = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    first, second = content['models']
    assert (first['label'], second['label']) == ('stereo_unet_lite', 'stereo_nearer')
    # In the metres of the matches it is the same.
    assert first['metrics']['abs_rel'] == pytest.approx(second['metrics']['abs_rel'], rel=1e-4)
    assert first['pairs']['of_matched'] == second['pairs']['of_matched']
    assert 'stereo_nearer less stereo_unet_lite' in capsys.readouterr().out


def test_truth_of_a_turned_left_camera_is_rectified(tmp_path, spikes, capsys):
    left = cameras.turned(RIG.left, 0.05)
    both = stream(spikes, 'left', calibration=left), stream(spikes, 'right')
    bag = write(tmp_path / 'bag', *both, truths([32, 96]))
    assert evaluate(bag, tmp_path / 'out', '--stereo', '--fill', 'none') == 0
    content = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    pixels = content['models'][0]['depth']['pixels']
    seen = np.count_nonzero(StereoRig(left, RIG.right).seen_by_left)
    assert pixels == pytest.approx(2 * seen, rel=0.02)
    assert pixels < 2 * HEIGHT * WIDTH


OPTIONS = {
    'a fill of one camera': ('--fill', '--fill', 'none'),
    'a nearest depth of one camera': ('--min-depth-m', '--min-depth-m', 1),
    'a pitch of two cameras': (
        '--camera-pitch-rad', '--stereo', '--camera-pitch-rad', 0.1, '--no-rectify',
    ),
    'a height of two cameras': ('--camera-height-m', '--stereo', '--camera-height-m', 1),
    'a size of two cameras': ('--size', '--stereo', '--size', '8x8'),
    'a calibration of two cameras': ('--camera-info', '--stereo', '--camera-info', '/c'),
    'a model of no fill': ('--fill none', '--stereo', '--fill', 'none', '--model', 'm'),
    'a nearest depth that is too near': (
        '--min-depth-m', '--stereo', '--fill', 'none', '--min-depth-m', 0.01,
    ),
    'the right topic': ('left', '--stereo', '--spikes', '/right/spikes'),
    'no topic of two': ('--spikes',),
}  # fmt: skip


def test_options_that_do_not_fit_are_one_line(bag, tmp_path, capsys, monkeypatch, refusals):
    monkeypatch.chdir(tmp_path)
    bags.bag('one', planes=200)
    (tmp_path / 'out').mkdir()
    given = '--out', 'out', '--device', 'cpu', '--threads', 1, '--window', WINDOW
    table = {name: (named, bag, *options) for name, (named, *options) in OPTIONS.items()}
    table['a bag of one camera'] = 'left/spikes', 'one', '--stereo'
    rows = {
        name: (named, functools.partial(refused, capsys, main, *options, *given, keeps=tmp_path))
        for name, (named, *options) in table.items()
    }
    refusals('evaluate_bag_stereo', rows, None, {str(bag.parent): '<bags>'})


def test_a_cut_bag_is_evaluated_as_far_as_it_goes(tmp_path, spikes, capsys):
    bag = write(tmp_path / 'bag', *(stream(spikes, eye) for eye in EYES))
    (bag / 'metadata.yaml').unlink()
    bags.cut_short(bag, 8)
    assert evaluate(bag, tmp_path / 'out', '--stereo', '--fill', 'none') == 0
    content = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert 0 < content['windows'] < len(SAME)
    assert any('it has no end' in text for text in content['warnings'])


def test_a_wrong_bit_order_of_either_eye_is_told(spikes, tmp_path):
    mirrored = spikes['right'].reshape(PLANES, HEIGHT, -1, 8)[..., ::-1]
    given = {**spikes, 'right': mirrored.reshape(PLANES, HEIGHT, WIDTH)}
    found, _ = replay(write(tmp_path / 'pair', *(stream(given, eye) for eye in EYES)))
    assert (list(found.warnings), list(found.right.warnings)) == ([], ['layout'])
