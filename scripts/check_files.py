# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check what linters of code do not: sizes, headers, white space, data files, tests of faults.

Looks at the files that git tracks or would add, prints one line for each problem and exits with 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KIBIBYTE = 1024
LARGEST = 500 * KIBIBYTE
LARGEST_ASSET = 8 * 1024 * KIBIBYTE
"""For ``spike_depth_ros/assets``, which holds weights and a sample stream."""

BINARY = {'.bin', '.dat', '.gif', '.npy', '.npz', '.onnx', '.png', '.safetensors'}
HEADER = '# Copyright 2026 the spike_depth_ros authors\n# SPDX-License-Identifier: Apache-2.0\n'


SCHEMA = Path('spike_depth_ros/base')
"""Folder of what says types, ranges, choices and options once."""

SAID_AGAIN = {
    r'\bargparse\b': 'options are parameters of a function, see base/cli.py',
    r'\bdef _?checks\(': 'annotations of fields say what they may be, see base/schema.py',
    r'\bdef problems\(': 'annotations of fields say what they may be, see base/schema.py',
    r'\b_Check = ': 'checks of values stand in base/values.py',
}
"""What says types, ranges or options in another way than the schema, in the product."""

OF_USERS = 'training/spike_training/settings/config.py'
"""Module that has ``problems`` for methods that users wrote for it."""

OF_BLENDER = Path('training/spike_worlds/blender')
"""Folder of what runs in an environment without PyYAML, which the schema needs."""


FAULTS = Path('docs/reference/reliability.md')
"""Page whose tables name tests for each fault, in the last cell of its row."""


def untested_faults(text: str) -> Iterator[str]:
    """Yield what is wrong with the tables of faults: rows without a test, tests that are gone."""
    files = [path.read_text(encoding='utf-8') for path in Path('test').rglob('test_*.py')]
    tests = {
        name for file in files for name in re.findall(r'^ *def (test_\w+)\(', file, re.MULTILINE)
    }
    tables = text.partition('\n## Faults, and the tests that inject them\n')[2]
    for row in [line for line in tables.splitlines() if line.startswith('| ')]:
        last = row.removesuffix(' |').rpartition('| ')[2]
        named = re.findall(r'`(test_\w+)`', last)
        if not named and last != 'test':
            yield f'expected a test, `test_name`, at the end of: {row}'
        for name in named:
            if name not in tests:
                yield f'test/ has no {name}'


def said_again(path: Path, text: str) -> Iterator[str]:
    """Yield the ways of a module to say types, ranges or options that are not the schema's."""
    apart = path.is_relative_to(SCHEMA) or path.is_relative_to(OF_BLENDER)
    if not apart and str(path) != OF_USERS:
        yield from (remedy for found, remedy in SAID_AGAIN.items() if re.search(found, text))


def problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with one file, a phrase for each problem."""
    limit = LARGEST_ASSET if 'assets' in path.parts else LARGEST
    size = path.stat().st_size
    if size > limit:
        yield f'{size // KIBIBYTE} KiB are more than the {limit // KIBIBYTE} KiB allowed here'
    if path.suffix in BINARY:
        return

    try:
        text = path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        yield f'is not UTF-8 ({error.reason} at byte {error.start})'
        return
    if text and not text.endswith('\n'):
        yield 'does not end with a newline'
    for number, line in enumerate(text.splitlines(), start=1):
        if line != line.rstrip() and path.name != 'LICENSE':
            yield f'line {number} ends with white space'
        if line.startswith(('<<<<<<< ', '>>>>>>> ')):
            yield f'line {number} is the mark of an unfinished merge'
    if path == FAULTS:
        yield from untested_faults(text)
    if path.suffix == '.py' and path.parts[0] in ('spike_depth_ros', 'training'):
        yield from said_again(path, text)
    if path.suffix == '.py' and not text.startswith(HEADER):
        yield 'does not begin with the two lines of copyright and licence'

    try:
        if path.suffix in {'.yaml', '.yml', '.rviz'}:
            list(yaml.safe_load_all(text))
        elif path.suffix == '.toml':
            tomllib.loads(text)
        elif path.suffix == '.xml':
            ElementTree.fromstring(text)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ElementTree.ParseError) as error:
        yield f'does not parse: {" ".join(str(error).split())}'


def main() -> int:
    """Check every file and return the exit status."""
    listing = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        stdout=subprocess.PIPE,
        check=False,
    )
    if listing.returncode:
        print('not a git clone: the files are not checked')
        return 0
    paths = [Path(name) for name in listing.stdout.decode().split('\0') if name]
    found = [f'{path}: {what}' for path in paths if path.is_file() for what in problems(path)]
    print('\n'.join(found) if found else f'{len(paths)} files are good')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
