# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables trained for real: what is shared, what is resumed, what several processes and dask do."""

import dataclasses
import functools
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import distributed
import pytest
import yaml

from kit.programs import wait_until
from kit.runs import small_table as small
from spike_depth_ros.base.locks import LOCK
from spike_depth_ros.checkpoint import load_info
from spike_training.commands.table import table
from spike_training.engine.checkpoints import Checkpoints
from spike_training.errors import ConfigError, DataSetError, NonFiniteError, TrainingError
from spike_training.evaluation.images import estimates
from spike_training.evaluation.published import METRICS
from spike_training.evaluation.report import domain_sets
from spike_training.runs import pipeline
from spike_training.tables.plan import load_table
from spike_training.tables.units import DONE, Training, units_of
from spike_training.tables.work import (
    LOG,
    in_order,
    locked,
    select_units,
    work,
    work_on_cluster,
)
from spike_training.tasks import fused, image
from spike_training.tasks.depth_table import OF_NETWORKS, PICTURES

pytestmark = pytest.mark.usefixtures('few_adabn_batches')

ROOT = Path(__file__).resolve().parents[3]


def unit_of(path, name, cache, seed=0):
    row = next(row for row in load_table(path).rows if row.settings.name == name)
    return units_of(row, seed, cache)


def row_of(out, name):
    rows = json.loads((out / 'table.json').read_text())['rows']
    return next(row for row in rows if row['name'] == name)


def values(out, name):
    """All metrics of a row on the target, to the last digit."""
    target = row_of(out, name)['target']
    return {
        (scale, metric): found['by_seed']
        for scale in ('raw', 'median_scaled')
        for metric, found in target[scale].items()
    }


def trained(out):
    """When each unit was done, by the name of its folder."""
    return {
        path.parent.name: path.stat().st_mtime_ns for path in (out / 'stages').glob(f'*/{DONE}')
    }


@pytest.fixture(scope='module')
def smoke(tmp_path_factory):
    """The rows of smoke.yaml, with one seed."""
    folder = tmp_path_factory.mktemp('smoke')
    path = small(folder)
    table(path, folder / 'out')
    return path, folder / 'out'


def test_every_row_has_figures(smoke):
    _, out = smoke
    rows = json.loads((out / 'table.json').read_text())['rows']
    assert len(rows) == 9
    for row in rows:
        assert row['complete'], row['name']
        for domain in ('target', 'source'):
            for scale in ('raw', 'median_scaled'):
                assert row[domain][scale]['abs_rel']['mean'] > 0
    assert 'pre_src_adabn | 1 of 1' in (out / 'table.md').read_text()


MOST_BYTES = 64_000
"""Of a committed file of results."""

COMMITTED = sorted((ROOT / 'benchmarks' / 'paper_results').glob('*.json'))


def read_results(path, config):
    """Results by row and seed, if they are what results of a table are."""
    assert path.stat().st_size <= MOST_BYTES
    found, settings = json.loads(path.read_text()), yaml.safe_load(config.read_text())
    assert (found['table'], found['base']) == (config.name, settings['base'])
    assert {*found['rows']} <= {*(row['name'] for row in settings['rows']), *estimates(127)}
    scores = {*METRICS, *(f'scaled_{name}' for name in METRICS)}
    for row in found['rows'].values():
        assert {*row} <= {str(seed) for seed in settings['seeds']}
        for result in row.values():
            assert {*result} - {'stale'} == {
                'metrics',
                'commit',
                'device',
                'core_seconds',
                'settings',
            }
            metrics = result['metrics']
            of_depth = {*metrics} - {*OF_NETWORKS, *PICTURES}
            assert (
                {*metrics} == {*image.METRICS}
                or of_depth in (scores, {*fused.METRICS})
                or all(re.fullmatch(r'mad_.+_x(2|4|8|16)', name) for name in metrics)
            )
            assert all(value is None or math.isfinite(value) for value in metrics.values())
            assert re.fullmatch(r'([0-9a-f]{12}|unknown)( with changes)?(, .+)?', result['commit'])
            assert result['device']
            assert result['core_seconds'] >= 0
            assert re.fullmatch('[0-9a-f]{12}', result['settings'])
    return found['rows']


def test_committed_results_are_read_back():
    for path in COMMITTED:
        rows = read_results(path, ROOT / 'training' / 'configs' / 'tables' / f'{path.stem}.yaml')
        assert any(rows.values()), path


def test_results_by_seed_are_those_of_the_table(smoke, monkeypatch):
    path, out = smoke
    rows = read_results(out / 'results.json', path)
    assert len(rows) == 9
    for name, row in rows.items():
        target = row_of(out, name)['target']
        for prefix, scale in (('', 'raw'), ('scaled_', 'median_scaled')):
            for metric in METRICS:
                value = target[scale][metric]['by_seed']['0']
                assert row['0']['metrics'][f'{prefix}{metric}'] == pytest.approx(value, rel=1e-4)
    sessions = [
        json.loads((unit.folder / 'sessions.json').read_text())
        for unit in unit_of(path, 'mono_cross', out / 'stages').needs
    ]
    spent = sum(one['seconds'] * one['threads'] for found in sessions for one in found)
    found = rows['mono_cross']['0']
    assert found['core_seconds'] == pytest.approx(spent, abs=0.1)
    assert found['core_seconds'] > rows['rgb_only']['0']['core_seconds'] > 0  # of its teacher
    assert rows['median_depth']['0']['core_seconds'] == 0
    assert found['device'] == sessions[0][0]['device']
    # The hash is of the settings alone.
    monkeypatch.setattr('spike_depth_ros.__version__', '9.9.9')
    unit = unit_of(path, 'mono_cross', out / 'stages')
    assert unit.settings_hash == found['settings']
    assert not unit.folder.exists()
    hashes = {row['0']['settings'] for row in rows.values()}
    assert len(hashes) == len(rows) - 1  # the baseline has those of the reference


def test_stages_that_rows_share_are_trained_once(smoke):
    _, out = smoke
    names = [name.rsplit('_', 2)[0] for name in trained(out)]
    # Two networks of pre_src: one row has another one.
    assert {name: names.count(name) for name in ('teacher', 'mono_cross', 'pre_src')} == {
        'teacher': 1,
        'mono_cross': 1,
        'pre_src': 2,
    }
    assert names.count('figures_of_pre_src_adabn') == 1


def test_of_a_stage_that_is_done_only_the_result_is_kept(smoke):
    path, out = smoke
    assert unit_of(path, 'bicross', out / 'stages').training.checkpoint.is_file()
    assert not [*out.rglob('state_*.pt')]


def test_a_row_is_trained_as_a_run_of_its_config_would_be(smoke, tmp_path):
    path, out = smoke
    config = dataclasses.replace(
        next(row for row in load_table(path).rows if row.settings.name == 'bicross').config,
        out=tmp_path / 'run',
    )
    config.evaluate.export = False
    pipeline.run(config)
    unit = unit_of(path, 'bicross', out / 'stages').training
    assert load_info(unit.checkpoint).weights_sha256 == (
        load_info(tmp_path / 'run' / 'model.safetensors').weights_sha256
    )


def test_adabn_changes_the_figures_and_the_baseline_is_that_of_the_report(smoke):
    path, out = smoke
    values = {
        name: row_of(out, name)['target']['raw']['abs_rel']['mean']
        for name in ('pre_src', 'pre_src_adabn', 'median_depth', 'wider')
    }
    assert len({*values.values()}) == 4
    report = domain_sets(unit_of(path, 'pre_src', out / 'stages').report, 'target')
    baselines = [
        scores['tables']['median_depth_map']['raw']['mean_over_images']['abs_rel']
        for scores in report.values()
    ]
    assert len(baselines) == 2
    assert values['median_depth'] == pytest.approx(sum(baselines) / 2)


def test_the_teacher_of_rgb_is_scored_on_the_target(smoke):
    path, out = smoke
    report = unit_of(path, 'rgb_only', out / 'stages').report
    assert report['stage'] == 'teacher'
    assert set(domain_sets(report, 'target')) == {'indoor', 'road'}


def test_the_upper_bound_learns_from_the_target(smoke):
    path, out = smoke
    # Nothing else tells the two apart.
    names = ('pre_src', 'supervised')
    one, other = (unit_of(path, name, out / 'stages').training for name in names)
    assert dataclasses.replace(other.stage, name='pre_src', domain='source') == one.stage
    assert one.result['weights_sha256'] != other.result['weights_sha256']


def test_the_same_command_again_does_nothing(smoke, capsys):
    path, out = smoke
    before = trained(out)
    table(path, out)
    assert trained(out) == before
    assert 'steps' not in capsys.readouterr().out


def test_other_settings_are_other_stages(smoke, tmp_path):
    path, out = smoke
    cache = out / 'stages'
    bicross = unit_of(path, 'bicross', cache)
    folders = [unit.folder for unit in (*bicross.needs, bicross)]

    def changed(**settings):
        """Which of teacher, mono_cross, bicross and their metrics must be done anew."""
        before = yaml.safe_load(path.read_text())
        for name, value in settings.items():
            before[name] = {**before[name], **value}
        other = tmp_path / 'other.yaml'
        other.write_text(yaml.safe_dump(before))
        found = unit_of(other, 'bicross', cache)
        again = [unit.folder for unit in (*found.needs, found)]
        return [one != two for one, two in zip(folders, again, strict=True)]

    stages = yaml.safe_load(path.read_text())['stages']
    override = yaml.safe_load(path.read_text())['override']
    assert changed() == [False] * 4
    # What a stage starts from determines it; what comes after does not.
    assert changed(stages={'teacher': {'steps': 3}}) == [True] * 4
    assert changed(stages={'mono_cross': {'steps': 3}}) == [False, True, True, True]
    assert changed(stages={'bicross': {**stages['bicross'], 'steps': 3}}) == [False, False, True,
                                                                              True]  # fmt: skip
    scenes = {**override['evaluate'], 'scenes': 4}
    assert changed(override={'evaluate': scenes}) == [False, False, False, True]
    assert changed(override={'train': {**override['train'], 'clip_norm': 2.0}}) == [True] * 4
    assert changed(override={'threads': 2, 'device': 'cuda'}) == [False] * 4
    seed = unit_of(path, 'bicross', cache, seed=1)
    assert not {unit.folder for unit in (*seed.needs, seed)} & {*folders}


def test_a_part_is_trained_and_what_is_missing_is_said(tmp_path, capsys):
    path = small(tmp_path, seeds=[0, 5])
    out = tmp_path / 'out'
    table(path, out, rows='pre_src,median_depth', seeds='5')
    assert len(trained(out)) == 2
    for name in ('pre_src', 'median_depth'):
        assert row_of(out, name)['seeds_done'] == [5]
    assert row_of(out, 'bicross')['seeds_done'] == []
    text = (out / 'table.md').read_text()
    assert '| pre_src | 1 of 2 |' in text
    assert '| bicross | 0 of 2 | - | - |' in text
    assert 'bicross below pre_src_adabn (AbsRel, target): open, no seed is done' in text
    capsys.readouterr()
    table(path, out, train=False)
    assert '1 of 2' in capsys.readouterr().out
    assert len(trained(out)) == 2


def test_missing_recordings_are_told_before_anything_is_trained(tmp_path):
    recordings = {'sevenscenes': str(tmp_path / 'nowhere')}
    rows = yaml.safe_load(small(tmp_path).read_text())['rows']
    other = next(row for row in rows if row['name'] == 'pre_src')
    rows.append({**other, 'name': 'rooms', 'override': {'target': {'recordings': recordings}}})
    path, out = small(tmp_path, rows=rows), tmp_path / 'out'
    with pytest.raises(DataSetError, match=r'metrics of pre_src: .*nowhere is missing'):
        table(path, out, rows='pre_src,rooms')
    assert not trained(out)
    table(path, out, rows='pre_src')  # others need no recordings
    assert row_of(out, 'pre_src')['seeds_done'] == [0]


def test_rows_and_seeds_that_are_none(smoke, tmp_path):
    path, _ = smoke
    with pytest.raises(ConfigError) as caught:
        table(path, tmp_path / 'out', rows='bicros,pre_src,pre_src', seeds='7')
    for expected in (
        "rows has 'bicros': expected names of rows; did you mean bicross?",
        'rows is bicros,pre_src,pre_src: expected each once',
        "seeds has '7': expected some of 0",
    ):
        assert expected in str(caught.value)
    with pytest.raises(ConfigError, match='jobs is 0: expected 1 or more'):
        table(path, tmp_path / 'out', jobs=0)
    with pytest.raises(ConfigError, match='jobs is 2: expected none with scheduler'):
        table(path, tmp_path / 'out', jobs=2, scheduler='tcp://node7:8786')
    assert not (tmp_path / 'out').exists()


def test_several_jobs_without_dask(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(ConfigError, match=r'dask is missing .*: pip install distributed'):
        table(small(tmp_path), tmp_path / 'out', jobs=2)


def test_stopped_within_a_stage_it_goes_on_there(smoke, tmp_path, monkeypatch):
    _, whole = smoke
    path = small(tmp_path, save_every=1)
    out = tmp_path / 'out'
    real, saved = Checkpoints.save, []

    def save(self, step, *rest):
        real(self, step, *rest)
        saved.append((self.folder.name, step))
        if saved[-1] == ('mono_cross', 1):
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, 'save', save)
    with pytest.raises(KeyboardInterrupt):
        table(path, out, rows='mono_cross')
    assert row_of(out, 'mono_cross')['seeds_done'] == []
    table(path, out, rows='mono_cross')
    # What was done is not done again, and the result is that of a table that was not stopped.
    assert saved == [(name, step) for name in ('teacher', 'mono_cross') for step in (1, 2)]
    assert values(out, 'mono_cross') == values(whole, 'mono_cross')


def test_a_stage_that_fails_leaves_the_others(tmp_path, monkeypatch, capsys):
    path = small(tmp_path, claims=[])
    out = tmp_path / 'out'
    real, tried = pipeline.fit, []

    def fit(stage, **arguments):
        tried.append(arguments['folder'].name)
        if tried[-1] == 'mono_cross':
            raise NonFiniteError(3, 'in this test')
        real(stage, **arguments)

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, 'fit', fit)
        with pytest.raises(TrainingError, match='4 of the table could not be done'):
            table(path, out, rows='pre_src,mono_cross,bicross')
    assert sorted(tried) == ['mono_cross', 'pre_src', 'teacher']  # each once
    assert row_of(out, 'pre_src')['complete']
    reason = 'seed 0: mono_cross, 2 steps: loss or gradient of step 3 is not finite: in this test'
    assert row_of(out, 'bicross')['failures'] == {'0': reason}
    assert f'{reason} (missing in mono_cross, bicross)' in (out / 'table.md').read_text()
    # The next call tries again.
    table(path, out, rows='mono_cross')
    assert row_of(out, 'mono_cross')['complete']
    assert row_of(out, 'mono_cross')['failures'] == {}


def test_the_longest_way_is_begun_first_one_seed_after_the_other(tmp_path):
    path = small(tmp_path, seeds=[0, 1])
    names = tuple(row.settings.name for row in load_table(path).rows)
    units = select_units(load_table(path), names, (1, 0), tmp_path)
    seeds = [unit.config.seed for unit in units]
    assert seeds == sorted(seeds, reverse=True)
    first = [unit.stage.name for unit in units if isinstance(unit, Training)]
    assert first[:2] == ['teacher', 'mono_cross']
    assert len({unit.folder for unit in units}) == len(units)
    done = set()
    for unit in in_order([unit_of(path, 'bicross', tmp_path)]):
        assert {need.folder for need in unit.needs} <= done
        done.add(unit.folder)


def test_a_unit_that_another_process_does_is_waited_for(tmp_path, capsys):
    order = []

    def second():
        with locked(tmp_path):
            order.append('second')

    other = threading.Thread(target=second)
    with locked(tmp_path):
        other.start()
        wait_until(lambda: 'waiting for another process' in capsys.readouterr().out, 20)
        order.append('first')
    other.join()
    assert order == ['first', 'second']


def test_rows_of_two_methods_stand_side_by_side(tmp_path):
    toy = {'kind': 'kit.toy_method:METHOD.toy', 'weight': 0.25, 'steps': 2}
    path = small(
        tmp_path,
        stages={'pre_src': {'like': 'teacher', 'input': 'spikes', 'steps': 2}, 'toy': toy},
        rows=[{'name': 'pre_src', 'stage': 'pre_src'}, {'name': 'toy', 'stage': 'toy'}],
        paper=None,
        claims=[],
    )
    out = tmp_path / 'out'
    table(path, out)
    one, other = (unit_of(path, name, out / 'stages').training for name in ('pre_src', 'toy'))
    assert (one.stage.kind, other.stage.kind) == ('pretrain', toy['kind'])
    assert one.result['weights_sha256'] != other.result['weights_sha256']
    assert row_of(out, 'toy')['target']['raw']['abs_rel']['difference']['mean'] != 0


def test_a_network_is_scored_as_soon_as_it_is_trained(tmp_path):
    path = small(tmp_path, 'ablations_mini.yaml')
    wanted = [units_of(row, 0, tmp_path) for row in load_table(path).rows]
    units = in_order(wanted)
    assert len({unit.folder for unit in units}) == len(units)
    done = set()
    for unit in units:
        assert all(need.folder in done for need in unit.needs)
        done.add(unit.folder)
        if isinstance(unit, Training):
            # Nothing that was trained before waits for its figures.
            known = done - {unit.folder}
            waiting = [one for one in wanted if {need.folder for need in one.needs} <= known]
            assert all(one.folder in done for one in waiting)
    (longest,) = [unit for unit in wanted if unit.training.stage.name == 'bicross_landed']
    assert units[0].folder == longest.needs[0].folder


@pytest.mark.long
def test_each_experiment_of_the_paper_trains(tmp_path):
    path = small(tmp_path, 'ablations_mini.yaml')
    rows = [row for row in load_table(path).rows if row.settings.name != 'rgb_only']
    assert len(rows) == 13
    units = in_order([units_of(row, 0, tmp_path / 'stages') for row in rows])
    work([unit for unit in units if isinstance(unit, Training)])
    hashes = {
        units_of(row, 0, tmp_path / 'stages').training.result['weights_sha256'] for row in rows
    }
    assert len(hashes) == 13  # every switch does something


@pytest.fixture
def cluster():
    """A scheduler and its workers, threads of this process; the function makes it."""
    started = []

    def start(workers, threads):
        options = {'protocol': 'tcp', 'dashboard_address': None, 'silence_logs': 50}
        found = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=threads, processes=False, **options
        )
        started.append(found)
        return found

    yield start
    for one in started:
        one.close()


def test_a_worker_that_would_train_two_stages_in_one_process(tmp_path, cluster):
    address = cluster(workers=1, threads=2).scheduler_address
    with pytest.raises(ConfigError, match=r'worker tcp://.*: expected one thread'):
        table(small(tmp_path), tmp_path / 'out', scheduler=address)
    assert not trained(tmp_path / 'out')


def test_a_worker_that_does_not_see_the_cache(tmp_path, cluster):
    unit = unit_of(small(tmp_path), 'pre_src', tmp_path / 'elsewhere').training
    with (
        cluster(workers=1, threads=1).get_client() as client,
        pytest.raises(ConfigError, match='elsewhere is no folder there'),
    ):
        work_on_cluster([unit], client)
    assert not (tmp_path / 'elsewhere').exists()


def test_a_scheduler_that_goes_away(tmp_path, cluster):
    found = cluster(workers=0, threads=1)

    def close():
        wait_until(lambda: found.scheduler.tasks, 20)
        found.close()

    thread = threading.Thread(target=close)
    thread.start()
    with pytest.raises(TrainingError, match=r'no connection to tcp://.*: run the same command'):
        table(small(tmp_path), tmp_path / 'out', scheduler=found.scheduler_address)
    thread.join()
    assert (tmp_path / 'out' / 'table.md').exists()


def start(arguments, **environment):
    """A process in a session of its own, which imports this tree."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT / "training"}', **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell ignores the signal in what it runs in the background, and all below inherit that.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def command(path, out, *options):
    arguments = ('training/run.py', 'table', '--config', path, '--out', out, *options)
    return start(arguments, OMP_NUM_THREADS='1')


def holder(folder):
    """The process that holds the lock of a folder; None where it is free."""
    if not (folder / LOCK).exists():
        return None
    inode = (folder / LOCK).stat().st_ino
    found = [line.split() for line in Path('/proc/locks').read_text().splitlines()]
    held = [line[4] for line in found if line[1] == 'FLOCK' and line[5].endswith(f':{inode}')]
    return int(held[0]) if held else None


def slow_table(folder):
    """A table with stages that are not over before a test has seen them."""
    path = small(
        folder,
        stages={
            'teacher': {'steps': 100},
            'endless': {'like': 'teacher', 'input': 'spikes', 'steps': 1_000_000},
            'mono_cross': {'steps': 2},
        },
        rows=[{'name': name, 'stage': name} for name in ('teacher', 'endless', 'mono_cross')],
        reference='teacher',
        claims=[],
    )
    tree = yaml.safe_load(path.read_text())
    tree['override']['data']['workers'] = 1  # processes that draw scenes
    tree['override'].setdefault('train', {}).update(log_every=1, save_every=1)
    path.write_text(yaml.safe_dump(tree))
    return path


def step_of(unit):
    """The step of a unit's newest checkpoint; 0 without one."""
    latest = unit.folder / unit.stage.name / 'latest.json'
    return json.loads(latest.read_text())['step'] if latest.exists() else 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_processes_share_a_table_and_one_that_is_killed_is_replaced(smoke, tmp_path):
    _, whole = smoke
    path, out = small(tmp_path), tmp_path / 'out'
    rows = ('--rows', 'pre_src,mono_cross,rgb_init')
    first = command(path, out, *rows)
    wait_until(lambda: [*(out / 'stages').glob(f'*/{LOCK}')], 300)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    both = [command(path, out, *rows, *jobs) for jobs in ((), ('--jobs', '2'))]
    printed = [process.communicate(timeout=400)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    logs = [log.read_text() for log in out.glob(f'stages/*/{LOG}')]
    lines = [line for text in (printed[0], *logs) for line in text.splitlines()]
    done = [line for line in lines if line.startswith('seed 0:')]
    assert len(done) == len({*done}) > 0  # nothing is done twice
    for name in ('pre_src', 'mono_cross', 'rgb_init'):
        assert values(out, name) == values(whole, name)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_jobs_end_with_the_process_that_started_them(tmp_path):
    path, out = slow_table(tmp_path), tmp_path / 'out'
    units = [unit_of(path, name, out / 'stages').training for name in ('teacher', 'endless')]
    parent = command(path, out, '--jobs', '2', '--rows', 'teacher,endless')
    try:
        wait_until(lambda: all(map(step_of, units)), 300)
        os.kill(parent.pid, signal.SIGKILL)
        wait_until(lambda: not any(holder(unit.folder) for unit in units), 120)
        assert not units[1].done
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


def dask_process(role, folder, *options, **environment):
    """A scheduler or a worker, as on a machine of its own."""
    common = ('--host', '127.0.0.1', '--scheduler-file', folder / 'scheduler.json')
    return start(('-m', 'dask', role, *common, '--no-dashboard', *options), **environment)


def wait_for_address(path):
    """Wait until a scheduler has written all of its file."""
    wait_until(lambda: path.exists() and path.read_text().strip().endswith('}'), 120)


@pytest.fixture
def machines(tmp_path):
    """Two workers, as of two machines, and a client of their scheduler."""
    options = ('--nthreads', '1', '--memory-limit', '0', '--local-directory', tmp_path)
    daemon = {'DASK_DISTRIBUTED__WORKER__DAEMON': 'False'}
    processes = [
        dask_process('scheduler', tmp_path, '--port', '0'),
        *(dask_process('worker', tmp_path, *options, **daemon) for _ in range(2)),
    ]
    wait_for_address(tmp_path / 'scheduler.json')
    with distributed.Client(scheduler_file=str(tmp_path / 'scheduler.json')) as client:
        client.wait_for_workers(2, timeout=120)
        yield client
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_scheduler_that_lacks_this_package(tmp_path):
    scheduler = dask_process('scheduler', tmp_path, '--port', '0', PYTHONPATH='')
    try:
        wait_for_address(tmp_path / 'scheduler.json')
        address = json.loads((tmp_path / 'scheduler.json').read_text())['address']
        with pytest.raises(ConfigError, match=r'cannot load a task .* PYTHONPATH'):
            table(small(tmp_path), tmp_path / 'out', scheduler=address)
    finally:
        os.killpg(scheduler.pid, signal.SIGKILL)
        scheduler.wait()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.kind
def test_workers_of_a_cluster_are_killed(tmp_path, machines):
    path, out = slow_table(tmp_path), tmp_path / 'out'
    teacher, endless = (
        unit_of(path, name, out / 'stages').training for name in ('teacher', 'endless')
    )
    address = ('--scheduler', machines.scheduler.address)

    def retries(number):
        machines.run_on_scheduler(
            lambda dask_scheduler: setattr(dask_scheduler, 'allowed_failures', number)
        )

    def wait_for(true):
        wait_until(lambda: true() or process.poll() is not None, 300)
        assert process.poll() is None, process.communicate()[0]

    # A unit that is lost takes those along that need it; another one is trained on.
    retries(0)
    process = command(path, out, *address)
    wait_for(lambda: step_of(teacher) and step_of(endless))
    os.kill(holder(teacher.folder), signal.SIGKILL)
    wait_for((teacher.folder / 'failed.json').exists)
    assert holder(endless.folder)
    # Ctrl-C ends what workers are at.
    os.kill(process.pid, signal.SIGINT)
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 130, printed
    wait_until(lambda: not holder(endless.folder), 120)
    reason = 'seed 0: teacher, 100 steps: its worker died (tries: 1): has it enough memory?'
    for name in ('teacher', 'mono_cross'):
        assert row_of(out, name)['failures'] == {'0': reason}
    # A unit that may be tried again goes on from its checkpoint.
    retries(3)
    before = step_of(teacher)
    process = command(path, out, *address, '--rows', 'teacher,mono_cross')
    wait_for(lambda: step_of(teacher) > before)
    os.kill(holder(teacher.folder), signal.SIGKILL)
    killed = step_of(teacher)
    printed = process.communicate(timeout=400)[0]
    assert process.returncode == 0, printed
    assert '4 of 4' in printed
    last = (teacher.folder / LOG).read_text().split('seed 0: teacher')[-1]
    assert f'teacher {killed}/100' not in last
    assert 'teacher 100/100' in last
    for name in ('teacher', 'mono_cross'):
        assert row_of(out, name)['complete']
        assert row_of(out, name)['failures'] == {}


def test_rows_without_a_target_are_compared_on_test_scenes(tmp_path):
    """Post-processing and a factor by matching are of networks that are trained once."""
    base = {
        'method': 'stereo',
        'stages': [{'name': 'dpn', 'kind': 'photometric', 'right': 'predicted'}],
        'model': {'architecture': 'dpn', 'bins': 9, 'settings': {'width': 8}},
        'data': {'styles': ['indoor'], 'height': 64, 'width': 96, 'planes': [64]},
        'train': {'steps': 1, 'batch_size': 2, 'picture_every': 0, 'tensorboard': False},
        'evaluate': {
            'scenes': 2, 'baseline_scenes': 2, 'calibration_scenes': 2, 'batch_size': 2,
            'export': False,
        },
    }  # fmt: skip
    rows = [
        {'name': 'median_depth'},
        {'name': 'dpn', 'stage': 'dpn'},
        {'name': 'dpn_pp', 'stage': 'dpn', 'post_process': True},
        {'name': 'scale', 'stage': 'dpn', 'matched_scale': True},
    ]
    (tmp_path / 'base.yaml').write_text(yaml.safe_dump(base))
    path = tmp_path / 'table.yaml'
    path.write_text(yaml.safe_dump({'base': 'base.yaml', 'rows': rows, 'reference': 'dpn'}))
    table(path, tmp_path / 'out')
    found = {
        row['name']: row for row in json.loads((tmp_path / 'out/table.json').read_text())['rows']
    }
    errors = {
        name: [row['source'][scale]['abs_rel']['mean'] for scale in ('raw', 'median_scaled')]
        for name, row in found.items()
    }
    assert 'target' not in found['dpn']
    assert len({error for error, _ in errors.values()}) == 4
    assert errors['scale'][1] == pytest.approx(errors['dpn'][1], rel=1e-4)  # only metres change
    assert errors['dpn_pp'][1] != errors['dpn'][1]
    assert len(trained(tmp_path / 'out')) == 4  # one training, three scorings
    text = (tmp_path / 'out' / 'table.md').read_text()
    assert text.startswith('# table: depth, base.yaml')
    assert 'dpn (1) + post-processing' in text
    assert 'source AbsRel' not in text
