# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One global batch gives one loss curve: at once, part after part, or on two processes."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from kit import global_batch
from kit.global_batch import KINDS, STEPS, losses_of
from kit.programs import run_program, run_training
from kit.runs import tiny_run
from spike_depth_ros.checkpoint import load_info
from spike_training.engine.fabric import make_fabric
from spike_training.errors import ConfigError
from spike_training.methods.bicross.settings import AdaptConfig, CrossDomainConfig, PretrainConfig
from spike_training.settings.config import TargetConfig, to_yaml

ROOT = Path(__file__).resolve().parents[3]
GLOBAL = 4
"""Images of a step."""


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """By kind of stage, the loss of each step, the batch at once on one process."""
    out, fabric = tmp_path_factory.mktemp('whole'), make_fabric('cpu', 1, '32-true')
    return {kind: losses_of(kind, out, fabric, GLOBAL) for kind in KINDS}


def test_the_curve_falls(whole):
    for kind in KINDS:
        assert len({*whole[kind]}) == STEPS
    assert whole['pretrain'][-1] < whole['pretrain'][0]


@pytest.mark.long
@pytest.mark.kind
def test_two_processes_give_the_losses_of_one(whole, tmp_path):
    """Real processes, that Fabric starts and that talk through gloo."""
    paths = [ROOT, ROOT / 'training', ROOT / 'test']
    path = os.pathsep.join(map(str, paths))
    result = run_program(
        *(sys.executable, global_batch.__file__, tmp_path, 2, GLOBAL // 2),
        env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    parts = [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(2)]
    for kind in KINDS:
        one, other = (np.array(part[kind]) for part in parts)
        assert not np.allclose(one, other)  # each had images of its own
        np.testing.assert_allclose((one + other) / 2, whole[kind], rtol=0, atol=1e-9)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_whole_run_on_two_processes(tmp_path):
    """From the command line: stages, the choice of a network, the verdict; once, not twice."""
    adapt = AdaptConfig(adabn_batches=1, deploy='label_free')
    stages = [
        PretrainConfig(name='pre_src'),
        CrossDomainConfig(name='bicross', init_from='pre_src', adapt=adapt),
    ]
    config = tiny_run(tmp_path / 'run', *stages, target=TargetConfig(styles=['road']))
    config.train.accumulate, config.train.validate_every = 2, 3
    (tmp_path / 'config.yaml').write_text(to_yaml(config))
    command = ['bicross', '--config', tmp_path / 'config.yaml', '--devices', 2]
    result = run_training(*command, environment={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('means over pixels') == 1
    assert result.stdout.count('bicross: weights of') == 1
    for name in ('pre_src', 'bicross'):
        lines = (config.out / name / 'scalars.jsonl').read_text().splitlines()
        steps = [row['step'] for row in map(json.loads, lines) if 'train/loss' in row]
        assert steps == [1, 2, 3]
    info = load_info(config.out / 'model.safetensors')
    assert info.stage == 'bicross'
    assert {'target_road_abs_rel', 'indoor_abs_rel'} <= info.metrics.keys()


@pytest.mark.parametrize('kind', KINDS)
def test_accumulated_batches_give_the_losses_of_one(whole, tmp_path, kind):
    fabric = make_fabric('cpu', 1, '32-true')
    losses = losses_of(kind, tmp_path, fabric, GLOBAL // 2, accumulate=2)
    means = np.array(losses).reshape(STEPS, 2).mean(axis=1)
    np.testing.assert_allclose(means, whole[kind], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ('starter', 'variables'),
    [
        ('torchrun', {'WORLD_SIZE': '4', 'RANK': '1', 'LOCAL_RANK': '1', 'GROUP_RANK': '0',
                      'LOCAL_WORLD_SIZE': '2', 'TORCHELASTIC_RUN_ID': 'x'}),
        ('SLURM', {'SLURM_NTASKS': '4', 'SLURM_JOB_NAME': 'train', 'SLURM_PROCID': '1',
                   'SLURM_LOCALID': '1', 'SLURM_NODEID': '0'}),
    ],
)  # fmt: skip
def test_processes_that_do_not_know_of_each_other_are_refused(monkeypatch, starter, variables):
    """Each would train alone, and write over the files of the others."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f'{starter} started 4 processes, devices is 1 and nod'):
        make_fabric('cpu', 1, '32-true')
    with pytest.raises(ConfigError, match=r'--devices .* times --nodes to be 4'):
        make_fabric('cpu', 2, '32-true', nodes=3)
