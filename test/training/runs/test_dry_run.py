# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run would be, and all that it lacks, without a step of it."""

import dataclasses
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from kit.datasets import write_dat, write_paper_sets, write_vkitti
from kit.rooms import write_rooms
from kit.runs import tiny_run
from spike_depth_ros.checkpoint import save
from spike_depth_ros.networks.registry import IMAGENET, build, weights_of
from spike_training.errors import ConfigError
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    CrossModalityConfig,
    PretrainConfig,
)
from spike_training.run_data.recordings import focal_lengths
from spike_training.run_data.sources import make_source, make_target, scored_parts
from spike_training.runs import pipeline
from spike_training.runs.build import context, make_stage
from spike_training.runs.dry_run import dry_run
from spike_training.runs.memory import estimate_memory, noise, saved_bytes
from spike_training.settings.config import DataConfig, TargetConfig
from spike_training.settings.reading import load_config

ROOT = Path(__file__).resolve().parents[3]
CPU = torch.device('cpu')
PAPER = sorted(
    path
    for path in (ROOT / 'training' / 'configs').glob('paper_*.yaml')
    if load_config(path).method == 'bicross'
)


def three_stages(out, **changes):
    return tiny_run(
        out,
        PretrainConfig(name='teacher', input='rgb', epochs=2, backbone_lr_scale=0.1),
        CrossModalityConfig(name='mono', teacher='teacher', init_from='teacher'),
        CrossDomainConfig(
            name='bicross', init_from='mono', epochs=3,
            adapt=AdaptConfig(adabn_batches=2),
        ),
        dry_run=True,
        **changes,
    )  # fmt: skip


def cells(text, *start):
    """The cells of the row of a table that begins with some."""
    rows = [[cell.strip() for cell in re.split('[│┃]', line)[1:-1]] for line in text.splitlines()]
    (row,) = [row for row in rows if row[: len(start)] == [*start]]
    return row[len(start) :]


def test_all_there_is_is_told_and_nothing_is_written(tmp_path, capsys):
    streets = write_vkitti(tmp_path / 'vkitti')
    frames = streets / 'vkitti_1.3.1_rgb' / '0001' / 'clone'
    shutil.copy(frames / '00000.png', frames / '00009.png')  # without depth
    spikes = write_dat(tmp_path / 'dat')
    config = three_stages(
        tmp_path / 'run',
        target=TargetConfig(recordings={'dat': f'{spikes},size=64x32,rate_hz=1280'}),
    )
    config.data = DataConfig(
        height=32, width=48, planes=[32], rate_hz=1280.0,
        recordings={'vkitti': f'{streets},variation=clone'},
    )  # fmt: skip
    before = sorted(tmp_path.rglob('*'))
    pipeline.run(config)
    text = capsys.readouterr().out
    assert sorted(tmp_path.rglob('*')) == before
    # 5 scenes of 4 frames with depth; 3 recordings without depth, windows at each 8th plane.
    assert cells(text, 'data', 'vkitti') == ['5', '1', 'place', '12', '4', '4']
    assert cells(text, 'target', 'dat') == ['3', '0', 'place', '34', '17', 'none']
    assert cells(text, 'teacher', 'pretrain') == ['scratch', '2', '12', '2', '12']
    assert cells(text, 'mono', 'cross_modality') == ['teacher', '', '', '2', '3']
    assert cells(text, 'bicross', 'cross_domain') == ['mono', '3', '34', '2', '51']
    assert 'bicross, train: a sample of 32x32x48 and 32x32x48 counts in' in text
    assert 'nothing is missing' in text
    # Each trainable parameter once, the encoder's at a tenth of the rate.
    groups = re.findall(r'│ teacher\s+│ +main │ +([\d,]+) │ +\d+ │ +(\S+)', text)
    stage = make_stage(context(config.resolve(config.stages[0]), {}, CPU))
    encoder = sum(p.numel() for p in stage.network.encoder.parameters())
    whole = sum(p.numel() for p in stage.parameters())
    found = {rate: 0 for _, rate in groups}
    for number, rate in groups:
        found[rate] += int(number.replace(',', ''))
    assert found == {'0.004': whole - encoder, '0.0004': encoder}


def test_all_that_is_missing_or_wrong_is_told_at_once(tmp_path, capsys):
    spikes = write_dat(tmp_path / 'dat', planes=20)
    config = three_stages(
        tmp_path / 'run',
        target=TargetConfig(
            recordings={'dat': f'{spikes},size=64x32,rate_hz=1280'},
            test_recordings={'respike': str(tmp_path / 'nothing')},
        ),
    )
    config.data = DataConfig(
        height=32, width=48, planes=[32], rate_hz=1280.0,
        recordings={'kitti': f'{tmp_path}/kitti,depth={tmp_path}/depth,split={tmp_path}/list.txt'},
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        pipeline.run(config)
    message = str(caught.value)
    assert message.startswith('dry run, 4 problems:\n')
    for expected in (
        f'data.recordings.kitti: {tmp_path}/kitti is missing; expected\n',
        '2011_09_26/calib_cam_to_cam.txt',
        f'{tmp_path}/depth is missing',
        f'{tmp_path}/list.txt is missing',
        f'target.test_recordings.respike: {tmp_path}/nothing/indoor/spike is missing; expected\n',
        'target, train: dat/',
        'no window of 32 planes',
    ):
        assert expected in message
    # The sizes are told all the same, after what is missing; memory, which takes longest, last.
    text = capsys.readouterr().out
    order = [
        f'problem: data.recordings.kitti: {tmp_path}/kitti is missing, '
        f'{tmp_path}/depth is missing, {tmp_path}/list.txt is missing\n',
        f'problem: target.test_recordings.respike: {tmp_path}/nothing/indoor/spike is missing\n',
        '\nparameters ',
        '\nsteps ',
        '\nteacher: measuring memory\n',
        '\nbicross: measuring memory\n',
        '\nmemory of each process',
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert cells(text, 'bicross', 'cross_domain') == ['mono', '3', 'unknown', '2', 'unknown']
    assert not (tmp_path / 'run').exists()

    config.train.batch_size = 0
    with pytest.raises(ConfigError, match=r'dry run, 5 problems:\n.*batch_size is 0') as caught:
        pipeline.run(config)
    assert f'{tmp_path}/list.txt is missing' in str(caught.value)


def test_a_data_set_without_a_reader_is_told(tmp_path):
    config = tiny_run(tmp_path / 'run')
    config.data.recordings = {'mine': f'{tmp_path}', 'tum': f'{tmp_path},size=3'}
    with pytest.raises(ConfigError) as caught:
        dry_run(config)
    message = str(caught.value)
    assert "data.recordings.mine: data set 'mine': expected one of" in message
    assert 'data.recordings.tum: data set tum: option size is unknown' in message


def test_mixed_data_sets_are_told_or_named_where_missing(tmp_path, capsys):
    rooms = write_rooms(tmp_path / 'rooms')
    config = tiny_run(tmp_path / 'run', dry_run=True)
    data = dataclasses.replace(config.data, mixed_recordings={'rendered': str(rooms)})
    pipeline.run(dataclasses.replace(config, data=data))
    text = capsys.readouterr().out
    assert 'procedural: ' in text
    assert cells(text, 'mixed', 'rendered') == ['20', '0', 'place', '10', '5', '5']
    data.mixed_recordings['rendered'] = str(tmp_path / 'nothing')
    with pytest.raises(
        ConfigError, match=r'data\.mixed_recordings\.rendered: .*nothing is missing'
    ):
        pipeline.run(dataclasses.replace(config, data=data))


def test_a_target_tested_where_the_source_trains_is_told(tmp_path):
    one = write_vkitti(tmp_path / 'one', scenes=1, frames=20)
    two = write_vkitti(tmp_path / 'two', scenes=2, frames=20)
    config = three_stages(
        tmp_path / 'run', target=TargetConfig(recordings={'vkitti': f'{two},variation=clone'})
    )
    config.data = DataConfig(
        height=32, width=48, planes=[32], rate_hz=1280.0,
        recordings={'vkitti': f'{one},variation=clone'},
        test_recordings={'vkitti': f'{two},variation=clone'},
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r'places that the source trains at \(1\)'):
        pipeline.run(config)


def test_weights_of_imagenet_that_are_missing_are_told(tmp_path, capsys, monkeypatch):
    constants = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'empty'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    config = tiny_run(
        tmp_path,
        PretrainConfig(
            name='a', input='rgb', init_from='imagenet', imagenet=str(tmp_path / 'vit.pth')
        ),
        PretrainConfig(name='b', input='rgb', init_from='imagenet'),
        dry_run=True,
    )
    hub = IMAGENET['unet_lite'][0]
    config.model.architecture, config.model.settings = 'unet_lite', {}
    config.data = DataConfig(height=32, width=32)
    with pytest.raises(ConfigError, match=r'1 problem:\n  a: .*vit\.pth: no such file'):
        pipeline.run(config)
    text = capsys.readouterr().out
    told = f'b: timm downloads {hub}'
    assert text.index(told) < text.index('problem: a: ') < text.index('\nparameters ')
    # Also with settings by which nothing can be built, and where nothing can be downloaded.
    config.train.batch_size = 0
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(ConfigError, match=r'dry run, 3 problems:\n') as caught:
        pipeline.run(config)
    _, *problems = str(caught.value).split('\n  ')
    assert problems[0].startswith('train.batch_size is 0')
    assert problems[1].startswith(f'a: {tmp_path}/vit.pth: no such file')
    assert problems[2].startswith(f'b: the ImageNet weights {hub}')
    assert 'HF_HUB_OFFLINE is set' in problems[2]
    # Nothing is said of weights that were downloaded before.
    cache = tmp_path / 'cache'
    stored = cache / f'models--{hub.replace("/", "--")}'
    (stored / 'refs').mkdir(parents=True)
    (stored / 'refs' / 'main').write_text('0123')
    (stored / 'snapshots' / '0123').mkdir(parents=True)
    (stored / 'snapshots' / '0123' / 'model.safetensors').write_bytes(b'')
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(cache))
    capsys.readouterr()
    with pytest.raises(ConfigError, match=r'dry run, 2 problems:\n'):
        pipeline.run(config)
    assert 'b: timm' not in capsys.readouterr().out


def test_a_file_to_start_from_is_read_and_compared(tmp_path, capsys):
    def run(start):
        pipeline.run(
            tiny_run(tmp_path / 'out', PretrainConfig(name='a', init_from=start), dry_run=True)
        )

    good = tmp_path / 'good.safetensors'
    config = tiny_run(tmp_path, PretrainConfig(name='a'))
    info = context(config.resolve(config.stages[0]), {}, CPU).info
    save(good, weights_of(build(info)), info)
    run(str(good))
    assert 'a' in capsys.readouterr().out
    other = tmp_path / 'other.safetensors'
    larger = dataclasses.replace(info, settings={**info.settings, 'dim': info.settings['dim'] * 2})
    save(other, weights_of(build(larger)), larger)
    with pytest.raises(
        ConfigError, match=r'1 problem:\n  a: init_from is .* choose a network of the'
    ):
        run(str(other))
    with pytest.raises(
        ConfigError,
        match=r'1 problem:\n  stages\[0\]\.init_from is .*absent\.safetensors: no such',
    ):
        run(str(tmp_path / 'absent.safetensors'))


def test_a_run_needs_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match='out is missing: name a folder'):
        pipeline.run(tiny_run(Path()))
    assert [*tmp_path.iterdir()] == []


def test_the_command_line_takes_it_with_a_dash(monkeypatch, capsys):
    sys.path.insert(0, str(ROOT / 'training'))
    import run

    arguments = ['bicross', '--dry-run', 'true', '--train.batch_size', '0']
    monkeypatch.setattr(sys, 'argv', ['run.py', *arguments])
    with pytest.raises(SystemExit) as caught:
        run.main()
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert 'dry run, 1 problem:\n  train.batch_size is 0' in message
    assert 'out is missing' not in message


class TestMemory:
    def of(self, tmp_path, **changes):
        config = tiny_run(tmp_path)
        for name, value in changes.items():
            setattr(config.train, name, value)
        here = context(config.resolve(config.stages[0]), {}, CPU)
        return estimate_memory(here, make_stage(here))

    def test_what_is_counted(self, tmp_path):
        found = self.of(tmp_path, prefetch=2)
        config = tiny_run(tmp_path)
        stage = make_stage(context(config.resolve(config.stages[0]), {}, CPU))
        weights = 4 * sum(p.numel() for p in stage.parameters())
        assert found.weights == found.gradients == weights
        assert found.moments == 2 * weights
        assert found.average == found.weights + found.frozen  # statistics are averaged, too
        # 32 counts, depth and the little that does not grow; the one in use and two in advance.
        assert found.batch == pytest.approx(3 * 2 * 32 * 48 * (32 + 4), rel=0.01)
        assert found.whole > sum((weights, weights, 2 * weights))

    @pytest.mark.parametrize('precision', ['32-true', 'bf16-mixed'])
    def test_activations_are_those_of_the_whole_batch(self, tmp_path, precision):
        config = tiny_run(tmp_path)
        config.train.batch_size, config.train.precision = 5, precision
        config.data.height, config.data.width = 160, 192  # of which 64x64 are measured
        here = context(config.resolve(config.stages[0]), {}, CPU)
        estimate = estimate_memory(here, make_stage(here)).activations
        whole = noise(here, 5, 160, 192)
        assert estimate == pytest.approx(saved_bytes(make_stage(here), whole, precision), rel=0.02)

    def test_activations_grow_with_images_and_pixels_and_shrink_where_recomputed(self, tmp_path):
        one, four = self.of(tmp_path, batch_size=1), self.of(tmp_path, batch_size=4)
        assert four.activations == pytest.approx(4 * one.activations, rel=0.02)
        less = self.of(tmp_path, batch_size=4, checkpoint_activations=True)
        assert less.activations < 0.5 * four.activations
        bfloat16 = self.of(tmp_path, batch_size=4, precision='bf16-mixed')
        assert 0.4 * four.activations < bfloat16.activations < 0.9 * four.activations

    def test_no_product_of_bfloat16_is_computed(self, tmp_path):
        """Processors without bfloat16 take ten times as long for it; the bytes are the same."""
        config = tiny_run(tmp_path)
        here = context(config.resolve(config.stages[0]), {}, CPU)
        batch, seen, kept = noise(here, 2, 32, 48), [], {}

        class Spy(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                if func.overloadpacket.__name__ in ('convolution', 'convolution_backward', 'mm'):
                    seen.extend(one.dtype for one in args if isinstance(one, torch.Tensor))
                return func(*args, **(kwargs or {}))

        with Spy():
            found = saved_bytes(make_stage(here), batch, 'bf16-mixed')
        assert {*seen} == {torch.float32}
        stage = make_stage(here)
        own = {value.untyped_storage().data_ptr() for value in stage.state_dict().values()}

        def keep(value):
            kept[value.untyped_storage().data_ptr()] = value
            return value

        with torch.autocast('cpu', torch.bfloat16), saved_tensors_hooks(keep, lambda one: one):
            stage(batch, 'train')['loss']
        whole = {place: one.untyped_storage().nbytes() for place, one in kept.items()}
        assert found == sum(size for place, size in whole.items() if place not in own)

    @pytest.mark.parametrize(
        ('architecture', 'pool'),
        [('dpt_tiny', 1), ('dpt_tiny', 2), ('dpt_tiny', 4), ('unet_lite', 4)],
    )
    def test_a_network_that_pools_is_measured_on_pictures_large_enough(
        self, tmp_path, architecture, pool
    ):
        config = tiny_run(tmp_path)
        if architecture == 'unet_lite':  # its maps are a 32nd of the image, of 4x4 pixels at that
            config.model.architecture, config.model.settings = architecture, {}
        config.data.height, config.data.width = 128, 192
        config.model.settings = config.model.settings | {'pool': pool}  # not the shared one's
        here = context(config.resolve(config.stages[0]), {}, CPU)
        whole = noise(here, 2, 128, 192)
        estimate = estimate_memory(here, make_stage(here)).activations
        assert estimate == pytest.approx(saved_bytes(make_stage(here), whole, '32-true'), rel=0.1)


@pytest.mark.parametrize('path', PAPER, ids=lambda path: path.stem)
def test_the_papers_settings(path):
    """Section IV-A of the paper, whatever else its configs say."""
    config = load_config(path)
    epochs = {stage.name: stage.epochs for stage in config.stages}
    assert (epochs['mono_cross'], epochs['bicross']) == (30, 10)
    train = config.train
    assert train.batch_size * train.accumulate == 8
    assert (train.betas, train.weight_decay) == ((0.9, 0.999), 0)
    for stage in config.stages:
        assert train.learning_rate * stage.backbone_lr_scale == pytest.approx(1e-5)
    assert train.learning_rate == 1e-4
    assert (config.data.height, config.data.width, config.data.rate_hz) == (384, 384, 1280)
    assert config.data.flip
    mono, bicross = config.stages[1:]
    assert mono.distil.weight == bicross.adapt.alignment_weight == 0.1
    assert bicross.adapt.teacher_decay == 0.999
    assert config.data.recordings
    assert config.target.recordings


@pytest.fixture(scope='module')
def paper_sets(tmp_path_factory):
    root = tmp_path_factory.mktemp('paper')
    write_paper_sets(root)
    return root


@pytest.mark.parametrize(
    ('name', 'samples', 'sizes'),
    [
        ('vkitti_kitti', [[6, 2, 2], [2, 1, 1]], [(1280, 384, 384)] * 2),
        ('clear_foggy', [[4, 2, 2], [4, 2, 2]], [(1280, 384, 384)] * 2),
        ('kitti_drivingstereo', [[2, 1, 1], [6, 2, 8]], [(1280, 384, 384)] * 2),
        ('nyu_respike', [[4, 2, 4], [2, 1, 1]], [(128, 384, 384), (128, 240, 384)]),
    ],
)
def test_the_papers_configs_find_their_data(paper_sets, monkeypatch, name, samples, sizes):
    """Places, options and splits of the readers, on small sets laid out as the real ones."""
    monkeypatch.chdir(paper_sets)
    config = load_config(ROOT / 'training' / 'configs' / f'paper_{name}.yaml')
    config.data.workers = 0
    for make, numbers, size in zip((make_source, make_target), samples, sizes, strict=True):
        sides = [make(config, side, CPU) for side in ('train', 'calibration', 'test')]
        assert [len(side) for side in sides] == numbers
        assert {(side.height, side.width) for side in sides} == {size[1:]}
    # Of the target one sample: a window of a second is eleven frames of KITTI.
    assert sides[0].batch(0, 1).counts.shape[1:] == size
    assert scored_parts(config.target_data) == config.target_data.parts
    # What is seen is near to the canonical focal length, so that depth stays what it is.
    focal = focal_lengths(config.data)
    assert focal[0] - 2 <= config.model.canonical_fx <= focal[1] + 2


def test_there_are_the_four_scenarios_of_the_paper():
    assert [path.stem for path in PAPER] == [
        'paper_clear_foggy',
        'paper_kitti_drivingstereo',
        'paper_nyu_respike',
        'paper_vkitti_kitti',
    ]


def test_options_of_commands_are_taken_with_dashes_and_underscores(tmp_path, capsys):
    sys.path.insert(0, str(ROOT / 'training'))
    import run

    for option in ('--rate-hz', '--rate_hz', '--rate-hz=', '--rate_hz='):
        value = [f'{option}fast'] if option.endswith('=') else [option, 'fast']
        with pytest.raises(SystemExit) as caught:
            run.main(['adapt', '--out', str(tmp_path / 'a.safetensors'), *value])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert 'rate_hz' in error
        assert 'nrecognized' not in error
    with pytest.raises(SystemExit):
        run.main(['adapt', '--rate-herz', '3'])
    assert 'rate_herz' in capsys.readouterr().err
