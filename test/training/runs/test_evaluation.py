# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from kit.clips import Sliding, write_folder
from kit.runs import tiny_run
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import Scenes, median_depth_map
from spike_training.run_data.evaluation_sets import Baselines, DataSets, config_sets
from spike_training.run_data.sources import make_source
from spike_training.settings.config import TargetConfig

CPU = torch.device('cpu')


def test_a_config_is_tested_on_its_source_and_its_target(tmp_path):
    config = tiny_run(tmp_path, target=TargetConfig(styles=['road'], rate_hz=10e3))
    sets = [*config_sets(config, CPU, 400.0)]
    assert [one.name for one in sets] == ['source_indoor', 'source_road', 'target_road']
    assert [one.title for one in sets] == ['indoor', 'road', 'target, road']
    assert [one.rate_hz for one in sets] == [20e3, 20e3, 10e3]
    # A target has neither colour images nor events.
    for modality in ('rgb', 'events'):
        others = config_sets(config, CPU, 400.0, modality)
        assert [one.domain for one in others] == ['source'] * 2


def test_the_baseline_of_a_style_is_that_of_its_training_scenes(tmp_path):
    config = tiny_run(tmp_path, target=TargetConfig(styles=['indoor', 'road']))
    config.data.styles = ['indoor']
    fx = config.model.canonical_fx
    expected = median_depth_map(Scenes(make_source(config, 'train', CPU), 2, 2), fx)
    baselines = Baselines(config, fx, CPU)
    # The source has no streets: their baseline is that of all it has.
    for one in config_sets(config, CPU, fx):
        found = baselines.of(one)
        assert found.keys() == {'median_depth_map', 'median_depth'}
        np.testing.assert_array_equal(found['median_depth_map'], expected)
        assert found['median_depth'].shape == expected.shape
        assert np.unique(found['median_depth']) == pytest.approx([np.median(expected)])


def test_the_baseline_of_other_tests_is_that_of_all_that_trains(tmp_path):
    for name in ('one', 'other'):
        write_folder(tmp_path / name, Sliding(20))
    config = tiny_run(tmp_path / 'run')
    config.data.recordings = {'folder': f'{tmp_path / "one"},frame_hz=10'}
    config.data.test_recordings = {'tum': f'folder:{tmp_path / "other"},frame_hz=10'}
    fx = config.model.canonical_fx
    (one,) = config_sets(config, CPU, fx)
    assert one.part == 'tum'
    assert Baselines(config, fx, CPU).of(one).keys() == {'median_depth_map', 'median_depth'}


def test_a_data_set_is_compared_with_each_style(tmp_path):
    write_folder(tmp_path / 'one', Sliding())
    config = tiny_run(tmp_path / 'run')
    places = {'tum_office': f'folder:{tmp_path / "one"},frame_hz=10'}
    (one,) = DataSets(config, places, 4, 32).sets(CPU)
    assert (one.name, one.domain, one.role) == ('tum_office', 'data', 'development set')
    assert (one.samples.number, one.planes) == (4, (32,))
    found = Baselines(config, 400.0, CPU).of(one)
    assert found.keys() == {'median_depth_map_indoor', 'median_depth_map_road'}
    assert not np.array_equal(*found.values())


def test_a_set_of_its_own_is_a_test(tmp_path):
    write_folder(tmp_path / 'one', Sliding())
    places = {'folder': f'{tmp_path / "one"},frame_hz=10'}
    (one,) = DataSets(tiny_run(tmp_path), places, 4, 32).sets(CPU)
    assert one.role == 'test'


def test_what_is_no_data_set_is_refused(tmp_path):
    config = tiny_run(tmp_path)
    with pytest.raises(
        DataSetError, match=r"'tum_office': expected one of cityscapes, dat, .*READER:PATH"
    ):
        [*DataSets(config, {'tum_office': str(tmp_path)}, 4, 32).sets(CPU)]
    with pytest.raises(DataSetError, match='samples is 1: expected 2 or more'):
        [*DataSets(config, {'folder': str(tmp_path)}, 1, 32).sets(CPU)]
