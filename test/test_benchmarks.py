# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run and write what they document; how fast anything is, is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import packing

ROOT = Path(__file__).parents[1]
MACHINE = {'date', 'cpu', 'cores', 'load_1min', 'python', 'numpy', 'onnxruntime', 'torch'}


def test_packing_compares_and_writes_its_figures(tmp_path, capsys):
    path = tmp_path / 'packing.json'
    assert packing.main(['--planes', '128', '--repetitions', '1', '--json', str(path)]) == 0
    result = json.loads(path.read_text())
    assert result['machine'].keys() == MACHINE
    assert [row['name'] for row in result['work']] == ['unpack', 'bin_counts', 'preview']
    for row in result['work']:
        figures = {key: row[key] for key in row if key not in ('name', 'planes')}
        assert figures.keys() == {
            *('ours_ms', 'numpy_ms', 'copy_ms', 'numpy_over_ours', 'ours_over_copy')
        }
        assert min(figures.values()) > 0
    (split,) = result['predict']
    assert split.keys() == {'planes', 'total_ms', 'binning_ms', 'network_ms', 'rest_ms'}
    assert '| bin_counts | 128 ' in capsys.readouterr().out


def test_packing_refuses_results_that_differ():
    window = packing.sample_window(128)
    with pytest.raises(AssertionError, match='unpack: ours and plain numpy differ'):
        packing.measure_work(
            'unpack', packing.our_unpack, lambda w: 1 - packing.numpy_unpack(w), window, 1
        )


@pytest.mark.dds
@pytest.mark.slow
def test_end_to_end_measures_both_pipelines(tmp_path):
    pytest.importorskip('rclpy')
    pytest.importorskip('torch')
    path = tmp_path / 'end_to_end.json'
    # A tenth of the rate: both pipelines see every plane even on a busy machine.
    settings = ['--rounds', '1', '--seconds', '1', '--warm-up', '0.5', '--rate', '2000']
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks.end_to_end', *settings, '--json', str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
    result = json.loads(path.read_text())
    assert result.keys() == {'machine', 'settings', 'rounds', 'ours', 'naive', 'ratio'}
    assert result['machine'].keys() == MACHINE
    (only,) = result['rounds']
    for side in (only['ours'], only['naive']):
        assert side.keys() == {
            *('windows_per_s', 'latency_ms_p50', 'latency_ms_p99'),
            *('node_cpu', 'player_cpu', 'other_cpu'),
            *('planes_sent', 'planes_per_s', 'planes_in', 'planes_dropped'),
        }
        assert side['windows_per_s'] > 0
        assert side['node_cpu'] > 0
        assert side['planes_sent'] == 4000
        assert side['planes_in'] == side['planes_sent']
        assert side['planes_dropped'] == 0
        assert 0 < side['latency_ms_p50'] <= side['latency_ms_p99']
    assert result['ratio'] == only['ours']['windows_per_s'] / only['naive']['windows_per_s']
    assert 'median, ours' in done.stdout
