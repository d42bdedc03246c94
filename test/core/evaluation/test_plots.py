# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from spike_depth_ros.evaluation.report.plots import Chart, thinned

SVG = '{http://www.w3.org/2000/svg}'


def shapes(chart, kind):
    root = ElementTree.fromstring(chart.svg())
    return [shape for shape in root.iter() if shape.tag.removeprefix(SVG) == kind]


def test_a_line_runs_from_corner_to_corner():
    chart = Chart('x', 'y', (0, 10), (-1, 1), size=(464, 254))
    chart.line([0, 10], [-1, 1], 'red')
    (line,) = shapes(chart, 'polyline')
    assert line.get('points') == '52.0,212.0 452.0,12.0'


def test_what_is_missing_breaks_the_line_and_what_lies_outside_is_cut():
    chart = Chart('x', 'y', (0, 4), (0, 1))
    chart.line([0, 1, 2, 3, 4], [0, 9, np.nan, 0.5, 0.5], 'red')
    first, second = shapes(chart, 'polyline')
    assert first.get('points').endswith(',12.0')
    assert len(second.get('points').split()) == 2


def test_bars_stand_on_the_axis():
    chart = Chart('x', 'y', (0, 2), (0, 1), size=(464, 254))
    chart.name_x(['a', 'b'])
    chart.bars([0, 1], [1, 2], [0.5, 1], 'red')
    tops = [float(bar.get('y')) for bar in shapes(chart, 'rect')]
    bottoms = [float(bar.get('y')) + float(bar.get('height')) for bar in shapes(chart, 'rect')]
    assert (tops, bottoms) == ([112, 12], [212, 212])
    assert {'a', 'b'} <= {text.text for text in shapes(chart, 'text')}


def test_ticks_are_round_numbers_within_the_axis():
    for low, high in [(0, 1), (0, 0.037), (0, 12345), (-3, 7), (0.2, 0.21)]:
        labels = [text.text for text in shapes(Chart('x', 'y', (0, 1), (low, high)), 'text')]
        ticks = [float(label) for label in labels if re.fullmatch(r'-?[\d.]+(e[-+]\d+)?', label)]
        assert len(ticks) >= 6
        assert all(low <= tick <= high or 0 <= tick <= 1 for tick in ticks)


def test_an_axis_without_extent_is_drawn_all_the_same():
    chart = Chart('x', 'y', (3, 3), (0, float('nan')))
    chart.points([3], [0], 'red')
    assert len(shapes(chart, 'circle')) == 1


def test_the_legend_shows_what_is_drawn():
    chart = Chart('x', 'y', (0, 1), (0, 1))
    chart.line([0, 1], [0, 1], 'red', 'a line')
    chart.level(0.5, 'blue', 'a level')
    chart.points([0.5], [0.5], 'green', 'a dot')
    below = [shape for shape in shapes(chart, 'line') if shape.get('stroke-width') == '3']
    assert [(s.get('stroke'), s.get('stroke-dasharray')) for s in below] == [
        ('red', None),
        ('blue', '5 4'),
    ]
    _, dot = shapes(chart, 'circle')
    assert float(dot.get('cy')) > 280
    assert dot.get('fill') == 'green'


def test_labels_are_escaped():
    chart = Chart('a < b', 'c & "d"', (0, 1), (0, 1))
    chart.level(0.5, label='<model>')
    assert {'a < b', 'c & "d"', '<model>'} <= {text.text for text in shapes(chart, 'text')}


def test_a_long_line_keeps_its_peaks():
    x = np.arange(10_000.0)
    y = np.sin(x / 900)
    y[4321], y[7654], y[100:400] = 9, -9, np.nan
    few_x, few_y = thinned(x, y)
    assert len(few_x) <= 600
    assert (np.diff(few_x) > 0).all()
    assert {4321.0, 7654.0} <= set(few_x)
    assert np.isnan(few_y).any()
    assert thinned(x[:500], y[:500])[0] is not None
    np.testing.assert_array_equal(thinned(x[:500], y[:500])[1], y[:500])


def test_long_numbers_do_not_run_into_the_label_of_their_axis():
    def left(top):
        (line,) = shapes(filled(Chart('x', 'y', (0, 1), (0, top))), 'polyline')
        return float(line.get('points').split(',')[0])

    def filled(chart):
        chart.line([0, 1], [0, 0], 'red')
        return chart

    assert left(1) == 52
    assert left(0.001) > 60  # 0.0002
