# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Does a colcon build hold what ROS 2 looks for, does its node start, and did its tests run?

Usage: ``python scripts/check_colcon_install.py INSTALL_BASE BUILD_BASE`` with the Python that ran
colcon, after ``colcon build`` and ``colcon test``. Needs no ROS installation. Prints one line for
each thing that is missing and exits with 1.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

NAME = 'spike_depth_ros'
NODE_S = 60
SOURCE = Path(__file__).resolve().parent.parent


def missing_files(prefix: Path) -> Iterator[str]:
    """Yield what of the repository's files is not where `ros2 pkg` and `ros2 launch` look."""
    share = prefix / 'share' / NAME
    marker = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / NAME
    if not marker.is_file():
        yield f'{marker}: no marker, `ros2` would not find the package'

    wanted = [SOURCE / 'package.xml', *(SOURCE / 'launch').glob('*.launch.py')]
    wanted += [path for path in (SOURCE / 'config').rglob('*') if path.is_file()]
    for path in wanted:
        installed = share / path.relative_to(SOURCE)
        if not installed.is_file() or installed.read_bytes() != path.read_bytes():
            yield f'{installed}: missing, or not the file of the repository'


def missing_code(site_packages: Path) -> Iterator[str]:
    """Yield the modules and assets of the package that the build left out."""
    for path in sorted((SOURCE / NAME).rglob('*')):
        code = path.suffix == '.py'
        asset = path.parent.name == 'assets' and path.is_file()
        installed = site_packages / path.relative_to(SOURCE)
        if (code or asset) and not installed.is_file():
            yield f'{installed}: missing'
    strangers = {path.name for path in site_packages.iterdir() if path.is_dir()} - {NAME}
    for name in sorted(name for name in strangers if not name.endswith('.egg-info')):
        yield f'{site_packages / name}: does not belong to the package'


def start_installed(install_base: Path, command: list[str]) -> subprocess.Popen[str]:
    """Start a program as `ros2 run` would: with the set-up file of the build sourced.

    The folder is one in which the modules of the repository cannot be imported by chance.
    """
    setup = shlex.quote(str(install_base / 'local_setup.sh'))
    return subprocess.Popen(
        ['sh', '-c', f'. {setup} && exec {shlex.join(command)}'],
        cwd=install_base,
        env={**os.environ, 'COLCON_CURRENT_PREFIX': str(install_base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def console_scripts(site_packages: Path) -> list[str]:
    """Return the names that setup.py declares, from the metadata that it left in the build."""
    (entry_points,) = site_packages.glob(f'{NAME}-*.egg-info/entry_points.txt')
    parser = ConfigParser(delimiters='=')
    parser.read(entry_points)
    return list(parser['console_scripts'])


def broken_scripts(install_base: Path, prefix: Path, names: list[str]) -> Iterator[str]:
    """Yield executables that are missing, of another Python, or that do not answer --help."""
    for name in names:
        script = prefix / 'lib' / NAME / name
        if not os.access(script, os.X_OK):
            yield f'{script}: no such executable'
            continue
        interpreter = script.read_text(encoding='utf-8').splitlines()[0].removeprefix('#!').strip()
        if interpreter != sys.executable:
            yield f'{script}: starts {interpreter}, not {sys.executable}'
        process = start_installed(install_base, [str(script), '--help'])
        out, error = process.communicate(timeout=60)
        if process.returncode or 'usage' not in out.lower():
            last = (error.strip().splitlines() or ['no usage was printed'])[-1]
            yield f'{script} --help: status {process.returncode}, {last}'


def broken_node(install_base: Path, prefix: Path) -> Iterator[str]:
    """Yield a line if the node does not load the shipped model, or end well on SIGINT."""
    process = start_installed(install_base, [str(prefix / 'lib' / NAME / 'spike_depth')])
    stop = threading.Timer(NODE_S, process.kill)
    stop.start()
    assert process.stderr is not None
    printed = []
    for line in process.stderr:
        printed.append(line)
        if ' on cpu by ' in line:
            process.send_signal(signal.SIGINT)
    status = process.wait()
    stop.cancel()
    if status or not any(' on cpu by ' in line for line in printed):
        yield f'spike_depth: status {status}, printed {"".join(printed).strip() or "nothing"}'


def foreign_import(install_base: Path, prefix: Path) -> Iterator[str]:
    """Yield a line if, with the build sourced, Python takes the package from somewhere else."""
    code = f'import {NAME}; print({NAME}.__path__[0])'
    out, error = start_installed(install_base, [sys.executable, '-c', code]).communicate()
    if not out.startswith(str(prefix)):
        yield f'import {NAME}: comes from {out.strip() or error.strip()}'


def failed_tests(build_base: Path) -> Iterator[str]:
    """Yield a line if `colcon test` left no result, ran no test, or a test failed."""
    results = list(build_base.glob(f'{NAME}/**/*.xml'))
    counts = {'tests': 0, 'failures': 0, 'errors': 0, 'skipped': 0}
    for result in results:
        for suite in ElementTree.parse(result).getroot().iter('testsuite'):
            for key in counts:
                counts[key] += int(suite.get(key, 0))
    print(f'colcon test: {", ".join(f"{count} {key}" for key, count in counts.items())}')
    if counts['tests'] - counts['skipped'] <= 0:
        yield f'{build_base}: colcon test ran no test'
    if counts['failures'] or counts['errors']:
        yield f'{build_base}: colcon test failed'


def main() -> int:
    """Check a build and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('install_base', type=Path)
    parser.add_argument('build_base', type=Path)
    arguments = parser.parse_args()
    install_base: Path = arguments.install_base.resolve()
    prefix = install_base / NAME
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    site_packages = prefix / 'lib' / version / 'site-packages'
    if not site_packages.is_dir():
        print(f'{site_packages}: no such folder; was it built with {sys.executable}?')
        return 1

    names = console_scripts(site_packages)
    found = [
        *missing_files(prefix),
        *missing_code(site_packages),
        *broken_scripts(install_base, prefix, names),
        *foreign_import(install_base, prefix),
        *broken_node(install_base, prefix),
        *failed_tests(arguments.build_base),
    ]
    print(
        '\n'.join(found) if found else f'colcon: marker, share, node, {", ".join(names)} are good'
    )
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
