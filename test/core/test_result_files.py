# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from spike_depth_ros.result_files import replace_results

PATTERNS = ('a.json', 'b*.csv')


@pytest.fixture
def out(tmp_path):
    for name in ('a.json', 'b_old.csv', 'other.txt'):
        (tmp_path / name).write_text('old')
    return tmp_path


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_whole_results_replace_the_earlier_ones(out):
    with replace_results(out, PATTERNS) as folder:
        (folder / 'a.json').write_text('new')
        (folder / 'b_new.csv').write_text('new')
        assert (out / 'a.json').read_text() == 'old'
    assert contents(out) == {'a.json': 'new', 'b_new.csv': 'new', 'other.txt': 'old'}


def fail_half_way(out, kind):
    with replace_results(out, PATTERNS) as folder:
        (folder / 'a.json').write_text('ne')
        raise kind


@pytest.mark.parametrize('kind', [OSError, KeyboardInterrupt])
def test_after_an_error_the_earlier_results_stay(out, kind):
    before = contents(out)
    with pytest.raises(kind):
        fail_half_way(out, kind)
    assert contents(out) == before
