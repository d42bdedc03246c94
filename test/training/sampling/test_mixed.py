# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generated scenes mixed with views: shares, order, and settings."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
import torch

from kit.datasets import write_dat
from kit.rooms import HEIGHT, WIDTH, write_rooms
from spike_depth_ros.base.schema import problems_of
from spike_training.datasets.readers import read
from spike_training.errors import DataSetError
from spike_training.run_data.sources import datasets_of, fx_range, make_source
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.mixed import MixedSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import (
    BatchSpec,
    DataConfig,
    RunConfig,
    StageConfig,
    TargetConfig,
)
from spike_training.tables.units import _settings

STYLES = ('home', 'home', 'office', 'road', 'outdoor')
REPLACED = ('home', 'office')


@pytest.fixture(name='clips', scope='module')
def _clips(tmp_path_factory):
    return read('rendered', str(write_rooms(tmp_path_factory.mktemp('set'))))


def mixed(clips, share=0.5, **changes):
    common = {'height': HEIGHT, 'width': WIDTH, 'planes': (64,), 'bins': 8}
    scenes = ProceduralSource(STYLES, 5, **common)
    views = ClipSource(clips, seed=5, **common)
    return MixedSource(scenes, {20_000.0: views}, STYLES, REPLACED, share, **changes)


@pytest.mark.parametrize('share', [0.0, 0.25, 0.5, 0.75, 1.0])
def test_shares_are_counted(clips, share) -> None:
    source = mixed(clips, share)
    number = 400
    found = Counter(STYLES[k % 5] for k in range(5 * number) if source.turn(k) is not None)
    assert not found.keys() & {'road', 'outdoor'}
    assert found['home'] == pytest.approx(2 * number * share, abs=2)
    assert found['office'] == pytest.approx(number * share, abs=1)


def test_each_view_is_taken_once_before_any_again(clips) -> None:
    source = mixed(clips, 0.3)
    turns = [turn for k in range(2000) if (turn := source.turn(k)) is not None]
    assert sorted(turns)[:300] == [*range(300)]
    assert len({*turns}) == len(turns)


def test_the_other_samples_are_those_of_the_scenes_alone(clips) -> None:
    source = mixed(clips)
    batch, alone = source.batch(2, 10), source.scenes.batch(2, 10)
    views = [k for k in range(10) if source.turn(20 + k) is not None]
    assert 2 <= len(views) <= 4
    assert batch.index.tolist() == [*range(20, 30)]
    for k in range(10):
        same = torch.equal(batch.depth[k], alone.depth[k])
        assert same == (k not in views)
        assert torch.equal(batch.counts[k], alone.counts[k]) == same


def test_a_sample_depends_on_its_number_alone(clips) -> None:
    whole = mixed(clips, flip=True).batch(0, 12)
    for rank in (0, 1):
        part = mixed(clips, flip=True, workers=2).batch(0, 6, rank, 2)
        assert torch.equal(part.counts, whole.counts[6 * rank : 6 * rank + 6])
        assert torch.equal(part.depth, whole.depth[6 * rank : 6 * rank + 6])
        assert torch.equal(part.fx, whole.fx[6 * rank : 6 * rank + 6])
        assert part.index.tolist() == [*range(6 * rank, 6 * rank + 6)]
    assert not torch.equal(mixed(clips).batch(0, 12).counts, whole.counts)  # some are mirrored


def test_all_samples_of_a_batch_may_be_views(clips) -> None:
    source = mixed(clips, 1.0)
    batch = source.batch(0, 3)  # home, home, office
    assert torch.isposinf(batch.depth[:, 0, :4]).all()
    assert batch.counts.shape == (3, 8, HEIGHT, WIDTH)


def test_what_does_not_fit_together_is_refused(clips) -> None:
    source = mixed(clips)
    with pytest.raises(ValueError, match='share is 2'):
        mixed(clips, 2.0)
    with pytest.raises(ValueError, match='plane rates'):
        MixedSource(source.scenes, {1.0: ClipSource(clips, HEIGHT, WIDTH)}, STYLES, REPLACED, 0.5)


def config(root: Path, **changes) -> RunConfig:
    data = DataConfig(
        styles=['home', 'road'], height=HEIGHT, width=WIDTH, planes=[32, 64],
        mixed_recordings={'rendered': str(root)}, **changes,
    )  # fmt: skip
    return RunConfig(data=data)


def test_a_config_mixes_and_scores_the_views_separately(tmp_path) -> None:
    run, cpu = config(write_rooms(tmp_path, 10, 2)), torch.device('cpu')
    assert run.data.parts == ['home', 'road', 'rendered']
    for split in ('train', 'calibration'):
        source = make_source(run, split, cpu)
        assert isinstance(source, MixedSource)
        source.batch(0, 4)
    assert isinstance(make_source(run, 'test', cpu, ['home']), ProceduralSource)
    rooms = make_source(run, 'test', cpu, ['rendered'])
    assert isinstance(rooms, LabelledSource)
    assert len(rooms) == 4  # two of ten rooms
    assert 'rendered' in datasets_of([run.data])
    assert TargetConfig().data(run.data).mixed_recordings == {}


def recorded(root: Path, **changes) -> RunConfig:
    """Scenes mixed with recorded spikes of 64x32 pixels at 1,280 planes a second."""
    where = f'{write_dat(root / "dat", clips=4, depth=2.0)},size=64x32,rate_hz=1280,fx=60'
    sizes = {'height': 32, 'width': 64, 'planes': [32, 64], 'rate_hz': 1280.0} | changes
    return RunConfig(
        data=DataConfig(styles=['home', 'road'], mixed_recordings={'dat': where}, **sizes)
    )


def test_views_are_cropped_as_the_settings_say(tmp_path, monkeypatch) -> None:
    places = []
    attempt = LabelledSource.attempt

    def noted(source, number, planes=None, place=0.5):
        places.append(place)
        return attempt(source, number, planes, place)

    monkeypatch.setattr(LabelledSource, 'attempt', noted)
    root = write_rooms(tmp_path, 10, 2)
    for random_crop in (False, True):
        run = config(root, random_crop=random_crop, mixed_share=1.0)
        make_source(run, 'train', torch.device('cpu')).batch(0, 4)
    assert places[:2] == [0.5, 0.5]
    assert len({*places[2:]} - {0.5}) == 2


def test_recorded_spikes_are_mixed_in(tmp_path) -> None:
    run, cpu = recorded(tmp_path, mixed_share=1.0), torch.device('cpu')
    for split in ('train', 'calibration'):
        batch = make_source(run, split, cpu).batch(0, 4)
        assert [bool((depth == 2).all()) for depth in batch.depth] == [True, False] * 2
        assert batch.fx[::2].tolist() == [60, 60]
        assert batch.counts.dtype == torch.uint8
    assert len(make_source(run, 'test', cpu, ['dat'])) == 1


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (
            {'height': 48},
            r'data.height is 48 and data.width 64, but 32 rows and 64 columns of 1x1',
        ),
        ({'height': 16, 'width': 32}, r'but 16 rows and 32 columns of 2x2 pixels are left'),
        ({'rate_hz': 2560.0}, '1280 planes a second, the settings say 2560'),
        ({'rates_hz': [640.0]}, '1280 planes a second, the settings say 640'),
    ],
)
def test_recorded_spikes_that_are_unlike_the_scenes_are_refused(tmp_path, changes, told) -> None:
    with pytest.raises(DataSetError, match=told):
        make_source(recorded(tmp_path, **changes), 'train', torch.device('cpu'))


def test_recorded_spikes_are_refused_where_none_are_learnt(tmp_path) -> None:
    with pytest.raises(DataSetError, match='mixed_recordings has spikes, and the stage learns'):
        make_source(
            recorded(tmp_path),
            'train',
            torch.device('cpu'),
            spec=BatchSpec(spikes=False),
        )


def test_unused_settings_of_the_mix_are_left_out_of_the_hashes_of_units(tmp_path) -> None:
    plain = RunConfig()
    unused = dataclasses.replace(plain, data=DataConfig(mixed_share=0.25))
    assert 'mixed_share' not in _settings(plain)['data']
    assert _settings(plain) == _settings(unused)
    one, other = config(tmp_path), config(tmp_path, mixed_share=0.25)
    assert _settings(one) != _settings(other)


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({'mixed_share': 1.5}, 'mixed_share is 1.5: expected 0 to 1'),
        ({'mixed_share': float('nan')}, 'mixed_share is nan: expected a finite number'),
        ({'mixed_styles': []}, 'mixed_styles is []: expected one or more'),
        ({'mixed_recordings': {'roomz': 'x'}}, 'mixed_recordings.roomz is unknown'),
        (
            {'mixed_recordings': {'rendered': 'x'}, 'recordings': {'kitti': 'y'}},
            'mixed_recordings is given: expected none',
        ),
    ],
)
def test_wrong_settings_of_the_mix_are_told(changes, told) -> None:
    assert any(told in problem for problem in problems_of(DataConfig(**changes)))


@pytest.mark.parametrize('focal', [5, 200])  # pixels, outside of the scenes' range
def test_focal_lengths_of_the_views_are_part_of_the_range(tmp_path, focal) -> None:
    run = config(write_rooms(tmp_path, focal=focal))
    alone = dataclasses.replace(run, data=dataclasses.replace(run.data, mixed_recordings={}))
    mixed_range, scenes = (fx_range(r.resolve(StageConfig(name='one'))) for r in (run, alone))
    assert mixed_range == (min(scenes[0], focal), max(scenes[1], focal))
