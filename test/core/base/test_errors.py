# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import pickle

import pytest

from spike_depth_ros.base.errors import (
    MAX_CHARACTERS,
    OneLineError,
    check_utf8,
    naming,
    one_line,
    printable,
)
from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.stream.decode import PacketError


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('as it is,  with two spaces', 'as it is,  with two spaces'),
        ('one\ntwo\r\nthree\x0bfour', 'one two three four'),
        ('\x1b[2J\x00\x7f', r'\x1b[2J\x00\x7f'),
        ('\ud800 é 💥', r'\ud800 é 💥'),
        ('', ''),
    ],
)
def test_a_message_is_one_printable_line(text, expected):
    assert printable(text) == str(OneLineError(text)) == expected


@pytest.mark.parametrize('character', ['x', '\x00', '\n'])
def test_a_long_message_keeps_its_beginning_and_end(character):
    text = printable(f'begin {character * 10**6} end')
    assert len(text) <= MAX_CHARACTERS
    assert text.startswith('begin ')
    assert text.endswith(' end')
    assert ' ... ' in text


def test_a_path_that_is_not_utf_8_is_refused():
    check_utf8('é 💥', '')
    with pytest.raises(OneLineError, match=r'^mine\\udce9: is not valid UTF-8: rename the file'):
        check_utf8('a', os.fsdecode(b'mine\xe9'))


def test_an_error_of_others_is_told_in_one_line():
    assert one_line(KeyError()) == 'KeyError'
    assert one_line(RuntimeError('a\n   b')) == 'a b'


@pytest.mark.parametrize('kind', [CheckpointError, PacketError])
def test_it_is_a_value_error_that_processes_exchange(kind):
    error = pickle.loads(pickle.dumps(kind('a\nb')))
    assert isinstance(error, ValueError)
    assert str(error) == 'a b'


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_a_full_disk_names_the_file(tmp_path):
    full = pytest.raises(OSError, match='No space left')
    with full as raised, naming(tmp_path / 'log'), open('/dev/full', 'w') as file:
        file.write('x')
    assert raised.value.filename == str(tmp_path / 'log')
    missing = tmp_path / 'missing'
    with pytest.raises(FileNotFoundError) as raised, naming(tmp_path / 'log'):
        missing.read_text()
    assert raised.value.filename == str(missing)
