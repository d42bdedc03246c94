# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checked streams of events, and their voxel grids by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spike_training.errors import DataSetError
from spike_training.events.stream import checked_events
from spike_training.events.voxels import normalised, voxel_grid

SIZE = (3, 4)


def events(*rows, size=SIZE):
    x, y, times, polarity = np.array(rows, float).reshape(-1, 4).T
    return checked_events(x, y, times, polarity, size, 'file.hdf5')


def test_an_event_is_shared_between_the_bins_nearest_in_time():
    found = voxel_grid(events((1, 2, 0.0, 1), (1, 2, 0.3, 0), (3, 0, 1.0, 1)), 3)
    expected = torch.zeros(3, *SIZE)
    expected[0, 2, 1] = 1 - 0.4
    expected[1, 2, 1] = -0.6
    expected[2, 0, 3] = 1
    torch.testing.assert_close(found, expected)


def test_bins_lie_in_the_window():
    one = events((0, 0, 0.5, 1))
    assert voxel_grid(one, 3, (0.0, 1.0))[:, 0, 0].tolist() == [0, 1, 0]
    assert voxel_grid(one, 3)[:, 0, 0].tolist() == [1, 0, 0]  # first and last at once
    assert voxel_grid(one, 1, (0.0, 1.0))[:, 0, 0].tolist() == [1]
    with pytest.raises(ValueError, match=r'expected within 0 to 0\.4 s'):
        voxel_grid(one, 3, (0.0, 0.4))
    with pytest.raises(ValueError, match='0 bins'):
        voxel_grid(one, 0)


def test_a_window_without_events():
    assert voxel_grid(events(), 3, (0.0, 1.0)).abs().sum() == 0
    assert normalised(torch.zeros(3, *SIZE)).abs().sum() == 0


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(0, 1), st.sampled_from([-1, 1])),
        max_size=30,
    ),
    bins=st.integers(1, 6),
)
def test_the_sum_of_a_grid_is_that_of_the_polarities(rows, bins):
    rows = sorted(rows, key=lambda row: row[2])
    grid = voxel_grid(events(*rows), bins, (0.0, 1.0))
    each = torch.zeros(SIZE)
    for x, y, _, polarity in rows:
        each[y, x] += polarity
    torch.testing.assert_close(grid.sum(dim=0), each, atol=1e-5, rtol=0)


def test_normalised_pixels_have_a_mean_of_0_and_a_deviation_of_1():
    grid = torch.zeros(2, 3, *SIZE)
    grid[0, 0, 0] = torch.tensor([1.0, 2, 3, 0])
    grid[1, 1, 1] = torch.tensor([5.0, 0, 0, 0])
    found = normalised(grid)
    seen = found[0, 0, 0, :3]
    assert float(seen.mean()) == pytest.approx(0, abs=1e-6)
    assert float(seen.square().mean()) == pytest.approx(1)
    assert (found[grid == 0] == 0).all()
    assert float(found[1].abs().sum()) == 0  # one value alone


@pytest.mark.parametrize('polarity', [(0, 1), (-1, 1), (False, True)])
def test_polarities_of_others(polarity):
    times = np.array([0.0, 1.0])
    found = checked_events(times, times, times, np.array(polarity), SIZE, 'file')
    assert found.polarity.tolist() == [-1, 1]


def test_events_between_two_times():
    some = events((0, 0, 0.0, 1), (1, 0, 0.5, 1), (2, 0, 1.0, 0)).between(0.5, 1.0)
    assert some.x.tolist() == [1, 2]
    assert len(some.between(0.6, 0.9)) == 0


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([(4, 0, 0, 1)], r'x of event 0 is 4: expected whole numbers from 0 to 3.*exchanged'),
        ([(0, -1, 0, 1)], r'y of event 0 is -1: expected whole numbers from 0 to 2'),
        ([(0.5, 0, 0, 1)], r'x of event 0 is 0.5'),
        ([(0, 0, 1, 1), (0, 0, 0.25, 1)], r'event 1 by 0.75 s.*sort them'),
        ([(0, 0, np.nan, 1)], r't of event 0 is nan'),
        ([(0, 0, 0, 2)], r'polarities of events are \[2.0\]: expected 0 and 1, or -1 and 1'),
        ([(0, 0, 0, 0), (0, 0, 0, -1), (0, 0, 0, 1)], r'polarities'),
    ],
)
def test_what_is_no_stream_of_events(rows, message):
    with pytest.raises(DataSetError, match=f'^file.hdf5: .*{message}') as error:
        events(*rows)
    assert '\n' not in str(error.value)


def test_arrays_of_unequal_length():
    with pytest.raises(DataSetError, match=r'x \[2\], y \[1\].*expected one length'):
        checked_events(np.zeros(2), np.zeros(1), np.zeros(1), np.zeros(1), SIZE, 'file')
    with pytest.raises(DataSetError, match='x of events is no number'):
        checked_events(np.array(['a']), *(np.zeros(1),) * 3, SIZE, 'file')
