# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Count the words and sentences of the documentation, and find what stops its readers.

    python -m scripts.read_pages [PAGE ...]

Prints of each page its words, the words before its first command, the mean and the longest of its
sentences, and the words that need a reason to stay. Tables, code, headings, captions and comments
do not count; a piece of inline code is one word. At last all words of docs/evidence/ and of other
pages with tables and code, but not what is generated, between ``<!-- fields of NAME -->`` and
``<!-- end of fields -->``. Exits with 1 if words or sentences exceed their limits.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'

STOPPING = (
    'told',
    'whole',
    'parted',
    'kept',
    'clean',
    'share',
    'shares',
    'eyes',
    'looks',
    'scaled',
)
"""Words over which readers stopped; some are right where they stand."""

LONGEST = 30
"""Words of a sentence at most."""

MEAN = 18.0
"""Words of a page's sentences in the mean, at most."""

TASK_WORDS, BEFORE_COMMAND = 900, 60
"""Words of a page of a task, and of those before its first command, at most."""

README_WORDS = 900
"""Words of the README at most."""

OUTSIDE, INSIDE = 27_000, 9_100
"""Words of all pages outside docs/evidence and inside, at most."""

_FENCE = re.compile(r'^ *(```|~~~).*?^ *\1[^\n]*$', re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r'<!-- (\w+) of .*?<!-- end of \1 -->', re.DOTALL)
_BETWEEN = re.compile(r'(?<=[.!?])["\')]*\s+(?=["\'(`*\[]*[A-Z0-9`-])')


class Page(NamedTuple):
    """What was counted on a page.

    Attributes:
        path: Its path.
        sentences: Its sentences, without marks.
        before: Words before the first command; None: there is no command.
        stopping: Words that need a reason to stay, and how often they stand there.
        all_words: Words with tables and code, without generated ones.
    """

    path: Path
    sentences: list[str]
    before: int | None
    stopping: Counter[str]
    all_words: int

    @property
    def words(self) -> int:
        """Number of words."""
        return sum(map(count, self.sentences))

    @property
    def mean(self) -> float:
        """Words of a sentence, in the mean; 0: there is none."""
        return self.words / len(self.sentences) if self.sentences else 0.0

    @property
    def longest(self) -> str:
        """Longest sentence."""
        return max(self.sentences, key=count, default='')


def count(text: str) -> int:
    """Count words: pieces between spaces that have a letter or a digit."""
    return sum(any(letter.isalnum() for letter in word) for word in text.split())


def prose(text: str) -> Iterator[str]:
    """Yield the paragraphs and items of lists of a page, without marks."""
    text = re.sub(r'<!--.*?-->', '', _FENCE.sub('\n', text), flags=re.DOTALL)
    text = re.sub(r'`[^`\n]+`', 'CODE', text)
    text = re.sub(r'!\[[^\]]*\]\([^)]*\)', '', text)
    text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', text)
    lines: list[str] = []
    for line in text.split('\n'):
        stripped = line.strip()
        is_item = re.match(r'([-*]|\d+\.) ', stripped)
        if not stripped or stripped.startswith(('#', '|', '<')) or is_item:
            yield ' '.join(lines)
            lines = []
        if is_item:
            lines.append(stripped[is_item.end() :])
        elif stripped and not stripped.startswith(('#', '|', '<')):
            lines.append(stripped)
    yield ' '.join(lines)


def read_page(path: Path) -> Page:
    """Count what is on a page."""
    text = path.read_text(encoding='utf-8')
    paragraphs = [
        part for part in prose(text) if part and not re.fullmatch(r'\*[^*].*[^*]\*', part)
    ]
    sentences = [one.replace('*', '') for part in paragraphs for one in _BETWEEN.split(part)]
    found = re.search(r'^ *```', text, re.MULTILINE)
    before = None if found is None else sum(map(count, prose(text[: found.start()])))
    words = Counter(re.findall(r'[a-z]+(?:-[a-z]+)*', ' '.join(sentences).lower()))
    stopping = Counter({word: words[word] for word in STOPPING if words[word]})
    counted = count(_GENERATED.sub('', text))
    return Page(path, [one for one in sentences if count(one)], before, stopping, counted)


def problems(page: Page) -> Iterator[str]:
    """Yield what exceeds the limits of a page."""
    if page.mean > MEAN:
        yield f'sentences of {page.mean:.1f} words, at most {MEAN:g}'
    if count(page.longest) > LONGEST:
        yield f'a sentence of {count(page.longest)} words: {page.longest}'
    if page.path == ROOT / 'README.md' and page.words > README_WORDS:
        yield f'{page.words} words, at most {README_WORDS}'
    if page.path.parent != DOCS / 'tasks':
        return
    if page.words > TASK_WORDS:
        yield f'{page.words} words, at most {TASK_WORDS}'
    if page.before is None or page.before > BEFORE_COMMAND:
        yield f'{page.before} words before a command, at most {BEFORE_COMMAND}'


def pages() -> list[Path]:
    """List README.md and the pages of the documentation, without those that have moved."""
    found = [
        path
        for path in sorted(DOCS.rglob('*.md'))
        if not path.read_text(encoding='utf-8').startswith('# Moved\n')
    ]
    return [ROOT / 'README.md', *found]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split('\n')[0])
    parser.add_argument('pages', nargs='*', type=Path, help='all by default')
    given = parser.parse_args(args).pages
    read = [read_page(path.resolve()) for path in given or pages()]
    failed = False
    for page in read:
        name = page.path.relative_to(ROOT)
        stopping = ', '.join(f'{word} {number}' for word, number in page.stopping.items())
        print(
            f'{name}: {page.words} words, {page.before} before a command, sentences of '
            f'{page.mean:.1f}, at most {count(page.longest)}{"; " * bool(stopping)}{stopping}'
        )
        for problem in problems(page):
            failed = True
            print(f'  {problem}')
    if not given:
        inside = sum(page.all_words for page in read if page.path.parent.name == 'evidence')
        outside = sum(page.all_words for page in read if page.path.is_relative_to(DOCS)) - inside
        stopping_words = sum(page.stopping.total() for page in read)
        print(
            f'docs outside evidence: {outside} words (at most {OUTSIDE}), evidence: {inside} (at '
            f'most {INSIDE}), words that stop readers: {stopping_words}'
        )
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
