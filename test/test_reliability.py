# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of faults in docs/reliability.md: each row names a test that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'reliability.md').read_text()
FEWEST = 35


def rows(heading):
    """Cells of the numbered rows of the table below a heading, by number."""
    section = PAGE.split(f'\n## {heading}\n', 1)[1].split('\n## ', 1)[0]
    found = [
        [cell.strip() for cell in line.strip('|').split(' | ')]
        for line in section.splitlines()
        if re.match(r'\| \d+ \|', line)
    ]
    assert [int(number) for number, *_ in found] == list(range(1, len(found) + 1))
    return {int(number): cells for number, *cells in found}


FAULTS = rows('Faults, and the tests that inject them')


def names_in(path):
    """Names of the tests that a file defines."""
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
    }


def test_the_table_has_enough_whole_rows():
    assert len(FAULTS) >= FEWEST
    for number, cells in FAULTS.items():
        assert len(cells) == 4, number
        assert all(cells), number
    assert len({fault for fault, *_ in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize('number', FAULTS)
def test_the_test_of_a_row_exists(number):
    named = re.findall(r'`([\w/]+\.py)::(test_\w+)(?:\[[^`]*\])?`', FAULTS[number][-1])
    assert len(named) == 1, 'expected one test as `path/of/file.py::test_name`'
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in names_in(path), f'{path} has no {name}'


def test_the_handling_of_each_row_was_removed_once():
    removed = rows('The same tests without the handling')
    assert set(removed) == set(FAULTS)
    for number, cells in removed.items():
        assert len(cells) == 2, number
        assert all(cells), number
