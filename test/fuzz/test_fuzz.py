# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzzing: a fixed number of cases of each target; every kind of failure is found."""

import importlib.util
import json
import sys
from pathlib import Path
from random import Random

import pytest

from kit.programs import run_program

FOLDER = Path(__file__).parent
BROKEN = 'broken_target:TARGET'
SEED = 628
"""Of which 16 cases hold every way of the broken target."""

# About 25 s of a free core in all.
CASES = {
    'stream': 400,
    'depth_message': 600,
    'dat': 400,
    'npz': 300,
    'checkpoint': 150,
    'onnx': 100,
    'mcap': 150,
    'sqlite': 100,
    'convert': 300,
    'calibration': 600,
    'rectify': 200,
    'camera_info': 400,
    'parameters': 300,
    'training_config': 100,
    'resume': 30,
    'adapt_folder': 300,
    'rendered_rooms': 200,
    'depth_maps': 300,
    'calib_files': 300,
    'names_with_times': 600,
    'picture_headers': 400,
}
NEEDS = {
    'parameters': ('rclpy',),
    'checkpoint': ('torch',),
    'onnx': ('torch', 'onnx'),
    'training_config': ('torch', 'rclpy'),
    'resume': ('torch', 'lightning_fabric', 'rclpy'),
    'rectify': ('cv2',),
    'camera_info': ('cv2', 'rosbags'),
    'adapt_folder': ('torch', 'lightning_fabric', 'cv2'),
    'rendered_rooms': ('torch', 'cv2'),
    'depth_maps': ('torch', 'cv2'),
    'calib_files': ('torch', 'cv2'),
    'names_with_times': ('torch', 'cv2'),
    'picture_headers': ('torch', 'cv2'),
}


def fuzz(out, *arguments):
    return run_program(sys.executable, FOLDER / 'run.py', '--out', out, *arguments)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_hostile_inputs_are_used_or_refused_in_one_line(tmp_path):
    """All targets in one process, which imports once."""
    cases = {
        target: number
        for target, number in CASES.items()
        if all(map(importlib.util.find_spec, NEEDS.get(target, ('rclpy', 'rosbags'))))
    }
    targets = [f'{target}={number}' for target, number in cases.items()]
    done = fuzz(tmp_path, '--together', '--targets', *targets)
    failures = [path.read_text() for path in sorted(tmp_path.rglob('failure.json'))[:3]]
    assert done.returncode == 0, '\n'.join([done.stderr, *failures])
    for target, number in cases.items():
        assert f'{target}: {number} cases, ' in done.stderr


@pytest.mark.parametrize('target', [*CASES])
def test_some_hostile_inputs_are_used_or_refused(tmp_path, monkeypatch, target):
    """A tenth of them, in this process; but a node gets one of its own, as rclpy starts once."""
    for module in NEEDS.get(target, ('rclpy', 'rosbags')):
        pytest.importorskip(module)
    if target == 'parameters':
        done = fuzz(tmp_path, '--targets', target, '--cases', CASES[target] // 10)
        assert done.returncode == 0, done.stderr
        return
    monkeypatch.syspath_prepend(FOLDER)
    from judging import find_target, judge, random_of

    found = find_target(target)
    found.prepare()
    for index in range(CASES[target] // 10):
        folder = tmp_path / str(index)
        folder.mkdir()
        judge(found, found.make(random_of(0, target, index)), folder)  # raises where it fails


@pytest.fixture
def ways(monkeypatch):
    """What the broken target does in each case."""
    monkeypatch.syspath_prepend(FOLDER)
    import broken_target

    return [broken_target.make(Random(f'{SEED} {BROKEN} {index}')) for index in range(16)]


def test_every_breach_of_the_contract_is_found_and_saved(tmp_path, ways):
    import broken_target

    assert set(ways) == set(broken_target.WAYS)
    expected = ''.join(broken_target.EXPECTED.get(way, 'F') for way in ways)
    # Seconds of CPU time and of wall time, and bytes. They are far apart: on a busy machine a
    # second of CPU takes several, and the second signal would cut off what the first one prints.
    limits = ['--limits', '1', '5', str(100 << 20)]
    options = ['--targets', BROKEN, '--seed', str(SEED), *limits]
    done = fuzz(tmp_path, *options, '--cases', 16)
    assert done.returncode == 1
    folder = tmp_path / 'broken_target.TARGET'
    outcomes = folder / f'{SEED}_0000000.cases'
    assert outcomes.read_text() == expected
    failures = folder / 'failures'
    assert {int(path.name.split('_')[1]) for path in failures.iterdir()} == {
        index for index, outcome in enumerate(expected) if outcome in 'FC'
    }
    for way, text in {
        'hang': 'in spin',
        'memory': 'MemoryError',
        'other kind': 'KeyError',
        'abort': 'in use',
        'two lines': 'a message of 2 lines',
        'too long': 'the longest of 5000 characters',
        'unprintable': 'with control characters',
    }.items():
        index = ways.index(way)
        saved = failures / f'{SEED}_{index}'
        failure = json.loads((saved / 'failure.json').read_text())
        assert text in failure['problem'], way
        repeats = f'run.py --targets {BROKEN} --seed {SEED} --case {index}'
        assert failure['command'].endswith(repeats)
        assert (saved / 'input.txt').read_text() == repr(way)

    # A part that was stopped goes on: what is there is kept, the case that ran is run again.
    outcomes.write_bytes(b'r' * 10 + b'>' + bytes(5))
    fuzz(tmp_path, *options, '--cases', 16)
    assert outcomes.read_text() == 'r' * 10 + expected[10:]

    # The command of a failing case shows its error.
    index = ways.index('other kind')
    done = fuzz(tmp_path, '--targets', BROKEN, '--seed', SEED, '--case', index)
    assert done.returncode == 1
    assert done.stderr.endswith("KeyError: 'key'\n")
