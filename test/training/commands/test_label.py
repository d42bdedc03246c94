# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``label``: its options, exit status, and what ends it."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kit.clips import Sliding, write_folder
from kit.datasets import make_teacher, write_dat
from spike_training.datasets import readers

ROOT = Path(__file__).parents[3]


@pytest.fixture
def given(tmp_path, one_thread):
    write_folder(tmp_path / 'walk', Sliding(40))
    shutil.rmtree(tmp_path / 'walk/depth')
    make_teacher(tmp_path / 'model')
    return {
        'teacher': tmp_path / 'model',
        'licence': 'CC-BY-NC-4.0',
        'data.folder': f'{tmp_path / "walk"},depth=none',
        'out': tmp_path / 'out',
        'every': 10,
        'threads': 1,
    }


def options(given):
    return [f'--{key}={value}' for key, value in given.items()]


def test_labels_and_their_licence(command, given):
    ended = command('label', *options(given))
    assert (ended.returncode, ended.stderr) == (0, '')
    assert (
        'licence CC-BY-NC-4.0: the labels, and all that learns from them, are not' in ended.stdout
    )
    assert '4 labels, ' in ended.stdout
    assert f'--data.folder {given["out"]}' in ended.stdout
    assert len(readers.read('folder', str(given['out']))[0]) == 4


@pytest.mark.parametrize('missing', ['teacher', 'licence', 'out'])
def test_what_is_required(command, given, missing):
    del given[missing]
    ended = command('label', *options(given))
    assert ended.returncode == 2
    assert f'arguments are required: label.{missing}' in ended.stderr


@pytest.mark.parametrize(
    ('changed', 'status', 'message'),
    [
        ({'teacher': 'depth-anything/Depth-Anything-V2-Small-hf'}, 2, 'nothing is downloaded'),
        ({'device': 'cuda'}, 2, 'no GPU is found'),
        ({'data.folder': '/nowhere'}, 1, '/nowhere is missing'),
        ({'agreement': 2}, 2, 'agreement is 2'),
    ],
)
def test_one_line_for_what_is_wrong(command, given, monkeypatch, changed, status, message):
    monkeypatch.setattr('spike_depth_ros.backends.has_cuda', lambda: False)
    ended = command('label', *options(given | changed))
    assert (ended.returncode, message in ended.stderr) == (status, True)
    assert 'Traceback' not in ended.stderr


def test_spikes_behind_a_lens_cap_are_not_labelled(command, given, tmp_path):
    where = write_dat(tmp_path / 'dat')
    for path in where.iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    del given['data.folder']
    ended = command('label', *options(given | {'data.dat': f'{where},size=64x32'}))
    assert ended.returncode == 1
    assert 'mean firing rate of 0 a plane' in ended.stderr
    assert not given['out'].exists()


@pytest.mark.parametrize(
    ('sent', 'status'),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, 143, marks=pytest.mark.long),
        (signal.SIGKILL, -9),
    ],
)
def test_an_interrupted_run_goes_on(command, given, sent, status):
    given['every'] = 1
    arguments = [sys.executable, str(ROOT / 'training/run.py'), 'label', *options(given)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    run = subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 90
    while len([*given['out'].glob('relative_depth/0*.npy')]) < 3:
        assert time.monotonic() < end
        assert run.poll() is None
        time.sleep(0.005)
    run.send_signal(sent)
    errors = run.communicate()[1]
    if run.returncode == 0:
        pytest.skip('it was done before the signal')
    assert run.returncode == status
    assert 'Traceback' not in errors
    if sent != signal.SIGKILL:
        assert not [*given['out'].rglob('.*')]
        assert 'interrupted; the same command goes on where it was' in errors
    assert command('label', *options(given)).returncode == 0
    (clip,) = readers.read('folder', str(given['out']))
    assert len(clip) == 40
    assert not [*given['out'].rglob('.*')]
    for k in range(40):
        np.testing.assert_array_equal(clip.image(k), Sliding(40).image(k))
