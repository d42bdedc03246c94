# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What README and first hour print works as printed, and what pages point to is there."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]


def test_the_library_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    depth = names['prediction'].depth
    assert depth.shape == (250, 400)
    assert (depth > 0).all()
    assert (tmp_path / 'depth.png').is_file()


def test_the_table_of_commands_has_all_of_them():
    page = (ROOT / 'docs' / 'reference' / 'commands.md').read_text()
    scripts = re.findall(r"'(\w+) = spike_depth_ros\.", (ROOT / 'setup.py').read_text())
    training = (ROOT / 'training' / 'run.py').read_text()
    (listed,) = re.findall(r'^COMMANDS\b[^{]*\{(.*?)^\}', training, re.DOTALL | re.MULTILINE)
    subcommands = re.findall(r"^    '(\w+)':", listed, re.MULTILINE)
    launches = [path.name for path in (ROOT / 'launch').glob('*.launch.py')]
    assert min(len(scripts), len(subcommands), len(launches)) > 4
    assert [name for name in [*scripts, *subcommands, *launches] if f'`{name}`' not in page] == []


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', page.read_text()):
        if '://' not in target:
            assert (page.parent / target).exists(), target


def test_the_sizes_of_the_first_hour_are_those_of_its_planes(tmp_path, monkeypatch):
    """What a short recording takes for each plane and window gives what 5 s of them take."""
    pytest.importorskip('rosbags')
    from spike_depth_ros.tools.convert.command import main as spike_convert
    from spike_depth_ros.tools.evaluate import run
    from spike_depth_ros.tools.evaluate.command import main as evaluate_bag

    monkeypatch.setattr(run, 'render', lambda stream, runs: '')  # of the bag alone
    page = (ROOT / 'docs' / 'start' / 'first_hour.md').read_text()
    planes, window, seconds = 1280, 128, int(re.search(r'spike_record .*--seconds (\d+)', page)[1])
    raw, bag, scores = (tmp_path / name for name in ('my.dat', 'my_bag', 'scores'))
    np.random.default_rng(0).integers(0, 256, (planes, 250, 50), np.uint8).tofile(raw)
    given = ['--size', '400x250', '--rate', '20000']
    assert spike_convert([str(raw), *given, '--out', str(bag)]) == 0
    assert evaluate_bag([str(bag), '--out', str(scores), '--write-bag', 'mcap']) == 0
    per_plane = size_of(bag) / planes
    per_window = (size_of(scores / 'bag') - size_of(bag)) / (planes // window)
    whole = 20_000 * seconds
    expected = {
        'spike_record': whole * per_plane,
        'spike_convert': whole * 250 * 50,
        'evaluate_bag': whole * per_plane + whole // window * per_window,
    }
    for command, size in expected.items():
        line = rf'^{command} [^#\n]*my_bag[^#\n]*#.*?([\d.]+) GB'
        (told,) = re.findall(line, page, re.MULTILINE)
        assert float(told) == pytest.approx(size / 1e9, abs=0.05), command


def size_of(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def test_pages_that_code_names_are_there_and_have_not_moved():
    folders = ('spike_depth_ros', 'training', 'test', 'benchmarks', 'scripts', 'config', 'launch')
    files = [path for folder in folders for path in (ROOT / folder).rglob('*')]
    named = {
        page
        for path in (*files, ROOT / 'Makefile', ROOT / 'pyproject.toml', ROOT / 'setup.py')
        if path.suffix in ('.py', '.yaml', '.toml', '.txt', '.sh') or path.name == 'Makefile'
        # Their bytes decide whether an adaptation that was begun before goes on.
        if path.name not in ('adapt.yaml', 'adapt_photometric.yaml')
        for page in re.findall(r'\bdocs/[\w/]+\.(?:md|csv|png)', path.read_text())
    }
    assert len(named) > 20
    for page in named:
        assert (ROOT / page).is_file(), page
        assert page.endswith('g') or not (ROOT / page).read_text().startswith('# Moved'), page
