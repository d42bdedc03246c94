# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import pytest
import torch

from spike_training.matching.view import (
    CameraView,
    Spread,
    blurred,
    draw_generic,
    generic_view,
    highlight_of,
    lens_of,
    matched_view,
    smoothed,
    through_air,
)
from spike_training.sampling.blur import gaussian_blur
from spike_training.sampling.lens import clearness, falloff
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource

STILL = Spread(*(0.0,) * len(Spread._fields))
PLANES = torch.tensor([16, 16, 16, 16], dtype=torch.int32)


def even(rate, windows=2, size=(24, 32)):
    """Counts of pixels of an even rate."""
    return torch.full((windows, len(PLANES), *size), 16 * rate)


def test_haze_of_two_planes_by_hand():
    """Half of the light is scattered at 10 m, two thirds at 20 m, none of the sky's."""
    rate = torch.tensor([[0.1, 0.3, 0.1, 0.4]]).repeat(1, 4, 1)
    depth = torch.tensor([[10.0, 10.0, 20.0, math.inf]]).repeat(1, 4, 1)
    lens = lens_of(CameraView(haze_m=10.0, air=0.5), 1, 'cpu')
    lit, slope = through_air(rate, depth, lens, torch.full((1, 1, 1), 0.4))
    seen = torch.tensor([0.5 * 0.1 + 0.5 * 0.2, 0.5 * 0.3 + 0.5 * 0.2, 0.1 / 3 + 0.4 / 3, 0.4])
    torch.testing.assert_close(lit[0, 0] * seen.mean(), seen)
    torch.testing.assert_close(slope[0, 0] * seen.mean(), torch.tensor([0.5, 0.5, 1 / 3, 1.0]))


def test_the_slope_is_the_derivative_of_the_light():
    rate = torch.rand(1, 8, 8, dtype=torch.float64) * 0.3 + 0.05
    depth = torch.rand(1, 8, 8, dtype=torch.float64) * 30 + 1
    lens = lens_of(CameraView(haze_m=12.0, exponent=0.4), 1, 'cpu')
    lens = type(lens)(*(one.double() for one in lens))
    highlight = highlight_of(rate)
    change = torch.zeros_like(rate)
    change[0, 3, 4] = 1e-6
    (more, _), (less, _) = (
        through_air(rate + sign * change, depth, lens, highlight) for sign in (1, -1)
    )
    _, slope = through_air(rate, depth, lens, highlight)
    # The mean that tones are relative to changes, too, by a 64th of the pixel's change.
    assert float((more - less)[0, 3, 4] / 2e-6) == pytest.approx(float(slope[0, 3, 4]), rel=0.05)


def test_unknown_depth_has_the_haze_of_the_middle():
    rate = torch.full((1, 1, 4), 0.2)
    depth = torch.tensor([[[5.0, 10.0, 30.0, math.nan]]])
    lens = lens_of(CameraView(haze_m=10.0), 1, 'cpu')
    lit, _ = through_air(rate, depth, lens, torch.full((1, 1, 1), 0.4))
    assert lit[0, 0, 3] == lit[0, 0, 1]


def test_the_sky_is_clear_and_haze_grows_with_depth():
    near = clearness(torch.tensor([0.0, 10.0, 30.0, math.inf]), 10.0)
    assert near.tolist() == [1.0, 0.5, 0.25, 1.0]


def test_corners_lose_the_light_and_the_middle_none():
    dark = falloff(5, 7, 'cpu')
    found = [float(dark[row, column]) for row, column in ((0, 0), (2, 3), (4, 6), (2, 0))]
    assert found == pytest.approx([1, 0, 1, 0.5])


def test_without_an_effect_the_windows_stay_about_as_they_are():
    counts = ProceduralSource(
        styles=('road',), seed=0, split='train', height=32, width=48, planes=(64,),
        rate_hz=20_000.0, bins=4,
    ).samples(range(2)).counts  # fmt: skip
    torch.manual_seed(0)
    seen = matched_view(counts, PLANES, None, CameraView(), STILL)
    assert seen.dtype == torch.uint8
    change = (seen.float() - counts.float()).sum(dim=1)
    assert float(change.abs().mean()) < 0.8  # of a window; counting alone changes by up to 1
    assert abs(float(change.mean())) < 0.1


@pytest.mark.parametrize('rate', [0.03, 0.25, 0.8])
def test_an_even_rate_stays_even(rate):
    """Bins of a pixel differ by one at most, as those of a real one do."""
    torch.manual_seed(0)
    seen = matched_view(even(rate), PLANES, None, CameraView(), STILL).float()
    assert float((seen.amax(dim=1) - seen.amin(dim=1)).max()) <= 1
    assert float(seen.mean()) == pytest.approx(16 * rate, rel=0.05)


def test_each_effect_does_what_its_name_says():
    torch.manual_seed(0)
    counts = even(0.2)

    def seen(**fields):
        view = CameraView(**fields)
        return matched_view(counts, PLANES, None, view, STILL).float().sum(dim=1).mean(dim=0)

    light = seen(light=0.5)
    assert float(light.mean()) == pytest.approx(0.5 * 64 * 0.2, rel=0.05)
    shaded = seen(vignette=0.9)
    assert float(shaded[0, 0]) < 0.2 * float(shaded[12, 16])
    assert float(shaded.mean()) == pytest.approx(64 * 0.2, rel=0.05)
    assert float(seen(mismatch=0.3).std()) > 3 * float(seen().std())
    assert float((seen(hot=0.2) > 20).float().mean()) > 0.05
    assert float(seen(dark=0.05).std()) > float(seen().std())


def test_what_moves_is_still_seen_to_move():
    counts = even(0.0)
    for k in range(4):  # a bright bar that moves by 6 pixels a bin
        counts[:, k, :, 4 + 6 * k : 10 + 6 * k] = 8.0
    torch.manual_seed(0)
    seen = matched_view(counts, PLANES, None, CameraView(exponent=1.0), STILL).float()
    for k in range(4):
        bar = seen[:, k, :, 5 + 6 * k : 9 + 6 * k].mean()
        assert float(bar) > 2 * float(seen[:, (k + 2) % 4, :, 5 + 6 * k : 9 + 6 * k].mean())


def test_windows_differ_from_each_other_around_the_view():
    torch.manual_seed(0)
    counts = even(0.2, windows=16)
    means = matched_view(counts, PLANES, None, CameraView(), Spread()).float().mean(dim=(1, 2, 3))
    assert float(means.std() / means.mean()) == pytest.approx(0.1, abs=0.05)  # of the light


def test_counts_never_exceed_the_planes():
    torch.manual_seed(0)
    seen = matched_view(even(0.9), PLANES, None, CameraView(light=4.0, hot=0.1), Spread())
    assert int(seen.max()) == 16


def test_the_view_looks_like_what_the_camera_records():
    """The same scenes by the view and by the simulated camera differ by less than without."""
    given = {
        'styles': ('road',), 'seed': 3, 'split': 'train', 'height': 48, 'width': 64,
        'planes': (128,), 'rate_hz': 20_000.0, 'bins': 4,
    }  # fmt: skip
    source = ProceduralSource(**given).samples(range(8))
    true = ShiftedSource(Optics(contrast=0.4, vignette=0.7), None, **given).samples(range(8))
    torch.manual_seed(0)
    view = CameraView(exponent=0.4, vignette=0.7)
    seen = matched_view(source.counts, source.planes_per_bin, None, view, STILL)
    rates = [one.float().sum(dim=1) for one in (true.counts, seen, source.counts)]
    # Exposed alike: of a source that is saturated, the view knows a lower mean.
    rates = [rate / rate.mean(dim=(1, 2), keepdim=True) for rate in rates]
    apart = [float((rate - rates[0]).abs().mean()) for rate in rates[1:]]
    assert apart[0] < 0.1 * apart[1]


def test_smoothing_takes_the_noise_of_counting_and_leaves_edges():
    torch.manual_seed(0)
    true = torch.full((1, 32, 32), 5.4)
    true[:, :, 16:] = 20.7
    counted = (true + torch.rand(true.shape)).floor()
    found = smoothed(counted)
    assert float((found - true).square().mean()) < 0.5 * float((counted - true).square().mean())
    assert float((found[:, :, 16] - found[:, :, 15]).mean()) > 14


def test_blur_is_that_of_the_lens():
    images = torch.rand(3, 24, 32)
    found = blurred(images, torch.full((3, 1, 1), 1.0))
    torch.testing.assert_close(found, gaussian_blur(images, 1.0), atol=0.01, rtol=0)
    own = blurred(images, torch.tensor([0.0, 0.5, 1.5])[:, None, None])
    torch.testing.assert_close(own[0], images[0])
    assert float(own[1].std()) > float(own[2].std())
    assert blurred(images, torch.zeros(3, 1, 1)) is images


def test_the_description_names_each_field():
    told = CameraView(haze_m=12.0, hot=0.01).describe()
    for field in dataclasses.fields(CameraView):
        if field.name not in ('air', 'haze_m'):
            assert field.name in told
    assert 'haze 12 m' in told
    assert 'no haze' in CameraView().describe()


def test_any_camera_is_another_one_each_time():
    torch.manual_seed(0)
    lens = draw_generic(400, 'cpu')
    assert 0.3 < float(lens.exponent.min()) < 0.4 < 2.5 < float(lens.exponent.max()) < 3.01
    assert float(lens.haze_m.isinf().float().mean()) == pytest.approx(0.5, abs=0.1)
    seen = generic_view(even(0.2, windows=8), PLANES, torch.full((8, 1, 24, 32), 9.0)).float()
    corners = seen[:, :, 0, 0].sum(dim=1) / seen[:, :, 12, 16].sum(dim=1).clamp_min(1)
    assert float(corners.std()) > 0.1
    assert int(seen.max()) <= 16
