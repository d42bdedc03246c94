# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs that are killed, or that a full disk ends, and go on."""

import json
import os
import resource
import shutil
import subprocess
import sys
from random import Random

import pytest

from kit import killed_runs
from kit.programs import ROOT, run_program, run_training
from kit.runs import equal, rows, state_of, three_stages
from spike_depth_ros.checkpoint import load
from spike_training.engine.checkpoints import newest_model
from spike_training.settings.config import to_yaml

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

STAGES = ('teacher', 'mono_cross', 'bicross')
KILLS = 10
# Another number of threads gives other sums.
ONE_THREAD = {**os.environ, 'OMP_NUM_THREADS': '1'}


def write_config(folder):
    config = three_stages(folder / 'unused', resume=True)
    config.train.steps, config.train.save_every = 6, 2
    path = folder / 'config.yaml'
    path.write_text(to_yaml(config))
    return path


def start(config, out, *moments):
    """Train in a process for each moment; what the moments were."""
    command = [sys.executable, killed_runs.__file__, config, out, *moments]
    done = run_program(*command, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith(('print', 'o'))]


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp('config'))


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    out = tmp_path_factory.mktemp('whole') / 'run'
    start(config, out, 0)
    return out


def assert_same_run(out, other):
    """Both end in the same weights, bit for bit, and nothing else is left in the first one."""
    for name in ('model.safetensors', 'report.json'):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name
    for stage in STAGES:
        assert equal(state_of(out / stage), state_of(other / stage)), stage
        assert newest_model(out / stage).read_bytes() == newest_model(other / stage).read_bytes()
        mine, theirs = rows(out / stage, 'train'), rows(other / stage, 'train')
        assert [row['step'] for row in mine] == [1, 2, 3, 4, 5, 6]
        for name in ('train/loss', 'train/gradient'):
            assert [row[name] for row in mine] == [row[name] for row in theirs]
    names = {str(path.relative_to(out)) for path in out.rglob('*')}
    assert names == {str(path.relative_to(other)) for path in other.rglob('*')}


@pytest.mark.kind
def test_killed_at_ten_moments_it_ends_in_the_same_weights(config, uninterrupted, tmp_path):
    random = Random(1)
    moments = [random.randint(5, 41) for _ in range(KILLS)]
    found = start(config, tmp_path / 'run', *moments, 0)
    assert len(found) == KILLS
    # Within steps of a stage, while its checkpoint is written, and between stages.
    assert 'print' in found
    for part in ('/.state_', '/.model_', '/.latest.json', ' .sessions.json'):
        assert any(part in line for line in found), (part, found)
    assert any(line.startswith('os.rename') for line in found)
    assert_same_run(tmp_path / 'run', uninterrupted)


def without_warnings(text):
    """The lines of an error, without that of the page, which may not fit either."""
    return [line for line in text.splitlines() if not line.startswith('warning: no page')]


def train(config, out, environment=ONE_THREAD, **options):
    """The command itself."""
    command = ['train', '--config', config, '--out', out, '--resume', 'true']
    return run_training(*command, environment=environment, **options)


def test_a_file_that_cannot_grow_leaves_the_checkpoint_before(config, uninterrupted, tmp_path):
    """A limit of a file's size: the state is too large for it, the rest is not."""
    out = tmp_path / 'run'
    start(config, out, 17)
    before = json.loads((out / 'teacher' / 'latest.json').read_text())
    state = out / 'teacher' / before['state']
    size = state.stat().st_size

    def limit():
        # Python ignores SIGXFSZ: the write fails with EFBIG.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    uncompiled = {**ONE_THREAD, 'PYTHONDONTWRITEBYTECODE': '1'}  # it would be cut short, too
    done = train(config, out, uncompiled, preexec_fn=limit)
    assert done.returncode == 1
    (line,) = without_warnings(done.stderr)
    step = before['step'] + 2
    assert f'teacher: the checkpoint of step {step} cannot be written (File too large)' in line
    assert f'that of step {before["step"]} is kept: free space there and go on with' in line
    assert json.loads((out / 'teacher' / 'latest.json').read_text()) == before
    assert load(newest_model(out / 'teacher'))
    left = {path.name for path in (out / 'teacher').iterdir() if path.suffix != '.jsonl'}
    assert left == {'latest.json', before['model'], before['state']}
    sessions = json.loads((out / 'sessions.json').read_text())
    assert 'cannot be written' in sessions[-1]['outcome']
    start(config, out, 0)
    assert_same_run(out, uninterrupted)


def has_namespaces():
    """Whether a file system of one's own may be mounted."""
    command = ['unshare', '-Urm', 'mount', '-t', 'tmpfs', 'none', '/mnt']
    return shutil.which('unshare') and not subprocess.run(command, capture_output=True).returncode


@pytest.mark.skipif(not has_namespaces(), reason='needs user namespaces (unshare -Urm)')
def test_a_full_disk_leaves_the_checkpoint_before(config, uninterrupted, tmp_path):
    """A real file system with room for one checkpoint and a half."""
    state = uninterrupted / 'teacher' / 'state_0000006.pt'
    model = state.with_name('model_0000006.safetensors')
    room = 3 * (state.stat().st_size + model.stat().st_size) // 2
    disk, out = tmp_path / 'disk', tmp_path / 'run'
    disk.mkdir()
    script = (
        f'mount -t tmpfs -o size={room} none {disk}; '
        f'{sys.executable} training/run.py train --config {config} --out {disk}/run; '
        f'status=$?; cp -r {disk}/run {out}; exit $status'
    )
    environment = {**ONE_THREAD, 'PYTHONPATH': str(ROOT)}
    done = run_program('unshare', '-Urm', 'sh', '-c', script, cwd=ROOT, env=environment)
    assert done.returncode == 1, done.stderr
    (line,) = without_warnings(done.stderr)
    assert 'the checkpoint of step 4 cannot be written (No space left on device), that of' in line
    assert 'step 2 is kept: free space there and go on with --resume true' in line
    assert load(newest_model(out / 'teacher'))
    start(config, out, 0)
    assert_same_run(out, uninterrupted)
