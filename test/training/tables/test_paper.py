# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of what papers print: what they hold, and everything that can be wrong with them."""

import copy

import pytest
import yaml

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


def test_bicross_says_the_same_of_the_same_twice():
    paper = read_paper(FOLDER / 'bicross.yaml', [])
    assert paper.numbers == ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII']
    for tables in ({'I': 'BiCross', 'V': 'Ex8', 'VII': 'Ex8'},
                   {'I': 'MonoCross', 'V': 'Ex2', 'VI': 'Ex2', 'VII': 'Ex2'}):  # fmt: skip
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


def test_a_good_file(tmp_path):
    paper, problems = read(tmp_path, GOOD)
    assert problems == []
    assert paper.find(['1'], 'c').metrics == {'delta1': 1}


@pytest.mark.parametrize(
    ('where', 'value', 'expected'),
    [
        (['cited'], '', ['cited is missing: expected a text']),
        (['titel'], 'x', ['titel is unknown: did you mean title?']),
        (['tables'], [], ['tables are numbered []: expected one or more, each number once']),
        (
            ['tables'],
            GOOD['tables'] * 2,
            ["tables are numbered ['1', '1']: expected one or more, each number once"],
        ),
        (['tables', 0, 'caption'], '', ['tables[0].caption is missing: expected the data that']),
        (
            ['tables', 0, 'metrics'],
            ['abs_rel', 'delta1', 'delta4'],
            ["tables[0].metrics is ['abs_rel', 'delta1', 'delta4']: expected some of abs_rel, sq"],
        ),
        (
            ['tables', 0, 'rows', 1, 'name'],
            'a',
            ["tables[0].rows are named ['a', 'a', 'c']: expected one or more, each name once"],
        ),
        (
            ['tables', 0, 'rows', 0, 'values'],
            [0.1, 0.2],
            ['tables[0].row a: values has 2: expected 3, one of each metric'],
        ),
        (
            ['tables', 0, 'rows', 0, 'values'],
            [-0.1, '5e-1', 1.5],
            [
                'tables[0].row a: abs_rel is -0.1: expected a number, 0 or more',
                "tables[0].row a: delta1 is '5e-1': expected a number, 0 to 1",
                'tables[0].row a: delta2 is 1.5: expected a number, 0 to 1',
            ],
        ),
        (
            ['tables', 0, 'rows', 0, 'values'],
            [float('inf'), float('nan'), 1],
            [
                'tables[0].row a: abs_rel is inf: expected a number, 0 or more',
                'tables[0].row a: delta1 is nan: expected a number, 0 to 1',
            ],
        ),
        (
            ['tables', 0, 'rows', 0, 'values'],
            [0.1, 'high', True],
            ["tables[0].rows[0].values is [0.1, 'high', True]: expected a list, each a number or"],
        ),
        (
            ['tables', 0, 'rows', 0, 'values'],
            [None, None, None],
            ['tables[0].row a: values has no number: expected one or more'],
        ),
        (
            ['tables', 0, 'rows', 1, 'notes'],
            {},
            ['tables[0].row b: delta1 is 0.7, above delta2: expected less, or a note on it'],
        ),
        (
            ['tables', 0, 'rows', 2, 'notes'],
            {'delta1': ' ', 'delta2': 'not printed'},
            [
                "tables[0].row c: notes.delta1 is ' ': expected a remark on one of the values",
                "tables[0].row c: notes.delta2 is 'not printed': expected a remark on one of the",
            ],
        ),
    ],
)
def test_each_defect_is_one_line(tmp_path, where, value, expected):
    tree = copy.deepcopy(GOOD)
    part = tree
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    _, problems = read(tmp_path, tree)
    assert len(problems) == len(expected)
    for problem, text in zip(problems, expected, strict=True):
        assert problem.startswith(f'made.yaml: {text}')


@pytest.mark.parametrize('text', ['[1', '[]', '{a: *b}', '[' * 40 + ']' * 40, '\0'])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, text):
    _, problems = read(tmp_path, text)
    assert len(problems) == 1
    assert 'made.yaml' in problems[0]
    assert '\n' not in problems[0]


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        (
            PaperConfig('shenn', ['1']),
            "paper.file is 'shenn': expected one of bicross, shen; d",
        ),
        (PaperConfig('../paper', ['1']), "paper.file is '../paper': expected one of bicross, sh"),
        (PaperConfig('shen', ['1', '2']), "paper.tables is ['1', '2']: expected some of 1"),
        (PaperConfig('shen'), 'paper.tables is []: expected some of 1'),
    ],
)
def test_a_paper_or_table_that_is_none(settings, expected):
    problems = []
    assert not settings.read(problems).tables
    assert [problem[: len(expected)] for problem in problems] == [expected]
