# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command as a user runs it: a bag and a model in, files out."""

import contextlib
import csv
import dataclasses
import functools
import io
import json
import math
import os
import re
import shutil
import sqlite3
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from kit import bags, cameras, html_pages
from kit.checkpoints import not_finite_export
from kit.pictures import turned_png
from kit.programs import largest_file
from kit.refusals import refused
from spike_depth_ros.checkpoint import default_checkpoint, load, save
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.evaluation import metrics
from spike_depth_ros.evaluation.controls import ControlWindows
from spike_depth_ros.evaluation.metrics import DepthErrors, EvalProtocol
from spike_depth_ros.evaluation.scores import CSV_COLUMNS
from spike_depth_ros.io.bags.bag import IMAGE, Bag, decode
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.decode import depth_from_msg, stamp_ns
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tools.evaluate.command import main
from spike_depth_ros.tools.evaluate.run import read_mask

TRUTHS = [64, 150, 257, 400, 576, 890]
MATCHED = [0, 1, 2, 3, 4, 6]
"""Windows that have one of the truths."""


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return bags.bag(tmp_path_factory.mktemp('bags') / 'bars', planes=1000, truths=TRUTHS)


@pytest.fixture(scope='module')
def nearer_model(tmp_path_factory):
    """A model that sees everything at half the distance, by its canonical focal length."""
    path = tmp_path_factory.mktemp('models') / 'nearer.safetensors'
    info, tensors = load(default_checkpoint())
    save(path, tensors, dataclasses.replace(info, canonical_fx=2 * info.canonical_fx))
    path.with_suffix('.onnx').write_bytes(default_checkpoint().with_suffix('.onnx').read_bytes())
    return path


def evaluate(bag, out, *options):
    return main([str(bag), '--out', str(out), '--device', 'cpu', '--threads', '1', *options])


@pytest.fixture(scope='module')
def told(bag, tmp_path_factory):
    """What a run printed, and the folder of its results."""
    out = tmp_path_factory.mktemp('out')
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert evaluate(bag, out) == 0
    return printed.getvalue(), out


@pytest.fixture(scope='module')
def results(told):
    return told[1]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def predictions(windows):
    """Published depth of windows of 128 planes, straight from the library."""
    estimator = DepthEstimator.from_checkpoint(device='cpu', threads=1)
    spikes = bags.moving_bars(1000)
    for number in windows:
        window = Window.from_planes(spikes[128 * number : 128 * (number + 1)], bags.RATE)
        yield estimator.predict(Observation(window, bags.FX))


def test_the_figures_are_those_of_the_librarys_own_predictions(results):
    content = json.loads((results / 'metrics.json').read_text())
    errors = None
    for prediction in predictions(MATCHED):
        errors = errors or DepthErrors(*prediction.depth_range)
        errors.add(prediction.published_depth(), bags.slope())
    for name, value in errors.metrics().items():
        assert content[name] == pytest.approx(value, abs=1e-6)
    assert (content['windows'], content['windows_with_truth']) == (7, 6)
    assert content['planes_dropped'] == 0
    assert 0 <= content['ause'] < 10
    assert content['planes']['expected'] == content['planes']['received'] == 1000
    assert content['mean'] == 'pixels'
    assert content['models'][0]['depth']['sky']['pixels'] == 6 * 16


def test_each_window_has_its_line(results):
    lines = rows(results / 'windows.csv')
    assert list(lines[0]) == list(CSV_COLUMNS)
    assert [int(line['window']) for line in lines] == list(range(7))
    assert [number for number, line in enumerate(lines) if line['abs_rel']] == MATCHED
    assert [float(line['time_s']) for line in lines] == pytest.approx(np.arange(7) * 0.0064)
    assert float(lines[1]['truth_offset_ms']) == pytest.approx((150 - 192) * 0.05)
    (prediction,) = predictions([2])
    error = metrics.relative_error(
        prediction.published_depth(), bags.slope(), *prediction.depth_range
    )
    assert float(lines[2]['abs_rel']) == pytest.approx(np.nanmean(error), rel=1e-6)


def test_controls_are_made_of_the_librarys_own_predictions(told):
    printed, results = told
    content = json.loads((results / 'metrics.json').read_text())['controls']
    assert (content['windows'], content['size']) == (6, [32, 48])
    kept = None
    for prediction in predictions(MATCHED):
        kept = kept or ControlWindows(prediction.depth_range, EvalProtocol(), 'pixels')
        kept.add(prediction.published_depth(), bags.slope())
    for name, figures in kept.compare().metrics().items():
        found = {
            key: math.nan if v is None else v for key, v in content['predictors'][name].items()
        }
        assert found == pytest.approx(figures, abs=1e-6, nan_ok=True)
    # The scene of the bag never changes, so that its own median depth is its depth.
    assert content['predictors']['median_depth_map']['abs_rel'] == 0
    assert 'median_depth_map' in content['not_beaten']
    first = printed.splitlines()[0]
    assert first.startswith('unet_lite DOES NOT BEAT ')
    assert 'median-depth baseline, per pixel (median-scaled AbsRel ' in first
    page = (results / 'report.html').read_text()
    assert page.index(first) < page.index('<div class="tiles">')
    assert '<h2>Controls</h2>' in page


@pytest.mark.usefixtures('with_charts')
def test_two_runs_give_the_same_bytes(bag, results, tmp_path):
    assert evaluate(bag, tmp_path) == 0
    for name in ('metrics.json', 'windows.csv'):
        assert (tmp_path / name).read_bytes() == (results / name).read_bytes()
    pages = [(folder / 'report.html').read_text() for folder in (tmp_path, results)]
    one, other = (page.split('<h2>Latency</h2>') for page in pages)
    assert one[0] == other[0]
    assert one[1].split('</section>', 1)[1] == other[1].split('</section>', 1)[1]
    assert 'seconds' in json.loads((tmp_path / 'timing.json').read_text())


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_storage_and_order_in_the_bag_change_nothing(results, tmp_path, storage):
    messages = bags.stream(1000, truths=TRUTHS, gap=15)
    path = bags.write(tmp_path / 'bars', messages, storage, 'message')
    assert evaluate(path, tmp_path / 'out') == 0
    for name in ('metrics.json', 'windows.csv'):
        assert (tmp_path / 'out' / name).read_bytes() == (results / name).read_bytes()


def test_truth_in_millimetres_gives_nearly_the_same(results, tmp_path):
    path = bags.bag(tmp_path / 'bars', planes=1000, truths=TRUTHS, encoding='16UC1')
    assert evaluate(path, tmp_path / 'out') == 0
    one, other = (
        json.loads((folder / 'metrics.json').read_text()) for folder in (results, tmp_path / 'out')
    )
    assert other['abs_rel'] == pytest.approx(one['abs_rel'], rel=1e-3)
    assert other['windows_with_truth'] == 6


CODES = {'f4': (0, -1, -np.inf, 65535), 'u2': (0, 65535)}
BEYOND = (np.inf, 65504, 1e6, np.finfo(np.float32).max)


def truths_of(messages):
    """The pixels of the messages of true depth, to be changed."""
    for topic, _, message in messages:
        if topic == '/depth/truth':
            message.data = message.data.copy()
            pixels = message.data.view('<f4' if message.encoding == '32FC1' else '<u2')
            yield pixels.reshape(bags.HEIGHT, bags.WIDTH)


def with_codes(encoding, *codes):
    """Messages of two windows, in whose truth some pixels are replaced by codes, one a row."""
    messages = bags.stream(400, truths=[64, 150], encoding=encoding)
    for pixels in truths_of(messages):
        for row, code in enumerate(codes):
            pixels[8 + row, 10:30] = code
    return messages


@pytest.mark.parametrize(
    ('encoding', 'codes', 'same'),
    [('32FC1', CODES['f4'], np.nan), ('16UC1', CODES['u2'], 0), ('32FC1', BEYOND, np.inf)],
)
def test_what_is_no_depth_is_not_scored_as_depth(tmp_path, encoding, codes, same):
    """The codes of one answer, unknown or beyond, give the same bytes as its plainest code."""
    found = []
    for name, values in (('codes', codes), ('plain', [same] * len(codes))):
        path = bags.write(tmp_path / name / 'bars', with_codes(encoding, *values))
        assert evaluate(path, tmp_path / name / 'out') == 0
        found.append((tmp_path / name / 'out' / 'metrics.json').read_bytes())
    assert found[0] == found[1]
    depth = json.loads(found[0])['models'][0]['depth']
    left = bags.HEIGHT * bags.WIDTH - 2 * 16 - 20 * len(codes)
    assert depth['pixels'] == 2 * left
    sky = 16 * (encoding == '32FC1') + 20 * len(codes) * (same == np.inf)
    assert depth['sky']['pixels'] == 2 * sky


@pytest.mark.parametrize(('times', 'told'), [(1, False), (20, True)])
def test_truth_beyond_the_range_of_the_model_is_told(tmp_path, capsys, times, told):
    messages = bags.stream(400, truths=[64])
    (truth,) = truths_of(messages)
    truth *= times
    assert evaluate(bags.write(tmp_path / 'bars', messages), tmp_path / 'out') == 0
    output = ' '.join(capsys.readouterr().out.split())
    # The range of the model at the focal length of the bag, 40 pixels of 400, ends at 8 m.
    assert ('100% of the true depth is beyond the range of the model, 8 m' in output) is told


@pytest.mark.usefixtures('with_page')
def test_the_published_protocol_is_named_and_takes_the_mean_over_images(bag, tmp_path):
    assert evaluate(bag, tmp_path, '--protocol', 'bicross') == 0
    content = json.loads((tmp_path / 'metrics.json').read_text())
    assert content['protocol'] == {'crop': 'garg', 'cap_m': 80.0, 'alignment': 'none'}
    assert content['mean'] == 'images'
    assert content['abs_rel'] == content['models'][0]['depth']['mean_over_images']['abs_rel']
    page = (tmp_path / 'report.html').read_text()
    assert 'Garg crop, cap 80 m, not aligned; means over windows of each window' in page


@pytest.mark.parametrize(
    'levels',
    [
        np.array([[[0, 0, 3], [0, 0, 0]]], np.uint8),  # dark blue is not 0
        np.array([[1, 0]], np.uint8),
        np.array([[300, 0]], np.uint16),
    ],
    ids=['colours', 'grey', '16 bits'],
)
def test_what_is_not_0_in_the_mask_is_scored(levels, tmp_path):
    Image.fromarray(levels).save(tmp_path / 'mask.png')
    assert read_mask(tmp_path / 'mask.png').tolist() == [[True, False]]


def test_crop_cap_alignment_and_mask_reach_the_scores(bag, tmp_path, capsys):
    mask = np.zeros((bags.HEIGHT, bags.WIDTH), np.uint8)
    mask[10:20, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    options = [
        '--mask',
        tmp_path / 'mask.png',
        '--align',
        'median',
        '--cap',
        '3',
        '--crop',
        'none',
    ]
    out = tmp_path / '[bold]a['  # no markup on the terminal
    assert evaluate(bag, out, *map(str, options)) == 0
    assert f'report: {out}/report.html' in capsys.readouterr().out
    content = json.loads((out / 'metrics.json').read_text())
    assert content['protocol'] == {'crop': 'none', 'cap_m': 3.0, 'alignment': 'median'}
    # Columns 5 to 14 of the slope; those from 3 m on are beyond the cap.
    wide = int((np.linspace(2, 6, bags.WIDTH)[5:15] < 3).sum())
    assert content['models'][0]['depth']['pixels'] == 6 * 10 * wide


@pytest.mark.usefixtures('with_page')
def test_models_are_compared_on_the_same_windows(nearer_model, tmp_path, capsys):
    bag = bags.bag(tmp_path / 'bars', planes=2000, truths=range(64, 2000, 128))
    options = ['--model', str(default_checkpoint()), '--model', str(nearer_model)]
    assert evaluate(bag, tmp_path, *options) == 0
    content = json.loads((tmp_path / 'metrics.json').read_text())
    first, second = content['models']
    assert (first['label'], second['label']) == ('unet_lite', 'nearer')
    assert content['abs_rel'] == first['metrics']['abs_rel']
    assert second['metrics']['median_error'] != first['metrics']['median_error']
    (comparison,) = content['comparison']
    found = comparison['differences']['abs_rel']
    assert found['value'] == pytest.approx(
        second['metrics']['abs_rel'] - first['metrics']['abs_rel'], abs=1e-9
    )
    assert len(rows(tmp_path / 'windows_nearer.csv')) == len(
        rows(tmp_path / 'windows_unet_lite.csv')
    )
    page = (tmp_path / 'report.html').read_text()
    assert 'nearer against unet_lite' in page
    told = capsys.readouterr().out
    # Whole, though the terminal has 80 columns: what does not fit in 100 goes on below.
    lines = [line for line in told.splitlines() if line.startswith(('┃', '│', '┏'))]
    assert max(map(len, lines)) <= 100
    headers = [line for line in lines if line.startswith('┃')]
    assert '…' not in ''.join(headers)
    assert 'Abs Rel ↓' in headers[0]
    assert '68 % holds' in headers[1]
    assert len([line for line in lines if line.startswith('│ unet_lite │')]) == 2
    assert 'nearer: AbsRel' in told
    better = 'nearer' if found['value'] < 0 else 'unet_lite'
    difference = f'AbsRel {found["value"]:+.4f} (95% interval {found["low"]:+.4f} … '
    assert f'nearer less unet_lite: {difference}{found["high"]:+.4f}): {better} is better' in told
    # Both models' depth of the same windows, side by side.
    assert '<h2>Windows in which the models differ most</h2>' in page
    assert f'{better} ahead, 1: window' in page
    shown = page.count(' ahead, ')
    assert 3 <= shown <= 6
    assert page.count('<figcaption>depth of nearer</figcaption>') == shown
    assert page.count('<figcaption>relative error of unet_lite</figcaption>') == shown
    assert 'Abs Rel of nearer' in page


def test_the_report_is_one_whole_page_that_needs_nothing_else(results):
    text = (results / 'report.html').read_text()
    page = html_pages.Reader(text)
    assert page.references
    assert all(reference.startswith('data:image/png;base64,') for reference in page.references)
    # Names of namespaces, and references to clip paths on the same page.
    own = re.sub(r' xmlns(:xlink)?="[^"]*"', '', text).replace('url(#', '')
    for outside in ('http', 'url(', '@import', '<script', '<link'):
        assert outside not in own
    for heading in (
        'Depth', 'By distance', 'Uncertainty', 'Over time', 'Best and worst windows',
        'Every plane accounted for', 'Latency', 'What was evaluated',
    ):  # fmt: skip
        assert f'<h2>{heading}</h2>' in text
    for title in ('Sparsification', 'Reliability of the interval', 'Error of each window'):
        assert f'<figcaption>{title}</figcaption>' in text
    assert text.count('<svg') == 9
    assert text.count('<img') == 6 * 5
    assert text[: text.index('<img')].count('<table') <= 3
    assert 'means over all pixels of all windows' in text
    assert 'Both hold.' in text


@pytest.mark.usefixtures('with_charts')
def test_names_are_escaped_in_the_report(tmp_path, capsys):
    name = 'a<b>&c'
    path = bags.bag(tmp_path / name)
    assert evaluate(path, tmp_path / 'out') == 0
    text = (tmp_path / 'out/report.html').read_text()
    assert 'a&lt;b&gt;&amp;c' in text
    assert name not in text
    assert 'there is no true depth: errors are not evaluated' in text
    assert '<h2>Depth</h2>' not in text
    assert '<h2>Uncertainty</h2>' not in text
    assert 'Abs Rel' not in text
    assert 'By median uncertainty' in text
    content = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert (content['abs_rel'], content['windows'], content['windows_with_truth']) == (None, 3, 0)
    told = capsys.readouterr().out
    assert 'warning: there is no true depth: errors are not evaluated' in told
    assert 'nan' not in told


def test_a_truth_without_a_known_pixel_is_told(tmp_path, capsys):
    messages = bags.stream(400, truths=[64], encoding='16UC1')
    for topic, _, message in messages:
        if topic == '/depth/truth':
            message.data[:] = 0
    path = bags.write(tmp_path / 'bars', messages)
    assert evaluate(path, tmp_path / 'out') == 0
    told = capsys.readouterr().out
    assert 'warning: not one pixel of the true depth counts' in told
    assert '3 windows, 1 with truth' in told


@pytest.mark.usefixtures('with_charts')
def test_a_gap_is_told_and_not_scored_across(tmp_path, capsys):
    path = bags.bag(tmp_path / 'bars', planes=1000, truths=[64, 420], leave_out=[10])
    assert evaluate(path, tmp_path / 'out') == 0
    content = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert content['planes_dropped'] == 56
    assert content['gaps'] == [{'time_s': pytest.approx((440 - 64) * 5e-5), 'planes': 40}]
    # The truth at plane 420 lies in the gap: 38 planes after the window at 320, 84 before 504.
    assert content['truth']['used'] == 1
    assert content['truth']['unmatched'] == 1
    assert content['truth']['nearest_ns'] == 84 * bags.PERIOD
    assert 'no window lies across a gap' in capsys.readouterr().out.replace('\n', ' ')
    assert 'gap in the stream' in (tmp_path / 'out/report.html').read_text()


@pytest.mark.parametrize(('size', 'told'), [('64x24', True), ('48x32', False)])
def test_the_size_that_is_used_is_told(bag, tmp_path, capsys, size, told):
    assert evaluate(bag, tmp_path / 'out', '--size', size) == 0
    output = ' '.join(capsys.readouterr().out.split())
    assert ('camera_info: size 48x32 is used, not --size 64x24' in output) is told


def test_a_crashed_bag_is_evaluated_as_far_as_it_goes(tmp_path, capsys):
    path = bags.bag(tmp_path / 'bars', planes=8000, truths=[64])
    (path / 'metadata.yaml').unlink()
    bags.cut_short(path, 7)
    assert evaluate(path, tmp_path / 'out', '--hop', '500') == 0
    content = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert 7 <= content['windows'] < 15
    assert any('it has no end: the recorder did not' in text for text in content['warnings'])
    assert 'metadata.yaml is missing' in capsys.readouterr().out


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_what_overtook_each_other_within_a_second_scores_as_in_order(results, tmp_path, storage):
    messages = bags.overtaken(bags.stream(1000, truths=TRUTHS))
    bag = bags.write(tmp_path / 'bars', messages, storage)
    assert evaluate(bag, tmp_path / 'out', '--write-bag', storage) == 0
    assert (tmp_path / 'out' / 'windows.csv').read_bytes() == (
        results / 'windows.csv'
    ).read_bytes()
    found, expected = (
        json.loads((folder / 'metrics.json').read_text()) for folder in (tmp_path / 'out', results)
    )
    assert found == expected
    # The new bag keeps the order of the old one.
    old, new = Bag(bag), read_back(tmp_path / 'out' / 'bag', storage)
    for topic in old.topics:
        assert new[topic] == [(m.time_ns, m.data) for m in old.messages([topic])]


def read_back(path, storage):
    """Messages by topic, by other readers than ours: SQLite's own and rosbags'."""
    file = bags.storage_file(path)
    found = {}
    if storage == 'sqlite3':
        query = 'SELECT name, timestamp, data FROM messages JOIN topics ON topic_id = topics.id'
        with sqlite3.connect(file) as database:
            rows = database.execute(f'{query} ORDER BY messages.id').fetchall()
    else:
        with Reader(file) as reader:
            rows = [(one.topic, time, data) for one, time, data in reader.messages()]
    for topic, time_ns, data in rows:
        found.setdefault(topic, []).append((time_ns, data))
    return found


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_the_new_bag_holds_the_old_one_and_the_depth(bag, tmp_path, storage):
    assert evaluate(bag, tmp_path, '--write-bag', storage) == 0
    found = read_back(tmp_path / 'bag', storage)
    old = Bag(bag)
    for topic in old.topics:
        assert found[topic] == [(m.time_ns, m.data) for m in old.messages([topic])]
    images = [decode(data, IMAGE) for _, data in found['/depth/image']]
    unsure = [decode(data, IMAGE) for _, data in found['/depth/uncertainty']]
    cameras = [decode(d, 'sensor_msgs/msg/CameraInfo') for _, d in found['/depth/camera_info']]
    expected = list(predictions(range(7)))
    for number, prediction in enumerate(expected):
        assert images[number].data.tobytes() == prediction.published_depth().tobytes()
        assert unsure[number].data.tobytes() == prediction.uncertainty.tobytes()
        assert images[number].header == unsure[number].header == cameras[number].header
        reference = bags.START + (128 * number + 64) * bags.PERIOD
        assert stamp_ns(images[number].header.stamp) == reference
        assert (cameras[number].width, cameras[number].k[0]) == (bags.WIDTH, bags.FX)
    # They were recorded when their window was complete, as a live node would have sent them.
    assert found['/depth/image'][0][0] == bags.START + 160 * bags.PERIOD
    assert np.isfinite(depth_from_msg(images[0])).any()
    # And the new bag gives the same figures.
    assert evaluate(tmp_path / 'bag', tmp_path / 'again') == 0
    one, other = (tmp_path / folder / 'windows.csv' for folder in ('', 'again'))
    assert one.read_bytes() == other.read_bytes()


def write_with_own_type(path):
    """A bag with a topic whose type only its writer knows, and what that topic holds."""
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg('int32 count', 'own_msgs/msg/Thing'))
    thing = types.types['own_msgs/msg/Thing'](7)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        own = writer.add_connection('/own', 'own_msgs/msg/Thing', typestore=types)
        data = bytes(types.serialize_cdr(thing, 'own_msgs/msg/Thing'))
        writer.write(own, bags.START, data)
        connections = {}
        for topic, time_ns, message in bags.stream(8000):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=types)
            writer.write(connections[topic], time_ns, types.serialize_cdr(message, kind))
    return data


def test_types_that_nobody_knows_are_copied_where_the_bag_defines_them(tmp_path, capsys):
    data = write_with_own_type(tmp_path / 'bars')
    options = '--write-bag', 'mcap', '--hop', '2000'
    assert evaluate(tmp_path / 'bars', tmp_path / 'out', *options) == 0
    assert read_back(tmp_path / 'out/bag', 'mcap')['/own'] == [(bags.START, data)]
    # A file that was cut short has lost its definitions.
    bags.cut_short(tmp_path / 'bars', 7)
    assert evaluate(tmp_path / 'bars', tmp_path / 'cut', *options) == 0
    assert '/own' not in read_back(tmp_path / 'cut/bag', 'mcap')
    told = capsys.readouterr().out
    assert 'warning: /own was not copied to the new bag: its type is not known' in told


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*.*')}


def test_results_of_an_earlier_run_stay_when_a_later_one_fails(
    bag, results, nearer_model, tmp_path, capsys
):
    shutil.copytree(results, tmp_path / 'out')
    before = files_of(tmp_path / 'out')
    late = bags.bag(tmp_path / 'late', truths=[9000])
    assert evaluate(late, tmp_path / 'out', '--write-bag', 'mcap') == 1
    assert files_of(tmp_path / 'out') == before
    kept, _ = capsys.readouterr().err.splitlines()
    assert kept == f'the earlier results in {tmp_path / "out"} are kept'
    (tmp_path / 'out' / 'windows_of_my_house.csv').write_text('window,width\n1,0.9\n')
    (tmp_path / 'out' / 'windows_old.csv').mkdir()
    models = ('--model', str(default_checkpoint()), '--model', str(nearer_model))
    assert evaluate(bag, tmp_path / 'out', *models) == 0
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'metrics.json', 'report.html', 'timing.json', 'windows_nearer.csv',
        'windows_of_my_house.csv', 'windows_old.csv', 'windows_unet_lite.csv',
    ]  # fmt: skip


@pytest.mark.parametrize('umask', [0o077, 0o002])
def test_results_have_the_umask_of_the_user(bag, tmp_path, umask):
    out, before = tmp_path / 'out', os.umask(umask)
    try:
        assert evaluate(bag, out, '--write-bag', 'sqlite3') == 0
    finally:
        os.umask(before)
    for path in (out, *out.rglob('*')):
        mode = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == mode & ~umask, path


@pytest.mark.parametrize(
    ('limit', 'options'),
    [
        (300, ()),
        (4_000, ()),
        (40_000, ()),
        (100, ('--write-bag', 'sqlite3')),
        (30_000, ('--write-bag', 'sqlite3')),
        (30_000, ('--write-bag', 'mcap')),
    ],
)
def test_results_that_cannot_be_written_whole_replace_nothing(
    bag, results, tmp_path, capsys, limit, options
):
    out = tmp_path / 'out'
    shutil.copytree(results, out)
    before = files_of(out)
    with largest_file(limit):
        assert evaluate(bag, out, *options) == 1
    kept, reason = lines_of(capsys)
    assert kept == f'the earlier results in {out} are kept'
    assert 'free space or choose another folder' in reason
    assert files_of(out) == before
    assert not list(out.glob('.*'))


def lines_of(capsys):
    return capsys.readouterr().err.strip().splitlines()


def write_masks():
    """A mask that viewers turn, and one that declares 20,000 x 20,000 pixels."""
    Path('turned.png').write_bytes(turned_png(np.ones((2, 4), np.uint8), 3))
    Image.new('L', (1, 1)).save('huge.png')
    content = Path('huge.png').read_bytes()
    head = b'IHDR' + struct.pack('>II', 20_000, 20_000) + content[24:29]
    checked = head + struct.pack('>I', zlib.crc32(head))
    Path('huge.png').write_bytes(content[:12] + checked + content[33:])


def with_last_truth(encoding, change):
    """Messages whose last truth is in another unit, as after a change of the driver."""
    messages = bags.stream(400, truths=[64, 150], encoding=encoding)
    *_, last = truths_of(messages)
    last[:] = change(last)
    return messages


def recordings():
    """Messages that cannot be evaluated, and for each what is named and the options."""
    stream, start = bags.stream(400), bags.START
    later = bags.camera(fx=99)
    truth = bags.slope(9, 9)
    small = [
        ('/depth/truth', at, bags.image(at, truth, '32FC1'))
        for at in (start, start + 64 * bags.PERIOD)
    ]
    ours = '/depth/image', start, bags.packet(0, np.ones((1, 2, 8)))
    other_lens = sorted([*stream, ('/camera_info', start + 8_000_000, later)], key=lambda m: m[1])
    # 6 of 48 columns are far, without the corner that is sky: 176 of 1504 pixels.
    far = with_last_truth('32FC1', lambda depth: depth + 9e3 * (depth > 5.5))
    return {
        'no window': (bags.stream(100), '100 planes'),
        'truth of another time': (bags.stream(400, truths=[5000, 9000]), 'stamp both by one'),
        'another focal length': (other_lens, 'focal length'),
        'depth in the bag': ([*stream, ours], '/depth/image', '--write-bag', 'mcap'),
        'truth of another size': ([*stream, *small], '9x9'),
        'truth in millimetres': (with_last_truth('32FC1', lambda depth: 1000 * depth), '/depth/'),
        'truth in metres as integers': (
            with_last_truth('16UC1', lambda depth: depth // 1000), '/depth/truth',
        ),
        'truth that is far': (far, '/depth/truth'),
    }  # fmt: skip


def test_what_cannot_be_evaluated_ends_with_one_line(
    bag, nearer_model, tmp_path, capsys, monkeypatch, refusals
):
    """And nothing is written."""
    monkeypatch.chdir(tmp_path)
    write_masks()
    shutil.copytree(bag, 'bars')
    Path('out').mkdir()
    rows = {}

    def row(name, named, source, *options, out='out'):
        given = source, '--out', out, '--device', 'cpu', '--threads', 1, *options
        rows[name] = named, functools.partial(refused, capsys, main, *given, keeps=tmp_path)

    for number, (name, (messages, named, *options)) in enumerate(recordings().items()):
        bags.write(Path(f'{number}/bars'), messages)
        row(name, named, f'{number}/bars', *options)
    for number, (name, (fields, words)) in enumerate(cameras.DOES_NOT_FIT.items()):
        bags.bag(Path(f'camera_{number}'), cameras.camera_info(**fields), truths=[64])
        row(f'camera_info, {name}', words, f'camera_{number}')
    row('no bag', 'nothing', 'nothing', out='not_made')
    row('no topic', '/gt', 'bars', '--truth', '/gt')
    row('a topic of another type', '/camera_info', 'bars', '--spikes', '/camera_info')
    row('a cap of a protocol', '--cap', 'bars', '--protocol', 'bicross', '--cap', '9')
    for name in ('none', 'turned', 'huge'):
        row(f'a mask, {name}', f'{name}.png', 'bars', '--mask', f'{name}.png')
    row('no model', 'no.safetensors', 'bars', '--model', 'no.safetensors')
    row(
        'a bag of two models', 'one --model',
        'bars', '--write-bag', 'mcap', '--model', 'a', '--model', 'b',
    )  # fmt: skip

    info, tensors = load(default_checkpoint())
    save(Path('last.safetensors'), tensors, dataclasses.replace(info, reference_plane='last'))
    shutil.copy(default_checkpoint().with_suffix('.onnx'), 'last.onnx')
    both = '--model', default_checkpoint(), '--model', 'last.safetensors'
    row('models of other planes', 'last', 'bars', *both)
    for name in ('metrics.json', 'timing.json', 'report.html', 'windows.csv'):
        Path('mine', name).mkdir(parents=True)
        Path('mine', name, name).write_text('{"mine": 1}')
        row(f'{name} of another origin', name, 'bars', out=f'mine/{name}')
    Path('mine/bag/bag').mkdir(parents=True)
    row('a bag in its place', 'mine/bag/bag', 'bars', '--write-bag', 'mcap', out='mine/bag')
    row('into the bag', '--out', 'bars', out='bars')
    row('into a file', 'metadata.yaml', 'bars', out='bars/metadata.yaml')
    refusals('evaluate_bag', rows, None, {r'\(Image size .*\)': '(REASON)'})


def test_a_model_without_finite_depth_is_not_evaluated(bag, tmp_path, capsys):
    model = not_finite_export(tmp_path / 'bad.safetensors')
    options = '--model', model, '--backend', 'onnx', '--size', '48x32'
    line = refused(capsys, main, bag, '--out', tmp_path / 'out', *options)
    assert line.startswith(f'evaluate_bag: error: {model}: in a trial window of 48x32 pixels')
    assert 'depth is not finite' in line
