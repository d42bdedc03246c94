# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line starts without what it does not need yet."""

import re
import sys
from pathlib import Path

import pytest
from run import COMMANDS, TRAINING, main

from kit import large_files
from kit.programs import run_program, run_training
from spike_depth_ros.base.locks import lock_folder

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
        'matplotlib', 'jinja2', 'tensorboard', 'distributed',
        'spike_worlds.rooms', 'spike_worlds.streets',
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


IN_ITS_FILE = 'change it in the file of --config'


@pytest.mark.parametrize(
    ('name', 'option', 'said'),
    [
        ('evaluate', '--data.height=128', f'--data.height 128: height is a setting of a config, '
         f'expected a data set, --data.NAME PATH: {IN_ITS_FILE}'),
        ('evaluate', '--data.rate-hz=1e3', f'--data.rate_hz 1e3: rate_hz is .*: {IN_ITS_FILE}'),
        ('evaluate', '--data.recordings.folder=x', f'recordings is a setting .*: {IN_ITS_FILE}'),
        ('evaluate', '--data.mean-rate=0.1', 'mean_rate is a setting .*: give --mean_rate 0.1$'),
        ('evaluate', '--model.bins=3', f'--model.bins is a setting of a config: {IN_ITS_FILE}'),
        ('evaluate', '--target.light=2', f'--target.light is a setting of a con.*: {IN_ITS_FILE}'),
        ('evaluate', '--seed=3', f'--seed is a setting of a config: {IN_ITS_FILE}'),
        ('table', '--data.height=128', f'--data.height is a setting of a config: {IN_ITS_FILE}'),
        ('adabn', '--data.height=128', f'--data.height is a setting of a config: {IN_ITS_FILE}'),
        ('curves', '--model.bins=128', f'--model.bins is a setting of a config: {IN_ITS_FILE}'),
        ('inspect', '--data.height=128', 'height is a setting .*: give --height 128$'),
        ('bag', '--data.planes=128', 'planes is a setting of a config, expected a data set'),
        ('sample', '--data.width=128', 'width is a setting of a config, .*: leave it out$'),
        ('simulate', '--data.height=128', 'height is a setting of a config, expected a data set'),
    ],
)  # fmt: skip
def test_a_setting_of_a_config_is_no_data_set(command, tmp_path, name, option, said):
    config = ['--config', ROOT / 'training' / 'configs' / 'unet_lite.yaml']
    given = {
        'evaluate': [*config, '--checkpoint', 'unet_lite'],
        'table': config,
        'adabn': [*config, '--checkpoint', 'unet_lite'],
        'curves': [*config, '--checkpoint', 'unet_lite'],
    }.get(name, [])
    out = tmp_path / ('made.npz' if name == 'sample' else 'made')
    done = command(name, *given, '--out', out, option)
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert re.search(said, first), first
    assert rest == [f'See run.py {name} --help']
    assert not out.exists()


@pytest.mark.parametrize('name', ['inspect', 'bag', 'sample', 'export'])
def test_the_config_of_a_run_is_no_file_of_options(command, tmp_path, name):
    config = ROOT / 'training' / 'configs' / 'smoke.yaml'
    done = command(name, '--config', config, '--out', tmp_path / 'made', '--data.height=128')
    assert done.returncode == 2
    expected = f'--config of {name} is a file of its own options, not the config of a run: '
    assert f'{expected}if it is one, leave it out\n' in done.stderr


def test_a_data_set_may_have_the_name_of_a_setting(command, tmp_path):
    done = command(
        'inspect', f'--data.height=folder:{tmp_path / "absent"}', '--out', tmp_path / 'made'
    )
    assert done.returncode == 1
    assert f'{tmp_path / "absent"}' in done.stderr
    assert 'setting' not in done.stderr


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


@pytest.mark.parametrize(
    'command',
    [
        ['export', '--out', f'{300 * "a"}.safetensors'],
        ['sample', '--style', 'road', '--size', '64x32', '--out', f'{300 * "a"}.npz'],
        ['train', '--config', str(ROOT / 'training/configs/smoke.yaml'), '--out', 300 * 'a'],
    ],
    ids=lambda command: command[0],
)
def test_a_name_that_is_too_long_is_one_line(capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='1'):
        main(command)
    error = capsys.readouterr().err
    assert re.search(r'File name too long: .*: give a shorter one', error)
    assert error.count('\n') == 1
    assert not any(tmp_path.iterdir())


def test_lack_of_memory_is_one_line(tmp_path):
    path = large_files.long_npy(tmp_path)
    done = large_files.run_limited(
        f'training/run.py inspect --data.a npz:{path} --out {tmp_path}/out'
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith(
        'training/run.py: not enough memory (Unable to allocate 23.3 GiB'
    )


@pytest.mark.parametrize('name', ['bag', 'adapt', 'sample'])
def test_a_link_to_nothing_is_no_place_for_a_result(tmp_path, command, name):
    link = tmp_path / 'out.safetensors'
    link.symlink_to(tmp_path / 'gone')
    given = {
        'bag': ('--data.a', f'folder:{tmp_path}', '--out', link),
        'adapt': ('--recordings', tmp_path, '--out', link),
        'sample': ('--style', 'road', '--size', '64x32', '--out', link / 'a.npz'),
    }
    done = command(name, *given[name])
    assert done.returncode == 2
    assert f'{link}: is a link to {tmp_path / "gone"}, which is missing: remove ' in done.stderr
