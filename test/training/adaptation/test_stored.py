# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files in the folder of an adaptation: those of earlier versions are read, damaged ones told."""

import dataclasses
import json
import math

import pytest

from spike_training.adaptation import stored
from spike_training.adaptation.candidates import Plan
from spike_training.adaptation.findings import shares_of
from spike_training.adaptation.matching import Camera, Match
from spike_training.adaptation.run import Budget
from spike_training.errors import ConfigError
from spike_training.sensor.parameters import Sensor

# As earlier versions wrote them.
MATCH = (
    '{"optics": {"light": 0.3, "contrast": 1.0, "vignette": 0.25, "blur": 0.5, "sensor": {"mode": '
    '"keep", "threshold": 1.0, "gain": 1.0, "rate_hz": 400.0, "dark_current": 0.0, "dark_spread": '
    '0.43, "response_mismatch": 0.0, "threshold_mismatch": 0.0, "electrons": null, "read_noise": '
    '0.0, "hot_pixels": 0.001, "hot_current": 400.0, "dead_pixels": 0.0, "row_mismatch": 0.0}, '
    '"veil": 0.0}, "distance": 1.5, "before": 20.0}'
)
SHARES = '{"home": 0.25, "office": 0.75}'
BUDGET = '{"rung_s": 12.5}'
PLAN = '{"steps": 20, "checkpoint": "a", "sensor correction": false, "settings": "b"}'

KINDS = {'match': (Match, MATCH), 'styles': (shares_of(('home', 'office', 'home')), SHARES),
         'budget': (Budget, BUDGET), 'plan': (Plan, PLAN)}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def read_text(kind, text):
        (tmp_path / 'one.json').write_text(text)
        return stored.read(tmp_path / 'one.json', kind)

    return read_text


def test_files_of_earlier_versions_are_read(read):
    sensor = Sensor(rate_hz=400.0, dark_spread=0.43, hot_pixels=0.001, hot_current=400.0)
    assert read(Match, MATCH) == Match(Camera(0.3, 1.0, 0.25, 0.5, sensor), 1.5, 20.0)
    assert read(Match, MATCH).optics.sensor.electrons == math.inf
    early = json.loads(MATCH)  # before there were dirt and rows
    del early['optics']['veil'], early['optics']['sensor']['row_mismatch']
    assert read(Match, json.dumps(early)) == read(Match, MATCH)
    assert dataclasses.asdict(read(*KINDS['styles'])) == {'home': 0.25, 'office': 0.75}
    assert read(*KINDS['budget']).rung_s == 12.5
    assert read(*KINDS['plan']) == Plan(20, 'a', False, 'b')
    assert read(dict, '{"content of the recordings": null}') == {'content of the recordings': None}


@pytest.mark.parametrize('name', ['match', 'styles', 'budget'])
def test_what_is_written_has_not_changed(read, tmp_path, name):
    stored.write(tmp_path / 'new.json', read(*KINDS[name]))
    assert (tmp_path / 'new.json').read_text() == KINDS[name][1]


def leaves(tree, *path):
    """Paths of all values of a tree."""
    for name, value in tree.items():
        yield (*path, name), value
        if isinstance(value, dict):
            yield from leaves(value, *path, name)


@pytest.mark.parametrize('name', KINDS)
def test_damaged_values_are_told_in_a_line(read, name):
    kind, text = KINDS[name]
    trees = ['[]', 'null', '3', text[:-1]]
    for path, before in leaves(json.loads(text)):
        wrong = [[], {}, 'x', -1, 1e13, math.nan, math.inf, None, not isinstance(before, bool)]
        # Fields of a sensor may be missing, as earlier versions had fewer.
        allowed = {'veil': (-1, 1e13), 'electrons': (1e13,), 'sensor': ({},)}.get(path[-1], ())
        for value in wrong:
            if value in (before, *allowed) or (isinstance(value, str) and isinstance(before, str)):
                continue
            tree = part = json.loads(text)
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = value
            trees.append(json.dumps(tree))
        part['unknown\nname'] = 1
        trees.append(json.dumps(tree))
        del part['unknown\nname'], part[path[-1]]
        if 'sensor' not in path[:-1] and path[-1] != 'veil':
            trees.append(json.dumps(tree))
    for one in trees:
        with pytest.raises(ConfigError, match=r'one\.json is damaged \(.+\): remove the') as error:
            read(kind, one)
        assert len(str(error.value).splitlines()) == 1


def test_shares_add_up(read):
    with pytest.raises(ConfigError, match=r'\(shares add up to 0\.75: expected 1\)'):
        read(KINDS['styles'][0], '{"home": 0.25, "office": 0.5}')


@pytest.mark.parametrize('constant', ['NaN', 'Infinity', '-Infinity'])
def test_constants_that_are_no_json_are_refused(read, constant):
    with pytest.raises(ConfigError, match=f'damaged .{constant}: expected a finite number'):
        read(dict, f'{{"minutes": {constant}}}')
