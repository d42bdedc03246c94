# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run and write what they document; how fast anything is, is not tested."""

import functools
import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import named_commit, packing, rectification, upsampling
from kit import programs, spikelink
from spike_depth_ros.checkpoint import default_checkpoint
from spike_depth_ros.pages.depth_colours import DEPTH_COLOURS, MISSING

ROOT = Path(__file__).parents[1]
MACHINE = {'date', 'cpu', 'cores', 'load_1min', 'python', 'numpy', 'onnxruntime', 'torch'}


BAD = {  # of each benchmark what must be named, and options
    'packing, over a recording': ('mine.dat', 'packing', '--json', '{folder}/mine.dat'),
    'figures over a recording': ('mine.dat', 'rectification', '--json', '{folder}/mine.dat'),
    'points as a text': ('points.txt', 'enlarged_points', '--out', '{folder}/points.txt'),
    'points of no style': ('moon', 'enlarged_points', '--out', 'a.png', '--style', 'moon'),
    'few pictures': ('--pictures', 'relative_labels', '--pictures', '15'),
    'no steps': ('--steps', 'align', '--steps', '0'),
    'a file as a folder': ('mine.dat', 'suite', '--out', '{folder}/mine.dat'),
    'no pairs': ('Art/view1.png', 'stereo', '--styles', '--data', '{folder}'),
    'a network without frames': ('takes no frames', 'fusion', '--checkpoint', '{shipped}'),
}  # fmt: skip


def test_bad_options_are_refused_before_anything_is_written(
    tmp_path, capsys, monkeypatch, refusals
):
    for module in ('torch', 'timm', 'lightning_fabric', 'rclpy'):
        pytest.importorskip(module)
    from benchmarks import suite

    monkeypatch.setattr(suite, 'cores_used', lambda seconds: 0.0)
    recording = tmp_path / 'mine.dat'
    recording.write_bytes(b'mine')
    (tmp_path / 'middlebury_third').mkdir()

    def call(name, *options):
        main = importlib.import_module(f'benchmarks.{name}').main
        given = [one.format(folder=tmp_path, shipped=default_checkpoint()) for one in options]
        with pytest.raises(SystemExit, match='2'):
            main(given)
        usage, _, text = capsys.readouterr().err.partition(': error: ')
        assert 'usage: ' in usage
        return text.partition('; expected\n')[0].rstrip('\n')

    rows = {name: (named, functools.partial(call, *rest)) for name, (named, *rest) in BAD.items()}
    refusals('benchmarks', rows, None, {r' \(choose from.*': ''})
    assert recording.read_bytes() == b'mine'
    assert {path.name for path in tmp_path.iterdir()} == {'mine.dat', 'middlebury_third'}


def test_packing_compares_and_writes_its_figures(tmp_path, capsys):
    path = tmp_path / 'packing.json'
    assert packing.main(['--planes', '128', '--repetitions', '1', '--json', str(path)]) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    counted = ['bin_counts', 'cell_counts']
    previews = ['preview_rate', 'preview_short', 'preview_interval']
    assert [row['name'] for row in result['work']] == ['unpack', *counted, *previews]
    for row in result['work']:
        figures = {key: row[key] for key in row if key not in ('name', 'planes')}
        assert figures.keys() == {
            *('ours_ms', 'numpy_ms', 'copy_ms', 'numpy_over_ours', 'ours_over_copy')
        }
        assert min(figures.values()) > 0
    (split,) = result['predict']
    assert split.keys() == {'planes', 'total_ms', 'binning_ms', 'network_ms', 'rest_ms'}
    assert 'against' not in result
    assert '| bin_counts       | 128 ' in capsys.readouterr().out


def test_upsampling_writes_its_figures(tmp_path, capsys):
    path = tmp_path / 'upsampling.json'
    assert upsampling.main(['--repetitions', '1', '--threads', '1', '--json', str(path)]) == 0
    result = json.loads(path.read_text())
    for row in result['maps']:
        assert row['ratio'] == pytest.approx(row['network_ms'] / row['bilinear_ms'])
    assert '160x120' in capsys.readouterr().out


def test_enlarged_points_are_drawn(tmp_path):
    from benchmarks import enlarged_points

    out = tmp_path / 'points.png'
    assert enlarged_points.main(['--out', str(out)]) == 0
    above = cv2.imread(str(out))[enlarged_points.TITLE_ROWS :, :, ::-1]
    above = above[: enlarged_points.PART_ROWS, : 3 * enlarged_points.SIDE].reshape(-1, 3)
    known = {tuple(colour) for colour in (*DEPTH_COLOURS.tolist(), MISSING)}
    assert {tuple(colour) for colour in np.unique(above, axis=0).tolist()} <= known
    picture = cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)[:, : 3 * enlarged_points.SIDE]
    below = picture[-enlarged_points.SIDE :].reshape(enlarged_points.SIDE, 3, -1)
    bilinear, network, true = np.count_nonzero(below, axis=(0, 2))
    assert true < network < bilinear  # of places with points: some hang in the air


@pytest.mark.long
def test_relative_labels_are_compared_with_metres(tmp_path, capsys):
    from benchmarks import relative_labels

    path = tmp_path / 'labels.json'
    options = ['--pictures', '20', '--steps', '1', '--scenes', '10', '--styles', 'indoor']
    assert relative_labels.main([*options, '--json', str(path)]) == 0
    result = json.loads(path.read_text())
    assert result['styles'].keys() == {'indoor', 'mean'}
    for row in result['styles'].values():
        assert row['ratio'] == row['relative'] / row['metres'] > 0
    assert '| mean ' in capsys.readouterr().out


@pytest.mark.long
def test_a_stand_in_teaches_its_copy(tmp_path, capsys):
    from benchmarks import align

    path = tmp_path / 'align.json'
    options = ['--steps', '1', '--align-steps', '1', '--scenes', '10', '--styles', 'indoor']
    assert align.main([*options, '--json', str(path)]) == 0
    result = json.loads(path.read_text())
    assert 200_000 < result['parameters'] < 250_000
    for row in result['styles'].values():
        assert row.keys() == {*align.ROWS, 'ratio'}
        assert row['ratio'] == row['aligned'] / row['frozen'] > 0
    assert '| mean ' in capsys.readouterr().out


def test_rectification_writes_its_figures(tmp_path, capsys):
    path = tmp_path / 'rectification.json'
    assert rectification.main(['--repetitions', '1', '--json', str(path)]) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    assert [(row['bins'], row['pool']) for row in result['windows']] == [(9, 2), (32, 2), (32, 1)]
    for row in result['windows']:
        assert row.keys() == {'bins', 'pool', 'count_ms', 'remap_ms', 'picture_ms'}
        assert min(row.values()) > 0
    assert '| 32   | 2 ' in capsys.readouterr().out


def test_packing_compares_with_a_named_commit(monkeypatch, capsys):
    if not (ROOT / '.git').exists():
        pytest.skip('not a clone')
    monkeypatch.setattr(packing, 'WORK', ())
    options = ['--planes', '128', '--repetitions', '1', '--against', 'HEAD']
    assert packing.main(options) == 0
    assert '| HEAD / ours |' in capsys.readouterr().out


def test_a_named_commit_is_checked_out_and_removed_even_after_an_error(tmp_path, monkeypatch):
    def git(*arguments):
        name = ['-c', 'user.name=a', '-c', 'user.email=a@b']
        subprocess.run(['git', *name, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git('init')
    for text in ('old', 'new'):
        (tmp_path / 'file').write_text(text)
        git('add', 'file')
        git('commit', '-m', text)
    monkeypatch.setattr(named_commit, 'ROOT', tmp_path)
    seen = []

    def fail():
        with named_commit.worktree('HEAD~1') as tree:
            seen.append((tree, (tree / 'file').read_text()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    ((tree, text),) = seen
    assert text == 'old'
    assert not tree.exists()
    assert not list((tmp_path / '.git').glob('worktrees/*'))
    with pytest.raises(ValueError, match="commit 'nonsense': "), named_commit.worktree('nonsense'):
        pass


def test_packing_refuses_results_that_differ():
    window = packing.sample_window(128)
    with pytest.raises(AssertionError, match='unpack: ours and plain numpy differ'):
        packing.measure_work(
            'unpack', packing.our_unpack, lambda w: 1 - packing.numpy_unpack(w), window, 1
        )


def test_pictures_by_all_methods_are_timed_against_the_shipped_network(tmp_path, capsys):
    pytest.importorskip('torch')
    from benchmarks import reconstruction

    path = tmp_path / 'reconstruction.json'
    options = ['--repetitions', '2', '--paper', '0', '--threads', '1', '--json', str(path)]
    assert reconstruction.main(options) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    assert result['settings'] == {'repetitions': 2, 'threads': 1}
    ours, *previews = result['rows']
    assert ours['over_recon_lite'] == 1
    names = ['preview rate', 'preview short', 'preview interval']
    assert [row['name'] for row in (ours, *previews)] == ['recon_lite', *names]
    assert all(row['over_recon_lite'] > 0 for row in previews)
    assert '| preview short' in capsys.readouterr().out


@pytest.mark.timeout(300)
@pytest.mark.long
def test_metres_from_the_height_are_measured_and_missing_data_is_named(
    tmp_path, monkeypatch, capsys
):
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks import scale_from_height

    monkeypatch.delenv('SPIKE_DEPTH_DATA', raising=False)
    path = tmp_path / 'scale.json'
    options = ['--scenes', '6', '--styles', 'road', '--json', str(path)]
    assert scale_from_height.main(options) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    assert result['settings'] == {'scenes': 6, 'split': 'test', 'styles': ['road'], 'seed': 36}
    (road,) = result['sets']
    assert (road['name'], road['windows']) == ('road', 6)
    assert road['in_view'] >= road['found'] * (1 - road['falsely']) > 0.5
    assert road['higher'] == pytest.approx(1.1, rel=1e-4)
    assert max(road['times_0.7'], road['times_1.4']) < 0.02
    assert road['error_with'] > abs(math.log(road['with_in_view'])) / 2
    assert road['ms'] > 0
    printed = capsys.readouterr().out
    assert '| road | 6 ' in printed
    assert 'KITTI skipped: no data: give --data or set SPIKE_DEPTH_DATA to the folder' in printed
    assert f'{tmp_path}/rgbd/kitti_0926: no such folder' in scale_from_height.missing(tmp_path)


@pytest.mark.timeout(300)
def test_the_motion_of_a_camera_corrects_depth_and_nothing_else_does(
    tmp_path, monkeypatch, capsys
):
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks import depth_from_motion

    monkeypatch.delenv('SPIKE_DEPTH_DATA', raising=False)
    path = tmp_path / 'motion.json'
    options = ['--clips', '1', '--styles', 'indoor', '--json', str(path)]
    assert depth_from_motion.main(options) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    assert result['settings']['parts'] == [*depth_from_motion.PARTS]
    assert result['sequences'] == result['fields'] == result['poses'] == []
    controls = {(row['control'], row['condition']): row for row in result['controls']}
    for name in ('still camera', 'pure rotation', 'random spikes'):
        for condition in ('exact odometry', 'motion alone'):
            row = controls[name, condition]
            assert (row['refined'], row['field_metres']) == (0, row['network_metres'])
            assert sum(row['reasons'].values()) == row['windows'] == 4
    plane = controls['one textured plane', 'exact odometry']
    assert plane['refined'] == 1
    assert plane['ratio_metres'] == plane['field_metres'] / plane['network_metres'] < 0.2
    assert controls['one textured plane', 'motion alone']['refined'] == 0
    assert controls['cars move', 'exact odometry']['inside_metres'] > 0
    motions = {(row['motion'], row['condition']) for row in result['styles']}
    assert len(motions) == len(result['styles']) == 4
    printed = capsys.readouterr().out
    assert '| one textured plane | motion alone ' in printed
    assert 'kitchen skipped: no data: give --data or set SPIKE_DEPTH_DATA' in printed


@pytest.mark.timeout(300)
@pytest.mark.long
@pytest.mark.skipif('SPIKE_DEPTH_DATA' not in os.environ, reason='needs SPIKE_DEPTH_DATA')
def test_real_sequences_are_corrected_by_motion_and_by_other_fields_and_poses(tmp_path, capsys):
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks import depth_from_motion

    path = tmp_path / 'motion.json'
    parts = ['sequences', 'fields', 'poses']
    options = ['--parts', *parts, '--rates', '0.2', '--windows', '8', '--json', str(path)]
    assert depth_from_motion.main(options) == 0
    result = json.loads(path.read_text())
    rows = {(row['set'], row['condition']): row for row in result['sequences']}
    for name in ('HoloLens', 'kitchen'):
        exact = rows[name, 'exact odometry']
        assert exact['windows'] == 8
        assert exact['ratio_metres'] < 0.8
        assert exact['factor_shape'] == pytest.approx(exact['network_shape'])
        longer = rows[name, 'lengths +1 %']
        assert longer['factor_metres'] != exact['factor_metres']
        assert rows[name, 'motion alone']['factor_metres'] == exact['network_metres']
        fields, poses = (
            {row[one]: row['field_metres'] for row in result[part] if row['set'] == name}
            for part, one in (('fields', 'field'), ('poses', 'pose'))
        )
        assert fields['Gaussian process'] == poses['refined'] == exact['field_metres']
        assert fields['one factor'] == pytest.approx(exact['factor_metres'], rel=0.02)
        assert len({*fields.values()}) == 5
        assert len({*poses.values()}) == 3
    assert '| kitchen  | 0.2  | guided filter ' in capsys.readouterr().out


@pytest.mark.timeout(300)
def test_flying_pixels_are_counted_with_and_without_their_filter(tmp_path, capsys):
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks import flying_filter

    path = tmp_path / 'flying.json'
    options = ['--scenes', '2', '--styles', 'home', '--seed', '7', '--json', str(path)]
    assert flying_filter.main(options) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    assert result['settings'] == {'styles': ['home'], 'scenes': 2, 'split': 'test', 'seed': 7}
    (home,) = result['styles']
    assert (home['name'], home['maps']) == ('home', 2)
    assert 0 < home['after'] < home['before'] < 1
    assert 0.1 < home['removed'] <= 1
    assert 0 <= home['outside_far'] <= home['outside'] < home['outside_plain'] < 0.2
    assert home['ms'] > 0
    assert '| home ' in capsys.readouterr().out


def test_pixels_of_edges_and_planes_are_told_apart():
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks.flying_filter import masks, missed, on_plane

    truth = np.full((40, 60), 2.0, np.float32)
    truth[:, 30:] = 4.0
    truth[:5] = np.inf
    predicted = np.full_like(truth, 2.0)
    predicted[:, 30:] = 4.0
    predicted[:, 29:32] = 2.8
    found = masks(predicted, truth)
    assert np.flatnonzero(found['edges'][20]).tolist() == [28, 29, 30, 31]
    assert np.flatnonzero(found['flying'][20]).tolist() == [29, 30, 31]
    assert not found['outside'][20, 28:32].any()
    assert found['outside'][20, :28].all()
    assert not found['outside'][2].any()  # sky
    down, right = np.indices((40, 60))
    plane = (1 / (0.1 + 0.01 * down + 0.002 * right)).astype(np.float32)
    assert on_plane(plane).all()
    assert not on_plane(truth)[20, 28:32].any()
    assert on_plane(truth)[20, 5:20].all()
    assert missed({'removed': 0.5, 'outside': 0.02}) == []
    assert missed({'removed': 0.49, 'outside': 0.021}) == ['removed', 'outside']


@pytest.mark.timeout(300)
@pytest.mark.long
def test_two_cameras_measure_metres_and_missing_data_is_named(tmp_path, monkeypatch, capsys):
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks import stereo

    monkeypatch.delenv('SPIKE_DEPTH_DATA', raising=False)
    path = tmp_path / 'stereo.json'
    options = ['--pairs', '6', '--styles', 'indoor', '--json', str(path)]
    assert stereo.main(options) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    (indoor,) = result['styles']
    assert (indoor['name'], indoor['pairs']) == ('indoor', 6)
    assert indoor['ratio'] == pytest.approx(1.0, abs=0.02)
    assert indoor['matched'] > 0.7
    assert indoor['abs_rel'] < 0.1
    assert indoor['fused'] < indoor['mono']
    assert 0.5 < indoor['holds'] < 0.85
    printed = capsys.readouterr().out
    assert '| indoor | 6 ' in printed
    assert 'Middlebury skipped: no data: give --data or set SPIKE_DEPTH_DATA' in printed


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif('SPIKE_DEPTH_DATA' not in os.environ, reason='needs SPIKE_DEPTH_DATA')
def test_spikes_of_middlebury_are_matched_nearly_as_well_as_its_pictures(tmp_path):
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks import stereo

    path = tmp_path / 'stereo.json'
    assert stereo.main(['--styles', '--json', str(path)]) == 0
    rows = json.loads(path.read_text())['middlebury']
    found = {(row['method'], row['seen'], row['mean_rate']): row for row in rows}
    assert all(len(row['pairs']) == 8 for row in rows)
    pictures = found['sgbm', 'pictures', None], found['fused', 'pictures', None]
    assert pictures[0]['bad2'] <= 0.25
    assert pictures[1]['bad2'] <= 0.22
    for rate, most in ((0.2, 1.25), (0.05, 1.5)):
        matched, fused = found['sgbm', 'rate', rate], found['fused', 'rate', rate]
        assert matched['bad2'] <= most * pictures[0]['bad2']
        assert fused['bad2'] <= most * pictures[1]['bad2']
        assert fused['bad2'] < matched['bad2'] < found['mono', '', rate]['bad2']
        for row in (matched, fused):
            assert 0.97 < row['ratio_low'] <= row['ratio_high'] < 1.03


def test_the_uncertainty_of_the_scale_is_fitted_to_hold_68_per_cent():
    for module in ('torch', 'timm', 'lightning_fabric'):
        pytest.importorskip(module)
    from benchmarks.scale_from_height import Scaled, fit_elsewhere

    rng = np.random.default_rng(0)
    inliers, errors = rng.uniform(0.3, 0.9, 4000), rng.normal(size=4000)
    errors *= np.hypot(0.1, 0.4 * (1 - inliers))
    found = [
        Scaled(1.0, math.exp(error), 0.0, 0.1, share, True, 1.0, 1.1, ())
        for error, share in zip(errors, inliers, strict=True)
    ]
    # A normal distribution has 68.3 % within its standard deviation.
    assert fit_elsewhere(found[:2000]) == pytest.approx(0.4, rel=0.06)
    assert fit_elsewhere(found[:2]) is None
    fitted = fit_elsewhere(found[:2000])
    half_widths = np.hypot(0.1, fitted * (1 - inliers[2000:]))
    assert np.mean(np.abs(errors[2000:]) <= half_widths) == pytest.approx(0.68, abs=0.03)


@pytest.mark.timeout(300)
@pytest.mark.long
def test_candidates_are_compared_with_a_named_commit(tmp_path, capsys):
    for module in ('torch', 'timm', 'onnxscript'):
        pytest.importorskip(module)
    if not (ROOT / '.git').exists():
        pytest.skip('not a clone')
    from benchmarks import candidates

    path = tmp_path / 'candidates.json'
    names = ['pool 2', 'pool 2, narrow, stride 2']
    options = ['--against', 'HEAD', '--repetitions', '1', '--planes', '32', '--json', str(path)]
    assert candidates.main([*options, '--candidates', *names]) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    default, narrow = result['candidates']
    assert [default['name'], narrow['name']] == names
    assert narrow['settings']['features2'] == 16
    for row in (default, narrow):
        assert row['bins'] == 9
        assert row['ours_over_theirs'] == row['ours_ms'] / row['theirs_ms'] > 0
        # Of 16-bit weights, and as many in both files.
        assert row['safetensors_mib'] == pytest.approx(2 * row['parameters'] / 2**20, rel=0.05)
        assert row['onnx_mib'] == pytest.approx(row['safetensors_mib'], rel=0.05)
    assert narrow['gflop'] < default['gflop'] < 1.1
    assert '| / HEAD |' in capsys.readouterr().out


SIDE = {
    *('windows_per_s', 'previews_per_s', 'framed', 'latency_ms_p50', 'latency_ms_p99'),
    *('node_cpu', 'player_cpu', 'other_cpu'),
    *('planes_sent', 'planes_per_s', 'player_behind_s', 'planes_in', 'planes_dropped'),
    *('planes_lost_in_transport', 'planes_lost_in_queue', 'planes_missed_resubscribing'),
    *('planes_overwritten', 'planes_refused'),
}

# A tenth of the rate: every pipeline sees every plane even on a busy machine.
SHORT = ('--rounds', '1', '--seconds', '1', '--warm-up', '0.5', '--rate', '2000')


def run_benchmark(name, path, *arguments):
    pytest.importorskip('rclpy')
    pytest.importorskip('torch')
    done = subprocess.run(
        [sys.executable, '-m', f'benchmarks.{name}', *arguments, '--json', str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=115,
    )
    assert done.returncode == 0, done.stdout
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    return result, done.stdout


def check_side(side, planes=4000):
    assert side.keys() == SIDE
    assert side['windows_per_s'] > 0
    assert side['node_cpu'] > 0
    assert side['planes_sent'] == planes
    assert side['planes_in'] == side['planes_sent']
    assert side['planes_dropped'] == 0
    assert 0 < side['latency_ms_p50'] <= side['latency_ms_p99']


@pytest.mark.dds
@pytest.mark.long
def test_end_to_end_measures_every_pipeline(tmp_path):
    against = ('--against', 'HEAD') if (ROOT / '.git').exists() else ()
    view = ROOT / '.venv-view' / 'bin' / 'spike_view'
    views = ('--view', str(view)) if view.exists() else ()
    pytest.importorskip('torch')
    from kit import checkpoints

    fused = checkpoints.checkpoint(tmp_path / 'fused.safetensors', 'fused')
    others = (*against, *views, '--stereo', '--frames', str(fused))
    result, printed = run_benchmark('end_to_end', tmp_path / 'out.json', *SHORT, *others)
    assert result.keys() == {'machine', 'settings', 'rounds', 'medians', 'ours_over'}
    (only,) = result['rounds']
    assert (
        only.keys()
        == result['medians'].keys()
        == {
            *('ours', 'naive', *against[1:]),
            *('spike_view' for _ in views[1:]),
            *('stereo none', 'stereo mono', 'spikes alone', 'with frames'),
        }
    )
    assert only['spikes alone']['framed'] == 0 < only['with frames']['framed']
    for name, side in only.items():
        check_side(side, 8000 if name.startswith('stereo') else 4000)
    for name, ratio in result['ours_over'].items():
        assert ratio == only['ours']['windows_per_s'] / only[name]['windows_per_s']
    assert 'median, ours' in printed


def test_a_prediction_with_a_frame_is_timed_beside_the_shipped_one(tmp_path, capsys, monkeypatch):
    """Here by PyTorch: to export such a network takes most of a minute."""
    for module in ('torch', 'timm'):
        pytest.importorskip(module)
    from benchmarks import fusion
    from kit import checkpoints

    fused = checkpoints.checkpoint(tmp_path / 'fused.safetensors', 'fused')
    usual = fusion.DepthEstimator.from_checkpoint

    def unexported(path, device, backend):
        assert backend == 'onnx'
        return usual(path, device, 'torch' if path == fused else backend)

    monkeypatch.setattr(fusion.DepthEstimator, 'from_checkpoint', unexported)
    path = tmp_path / 'fusion.json'
    options = ['--checkpoint', str(fused), '--repetitions', '1', '--json', str(path)]
    assert fusion.main(options) == 0
    result = json.loads(path.read_text())
    assert result['bytes'] == fused.stat().st_size
    *framed, without, shipped = result['predict']
    assert (len(framed), without['name'], shipped['name']) == (2, 'no frame', 'shipped')
    assert shipped['over_shipped'] == 1
    assert '| times shipped' in capsys.readouterr().out


@pytest.mark.dds
@pytest.mark.long
def test_starved_measures_beside_busy_loops(tmp_path):
    result, printed = run_benchmark('starved', tmp_path / 'out.json', *SHORT, '--loops', '0', '1')
    assert result.keys() == {'machine', 'settings', 'rounds'}
    assert [sides['loops'] for sides in result['rounds']] == [0, 1]
    for sides in result['rounds']:
        check_side(sides['ours'])
    # The loop takes a core, where there is one for it.
    assert result['rounds'][1]['ours']['other_cpu'] > 0.3
    assert '| 1     | 1     | ours ' in printed


@pytest.mark.dds
@pytest.mark.timed
def test_recording_counts_planes_beside_a_plain_file(tmp_path):
    options = ('--rounds', '1', '--seconds', '1', '--rate', '2000')
    result, printed = run_benchmark('recording', tmp_path / 'out.json', *options)
    (only,) = result['rounds']
    assert (only['planes_sent'], only['planes_recorded'], only['planes_lost']) == (2000, 2000, 0)
    assert only['recorded_mb_per_s'] == pytest.approx(only['planes_per_s'] * 12_500 / 1e6)
    assert only['ratio'] == only['recorded_mb_per_s'] / only['written_mb_per_s']
    assert only['recorder_cpu'] > 0
    assert '| 1     | 2000 | 2000 ' in printed


@pytest.mark.dds
@pytest.mark.skipif(not spikelink.compiler(), reason='needs a C compiler (gcc)')
def test_a_camera_is_measured_by_the_numbers_of_its_planes(tmp_path):
    options = ('--seconds', '1', '--rate', '1000', '--every-nth', '2')
    result, printed = run_benchmark('camera', tmp_path / 'out.json', *options)
    (only,) = result['rounds']
    assert only['planes_received'] > 200
    assert (only['planes_lost'], only['planes_out_of_order']) == (0, 0)
    assert 0 < only['mb_per_s'] < 12.5
    assert only['camera_cpu'] > 0
    assert '| 1     | ' in printed


def test_ingest_is_timed_beside_a_copy(tmp_path, capsys):
    from benchmarks import ingest

    path = tmp_path / 'ingest.json'
    options = ['--packets', '4', '--repetitions', '1', '--json', str(path)]
    assert ingest.main(options) == 0
    found = json.loads(path.read_text())['ingest']
    assert found.keys() == {'ours_ms', 'copy_ms', 'planes_per_s', 'ours_over_copy'}
    assert min(found.values()) > 0
    assert '| planes/s ' in capsys.readouterr().out


@pytest.fixture(scope='module')
def ingest_results():
    pytest.importorskip('rclpy')
    from benchmarks import suite

    return [*suite.of_ingest(quick=True)]


@pytest.mark.parametrize('used', [0.0, 1.9])
def test_the_suite_writes_its_results_and_marks_a_busy_machine(
    tmp_path, monkeypatch, capsys, ingest_results, used
):
    from benchmarks import suite

    def part(quick):
        """What was measured."""
        assert quick
        return ingest_results

    monkeypatch.setattr(suite, 'cores_used', lambda seconds: used)
    monkeypatch.setattr(suite, 'PARTS', (part,))
    out = tmp_path / 'new' / 'bench_out'
    assert suite.main(['--out', str(out), '--quick']) == 0
    result = json.loads((out / 'results.json').read_text())
    (one,) = result['results']
    assert one.keys() == {'name', 'value', 'unit', 'ratio', 'against'}
    assert (one['name'], one['unit'], one['against']) == ('ingest', 'planes/s', 'copy')
    assert result['busy'] == (used > 1.0)
    printed = capsys.readouterr()
    assert ('compare nothing' in printed.out) == result['busy']
    assert ('marked busy' in printed.err) == result['busy']


def test_the_cores_that_a_busy_loop_uses_are_measured():
    pytest.importorskip('rclpy')
    from benchmarks import live_stream, suite

    with live_stream.busy(1):
        # While the machine waits for its disk, nothing computes.
        programs.wait_until(lambda: suite.cores_used(0.5) > 0.6)


@pytest.mark.dds
@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_whole_suite_has_each_result_once(tmp_path):
    pytest.importorskip('rclpy')
    pytest.importorskip('torch')
    from benchmarks import suite

    assert suite.main(['--out', str(tmp_path), '--quick']) == 0
    results = json.loads((tmp_path / 'results.json').read_text())['results']
    names = [one['name'] for one in results]
    assert len(names) == len({*names}) == 21
    for name in ('predict, 128 planes', 'ingest', 'recording', 'end to end', 'latency, 99 %'):
        assert results[names.index(name)]['value'] > 0


@pytest.mark.dds
@pytest.mark.long
@pytest.mark.kind
def test_a_short_soak_accounts_for_every_plane_and_does_not_grow(tmp_path):
    options = ('--minutes', '0.9', '--warm-up', '30', '--rate', '2000')
    result, _ = run_benchmark('soak', tmp_path / 'out.json', *options)
    assert result.keys() == {'machine', 'settings', 'figures', 'checks', 'samples'}
    assert result['checks'] == {
        'accounting': True, 'growth': True, 'slope': None, 'latency': None, 'visitors': True,
    }  # fmt: skip
    assert result['figures']['planes_sent'] > 70_000
    assert result['figures']['planes_windowed'] > 0
    assert result['samples'][0].keys() == {'s', 'node_mb', 'player_mb'}


@pytest.fixture
def soak():
    pytest.importorskip('rclpy')
    from benchmarks import soak

    return soak


def soak_figures(soak, **changes):
    """Figures of a good hour."""
    counters = dict.fromkeys(soak.COUNTERS, 0)
    counters |= {'expected': 100, 'received': 97, 'lost_in_queue': 3, 'windowed': 97}
    figures = {f'planes_{name}': value for name, value in counters.items()}
    figures |= {'planes_sent': 100, 'node_growth_mb': 4.0, 'player_growth_mb': 0.0}
    figures |= {'node_slope_mb_per_min': 0.05, 'visits': 9, 'images_of_visits': 5}
    for part, factor in (('early', 1.0), ('late', 1.1)):
        figures |= {f'latency_ms_p50_{part}': 15 * factor, f'latency_ms_p99_{part}': 30 * factor}
    return {**figures, **changes}


@pytest.mark.parametrize(
    ('steps_mb', 'mb_per_s', 'grown'), [((2.5, 0.4, 5.5), 0, 0), ((), 0.25, 5)]
)
def test_a_soak_tells_a_leak_from_the_steps_of_an_allocator(soak, steps_mb, mb_per_s, grown):
    node = 150.0 + mb_per_s * np.arange(24)
    for number, step in enumerate(steps_mb):
        node[5 * number + 3 :] += step
    samples = [{'s': 30.0 + s, 'node_mb': mb, 'player_mb': 80.0} for s, mb in enumerate(node)]
    ages, at_s = np.array([900.0, 15.0, 30.0]), np.array([-1.0, 31.0, 32.0])
    figures = soak._figures(samples, ages, at_s, 54, 30)
    assert figures['latency_ms_p50'] == 22.5  # without what came before the measurement
    assert figures['node_growth_mb'] == pytest.approx(grown)
    assert figures['player_growth_mb'] == 0


@pytest.mark.parametrize(
    ('minutes', 'changes', 'fails'),
    [
        (60, {}, None),
        (60, {'planes_sent': 101}, 'accounting'),
        (60, {'planes_lost_in_queue': 2}, 'accounting'),
        (60, {'planes_missed_resubscribing': 1}, 'accounting'),
        (60, {'planes_pending': 1}, 'accounting'),
        (60, {'node_slope_mb_per_min': 0.11}, 'slope'),
        (60, {'latency_ms_p99_late': 36.5}, 'latency'),
        (60, {'latency_ms_p50_late': 11.9}, 'latency'),
        (60, {'visits': 1}, 'visitors'),
        (1, {'node_slope_mb_per_min': None, 'node_growth_mb': 5.1}, 'growth'),
        (1, {'node_slope_mb_per_min': None, 'player_growth_mb': 5.1}, 'growth'),
    ],
)
def test_a_soak_names_what_does_not_hold(soak, minutes, changes, fails):
    found = soak.checks(soak_figures(soak, **changes), minutes)
    assert [name for name, holds in found.items() if holds is False] == ([fails] if fails else [])


def test_errors_in_metres_by_hand():
    pytest.importorskip('lightning_fabric')
    import torch

    from benchmarks.matched_views import errors

    truth = torch.tensor([[[[2.0, 4.0, 8.0, math.inf]]], [[[1.0, 1.0, 1.0, 1.0]]]])
    depth = torch.tensor([[[[4.0, 8.0, 8.0, 9.0]]], [[[1.0, 1.0, 1.0, 1.0]]]])
    abs_rel, rmse_log, median = errors(depth, truth, (0.5, 80.0))
    assert abs_rel == pytest.approx((2 / 3 + 0) / 2)
    assert rmse_log == pytest.approx(math.log(2) * math.sqrt(2 / 3) / 2)
    assert median == pytest.approx((2 + 1) / 2)


def test_views_that_are_not_trained_are_told(tmp_path, capsys):
    pytest.importorskip('lightning_fabric')
    from benchmarks.matched_views import main

    with pytest.raises(SystemExit):
        main(['--cache', str(tmp_path), '--out', str(tmp_path / 'a.png')])
    assert 'not trained, run run.py table --rows bicross' in capsys.readouterr().err


def test_frames_of_a_data_set_are_seen_by_the_camera_of_a_target(tmp_path):
    pytest.importorskip('lightning_fabric')
    from benchmarks.acceptance import SeenClips
    from kit.clips import Sliding, write_folder
    from spike_training.datasets import readers
    from spike_training.sampling.clip_source import ClipSource
    from spike_training.sampling.shifted import Optics

    write_folder(tmp_path / 'one', Sliding())
    given = {
        'clips': readers.read('folder', f'{tmp_path / "one"},frame_hz=10'), 'height': 24,
        'width': 32, 'planes': (64,), 'rate_hz': 20e3, 'bins': 8,
    }  # fmt: skip
    plain = ClipSource(**given).samples([2]).counts.float()
    same = SeenClips(Optics(), **given).samples([2]).counts.float()
    dark = SeenClips(Optics(light=0.25), **given).samples([2]).counts.float()
    assert (same.sum(dim=1) - plain.sum(dim=1)).abs().max() <= 1
    assert dark.mean() / plain.mean() == pytest.approx(0.25, abs=0.02)


@pytest.fixture
def make_case():
    """Case of a candidate whose error was 0.3 and is another."""
    pytest.importorskip('lightning_fabric')
    from benchmarks.acceptance import Case
    from spike_training.adaptation.evidence import Evidence

    def make(new, expected=0.0, candidate='affine', seed=0, target='home'):
        evidence = Evidence(*[0.0] * 8, measured_error=expected)
        return Case(target, seed, candidate, evidence, 1.0, 0.2, 0.3, new, 0.4, 0.4)

    return make


@pytest.mark.parametrize(
    ('new', 'truth'),
    [(0.29, 'improved'), (0.295, 'no change'), (0.305, 'no change'), (0.31, 'worse')],
)
def test_the_truth_of_a_case_is_by_three_per_cent(make_case, new, truth):
    assert make_case(new).truth == truth


def test_cases_are_counted_by_truth_and_verdict(make_case):
    from benchmarks.acceptance import confusion

    text = confusion([make_case(0.2, -0.1), make_case(0.2, 0.1), make_case(0.4, 0.1)])
    rows = {line[:11].strip(): line[11:].split() for line in text.splitlines()[1:4]}
    assert rows == {
        'improved': ['1', '0', '1'],
        'no change': ['0', '0', '0'],
        'worse': ['0', '0', '1'],
    }
    assert text.endswith('right: 2 of 3')


def test_the_errors_of_a_target_are_means_over_seeds_of_what_the_gate_keeps(make_case):
    from benchmarks.acceptance import errors

    better, best = make_case(0.28, -0.05), make_case(0.25, -0.1, 'bicross')
    other = make_case(0.35, 0.0, seed=1), make_case(0.2, -0.01, 'bicross', seed=1)
    _, row, change = errors([best, better, *other]).splitlines()
    assert change.startswith('kept: -8.3% in the mean of 1 targets')
    assert change.endswith('; +0.0% at most')
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    # 0.25 is kept of the first seed, and the old network's 0.3 of the second.
    assert cells[:5] == ['home', '2', '0.200', '0.300', '0.275']
    assert cells[6:8] == ['0.315', '0.225']


def test_cases_are_read_as_they_were_stored(make_case, tmp_path):
    from benchmarks.acceptance import read_cases, write_cases

    case = make_case(0.123456789, -0.05)
    path = tmp_path / 'home_0.json'
    write_cases(path, [case, case])
    assert len(path.read_text().splitlines()) == 4  # a line for each
    found, _ = read_cases(path)
    assert found.new_error == 0.12346
    assert (found.verdict, found.truth) == (case.verdict, case.truth)
    assert found.evidence == case.evidence


def test_swapped_bits_are_those_of_the_other_bit_order():
    torch = pytest.importorskip('torch')
    pytest.importorskip('lightning_fabric')
    from benchmarks.acceptance import swapped_bits

    spikes = np.random.default_rng(0).random((1, 2, 3, 16)) < 0.4
    packed = np.packbits(spikes, axis=3, bitorder='little')
    other = np.unpackbits(packed, axis=3, bitorder='big')
    found = swapped_bits(torch.from_numpy(spikes.astype(np.uint8)))
    assert np.array_equal(found.numpy(), other)


@pytest.mark.parametrize(
    ('name', 'arguments'), [('end_to_end', ['--rounds', '1']), ('candidates', ['--help'])]
)
def test_a_missing_package_is_one_line(tmp_path, name, arguments):
    absent = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    (tmp_path / 'torch.py').write_text(absent)
    done = subprocess.run(
        [sys.executable, '-m', f'benchmarks.{name}', *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=100,
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}training'},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith('benchmarks: needs the Python module torch: pip install')
    assert done.stderr.count('\n') == 1
