# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of a picture and of its mirror image, combined."""

import pytest
import torch
from torch import nn

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.evaluation.post_processing import PostProcessed, post_process


class TestPostProcessing:
    def test_each_border_is_of_the_pass_that_sees_it(self):
        direct = torch.arange(40.0).reshape(1, 1, 1, 40)
        of_mirrored = torch.arange(100.0, 140.0).reshape(1, 1, 1, 40)
        found = post_process(direct, of_mirrored).flatten().tolist()
        assert found[:2] == [139, 138]  # 5 % of 40 columns, of the mirrored pass, mirrored back
        assert found[38:] == [38, 39]
        assert found[2:38] == [(139 - k + k) / 2 for k in range(2, 38)]

    def test_two_equal_passes_change_nothing(self):
        direct = torch.rand(2, 1, 5, 31)
        torch.testing.assert_close(post_process(direct, direct.flip(-1)), direct)

    def test_other_sizes_are_refused(self):
        with pytest.raises(ValueError, match=r'\[1, 1, 2, 3\] and \[1, 1, 2, 4\]: expected equal'):
            post_process(torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 4))


class Columns(nn.Module):
    """Depth of 1 to N metres from the left to the right, whatever the picture shows."""

    def forward(self, image, planes_per_bin):
        depth = torch.arange(1.0, image.shape[-1] + 1).expand_as(image[:, :1]).clone()
        return DepthOutput(depth, depth / 10, depth, depth, depth)


class TestPostProcessed:
    def test_disparities_are_combined_and_not_depths(self):
        image = torch.zeros(1, 3, 2, 40)
        found = PostProcessed(Columns())(image, torch.ones(3))
        depth = found.depth[0, 0, 0]
        assert depth[0] == 40  # of the mirrored pass alone
        assert depth[-1] == 40
        torch.testing.assert_close(depth[10], torch.tensor(2 / (1 / 11 + 1 / 30)))
        torch.testing.assert_close(found.uncertainty[0, 0, 0], torch.full((40,), 2.05))

    def test_the_mirror_image_is_what_the_second_pass_sees(self):
        class Brightness(Columns):
            def forward(self, image, planes_per_bin):
                depth = image[:, :1] + 1
                return DepthOutput(depth, depth, depth, depth, depth)

        image = torch.rand(2, 3, 4, 40)
        found = PostProcessed(Brightness())(image, torch.ones(3))
        torch.testing.assert_close(found.depth, image[:, :1] + 1)
