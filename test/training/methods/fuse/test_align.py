# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Alignment of features with a foundation model of depth."""

import copy
import dataclasses
import functools
import json
import math
import re
import shutil

import pytest
import torch

from kit.datasets import make_teacher
from kit.runs import equal, tiny_run
from kit.stages import copied, learn
from spike_depth_ros.checkpoint import load
from spike_depth_ros.networks.depth_anything import depth_anything
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.engine.checkpoints import newest_model
from spike_training.engine.optim import check_groups
from spike_training.errors import ConfigError, DataSetError, TrainingError
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.fuse.adapters import add_adapters, merged_weights
from spike_training.methods.fuse.losses import disparity_loss, token_loss
from spike_training.methods.fuse.settings import AlignConfig
from spike_training.runs import pipeline
from spike_training.runs.build import context, make_stage, make_work
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import ModelConfig, check, problems_of

SIZES = {
    'hidden': 48, 'layers': 4, 'heads': 4, 'mlp_ratio': 2, 'grid': 5, 'taps': [1, 2, 3, 4],
    'neck': [8, 16, 32, 32], 'fusion': 16, 'head': 8,
}  # fmt: skip
CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return brighter(make_teacher(tmp_path_factory.mktemp('weights') / 'tiny'))


def brighter(folder):
    """Random weights give a disparity of 0 nearly everywhere."""
    from safetensors.torch import load_file, save_file

    path = folder / 'model.safetensors'
    weights = load_file(path)
    torch.manual_seed(5)
    for name, value in weights.items():
        if name.startswith(('neck.', 'head.')) and value.ndim == 4:
            torch.nn.init.kaiming_normal_(value)
    weights['head.conv3.bias'] += 1.0
    save_file(weights, path, metadata={'format': 'pt'})
    return folder


def run_of(out, folder, *after, sizes=SIZES, steps=3, resume=False, **settings):
    own = {'teacher': str(folder), 'licence': 'Apache-2.0'} | settings
    return tiny_run(
        out,
        AlignConfig(name='aligned', **own),
        *after,
        method='fuse',
        model=ModelConfig('depth_anything', sizes, bins=9, canonical_fx=60.0),
        train={'steps': steps, 'learning_rate': 1e-3},
        resume=resume,
    )


def stage_of(config):
    check(config)
    here = config.resolve(config.stages[0])
    torch.manual_seed(0)
    return make_stage(context(here, {}, CPU))


@pytest.fixture(scope='module')
def batch():
    return ProceduralSource(
        seed=3, height=32, width=48, planes=(64,), bins=9, with_rgb=True
    ).batch(0, 2)


@pytest.fixture(scope='module')
def built(tmp_path_factory, folder):
    torch.set_num_threads(1)
    return stage_of(run_of(tmp_path_factory.mktemp('stage'), folder))


@pytest.fixture
def stage(built):
    return copy.deepcopy(built)


class TestLosses:
    def test_disparities_are_compared_by_the_teachers_largest(self):
        teacher = torch.tensor([[1.0, 3.0], [0.0, 7.0]])[:, None, None]
        student = torch.tensor([[0.0, 3.0], [0.0, 1.0]])[:, None, None]
        found = disparity_loss(student, teacher)
        wanted = [math.log(2) / 2 / math.log(4), (math.log(8) - math.log(2)) / 2 / math.log(8)]
        torch.testing.assert_close(found, torch.tensor(wanted))

    def test_an_image_without_disparity_has_none(self):
        zero = torch.zeros(1, 1, 2, 2)
        student = torch.ones(1, 1, 2, 2, requires_grad=True)
        disparity_loss(student, zero).sum().backward()
        assert disparity_loss(student, zero).item() == 0
        assert not student.grad.any()

    def test_tokens_that_are_alike_or_apart_do_not_count(self):
        angles = torch.tensor([0.0, 0.3, 1.0, 1.2, 2.0, 3.0])
        student = torch.stack([angles.cos(), angles.sin()], dim=1)[None]
        teacher = torch.tensor([[1.0, 0.0]]).expand(1, 6, 2)
        found = token_loss([student], [teacher], 0.85)
        # Cosines 1, 0.96, 0.54, 0.36, -0.42, -0.99: the third and the fourth count.
        wanted = 1 - (math.cos(1.0) + math.cos(1.2)) / 2
        assert found.loss.item() == pytest.approx(wanted)
        assert found.counted.item() == pytest.approx(2 / 6)
        assert found.cosine.item() == pytest.approx(angles.cos().mean().item(), abs=1e-6)

    def test_layers_have_one_weight_and_one_without_tokens_adds_nothing(self):
        teacher = torch.tensor([[[1.0, 0.0]]])
        near, far = torch.tensor([[[1.0, 0.1]]]), torch.tensor([[[1.0, 1.0]]])
        found = token_loss([near, far], [teacher, teacher], 0.85)
        assert found.loss.item() == pytest.approx((1 - 0.5**0.5) / 2)


class TestAdapters:
    @pytest.fixture
    def backbone(self, built):
        """That of a network without adapters."""
        return copy.deepcopy(built.network.encoder.backbone)

    def test_they_start_as_nothing_to_the_bit(self, backbone):
        x = torch.rand(1, 3, 28, 42)
        with torch.no_grad():
            before = backbone(x)
            add_adapters(backbone, 8)
            after = backbone(x)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    def test_all_linear_layers_have_one(self, backbone):
        add_adapters(backbone, 8)
        found = {n.split('.')[-4] for n, _ in backbone.named_parameters() if 'lora_A' in n}
        assert found == {'q_proj', 'k_proj', 'v_proj', 'o_proj', 'fc1', 'fc2'}
        ranks = {p.shape[0] for n, p in backbone.named_parameters() if 'lora_A' in n}
        assert ranks == {8}

    def test_they_merge_as_peft_does_and_compute_the_same(self, backbone):
        plain = copy.deepcopy(backbone)
        add_adapters(backbone, 8)
        with torch.no_grad():
            for name, value in backbone.named_parameters():
                if 'lora_B' in name:
                    value.normal_(std=0.3)
        plain.load_state_dict(dict(merged_weights(backbone)))
        x = torch.rand(1, 3, 28, 42)
        with torch.no_grad():
            for mine, wanted in zip(plain(x), backbone(x), strict=True):
                torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-5)
            for part in backbone.modules():
                if hasattr(part, 'merge'):
                    part.merge()
        own = plain.state_dict()
        for name, value in backbone.named_parameters():
            if 'lora_' not in name:
                assert torch.equal(own[name.replace('.base_layer', '')], value)


class TestStage:
    def test_the_student_starts_as_the_teacher_to_the_bit(self, stage, batch):
        """Of the same colours, as they are."""
        (teacher,) = stage._teacher
        wanted = teacher.features(batch.rgb, torch.ones(3))
        for network in (stage.student, stage.network):
            network.temporal = teacher.temporal
            found = network.features(batch.rgb, torch.ones(3))
            assert torch.equal(found.disparity, wanted.disparity)
            assert found.disparity.std() > 0
            for mine, theirs in zip(found.encoded.taps, wanted.encoded.taps, strict=True):
                assert torch.equal(mine, theirs)

    def test_the_teacher_is_transformers_own(self, stage, folder, batch):
        import transformers

        model = transformers.DepthAnythingForDepthEstimation.from_pretrained(folder).eval()
        mean, deviation = (torch.tensor(one).view(3, 1, 1) for one in (
            (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
        resized = torch.nn.functional.interpolate(
            (batch.rgb - mean) / deviation, (28, 42), mode='bilinear'
        )
        with torch.no_grad():
            wanted = model(pixel_values=resized).predicted_depth
        found = stage._seen_by_teacher(batch).disparity[:, 0]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)

    def test_exactly_the_named_weights_learn(self, stage, batch):
        check_groups(stage, stage.optimizers())
        stage.train()
        stage(batch, 'train')['loss'].backward()
        named = re.compile(
            r'student\.encoder\.backbone\.(.*\.lora_[AB]\.default\.weight|.*\.bias|'
            r'embeddings\.(cls_token|position_embeddings|patch_embeddings\.projection\.weight))'
        )
        learning = {n for n, p in stage.named_parameters() if p.grad is not None}
        assert learning == {n for n, _ in stage.named_parameters() if named.fullmatch(n)}
        assert learning == {n for n, p in stage.named_parameters() if p.requires_grad}

    def test_adapters_learn_faster(self, stage):
        scales = {
            id(p): one['lr_scale'] for one in stage.optimizers()['main'] for p in one['params']
        }
        for name, value in stage.named_parameters():
            if value.requires_grad:
                assert scales[id(value)] == (10 if 'lora_' in name else 1)

    def test_no_depth_changes_a_weight(self, built, batch):
        results = []
        for depth in (batch.depth, torch.full_like(batch.depth, math.nan)):
            stage = copy.deepcopy(built)
            learn(stage, dataclasses.replace(batch, depth=depth))
            results.append(copied(stage.network))
        assert equal(*results)

    def test_the_teacher_keeps_its_weights_and_the_network_learns(self, stage, batch):
        (teacher,) = stage._teacher
        before, own = copied(teacher), copied(stage.network)
        learn(stage, batch)
        assert equal(before, copied(teacher))
        now = copied(stage.network)
        changed = {name for name in own if not torch.equal(own[name], now[name])}
        assert 'encoder.backbone.encoder.layer.0.attention.q_proj.weight' in changed
        assert all(name.startswith('encoder.backbone.') for name in changed)
        # Scales of norms and of layers are the teacher's, too.
        assert not any('norm' in n and n.endswith('weight') for n in changed)

    def test_the_network_is_the_merged_student(self, stage, batch):
        learn(stage, batch)
        stage.eval()
        with torch.no_grad():
            student, plain = (stage(batch, phase) for phase in ('train', 'val'))
        assert student['loss'].item() == pytest.approx(plain['loss'].item(), abs=1e-5)
        assert {*stage.network.state_dict()} == {
            *depth_anything(9, (0.3, 80.0), _settings()).state_dict()
        }

    def test_the_loss_falls(self, stage, batch):
        before = stage(batch, 'val')['loss'].item()
        learn(stage, batch, steps=15)
        assert stage(batch, 'val')['loss'].item() < 0.8 * before

    def test_depth_starts_at_a_plausible_one(self, stage, batch):
        stage.begin(iter([batch] * 9), [])
        depth = stage.network.depth_head(stage._seen_by_teacher(batch).disparity)
        assert depth.median().item() == pytest.approx((0.3 * 80) ** 0.5, rel=0.3)

    def test_the_state_has_nothing_of_the_teachers_folder(self, stage, batch):
        learn(stage, batch)
        state = stage.state_dict()
        names = {*state} - {'sha256'}
        kept = {n for n in names if not n.startswith('student.')}
        assert all(
            n.startswith(('network.uncertainty_head.', 'network.depth_head.log_')) for n in kept
        )
        trainable = {n for n, p in stage.named_parameters() if p.requires_grad}
        assert names - kept == trainable

    def test_a_state_is_restored(self, built, stage, batch):
        stage.begin(iter([batch]), [])
        learn(stage, batch)
        again = copy.deepcopy(built)
        assert not equal(copied(again.network), copied(stage.network))
        again.load_state_dict(stage.state_dict())
        assert equal(copied(again.network), copied(stage.network))
        assert stage(batch, 'train')['loss'] == again(batch, 'train')['loss']

    def test_the_picture_has_four_panels(self, stage, batch):
        pytest.importorskip('cv2')
        found = stage.picture(batch)
        assert found.ndim == 3
        assert found.std() > 0

    def test_a_non_commercial_licence_is_said(self, tmp_path, folder, capsys):
        stage_of(run_of(tmp_path, folder, licence='CC-BY-NC-4.0'))
        said = capsys.readouterr().out
        assert said.count('CC-BY-NC-4.0') == 1
        assert said.count('\n') == 1


def _settings():
    from spike_depth_ros.tasks.architectures import DepthAnythingSettings

    return DepthAnythingSettings(**SIZES)


@pytest.fixture(scope='module')
def trained(tmp_path_factory, folder):
    out = tmp_path_factory.mktemp('run') / 'out'
    last = PretrainConfig(name='metres', kind='bicross.pretrain', init_from='previous')
    config = run_of(out, folder, last)
    check(config)
    pipeline.run(config)
    return out


class TestRun:
    def test_the_licence_stands_in_all_checkpoints(self, trained):
        for path in (newest_model(trained / 'aligned'), trained / 'model.safetensors'):
            info = load(path, DepthInfo)[0]
            (name,) = (n for n in info.datasets if n.startswith('Depth Anything weights'))
            assert re.fullmatch('Depth Anything weights [0-9a-f]{12}, tiny', name)
            assert info.datasets[name] == 'Apache-2.0'

    def test_aligned_depth_has_no_scale_and_pretraining_gives_it_one(self, trained):
        assert load(newest_model(trained / 'aligned'), DepthInfo)[0].scale == 'none'
        assert load(trained / 'model.safetensors', DepthInfo)[0].scale == 'metric'

    def test_pretraining_starts_from_the_file(self, tmp_path, trained):
        path = newest_model(trained / 'aligned')
        stage = PretrainConfig(name='metres', kind='bicross.pretrain', init_from=str(path))
        config = run_of(tmp_path, trained)
        config = dataclasses.replace(config, stages=[stage])
        check(config)
        own = copied(stage_of(config).network)
        given = load(path, DepthInfo)[1]
        assert own.keys() == given.keys()
        assert all(torch.equal(own[k], torch.from_numpy(given[k]).float()) for k in own)

    def test_resuming_gives_the_same_weights(self, tmp_path, folder):
        whole, parts = tmp_path / 'whole', tmp_path / 'parts'
        for out, steps in ((whole, 2), (parts, 1), (parts, 2)):
            config = run_of(out, folder, steps=steps, resume=out.exists())
            here = config.resolve(config.stages[0])
            train(here)
        one, other = (load(newest_model(out / 'aligned'), DepthInfo)[1] for out in (whole, parts))
        assert all((one[name] == other[name]).all() for name in one)

    def test_another_teacher_is_told_when_resumed(self, tmp_path, folder):
        mine = tmp_path / 'mine'
        shutil.copytree(folder, mine)
        config = run_of(tmp_path / 'out', mine, steps=1)
        train(config.resolve(config.stages[0]))
        weights = mine / 'model.safetensors'
        weights.write_bytes(weights.read_bytes()[:-1] + b'\1')
        with pytest.raises(TrainingError, match='as at the start') as caught:
            train(config.resolve(config.stages[0]))
        assert '\n' not in str(caught.value)


def train(here):
    """Train one stage as the pipeline does, with a schedule that the steps do not change."""
    from spike_training.engine.fabric import make_fabric
    from spike_training.engine.loop import fit

    loop = dataclasses.replace(here.train, min_lr_ratio=1.0, warmup_steps=0, save_every=1)
    work_context = context(here, {}, CPU)
    work = make_work(work_context)
    fit(
        work.stage, work.train, work.validation, loop, here.folder, work_context.info,
        make_fabric('cpu', 1, '32-true'), seed=1,
    )  # fmt: skip


def altered(folder, path, **files):
    """A copy of a model's folder, with bytes for files, or none in place of one."""
    shutil.copytree(folder, path)
    for name, content in files.items():
        file = path / name.replace('_', '.')
        file.write_bytes(content(file.read_bytes()))
    return path


def test_models_and_settings_that_do_not_fit_are_named(tmp_path, folder, refusals):
    def problem(where=folder, model=None, **settings):
        config = run_of(tmp_path, where, **settings)
        config.model = model or config.model
        return '; '.join(problems_of(config))

    pickled = altered(folder, tmp_path / 'pickled')
    (pickled / 'model.safetensors').rename(pickled / 'pytorch_model.bin')
    metric = altered(
        folder, tmp_path / 'metric', config_json=lambda old: old.replace(b'relative', b'metric')
    )
    damaged = altered(folder, tmp_path / 'damaged', model_safetensors=lambda _: b'\0' * 99)

    def refused(where, kind):
        with pytest.raises(kind) as caught:
            stage_of(run_of(tmp_path, where))
        return str(caught.value)

    of = functools.partial
    rows = {
        'a name of a hub': ('nothing is downloaded by name', of(
            refused, 'depth-anything/Depth-Anything-V2-Small-hf', ConfigError)),
        'pickled weights': ('pytorch_model.bin is pickled', of(problem, pickled)),
        'a metric model': ('depth_estimation_type', of(problem, metric)),
        'damaged weights': ('cannot be used', of(refused, damaged, DataSetError)),
        'no licence': ('licence is not given', of(problem, licence=' ')),
        'a rank of 0': ('stages[0].rank is 0', of(problem, rank=0)),
        'a rank beyond the tokens': ('rank is 100', of(problem, rank=100)),
        'a cosine above 1': ('largest_cosine is 1.5', of(problem, largest_cosine=1.5)),
        'weights of imagenet': ('stages[0].init_from is', of(problem, init_from='imagenet')),
        'another architecture': ('expected model.architecture depth_anything', of(
            problem, model=ModelConfig(bins=9))),
    }  # fmt: skip
    refusals('foundation_model', rows, None, {'deserializing: .*': 'deserializing: <reason>'})


def test_other_sizes_print_the_settings_to_write(tmp_path, folder):
    (found,) = problems_of(run_of(tmp_path, folder, sizes=SIZES | {'fusion': 8}))
    assert '\n' not in found
    settings = json.loads(found[found.index('{') :])
    check(run_of(tmp_path, folder, sizes=settings))


def test_a_dry_run_tells_what_there_is(tmp_path, folder, capsys):
    pipeline.run(dataclasses.replace(run_of(tmp_path / 'out', folder), dry_run=True))
    assert 'aligned' in capsys.readouterr().out
    assert not (tmp_path / 'out').exists()
