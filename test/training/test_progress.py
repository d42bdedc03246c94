# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0

import io
import sys

import pytest

from spike_training.progress import tracked


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize('stream', [Terminal, io.StringIO])
def test_items_are_counted_on_terminals_alone(monkeypatch, stream):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(sys, 'stderr', stream())
    assert list(tracked('abc', 'letters', 3)) == ['a', 'b', 'c']
    text = sys.stderr.getvalue()
    assert ('letters' in text and '3/3' in text) == (stream is Terminal)


def test_a_bar_ends_with_a_reader_that_stops(monkeypatch):
    monkeypatch.setattr(sys, 'stderr', Terminal())
    letters = tracked('abc', 'letters', 3)
    assert next(letters) == 'a'
    letters.close()
    assert list(tracked('abc', 'letters', 3)) == ['a', 'b', 'c']
