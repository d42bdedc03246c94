# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import yaml

from spike_depth_ros.base.safe_yaml import YamlLimitError, parse_yaml


@pytest.mark.parametrize(
    'text',
    ['2001-99-99', '!!int "9a"', '!!int ""', '!!bool "x"', '!!float "x"', '!!timestamp "x"',
     '9' * 5000, '!!binary "\\ud800"'],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_is_no_yaml(text):
    with pytest.raises(yaml.YAMLError):
        parse_yaml(f'a: {text}')


@pytest.mark.parametrize('text', ['&a [*a]', 'a: &a {b: *a}', '&a [1, [2, {c: *a}]]'])
def test_a_value_that_holds_itself_is_refused(text):
    with pytest.raises(YamlLimitError, match="alias 'a' is within the value that it repeats"):
        parse_yaml(text)


def test_an_alias_of_a_value_before_it_is_read():
    assert parse_yaml('a: &a [1, &b x]\nb: *a\nc: *b') == {'a': [1, 'x'], 'b': [1, 'x'], 'c': 'x'}
