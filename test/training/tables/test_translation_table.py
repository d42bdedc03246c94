# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows whose pictures of the target get another look before a network of RGB sees them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks import discriminators, looks
from kit.clips import Sliding, write_folder
from spike_training.commands.table import table
from spike_training.errors import ConfigError
from spike_training.tables.plan import load_table
from spike_training.tables.units import units_of

pytestmark = pytest.mark.usefixtures('one_thread', 'few_adabn_batches')
BASE = {
    'stages': [{'name': 'teacher', 'kind': 'pretrain', 'input': 'rgb'}],
    'model': {
        'settings': {
            'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'blocks': 1,
            'features': 8, 'head': 4,
        },
    },
    'data': {'styles': ['indoor'], 'height': 32, 'width': 48, 'planes': [64]},
    'target': {'planes': [64]},
    'train': {
        'steps': 2, 'batch_size': 2, 'warmup_steps': 1, 'validate_every': 0, 'picture_every': 0,
        'log_every': 1, 'tensorboard': False,
    },
    'evaluate': {'scenes': 2, 'baseline_scenes': 2, 'calibration_scenes': 2, 'batch_size': 2},
    'device': 'cpu',
    'threads': 1,
}  # fmt: skip
SIZES = {'settings': {'width': 4, 'blocks': 1}}
TABLE = {
    'base': 'base.yaml',
    'seeds': [0],
    'reference': 'plain',
    'stages': {
        'look': {'kind': 'translate.cycle', 'gan': {'width': 4, 'layers': 1}, **SIZES},
        'spikes': {'like': 'teacher', 'input': 'spikes'},
        'aligned': {'kind': 'align.sequence', 'init_from': 'teacher'},
    },
    'rows': [
        {'name': 'plain', 'stage': 'teacher'},
        {'name': 'sfa', 'stage': 'aligned'},
        {'name': 'ctn', 'stage': 'teacher', 'translate': 'look'},
        {'name': 'matched', 'stage': 'teacher', 'translate': 'moments'},
        {'name': 'true_look', 'stage': 'teacher', 'translate': 'true_look'},
        {'name': 'both', 'stage': 'teacher', 'translate': 'look', 'adabn': True},
        {'name': 'spikes', 'stage': 'spikes'},
    ],
    'claims': [
        {'row': 'ctn', 'below': ['plain', 'true_look']},
        {'row': 'ctn', 'above': ['matched'], 'metric': 'psnr'},
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


def test_each_row_is_scored_by_its_look(trained):
    results = json.loads((trained[1] / 'results.json').read_text())['rows']
    found = {name: row['0']['metrics'] for name, row in results.items()}
    errors = {found[name]['abs_rel'] for name in ('plain', 'ctn', 'matched', 'true_look')}
    assert len(errors) == 4
    for name in ('ctn', 'matched', 'both'):
        assert 0 < found[name]['edge_f1'] <= 1
        assert found[name]['psnr'] > 5
    assert 'psnr' not in found['plain'].keys() | found['true_look'].keys()
    hashes = [row['0']['settings'] for row in results.values()]
    assert len({*hashes}) == len(hashes)


def test_the_translator_is_a_second_chain(trained):
    rows = {row.settings.name: row for row in load_table(trained[0]).rows}
    cache = trained[1] / 'stages'
    scored = units_of(rows['ctn'], 0, cache)
    assert [unit.stage.name for unit in scored.needs] == ['look', 'teacher']
    assert scored.training.stage.name == 'teacher'
    assert scored.second.stage.name == 'look'
    assert [unit.stage.name for unit in units_of(rows['matched'], 0, cache).needs] == ['teacher']


def test_looks_are_drawn(trained, tmp_path, capsys):
    path, out = trained
    picture = tmp_path / 'looks.png'
    options = ['--table', str(path), '--cache', str(out / 'stages'), '--out', str(picture)]
    assert looks.main([*options, '--scenes', '2']) == 0
    with Image.open(picture) as image:
        drawn = np.asarray(image.convert('RGB')).astype(int)
    cells = np.array_split(drawn, 8, axis=1)
    assert len({one.tobytes() for one in cells}) == 8
    red = torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 2, 2)
    assert (looks.as_picture(red) == [255, 0, 0]).all()
    grey, colours = (np.ptp(one[-32:, 14:40], axis=2).mean() for one in (cells[0], cells[3]))
    assert grey < colours
    for wrong, told in (
        ({'--row': 'plain'}, 'row plain: expected one with a translator, ctn, both'),
        ({'--seed': '7'}, 'not trained, run run.py table --rows ctn'),
        ({'--scenes': '0'}, '--scenes 0: expected 1 or more'),
        ({'--out': 'looks.txt'}, '--out looks.txt: expected a .png file'),
        ({'--out': str(tmp_path / 'none' / 'looks.png')}, 'it cannot be written'),
        ({'--table': str(tmp_path / 'none.yaml')}, 'none.yaml'),
    ):
        with pytest.raises(SystemExit, match='2'):
            looks.main([*options, *(part for pair in wrong.items() for part in pair)])
        error = capsys.readouterr().err
        assert error.count('error: ') == 1
        assert told in error


def test_scores_of_looks_are_told(trained, capsys):
    path, out = trained
    options = ['--table', str(path), '--cache', str(out / 'stages'), '--scores']
    assert looks.main([*options, '--scenes', '2']) == 0
    rows = [line.strip('| ').split(' | ') for line in capsys.readouterr().out.splitlines()[2:]]
    edges = {row[0]: float(row[-1]) for row in rows}
    names = ['as they are', '`moments`', '`histogram`', '`look`', 'shifted by 4 pixels']
    assert [*edges] == [*names, "another scene's"]
    assert edges['as they are'] == 1
    assert edges["another scene's"] < edges['shifted by 4 pixels'] < 1
    with pytest.raises(SystemExit, match='2'):  # whose next scene would be itself
        looks.main([*options, '--scenes', '3'])
    assert '--scenes 3 with --scores: expected one that has a' in capsys.readouterr().err


def test_discriminators_are_told_at_their_end_and_alone(trained, capsys):
    path, out = trained
    options = ['--table', str(path), '--cache', str(out / 'stages')]
    (scalars,) = (out / 'stages').glob('look_0_*/look/scalars.jsonl')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    source = np.mean([row['train/source_accuracy'] for row in rows if 'train/loss' in row][-5:])
    assert discriminators.main(options) == 0
    assert f'look: accuracy source {source:.3f}, target 0.' in capsys.readouterr().out
    assert discriminators.main([*options, '--alone', '1', '--stages', 'look']) == 0
    printed = capsys.readouterr().out
    assert printed.count('look: accuracy source ') == 1
    assert 'look 1/1 train: ' in printed
    (unit,) = discriminators.adversarial_units(path, 0, out / 'stages', ['look'])
    longer = dataclasses.replace(unit.config.train, log_every=20)
    unit = dataclasses.replace(unit, config=dataclasses.replace(unit.config, train=longer))
    weak = discriminators.alone(unit, 7, out)
    assert (weak.stage.look_weight, weak.stage.steps) == (0, 7)
    assert (weak.config.train.min_lr_ratio, weak.config.train.log_every) == (1, 7)
    (out / 'look').mkdir()
    (out / 'look' / 'scalars.jsonl').write_text('')
    with pytest.raises(ConfigError, match='it has no records: expected log_every steps or more'):
        discriminators.accuracies(weak)
    rows = [
        {'step': step, 'train/loss': 1.0, 'train/changed': 0.1 * step, 'train/identity': 0.5}
        for step in (1, 2)
    ]
    (out / 'look' / 'scalars.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    told = 'source 0.1500 (most 0.20, step 2), target 0.5000 (most 0.50, step 1)'
    assert discriminators.changes(weak) == told
    assert discriminators.main([*options, '--seed', '7']) == 0
    assert 'look: not trained' in capsys.readouterr().out
    for wrong, told in (
        (('--alone', '-1'), '--alone -1: expected 0 or more steps'),
        (('--stages', 'teacher'), 'stages teacher: expected some of aligned, look'),
    ):
        with pytest.raises(SystemExit, match='2'):
            discriminators.main([*options, *wrong])
        assert told in capsys.readouterr().err


def test_a_row_without_a_stage_has_no_discriminators(tmp_path):
    path = write(tmp_path, rows=[*TABLE['rows'], {'name': 'median'}])
    found = discriminators.adversarial_units(path, 0, tmp_path, [])
    assert [unit.stage.name for unit in found] == ['aligned', 'look']


def test_looks_have_a_section_and_claims(trained):
    text = (trained[1] / 'table.md').read_text()
    section = text.split("## Pictures of the target in the source's look")[1].split('##')[0]
    lines = [line.split(' | ')[0] for line in section.strip().splitlines()[2:]]
    assert lines == ['| ctn', '| matched', '| both']
    assert 'ctn above matched (PSNR of pictures, dB)' in text
    assert 'ctn below the best of plain, true_look (AbsRel, target)' in text


def test_recordings_have_one_look_and_scores_of_depth_alone(trained, tmp_path):
    write_folder(tmp_path / 'clip', Sliding(60))
    target = {'planes': [64], 'recordings': {'folder': f'{tmp_path / "clip"},frame_hz=100'}}
    rows = [row for row in TABLE['rows'] if row['name'] in ('plain', 'ctn', 'matched')]
    path = write(tmp_path, override={'target': target}, rows=rows, claims=[])
    cache = shutil.copytree(trained[1] / 'stages', tmp_path / 'stages')  # has the teacher
    table(path, tmp_path / 'out', cache=cache)
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())['rows']
    for name in ('ctn', 'matched'):
        assert results[name]['0']['metrics']['abs_rel'] > 0
        assert results[name]['0']['metrics'].get('psnr') is None
    options = ['--table', str(path), '--cache', str(cache)]
    with pytest.raises(SystemExit, match='2'):
        looks.main([*options, '--out', str(tmp_path / 'looks.png')])


def row(name='plain', stage='teacher', **settings):
    return {'rows': [{'name': name, 'stage': stage, **settings}]}


def claim(row='plain', **settings):
    return {'claims': [{'row': row, **settings}]}


SOME = [row for row in TABLE['rows'] if row['name'] in ('plain', 'ctn', 'matched')]
RECORDED = {'target': {'recordings': {'folder': 'x,frame_hz=100'}}}
WRONG = {
    'the true look beside others': (
        "rows[0].translate is 'true_look' beside adabn, post_process: expected it alone",
        row(translate='true_look', adabn=True, post_process=True),
    ),
    'a network of spikes': ("translate is 'moments'", row(stage='spikes', translate='moments')),
    'no translator': ("rows[0].translate is 'aligned'", row(translate='aligned')),
    'near a translator': ("translate is 'lok'", row(translate='lok')),
    'a baseline': ('translate', row(stage=None, translate='look')),
    'a translator alone': ('rows are of the task', row(stage='look')),
    'no target': ('expected a target, whose pictures are translated',
        {'override': {'target': None}, **row(translate='true_look')}),
    'pictures of a row without': ("metric is 'psnr'", claim(above=['matched'], metric='psnr')),
    'higher is better': ('below is given', claim('ctn', below=['matched'], metric='psnr')),
    'the source': ("claims[0].domain is 'source'", claim(below=['ctn'], domain='source')),
    'a metric of a baseline': (
        "metric is 'scale_error'",
        {
            'rows': [*TABLE['rows'], {'name': 'median'}],
            **claim(below=['median'], metric='scale_error'),
        },
    ),
    'pictures of recordings': ("metric is 'psnr'",
        {'override': RECORDED, 'rows': SOME, **claim('ctn', above=['matched'], metric='psnr')}),
    'a stage named as a look': ('stages.moments: expected another name',
        {'stages': TABLE['stages'] | {'moments': TABLE['stages']['look']}}),
}  # fmt: skip


def test_what_cannot_be_is_told(tmp_path, table_problems, refusals):
    rows = {
        name: (named, lambda changes=changes: table_problems(
            write(tmp_path, **{'claims': [], **changes})))
        for name, (named, changes) in WRONG.items()
    }  # fmt: skip
    refusals('table_translation', rows, None)
