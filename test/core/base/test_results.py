# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

import pytest

from spike_depth_ros.base.results import replace_results

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


@pytest.mark.parametrize('moved', [False, True])
@pytest.mark.parametrize('step', [1, 2, 3])
def test_an_interrupt_at_each_step_of_the_replacement_undoes_it(out, monkeypatch, step, moved):
    before, steps, replace = contents(out), [], Path.replace

    def interrupted(path, target):
        steps.append(path)
        if len(steps) == step and not moved:
            raise KeyboardInterrupt
        result = replace(path, target)
        if len(steps) == step:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Path, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_all(out)
    assert contents(out) == before


def replace_all(out):
    with replace_results(out, PATTERNS) as folder:
        (folder / 'a.json').write_text('new')
        (folder / 'b_new.csv').write_text('new')


LEAVES = """
import os, sys, time
from pathlib import Path
from spike_depth_ros.base.results import replace_results
with replace_results(Path(sys.argv[1]), ()) as folder:
    (folder / 'half').write_bytes(bytes(2_000_000))
    (folder / 'bag.earlier').mkdir()
    print(folder, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_makes_is_not(tmp_path, capsys):
    runs = [
        subprocess.Popen(
            [sys.executable, '-c', LEAVES, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    killed, living = (Path(run.stdout.readline().strip()) for run in runs)
    try:
        runs[0].kill()
        runs[0].wait()
        for name in ('.incomplete_mine', '.incomplete_recording_abcd1234'):  # no names of ours
            (tmp_path / name).mkdir()
        (tmp_path / '.incomplete_abcd1234').symlink_to(tmp_path / '.incomplete_mine')
        with replace_results(tmp_path, ()):
            assert not killed.exists()
            assert (living / 'half').stat().st_size == 2_000_000
        error = capsys.readouterr().err
        assert error == f'{killed}: removed, a killed run left it unfinished (2.0 MB)\n'
        assert {path.name for path in tmp_path.iterdir()} == {
            living.name,
            'bag',  # moved away, and not yet replaced
            '.incomplete_mine',
            '.incomplete_recording_abcd1234',
            '.incomplete_abcd1234',
        }
    finally:
        for run in runs:
            run.kill()
            run.wait()
