# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of refusals themselves: a change of any kind fails, and each file has its test."""

import re
import sys
from pathlib import Path

import pytest

from kit import refusals as module
from kit.refusals import Refusals, leaving, refused

TESTS = Path(__file__).parent


class DoorError(ValueError):
    pass


def refuse(text, kind=DoorError):
    def call():
        raise kind(text)

    return call


def rows(folder, **changes):
    told = {
        'no file': f'{folder}/3/a.dat: is missing',
        'a number': f'{folder}/b.dat: rate is 1.25',
    }
    named = {'no file': 'a.dat', 'a number': 'rate'}
    told |= changes
    return {name: (named.get(name, ''), refuse(text)) for name, text in told.items() if text}


@pytest.fixture
def reviewed(tmp_path, monkeypatch):
    """A folder of errors with one door, and the folder of its test."""
    monkeypatch.setattr(module, 'ERRORS', tmp_path / 'errors')
    (tmp_path / 'errors').mkdir()
    folder = tmp_path / 'test'
    update = Refusals(folder, update=True)
    update('door', rows(folder), DoorError, {r'\d+\.\d+': 'N'})
    return folder


def check(folder, table, error=DoorError):
    Refusals(folder, update=False)('door', table, error, {r'\d+\.\d+': 'N'})


def test_paths_and_what_differs_between_machines_are_replaced(reviewed, tmp_path):
    assert (tmp_path / 'errors/door.txt').read_text() == (
        'no file: <folder>/a.dat: is missing\na number: <folder>/b.dat: rate is N\n'
    )
    check(reviewed, rows(reviewed, **{'no file': f'{reviewed}/77/a.dat: is missing'}))


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({'no file': '/a.dat: is gone'}, '+no file: /a.dat: is gone'),
        ({'no file': None}, '-no file: <folder>/a.dat: is missing'),
        ({'another': 'x'}, '+another: x'),
        ({'a number': 'it is 1.25'}, 'a number: rate is not named in: it is 1.25'),
        ({'a number': 'rate is\n1.25'}, 'a number: expected one line'),
    ],
)
def test_another_text_a_row_more_or_less_and_two_lines_fail(reviewed, changes, told):
    with pytest.raises(AssertionError) as caught:
        check(reviewed, rows(reviewed, **changes))
    assert told in str(caught.value)


def test_what_is_not_refused_or_by_another_error_fails(reviewed):
    with pytest.raises(AssertionError, match='no file: was not refused'):
        check(reviewed, rows(reviewed) | {'no file': ('a.dat', lambda: 'fine')})
    for kind in (ValueError, type('Other', (DoorError,), {})):
        with pytest.raises(AssertionError, match=rf'a number: {kind.__name__}: rate'):
            check(reviewed, rows(reviewed) | {'a number': ('rate', refuse('rate', kind))})


def test_of_several_errors_each_text_says_its_own(reviewed):
    table = rows(reviewed) | {'a number': ('rate', refuse('rate', KeyError))}
    with pytest.raises(AssertionError, match=r"\+a number: KeyError: 'rate'"):
        check(reviewed, table, (DoorError, KeyError))
    with pytest.raises(AssertionError, match=r'a number: KeyError'):
        check(reviewed, table, (DoorError, OSError))


def test_a_command_returns_its_line(reviewed):
    table = {'no file': ('a.dat', lambda: f'{reviewed}/a.dat: is missing')}
    table['a number'] = ('rate', lambda: f'{reviewed}/b.dat: rate is 7.5')
    check(reviewed, table, error=None)


def test_a_refused_command_tells_one_text_and_changes_nothing(tmp_path, capsys):
    (tmp_path / 'mine.txt').write_text('mine')

    def command(arguments):
        status, out, *written = arguments
        print('done', end='' if out else '\n', file=sys.stdout if out else sys.stderr)
        for name in written:
            (tmp_path / name).write_text('ours')
        return int(status)

    assert refused(capsys, command, 1, '', keeps=tmp_path) == 'done'
    for given in ((0, ''), (1, 'out'), (1, '', 'mine.txt'), (1, '', 'new.txt')):
        with pytest.raises(AssertionError):
            refused(capsys, command, *given, keeps=tmp_path)
    assert refused(capsys, command, 1, '', 'new.txt') == 'done'
    assert refused(capsys, lambda given: sys.exit(command([2, ''])), status=2) == 'done'


def test_a_folder_that_is_not_left_as_it_is_fails(tmp_path, reviewed):
    (tmp_path / 'link').symlink_to('errors')

    def spoil(change):
        def call():
            change()
            raise DoorError(f'{reviewed}/3/a.dat: is missing')

        return rows(reviewed) | {'no file': ('a.dat', leaving(tmp_path, call))}

    check(reviewed, spoil(lambda: None))
    with pytest.raises(AssertionError, match=r"written or removed: \['new'\]"):
        check(reviewed, spoil((tmp_path / 'new').mkdir))
    with pytest.raises(AssertionError, match=r"written or removed: \['link'\]"):
        check(reviewed, spoil((tmp_path / 'link').unlink))
    with pytest.raises(AssertionError, match=r"written or removed: \['one'\]"):
        check(reviewed, spoil(lambda: (tmp_path / 'one').write_text('')))
    with pytest.raises(AssertionError, match=r"written or removed: \['one'\]"):
        check(reviewed, spoil(lambda: (tmp_path / 'one').write_text('1')))


def test_each_file_of_errors_is_that_of_one_test():
    doors = sorted(path.stem for path in module.ERRORS.glob('*.txt'))
    texts = ''.join(
        path.read_text() for path in TESTS.rglob('test_*.py') if path != Path(__file__)
    )
    used = re.findall(r"\b(?:refusals|refused_here)\(\s*'(\w+)'", texts)
    assert 'checkpoint' in doors
    assert sorted(used) == doors
