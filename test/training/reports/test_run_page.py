# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a run: everything that it promises is in it, and it never stops a training."""

import dataclasses
import json
import multiprocessing
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from kit.html_pages import Reader
from kit.runs import three_stages, tiny_run
from spike_depth_ros.base.results import hash_file
from spike_depth_ros.pages.pictures import save_png
from spike_depth_ros.pages.plots import COLOURS
from spike_training.errors import ConfigError, NonFiniteError
from spike_training.methods.bicross.settings import CrossDomainConfig, PretrainConfig
from spike_training.reports.run_page import Kept, PageWriter, page, render
from spike_training.reports.run_page.curves import curves
from spike_training.reports.run_page.folder import read_run
from spike_training.reports.run_page.health_checks import health_warnings, state
from spike_training.reports.run_page.settings import differences
from spike_training.runs import pipeline
from spike_training.runs.sessions import Session, read_sessions
from spike_training.settings.config import TargetConfig, to_yaml

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A whole run of three stages, with pictures and validations."""
    config = three_stages(tmp_path_factory.mktemp('runs') / 'three', deploy='label_free')
    config.train = dataclasses.replace(
        config.train, picture_every=2, validate_every=1, validate_batches=1, tensorboard=True
    )
    pipeline.run(config, PageWriter())
    return config


def made(out, *stages, **changes):
    """The folder of a run that has written its settings and no more."""
    config = tiny_run(out, *stages, **changes)
    out.mkdir(exist_ok=True)
    (out / 'config.yaml').write_text(to_yaml(config))
    return out


@pytest.fixture
def drawn(drawing, monkeypatch):
    """Draw the charts, which the others leave out."""
    for name, usual in drawing.items():
        monkeypatch.setattr(f'spike_training.reports.run_page.curves.{name}', usual)


def scalars(folder, *lines):
    folder.mkdir(exist_ok=True)
    (folder / 'scalars.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))


class TestOfARun:
    def test_it_shows_all_that_was_done(self, trained):
        seen = Reader((trained.out / 'index.html').read_text())
        report = json.loads((trained.out / 'report.json').read_text())
        for scores in report['sets'].values():
            assert len(scores['tables']) == 5
            for tables in scores['tables'].values():
                for kind in ('raw', 'recording_scaled', 'median_scaled'):
                    metrics = tables[kind]['mean_over_pixels']
                    assert f'{metrics["rmse"]:.3f} {metrics["rmse_log"]:.3f}' in seen.text
            assert f'{scores["uncertainty"]["ause"]:.3f}' in seen.text
        for words in (
            'finished', '9 of 9', 'Target: the domain without labels',
            '1. teacher', '2. mono_cross', '3. bicross', 'Fine distillation', 'Discriminator',
            'Criterion without target labels', 'mean prediction', 'shuffled input',
            'Teacher from student', 'Learning rate',
            'data.height 32 128', 'bicross: adapt.adabn_batches 2 30', 'after 2 steps',
            'after 3 steps', 'Shown are 2 of 2', 'torch ' + torch.__version__,
        ):  # fmt: skip
            assert words in seen.text, words
        predictors = report['sets']['target_indoor']['predictors']
        own, baseline = (predictors[name]['abs_rel'] for name in ('network', 'median_depth_map'))
        assert (
            f'{own:.3f} Abs Rel, target, indoor; median-depth baseline, per pixel {baseline:.3f}'
            in seen.text
        )
        selection = json.loads((trained.out / 'bicross' / 'selection.json').read_text())
        assert f'the {selection["selected"]} is exported, by a criterion' in seen.text
        for name in ('model.safetensors', 'report.json', 'bicross/selected.safetensors'):
            assert hash_file(trained.out / name) in seen.text

    def test_it_is_one_file_without_scripts(self, trained):
        text = (trained.out / 'index.html').read_text()
        assert text[: text.index('<img')].count('<table') <= 3
        seen = Reader(text)
        assert not seen.tags & {'script', 'link', 'iframe', 'object'}
        embedded = [ref for ref in seen.references if ref.startswith('data:image/webp;base64,')]
        assert len(embedded) == 6
        for reference in {*seen.references} - {*embedded}:
            assert (trained.out / reference).exists(), reference
        assert str(trained.out.parent) not in seen.text

    def test_every_chart_is_a_picture(self, trained, drawn):
        for stage in read_run(trained.out).stages:
            charts = curves(stage)
            assert len(charts) > 6
            for chart in charts:
                ElementTree.fromstring(chart.svg)
                assert any(colour in chart.svg for colour in COLOURS), chart.title

    def test_it_can_be_made_again(self, trained, capsys):
        before = (trained.out / 'index.html').read_text()
        page(trained.out)
        assert (trained.out / 'index.html').read_text() == before
        assert 'index.html: the page of the run' in capsys.readouterr().out

    def test_what_has_not_changed_is_not_drawn_again(self, tmp_path, monkeypatch):
        done, charts = [], render._charts
        monkeypatch.setattr(render, '_charts', lambda *of: done.append(of[0].name) or charts(*of))
        out = made(tmp_path / 'run', PretrainConfig(name='one'), PretrainConfig(name='two'))
        write = PageWriter()
        for name, losses, expected in (
            ('one', [2.0], ['one', 'two']),
            ('two', [1.5], ['two']),
            ('two', [1.5, 0.5], ['two']),
        ):
            lines = [{'step': k, 'train/loss': loss} for k, loss in enumerate(losses, 1)]
            scalars(out / name, *lines)
            done.clear()
            assert write(out) == out / 'index.html'
            assert done == expected
            text = (out / 'index.html').read_text()
            assert PageWriter().write(out).read_text() == text  # all drawn anew
        assert text.count('<figcaption>Loss</figcaption>') == 2

    def test_of_many_pictures_three_are_shown(self, tmp_path):
        out = made(tmp_path / 'run')
        picture = out / 'pre_src' / 'pictures'
        picture.mkdir(parents=True)
        for step in range(10, 80, 10):
            save_png(np.zeros((4, 4, 3), np.uint8), picture / f'{step:07d}.png')
        seen = Reader(render.render(read_run(out), Kept()))
        assert 'Shown are 3 of 7' in seen.text
        shown = [ref[-6:-4] for ref in seen.references if ref.endswith('.png')]
        assert shown == ['10', '40', '70']

    def test_pictures_beyond_a_size_are_links(self, trained, monkeypatch):
        monkeypatch.setattr(render, 'PICTURES_BYTES', 0)
        text = render.render(read_run(trained.out), Kept())
        assert 'data:image' not in text
        assert 'src="bicross/pictures/0000003.png"' in text

    def test_tensorboard_has_the_same_curves_and_pictures(self, trained):
        from tensorboard.backend.event_processing import event_accumulator as events

        also = {
            'teacher': {'train/sup', 'train/unc', 'train/learning_rate'},
            'mono_cross': {
                'train/ckd', 'train/fkd', 'train/kept_coarse', 'train/kept_fine',
                'train/learning_rate_projection',
            },
            'bicross': {
                'train/scp', 'train/sca', 'train/kept', 'validation/ema_distance',
                'train/learning_rate_discriminators',
            },
        }  # fmt: skip
        for stage in read_run(trained.out).stages:
            board = events.EventAccumulator(str(trained.out / stage.name)).Reload()
            assert {*board.Tags()['scalars']} == {*stage.scalars} >= also[stage.name]
            for name, (steps, values) in stage.scalars.items():
                found = board.Scalars(name)
                assert [event.step for event in found] == steps.tolist()
                assert [event.value for event in found] == pytest.approx(values, rel=1e-5)
            assert [event.step for event in board.Images('pictures')] == [2, 3]

    def test_a_session_says_where_the_time_went(self, trained):
        (session,) = read_sessions(trained.out)
        assert session['outcome'] == 'finished'
        assert [stage['name'] for stage in session['stages']] == [
            'teacher',
            'mono_cross',
            'bicross',
        ]
        assert 0 < sum(stage['seconds'] for stage in session['stages']) < session['seconds'] + 1
        assert all(stage['peak_memory_mb'] > 50 for stage in session['stages'])


class TestOfAnUnfinishedRun:
    def test_what_has_not_begun(self, tmp_path):
        out = made(tmp_path / 'run', PretrainConfig(name='one'), PretrainConfig(name='two'))
        scalars(out / 'one', {'step': 1, 'train/loss': 2.0})
        page(out)
        seen = Reader((out / 'index.html').read_text())
        assert 'not finished' in seen.text
        assert 'the metrics come at the end of the run' in seen.text
        assert seen.text.count('It has not begun.') == 1
        assert '1 of 6' in seen.text

    def test_half_a_line_and_half_a_picture(self, tmp_path):
        out = made(tmp_path / 'run')
        scalars(out / 'pre_src', {'step': 1, 'train/loss': 2.0})
        with (out / 'pre_src' / 'scalars.jsonl').open('a') as file:
            # A machine without power leaves zeros, too.
            file.write('\0\0{"step": 1\n[1]\n{"step": 2, "train/lo')
        picture = out / 'pre_src' / 'pictures' / '0000001.png'
        picture.parent.mkdir()
        save_png(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8), picture)
        picture.write_bytes(picture.read_bytes()[:900])
        page(out)
        assert 'src="pre_src/pictures/0000001.png"' in (out / 'index.html').read_text()

    def test_a_damaged_report_is_one_line(self, tmp_path):
        out = made(tmp_path / 'run')
        for name in ('report.json', 'pre_src/latest.json'):
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_text('{"format": ')
            with pytest.raises(ConfigError) as caught:
                page(out)
            assert '\n' not in str(caught.value)
            (out / name).unlink()

    def test_a_folder_without_a_run_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match='is no folder of a run'):
            page(tmp_path)

    def test_what_goes_wrong_is_a_warning(self, tmp_path, capsys):
        out = made(tmp_path / 'run')
        (out / 'report.json').write_text('{"styles": 3}')
        assert PageWriter()(out) is None
        warning = capsys.readouterr().err
        assert warning.startswith('warning: no page of the run: ')
        assert warning.count('\n') == 1

    def test_a_run_ends_well_without_a_page(self, tmp_path, capsys):
        config = tiny_run(tmp_path / 'run', PretrainConfig(steps=1))
        (config.out / 'index.html').mkdir(parents=True)  # where no file can be written
        pipeline.run(config, PageWriter())
        assert (config.out / 'model.safetensors').exists()
        assert 'warning: no page of the run' in capsys.readouterr().err
        assert read_sessions(config.out)[0]['outcome'] == 'finished'


class TestOfAStop:
    @pytest.mark.parametrize(
        ('error', 'outcome'),
        [
            (KeyboardInterrupt(), 'interrupted'),
            (NonFiniteError(7, 'its batch is in x.pt'),
             'failed: loss or gradient of step 7 is not finite: its batch is in x.pt'),
            (RuntimeError('/home/someone/secret'), 'failed: RuntimeError'),
        ],
    )  # fmt: skip
    def test_how_it_ended_is_kept(self, tmp_path, error, outcome):
        out = made(tmp_path / 'run')
        with pytest.raises(type(error)), Session(out, CPU) as session, session.stage('pre_src'):
            raise error
        (found,) = read_sessions(out)
        assert found['outcome'] == outcome
        assert found['stages'][0]['seconds'] >= 0
        run = read_run(out)
        assert state(run) == outcome.partition(':')[0]
        was = '' if outcome.startswith('failed') else 'was '
        assert f'The run {was}{outcome}. It goes on' in health_warnings(run)[0]

    def test_starts_are_added_up_and_a_kill_leaves_no_outcome(self, tmp_path):
        out = made(tmp_path / 'run')

        def begin(pipe):
            with Session(out, CPU):
                pipe.send('here')
                time.sleep(100)

        context = multiprocessing.get_context('fork')
        here, there = context.Pipe()
        process = context.Process(target=begin, args=(there,))
        process.start()
        assert here.poll(60)
        process.kill()
        process.join()
        assert state(read_run(out)) == 'not finished'
        with Session(out, CPU, quiet=True):
            pass
        with Session(out, CPU):
            time.sleep(0.01)
        assert [session['outcome'] for session in read_sessions(out)] == [None, 'finished']


def stage_with(tmp_path, kind, *lines, warnings=()):
    stages = [PretrainConfig(name='pre_src')]
    if kind == 'cross_domain':
        stages.append(CrossDomainConfig(name='bicross', init_from='pre_src'))
    out = made(tmp_path / 'run', *stages, target=TargetConfig())
    folder = out / stages[-1].name
    scalars(folder, *lines)
    text = ''.join(json.dumps({'step': s, 'warning': w}) + '\n' for s, w in warnings)
    (folder / 'warnings.jsonl').write_text(text)
    return read_run(out)


class TestCurves:
    def test_what_no_chart_knows_gets_one(self, tmp_path):
        lines = ({'step': k, 'train/loss': 1.0, 'train/novel': 0.1 * k} for k in (1, 2, 3))
        charts = curves(stage_with(tmp_path, 'pretrain', *lines).stages[-1])
        assert [chart.title for chart in charts] == ['Loss', 'novel']

    def test_several_rates_are_one_chart(self, tmp_path, drawn):
        line = {'step': 1, 'train/learning_rate': 1e-3, 'train/learning_rate_encoder': 1e-5}
        run = stage_with(tmp_path, 'pretrain', line)
        (chart,) = curves(run.stages[-1])
        assert chart.title == 'Learning rate'
        assert '>encoder<' in chart.svg
        assert chart.svg in render.render(run, Kept())  # drawn anew, and the same

    def test_one_peak_does_not_flatten_the_rest(self, tmp_path, drawn):
        lines = [{'step': k, 'train/loss': 1.0 if k else 1000.0} for k in range(100)]
        (chart,) = curves(stage_with(tmp_path, 'pretrain', *lines).stages[-1])
        ticks = [part.text for part in ElementTree.fromstring(chart.svg).iter() if part.text]
        assert '0.5' in ticks
        assert '1000' not in ticks

    def test_a_criterion_is_not_drawn_as_the_loss(self, tmp_path, drawn):
        run = stage_with(
            tmp_path, 'cross_domain',
            {'step': 1, 'train/loss': 1.0},
            {'step': 2, 'train/loss': 0.9},
            {'step': 2, 'validation/loss': 0.3, 'validation/teacher_criterion': 0.3},
        )  # fmt: skip
        loss, criterion = curves(run.stages[-1])
        assert '<use' not in loss.svg  # a marker
        assert '<use' in criterion.svg

    def test_bounds_and_warnings_are_drawn(self, tmp_path, drawn):
        run = stage_with(
            tmp_path, 'cross_domain', {'step': 1, 'train/kept': 0.99, 'train/loss': 1.0},
            warnings=[(1, 'too many')],
        )  # fmt: skip
        loss, kept = (chart.svg for chart in curves(run.stages[-1]))
        assert '>bounds<' in kept
        assert '>warning<' in kept
        assert '>warning<' not in loss

    def test_not_a_number_is_a_gap(self, tmp_path):
        run = stage_with(
            tmp_path, 'pretrain', *({'step': k, 'train/loss': float('nan')} for k in (1, 2))
        )
        assert curves(run.stages[-1]) == []


def scores(network, other=0.6, held=0.68, complete=True):
    def metrics(value):
        return {'abs_rel': value, 'abs_rel_median_scaled': value}

    return {
        'domain': 'source',
        'part': 'indoor',
        'windows': 4,
        'not_beaten': ['shuffled_input'] if network >= other else [],
        'predictors': {'network': metrics(network), 'shuffled_input': metrics(other)},
        'tables': {
            'network': {'raw': {'coverage': 1.0 if complete else 0.75, 'complete': complete}}
        },
        'uncertainty': {'interval_coverage': held},
    }


class TestRemarks:
    def said(self, tmp_path, **found):
        out = made(tmp_path / 'run')
        report = {'sets': {'source_indoor': scores(**found)}}
        run = dataclasses.replace(read_run(out), report=report)
        _, *told = health_warnings(run)
        # Of three steps poor results are expected, and this is said first.
        assert [text.startswith('3 steps hardly teach') for text in told] == [
            number == 0 for number, _ in enumerate(told)
        ]
        return told[1:]

    def test_nothing_of_a_good_one(self, tmp_path):
        assert self.said(tmp_path, network=0.2) == []

    def test_worse_than_what_looks_at_nothing(self, tmp_path):
        assert self.said(tmp_path, network=0.7) == [
            'source, indoor: the network DOES NOT BEAT 1 of its controls on 4 windows: shuffled '
            'input (median-scaled AbsRel 0.700, control 0.600).'
        ]

    def test_incomplete_and_not_calibrated(self, tmp_path):
        incomplete, interval = self.said(tmp_path, network=0.2, held=0.3, complete=False)
        assert 'INCOMPLETE, 75.00 % of the pixels' in incomplete
        assert 'interval holds 30 %' in interval

    def test_warnings_that_differ_in_numbers_are_one(self, tmp_path):
        warnings = [(k, f'the median depth is {k}.5 times: it drifts') for k in (1, 2, 3)]
        run = stage_with(tmp_path, 'pretrain', warnings=[*warnings, (3, 'another')])
        assert health_warnings(run)[1:] == [
            'pre_src, step 3, the last of 3 alike: the median depth is 3.5 times: it drifts.',
            'pre_src, step 3: another.',
        ]


def test_settings_that_differ(tmp_path):
    run = read_run(
        made(tmp_path / 'run', PretrainConfig(name='a'), target=TargetConfig(light=0.25))
    )
    found = differences(run.config)
    assert ('train.steps', '3', '2000') in found
    assert ('target.light', '0.25', '0.5') in found
    assert ('model.settings.stem', '8', '–') in found
    assert not [name for name, *_ in found if name.startswith(('out', 'resume', 'a: '))]
    assert differences({**run.config, 'novel': 3})[-1] != ('novel', '3', 'null')
    assert ('novel', '3', '–') in differences({**run.config, 'novel': 3})


def test_a_target_without_depth_has_no_table(trained):
    run = read_run(trained.out)
    del run.report['sets']['target_indoor']
    seen = Reader(render.render(run, Kept()))
    assert 'Target: the domain without labels: no depth to compare with' in seen.text
    assert 'Abs Rel, source, road' in seen.text
