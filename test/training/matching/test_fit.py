# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from kit.views import FEW, QUICK, ROADS, target_of
from spike_training.errors import DataSetError
from spike_training.matching.fit import Fit, fit_view
from spike_training.matching.search import search, search_near
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource


@pytest.fixture(scope='module')
def known(source, flat):
    """The fit of that view."""
    return fit_view([source], [flat], **QUICK)


def test_a_known_view_is_found_again(known):
    found = known
    assert found.view.exponent == pytest.approx(0.5, rel=0.1)
    assert found.view.vignette == pytest.approx(0.6, rel=0.1)
    assert found.view.haze_m == math.inf
    assert found.distance < 1 < found.before
    assert found.explained > 0.9
    assert found.describe().startswith(found.view.describe())


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


def test_another_content_stays_far(source, known):
    rooms = fit_view([source], [target_of(Optics(), styles=('indoor',))], **QUICK)
    assert rooms.distance > 4 * known.distance
    assert rooms.explained < 0.5 < known.explained


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
