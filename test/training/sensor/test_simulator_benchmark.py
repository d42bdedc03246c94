# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's benchmark compares and writes what it documents; no speed is tested."""

import json

import pytest

from benchmarks import simulator


def test_it_compares_and_writes_its_figures(tmp_path, capsys) -> None:
    path = tmp_path / 'simulator.json'
    arguments = ['--planes', '16', '--rounds', '1', '--batches', '2', '--json', str(path)]
    assert simulator.main(arguments) == 0
    result = json.loads(path.read_text())
    assert result.keys() == {'machine', 'settings', 'work', 'bytes'}
    names = [row['name'] for row in result['work'] if row['device'] == 'cpu']
    assert names == [
        *('plain', 'plain packed', 'keep', 'reset', 'mismatch'),
        *('read noise', 'shot noise', 'everything', 'still', 'counts'),
    ]
    for row in result['work']:
        assert row['planes_per_s'] == pytest.approx(row['batch'] * 16 / row['ms'] * 1e3)
        assert row['real_time'] == pytest.approx(row['planes_per_s'] / 20_000)
        assert row['over_plain'] > 0
    assert result['bytes']['packed'] * 8 == result['bytes']['unpacked'] == 16 * 250 * 400
    assert '| plain ' in capsys.readouterr().out


def test_it_refuses_results_that_differ(monkeypatch) -> None:
    plain = simulator.plain_loop
    monkeypatch.setattr(simulator, 'plain_loop', lambda light, held: 1 - plain(light, held))
    with pytest.raises(AssertionError, match='of ours and of the plain loop differ'):
        simulator.check(16)
