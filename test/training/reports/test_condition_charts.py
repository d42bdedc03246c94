# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('PIL')

from spike_training.reports.condition_charts import FRAME, SPIKE, condition_charts
from spike_training.reports.line_chart import HEIGHT, WIDTH, Panel, Series, sheet


def curve(*errors, frame=()):
    points = []
    for number, error in enumerate(errors):
        point = {'value': 2**number, 'spike': {'abs_rel': error, 'delta1': 0.5}}
        if frame:
            point['frame'] = {'abs_rel': frame[number], 'delta1': 0.25}
        points.append(point)
    return {'title': 'speed', 'points': points}


def coloured(image, colour):
    """Rows and columns of the pixels of a colour, without those of the legend."""
    rows, columns = np.nonzero((image == colour).all(-1))
    plotted = (rows > 90) | (columns < WIDTH - 150)
    return rows[plotted], columns[plotted]


def test_a_panel_for_each_figure_of_each_curve():
    image = condition_charts({'curves': {'a': curve(0.1, 0.2), 'b': curve(0.1, 0.3)}})
    assert image.shape == (2 * HEIGHT, 2 * WIDTH, 3)


def test_cameras_have_their_lines_and_larger_errors_lie_higher():
    image = condition_charts({'curves': {'a': curve(0.1, 0.1, 0.1, frame=(0.2, 0.2, 0.2))}})
    image = image[:HEIGHT, :WIDTH]
    spike, frame = (coloured(image, colour)[0].mean() for colour in (SPIKE, FRAME))
    bottom, top = HEIGHT - 44, 46
    assert bottom - spike == pytest.approx(0.5 * (bottom - frame), abs=2)
    assert frame > top
    alone = condition_charts({'curves': {'a': curve(0.1, 0.1)}})
    assert not (alone == FRAME).all(-1).any()


def test_values_stand_where_their_names_do():
    image = condition_charts({'curves': {'a': curve(0.1, None, 0.1)}})[:HEIGHT, :WIDTH]
    _, columns = coloured(image, SPIKE)
    left, right = 58, WIDTH - 14
    places = [left + (right - left) * (k + 0.4) / 2.8 for k in (0, 2)]
    for place in places:
        assert np.abs(columns - place).min() < 1
    # Where a value is missing there is nothing, the line is broken.
    assert not ((columns > places[0] + 5) & (columns < places[1] - 5)).any()


def test_histograms_have_an_edge_more_than_values():
    panel = Panel('one', 'x', [Series('s', [0, 1, 2], [1.0, 3.0], SPIKE)])
    image = np.asarray(sheet([panel], 1))
    rows, columns = coloured(image, SPIKE)
    bottom = HEIGHT - 44
    low, high = rows[columns < WIDTH / 2 - 20], rows[columns > WIDTH / 2 + 40]
    assert bottom - low.mean() == pytest.approx((bottom - high.mean()) / 3, abs=2)
