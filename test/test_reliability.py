# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of faults in docs/reliability.md names handling and tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'reliability.md').read_text()
FEWEST = 35


def rows(heading):
    """Cells of the rows of the table below a heading."""
    section = PAGE.split(f'\n## {heading}\n', 1)[1].split('\n## ', 1)[0]
    lines = [line for line in section.splitlines() if line.startswith('| ')]
    return [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines[1:]]


FAULTS = rows('Faults, and the tests that inject them')


def functions_in(path):
    """Names of a module's functions and methods, each with its module and its class before it."""
    tree = ast.parse(path.read_text())
    nested = [(node.name, node.body) for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        f'{owner}.{node.name}'
        for owner, body in [(path.stem, tree.body), *nested]
        for node in body
        if isinstance(node, ast.FunctionDef)
    }


FUNCTIONS = {
    name
    for package in ('spike_depth_ros', 'training/spike_training')
    for path in (ROOT / package).rglob('*.py')
    for name in functions_in(path)
}


def test_the_table_has_enough_whole_rows():
    assert len(FAULTS) >= FEWEST
    for cells in FAULTS:
        assert len(cells) == 5, cells
        assert all(cells), cells
    assert len({fault for fault, *_ in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize('cells', FAULTS, ids=lambda cells: cells[0])
def test_the_handling_and_the_test_of_a_row_exist(cells):
    *_, handling, test = cells
    assert handling.strip('`') in FUNCTIONS, f'{handling}: expected `module_or_class.function`'
    named = re.fullmatch(r'`([\w/]+\.py)::(test_\w+)(?:\[[^`]*\])?`', test)
    assert named, 'expected one test as `path/of/file.py::test_name`'
    path, name = named.groups()
    assert (ROOT / path).is_file(), path
    assert f'{Path(path).stem}.{name}' in functions_in(ROOT / path), f'{path} has no {name}'
