# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shell commands that pages print in fences, and why some of them cannot run in a test."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / 'docs'

REASONS = ('ROS installation', 'GPU', 'data set', 'camera')
"""What a command may need that machines of tests have not."""

_FENCE = re.compile(r'^```(\S*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_LANGUAGES = ('sh', 'python', 'yaml', 'text')
_NEEDS = re.compile(r'^<!-- needs: ([^()]+?)(?: \((.+)\))? -->$')
_SET_UP = re.compile(r'(source|\.|cd|export|mkdir) ')


@dataclass(frozen=True)
class Command:
    """A command of a page, its lines joined, without its comment.

    Attributes:
        text: The command.
        needs: One of ``REASONS``; empty: a test runs it.
        sets_up: True if it only prepares the shell: source, cd, export, mkdir.
    """

    text: str
    needs: str
    sets_up: bool


def pages():
    """The pages whose commands are run."""
    return sorted(page for name in ('start', 'tasks') for page in (DOCS / name).glob('*.md'))


def fences_of(text):
    """Commands of each fence of a page, in their order.

    A line ``<!-- needs: REASON -->`` before a fence, which GitHub does not show, says why its
    commands cannot run; ``<!-- needs: REASON (START) -->``: those that begin with START.

    Args:
        text: Content of the page.
    """
    for found in _FENCE.finditer(text):
        language, body = found.groups()
        assert language in _LANGUAGES, f'a fence of no language: {body!r}'
        if language == 'sh':
            before = text[: found.start()].rstrip().splitlines()[-1:]
            yield list(_commands_of(body, before[0] if before else ''))


def _commands_of(body, before):
    needs, start = '', ''
    if before.startswith('<!-- needs:'):
        match = _NEEDS.match(before)
        assert match, before
        needs, start = match[1], match[2] or ''
        assert needs in REASONS, before
        assert re.search(rf'^{re.escape(start)}', body, re.MULTILINE), f'excuses none: {before}'
    for line in body.replace('\\\n', ' ').splitlines():
        text = re.sub(r'(^|\s+)#( .*)?$', '', line).strip()
        if text:
            reason = needs if text.startswith(start) else ''
            yield Command(text, reason, bool(_SET_UP.match(text)))


def all_commands():
    """The commands of all pages, but those that set a shell up."""
    fences = (fences_of(page.read_text(encoding='utf-8')) for page in pages())
    every = itertools.chain.from_iterable(itertools.chain.from_iterable(fences))
    return [command for command in every if not command.sets_up]
