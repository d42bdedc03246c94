# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What papers print and what of it holds here: verdicts, page, results that are open or stale."""

import csv
import functools
import json
import os
import subprocess
import sys

import pytest
import yaml

from benchmarks import papers, papers_page
from benchmarks.papers_verdicts import MARKS, Reader, read_results
from kit.refusals import leaving
from spike_training.errors import ConfigError, TrainingError
from spike_training.evaluation.images import estimates
from spike_training.settings.config import RunConfig
from spike_training.tables.paper import FOLDER, Paper, PrintedRow, PrintedTable, read_paper

FACTS = {'config': 'a.yaml', 'seeds': [0, 1], 'hours': 2, 'images': 100, 'places': 5}
PLAN = {
    'verdicts': dict.fromkeys(MARKS, 'that'),
    'tables': {
        'a': {**FACTS, 'stand_in': 'scenes'},
        'few': {**FACTS, 'stand_in': 'scenes', 'images': 49},
    },
    'papers': {
        'p': {
            'I': {
                'against': 'Old',
                'rows': {'Old': 'a.old', 'New': 'a.new', 'Other': ['few.new', 'few.old']},
                'missing': 'their code',
            }
        }
    },
}
TABLE = PrintedTable('I', 'of them', ['abs_rel', 'delta1'], rows=[
    PrintedRow('Old', [0.3, 0.6]), PrintedRow('New', [0.2, 0.6]), PrintedRow('Other', [0.4, None]),
    PrintedRow('Theirs', [0.1, 0.9]),
])  # fmt: skip
PAPER = Paper('A et al.', 'A', 'On', 'a net', tables=[TABLE])


def seeds_of(*values, **more):
    return {
        str(seed): {'metrics': {'abs_rel': value, 'delta1': value}, 'commit': 'c',
                    'device': 'CPU, one', 'core_seconds': 1800.0, 'settings': 'x', **more}
        for seed, value in enumerate(values)
    }  # fmt: skip


def items(old=(0.5, 0.52), new=(0.4, 0.41), plan=PLAN, **more):
    rows = {'old': seeds_of(*old, **more), 'new': seeds_of(*new)}
    reader = Reader(plan, {'a': rows, 'few': rows})
    return {(one.row, one.column): one for one in reader.items('p', PAPER)}


class TestVerdicts:
    @pytest.mark.parametrize(
        ('new', 'verdict'),
        [
            ((0.4, 0.41), 'holds'),  # as printed: New is below Old
            ((0.6, 0.61), 'does not hold'),
            ((0.4, 0.6), 'undecided'),
            ((0.4,), 'open'),
        ],
    )
    def test_a_changed_result_changes_its_verdict(self, new, verdict):
        found = items(new=new)
        assert found['New', 'abs_rel'].verdict == verdict
        assert found['Old', 'abs_rel'].verdict == 'reference'  # no difference of its own
        assert items(old=(0.5,))['Old', 'abs_rel'].verdict == 'open'

    def test_what_is_printed_alike_is_undecided(self):
        assert items()['New', 'delta1'].verdict == 'undecided'

    def test_few_images_have_no_verdict(self):
        found = items()['Other', 'abs_rel']
        assert (found.verdict, found.ours) == ('no verdict', {'0': 0.4, '1': 0.41})

    def test_what_has_no_stand_in_is_not_runnable(self):
        assert items()['Theirs', 'abs_rel'].verdict == 'not runnable here'

    def test_stale_results_are_told_and_not_used(self):
        assert items(stale=True)['New', 'abs_rel'].verdict == 'open'
        reader = Reader(PLAN, {'a': {'old': seeds_of(0.5, 0.52, stale=True)}, 'few': {}})
        told = papers_page.page(reader, {'p': PAPER}, [*reader.items('p', PAPER)], '')
        assert '\n| I | Old | `a.old` |  | of other settings, not used: seeds 0, 1 |\n' in told

    @pytest.mark.parametrize(
        ('device', 'told'),
        [
            ('CPU, A core', '1'),
            ('NVIDIA H200', '1 beside NVIDIA H200'),
            ('CPU, A core, NVIDIA H200', '1 beside NVIDIA H200'),
        ],
    )
    def test_hours_beside_a_gpu_are_told_apart(self, device, told):
        rows = {'old': seeds_of(0.5, 0.5), 'new': seeds_of(0.4, 0.4, device=device)}
        reader = Reader(PLAN, {'a': rows})
        listed = papers_page.page(reader, {'p': PAPER}, [*reader.items('p', PAPER)], '')
        (line,) = (
            one for one in listed.splitlines() if one.startswith('| I | New | `a.new` | `a.old` |')
        )
        assert line.endswith(f' | {told} |')

    def test_other_metrics_of_a_table_are_listed_without_verdict(self):
        plan = json.loads(json.dumps(PLAN))
        plan['tables']['a']['also'] = {'other': 'levels'}
        rows = {'old': seeds_of(0.5, 0.5), 'new': seeds_of(0.4, 0.4)}
        for seed, one in rows['new'].items():
            one['metrics']['other'] = 7 + int(seed)
        for known, told in ((rows, 'New 7.5 ± 0.71'), ({}, 'open')):
            reader = Reader(plan, {'a': known, 'few': rows})
            listed = papers_page.page(reader, {'p': PAPER}, [*reader.items('p', PAPER)], '')
            assert f'\n- levels: {told}\n' in listed

    def test_without_headroom_there_is_nothing_to_gain(self):
        plan = json.loads(json.dumps(PLAN))
        plan['headroom'] = {'night': {'best': 'a.new', 'controls': ['a.old']}}
        plan['papers']['p']['I']['headroom'] = {'night': ['New']}
        rows = {'old': seeds_of(0.5, 0.5), 'new': seeds_of(0.45, 0.44)}
        for one in (*rows['old'].values(), *rows['new'].values()):
            one['metrics']['scaled_abs_rel'] = one['metrics']['abs_rel']
            one['metrics']['abs_rel'] *= 0.9 if one in rows['new'].values() else 1
        reader = Reader(plan, {'a': rows})
        assert reader.headroom('night') == pytest.approx(1 - 0.445 / 0.5)
        assert reader.closed('night', 'a.old') == 0
        assert reader.closed('night', 'a.new') == pytest.approx(1)
        assert reader.closed('night', 'a.unknown') is None
        part = Reader(plan, {'a': {**rows, 'new': {'0': rows['new']['0']}}})
        assert part.headroom('night') == pytest.approx(
            1 - 0.45 / 0.5
        )  # of the seed that both have
        assert part.headroom('night', least=2) is None
        assert part.closed('night', 'a.new') == pytest.approx(1)
        listed = [*reader.items('p', PAPER)]
        told = (
            '- Headroom in median-scaled AbsRel, night (Table I): 11%, in AbsRel 20%; '
            'closed of the former: New 100%\n'
        )
        assert told in papers_page.page(reader, {'p': PAPER}, listed, '')
        found = {(one.row, one.column): one.verdict for one in listed}
        assert found['New', 'abs_rel'] == 'nothing to gain here'
        assert found['Old', 'abs_rel'] == 'reference'
        said = {'row': 'a.new', 'metric': 'abs_rel', 'below': 'a.old'}
        assert reader.difference(said).endswith('✓')
        assert reader.difference({**said, 'headroom': 'night'}).endswith(' ∅')

    def test_an_unknown_headroom_is_open(self):
        plan = json.loads(json.dumps(PLAN))
        plan['headroom'] = {'night': {'best': 'a.labels', 'controls': ['a.old']}}
        plan['papers']['p']['I']['headroom'] = {'night': ['New']}
        assert items(plan=plan)['New', 'abs_rel'].verdict == 'open'

    def test_images_of_a_printed_table_go_before_those_of_its_stand_in(self):
        plan = json.loads(json.dumps(PLAN))
        plan['papers']['p']['I']['places'] = 1
        assert items(plan=plan)['New', 'abs_rel'].verdict == 'no verdict'

    @pytest.mark.parametrize(
        ('bicross', 'log', 'adabn', 'reached'),
        [(0.4, 0.4, 0.45, 1), (0.4, 0.4, 0.39, 0), (0.46, 0.4, 0.48, 0), (0.4, 0.46, 0.45, 0)],
    )
    def test_bicross_is_to_close_a_share_of_the_headroom(self, bicross, log, adabn, reached):
        values = {'labels': 0.35, 'source': 0.5, 'bicross': bicross, 'adabn': adabn}
        rows = {name: seeds_of(value, value) for name, value in values.items()}
        for name, row in rows.items():
            for one in row.values():
                one['metrics']['scaled_abs_rel'] = one['metrics']['abs_rel']
                one['metrics']['rmse_log'] = log if name == 'bicross' else values[name]
        closed = {'One': 'a.bicross', 'Two': 'a.unknown', 'AdaBN': 'a.adabn'}
        night = {'best': 'a.labels', 'controls': ['a.source'], 'closed': closed}
        plan = {
            **PLAN,
            'headroom': {'night': night, 'other': {**night, 'closed': {'AdaBN': 'a.b'}}},
        }
        listed = papers_page.page(Reader(plan, {'a': rows}), {}, [], '')
        assert f'| scenarios | aim is reached |  | {reached} of 1 | 0 of 0 |  |' in listed
        share = (0.5 - bicross) / 0.15
        assert f'| night | median-scaled AbsRel | 30% | {share:.0%} | open | ' in listed
        assert '| other | median-scaled AbsRel | 30% | open | open | open |' in listed

    @pytest.mark.parametrize(
        ('side', 'other', 'told'),
        [
            ('below', 'a.old', ' / 0.105 ± 0.0071 ✓'),
            ('above', 'a.old', ' / -0.105 ± 0.0071 ✗'),
            ('above', 0.3, ' / 0.105 ± 0.0071 ✓'),
            ('below', 'a.unknown', ' ·'),
        ],
    )
    def test_what_a_text_says_of_a_difference(self, side, other, told):
        said = {'p': {'IV new': {'row': 'a.new', 'metric': 'abs_rel', side: other}}}
        rows = {'old': seeds_of(0.5, 0.52), 'new': seeds_of(0.4, 0.41)}
        reader = Reader(PLAN | {'said': said}, {'a': rows})
        assert reader.said('p', 'IV', 'new') == told
        assert reader.said('p', 'IV', 'old') == reader.said('p', 'IV', '') == ''

    def test_each_number_is_one_item(self):
        assert len(items()) == 7


def test_rows_of_others_are_in_the_csv_alone():
    rows = {'old': seeds_of(0.5, 0.52)}
    reader = Reader(PLAN, {'a': rows})
    listed = [*reader.items('p', PAPER)]
    told = papers_page.page(reader, {'p': PAPER}, listed, '')
    assert '| I | Old | `a.old` |  | 0.3 / 0.51 ± 0.014\xa0= |' in told
    assert 'Theirs' not in told
    assert 'p,I,Theirs,abs_rel,0.1,,not runnable here,' in papers_page.csv_text(listed)
    assert '\n- Open in Table I: New, Other\n- Missing for Table I: their code\n' in told
    told = papers_page.page(Reader(PLAN, {}), {'p': PAPER}, [], '')
    assert '\n- Open in Table I: all rows\n' in told


def test_the_page_is_what_the_command_writes(tmp_path):
    assert papers.main(['--write', '--docs', str(tmp_path)]) == 0
    for name in ('papers.md', 'papers.csv'):
        assert (tmp_path / name).read_bytes() == (
            papers.ROOT / 'docs' / 'evidence' / name
        ).read_bytes()


def test_every_printed_number_is_there_once_and_has_a_verdict():
    with (papers.ROOT / 'docs' / 'evidence' / 'papers.csv').open(encoding='utf-8') as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == 74 + 88 + 66 + 127 + 288
    assert len({tuple(row.values())[:4] for row in rows}) == len(rows)
    assert {row['verdict'] for row in rows} <= {*MARKS}
    plan = yaml.safe_load((papers.ROOT / 'benchmarks' / 'papers.yaml').read_text())
    told = {
        (name, number): table.get('missing')
        for name, tables in plan['papers'].items()
        for number, table in tables.items()
    }
    for row in rows:
        if row['verdict'] == 'not runnable here':
            assert told[row['paper'], row['table']]


def test_rows_that_stand_in_are_in_their_tables():
    plan = yaml.safe_load((papers.ROOT / 'benchmarks' / 'papers.yaml').read_text())
    known = {}
    for name, facts in plan['tables'].items():
        config = yaml.safe_load((papers.CONFIGS / facts['config']).read_text())
        known[name] = {row['name'] for row in config['rows']}
    known['ssml'] |= {*estimates(41)}
    for room in plan['headroom'].values():
        for where in (room['best'], *room['controls']):
            name, _, row = where.partition('.')
            assert row in known[name], where
    for tables in plan['papers'].values():
        for table in tables.values():
            for given in table.get('rows', {}).values():
                for where in [given] if isinstance(given, str) else given:
                    name, _, row = where.partition('.')
                    assert row in known[name], where
    for paper, told in plan['said'].items():
        read = read_paper(FOLDER / f'{paper}.yaml', [])
        places = {f'Figure {one.number}' for one in read.figures}
        places |= {f'{one.place} {value.name}' for one in read.statements for value in one.values}
        places |= {one.place for one in read.statements if not one.values}
        assert told.keys() <= places
        for given in (*told.values(), *plan['ours']):
            for where in (given['row'], given.get('below', given.get('above'))):
                if isinstance(where, str):
                    name, _, row = where.partition('.')
                    assert row in known[name], where


def test_what_is_stale_is_marked_as_long_as_it_is(tmp_path):
    path = tmp_path / 'a.json'
    assert papers.open_rows(path, {'old': 'x'}, '0') == ['old']
    path.write_text(json.dumps({'rows': {'old': seeds_of(0.5, 0.5)}}))
    assert papers.open_rows(path, {'old': 'y', 'new': 'x'}, '0') == ['old', 'new']
    assert [one.get('stale') for one in read_results(tmp_path)['a']['old'].values()] == [
        True,
        None,
    ]
    assert papers.open_rows(path, {'old': 'x'}, '0') == []
    assert 'stale' not in path.read_text()


def test_results_of_an_earlier_run_are_not_taken_for_those_of_one_that_failed(
    tmp_path, monkeypatch
):
    def failed(*given, **options):
        raise ConfigError('no cluster')

    monkeypatch.setattr(papers, 'RESULTS', tmp_path)
    monkeypatch.setattr('spike_training.commands.table.table', failed)
    (tmp_path / 'out' / 'mini').mkdir(parents=True)
    old = {'rows': {'pre_src': {'0': {'metrics': {}, 'settings': 'old'}}}}
    (tmp_path / 'out' / 'mini' / 'results.json').write_text(json.dumps(old))
    with pytest.raises(SystemExit, match='2'):
        papers.main(['--run', '--only', 'mini.pre_src', '--out', str(tmp_path / 'out')])
    assert not (tmp_path / 'mini.json').exists()


def test_an_interruption_keeps_what_is_done(tmp_path, monkeypatch, capsys):
    def interrupted(config, out, rows, seeds, *rest, **options):
        out.mkdir(parents=True)
        done = {'rows': {'pre_src': {seeds: {'metrics': {}, 'settings': 'x'}}}}
        (out / 'results.json').write_text(json.dumps(done))
        raise KeyboardInterrupt

    monkeypatch.setattr(papers, 'RESULTS', tmp_path)
    monkeypatch.setattr('spike_training.commands.table.table', interrupted)
    before = {'rows': {'tfi': {'0': {'metrics': {}, 'settings': 'y'}}}}
    (tmp_path / 'mini.json').write_text(json.dumps(before))
    with pytest.raises(SystemExit, match='130'):
        papers.main(['--run', '--only', 'mini.pre_src', '--out', str(tmp_path / 'out')])
    assert [*json.loads((tmp_path / 'mini.json').read_text())['rows']] == ['tfi', 'pre_src']
    assert 'interrupted; the same command goes on' in capsys.readouterr().err


def test_a_table_that_fails_stops_no_other(tmp_path, monkeypatch, capsys):
    tried = []

    def failed(config, *rest, **options):
        tried.append(config.stem)
        raise TrainingError('no memory')

    monkeypatch.setattr(papers, 'RESULTS', tmp_path)
    monkeypatch.setattr('spike_training.commands.table.table', failed)
    plan = {'tables': {
        name: {**FACTS, 'config': f'{name}.yaml'} for name in ('scenarios', 'dsr', 'mini')
    }}  # fmt: skip
    options = papers.argument_parser().parse_args(['--run', '--out', str(tmp_path / 'out')])
    with pytest.raises(TrainingError, match='scenarios, mini: see above'):
        papers.run(plan, '', options)
    assert tried == ['scenarios', 'mini']
    told = capsys.readouterr()
    assert 'dsr is left out: it needs --maps' in told.out
    assert 'room_pre_src_long_adabn, room_mono_cross' in told.out
    assert 'are left out: datasets/sevenscenes is missing' in told.out
    assert 'scenarios: no memory' in told.err


def test_what_is_committed_is_of_the_tables_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(papers, 'RESULTS', tmp_path)
    monkeypatch.setattr('spike_training.commands.table.table', None)  # trains nothing
    results = papers.ROOT / 'benchmarks' / 'paper_results'
    plan = yaml.safe_load((papers.ROOT / 'benchmarks' / 'papers.yaml').read_text())
    for name in ('dpn', 'dpn_road'):
        (tmp_path / f'{name}.json').write_bytes((results / f'{name}.json').read_bytes())
        options = papers.argument_parser().parse_args(['--run', '--out', str(tmp_path / 'out')])
        papers.run(plan, name, options)
    assert 'left' not in capsys.readouterr().out


def test_recordings_of_tests_are_looked_for_too(tmp_path):
    config = RunConfig(out=tmp_path)
    config.data.recordings = {'sevenscenes': str(tmp_path)}
    assert papers.missing_data(config) == ''
    config.data.test_recordings = {'sevenscenes': str(tmp_path / 'nowhere')}
    assert papers.missing_data(config) == str(tmp_path / 'nowhere')


def test_the_page_needs_no_torch(tmp_path):
    code = (
        'import sys; from benchmarks import papers; '
        f'papers.main(["--write", "--docs", {str(tmp_path)!r}]); assert "torch" not in sys.modules'
    )
    path = f'{papers.ROOT}:{papers.ROOT}/training'
    environment = {**os.environ, 'PYTHONPATH': path}
    subprocess.run([sys.executable, '-c', code], cwd=papers.ROOT, check=True, env=environment)


@pytest.mark.long
def test_open_rows_are_trained_and_done_ones_are_not(tmp_path, monkeypatch, capsys):
    results = tmp_path / 'results'
    results.mkdir()
    monkeypatch.setattr(papers, 'RESULTS', results)
    plan = {'tables': {'smoke': {**FACTS, 'config': 'smoke.yaml', 'seeds': [0]}}}
    options = papers.argument_parser().parse_args(['--run', '--out', str(tmp_path / 'out')])
    papers.run(plan, 'smoke.pre_src', options)
    made = json.loads((results / 'smoke.json').read_text())
    assert [*made['rows']] == ['median_depth', 'pre_src']  # its report has the baseline
    assert 'core-hours left' in capsys.readouterr().out
    papers.run(plan, 'smoke.pre_src', options)
    assert 'core-hours left' not in capsys.readouterr().out
    made['rows']['pre_src']['0']['settings'] = 'other'
    made['rows']['guess'] = {'0': {**made['rows']['pre_src']['0']}}  # an estimate
    (results / 'smoke.json').write_text(json.dumps(made))
    papers.run(plan, 'smoke.pre_src', options)
    known = json.loads((results / 'smoke.json').read_text())['rows']
    assert known['guess']['0']['stale']
    again = known['pre_src']['0']
    assert again['settings'] != 'other'
    assert 'stale' not in again


def test_results_and_plans_that_cannot_be_used_are_refused(refusals, tmp_path):
    rows = {}
    for number, content in enumerate(
        ('{', '[]', '{"table": 1}', '{"rows": []}', '"' + 'x' * (1 << 20) + '"')
    ):
        (tmp_path / f'{number}').mkdir()
        (tmp_path / f'{number}/a.json').write_text(content)
        call = functools.partial(read_results, tmp_path / f'{number}')
        rows[f'results {content[:12]}'] = 'a.json', call
    plan = yaml.safe_load((papers.ROOT / 'benchmarks' / 'papers.yaml').read_text())
    plan['papers']['ssml']['44'] = plan['papers']['ssml']['4']
    rows['a table without a plan'] = 'table 44', functools.partial(papers.read_all, plan)
    refusals('papers', rows, ConfigError)


def test_what_the_command_refuses(refusals, tmp_path, monkeypatch, capsys):
    """Nothing is trained."""
    (tmp_path / 'mini.json').write_text('{"rows": {"pre_src": {"0": {}}}}')
    rows = {}
    for name, named, arguments in (
        ('nothing to do', '--run, --write', []),
        ('an unknown table', 'ssml', ['--run', '--only', 'sml']),
        ('an unknown row', 'mutual', ['--run', '--only', 'ssml.mutal']),
        ('no docs', '/nowhere', ['--write', '--docs', '/nowhere']),
        ('damaged results', 'mini.json', ['--run', '--only', 'mini.pre_src', '--out',
                                          str(tmp_path / 'out')]),
    ):  # fmt: skip

        def told(arguments=arguments):
            capsys.readouterr()
            with monkeypatch.context() as patch:
                if '--out' in arguments:
                    patch.setattr(papers, 'RESULTS', tmp_path)
                with pytest.raises(SystemExit, match='2'):
                    papers.main(arguments)
            lines = capsys.readouterr().err.splitlines()
            assert lines[-1].startswith('python -m benchmarks.papers: ')
            assert not arguments or len(lines) == 1
            return lines[-1]

        rows[name] = named, leaving(tmp_path, told)
    refusals('papers_options', rows, None, {r'md\.[\w-]+\.unfinished': 'md.<random>.unfinished'})
