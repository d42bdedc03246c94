# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything for spikes, beside the model of transformers."""

import dataclasses
import json
import sys

import pytest
import torch

from kit.datasets import make_teacher
from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.networks.depth_anything import (
    DEVIATION,
    MEAN,
    depth_anything,
    load_transformers,
)
from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.tasks.architectures import DepthAnythingSettings, settings_of
from spike_depth_ros.tasks.depth import DepthInfo

TINY = DepthAnythingSettings(
    hidden=48, layers=4, heads=4, mlp_ratio=2, grid=5, taps=(1, 2, 3, 4), neck=(8, 16, 32, 32),
    fusion=16, head=8,
)  # fmt: skip
RANGE = (0.3, 80.0)
INFO = DepthInfo(
    architecture='depth_anything', settings=dataclasses.asdict(TINY), planes=64,
    planes_range=(64, 64), bins=9, rate_hz_range=(20e3, 20e3), min_depth=0.3, max_depth=80.0,
    canonical_fx=60.0, fx_range=(50.0, 70.0), stage='tiny', package_version='0',
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp('teacher'))


@pytest.fixture
def model(folder):
    import transformers

    found = transformers.DepthAnythingForDepthEstimation.from_pretrained(
        folder, local_files_only=True
    ).eval()
    # The weights of a new model are so small that hardly anything depends on them.
    torch.manual_seed(5)
    for name, value in found.named_parameters():
        if value.ndim == 4:
            torch.nn.init.kaiming_normal_(value)
        elif value.ndim > 1:
            torch.nn.init.normal_(value, std=0.5 if 'embeddings' in name else 0.1)
    torch.nn.init.ones_(found.head.conv3.bias)
    return found


@pytest.fixture
def network(model):
    found = depth_anything(3, RANGE, TINY, 'rgb').eval()
    load_transformers(found, model.state_dict())
    return found


def normalised(rgb):
    mean, deviation = (torch.tensor(one).view(3, 1, 1) for one in (MEAN, DEVIATION))
    return (rgb - mean) / deviation


class TestBesideTransformers:
    @pytest.mark.parametrize('size', [(70, 70), (42, 98)])
    def test_the_disparity_is_the_models(self, model, network, size):
        """At the native size, and at another one of whole patches."""
        rgb = torch.randint(0, 257, (2, 3, *size)) / 256  # exact from 0..1 to -1..1 and back
        with torch.no_grad():
            wanted = model(pixel_values=normalised(rgb)).predicted_depth[:, None]
            found = network.features(rgb, torch.ones(3)).disparity
        assert wanted.std() > 0.1
        # Convolutions of another memory layout add in another order.
        assert (found - wanted).abs().max() < 1e-5 * wanted.max()

    def test_the_native_position_table_is_the_same_to_the_bit(self, network):
        table = network.encoder.backbone.embeddings.position_embeddings
        assert torch.equal(network.encoder.backbone._positions(5, 5), table)

    def test_the_tokens_are_the_models(self, model, network):
        rgb = torch.rand(1, 3, 70, 70)
        with torch.no_grad():
            wanted = model.backbone(normalised(rgb)).feature_maps
            found = network.features(rgb, torch.ones(3)).encoded
        for mine, theirs in zip(found.taps, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
        assert torch.equal(found.f_enc[0, :, 1, 2], found.taps[-1][0, 1 + 5 + 2])
        assert torch.equal(found.class_token, found.taps[-1][:, 0])

    def test_settings_are_those_of_its_config(self, folder):
        found = settings_of(json.loads((folder / 'config.json').read_text()))
        assert DepthAnythingSettings(**found) == dataclasses.replace(
            TINY, **{k: found[k] for k in ('taps', 'neck', 'reassemble')}
        )
        assert (found['taps'], found['neck']) == ([1, 2, 3, 4], [8, 16, 32, 32])

    def test_the_defaults_are_depth_anything_v2_small(self):
        """Its config.json as published, which leaves out what has the value of transformers."""
        published = {
            'model_type': 'depth_anything',
            'backbone_config': {
                'model_type': 'dinov2', 'hidden_size': 384, 'image_size': 518, 'patch_size': 14,
                'num_attention_heads': 6, 'reshape_hidden_states': False,
                'out_features': ['stage3', 'stage6', 'stage9', 'stage12'],
                'out_indices': [3, 6, 9, 12],
            },
            'fusion_hidden_size': 64, 'head_hidden_size': 32, 'head_in_index': -1,
            'neck_hidden_sizes': [48, 96, 192, 384], 'patch_size': 14,
            'reassemble_factors': [4, 2, 1, 0.5], 'reassemble_hidden_size': 384,
        }  # fmt: skip
        found = settings_of(published)
        defaults = dataclasses.asdict(DepthAnythingSettings())
        for name, value in found.items():
            assert value == (list(defaults[name]) if isinstance(value, list) else defaults[name])

    def test_weights_of_other_sizes_are_refused_in_one_line(self, model):
        other = depth_anything(3, RANGE, dataclasses.replace(TINY, fusion=8), 'rgb')
        with pytest.raises(CheckpointError, match=r'decoder\.convs\.0\.weight is \[16') as caught:
            load_transformers(other, model.state_dict())
        assert '\n' not in str(caught.value)


class TestOutputs:
    @pytest.mark.parametrize('size', [(32, 48), (64, 112)])
    def test_they_have_the_size_of_the_input(self, size):
        network = depth_anything(9, RANGE, TINY).eval()
        with torch.no_grad():
            found = network(torch.randint(0, 4, (2, 9, *size)), torch.full((9,), 7))
        assert found.depth.shape == found.uncertainty.shape == (2, 1, *size)
        rows, columns = ((one + 7) // 14 for one in size)
        assert found.f_enc.shape == (2, 48, rows, columns)
        assert found.f_dec.shape == (2, 16, 8 * rows, 8 * columns)
        assert found.class_token.shape == (2, 48)
        assert RANGE[0] <= found.depth.min() <= found.depth.max() <= RANGE[1]
        assert found.uncertainty.min() >= 0

    def test_depth_is_one_over_disparity(self):
        head = depth_anything(9, RANGE, TINY).depth_head
        head.start_from(4.0)
        with torch.no_grad():
            found = head(torch.tensor([0.0, 4.0, 1e9]))
        torch.testing.assert_close(found, torch.tensor([80.0, (0.3 * 80) ** 0.5, 0.3]))

    def test_the_limits_pass_the_gradient_on(self):
        head = depth_anything(9, RANGE, TINY).depth_head
        disparity = torch.tensor([0.0, 1e3], requires_grad=True)
        head(disparity).log().sum().backward()
        assert (disparity.grad < 0).all()
        assert head.log_scale.grad < 0

    def test_colours_are_taken_as_they_are(self):
        network = depth_anything(3, RANGE, TINY, 'rgb')
        seen = []
        network.encoder.backbone.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        rgb = torch.rand(1, 3, 42, 56)
        network(rgb, torch.ones(3))
        torch.testing.assert_close(seen[0], normalised(rgb))


class TestTraining:
    def test_every_parameter_learns_from_scratch(self):
        network = depth_anything(9, RANGE, TINY).train()
        found = network(torch.randint(0, 4, (2, 9, 32, 48)), torch.full((9,), 7))
        (found.depth.log().mean() + found.uncertainty.mean()).backward()
        assert [n for n, p in network.named_parameters() if p.grad is None] == []
        head = network.depth_head.conv1.weight.grad
        assert head.abs().max() > 1e-6

    def test_it_learns_a_map_from_scratch(self):
        network = depth_anything(9, RANGE, TINY).train()
        counts = torch.randint(0, 4, (1, 9, 32, 48))
        wanted = torch.linspace(0.7, 3.0, 48).expand(1, 1, 32, 48)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        losses = []
        for _ in range(50):
            loss = (network(counts, torch.full((9,), 7)).depth.log() - wanted).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.4 * losses[0]


class TestCheckpoint:
    def test_weights_survive_a_checkpoint(self):
        network = build(INFO).eval()
        weights = weights_of(network)
        again = build_with_weights(INFO, weights).eval()
        for name, value in network.state_dict().items():
            assert torch.equal(again.state_dict()[name], value.half().float())

    def test_names_are_stable(self):
        """Other names make files of before unreadable: of this package, or of transformers."""
        names = {*build(INFO).state_dict()}
        assert {
            'encoder.backbone.embeddings.cls_token',
            'encoder.backbone.embeddings.position_embeddings',
            'encoder.backbone.embeddings.patch_embeddings.projection.weight',
            'encoder.backbone.encoder.layer.3.attention.q_proj.weight',
            'encoder.backbone.encoder.layer.3.attention.o_proj.bias',
            'encoder.backbone.encoder.layer.0.mlp.fc2.weight',
            'encoder.backbone.layernorm.weight',
            'decoder.reassemble_stage.layers.0.resize.weight',
            'decoder.convs.3.weight',
            'decoder.fusion_stage.layers.3.residual_layer1.convolution2.weight',
            'depth_head.conv1.weight',
            'depth_head.log_scale',
            'depth_head.log_shift',
            'uncertainty_head.conv3.bias',
        } <= names
        assert not any('mask_token' in name for name in names)

    @pytest.mark.long  # twenty seconds of torch.export
    def test_it_exports_with_free_sizes(self):
        pytest.importorskip('onnxruntime')
        from spike_training.exports.spikes import relative_difference, to_onnx
        from spike_training.runs.export import MAX_DIFFERENCE

        network = build(INFO)
        network = build_with_weights(INFO, weights_of(network)).eval()
        info = dataclasses.replace(INFO, weights_sha256='0' * 64)
        assert relative_difference(to_onnx(network, info), network, info) < MAX_DIFFERENCE

    def test_a_missing_package_is_one_line(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'transformers', None)
        with pytest.raises(CheckpointError, match='pip install transformers') as caught:
            build(INFO)
        assert '\n' not in str(caught.value)
