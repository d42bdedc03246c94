# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Steps of an adaptation: their order, and what an interrupted one kept."""

import pytest

from spike_training.adaptation.schedule import Schedule
from spike_training.adaptation.steps import File, Step, go_through

TEXT = File('twice', lambda path, one: (path.read_text(), one), lambda p, text: p.write_text(text))


def go(folder, *steps):
    return go_through(steps, folder, Schedule(folder, minutes=1))


def test_results_go_to_the_steps_that_need_them(tmp_path, capsys):
    parts = []
    found = go(
        tmp_path,
        Step('one', lambda: 1),
        Step('two', lambda one: one + 1, ('one',), shown='both'),
        Step('three', lambda two, one: two + one, ('two', 'one'), shown='both'),
        Step('four', lambda advance: parts.append(advance()), shown='parts', parts=2),
    )
    assert found == {'one': 1, 'two': 2, 'three': 3, 'four': None}
    told = [line.split(';')[0] for line in capsys.readouterr().out.splitlines()]
    assert told == [f'{tmp_path}: both', f'{tmp_path}: parts']
    assert parts == [None]


def test_nothing_is_done_if_a_need_comes_later(tmp_path):
    done = []
    with pytest.raises(AssertionError, match='late comes too early'):
        go(tmp_path, Step('one', lambda: done.append(1)), Step('late', int, ('more',)),
           Step('more', int))  # fmt: skip
    assert done == []


def test_a_result_is_computed_once_and_read_as_it_was_kept(tmp_path):
    computed = []

    def compute(one):
        computed.append(one)
        return f'{one}{one}'

    steps = Step('one', lambda: 1), Step('twice', compute, ('one',), file=TEXT)
    assert go(tmp_path, *steps)['twice'] == go(tmp_path, *steps)['twice'] == ('11', 1)
    assert computed == [1]


def test_no_result_is_not_kept(tmp_path):
    steps = Step('one', lambda: 1), Step('twice', lambda one: None, ('one',), file=TEXT)
    assert go(tmp_path, *steps)['twice'] is None
    assert not list(tmp_path.iterdir())


def test_what_lies_in_place_of_a_file_is_not_replaced(tmp_path):
    (tmp_path / 'twice').symlink_to(tmp_path / 'nothing')
    with pytest.raises(FileNotFoundError):
        go(tmp_path, Step('one', lambda: 1), Step('twice', str, ('one',), file=TEXT))
