# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from spike_training.errors import DataSetError
from spike_training.matching import fit
from spike_training.matching.fit import Fit, fit_view
from spike_training.matching.search import search, search_near
from spike_training.matching.statistics import compute_statistics, distance, distances, scales_of
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sensor.parameters import Sensor

SIZE = {'height': 64, 'width': 96, 'planes': (128,), 'rate_hz': 20_000.0, 'bins': 8}
ROADS = {'styles': ('road',), 'split': 'train', **SIZE}
QUICK = {'windows': 32, 'target_windows': 64, 'trials': 160, 'restarts': 1}
FEW = {'windows': 32, 'target_windows': 32, 'trials': 12, 'restarts': 1}


@pytest.fixture(scope='module')
def source():
    return ProceduralSource(seed=0, **ROADS).samples(range(64))


def target_of(optics, fog_m=None, styles=('road',), seed=0, windows=64):
    """Windows of the target; by the same seed, of the same scenes as the source."""
    given = {**ROADS, 'styles': styles}
    return ShiftedSource(optics, fog_m, seed=seed, **given).samples(range(windows)).unlabelled()


@pytest.fixture(scope='module')
def flat():
    return target_of(Optics(contrast=0.5, vignette=0.6))


def test_a_known_view_is_found_again(source, flat):
    found = fit_view([source], [flat], **QUICK)
    assert found.view.exponent == pytest.approx(0.5, rel=0.1)
    assert found.view.vignette == pytest.approx(0.6, rel=0.1)
    assert found.view.haze_m == math.inf
    assert found.distance < 1 < found.before
    assert found.explained > 0.9
    assert found.describe().startswith(found.view.describe())


def test_large_windows_are_fitted_at_a_smaller_size(monkeypatch, source, flat):
    monkeypatch.setattr(fit, 'MOST_PIXELS', SIZE['height'] * SIZE['width'] // 4)
    sizes = set()
    trials = fit._Trial.statistics

    def statistics(trial, view):
        sizes.add(tuple(trial.rate.shape[1:]))
        return trials(trial, view)

    monkeypatch.setattr(fit._Trial, 'statistics', statistics)
    found = fit_view([source], [flat], **QUICK)
    assert sizes == {(SIZE['height'] // 2, SIZE['width'] // 2)}
    assert found.view.exponent == pytest.approx(0.5, rel=0.1)
    assert found.view.vignette == pytest.approx(0.6, rel=0.15)
    assert found.view.haze_m == math.inf
    assert found.distance < 1 < found.before
    # In pixels of the windows, not of the squares.
    assert 0.8 < fit_view([source], [target_of(Optics(blur=2.0))], **QUICK).view.blur < 2.2
    noisy = Optics(contrast=0.5, sensor=Sensor(response_mismatch=0.1, hot_pixels=0.01))
    rough = fit_view([source], [target_of(noisy)], **QUICK).view
    assert rough.exponent == pytest.approx(0.5, rel=0.15)
    assert (rough.dark, rough.mismatch) == (0.0, pytest.approx(0.1, rel=0.2))
    assert rough.hot == pytest.approx(0.01, rel=0.3)


def test_haze_is_found(source):
    found = fit_view([source], [target_of(Optics(), 10.0)], **QUICK)
    assert 5 < found.view.haze_m < 30
    assert found.explained > 0.9


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ('contrast', 'vignette', 'fog_m'), [(0.3, 0.8, None), (1.9, 0.6, None), (1.0, 0.0, 12.0)]
)
def test_a_known_view_is_found_again_from_other_scenes(contrast, vignette, fog_m):
    size = {**ROADS, 'height': 96, 'width': 144}
    source = ProceduralSource(seed=0, **size).samples(range(192))
    optics = Optics(contrast=contrast, vignette=vignette)
    target = ShiftedSource(optics, fog_m, seed=1, **size).samples(range(320)).unlabelled()
    found = fit_view([source], [target])
    assert found.view.exponent == pytest.approx(contrast, rel=0.1)
    assert found.view.vignette == pytest.approx(vignette, rel=0.1, abs=0.05)
    assert (found.view.haze_m < 25) == (fog_m is not None)
    assert found.distance < 1


def test_the_fit_reads_no_depth_of_the_target(source, flat):
    """Whoever has labels of the target cannot hand them over."""
    assert 'depth' not in {field.name for field in dataclasses.fields(flat)}
    labelled = dataclasses.replace(source, counts=flat.counts)
    others = dataclasses.replace(labelled, depth=labelled.depth.flip(0))
    fits = [fit_view([source], [one.unlabelled()], **FEW) for one in (labelled, others)]
    assert fits[0] == fits[1]


def test_a_sample_is_nearer_to_its_own_domain_than_to_any_other():
    batch = ProceduralSource(seed=0, **ROADS).samples(range(192))
    own, other = (compute_statistics(_rate(batch, part)) for part in (slice(96), slice(96, 192)))
    scales = scales_of(own, other)
    assert distance(distances(own, own, scales)) == 0
    near = distance(distances(own, other, scales))
    assert near == pytest.approx(1, abs=0.01)  # what scales are
    targets = (Optics(contrast=0.5), Optics(vignette=0.8), Optics(blur=2.0), Optics(contrast=2.0))
    for optics, fog_m in [*((one, None) for one in targets), (Optics(), 10.0)]:
        rate = _rate(target_of(optics, fog_m), slice(None))
        assert distance(distances(own, compute_statistics(rate), scales)) > 1.5 * near


def _rate(batch, rows):
    return batch.counts[rows].float().sum(dim=1) / float(batch.planes_per_bin.sum())


def test_another_content_stays_far(source, flat):
    roads, rooms = (
        fit_view([source], [target], **QUICK)
        for target in (flat, target_of(Optics(), styles=('indoor',)))
    )
    assert rooms.distance > 4 * roads.distance
    assert rooms.explained < 0.5 < roads.explained


def test_a_fit_is_the_same_again_and_survives_as_values(source, flat):
    found = fit_view([source], [flat], **FEW)
    assert fit_view([source], [flat], **FEW) == found
    assert Fit.from_fields(json.loads(json.dumps(found.to_fields(), allow_nan=False))) == found


def test_without_depth_of_the_source_haze_is_left_out(source, flat):
    unknown = dataclasses.replace(source, depth=torch.full_like(source.depth, math.nan))
    found = fit_view([unknown], [flat], **FEW)
    assert found.view.haze_m == math.inf
    (note,) = found.notes
    assert 'haze is left out' in note


def test_searches_that_end_apart_are_told(source, flat):
    few = {'windows': 32, 'target_windows': 32, 'trials': 1, 'restarts': 3}
    notes = [fit_view([source], [flat], **few, seed=seed).notes for seed in range(4)]
    assert any('expected more alike' in note for found in notes for note in found)


def _windows(batch, change):
    counts = change(batch.counts)
    return dataclasses.replace(batch, counts=counts, index=batch.index[: len(counts)])


BAD = {
    'few windows': ('5 windows', lambda counts: counts[:5]),
    'darkness': ('are dark', lambda counts: counts // 200),
    'saturation': ('saturated', lambda counts: torch.full_like(counts, 16)),
    'a still picture': ('show the same', lambda counts: counts[:1].expand_as(counts)),
    'small pictures': ('16x12 pixels', lambda counts: counts[..., :12, :16]),
    'counts that are no numbers': ('not finite', lambda counts: counts * math.nan),
}


def test_windows_that_nothing_can_be_fitted_to_are_refused(source, flat, refusals):
    def attempt(change):
        return lambda: fit_view([source], [_windows(flat, change)], **FEW)

    rows = {name: (named, attempt(change)) for name, (named, change) in BAD.items()}
    again = dataclasses.replace(flat, index=flat.index % 5)
    rows['each of few many times'] = '5 windows', lambda: fit_view([source], [again], **FEW)
    refusals('matched_view', rows, DataSetError)


def test_the_search_finds_a_place_on_a_ridge():
    def valley(place):
        x, y = place - 0.4
        return (x + y) ** 2 + 1e-3 * (x - y) ** 2

    found = search(valley, 2, 200, 2, seed=0)
    assert abs(found.place - 0.4).max() < 0.05
    assert found.distance == min(found.ends)


def test_the_search_goes_on_where_a_trial_is_no_number():
    found = search(lambda place: math.nan if place[0] > 0.5 else place[0], 1, 60, 1, seed=0)
    assert found.distance < 0.05


def test_a_target_like_the_source_needs_no_effect(source):
    found = fit_view([source], [source.unlabelled()], **FEW)
    assert found.view.describe().startswith('no haze, ')
    assert found.distance < 1


def test_nothing_left_to_search_is_measured_once():
    found = search_near(lambda place: 3.0, np.array([]), 50, seed=0)
    assert (len(found.place), found.distance) == (0, 3.0)
