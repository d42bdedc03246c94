# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors whose message is one printable line of bounded length, also for hostile input."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

MAX_CHARACTERS = 500
"""Characters of a message at most; of a longer one beginning and end are kept."""

_TAIL = 200

_NO_MEMORY = ("can't allocate memory", 'Insufficient memory', 'CUDA out of memory')


class OneLineError(ValueError):
    """Error whose message is one line, see :func:`printable`.

    Args:
        text: The message.
    """

    def __init__(self, text: str = '') -> None:
        super().__init__(printable(text))


def check_utf8(*texts: str) -> None:
    """Check that texts, such as paths, are valid UTF-8; OpenCV crashes at paths that are not.

    Raises:
        OneLineError: One is not.
    """
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise OneLineError(
                f'{text}: is not valid UTF-8: rename the file or its folder'
            ) from None


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse what is found in the place of a file and cannot be read as one: a pipe would wait.

    For files that programs find themselves, in folders; users may well name a pipe. A missing
    file, or a folder, passes: opening it is an error of its own.

    Raises:
        OneLineError: It is a pipe, a socket or a device, or a link to one.
    """
    if special_file(path):
        raise OneLineError(
            f'{os.fspath(path)}: is a pipe, a socket or a device; expected a file: remove it'
        )


def special_file(path: str | os.PathLike[str]) -> str:
    """Return what a path is that is neither file nor folder; empty: it is one, or is missing."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ''
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ''
    if stat.S_ISFIFO(mode):
        return 'a pipe'
    return 'a socket' if stat.S_ISSOCK(mode) else 'a device'


def check_link(out: str | os.PathLike[str]) -> None:
    """Refuse a link to nothing as the place of a result: it neither exists, nor is it free.

    Raises:
        OneLineError: It is one.
    """
    if os.path.islink(out) and not os.path.exists(out):
        raise OneLineError(
            f'{os.fspath(out)}: is a link to {os.readlink(out)}, which is missing: remove the '
            'link, or choose another place'
        )


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name a file in the errors of writing to it, which of a full disk name none."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = os.fspath(path)
        raise


def memory_problem(error: BaseException) -> str:
    """Return one line if an error is that of memory which is not there; empty: it is another."""
    text = '' if type(error) is MemoryError and not error.args else one_line(error)
    # numpy raises a MemoryError; OpenCV and torch others, with these words.
    if not (isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY)):
        return ''
    return f'not enough memory{text and f" ({text})"}: end other programs, or give a smaller input'


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line; the name of its class if it is empty."""
    return printable(' '.join(str(error).split())) or type(error).__name__


def printable(text: str) -> str:
    """Return a text as one line of at most :data:`MAX_CHARACTERS` printable characters.

    Line breaks become spaces, other unprintable characters their escapes.
    """
    text = shorten(text)
    if text.isprintable():
        return text
    parts = (
        part if part.isprintable() else _escaped(part) for part in ' '.join(text.splitlines())
    )
    return shorten(''.join(parts))


def shorten(text: str, most: int = MAX_CHARACTERS) -> str:
    """Leave out the middle of a text that is longer than ``most``, more than 205, characters."""
    if len(text) <= most:
        return text
    return f'{text[: most - _TAIL - 5]} ... {text[-_TAIL:]}'


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode('unicode_escape').decode()
