# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The translator of pictures, and its checkpoints."""

import pytest
import torch

from spike_depth_ros.checkpoint import CheckpointError, load, load_info, save
from spike_depth_ros.networks.registry import build_with_weights, weights_of
from spike_depth_ros.networks.translator import Translator
from spike_depth_ros.tasks.architectures import TranslatorSettings
from spike_depth_ros.tasks.translation import TranslationInfo

SIZES = {'width': 4, 'blocks': 2}


def info_of(**changes):
    given = {'architecture': 'translator', 'settings': SIZES, 'stage': 'look',
             'package_version': '0'}  # fmt: skip
    return TranslationInfo(**(given | changes))


def network(std=0.1):
    torch.manual_seed(0)
    made = Translator(TranslatorSettings(**SIZES)).eval()
    torch.nn.init.normal_(made.change.weight, std=std)
    return made


def pictures(height=16, width=24):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_before_training_nothing_changes():
    given = pictures()
    assert torch.equal(Translator(TranslatorSettings(**SIZES)).eval()(given), given)


def test_pictures_keep_size_and_range():
    made, given = network(std=1.0), pictures()
    translated = made(given)
    assert translated.shape == given.shape
    assert (translated.min(), translated.max()) == (0, 1)
    learnt = made.train()(given)
    assert learnt.min() < 0
    assert learnt.max() > 1
    torch.testing.assert_close(learnt.clamp(0, 1), translated)


def test_each_picture_is_translated_by_itself():
    made, given = network(), pictures()
    torch.testing.assert_close(made(given)[:1], made(given[:1]))


def test_noise_of_single_pixels_need_not_pass_a_quarter_of_the_size():
    made = network()
    for up in (made.up_to_half, made.up_to_full):
        torch.nn.init.zeros_(up[-2].weight)  # its norm
    given = 0.4 + 0.2 * pictures()
    change = made(given) - given
    columns, rows = change.diff(dim=3).abs(), change.diff(dim=2).abs()
    assert torch.minimum(columns.mean(), rows.mean()) > 0.1 * change.abs().mean()


def test_a_size_that_it_cannot_take_is_told():
    with pytest.raises(ValueError, match='pictures of 16 x 22: expected multiples of 4'):
        network()(pictures(width=22))


def test_sizes_are_those_of_the_paper():
    paper = Translator(TranslatorSettings(width=64, blocks=9))
    # Zhu et al., 7.2: c7s1-64, d128, d256, 9 of R256, u128, u64, c7s1-3.
    kernels = [p for p in paper.parameters() if p.ndim == 4]
    assert [k.shape[0] for k in kernels] == [64, 128, 256, *([256] * 18), 128, 64, 3]


def test_a_checkpoint_comes_back(tmp_path):
    path, made = tmp_path / 'look.safetensors', network(std=0.05)
    save(path, weights_of(made), info_of())
    info, weights = load(path, TranslationInfo)
    assert (info.task, info.inputs, info.outputs) == ('translation', ('rgb',), ('picture',))
    again = build_with_weights(info, weights).eval()
    torch.testing.assert_close(again(pictures()), made(pictures()), atol=1e-3, rtol=1e-3)
    with pytest.raises(CheckpointError, match="field task is 'translation', expected 'depth'"):
        load_info(path)
