# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from PIL import Image

from kit.pictures import levels
from spike_training.evaluation.upsampling import (
    MAPS,
    Scores,
    bicubic,
    bilinear,
    mad,
    nearest,
    structure_mad,
)
from spike_training.tasks.upsample import metrics, metrics_by_name, show, show_maps

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


@pytest.mark.parametrize('factor', [2, 4, 8, 16])
def test_bicubic_is_that_of_pillow(factor):
    small = levels(3, 24, 20)
    found = bicubic(torch.from_numpy(small).float()[None, None], factor)[0, 0].numpy()
    size = 20 * factor, 24 * factor
    expected = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    differs = np.abs(found - expected)
    assert differs.max() <= 1  # of halves, which lack a bit in float32
    assert (differs > 0).mean() < 1e-4


def test_bicubic_beside_holes_is_bilinear():
    small = torch.from_numpy(levels(3, 12, 20)).float()[None, None]
    whole = bicubic(small, 2)
    small[..., 4, 6] = 0
    found, expected = bicubic(small, 2), bilinear(small, 2)
    near = (..., slice(4, 14), slice(8, 18))  # two small pixels around it
    torch.testing.assert_close(found[near], expected[near], equal_nan=True)
    assert found[..., 8:10, 12:14].isnan().all()
    found[near] = whole[near] = 0
    assert torch.equal(found, whole)


def test_the_lowest_mad_of_a_factor_is_marked(capsys):
    rows = [
        {
            'condition': MAPS, 'factor': factor, 'method': method, 'maps': 2,
            'mad': (one + other) / 2, 'by_map': {'Art': one, 'Dolls': other},
            'structure_mad': 2 * one, 'structure_mad_by_map': {'Art': one, 'Dolls': 3 * one},
        }
        for factor, method, one, other in (
            (2, 'network', 0.25, 0.5), (2, 'nearest', 0.25, 0.75), (4, 'network', 2.0, 1.0),
            (4, 'nearest', 1.0, 1.5),
        )
    ]  # fmt: skip
    scores = {'title': 'maps: 2 maps', 'rows': rows, 'factors_left_out': [8]}
    show_maps({'sets': {MAPS: scores}})
    text = capsys.readouterr().out
    lines = [line.replace('│', ' ').split() for line in text.splitlines() if '│' in line]
    assert lines == [
        ['x2', 'network', '0.500', '*0.375', '*0.250', '*0.500'],
        ['x2', 'nearest', '0.500', '0.500', '*0.250', '0.750'],
        ['x4', 'network', '4.000', '1.500', '2.000', '*1.000'],
        ['x4', 'nearest', '2.000', '*1.250', '*1.000', '1.500'],
    ]
    assert 'not scored: x8, not of the network' in text
    found = metrics_by_name({'sets': {MAPS: scores}})
    assert found == {
        'mad_maps_x2': 0.375, 'mad_Art_x2': 0.25, 'mad_Dolls_x2': 0.5,
        'mad_maps_x4': 1.5, 'mad_Art_x4': 2.0, 'mad_Dolls_x4': 1.0,
        'structure_mad_maps_x2': 0.5, 'structure_mad_Art_x2': 0.25,
        'structure_mad_Dolls_x2': 0.75, 'structure_mad_maps_x4': 4.0,
        'structure_mad_Art_x4': 2.0, 'structure_mad_Dolls_x4': 6.0,
    }  # fmt: skip


def test_metrics_of_generated_scenes_are_means_over_maps_of_all_styles():
    def scores(maps, mad_, flying):
        return {
            'rows': [
                {
                    'condition': 'cubic', 'factor': 8, 'method': method, 'maps': maps,
                    'mad': mad_ + k, 'abs_rel': 0.5, 'flying_pixels': flying, 'edges_seen': 1.0,
                }
                for k, method in enumerate(('network', 'nearest'))
            ]
        }  # fmt: skip

    report = {'sets': {'home': scores(3, 1.0, 0.25), 'road': scores(1, 2.0, None)}}
    assert metrics_by_name(report) == {
        'mad_cubic_x8': 1.25, 'abs_rel_cubic_x8': 0.5, 'edges_seen_cubic_x8': 1.0,
    }  # fmt: skip
    assert metrics_by_name(report, 'nearest')['mad_cubic_x8'] == 2.25


def test_mad_is_of_rounded_maps_and_of_pixels_that_both_know():
    truth = image([10, 20, 0, 40])
    assert mad(image([12.4, NAN, 99, 40.4]), truth) == pytest.approx(1.0)
    assert mad(image([300, NAN, NAN, NAN]), image([255, 1, 1, 1])) == 0


def test_structure_is_that_of_a_loop_over_pixels():
    rng = np.random.default_rng(2)
    truth = rng.integers(1, 256, (7, 8)).astype(np.float64)
    enlarged = np.clip(truth + rng.normal(0, 9, truth.shape), -20, 300)
    truth[1, 2], enlarged[5, 6] = 0, NAN

    def slope(values, row, column):
        rows, columns = ([max(at - 1, 0), min(at + 1, size - 1)] for at, size in
                         zip((row, column), values.shape, strict=True))  # fmt: skip
        down = values[rows[1], column] - values[rows[0], column]
        across = values[row, columns[1]] - values[row, columns[0]]
        return np.hypot(down, across)

    levels = np.clip(np.round(enlarged), 0, 255)
    errors = [
        abs(slope(levels, row, column) - slope(truth, row, column))
        for row in range(7)
        for column in range(8)
        if max(abs(row - 1), abs(column - 2)) > 1 and max(abs(row - 5), abs(column - 6)) > 1
    ]
    assert len(errors) == 56 - 18
    found = structure_mad(image(*enlarged.tolist()), image(*truth.tolist()))
    assert found == pytest.approx(np.mean(errors), rel=1e-5)
    assert np.isnan(structure_mad(image([1, 2]), image([0, 3])))


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
    assert metrics(report) == {'home_cubic_x8_mad': 0}
    show(report)


def test_maps_without_depth_have_no_scores():
    scores = Scores()
    nothing = torch.zeros(1, 1, 8, 8)
    scores.add(torch.full_like(nothing, NAN), nothing, torch.ones(1, 1, 1, 1), 0)
    found = scores.report()
    assert (found['maps'], found['mad'], found['flying_pixels']) == (0, None, None)
    rows = [{'condition': 'cubic', 'factor': 2, 'method': 'network', **found}]
    show({'sets': {'road': {'title': 'road', 'rows': rows}}})
