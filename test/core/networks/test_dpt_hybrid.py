# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's network: contract, parts against references, and foreign weights."""

import copy
import dataclasses
import os
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spike_depth_ros.checkpoint import CheckpointError, default_checkpoint, load_info, save
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.networks.dpt_hybrid import FullFusion, HybridSettings, InverseDepth, LogDepth
from spike_depth_ros.networks.imagenet import read_weights
from spike_depth_ros.networks.registry import build, weights_of
from spike_depth_ros.networks.temporal_attention import TemporalAttention
from spike_depth_ros.networks.vit_hybrid import TIMM_NAME, VitHybrid, load_imagenet
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.window import Window

TINY = dataclasses.replace(
    load_info(default_checkpoint()), architecture='dpt_tiny', bins=32, settings={'pool': 4}
)
TINY = dataclasses.replace(TINY, settings=TINY.settings | {'pool': 1})
REAL = dataclasses.replace(
    TINY,
    architecture='dpt_hybrid',
    settings=dataclasses.asdict(HybridSettings()),
    planes=128,
    bins=128,
    planes_range=(128, 128),
)
SIZES = HybridSettings(
    temporal_features=8,
    temporal_blocks=1,
    temporal_dim=8,
    dim=48,
    layers=4,
    heads=3,
    features=16,
    head=8,
)
SMALL = dataclasses.replace(REAL, settings=dataclasses.asdict(SIZES), bins=12)
STEM = 'patch_embed.backbone.stem.conv.weight'


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope='module')
def small():
    torch.manual_seed(0)
    return build(SMALL).eval()


def spikes_of(batch=2, planes=12, height=32, width=48):
    return torch.randint(0, 2, (batch, planes, height, width), dtype=torch.uint8)


def without_gradient(network, counts):
    """Parameters that get no gradient, neither at the start nor behind one step.

    timm starts the last norm of each residual block at 0, so that what lies before it gets its
    first gradient only behind the first step.
    """
    network.train()
    seen = set()
    for _ in range(2):
        network.zero_grad()
        output = network(counts, torch.ones(counts.shape[1], dtype=torch.int32))
        (output.depth.log().sum() + output.uncertainty.sum()).backward()
        for name, parameter in network.named_parameters():
            if parameter.grad is not None and parameter.grad.abs().sum() > 0:
                seen.add(name)
        torch.optim.SGD(network.parameters(), lr=1e-4).step()
    return sorted({name for name, _ in network.named_parameters()} - seen)


# ---- the whole


def test_the_real_one_has_the_published_size():
    with torch.device('meta'):  # parameters without values
        network = build(REAL)

    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    # As DPT-Hybrid has them: three channels at the stem, one head; and what it has beyond ours,
    # the classifier of ImageNet and a refinement unit that nothing reads (4 convolutions, 256).
    stem = network.encoder.backbone.patch_embed.backbone.stem.conv.weight
    backbone = count(network.encoder) - stem.numel() * (64 - 3) // 64
    classifier = 768 * 1000 + 1000
    unused = 2 * (256 * 256 * 9 + 256)
    published = backbone + count(network.decoder) + count(network.depth_head) + classifier + unused
    assert round(published / 1e6) == 123
    assert count(network) == 121_923_459


@pytest.mark.parametrize(('planes', 'layers'), [(128, 12), (1280, 4)])
def test_as_many_layers_as_the_real_one_has_and_1280_planes_train(planes, layers):
    settings = SMALL.settings | {'layers': layers}
    network = build(dataclasses.replace(SMALL, settings=settings, bins=planes))
    assert without_gradient(network, spikes_of(1, planes)) == []


def test_the_rgb_teacher_is_the_same_network_behind_another_stem(small):
    teacher = build(dataclasses.replace(SMALL, bins=3, inputs=('rgb',)))
    assert without_gradient(teacher, torch.rand(2, 3, 32, 48)) == []
    shapes = {name: value.shape for name, value in teacher.state_dict().items()}
    other = {name: value.shape for name, value in small.state_dict().items()}
    differing = {name for name in shapes if shapes[name] != other[name]}
    assert differing == {f'encoder.backbone.{STEM}'}
    assert {name.split('.')[0] for name in other.keys() - shapes.keys()} == {'temporal'}


def test_the_contract_is_that_of_dpt_tiny(small):
    with torch.inference_mode():
        output = small(spikes_of(), torch.ones(12))
        tiny = build(TINY).eval()(spikes_of(planes=32), torch.ones(32))
    assert output._fields == tiny._fields
    for name in ('depth', 'uncertainty'):
        found, expected = getattr(output, name), getattr(tiny, name)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert output.f_enc.shape == (2, 48, 2, 3)
    assert output.f_enc.shape[2:] == tiny.f_enc.shape[2:]
    assert output.class_token.shape == (2, 48)
    assert output.f_dec.shape == (2, 16, 16, 24)  # stride 2
    assert SMALL.min_depth <= output.depth.min() <= output.depth.max() <= SMALL.max_depth
    assert output.uncertainty.min() >= 0


@pytest.mark.parametrize('size', [(16, 16), (16, 80), (80, 48)])
def test_any_multiple_of_16_will_do(small, size):
    with torch.inference_mode():
        output = small(spikes_of(1, 12, *size), torch.ones(12))
    assert output.depth.shape == output.uncertainty.shape == (1, 1, *size)


@pytest.mark.parametrize('training', [False, True])
def test_images_of_a_batch_do_not_see_each_other(small, training):
    """Not in training either: all normalisation is within an image."""
    network = copy.deepcopy(small).train(training)
    counts, planes = spikes_of(3), torch.ones(12)
    with torch.inference_mode():
        together = network(counts, planes)
        alone = [network(counts[i : i + 1], planes) for i in range(3)]
    for field in together._fields:
        parts = torch.cat([getattr(output, field) for output in alone])
        torch.testing.assert_close(getattr(together, field), parts, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together.f_enc[0], together.f_enc[1], atol=1e-3)


def test_depth_stays_single_precision_under_autocast(small):
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        output = small(spikes_of(1), torch.ones(12))
    assert output.depth.dtype == output.uncertainty.dtype == torch.float32
    assert output.depth.isfinite().all()


def test_training_starts_on_the_slope_of_the_depth_range(small):
    with torch.inference_mode():
        depth = small(spikes_of(2), torch.ones(12)).depth
    share = torch.log(depth / SMALL.min_depth) / np.log(SMALL.max_depth / SMALL.min_depth)
    assert 0.1 < share.min() < share.max() < 0.9


# ---- temporal module


@pytest.fixture
def temporal():
    torch.manual_seed(1)
    module = TemporalAttention(planes=6, features=8, blocks=0, dim=8)
    # Away from the start, where all planes weigh nearly the same.
    torch.nn.init.normal_(module.gate.weight)
    return module.eval()


def test_planes_are_mapped_weighed_and_mixed(temporal):
    counts = spikes_of(2, 6, 16, 24)
    planes = 2.0 * counts - 1
    weights = temporal.plane_weights(planes)
    mixed = torch.stack(
        [
            sum(
                temporal.mix.weight[f, t] * weights[:, t, None, None] * planes[:, t]
                for t in range(6)
            )
            + temporal.mix.bias[f]
            for f in range(8)
        ],
        dim=1,
    )
    expected = torch.relu(temporal.norm_mix(mixed))
    torch.testing.assert_close(temporal(counts, torch.ones(6)), expected)


def test_counts_over_several_planes_are_read_as_rates(temporal):
    counts = spikes_of(1, 6, 16, 24)
    once = temporal(counts, torch.ones(6, dtype=torch.int32))
    torch.testing.assert_close(temporal(3 * counts, torch.full((6,), 3)), once)
    assert not torch.allclose(temporal(3 * counts, torch.ones(6)), once)


def test_the_weight_of_a_plane_depends_on_the_other_planes_and_on_its_time(temporal):
    planes = 2.0 * spikes_of(1, 6, 16, 24) - 1
    weights = temporal.plane_weights(planes)
    assert 0 < weights.min() < weights.max() < 2
    other = planes.clone()
    other[:, 5] = 1
    assert (temporal.plane_weights(other) - weights)[0, 0].abs() > 1e-4
    # A gate that says nothing leaves a plane as it is.
    neutral = copy.deepcopy(temporal)
    torch.nn.init.zeros_(neutral.gate.weight)
    torch.nn.init.zeros_(neutral.gate.bias)
    torch.testing.assert_close(neutral.plane_weights(planes), torch.ones(1, 6))
    # Equal planes weigh differently by their place in time alone.
    same = temporal.plane_weights(planes[:, :1].expand(-1, 6, -1, -1))
    assert same.std() > 1e-4


# ---- encoder


def test_the_backbone_is_timms(small):
    """At the size that timm takes, the encoder gives what timm's own forward gives."""
    encoder = small.encoder
    seen = {}
    hooks = [
        encoder.backbone.blocks[2].register_forward_hook(
            lambda module, args, output: seen.update(middle=output)
        ),
        *(
            stage.register_forward_hook(lambda module, args, output, i=i: seen.update({i: output}))
            for i, stage in enumerate(encoder.backbone.patch_embed.backbone.stages)
        ),
    ]
    image = torch.randn(1, 8, 384, 384)
    with torch.inference_mode():
        expected = encoder.backbone.forward_features(image)
        reference = dict(seen)
        found = encoder(image)
    for hook in hooks:
        hook.remove()
    tokens = found.f_enc.flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens, expected[:, 1:])
    torch.testing.assert_close(found.class_token, expected[:, 0])
    # Three quarters of the layers: the third of four, as the ninth of twelve.
    middle = found.middle.flatten(2).transpose(1, 2)
    torch.testing.assert_close(middle, reference['middle'][:, 1:])
    torch.testing.assert_close(found.middle_token, reference['middle'][:, 0])
    assert [level.shape[1:] for level in found.pyramid] == [(256, 96, 96), (512, 48, 48)]
    for level in range(2):
        torch.testing.assert_close(found.pyramid[level], reference[level])


def test_the_position_table_is_resized_by_place(small):
    encoder = copy.deepcopy(small.encoder)
    table = encoder.backbone.pos_embed
    with torch.no_grad():
        rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing='ij')
        table[0, 0] = -7
        table[0, 1:, 0] = rows.flatten()
        table[0, 1:, 1] = columns.flatten()
    assert encoder._position(24, 24) is table
    found = encoder._position(8, 12)
    assert found.shape == (1, 97, 48)
    assert (found[0, 0] == -7).all()
    grid = found[0, 1:].reshape(8, 12, 48)
    # Cells of 3x2: their centres lie at 1, 4, 7... rows and at 0.5, 2.5, 4.5... columns.
    torch.testing.assert_close(grid[:, 0, 0], torch.arange(8.0) * 3 + 1)
    torch.testing.assert_close(grid[0, :, 1], torch.arange(12.0) * 2 + 0.5)


# ---- decoder and heads


def test_projecting_before_doubling_gives_the_same():
    block = FullFusion(4, skip=True)
    x, below = torch.randn(1, 4, 5, 6), torch.randn(1, 4, 5, 6)

    def double(x):
        return torch.nn.functional.interpolate(x, scale_factor=2.0, mode='bilinear')

    expected = block.project(double(block.refine(below + block.skip(x))))
    torch.testing.assert_close(double(block(x, below)), expected)


def test_every_level_reaches_the_depth(small):
    with torch.no_grad():
        encoded = small.encoder(torch.randn(1, 8, 32, 48))
        before = small.decoder(encoded)
        for name in ('middle', 'middle_token', 'f_enc', 'class_token'):
            changed = encoded._replace(**{name: getattr(encoded, name) + 1})
            assert not torch.allclose(small.decoder(changed), before, atol=1e-5), name
        for level in range(2):
            pyramid = list(encoded.pyramid)
            pyramid[level] = pyramid[level] + 1
            changed = encoded._replace(pyramid=tuple(pyramid))
            assert not torch.allclose(small.decoder(changed), before, atol=1e-5), level


def test_log_depth_spans_its_range():
    depth = LogDepth(0.5, 50.0)(torch.tensor([-100.0, 0.0, 100.0]))
    torch.testing.assert_close(depth, torch.tensor([0.5, 5.0, 50.0]))


def test_inverse_depth_by_hand():
    # The authors' outdoor constants; softplus of large values is the value.
    form = InverseDepth(6.016e-5, 0.00579, 0.3, 80.0)
    x = torch.tensor([500.0, 3000.0, 1e6])
    expected = torch.tensor([1 / 0.03587, 1 / 0.18627, 0.3])
    torch.testing.assert_close(form(x), expected, rtol=1e-4, atol=0)


def test_inverse_depth_is_limited_but_keeps_its_gradient():
    form = InverseDepth(0.1, 0.001, 0.3, 80.0)
    x = torch.tensor([-20.0, 500.0], requires_grad=True)
    depth = form(x)
    assert depth.tolist() == [80.0, pytest.approx(0.3)]
    depth.sum().backward()
    assert (x.grad < 0).all()


def test_inverse_depth_is_built_from_settings():
    settings = SMALL.settings | {'depth': 'inverse', 'scale': 0.2, 'shift': 0.05}
    network = build(dataclasses.replace(SMALL, settings=settings)).eval()
    assert isinstance(network.depth_head.activation, InverseDepth)
    with torch.inference_mode():
        depth = network(spikes_of(1), torch.ones(12)).depth
    assert SMALL.min_depth <= depth.min() <= depth.max() <= 20.0


# ---- checkpoints


def test_metadata_and_weights_rebuild_it_in_the_estimator(small, tmp_path):
    info = dataclasses.replace(SMALL, planes=12, planes_range=(12, 12), reference_plane='middle')
    path = tmp_path / 'hybrid.safetensors'
    save(path, weights_of(small), info)
    estimator = DepthEstimator.from_checkpoint(path, device='cpu', backend='torch')
    spikes = np.random.default_rng(0).integers(0, 2, (12, 32, 64), dtype=np.uint8)
    window = Window.from_planes(spikes, rate_hz=20_000)
    found = estimator.predict(Observation(window, fx_px=TINY.canonical_fx))
    with torch.inference_mode():
        expected = small(torch.from_numpy(spikes)[None], torch.ones(12)).depth[0, 0]
    # The file holds half precision.
    np.testing.assert_allclose(found.depth, expected.numpy(), rtol=0.02)


def test_without_timm_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(
        CheckpointError, match=r'^dpt_hybrid needs timm.*pip install timm'
    ) as error:
        build(SMALL)
    assert '\n' not in str(error.value)
    # dpt_tiny does without.
    build(dataclasses.replace(TINY))


# ---- ImageNet weights


@pytest.fixture(scope='module')
def published():
    """What a file of timm holds: three channels, the classifier, at the sizes of SMALL."""
    import timm

    torch.manual_seed(5)
    with torch.device('meta'):  # shapes alone
        backbone = timm.create_model(TIMM_NAME, embed_dim=48, depth=4, num_heads=3)
    return {name: torch.randn(value.shape) for name, value in backbone.state_dict().items()}


@pytest.fixture(scope='module')
def teacher():
    """An encoder of pictures, to load weights into."""
    return VitHybrid(channels=3, dim=48, layers=4, heads=3)


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
def test_weights_of_a_local_file_are_taken(small, teacher, published, tmp_path, suffix):
    path = tmp_path / f'model.{suffix}'
    if suffix == 'safetensors':
        save_file(published, path)
    else:
        torch.save(published, path)
    encoder = copy.deepcopy(small.encoder)
    load_imagenet(encoder, path)
    state = encoder.backbone.state_dict()
    for name, value in state.items():
        if name != STEM:
            torch.testing.assert_close(value, published[name])
    assert len(published) == len(state) + 2  # the classifier's weight and bias
    mean = published[STEM].mean(dim=1)
    for channel in range(8):
        torch.testing.assert_close(state[STEM][:, channel], mean)

    torch.nn.init.zeros_(teacher.backbone.state_dict()[STEM])
    load_imagenet(teacher, path)
    torch.testing.assert_close(teacher.backbone.state_dict()[STEM], published[STEM])


@pytest.fixture(scope='module')
def twin():
    """As ``small``, with batch norm."""
    torch.manual_seed(0)
    return build(dataclasses.replace(SMALL, settings=SMALL.settings | {'norm': 'batch'})).eval()


def test_the_twin_differs_in_its_normalisation_alone(small, twin):
    groups = [m for m in small.modules() if isinstance(m, torch.nn.GroupNorm)]
    batches = [m for m in twin.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(groups) == len(batches) > 40
    assert not any(isinstance(m, torch.nn.GroupNorm) for m in twin.modules())
    own, others = twin.state_dict(), small.state_dict()
    assert all(torch.equal(own[name], value) for name, value in others.items())
    statistics = ('running_mean', 'running_var', 'num_batches_tracked')
    assert all(name.endswith(statistics) for name in own.keys() - others.keys())
    # What follows a norm still does: ReLU in the stages, none before the sum of a block.
    acts = [type(m.act) for m in small.modules() if hasattr(m, 'act') and m in groups]
    assert [type(m.act) for m in twin.modules() if hasattr(m, 'act') and m in batches] == acts
    assert len({*acts}) == 2


def test_the_twin_learns_statistics_and_looks_through_them(twin):
    network = copy.deepcopy(twin)
    counts, planes = spikes_of(batch=4), torch.ones(12, dtype=torch.int32)
    with torch.no_grad():
        before = network(counts, planes).depth
        network.train()
        network(counts, planes)
        network.eval()
        assert not torch.allclose(network(counts, planes).depth, before)


def test_the_twin_takes_weights_of_imagenet(twin, published, tmp_path):
    torch.save(published, tmp_path / 'model.pth')
    encoder = copy.deepcopy(twin.encoder)
    load_imagenet(encoder, tmp_path / 'model.pth')
    state, name = encoder.backbone.state_dict(), 'patch_embed.backbone.stem.norm.weight'
    torch.testing.assert_close(state[name], published[name])
    assert torch.equal(state['patch_embed.backbone.stem.norm.running_var'], torch.ones(64))


def test_weights_that_do_not_fit_are_refused_by_name(small, published, tmp_path):
    path = tmp_path / 'model.pth'
    encoder = copy.deepcopy(small.encoder)
    before = {name: value.clone() for name, value in encoder.backbone.state_dict().items()}

    def refused(weights, message):
        torch.save(weights, path)
        with pytest.raises(CheckpointError, match=message) as error:
            load_imagenet(encoder, path)
        assert '\n' not in str(error.value)

    missing = {name: value for name, value in published.items() if name != 'norm.bias'}
    refused(missing, r'weight norm\.bias is missing, expected \[48\]')
    refused(published | {'extra': torch.zeros(1)}, r'weight extra is \[1\], expected none')
    refused(published | {'norm.bias': torch.zeros(7)}, r'norm\.bias is \[7\], expected \[48\]')
    refused({}, 'missing')
    refused({'epoch': 3}, 'expected tensors by name')
    path.write_bytes(b'not weights')
    with pytest.raises(CheckpointError, match='no readable weights'):
        load_imagenet(encoder, path)
    with pytest.raises(CheckpointError, match='no such file'):
        load_imagenet(encoder, tmp_path / 'absent.safetensors')
    for name, value in encoder.backbone.state_dict().items():
        torch.testing.assert_close(value, before[name])


class RunsWhenLoaded:
    """What a pickled file can do to who trusts it."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_file_of_weights_cannot_run_code(small, tmp_path):
    torch.save({'norm.bias': RunsWhenLoaded(tmp_path / 'made')}, tmp_path / 'model.pth')
    with pytest.raises(CheckpointError, match='no readable weights'):
        load_imagenet(small.encoder, tmp_path / 'model.pth')
    assert not (tmp_path / 'made').exists()


def test_an_unreachable_hub_is_one_line_with_the_remedy(small, monkeypatch, tmp_path):
    constants = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
    monkeypatch.setenv('HF_HUB_CACHE', str(tmp_path))
    with pytest.raises(
        CheckpointError, match=r'cannot be downloaded.*model\.safetensors.*path'
    ) as e:
        load_imagenet(small.encoder)
    assert '\n' not in str(e.value)


def test_weights_of_a_file_that_is_written_to_meanwhile_stay(published, tmp_path):
    path = tmp_path / 'model.safetensors'
    save_file(published, path)
    found = read_weights(path, TIMM_NAME)
    size = path.stat().st_size
    with path.open('r+b') as file:
        file.write(bytes(size))
    for name, value in found.items():
        torch.testing.assert_close(value, published[name])
