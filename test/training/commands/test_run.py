# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line starts without what it does not need yet."""

import sys
from pathlib import Path

import pytest
from programs import run_program, run_training
from run import COMMANDS, TRAINING, main

from spike_depth_ros.folder_lock import lock_folder

ROOT = Path(__file__).parents[3]

SLOW = (
    'torch', 'lightning_fabric', 'cv2', 'matplotlib', 'onnx', 'rich', 'rosbags',
)  # fmt: skip


def run_apart(code, modules):
    """Run code in a process of its own, which then prints those of some modules it imported."""
    shown = f'import sys; print([name for name in {modules} if name in sys.modules])'
    code = f'{code}\n{shown}'
    return run_program(sys.executable, '-c', code, cwd=ROOT / 'training', timeout=100)


def test_help_and_mistakes_of_all_commands_need_no_torch(tmp_path):
    (tmp_path / 'config.yaml').write_text('model: {settings: {dim: 0, deep: 1}}')
    lines = [
        *([name, option] for name in COMMANDS for option in ('--help', '--no_such_option=3')),
        *([name, '--stages.help'] for name in TRAINING),
        ['--help'], [], ['no_such_command'], ['inputs'],
        ['train', '--out', 'x', '--config', str(tmp_path / 'config.yaml')],
        ['evaluate', '--out', 'x', '--config', str(tmp_path / 'config.yaml'), '--checkpoint', 'x'],
        ['simulate', '--out', 'x', '--data.tum', 'x', '--size', '400'],
    ]  # fmt: skip
    code = f"""
import sys
from contextlib import redirect_stdout
from run import main
for line in {lines}:
    with redirect_stdout(sys.stderr):
        try:
            main(line)
            status = 0
        except SystemExit as end:
            status = end.code or 0
    print(status, *line)
"""
    done = run_apart(code, SLOW)
    expected = [
        ' '.join(['0' if line[-1:] in (['--help'], ['--stages.help']) else '2', *line])
        for line in lines
    ]
    assert done.stdout.splitlines() == [*expected, '[]'], done.stderr
    assert done.stderr.count('settings.deep is unknown: expected some of pool, stem') == 2


def test_the_pipeline_is_imported_without_what_stages_need():
    late = (
        'lightning_fabric', 'torch._dynamo', 'torchvision', 'timm', 'onnx', 'onnxruntime',
        'matplotlib', 'jinja2', 'tensorboard', 'distributed', 'jsonargparse',
        'spike_training.scenes.rooms', 'spike_training.scenes.streets',
    )  # fmt: skip
    code = """
from spike_training.settings.reading import check_run, read_arguments
check_run(read_arguments(['--config', 'configs/smoke.yaml', '--out', 'x']))
import spike_training.runs.pipeline
"""
    done = run_apart(code, ('torch', *late))
    assert done.stdout == "['torch']\n", done.stderr


def test_a_process_ends_with_one_line():
    done = run_training('evaluate', '--config', 'training/configs/smoke.yaml', '--out', 'x')
    expected = (
        'training/run.py: checkpoint, predictions, teacher or inputs_only: expected one of the '
        'four\n'
    )
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.parametrize('name', ['bicross', 'adapt'])
def test_a_folder_that_another_process_works_in_is_refused(command, tmp_path, name):
    given = {
        'bicross': (
            '--config',
            ROOT / 'training' / 'configs' / 'smoke.yaml',
            '--out',
            tmp_path / 'mine',
        ),
        'adapt': ('--recordings', tmp_path / 'a.dat', '--out', tmp_path / 'mine.safetensors'),
    }
    with lock_folder(tmp_path / 'mine'):
        done = command(name, *given[name])
    assert done.returncode == 1
    assert 'mine: another process works there' in done.stderr
    assert done.stderr.count('\n') == 1


ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == '{absent}':
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize(
    ('absent', 'arguments'),
    [
        ('jsonargparse', ['--help']),
        ('numpy', ['--help']),
        ('spike_depth_ros', ['--help']),
        ('torch', ['train', '--config', 'configs/smoke.yaml', '--out', '{out}']),
        ('yaml', ['evaluate', '--help']),
    ],
)
def test_a_missing_package_is_one_line(tmp_path, absent, arguments):
    given = [one.format(out=tmp_path / 'run') for one in arguments]
    code = f'{ABSENT.format(absent=absent)}\nfrom run import main\nmain({given})'
    done = run_program(sys.executable, '-c', code, cwd=ROOT / 'training')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.endswith(
        f"needs the Python module {absent}: pip install -e '.[train]' in the root of the "
        'repository\n'
    )
    assert done.stderr.count('\n') == 1


def test_an_argument_that_is_not_utf_8_is_one_line(capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['evaluate', '--config', 'mine\udce9.yaml'])
    error = capsys.readouterr().err
    assert error.startswith(r'run.py: mine\udce9.yaml: is not valid UTF-8: rename the file')
    assert error.count('\n') == 1
