# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command lines of functions: options become values, and all that is wrong is told at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from spike_depth_ros.base import cli
from spike_depth_ros.base.schema import Problems, across, refuse
from spike_depth_ros.base.values import Check, Count, Positive, Share, one_of
from spike_depth_ros.tools.arguments import parse_size


@dataclass(frozen=True)
class Sensor:
    """Sensor.

    Attributes:
        dark: Dark current.
        life_s: How long it lives.
    """

    dark: Share = 0.0
    mode: Literal['keep', 'reset'] = 'keep'
    life_s: Annotated[float, Check(lambda value: value >= 1, '1 or more', infinite=True)] = 1.0

    def __post_init__(self):
        refuse(self)


def enlarge(
    out: Path,
    data: dict[str, str] | None = None,
    factor: Annotated[int, one_of(2, 4)] = 2,
    rate_hz: float = 20.0,
    name: str = '',
    paths: Path | Sequence[Path] = (),
    sizes: Count | Sequence[Count] = (),
    device: Literal['auto', 'cpu'] = 'auto',
    sensor: Sensor = Sensor(),
    overwrite: bool = False,
    limit: float | None = None,
) -> None:
    """Enlarge maps of 100 %.

    All of them.

    Args:
        out: File to write.
        data: Data sets.
        factor: Of height
            and width.
        overwrite: Replace it.
    """


TAKEN = {
    '--out a': {'out': Path('a')},
    '--out=a=b': {'out': Path('a=b')},
    '--out a --out b': {'out': Path('b')},
    '--out 12': {'out': Path('12')},
    '--out - --name -': {'out': Path('-'), 'name': '-'},
    '--out a --rate-hz 4e-3': {'rate_hz': 0.004},
    '--out a --rate_hz=-4': {'rate_hz': -4.0},
    '--out a --rate_hz 010': {'rate_hz': 10.0},
    '--out a --sizes 010': {'sizes': 10},
    '--out a --factor 4': {'factor': 4},
    '--out a --name 007': {'name': '007'},
    '--out a --name null': {'name': 'null'},
    '--out a --name 2026-01-02': {'name': '2026-01-02'},
    '--out a --limit null': {'limit': None},
    '--out a --paths b': {'paths': Path('b')},
    '--out a --paths [b,c]': {'paths': (Path('b'), Path('c'))},
    '--out a --sizes 3': {'sizes': 3},
    '--out a --sizes [3,4]': {'sizes': (3, 4)},
    '--out a --device cpu': {'device': 'cpu'},
    '--out a --overwrite': {'overwrite': True},
    '--out a --overwrite false': {'overwrite': False},
    '--overwrite --out a': {'overwrite': True},
    '--out a --data.kitti 12,fx=3': {'data': {'kitti': '12,fx=3'}},
    '--out a --data.a=b --data.c d': {'data': {'a': 'b', 'c': 'd'}},
    '--out a --sensor.dark 0.1 --sensor.mode reset': {'sensor': Sensor(0.1, 'reset')},
    '--out a --sensor.life_s .inf': {'sensor': Sensor(life_s=math.inf)},
}


@pytest.mark.parametrize('line', TAKEN)
def test_options_become_values_of_their_types(line):
    found = cli.parse(enlarge, line.split())
    expected = {'out': found['out'], **TAKEN[line]}
    assert found == expected
    assert {name: type(one) for name, one in found.items()} == {
        name: type(one) for name, one in expected.items()
    }


REFUSED = {
    '': '--out is missing: expected a path',
    '--out': '--out has no value: expected a path',
    'a --out b': 'a: expected an option, --name value',
    '--out a --facto 2': '--facto is unknown: did you mean factor?',
    '--out a --factor 3': 'factor is 3: expected 2 or 4',
    '--out a --factor 2.0': 'factor is 2.0: expected a whole number, 2 or 4',
    '--out a --factor x --rate_hz y': (
        "factor is 'x': expected a whole number, 2 or 4; rate_hz is 'y': expected a number"
    ),
    '--out a --rate_hz nan': "rate_hz is 'nan': expected a number",
    '--out a --rate_hz .inf': 'rate_hz is inf: expected a finite number',
    '--out a --rate_hz .nan': 'rate_hz is nan: expected a finite number',
    '--out a --sensor.life_s .nan': 'sensor.life_s is nan: expected a finite number, 1 or more',
    '--out a --sensor.dark 1 --sensor.life_s 0': (
        'sensor.life_s is 0: expected 1 or more; sensor.dark is 1: expected 0 to below 1'
    ),
    '--out a --rate_hz 1:30': "rate_hz is '1:30': expected a number",
    '--out a --factor 0x2': "factor is '0x2': expected a whole number, 2 or 4",
    '--out a --overwrite maybe': "overwrite is 'maybe': expected true or false",
    '--out a --sizes [3,0]': 'sizes[1] is 0: expected 1 or more',
    '--out a --device gpu': "device is 'gpu': expected auto or cpu",
    '--out a --data b': 'data is \'b\': expected settings, "name: value"',
    '--out a --sensor.drak 1': 'sensor.drak is unknown: did you mean dark?',
    '--out a --sensor.dark 1': 'sensor.dark is 1: expected 0 to below 1',
    '--out a --sensor /nowhere/a.yaml': (
        "/nowhere/a.yaml: [Errno 2] No such file or directory: '/nowhere/a.yaml'"
    ),
}


@pytest.mark.parametrize('line', REFUSED)
def test_all_that_is_wrong_is_told_in_one_line(line):
    with pytest.raises(cli.OptionsError) as refused:
        cli.parse(enlarge, line.split())
    assert str(refused.value) == REFUSED[line]


def test_a_file_of_options_is_overridden_by_those_after_it(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text('out: a\nfactor: 4\nrate-hz: 3\n')
    found = cli.parse(enlarge, ['--config', str(file), '--rate_hz', '5'])
    assert found == {'out': Path('a'), 'factor': 4, 'rate_hz': 5.0}
    file.write_text('factro: 4')
    with pytest.raises(cli.OptionsError, match='factro is unknown: did you mean factor'):
        cli.parse(enlarge, ['--out', 'a', '--config', str(file)])


def test_a_file_of_settings_is_a_dataclass(tmp_path):
    file = tmp_path / 'sensor.yaml'
    file.write_text('dark: 0.25\nlife_s: .inf\n')
    found = cli.parse(enlarge, ['--out', 'a', '--sensor', str(file), '--sensor.mode', 'reset'])
    assert found['sensor'] == Sensor(0.25, 'reset', math.inf)
    file.write_text('- 3\n')
    with pytest.raises(cli.OptionsError, match='expected options, "name: value"'):
        cli.parse(enlarge, ['--out', 'a', '--sensor', str(file)])


@given(st.lists(st.text(st.characters(blacklist_categories=['Cs']), max_size=9), max_size=6))
def test_any_arguments_are_read_or_refused(arguments):
    try:
        found = cli.parse(enlarge, arguments)
    except cli.OptionsError as error:
        said = str(error)
    else:
        said = ''
        assert 'out' in found
    assert len(said.splitlines()) <= 1


def test_help_has_each_option_with_meaning_type_default(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    told = ' '.join(cli.help_of(enlarge, 'run.py enlarge').split())
    assert told.startswith(
        'usage: run.py enlarge [OPTIONS] Enlarge maps of 100 %. All of them. opt'
    )
    assert ' --out OUT File to write. (a path; required) ' in told
    assert ' --factor FACTOR Of height and width. (a whole number, 2 or 4; default: 2) ' in told
    assert ' --overwrite {true,false} Replace it. --limit ' in told
    assert ' --device {auto,cpu} (default: auto) ' in told
    assert ' --sensor.dark DARK Dark current. (a number, 0 to below 1; default: 0.0) ' in told
    assert 'Args:' not in told


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Layout of a file."""

    size: Annotated[tuple[int, int], cli.Option(parse=parse_size)] | None = None
    """Its size, WIDTHxHEIGHT."""
    bit_order: Literal['little', 'big'] | None = None
    """Its bits."""


@dataclass(frozen=True, kw_only=True)
class Enlarge(Layout):
    """Enlarge maps.

    For example: enlarge a.png --out b.png
    """

    source: Annotated[Path, cli.POSITIONAL]
    """The map."""
    mask: Annotated[Path | None, cli.POSITIONAL] = None
    """Its mask."""
    out: Path
    """Where to."""
    overwrite: bool = False
    """Replace it."""
    model: Annotated[list[Path] | None, cli.REPEATED] = None
    """Network, or several."""
    low_m: float = 0.0
    """Lowest."""
    high_m: Positive = 1.0
    """Highest."""

    @across('low_m', 'high_m')
    def _range(self) -> Problems:
        if self.low_m >= self.high_m:
            yield f'high_m is {self.high_m:g}: expected above --low_m, {self.low_m:g}'


SCRIPTS = {
    'a --out b': {},
    '--out b a': {},
    'a m --out b': {'mask': Path('m')},
    '--overwrite a --out b': {'overwrite': True},
    'a --out b --overwrite': {'overwrite': True},
    'a --out b --overwrite false': {},
    'a --out b --size 400x250 --bit-order big': {'size': (400, 250), 'bit_order': 'big'},
    'a --out b --model x --model y': {'model': [Path('x'), Path('y')]},
    'a --out b --low-m=-1': {'low_m': -1.0},
}


@pytest.mark.parametrize('line', SCRIPTS)
def test_a_script_has_places_flags_and_options_given_again(line):
    found = cli.options(Enlarge, 'enlarge', line.split())
    assert found == Enlarge(source=Path('a'), out=Path('b'), **SCRIPTS[line])


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('', 'SOURCE is missing: expected a path; --out is missing: expected a path'),
        ('a m n --out b', 'n: expected an option, --name value'),
        ('a --out b --size 4', "--size is '4': expected WIDTHxHEIGHT, such as 400x250"),
        ('a --out b --high-m 0', '--high-m is 0: expected above 0'),
        ('a --out b --low-m 2', '--high-m is 1: expected above --low-m, 2'),
        ('a --out b --bit-ordr big', '--bit-ordr is unknown: did you mean bit_order?'),
        ('a --out b --overwrite=maybe', "--overwrite is 'maybe': expected true or false"),
    ],
)
def test_wrong_options_of_a_script_end_it(line, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.options(Enlarge, 'enlarge', line.split())
    assert ended.value.code == 2
    assert capsys.readouterr() == ('', f'enlarge: error: {said} (see enlarge --help)\n')


def test_help_of_a_script_has_places_flags_and_groups(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    with pytest.raises(SystemExit, match='0'):
        cli.options(Enlarge, 'enlarge', ['a', '--help'])
    told = ' '.join(capsys.readouterr().out.split())
    assert told.startswith('usage: enlarge SOURCE [MASK] [OPTIONS] Enlarge maps. For example: ')
    assert ' SOURCE The map. (a path; required) MASK Its mask. (a path) ' in told
    assert ' --overwrite Replace it. ' in told
    assert ' layout of a file: --size SIZE Its size, WIDTHxHEIGHT. ' in told
    assert ' --bit-order {little,big} Its bits.' in told
    assert ' --high-m HIGH_M Highest. (a number, above 0; default: 1.0)' in told
