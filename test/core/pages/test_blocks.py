# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The same blocks as HTML, on a terminal, and as Markdown."""

import re

import pytest

from kit.html_pages import Reader
from spike_depth_ros.pages.blocks import (
    Figure,
    Figures,
    Items,
    Link,
    Page,
    Section,
    Table,
    Text,
    number,
    percent,
)
from spike_depth_ros.pages.html import render_page
from spike_depth_ros.pages.markdown import markdown
from spike_depth_ros.pages.terminal import WIDTH, print_table

TABLE = Table(['row', 'AbsRel ↓'], [['a | b', '0.1'], [('c', 'small print'), '0.2']], 'Scores')


def page(*blocks):
    return Page('Depth <of> & more', 'what it is', [Section('Results', blocks)])


def test_all_blocks_are_html_and_texts_are_escaped():
    blocks = [
        'A title',
        Text('Look at', 'quiet', 'teacher/pictures/'),
        Text('rm -r /', 'code'),
        TABLE,
        Table(['number'], [[400]]),
        Table(['file'], [[Link('model.onnx', 'model.onnx', 'f00')]], names=True, caption='Of it.'),
        Items(['one <b>', 'two']),
        Figures([Figure('chart', '<svg></svg>', text='below'), Figure('png', source='a.png')]),
        Figures([Figure('large', source='b.png', href='c.png')], 'wide', 'Sheets'),
    ]
    found = Reader(render_page(page(*blocks)))
    for text in (
        'Depth <of> & more', 'A title', 'Look at teacher/pictures/', 'rm -r /', 'Scores', 'a | b',
        'c small print', 'number 400', 'model.onnx f00', 'Of it.', 'one <b> two', 'chart',
        'below', 'Sheets',
    ):  # fmt: skip
        assert text in found.text
    assert {'teacher/pictures/', 'model.onnx', 'a.png', 'b.png', 'c.png'} <= {*found.references}
    assert {'svg', 'table', 'code', 'ul'} <= found.tags


def test_a_table_that_is_too_wide_goes_on_below(capsys):
    header = ['row', *(f'metric {k} of many' for k in range(9))]
    rows = [[name, *(f'{k}.{name}' for k in range(9))] for name in ('one', 'two')]
    print_table(Table(header, rows, 'A title', caption='A caption'))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    told = '\n'.join(lines)
    assert all(told.count(title) == 1 for title in (*header[1:], 'A title', 'A caption'))
    assert all(told.count(cell) == 1 for row in rows for cell in row[1:])
    assert told.count('│ one ') == told.count('│ two ') == 3


def test_a_narrow_terminal_is_not_exceeded(capsys, monkeypatch):
    monkeypatch.setattr('sys.stdout.isatty', lambda: True)
    monkeypatch.setenv('COLUMNS', '60')
    print_table(Table(['row', *('metric ' * 3).split()], [['one', *('0.123456789' * 3,) * 3]]))
    print_table(Table(['', ''], [['planes', 'word ' * 60]], names=True))
    told = re.sub(r'\x1b\[[\d;]*m', '', capsys.readouterr().out)  # without colours
    lines = told.splitlines()
    assert max(map(len, lines)) <= 60
    assert ''.join(lines).count('word') == 60


def test_a_long_name_is_not_cut(capsys):
    name = 'a_name_' * 20
    print_table(Table(['row', 'value'], [[name, '1']]))
    assert f'│ {name} │     1 │' in capsys.readouterr().out


def test_texts_of_a_table_of_names_break(capsys):
    print_table(Table(['', ''], [['planes', 'word ' * 60]], names=True))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert ''.join(lines).count('word') == 60


def test_markdown():
    text = markdown(page(Text('Said.'), TABLE, Items(['one', 'two'])))
    assert text == (
        '# Depth <of> & more\n\nwhat it is\n\n## Results\n\nSaid.\n\nScores\n\n'
        '| row | AbsRel ↓ |\n|---|---:|\n| a / b | 0.1 |\n| c | 0.2 |\n\n- one\n- two\n'
    )
    with pytest.raises(TypeError, match='Figures'):
        markdown(page(Figures([])))


def test_numbers_that_are_none_are_dashes():
    assert (number(None), number(float('nan')), number(0.12345)) == ('–', '–', '0.123')
    assert (percent(float('inf')), percent(0.125)) == ('–', '12.5 %')
