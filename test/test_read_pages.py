# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The documentation keeps to its limits of words, and the counting of them is right."""

from pathlib import Path

import pytest

from scripts import read_pages

TEXT = """\
# A heading does not count

One sentence with `inline code here` and a [link](other.md). Another one is told.

| a table | does not |
|---|---|

- an item of three `a.b` words
- 12 more

```sh
a command that does not count
```

![A caption](../images/a.png)

*A caption of a picture.*

<!-- fields of a.b:C -->
| generated | not |

- An item of a generated list is read.
<!-- end of fields -->
After the command.
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Return a function that reads text as a page of the documentation."""
    monkeypatch.setattr(read_pages, 'ROOT', tmp_path)
    monkeypatch.setattr(read_pages, 'DOCS', tmp_path / 'docs')

    def read(text, name='docs/tasks/page'):
        path = tmp_path / f'{name}.md'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return read_pages.read_page(path)

    return read


def test_words_of_sentences_count_and_nothing_else(page):
    read = page(TEXT)
    assert read.sentences == [
        'One sentence with CODE and a link.',
        'Another one is told.',
        'an item of three CODE words',
        '12 more',
        'An item of a generated list is read.',
        'After the command.',
    ]
    assert (read.words, read.mean, read.longest) == (30, 5.0, read.sentences[-2])
    assert read.before == 19
    assert read.stopping == {'told': 1}
    assert page(TEXT + '\nOne more.').all_words == read.all_words + 2
    for generated in (
        TEXT.replace('generated', 'a b c generated'),
        TEXT.replace('fields', 'rows'),
    ):
        assert page(generated).all_words == read.all_words


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('A word. ' * 451 + '\n\n```\nx\n```\n', '902 words'),
        ('word ' * 20 + '.\n' + 'No command.', 'None words before'),
        ('Word. ' * 61 + '\n\n```\nx\n```\n', '61 words before'),
        ('Run it:\n\n```\nx\n```\n' + ('word ' * 25 + '.\n\n') * 3, 'sentences of'),
        ('Run it:\n\n```\nx\n```\n' + 'Word ' * 31 + '.' + '\n\n- a' * 9, 'of 31 words'),
    ],
)
def test_limits_of_a_task(page, text, problem):
    assert [one for one in read_pages.problems(page(text)) if problem in one]
    elsewhere = [*read_pages.problems(page(text, 'docs/method/page'))]
    assert bool(elsewhere) == ('of' in problem)  # of sentences everywhere


def test_the_readme_has_a_limit(page):
    assert [*read_pages.problems(page('A word. ' * 451, 'README'))] == ['902 words, at most 900']


@pytest.mark.parametrize(
    'path', read_pages.pages(), ids=lambda path: str(Path(path).relative_to(read_pages.ROOT))
)
def test_pages_keep_to_their_limits(path):
    assert not [*read_pages.problems(read_pages.read_page(path))]
