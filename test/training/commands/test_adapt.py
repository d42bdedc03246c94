# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that adapts a checkpoint to one's own recordings."""

from __future__ import annotations

import functools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')
pytest.importorskip('onnx')

from training_files import write  # noqa: E402

from spike_depth_ros.checkpoint import CheckpointError, find_checkpoint, load  # noqa: E402
from spike_training.adaptation import gate, run  # noqa: E402
from spike_training.commands.adapt import adapt  # noqa: E402
from spike_training.errors import ConfigError, DataSetError  # noqa: E402

SIZE = {'size': '96x64', 'rate_hz': 400.0, 'minutes': 0.001, 'device': 'cpu'}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkpoint(tmp_path):
    return write(tmp_path / 'old.safetensors')


def report(out):
    return json.loads((out.with_suffix('') / 'adapt.json').read_text())


def test_what_improves_is_written_with_its_export(
    moving_wall, checkpoint, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'LIMITS', (10.0, 20.0))  # all is better
    monkeypatch.setattr(run, 'LARGEST_DISTANCE', math.inf)
    out = tmp_path / 'mine.safetensors'
    adapt(moving_wall, out, checkpoint, **SIZE)
    found = report(out)
    assert found['verdict'] == 'improved'
    assert [rung['name'] for rung in found['rungs']] == ['sensor', 'affine', 'bicross']
    assert found['scale'] == 'none'
    info, weights = load(out)
    old_info, old = load(checkpoint)
    assert info.scale == 'none'  # as before
    assert info.stage == found['kept']
    assert info.uncertainty_calibrated
    assert out.with_suffix('.onnx').is_file()
    assert weights.keys() == old.keys()
    assert old_info.architecture == info.architecture
    assert 'mine.safetensors: improved, by' in capsys.readouterr().out

    # The first rung changes scales and shifts alone.
    (affine,) = (tmp_path / 'mine' / 'affine').glob('model_*.safetensors')
    after = load(affine)[1]
    changed = {name for name in old if not np.array_equal(old[name], after[name])}
    assert changed
    layers = {name.rpartition('.')[0] for name in old if name.endswith('running_mean')}
    assert changed <= {f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')}

    out.unlink()
    other = write(tmp_path / 'other.safetensors', stage='other')
    before = (tmp_path / 'mine' / 'adapt.json').read_bytes()
    with pytest.raises(ConfigError, match='mine holds an adaptation with another checkpoint'):
        adapt(moving_wall, out, other, **SIZE)
    assert (tmp_path / 'mine' / 'adapt.json').read_bytes() == before


def test_nothing_improves_where_the_simulation_does_not_match(
    moving_wall, checkpoint, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'LIMITS', (10.0, 20.0))  # all is better
    monkeypatch.setattr(run, 'LARGEST_DISTANCE', 0.0)
    out = tmp_path / 'mine.safetensors'
    adapt(moving_wall, out, checkpoint, **SIZE)
    assert not out.exists()
    assert report(out)['verdict'] == 'no change'
    assert 'expected at most 0: the simulation does not match' in capsys.readouterr().out


def test_what_does_not_improve_writes_no_file(
    moving_wall, checkpoint, tmp_path, monkeypatch, one_thread, capsys
):
    monkeypatch.setattr(gate, 'LIMITS', (-20.0, -10.0))  # all is worse
    out = tmp_path / 'mine.safetensors'
    adapt(moving_wall, out, checkpoint, **SIZE)
    assert not out.exists()
    assert not out.with_suffix('.onnx').exists()
    assert report(out)['verdict'] == 'worse'
    assert f'worse; {checkpoint} stays' in capsys.readouterr().out


def test_an_interrupted_adaptation_goes_on(moving_wall, checkpoint, tmp_path):
    out = tmp_path / 'mine.safetensors'
    command = [
        sys.executable, 'training/run.py', 'adapt', '--recordings', str(moving_wall), '--out',
        str(out), '--checkpoint', str(checkpoint), '--size', '96x64', '--rate_hz', '400',
        '--minutes', '0.1', '--device', 'cpu',
    ]  # fmt: skip
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    folder = tmp_path / 'mine'
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        end = time.monotonic() + 120
        while not (folder / 'affine' / 'latest.json').exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[0]
    assert process.returncode == 130, told
    assert 'the same command goes on where it was' in told
    assert not out.exists()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)

    # The same plan in one go gives the same weights.
    other = tmp_path / 'whole' / 'mine'
    for name in ('settings.json', 'match.json', 'budget.json', 'affine/plan.json'):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((folder / name).read_bytes())
    command[command.index(str(out))] = str(other.with_suffix('.safetensors'))
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)
    weights = []
    for one in (folder, other):
        (path,) = (one / 'affine').glob('model_*.safetensors')
        weights.append(load(path)[1])
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_folder_with_something_else_and_an_existing_export_are_refused(
    moving_wall, checkpoint, tmp_path
):
    out = tmp_path / 'mine.safetensors'
    out.with_suffix('.onnx').write_bytes(b'')
    with pytest.raises(ConfigError, match=r'mine\.onnx exists'):
        adapt(moving_wall, out, checkpoint, **SIZE)
    out.with_suffix('.onnx').unlink()
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'other').touch()
    with pytest.raises(ConfigError, match='mine exists, which'):
        adapt(moving_wall, out, checkpoint, **SIZE)


def test_another_plane_rate_does_not_go_on_with_the_old_match(
    moving_wall, checkpoint, tmp_path, monkeypatch
):
    class StoppedError(Exception):
        pass

    def stop(*arguments):
        raise StoppedError

    out = tmp_path / 'mine.safetensors'
    monkeypatch.setattr(run, '_match', stop)
    with pytest.raises(StoppedError):
        adapt(moving_wall, out, checkpoint, **SIZE)
    with pytest.raises(ConfigError, match='another content of the recordings'):
        adapt(moving_wall, out, checkpoint, **{**SIZE, 'rate_hz': 300.0})


def test_rungs_with_settings_that_have_no_effect_are_refused(moving_wall, checkpoint, tmp_path):
    text = (ROOT / 'training' / 'configs' / 'adapt.yaml').read_text()
    config = tmp_path / 'rungs.yaml'
    config.write_text(text.replace('    trainable: affine', '    trainable: affine\n    steps: 3'))
    with pytest.raises(ConfigError, match=r'stages\[0\]\.steps is given'):
        adapt(moving_wall, tmp_path / 'mine.safetensors', checkpoint, config=config, **SIZE)


def test_wrong_arguments_are_refused_before_anything_is_written(moving_wall, checkpoint, tmp_path):
    out = tmp_path / 'mine.safetensors'
    for changes, words in (
        ({'out': tmp_path / 'mine.onnx'}, r'expected a \.safetensors file'),
        ({'out': checkpoint}, 'which exists'),
        ({'minutes': 0.0}, 'minutes is 0: expected above 0'),
        ({'rate_hz': 0.0}, 'rate_hz is 0: expected above 0'),
    ):
        given = {'recordings': moving_wall, 'out': out, 'checkpoint': checkpoint, **SIZE}
        with pytest.raises(ConfigError, match=words):
            adapt(**{**given, **changes})
    with pytest.raises(CheckpointError, match='task'):
        adapt(moving_wall, out, find_checkpoint('recon_lite'), **SIZE)
    with pytest.raises(DataSetError, match='expected a bag, a'):
        adapt(tmp_path / 'nothing', out, checkpoint, **SIZE)
    assert not (tmp_path / 'mine').exists()
