# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from kit import stages
from kit.runs import equal, rows, state_of
from kit.stages import CONFIG, INFO, STEPS, RampSource, TinyStage, train
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.checkpoint import load
from spike_training.engine import checkpoints
from spike_training.engine.checkpoints import newest_model
from spike_training.engine.fabric import make_fabric
from spike_training.engine.loop import FiniteGuard, prefetch, time_step
from spike_training.engine.record import SCALARS, Record
from spike_training.errors import NonFiniteError, TrainingError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp('uninterrupted')
    return folder, train(folder)


def test_the_loss_falls(uninterrupted):
    losses = [row['train/loss'] for row in rows(uninterrupted[0], 'train')]
    assert len(losses) == STEPS // 4
    assert losses[-1] < 0.7 * losses[0]


def test_killed_in_mid_training_and_resumed_is_as_if_nothing_had_been(uninterrupted, tmp_path):
    marker = tmp_path / 'stalled'
    paths = os.pathsep.join([str(ROOT), str(ROOT / 'training')])
    process = subprocess.Popen(
        [sys.executable, stages.__file__, str(tmp_path), '17'],
        env={**os.environ, 'PYTHONPATH': paths},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not marker.exists():
            assert process.poll() is None, 'the training ended before it was killed'
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert state_of(tmp_path)['step'] == 12  # steps 12 to 16 are lost and done again
    assert rows(tmp_path, 'train')[-1]['step'] == 16

    resumed = train(tmp_path)

    folder, stage = uninterrupted
    assert equal(dict(resumed.state_dict()), dict(stage.state_dict()))
    assert equal(state_of(tmp_path), state_of(folder))
    assert newest_model(tmp_path).read_bytes() == newest_model(folder).read_bytes()
    # The record has no gap and nothing twice; speeds differ.
    for group in ('train', 'validation'):
        mine, theirs = rows(tmp_path, group), rows(folder, group)
        for row in (*mine, *theirs):
            row.pop('train/images_per_s', None)
            row.pop('train/data_share', None)
        assert mine == theirs


def test_another_seed_gives_other_weights(uninterrupted, tmp_path):
    other = train(tmp_path, RampSource(seed=1))
    assert not equal(dict(other.state_dict()), dict(uninterrupted[1].state_dict()))


def test_batches_made_in_advance_are_the_same(uninterrupted, tmp_path):
    other = train(tmp_path, prefetch=3)
    assert equal(dict(other.state_dict()), dict(uninterrupted[1].state_dict()))


def test_a_finished_training_is_not_trained_further(tmp_path):
    train(tmp_path, steps=6)
    before = state_of(tmp_path)
    train(tmp_path, steps=6)
    assert equal(state_of(tmp_path), before)


def test_only_the_newest_checkpoint_is_kept_and_it_holds_the_averaged_weights(uninterrupted):
    folder, stage = uninterrupted
    names = sorted(
        path.name for path in folder.iterdir() if path.suffix in ('.pt', '.safetensors')
    )
    assert names == [f'model_{STEPS:07d}.safetensors', f'state_{STEPS:07d}.pt']
    deployed = load(newest_model(folder))[1]
    average = state_of(folder)['ema']['average']
    for name, value in stage.network.state_dict().items():
        np.testing.assert_array_equal(
            deployed[name],
            average[name].numpy().astype(deployed[name].dtype),
        )
        if value.is_floating_point():
            assert not torch.equal(value, average[name])


@pytest.mark.parametrize('dies_at', ['state', 'latest'])
def test_a_save_that_dies_half_way_leaves_the_checkpoint_before(tmp_path, monkeypatch, dies_at):
    def failing(path, content):
        if path.name.startswith(dies_at) and path.parent.joinpath('latest.json').exists():
            raise OSError('the disk is full')
        write_atomically(path, content)

    monkeypatch.setattr(checkpoints, 'write_atomically', failing)
    expected = r'checkpoint of step 12 cannot be written \(the disk is full\), that of step 6 is'
    with pytest.raises(TrainingError, match=expected):
        train(tmp_path)
    names = {path.name for path in tmp_path.iterdir() if 'json' not in path.name}
    assert names == {'model_0000006.safetensors', 'state_0000006.pt'}
    assert state_of(tmp_path)['step'] == 6
    load(newest_model(tmp_path))


def test_a_checkpoint_of_another_stage_is_refused(tmp_path):
    train(tmp_path, steps=6)
    stage = TinyStage()
    stage.probe = torch.nn.Linear(4, 1, bias=False)
    with pytest.raises(TrainingError, match=r'another network or stage.*probe\.bias'):
        train(tmp_path, stage=stage)


def test_a_damaged_checkpoint_is_named(tmp_path):
    train(tmp_path, steps=6)
    path = tmp_path / json.loads((tmp_path / 'latest.json').read_text())['state']
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match='damaged'):
        train(tmp_path)


def test_the_learning_rate_of_a_schedule_of_steps_drops(tmp_path):
    settings = {'warmup_steps': 1, 'drop_every': 2, 'schedule': 'steps', 'learning_rate': 1e-3}
    train(tmp_path, steps=5, log_every=1, validate_every=0, **settings)
    found = [row['train/learning_rate'] for row in rows(tmp_path, 'train')]
    assert found == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


class PoisonedSource(RampSource):
    """NaN in the depth of one step: the loss of TinyStage has no mask."""

    def batch(self, step, batch_size, rank=0, world_size=1):
        batch = super().batch(step, batch_size, rank, world_size)
        if step == 9:
            batch.depth[1, 0, 20, 20] = torch.nan
        return batch


@pytest.mark.parametrize('prefetch', [0, 2])
def test_a_loss_that_is_not_finite_stops_and_saves_its_batch(tmp_path, prefetch):
    with pytest.raises(NonFiniteError) as caught:
        train(tmp_path, PoisonedSource(), prefetch=prefetch)
    (path,) = tmp_path.glob('non_finite_*.pt')
    message = str(caught.value)
    assert message.count('\n') == 0
    assert 'step 9' in message
    assert str(path) in message
    assert 'samples 18, 19' in message
    saved = torch.load(path, weights_only=True)
    assert saved['step'] == 9
    assert saved['batches'][0]['index'].tolist() == [18, 19]
    assert saved['batches'][0]['depth'][1, 0, 20, 20].isnan()
    assert state_of(tmp_path)['step'] == 6


class ExplodingStage(TinyStage):
    """Finite loss, infinite gradient."""

    def forward(self, batch, phase):
        parts = super().forward(batch, phase)
        zero = self.network[3].bias.sum() * 0
        return {**parts, 'loss': parts['loss'] + zero.sqrt() - zero.sqrt().detach()}


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(tmp_path):
    stage = ExplodingStage()
    before = {name: value.clone() for name, value in stage.named_parameters()}
    with pytest.raises(NonFiniteError, match='step 0'):
        train(tmp_path, stage=stage)
    assert all(torch.equal(before[name], value) for name, value in stage.named_parameters())


def test_tensorboard_and_pictures(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, steps=8, tensorboard=True, picture_every=8)
    assert (tmp_path / 'pictures' / '0000008.png').exists()
    board = EventAccumulator(str(tmp_path)).Reload()
    assert {'train/loss', 'train/learning_rate', 'validation/loss'} <= set(board.Tags()['scalars'])
    assert board.Tags()['images'] == ['pictures']


def test_validation_changes_nothing(tmp_path):
    with_validation = train(tmp_path / 'with', steps=8, validate_every=2)
    without = train(tmp_path / 'without', steps=8, validate_every=0)
    assert equal(dict(with_validation.state_dict()), dict(without.state_dict()))


def test_what_is_validated_are_the_averaged_weights(uninterrupted):
    folder, _ = uninterrupted
    state = state_of(folder)
    stage = TinyStage()
    stage.load_state_dict(state['stage'])
    stage.network.load_state_dict(state['ema']['average'])
    stage.eval()
    loss = stage(RampSource(split='calibration').batch(0, 2), 'val')['loss'].item()
    assert rows(folder, 'validation')[-1]['validation/loss'] == pytest.approx(loss, rel=1e-5)


HOSTILE = {
    'latest.json': [
        b'', b'[' * 100_000, b'\xff', b'5', b'{}', b'{"step": 6}',
        b'{"step": 0.5, "model": 1.5, "state": []}',
        b'{"step": 6, "model": "/etc/passwd", "state": "../state_0000006.pt"}',
    ],
    'state_0000006.pt': [b'', b'PK', b'x' * 1000],
}  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'content'), [(name, one) for name, contents in HOSTILE.items() for one in contents]
)
def test_hostile_files_of_a_training_are_named_in_one_line(tmp_path, name, content):
    train(tmp_path, steps=6)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match='its checkpoint is damaged') as caught:
        train(tmp_path, steps=6)
    assert str(caught.value).isprintable()
    if name == 'latest.json':
        with pytest.raises(TrainingError, match='its checkpoint is damaged'):
            newest_model(tmp_path)


@pytest.mark.parametrize(
    'change',
    [
        lambda state: state.update(step=5),
        lambda state: state.update(step=[6]),
        lambda state: state.pop('step'),
        lambda state: state['optimizers'].update(main=3),
        lambda state: state['ema'].update(updates='x'),
        lambda state: state.update(stage=None),
    ],
)
def test_a_state_of_other_values_is_refused_in_one_line(tmp_path, change):
    train(tmp_path, steps=6)
    path = tmp_path / 'state_0000006.pt'
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)
    with pytest.raises(TrainingError, match=r'is damaged|another network or stage') as caught:
        train(tmp_path, steps=6)
    assert str(caught.value).isprintable()


def test_damaged_records_are_left_out_and_counted(tmp_path):
    train(tmp_path, steps=6)
    before = rows(tmp_path, 'train')
    with (tmp_path / 'scalars.jsonl').open('ab') as file:
        file.write(b'\xff\xfe\n5\n{"step": [1]}\n{}\n\0\0\0\n{"step": 3, "half')
    train(tmp_path, steps=6)
    assert rows(tmp_path, 'train') == before
    warning = json.loads((tmp_path / 'warnings.jsonl').read_text())['warning']
    assert warning == 'scalars.jsonl: 5 damaged lines were left out'


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_a_full_disk_names_the_file_of_scalars(tmp_path):
    record = Record(tmp_path, 0, 10, tensorboard=False)
    record._file.close()
    record._file = Path('/dev/full').open('w')  # noqa: SIM115
    with pytest.raises(OSError, match='No space left') as raised, record:
        record.scalars(1, 'train', {'loss': 1.0})
    assert raised.value.filename == str(tmp_path / SCALARS)


def test_what_a_killed_process_left_is_removed(tmp_path):
    train(tmp_path, steps=6)
    names = {path.name for path in tmp_path.iterdir()}
    for name in ('.state_0000012.pt.ab12.unfinished', 'model_0000012.safetensors'):
        (tmp_path / name).write_bytes(b'x')
    train(tmp_path, steps=6)
    assert {path.name for path in tmp_path.iterdir()} == names


def test_the_guard_lets_finite_values_pass():
    it = FiniteGuard(torch.device('cpu'))
    it.note(0, [torch.tensor(1.0), torch.tensor(-1e30)])
    it.check()


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('place', [0, 1])
def test_the_first_bad_step_is_named_even_when_it_is_read_late(bad, place):
    it = FiniteGuard(torch.device('cpu'))
    for step in range(3, 9):
        values = [torch.tensor(1.0), torch.tensor(1.0)]
        if step in (5, 7):
            values[place] = torch.tensor(bad)
        it.note(step, values)
    with pytest.raises(NonFiniteError, match='step 5') as caught:
        it.check()
    assert caught.value.step == 5


@pytest.mark.parametrize('number', [0, 1, 3, 20])
def test_prefetched_batches_come_in_order_and_none_is_missing(number):
    assert list(prefetch(lambda step: step, 5, 12, number)) == list(range(5, 12))
    assert list(prefetch(lambda step: step, 5, 5, number)) == []


def test_batches_are_made_in_advance_and_not_further_than_allowed():
    made = []
    waiting = threading.Event()

    def make(step):
        made.append(step)
        if step == 2:
            waiting.set()
        return step

    batches = prefetch(make, 0, 10, number=2)
    assert next(batches) == 0
    assert waiting.wait(10)  # batch 2 is made although only batch 0 was taken
    assert made == [0, 1, 2]
    batches.close()


def test_an_error_of_the_source_comes_through():
    def make(step):
        if step == 1:
            raise OSError('on purpose')
        return step

    batches = prefetch(make, 0, 10, number=4)
    assert next(batches) == 0
    with pytest.raises(OSError, match='on purpose'):
        next(batches)


class BlockSource(RampSource):
    """Prepares the batches of eight steps at once."""

    def batch(self, step, batch_size, rank=0, world_size=1):
        if step % 8 == 0:
            time.sleep(0.4)
        return super().batch(step, batch_size, rank, world_size)


def test_the_measured_duration_of_a_step_contains_what_is_prepared_for_several(tmp_path):
    config = dataclasses.replace(CONFIG, steps=1000)
    folder, fabric = tmp_path / 'timing', make_fabric('cpu', 1, '32-true')
    one = time_step(TinyStage(), BlockSource(), config, folder, INFO, fabric, 0, seconds=1.0)
    assert one >= 0.4 / 8
    assert not folder.exists()
