# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from spike_training.evaluation.upsampling import (
    Scores,
    bilinear,
    mad,
    nearest,
    show_upsampling,
    upsampling_metrics,
)

NAN = float('nan')


def image(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def test_nearest_repeats_pixels_and_leaves_holes():
    found = nearest(image([1, 0], [2, 3]), 2)[0, 0]
    expected = torch.tensor([[1, 1, NAN, NAN]] * 2 + [[2, 2, 3, 3]] * 2)
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_bilinear_interpolates_and_holes_weigh_nothing():
    found = bilinear(image([10, 20]), 2)[0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([10.0, 12.5, 17.5, 20.0]))
    holed = bilinear(image([10, 0, 30]), 2)[0, 0, 0]
    expected = torch.tensor([10.0, 10.0, NAN, NAN, 30.0, 30.0])
    torch.testing.assert_close(holed, expected, equal_nan=True)


def test_mad_is_of_rounded_maps_and_of_pixels_that_both_know():
    truth = image([10, 20, 0, 40])
    assert mad(image([12.4, NAN, 99, 40.4]), truth) == pytest.approx(1.0)
    assert mad(image([300, NAN, NAN, NAN]), image([255, 1, 1, 1])) == 0


def test_pixels_between_both_sides_of_an_edge_fly():
    truth = torch.full((1, 1, 32, 32), 200.0)
    truth[..., 16:] = 50.0
    blurred = truth.clone()
    blurred[..., 14:18] = 100.0
    near = torch.ones(1, 1, 1, 1)
    rows = []
    for name, one in (('network', truth), ('bilinear', blurred)):
        scores = Scores()
        scores.add(one, truth, near, 0)
        rows.append({'condition': 'cubic', 'factor': 8, 'method': name, **scores.report()})
    sharp, soft = rows
    assert (sharp['mad'], sharp['abs_rel'], sharp['flying_pixels']) == (0, 0, 0)
    assert soft['mad'] == pytest.approx((100 + 50) * 2 / 32)
    assert soft['abs_rel'] == pytest.approx((2 * 1.0 + 2 * 0.5) / 32)
    assert soft['flying_pixels'] == 1
    report = {'sets': {'home': {'title': 'home, generated', 'rows': rows}}}
    assert upsampling_metrics(report) == {'home_cubic_x8_mad': 0}
    show_upsampling(report)


def test_maps_without_depth_have_no_scores():
    scores = Scores()
    nothing = torch.zeros(1, 1, 8, 8)
    scores.add(torch.full_like(nothing, NAN), nothing, torch.ones(1, 1, 1, 1), 0)
    found = scores.report()
    assert (found['maps'], found['mad'], found['flying_pixels']) == (0, None, None)
    rows = [{'condition': 'cubic', 'factor': 2, 'method': 'network', **found}]
    show_upsampling({'sets': {'road': {'title': 'road', 'rows': rows}}})
