# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from spike_depth_ros.pages.plots import chart, plain, style, svg

SVG = '{http://www.w3.org/2000/svg}'


def texts(drawn):
    return [part.text for part in ElementTree.fromstring(drawn).iter(f'{SVG}text')]


@style()
def test_the_same_chart_has_the_same_bytes_and_nothing_else_of_its_file():
    def drawn():
        axes = chart('x', 'y "z"')
        axes.plot([0, 1], [0, 1], 'o-')
        return svg(axes)

    assert drawn() == drawn()
    assert drawn().startswith('<svg role="img" aria-label="y &quot;z&quot; over x"')
    assert not re.search('metadata|<g id', drawn())


@style()
def test_labels_are_shown_as_they_are():
    axes = chart('a < b', 'c & d')
    labels = ['<model>', '_a', 'a$b$c']
    for label in labels:
        axes.axhline(0.5, label=plain(label))
    found = [text.strip() for text in texts(svg(axes))]
    assert {'a < b', 'c & d'} <= {*found}
    assert [text for text in found if text in labels] == labels


@style()
def test_the_legend_hides_nothing():
    axes = chart('x', 'y')
    for number in range(5):
        axes.plot([0, 1], [0, number], label=f'a line that is long, number {number}')
    legend_height = -axes.figure.get_figheight()
    svg(axes)
    legend_height += axes.figure.get_figheight()
    legend = axes.get_legend().get_window_extent()
    assert legend.y0 >= axes.bbox.y1 - 1
    assert legend.x1 <= axes.figure.bbox.x1
    assert legend.height == pytest.approx(legend_height * axes.figure.dpi, rel=0.2)


@style()
def test_a_long_line_keeps_its_peaks():
    y = np.random.default_rng(0).uniform(-1, 1, 100_000)
    y[4321], y[100:400] = 9, np.nan
    axes = chart('x', 'y')
    axes.plot(np.arange(len(y)), y, color='#123456')
    axes.set_ylim(-9, 9)
    drawn = svg(axes)
    assert len(drawn) < 200_000
    root = ElementTree.fromstring(drawn)
    (line,) = (p for p in root.iter(f'{SVG}path') if '#123456' in p.get('style', ''))
    heights = [float(point.split()[1]) for point in re.split('[ML]', line.get('d'))[1:]]
    top = float(root.find(f'.//{SVG}clipPath/{SVG}rect').get('y'))
    assert min(heights) == pytest.approx(top, abs=0.5)
