# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the README prints works as printed, and what it points to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]


def test_the_library_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    depth = names['prediction'].depth
    assert depth.shape == (250, 400)
    assert (depth > 0).all()
    assert (tmp_path / 'depth.png').is_file()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', page.read_text()):
        if '://' not in target:
            assert (page.parent / target).exists(), target
