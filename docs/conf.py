# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Site of the documentation, built by Sphinx: ``make docs``.

The pages are plain Markdown that is read in the repository, too. So what only a site has is added
as they are read: the sidebar, and names in place of links to files beside ``docs/``. A link that
leads nowhere, and an image without a text, are warnings, which end the build.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = 'spike_depth_ros'
author = copyright = 'the spike_depth_ros authors'
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
source_suffix = {'.md': 'markdown'}
myst_heading_anchors = 4
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
napoleon_use_ivar = True
html_theme = 'furo' if importlib.util.find_spec('furo') else 'alabaster'
html_title = project
html_copy_source = False
html_show_sphinx = False

# Pages that say where another one went.
exclude_patterns = [
    path.name for path in DOCS.glob('*.md') if path.read_text('utf-8').startswith('# Moved\n')
]

SIDEBAR = {
    'Start': 'start',
    'Tasks': 'tasks',
    'Reference': 'reference',
    'Method': 'method',
    'Evidence': 'evidence',
    'Develop': 'develop',
}
"""Headings of the sidebar, and the folders of their pages."""

FIRST = (
    *('install', 'first_hour', 'connect_camera', 'metres', 'view', 'record', 'evaluate', 'robot'),
    *('two_cameras', 'frames', 'adapt', 'train_on_my_data', 'label_video', 'simulate', 'video'),
    *('topics', 'parameters', 'commands', 'wire_format', 'model_card'),
)
"""Pages that come first in their part of the sidebar; the others follow by name."""

LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)')

log = logging.getLogger(__name__)


def read_page(app: Sphinx, name: str, content: list[str]) -> None:
    """Change the text of a page before it is parsed: the content's only item."""
    folder = (DOCS / name).parent

    def replace(link: re.Match[str]) -> str:
        image, text, target, _ = link.groups()
        if image and not text:
            log.warning('%s: image %s has no text', name, target)
        if '://' in target:
            return link[0]
        path = (folder / target).resolve()
        if not path.exists():
            log.warning('%s: link to %s, which is not there', name, target)
        if path.is_relative_to(DOCS) and path.suffix in ('.md', '.png', '.csv'):
            return link[0]
        file = f'`{path.relative_to(ROOT)}`'
        return file if text.strip('`') in (file.strip('`'), path.name) else f'{text} ({file})'

    content[0] = LINK.sub(replace, content[0])
    if name == 'index':
        content[0] += ''.join(map(sidebar, SIDEBAR))


def sidebar(heading: str) -> str:
    """Return the table of contents of a part, as MyST writes it."""
    names = sorted(path.stem for path in (DOCS / SIDEBAR[heading]).glob('*.md'))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    pages = '\n'.join(f'{SIDEBAR[heading]}/{name}' for name in names)
    return f'\n\n```{{toctree}}\n:caption: {heading}\n:hidden:\n\n{pages}\n```\n'


def setup(app: Sphinx) -> None:
    """Connect what the site adds to pages."""
    app.connect('source-read', read_page)
