# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The notebook of the documentation runs, and its committed outputs are what it gives."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / 'docs' / 'notebooks' / 'first_look.ipynb'
MOST_BYTES = 600_000


def texts_and_pictures(notebook):
    """What each cell of code prints, and how many pictures it shows."""
    for cell in notebook['cells']:
        if cell['cell_type'] == 'code':
            outputs = cell['outputs']
            printed = ''.join(''.join(one['text']) for one in outputs if 'text' in one)
            yield printed, sum('image/png' in one.get('data', {}) for one in outputs)


def test_it_gives_what_is_committed(tmp_path):
    nbclient, nbformat = (pytest.importorskip(name) for name in ('nbclient', 'nbformat'))
    committed = json.loads(NOTEBOOK.read_text(encoding='utf-8'))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == 'code':
            cell.outputs = []
    nbclient.NotebookClient(
        notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    found, expected = (list(texts_and_pictures(one)) for one in (notebook, committed))
    assert found == expected
    assert [pictures for _, pictures in found] == [0, 0, 1, 1, 1, 0]


def test_it_is_small_and_names_no_machine():
    text = NOTEBOOK.read_text(encoding='utf-8')
    assert len(text) < MOST_BYTES
    metadata = json.loads(text)['metadata']
    assert metadata == {
        'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
        'language_info': {'name': 'python'},
    }
