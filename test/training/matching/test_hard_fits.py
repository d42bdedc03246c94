# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from kit.views import QUICK, ROADS, SIZE, target_of
from spike_training.matching import fit
from spike_training.matching.fit import fit_view
from spike_training.matching.statistics import compute_statistics, distance, distances, scales_of
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics
from spike_training.sensor.parameters import Sensor


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


def test_searches_that_end_apart_are_told(source, flat):
    few = {'windows': 32, 'target_windows': 32, 'trials': 1, 'restarts': 3}
    notes = [fit_view([source], [flat], **few, seed=seed).notes for seed in range(4)]
    assert any('expected more alike' in note for found in notes for note in found)


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
