# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch

from spike_training.methods.bicross.settings import ViewConfig
from spike_training.methods.bicross.views import half, mirrored, strong_view

NOTHING = ViewConfig(
    flip=False, gain=1.0, gamma=1.0, vignette=0.0, mismatch=0.0, dark=0.0, hot=0.0, drop=0.0,
    drop_bins=0.0,
)  # fmt: skip
PLANES = torch.tensor([4, 4, 5, 4, 4, 5], dtype=torch.int32)


@pytest.fixture
def counts():
    """Bright on the left, dark on the right; 8 images of 6 bins."""
    generator = torch.Generator().manual_seed(0)
    rate = torch.linspace(0.6, 0.1, 48)
    drawn = torch.rand(8, 6, 5, 32, 48, generator=generator) < rate
    alive = torch.arange(5)[:, None, None] < PLANES[:, None, None, None]
    return (drawn & alive).sum(dim=2).to(torch.uint8)


def view(counts, seed=1, **limits):
    torch.manual_seed(seed)
    return strong_view(counts, PLANES, dataclasses.replace(NOTHING, **limits))


def rates(counts):
    """Of each image."""
    return counts.float().sum(dim=(1, 2, 3)) / (PLANES.sum() * 32 * 48)


def test_a_view_within_no_limits_is_the_window_itself(counts):
    assert torch.equal(view(counts), counts)


def test_the_same_seed_gives_the_same_view_and_another_one_another(counts):
    first, again, other = (view(counts, seed, **dataclasses.asdict(ViewConfig()))
                           for seed in (1, 1, 2))  # fmt: skip
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_view_is_a_window_that_a_camera_could_have_seen(counts):
    found = view(counts, gain=8.0, dark=0.5)
    assert found.dtype == torch.uint8
    assert (found <= PLANES[:, None, None]).all()
    assert (found == PLANES[:, None, None]).any()


def test_gain_changes_each_image_by_its_own_factor(counts):
    factor = rates(view(counts, gain=1.5)) / rates(counts)
    assert factor.std() > 0.1
    assert ((factor > 0.6) & (factor < 1.55)).all()


def test_expected_counts_are_kept_by_rounding(counts):
    """A factor is one on the mean, though counts are whole."""
    torch.manual_seed(3)
    faint = torch.ones(1, 6, 64, 64, dtype=torch.uint8)
    for _ in range(4):
        found = strong_view(faint, PLANES, dataclasses.replace(NOTHING, gain=2.0)).float()
        assert set(found.unique().tolist()) <= {0.0, 1.0, 2.0}
        first, last = found[:, :3].mean(), found[:, 3:].mean()
        torch.testing.assert_close(first, last, atol=0.02, rtol=0)
        assert 0.5 - 0.02 < first < 2.02


def test_the_brightness_curve_moves_shadows_and_lights_apart(counts):
    found = view(counts, gamma=2.0)
    left, right = found[..., :12].float(), found[..., -12:].float()
    contrast = left.mean(dim=(1, 2, 3)) / right.mean(dim=(1, 2, 3))
    before = counts[..., :12].float().mean() / counts[..., -12:].float().mean()
    assert contrast.max() > 1.1 * before
    assert contrast.min() < 0.9 * before


def test_one_side_gets_less_light(counts):
    share = view(counts, vignette=0.9).float().mean(dim=1) - counts.float().mean(dim=1)
    assert (share.mean(dim=(1, 2)) <= 1e-3).all()
    assert share.min() < -0.5


def test_mismatch_is_the_same_in_all_bins():
    bright = torch.full((8, 6, 32, 32), 40, dtype=torch.uint8)
    torch.manual_seed(0)
    limits = dataclasses.replace(NOTHING, mismatch=1.0)
    found = strong_view(bright, torch.full((6,), 100), limits).float()
    halves = zip(found[:, :3].mean(dim=1), found[:, 3:].mean(dim=1), strict=True)
    alike = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in halves]
    assert max(alike) > 0.98


def test_dark_spikes_come_where_there_was_no_light():
    nothing = torch.zeros(4, 6, 32, 32, dtype=torch.uint8)
    found = rates(view(nothing, dark=0.2))
    assert (found > 0).all()
    assert (found < 0.2 * 6 * 32 / (6 * 48) * 8).all()


def test_the_given_counts_stay_as_they_are():
    given = torch.full((8, 6, 16, 16), 20.0)
    for limits in (dataclasses.replace(NOTHING, drop=0.5, drop_bins=0.3), NOTHING):
        strong_view(given, PLANES, limits)
        assert (given == 20).all()


def test_hot_pixels_are_few_and_fire_alike_in_all_bins():
    bins = torch.full((6,), 200, dtype=torch.int32)
    torch.manual_seed(0)
    limits = dataclasses.replace(NOTHING, hot=0.1)
    found = strong_view(torch.zeros(8, 6, 64, 64, dtype=torch.uint8), bins, limits).float()
    hot = found.sum(dim=1) > 6
    shares = hot.float().mean(dim=(1, 2))
    assert (shares < 0.1).all()
    assert shares.max() - shares.min() > 0.03  # each image its own
    levels = found.movedim(1, 3)[hot] / 200
    assert levels.std(dim=1).max() < 0.01
    assert levels.mean(dim=1).std() > 0.2


def test_lost_planes_thin_all_pixels_of_a_bin_alike():
    full = PLANES[:, None, None].expand(64, 6, 32, 32).to(torch.uint8)
    found = view(full, drop=0.9).float().mean(dim=(2, 3))
    share = found / PLANES
    hit = (share < 0.99).any(dim=1)
    assert 16 < hit.sum() < 48  # half of the images
    whole = share[hit] * PLANES
    torch.testing.assert_close(whole, whole.round(), atol=0.15, rtol=0)


def test_thinning_is_binomial():
    torch.manual_seed(0)
    spikes = torch.full((400, 1, 16, 16), 8, dtype=torch.uint8)
    limits = dataclasses.replace(NOTHING, drop=0.99)
    found = strong_view(spikes, torch.tensor([16]), limits).float().flatten(1)
    left = (found.mean(dim=1) / 8).clamp(0, 1)
    wanted = 8 * left * (1 - left)
    some = (left > 0.2) & (left < 0.8)
    assert some.sum() > 50
    ratio = found.var(dim=1)[some] / wanted[some]
    assert 0.95 < ratio.mean() < 1.05


def test_whole_bins_are_lost(counts):
    found = view(counts, drop_bins=0.5).sum(dim=(2, 3))
    lost = found == 0
    assert 4 < lost.sum() < 24
    assert torch.equal(found[~lost], counts.sum(dim=(2, 3))[~lost])


def test_a_lost_bin_has_no_dark_spikes():
    nothing = torch.zeros(32, 6, 16, 16, dtype=torch.uint8)
    found = view(nothing, dark=1.0, drop_bins=0.9).sum(dim=(2, 3))
    assert (found == 0).sum() > 20


def test_geometry_stays(counts):
    """What is bright in the strong view is bright in the weak one, pixel for pixel."""
    edge = torch.zeros(8, 6, 32, 48, dtype=torch.uint8)
    edge[..., 10:20, 30:40] = 4
    torch.manual_seed(0)
    found = strong_view(edge, PLANES, dataclasses.replace(ViewConfig(), dark=0.0))
    assert (found[..., 10:20, 30:40].float().mean(dim=(1, 2, 3)) > 1).all()
    found[..., 10:20, 30:40] = 0
    assert not found.any()


def test_mirroring(counts):
    chosen = torch.tensor([True, False] * 4)
    found = mirrored(counts, chosen)
    assert torch.equal(found[0], counts[0].flip(2))
    assert torch.equal(found[1], counts[1])
    assert torch.equal(mirrored(found, chosen), counts)
    torch.manual_seed(0)
    assert 20 < half(torch.zeros(64)).sum() < 44
