# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of networks of spikes and a frame: trained, scored by condition, and printed."""

import functools
import json

import pytest
import torch
import yaml

from spike_depth_ros.checkpoint import load
from spike_depth_ros.tasks.fused import FusedInfo
from spike_training.commands.table import table
from spike_training.evaluation.mean_depth import MeanDepth
from spike_training.evaluation.predictors import build_for_evaluation, predict
from spike_training.sampling.frames import CONDITIONS
from spike_training.sampling.procedural import ProceduralSource
from spike_training.tables.plan import load_table
from spike_training.tables.units import units_of
from spike_training.tables.work import in_order

pytestmark = pytest.mark.usefixtures('one_thread')
BASE = {
    'method': 'fuse',
    'stages': [{'name': 'both', 'kind': 'fuse'}],
    'model': {
        'architecture': 'fuse_lite',
        'bins': 9,
        'settings': {
            'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8, 'heads': 2,
        },
    },
    'data': {'styles': ['road'], 'height': 32, 'width': 48, 'planes': [64]},
    'train': {
        'steps': 2, 'batch_size': 2, 'warmup_steps': 1, 'validate_every': 0, 'picture_every': 0,
        'log_every': 1, 'tensorboard': False,
    },
    'evaluate': {'scenes': 2, 'baseline_scenes': 2, 'calibration_scenes': 2, 'batch_size': 2},
    'device': 'cpu',
    'threads': 1,
}  # fmt: skip
TABLE = {
    'base': 'base.yaml',
    'seeds': [0],
    'reference': 'both',
    'paper': {'file': 'fuse', 'tables': ['1']},
    'stages': {
        'spikes': {'like': 'both', 'dropped': 0.0, 'settings': {'uses': 'spikes'}},
        'frame': {'like': 'both', 'dropped': 0.0, 'settings': {'uses': 'frame'}},
        'more': {'like': 'frame', 'init_from': 'frame'},
        'depth': {'kind': 'bicross.pretrain', 'steps': 2},
    },
    'rows': [
        {'name': 'both', 'stage': 'both', 'paper': 'FUSE'},
        {'name': 'spikes', 'stage': 'spikes', 'about': 'spikes alone'},
        {'name': 'mean', 'stage': 'spikes', 'mean_with': 'frame'},
    ],
    'claims': [
        {'row': 'both', 'below': ['spikes', 'mean'], 'metric': 'scaled_abs_rel_dark', 'by': 9.0},
    ],
}


def write(folder, **settings):
    (folder / 'base.yaml').write_text(yaml.safe_dump(BASE))
    path = folder / 'table.yaml'
    path.write_text(yaml.safe_dump(TABLE | settings))
    return path


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The table and its output."""
    folder = tmp_path_factory.mktemp('table')
    path = write(folder)
    table(path, folder / 'out')
    return path, folder / 'out'


def cells(text, section, row):
    """Return the cells of a row below some text of table.md, by the titles of their columns."""
    lines = text.partition(section)[2].strip().splitlines()
    header = next(line for line in lines if line.startswith('| row |'))
    line = next(line for line in lines if line.startswith(f'| {row} |'))
    split = [[cell.strip() for cell in one.strip('|').split('|')] for one in (header, line)]
    return dict(zip(*split, strict=True))


def units(path, name, cache):
    row = next(row for row in load_table(path).rows if row.settings.name == name)
    return units_of(row, 0, cache)


def test_a_row_has_a_column_of_each_condition(trained):
    text = (trained[1] / 'table.md').read_text()
    assert text.startswith('# table: AbsRel by condition of spikes and frame, base.yaml\n')
    metrics = json.loads((trained[1] / 'table.json').read_text())['rows'][1]['metrics']
    titles = [condition.replace('_', ' ') for condition in CONDITIONS]
    for section, prefix in (('not the metrics.', 'scaled_'), ('in metres', '')):
        found = cells(text, section, 'spikes')
        assert [*found] == ['row', 'seeds', *titles]
        for condition, title in zip(CONDITIONS, titles, strict=True):
            assert found[title] == f'{metrics[f"{prefix}abs_rel_{condition}"]["mean"]:.3f}'
    section = 'Differences to `both`:'
    assert cells(text, section, 'both')['clean'] == '-'
    own = metrics['scaled_abs_rel_dark']['difference']['mean']
    assert cells(text, section, 'spikes')['dark'] == f'{own:+.3f}'
    assert '| spikes | spikes alone | spikes (2) | 2 |' in text
    assert cells(text, '## Paper', 'both')['AbsRel'] == '0.196'


def test_claims_and_results_are_by_condition(trained):
    text = (trained[1] / 'table.md').read_text()
    best = 'both below the best of spikes, mean by 9 or more (scaled AbsRel, dark): undecided'
    assert best in text
    results = json.loads((trained[1] / 'results.json').read_text())['rows']
    names = [f'{prefix}abs_rel_{one}' for prefix in ('', 'scaled_') for one in CONDITIONS]
    assert [*results['both']['0']['metrics']] == names
    spent = [results[name]['0']['core_seconds'] for name in ('spikes', 'mean')]
    assert spent[0] < spent[1]


def test_a_mean_is_of_two_trainings(trained, tmp_path):
    path, out = trained
    mean, spikes = (units(path, one, out / 'stages') for one in ('mean', 'spikes'))
    assert [unit.stage.name for unit in mean.needs] == ['frame', 'spikes']
    assert [unit.describe() for unit in in_order([mean])][-1].endswith('spikes + mean with frame')
    assert mean.training == spikes.training
    assert mean.folder != spikes.folder
    text = (out / 'table.md').read_text()
    assert '| frame (2) > spikes (2) + mean with frame | 4 |' in text
    longer = [*TABLE['rows'], {'name': 'longer', 'stage': 'spikes', 'mean_with': 'more'}]
    needs = units(write(tmp_path, rows=longer), 'longer', out / 'stages').needs
    assert [unit.stage.name for unit in needs] == ['frame', 'more', 'spikes']


def test_only_a_row_with_a_mean_has_another_hash(trained, tmp_path):
    path, out = trained
    before = units(path, 'mean', out / 'stages')
    assert before.settings_hash != units(path, 'spikes', out / 'stages').settings_hash
    frame = {**TABLE['stages']['frame'], 'steps': 3}
    other = write(tmp_path, stages={**TABLE['stages'], 'frame': frame})
    assert units(other, 'mean', out / 'stages').folder != before.folder
    spikes = [units(one, 'spikes', out / 'stages') for one in (path, other)]
    assert spikes[0].folder == spikes[1].folder
    assert 'mean_with' not in (spikes[0].folder / 'config.yaml').read_text()


def test_depth_is_the_mean_of_logarithms(trained):
    path, out = trained
    scoring = units(path, 'mean', out / 'stages')
    first, second = (
        build_for_evaluation(*load(unit.checkpoint, FusedInfo), torch.device('cpu'))
        for unit in (scoring.training, scoring.second)
    )
    torch.nn.init.constant_(second.depth_head.conv3.bias, 1.0)
    batch = ProceduralSource(
        seed=3, height=32, width=48, planes=(64,), bins=9, with_frame=True, condition='clean'
    ).batch(0, 2)
    one, other, mean = (predict(net, batch, 'spikes') for net in (
        first, second, MeanDepth(first, second)))  # fmt: skip
    torch.testing.assert_close(mean.depth, (one.depth * other.depth).sqrt())
    torch.testing.assert_close(mean.uncertainty, (one.uncertainty + other.uncertainty) / 2)
    assert (one.depth / other.depth).log().abs().min() > 0.01
    # Alone where the other one has nothing to see.
    batch.frame[0], batch.has_spikes[1] = torch.nan, False
    one, other, mean = (predict(net, batch, 'spikes') for net in (
        first, second, MeanDepth(first, second)))  # fmt: skip
    for name in ('depth', 'uncertainty'):
        alone = torch.stack([getattr(one, name)[0], getattr(other, name)[1]])
        torch.testing.assert_close(getattr(mean, name), alone)
    mean = MeanDepth(first, second)(batch.counts, batch.planes_per_bin)
    torch.testing.assert_close(mean.depth, first(batch.counts, batch.planes_per_bin).depth)


def test_a_mean_is_scored_as_such(trained):
    found = json.loads((trained[1] / 'table.json').read_text())
    by_name = {row['name']: row for row in found['rows']}
    assert by_name['mean']['mean_with'] == 'frame'
    assert by_name['spikes']['mean_with'] is None
    name = 'abs_rel_clean'
    mean, spikes = (by_name[row]['metrics'][name]['mean'] for row in ('mean', 'spikes'))
    assert mean != spikes
    # What damages the frame changes the mean alone.
    clean, dark = (
        {row: by_name[row]['metrics'][f'abs_rel_{one}']['mean'] for row in ('mean', 'spikes')}
        for one in ('clean', 'dark')
    )
    assert clean['spikes'] == dark['spikes']
    assert clean['mean'] != dark['mean']


WRONG_ROWS = {
    'a mean with no stage': ('mean_with is', {'stage': 'both', 'mean_with': 'spike'}),
    'a mean with itself': ('mean_with is', {'stage': 'both', 'mean_with': 'both'}),
    'a mean with one built on it': ('mean_with is', {'stage': 'frame', 'mean_with': 'more'}),
    'a mean with depth': ('mean_with is', {'stage': 'both', 'mean_with': 'depth'}),
    'a mean without a stage': ('mean_with', {'mean_with': 'both'}),
    'adabn': ('rows[3].adabn is true', {'stage': 'both', 'adabn': True}),
    'post_process': ('rows[3].post_process is true', {'stage': 'both', 'post_process': True}),
}  # fmt: skip


def test_settings_that_such_tables_do_not_have(tmp_path, table_problems, refusals):
    def told(**settings):
        return table_problems(write(tmp_path, **settings))

    rows = {
        name: (named, functools.partial(told, rows=[*TABLE['rows'], {'name': 'wrong', **row}]))
        for name, (named, row) in WRONG_ROWS.items()
    }
    depth = [
        {'name': 'a', 'stage': 'depth'},
        {'name': 'b', 'stage': 'depth', 'mean_with': 'again'},
    ]
    stages = {**TABLE['stages'], 'again': {'like': 'depth', 'steps': 3}}
    rows['a mean of depth'] = (
        "rows[1].mean_with is 'again'",
        functools.partial(told, rows=depth, stages=stages, reference='a', claims=[], paper=None),
    )
    refusals('table_fused', rows, None)
