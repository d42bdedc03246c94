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
from kit.refusals import leaving
from spike_training.datasets import readers

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Frames, and a model; read-only."""
    folder = tmp_path_factory.mktemp('files')
    write_folder(folder / 'walk', Sliding(40))
    shutil.rmtree(folder / 'walk/depth')
    make_teacher(folder / 'model')
    return folder


@pytest.fixture
def given(files, tmp_path, one_thread):
    return {
        'teacher': files / 'model',
        'licence': 'CC-BY-NC-4.0',
        'data.folder': f'{files / "walk"},depth=none',
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


def test_what_the_command_line_refuses(refusals, command, given, tmp_path, monkeypatch):
    """By one line and the status; nothing is written."""
    monkeypatch.setattr('spike_depth_ros.runtime.backend.has_cuda', lambda: False)
    dark = write_dat(tmp_path / 'dat', clips=1)
    for path in dark.iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    rows = {}

    def row(name, named, status, **changed):
        arguments = {key: value for key, value in {**given, **changed}.items() if value != ''}

        def told():
            ended = command('label', *options(arguments))
            assert ended.returncode == status
            return ended.stderr.splitlines()[0]

        rows[name] = named, leaving(tmp_path, told)

    for missing in ('teacher', 'licence', 'out'):
        row(f'no {missing}', f'--{missing} is missing', 2, **{missing: ''})
    row('a name of the hub', 'nothing is downloaded', 2, teacher='depth-anything/V2-Small-hf')
    row('no GPU', 'device', 2, device='cuda')
    row('no data', '/nowhere', 1, **{'data.folder': '/nowhere'})
    row('an agreement of 2', 'agreement', 2, agreement=2)
    row('a lens cap', 'firing rate', 1, **{'data.folder': '', 'data.dat': f'{dark},size=64x32'})
    refusals('label_options', rows, None)


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
