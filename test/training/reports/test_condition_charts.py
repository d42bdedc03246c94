# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from spike_training.reports.condition_charts import condition_charts


def curve(*errors, frame=()):
    points = []
    for number, error in enumerate(errors):
        point = {'value': 2**number, 'spike': {'abs_rel': error, 'delta1': 0.5}}
        if frame:
            point['frame'] = {'abs_rel': frame[number], 'delta1': 0.25}
        points.append(point)
    return {'title': 'speed', 'points': points}


def test_a_chart_for_each_figure_of_each_curve():
    figure = condition_charts({'curves': {'a': curve(0.1, 0.2), 'b': curve(0.1, 0.3)}})
    assert [axes.get_title('left').split(',')[0] for axes in figure.axes] == [
        'AbsRel',
        'delta1',
    ] * 2
    assert {axes.get_xlabel() for axes in figure.axes} == {'speed'}
    assert figure.axes[1].get_ylim() == (0, 1)


def test_cameras_have_their_lines_from_0_upwards():
    figure = condition_charts({'curves': {'a': curve(0.1, 0.1, frame=(0.2, 0.3))}})
    lines = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert lines == {'spike': [0.1, 0.1], 'frame': [0.2, 0.3]}
    low, high = figure.axes[0].get_ylim()
    assert low == 0
    assert high > 0.3
    alone = condition_charts({'curves': {'a': curve(0.1, 0.1)}})
    assert [line.get_label() for line in alone.axes[0].lines] == ['spike']


def test_values_stand_over_their_conditions_and_what_is_missing_is_a_gap():
    axes = condition_charts({'curves': {'a': curve(0.28, None, 0.3)}}).axes[0]
    assert axes.get_ylim()[1] > 0.31  # the point is whole
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.28, np.nan, 0.3])
    names = dict(zip(axes.get_xticks(), axes.get_xticklabels(), strict=True))
    assert [names[x].get_text() for x in axes.lines[0].get_xdata()] == ['1', '2', '4']
