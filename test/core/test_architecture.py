# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layout: folders of a dozen modules at most, and flows whose files call each other."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'architecture.md').read_text()
ROW = re.compile(r'^\| `([\w/]+\.py)` \| ((?:`\w+`(?:, )?)+) \|', re.MULTILINE)


def flows():
    """(heading, rows of file and functions) of each table that lists files in order."""
    for part in PAGE.split('\n## ')[1:]:
        rows = [(name, re.findall(r'`(\w+)`', functions)) for name, functions in ROW.findall(part)]
        if rows:
            yield part.splitlines()[0], rows


FLOWS = dict(flows())


def calls(path, functions):
    """Whether a file calls one of the functions."""
    source = (ROOT / path).read_text()
    return any(re.search(rf'(?<!def )(?<!\w){name}\(', source) for name in functions)


@pytest.mark.parametrize('heading', ['From a topic to a depth image', 'From a config to a loss'])
def test_a_flow_is_at_most_nine_files(heading):
    assert 1 < len(FLOWS[heading]) <= 9


@pytest.mark.parametrize('heading', FLOWS)
def test_each_file_is_listed_once_and_defines_its_functions(heading):
    paths = [path for path, _ in FLOWS[heading]]
    assert len(set(paths)) == len(paths)
    for path, functions in FLOWS[heading]:
        source = (ROOT / path).read_text()
        for name in functions:
            assert re.search(rf'^ *(def|class) {name}\b', source, re.MULTILINE), (path, name)


@pytest.mark.parametrize('heading', FLOWS)
def test_each_file_is_called_from_above_or_calls_what_is_above(heading):
    rows = FLOWS[heading]
    for number, (path, functions) in enumerate(rows):
        above = rows[:number]
        pushed = any(calls(earlier, functions) for earlier, _ in above)
        pulled = any(calls(path, names) for _, names in above)
        # What nodes/topic_inputs.py connects: the reader hands packets to the ingest.
        wired = number == 1 and calls('spike_depth_ros/nodes/topic_inputs.py', functions)
        first = number == 0
        assert first or pushed or pulled or wired, f'{path} follows from nothing above it'


LISTS_OF_EQUALS = (
    'spike_depth_ros/nodes',
    'training/spike_training/commands',
    'training/spike_training/datasets/readers',
)
"""Folders whose modules are variants of one thing."""


@pytest.mark.parametrize('package', ['spike_depth_ros', 'training/spike_training'])
def test_at_most_a_dozen_modules_lie_beside_each_other(package):
    modules = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob('*.py')
        if path.name != '__init__.py'
    )
    assert len(modules) > 5
    large = {folder: number for folder, number in modules.items() if number > 12}
    assert not large.keys() - set(LISTS_OF_EQUALS), large
