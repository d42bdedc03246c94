# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of what papers print: what they hold, and everything that can be wrong with them."""

import copy
import functools
import os
import re
from collections import Counter
from itertools import chain
from pathlib import Path
from statistics import fmean

import pytest
import yaml

from spike_depth_ros.tasks.upsample import FACTORS
from spike_training.evaluation.published import METRICS
from spike_training.tables.paper import FOLDER, papers, read_paper
from spike_training.tables.settings import PaperConfig

GOOD = {
    'cited': 'A et al.',
    'authors': 'A, B',
    'title': 'On depth',
    'network': 'a network',
    'tables': [
        {
            'number': '1',
            'caption': 'their data',
            'metrics': ['abs_rel', 'delta1', 'delta2'],
            'rows': [
                {'name': 'a', 'values': [0.1, 0.5, 0.6]},
                {'name': 'b', 'values': [0.1, 0.7, 0.6], 'notes': {'delta1': 'a misprint'}},
                {'name': 'c', 'values': [None, 1, None]},
            ],
        }
    ],
}

METRIC = {'name': 'psnr', 'title': 'PSNR', 'unit': 'dB', 'lower': False}
TABLE = {
    'number': '1',
    'caption': 'their data',
    'metrics': ['psnr'],
    'cases': ['day', 'night'],
    'rows': [{'name': 'a', 'values': [None, 20.5], 'notes': {'night': 'low'}}],
}
OWN = {**GOOD, 'metrics': [METRIC], 'tables': [TABLE]}

SAID = {
    **GOOD,
    'figures': [
        {'number': '1', 'about': 'maps of depth'},
        {'number': '2', 'about': 'a car', 'values': [{'name': 'speed', 'value': 100}]},
    ],
    'statements': [
        {
            'place': 'III-A',
            'about': 'training',
            'values': [
                {'name': 'hours', 'value': 30, 'unit': 'h'},
                {'name': 'learning rate', 'value': '5e-4'},
            ],
        }
    ],
}

NUMBERS = {'bicross': 74, 'dsr': 288, 'fuse': 127, 'shen': 88, 'ssml': 66}
"""Printed numbers of all tables of each file."""

ROWS = {
    'bicross': {'I': 7, 'II': 7, 'III': 3, 'IV': 3, 'V': 9, 'VI': 4, 'VII': 4},
    'dsr': {'1': 10, '2': 8, '3': 6, '4': 6, '5': 1},
    'fuse': {'1': 8, '2': 8, '3': 3, '4': 3},
    'shen': {'1': 10, '2': 5},
    'ssml': {'1': 6, '3': 6, '4': 4, '5': 3, '6': 5},
}
"""Rows of each table."""

NUMBER = re.compile(
    r'10\^\{(?P<power>-\d+)\}'
    r'|(?P<number>(?:\d{1,3}(?:,\d{3})+|\d*\.?\d+)(?:e-?\d+)?)(?:(?P<thousands>[kK])\b)?'
)
"""Number of a text, such as .5, 20,000, 5e-4, 15k or 10^{-8}."""


def read(tmp_path, tree):
    path = tmp_path / 'made.yaml'
    path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))
    problems = []
    return read_paper(path, problems), problems


@pytest.mark.parametrize('name', papers())
def test_files_of_papers_are_good(name):
    problems = []
    paper = PaperConfig(name, read_paper(FOLDER / f'{name}.yaml', []).numbers).read(problems)
    assert problems == []
    assert paper.tables


def numbers_of(text):
    """Return the numbers of a text, in its order."""
    numbers = []
    for found in re.finditer(NUMBER, text):
        if found['power']:
            numbers.append(float(f'1e{found["power"]}'))
        else:
            number = float(found['number'].replace(',', ''))
            numbers.append(number * 1000 if found['thousands'] else number)
    return numbers


def lines_of(paper):
    """Return the numbers of each line of the paper's text, which is in a folder of papers."""
    folder = os.environ.get('SPIKE_DEPTH_PAPERS')
    if not folder:
        pytest.skip('SPIKE_DEPTH_PAPERS names no folder with the texts of the papers')
    texts = [path.read_text(encoding='utf-8') for path in sorted(Path(folder).glob('*.txt'))]
    [text] = [text for text in texts if paper.title in text]
    return [numbers_of(line) for line in text.splitlines()]


def stand_in_one(lines, values):
    """Find out whether a line has all the values, in their order."""
    for line in lines:
        rest = iter(line)
        if all(value in rest for value in values):
            return True
    return False


def test_numbers_of_a_text():
    text = 'At .130, 0.25 or 13.0 %; 20,000 Hz [7, 8], 1e-5 for 15k of 400x250, $10^{-8}$ (Ex2)'
    expected = [0.13, 0.25, 13, 20000, 7, 8, 1e-5, 15000, 400, 250, 1e-8, 2]
    assert numbers_of(text) == expected
    assert stand_in_one([[1.0], expected], [0.25, 400.0])
    assert not stand_in_one([[1.0], expected], [400.0, 0.25])
    assert not stand_in_one([[1.0], expected], [1.0, 0.25])


def test_each_paper_has_its_file():
    assert papers() == [*NUMBERS] == [*ROWS]


@pytest.mark.parametrize(('name', 'expected'), NUMBERS.items())
def test_files_hold_every_number_of_the_tables(name, expected):
    tables = read_paper(FOLDER / f'{name}.yaml', []).tables
    values = [value for table in tables for row in table.rows for value in row.values]
    assert sum(value is not None for value in values) == expected


@pytest.mark.parametrize(
    ('name', 'number', 'rows'),
    [(name, number, rows) for name, tables in ROWS.items() for number, rows in tables.items()],
)
def test_tables_have_all_their_rows(name, number, rows):
    paper = read_paper(FOLDER / f'{name}.yaml', [])
    assert paper.numbers == [*ROWS[name]]
    assert len(paper.table(number).rows) == rows


@pytest.mark.parametrize('name', NUMBERS)
def test_tables_stand_in_the_text(name):
    paper = read_paper(FOLDER / f'{name}.yaml', [])
    lines = lines_of(paper)
    for table in paper.tables:
        rows = [row.values for row in table.rows]
        # Some papers print as columns what are rows here.
        ways = (
            [[value for value in values if value is not None] for values in way]
            for way in (rows, zip(*rows, strict=True))
        )
        missing = ([values for values in way if not stand_in_one(lines, values)] for way in ways)
        assert (table.number, min(missing, key=len)) == (table.number, [])
    values = chain.from_iterable(row.values for table in paper.tables for row in table.rows)
    rare = Counter(filter(None, values)) - Counter(chain.from_iterable(lines))
    assert rare == {}, 'as often as in the tables'


@pytest.mark.parametrize('name', NUMBERS)
def test_figures_and_statements_stand_in_the_text(name):
    paper = read_paper(FOLDER / f'{name}.yaml', [])
    lines = lines_of(paper)
    missing = [
        part
        for part in (*paper.figures, *paper.statements)
        if not stand_in_one(lines, [value.value for value in part.values])
    ]
    assert missing == []


@pytest.mark.parametrize(
    ('name', 'figures'),
    [
        ('bicross', ['1', '2', '3', '4']),
        ('dsr', ['1', '2', '3', '4', '5', '6', '7', '8', '9']),
        ('fuse', []),
        ('shen', ['1', '2', '3', '4', '5', '6', '8', '9']),
        ('ssml', ['1', '2', '3', '4', '5', '6', '7']),
    ],
)
def test_files_have_figures_and_statements(name, figures):
    paper = read_paper(FOLDER / f'{name}.yaml', [])
    assert [figure.number for figure in paper.figures] == figures
    assert paper.statements


def test_bicross_says_the_same_of_the_same_twice():
    paper = read_paper(FOLDER / 'bicross.yaml', [])
    assert paper.numbers == ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII']
    for tables in ({'I': 'BiCross', 'V': 'Ex8', 'VII': 'Ex8'},
                   {'I': 'MonoCross', 'V': 'Ex2', 'VI': 'Ex2', 'VII': 'Ex2'},
                   {'V': 'RGB', 'VI': 'RGB'}):  # fmt: skip
        found = [paper.find([number], name).metrics for number, name in tables.items()]
        assert found == [found[0]] * len(found)


def test_rows_are_found_in_the_order_of_the_tables():
    paper = read_paper(FOLDER / 'bicross.yaml', [])
    assert paper.find(['II', 'I'], 'Pre_src') == ('II', {'abs_rel': 0.194, 'delta1': 0.633}, {})
    assert paper.find(['I', 'II'], 'Pre_src').number == 'I'
    assert paper.find(['I', 'II'], 'Ex1') is None


def test_shen_has_the_metrics_of_its_table():
    table = read_paper(FOLDER / 'shen.yaml', []).table('1')
    assert table.metrics == ['abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1', 'delta2', 'delta3']
    rows = {row.name: row.values for row in table.rows}
    expected = {
        'Train set mean': [0.361, 4.826, 8.102, 0.377, 0.638, 0.804, 0.894],
        'Godard et al.': [0.148, 1.344, 5.927, 0.247, 0.803, 0.922, 0.964],
        'K': [0.130, 1.301, 6.174, 0.225, 0.824, 0.933, 0.975],
        'K+pp': [0.125, 1.172, 5.89, 0.216, 0.859, 0.983, 0.977],
        'CS+K': [0.124, 1.066, 5.312, 0.218, 0.847, 0.942, 0.973],
        'CS+K+pp': [0.114, 0.988, 4.945, 0.206, 0.861, 0.949, 0.976],
    }
    assert {name: rows[name] for name in expected} == expected
    assert [row.name for row in table.rows if row.notes] == ['K+pp']


def test_shen_has_the_accuracy_by_confidence():
    table = read_paper(FOLDER / 'shen.yaml', []).table('2')
    assert table.metrics == ['abs_rel', 'sq_rel', 'rmse', 'rmse_log']
    columns = zip(*(row.values for row in table.rows), strict=True)
    assert [min(values) for values in columns] == [0.2981, 5.6736, 14.892, 0.416]


def test_ssml_has_the_means_of_its_clips():
    paper = read_paper(FOLDER / 'ssml.yaml', [])
    for row in paper.table('3').rows:
        *clips, mean = row.values
        assert fmean(clips) == pytest.approx(mean, abs=1e-4 if not row.notes else 4e-4)
    noted = [(t.number, row.name, *row.notes) for t in paper.tables for row in t.rows if row.notes]
    assert noted == [
        ('1', 'TFP', 'psnr'),
        ('1', 'STP', 'psnr'),
        ('1', 'SSML', 'psnr', 'ssim'),
        ('3', 'Spk2ImgNet', 'Average'),
        ('5', 'BSN & NBSN + LTC + NLA', 'psnr', 'ssim'),
        ('6', 'TFP, 7 planes', 'psnr', 'ssim'),
    ]


def test_ssml_says_nearly_the_same_of_the_same_twice():
    paper = read_paper(FOLDER / 'ssml.yaml', [])
    one = paper.find(['1'], 'SSML').metrics
    assert one == paper.find(['5'], 'BSN & NBSN + LTC + NLA').metrics
    assert one == pytest.approx(paper.find(['6'], 'TFP, 7 planes').metrics, abs=0.08)
    psnr = [paper.find(['1'], name).metrics['psnr'] for name in ('TFP', 'STP')]
    assert psnr == [22.37, 22.37]
    assert paper.titles(['1', '3']) == {
        'psnr': 'PSNR, dB, higher is better',
        'ssim': 'SSIM, no unit, higher is better',
        **{
            clip: f'{clip}: NIQE, no unit, lower is better'
            for clip in ('Car', 'Doll', 'Fan', 'Train', 'Average')
        },
    }


def test_dsr_has_every_scene_and_factor():
    paper = read_paper(FOLDER / 'dsr.yaml', [])
    assert paper.numbers == ['1', '2', '3', '4', '5']
    rows = {row.name: paper.find(['1'], row.name).metrics for row in paper.table('1').rows}
    scenes = 'Art', 'Books', 'Dolls', 'Laundry', 'Moebius', 'Reindeer'
    assert [*rows['Bicubic']] == [f'{scene} x{factor}' for scene in scenes for factor in FACTORS]
    for name, means in {
        'Bicubic': [0.253, 0.502, 0.953, 1.813],
        'DSRN': [0.067, 0.155, 0.382, 1.008],
        'DSRNet w/o CT': [0.123, 0.210, 0.398, 0.900],
        'DSRNet': [0.073, 0.163, 0.355, 0.830],
    }.items():
        found = [fmean(rows[name][f'{scene} x{factor}'] for scene in scenes) for factor in FACTORS]
        assert found == pytest.approx(means, abs=6e-4)
    assert rows['MSG'].keys() == {key for key in rows['Bicubic'] if not key.endswith(' x2')}


def test_dsr_says_nearly_the_same_of_the_same_twice():
    paper = read_paper(FOLDER / 'dsr.yaml', [])
    for name in ('DSRNet w/o CT', 'DSRNet'):
        scenes = paper.find(['1'], name).metrics
        mean = fmean(value for case, value in scenes.items() if case.endswith(' x8'))
        assert mean == pytest.approx(paper.find(['4'], name).metrics['Middlebury'], abs=2e-3)
    # A misprint in one of them, noted in both.
    second, fourth = (paper.find([number], 'DSRNet') for number in '24')
    assert (second.metrics['x8'], fourth.metrics['NYUv2']) == (2.73, 2.75)
    assert (second.notes, fourth.notes) == (
        {'x8': '2.75 in Table 4'},
        {'NYUv2': '2.73 in Table 2'},
    )


def test_fuse_has_every_number_of_its_tables():
    paper = read_paper(FOLDER / 'fuse.yaml', [])
    counts = {
        table.number: sum(value is not None for row in table.rows for value in row.values)
        for table in paper.tables
    }
    assert counts == {'1': 47, '2': 47, '3': 18, '4': 15}
    # Sums of the columns of the README.
    sums = {
        '1': [5.273, 6.667, 7.344, 2.096, 51.885, 2.753],
        '2': [3.955, 5.553, 6.536, 3.066, 69.147, 4.142],
        '3': [1.874, 2.465, 2.770, 0.798, 19.817, 1.051],
        '4': [1.134, 1.415, 3.716, 11.992, 19.667],
    }
    for number, expected in sums.items():
        columns = zip(*(row.values for row in paper.table(number).rows), strict=True)
        assert [sum(filter(None, one)) for one in columns] == pytest.approx(expected)


def test_fuse_says_the_same_of_the_same_twice():
    paper = read_paper(FOLDER / 'fuse.yaml', [])
    night, large = paper.find(['2'], 'FUSE'), paper.find(['3'], 'LARGE')
    assert (night.metrics, night.notes) == (large.metrics, large.notes)
    # Figures picked on the test sequence.
    noted = [(t.number, row.name) for t in paper.tables for row in t.rows if row.notes]
    assert noted == [('2', 'FUSE'), ('3', 'SMALL'), ('3', 'BASE'), ('3', 'LARGE')]
    assert paper.titles(['4'])['error_10m'] == '10m, unit not printed, lower is better'


def test_metrics_of_a_paper_have_unit_and_direction():
    titles = read_paper(FOLDER / 'dsr.yaml', []).titles(['4'])
    assert titles == {
        'Middlebury': 'Middlebury: MAD, levels of 8 bits, lower is better',
        'NYUv2': 'NYUv2: RMSE, unit not printed, lower is better',
    }
    assert read_paper(FOLDER / 'shen.yaml', []).titles(['1']) == METRICS


def test_a_metric_of_the_file_may_be_better_if_higher(tmp_path):
    paper, problems = read(tmp_path, OWN)
    assert problems == []
    assert paper.titles(['1']) == {
        'day': 'day: PSNR, dB, higher is better',
        'night': 'night: PSNR, dB, higher is better',
    }
    assert paper.find(['1'], 'a') == ('1', {'night': 20.5}, {'night': 'low'})


def test_a_good_file(tmp_path):
    paper, problems = read(tmp_path, GOOD)
    assert problems == []
    assert paper.find(['1'], 'c').metrics == {'delta1': 1}


def test_a_good_file_of_figures_and_statements(tmp_path):
    paper, problems = read(tmp_path, SAID)
    assert problems == []
    assert [len(figure.values) for figure in paper.figures] == [0, 1]
    values = [(value.name, value.value, value.unit) for value in paper.statements[0].values]
    assert values == [('hours', 30, 'h'), ('learning rate', 5e-4, '')]


DEFECTS = {
    'GOOD': (
        GOOD,
        [
            ('cited', ''),
            ('titel', 'x'),
            ('tables', []),
            ('tables', GOOD['tables'] * 2),
            ('tables.0.caption', ''),
            ('tables.0.metrics', ['abs_rel', 'delta1', 'delta4']),
            ('tables.0.rows.1.name', 'a'),
            ('tables.0.rows.0.values', [0.1, 0.2]),
            ('tables.0.rows.0.values', [-0.1, '5e-1', 1.5]),
            ('tables.0.rows.0.values', [float('inf'), float('nan'), 1]),
            ('tables.0.rows.0.values', [0.1, 'high', True]),
            ('tables.0.rows.0.values', [None, None, None]),
            ('tables.0.rows.1.notes', {}),
            ('tables.0.rows.2.notes', {'delta1': ' ', 'delta2': 'not printed'}),
        ],
    ),
    'OWN': (
        OWN,
        [
            ('metrics.0.title', ''),
            ('metrics.0.unit', ''),
            ('metrics.0.lower', 'no'),
            ('metrics', [METRIC] * 2),
            ('tables.0.metrics', ['ssim']),
            ('tables.0.cases', ['day', 'day']),
            ('tables.0.cases', ['day', '']),
            ('tables.0.cases', ['day', 'delta1']),
            ('tables.0.metrics', ['psnr', 'psnr', 'psnr']),
            ('tables.0.rows.0.values', [20.5]),
            ('tables.0.rows.0.values', [20.5, -1]),
            ('tables.0.rows.0.notes', {'psnr': 'low'}),
            ('metrics.0.name', ''),
            ('metrics.0.name', 'rmse'),
        ],
    ),
    'SAID': (
        SAID,
        [
            ('figures.0.number', ''),
            ('figures.0.about', ''),
            ('figures.1.number', '1'),
            ('figures.1.values.0.name', ''),
            ('figures.1.number', 2),
            ('figures.1.abouts', 'x'),
            ('statement', []),
            ('statements.0.place', ''),
            ('statements.0.about', ''),
            ('statements.0.values.1', {'name': 'hours', 'value': 1}),
            ('statements.0.values.1', {'name': 'learning rate'}),
            ('statements.0.values.0.value', float('nan')),
            ('statements.0.values.0.value', float('-inf')),
            ('statements.0.values.0.value', 'many'),
            ('statements.0.values.0.units', 'h'),
            ('statements.0', 'fast'),
        ],
    ),
}
"""Of each good file the values that are wrong in its place."""

UNREADABLE = ('[1', '[]', '{a: *b}', '[' * 40 + ']' * 40, '\0')


def changed(good, where, value):
    """A file with another value at a place."""
    tree = copy.deepcopy(good)
    part = tree
    *parts, last = (int(one) if one.isdigit() else one for one in where.split('.'))
    for key in parts:
        part = part[key]
    part[last] = value
    return tree


def test_each_defect_is_named(tmp_path, refusals):
    def told(tree):
        return '; '.join(read(tmp_path, tree)[1])

    rows = {}
    for kind, (good, defects) in DEFECTS.items():
        for where, value in defects:
            named = f'made.yaml: {where.partition(".")[0]}'
            name = f'{kind} {where} {value!r}'[:70]
            assert name not in rows
            rows[name] = named, functools.partial(told, changed(good, where, value))
    for text in UNREADABLE:
        rows[f'the text {text!r}'] = 'made.yaml', functools.partial(told, text)
    refusals('paper', rows, None, {'yaml: (while|found|unacceptable) .*': 'yaml: <reason>'})


def test_a_paper_or_table_that_is_none_is_named(refusals):
    def told(*settings):
        problems = []
        assert not PaperConfig(*settings).read(problems).tables
        return '; '.join(problems)

    rows = {
        'an unknown file': ("paper.file is 'shenn'", functools.partial(told, 'shenn', ['1'])),
        'a path': ("paper.file is '../paper'", functools.partial(told, '../paper', ['1'])),
        'an unknown table': ('paper.tables', functools.partial(told, 'shen', ['1', '3'])),
        'no table': ('paper.tables is []', functools.partial(told, 'shen')),
    }
    refusals('paper_of_a_table', rows, None)
