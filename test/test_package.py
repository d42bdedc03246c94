# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0

import ast
import functools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from kit.programs import declared_distribution, run_program

ROOT = Path(__file__).resolve().parent.parent
NAME = 'spike_depth_ros'


@pytest.fixture(scope='module')
def declared() -> Any:
    """The distribution that setup.py describes."""
    return declared_distribution()


def installed_paths(declared: Any) -> dict[str, str]:
    """Repository path of each data file -> where it goes below the prefix."""
    return {
        source: f'{folder}/{Path(source).name}'
        for folder, sources in declared.data_files
        for source in sources
    }


def constant(path: Path, name: str) -> object:
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return None


# --- The package as ROS and pip see it -------------------------------------------------------


def test_versions_agree(declared: Any) -> None:
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert manifest.findtext('name') == declared.get_name() == NAME
    assert manifest.findtext('version') == declared.get_version()
    assert constant(ROOT / NAME / '__init__.py', '__version__') == declared.get_version()
    newest = re.findall(r'^(\d+\.\d+\.\d+)', (ROOT / 'CHANGELOG.rst').read_text(), re.MULTILINE)
    assert newest[0] == declared.get_version()


def test_what_ros_looks_for_is_installed(declared: Any) -> None:
    installed = installed_paths(declared)
    assert installed[f'resource/{NAME}'] == f'share/ament_index/resource_index/packages/{NAME}'
    assert installed['package.xml'] == f'share/{NAME}/package.xml'
    wanted = [*(ROOT / 'launch').glob('*.launch.py'), *(ROOT / 'config').rglob('*')]
    for path in wanted:
        if path.is_file():
            source = path.relative_to(ROOT).as_posix()
            assert installed[source] == f'share/{NAME}/{source}'


def test_only_the_robots_package_is_installed(declared: Any) -> None:
    folders = {path.parent for path in (ROOT / NAME).rglob('*.py')}
    modules = {folder.relative_to(ROOT).as_posix().replace('/', '.') for folder in folders}
    assert set(declared.packages) == modules, 'a folder without __init__.py is not installed'


def test_console_scripts_exist(declared: Any) -> None:
    scripts = declared.entry_points['console_scripts']
    for script in scripts:
        module, function = script.split('=')[1].strip().split(':')
        path = ROOT.joinpath(*module.split('.')).with_suffix('.py')
        tree = ast.parse(path.read_text(encoding='utf-8'))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in defined, script
    names = {script.split('=')[0].strip() for script in scripts}
    assert names == {
        'spike_depth', 'spike_player', 'spike_camera', 'check_stream', 'spike_demo',
        'spike_evaluation', 'video_source', 'evaluate_bag', 'spike_inspect',
        'spike_convert', 'spike_reconstruct', 'spike_record', 'spike_view', 'spike_stereo',
        'spike_upsample',
    }  # fmt: skip


def test_ros_dependencies_are_declared() -> None:
    """Everything that nodes and launch files import from ROS is in package.xml."""
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {element.text for element in manifest.findall('exec_depend')}
    imported: set[str] = set()
    for path in [*(ROOT / NAME / 'nodes').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split('.')[0])
    packaged = {'cv2': 'python3-opencv', 'numpy': 'python3-numpy', 'yaml': 'python3-yaml'}
    packaged |= {'PIL': 'python3-pil', 'rich': 'python3-rich'}
    ours = {NAME, *sys.stdlib_module_names}
    assert {packaged.get(name, name) for name in imported - ours} <= declared

    for path in (ROOT / 'launch').glob('*.py'):
        started = set(re.findall(r"package='(\w+)'", path.read_text(encoding='utf-8')))
        assert started - {NAME} <= declared, path.name


WITHOUT_WHEELS = """
import importlib, sys
from importlib.metadata import packages_distributions

wheels, modules = (text.split(',') for text in sys.argv[1:])
refused = {name for name, of in packages_distributions().items() if {*of} & {*wheels}}

class Refusing:
    def find_spec(self, name, *_):
        if name.split('.')[0] in refused:
            raise ImportError(f'{name} comes with a wheel')

sys.meta_path.insert(0, Refusing())
for module in modules:
    importlib.import_module(module)
"""


def test_launch_files_need_no_wheel() -> None:
    """``ros2 launch`` runs in the system's Python: what launch files import of the package."""
    pytest.importorskip('rclpy')
    parts = ROOT / NAME / 'nodes' / 'parts'
    files = [parts / 'launching.py', parts / 'perception_launch.py']
    modules = set()
    for path in [*files, *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(NAME):
                modules.add(node.module)
    modules -= {f'{NAME}.nodes.parts', *(f'{NAME}.nodes.parts.{path.stem}' for path in files)}
    assert f'{NAME}.nodes.parts.params_file' in modules
    wheels = {*re.findall(r'^([a-z0-9._-]+)==', lock('ros'), re.MULTILINE), 'torch', 'timm'}
    given = ','.join(sorted(wheels)), ','.join(sorted(map(str, modules)))
    run = [sys.executable, '-c', WITHOUT_WHEELS, *given]
    ended = subprocess.run(run, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_training_stays_out_of_the_demo() -> None:
    names = set(re.findall(r'^([a-z0-9._-]+)==', lock('runtime'), re.MULTILINE))
    assert 'onnxruntime' in names
    assert not names & {'torch', 'torchvision', 'timm', 'lightning', 'pytest'}


# --- The locks -------------------------------------------------------------------------------


def lock(name: str) -> str:
    return (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', ['runtime', 'test', 'ros'])
def test_lock_is_pinned_hashed_and_names_no_index(name: str) -> None:
    text = lock(name)
    logical = re.sub(r'\\\n\s*', '', text)
    entries = [line for line in logical.splitlines() if line and not line.startswith('#')]
    assert entries
    for entry in entries:
        assert re.match(r'[a-z0-9._-]+==\S+( ; [^-]|--hash|\s)', entry), entry[:80]
        assert re.search(r'--hash=sha256:[0-9a-f]{64}', entry), entry[:80]
    assert '://' not in text
    assert not re.search(r'^\s*-', text.replace('    --hash', '#'), re.MULTILINE)


@pytest.mark.parametrize('name', ['runtime', 'test', 'ros'])
def test_lock_holds_what_was_asked_for(name: str) -> None:
    wanted = (ROOT / 'requirements' / f'{name}.in').read_text(encoding='utf-8')
    names = re.findall(r'^([A-Za-z][\w.-]*)', wanted, re.MULTILINE)
    assert names
    for asked in names:
        assert re.search(rf'^{asked.lower()}==', lock(name), re.MULTILINE), asked


def test_both_environments_have_the_same_runtime() -> None:
    pinned = re.compile(r'^[a-z0-9._-]+==[^\s\\]+', re.MULTILINE)
    assert set(pinned.findall(lock('runtime'))) <= set(pinned.findall(lock('test')))


def test_a_ros_installation_keeps_its_own_numpy() -> None:
    assert not re.search(r'^(numpy|opencv|cv-bridge|ros-)', lock('ros'), re.MULTILINE)


# --- What is missing is said in one line -----------------------------------------------------


LINUX = 'case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac'


def fit(folder: Path) -> Path:
    answers = {
        'uname': LINUX,
        'df': "echo 'Filesystem blocks Used Available'; echo '/dev/a 9 9 99999999 9% /'",
        'python3': 'echo 3.12 glibc yes',
    }
    for name, answer in answers.items():
        command(folder, name, answer)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of commands that comes first on PATH: a fit machine, until a test changes one."""
    return fit(tmp_path)


def command(folder: Path, name: str, answer: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\n{answer}\n', encoding='utf-8')
    path.chmod(0o755)


def preflight(machine: Path, *oldest: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script on that machine, with no other Python in sight."""
    tools = machine / 'tools'
    tools.mkdir()
    for name in ('sh', 'awk'):
        found = subprocess.check_output(['sh', '-c', f'command -v {name}'], text=True).strip()
        (tools / name).symlink_to(found)
    command = (tools / 'sh', ROOT / 'scripts' / 'preflight.sh', 1200, *oldest)
    return run_program(*command, env={'PATH': f'{machine}:{tools}', **variables})


def test_preflight_prints_the_python_to_use(machine: Path) -> None:
    result = preflight(machine)
    assert (result.returncode, result.stdout.strip()) == (0, str(machine / 'python3'))


def test_preflight_finds_a_fitting_python_beside_a_newer_one(machine: Path) -> None:
    command(machine, 'python3', 'echo 3.14 glibc yes')
    command(machine, 'python3.11', 'echo 3.11 glibc yes')
    assert preflight(machine).stdout.strip() == str(machine / 'python3.11')


def test_preflight_uses_the_python_asked_for(machine: Path) -> None:
    command(machine, 'mine', 'echo 3.10 glibc yes')
    assert preflight(machine, PYTHON='mine').stdout.strip() == str(machine / 'mine')


def test_preflight_understands_this_python(machine: Path) -> None:
    command(machine, 'python3', f'exec {sys.executable} "$@"')
    result = preflight(machine)
    supported = (3, 10) <= sys.version_info[:2] <= (3, 12)
    assert (result.returncode == 0) == supported, result.stderr


ARM = 'case $1 in -s) echo Linux ;; *) echo aarch64 ;; esac'
UNFIT = {  # what must be named, a command that answers otherwise, options and variables
    'another system': ('Darwin', 'uname', 'case $1 in -s) echo Darwin ;; esac'),
    'another processor': ('"With ROS 2" of docs/start/install.md', 'uname', ARM),
    'a newer Python': ('PYTHON=python3.12', 'python3', 'echo 3.13 glibc yes'),
    'an older Python': ('Python 3.8', 'python3', 'echo 3.8 glibc yes'),
    'no venv': ('sudo apt install python3-venv', 'python3', 'echo 3.12 glibc no'),
    'another libc': ('glibc', 'python3', 'echo 3.12 other yes'),
    'no Python': ('sudo apt install python3 python3-venv', 'python3', 'exit 127'),
    'a full disk': ('1200 MB', 'df', "echo head; echo '/dev/a 9 9 307200 9% /'"),
    'too old for an environment': ('3.11 or 3.12', 'python3', 'echo 3.10 glibc yes', '3.11'),
    'a Python that does not run': ('PYTHON=python9', 'uname', LINUX, 'PYTHON=python9'),
}


def test_preflight_names_the_remedy(tmp_path: Path, refusals: Any) -> None:
    rows = {}

    def call(folder: Path, name: str, answer: str, option: str = '') -> str:
        folder.mkdir()
        command(fit(folder), name, answer)
        variables = dict([option.split('=')]) if '=' in option else {}
        result = preflight(folder, *([option] if option and not variables else []), **variables)
        assert (result.returncode, result.stdout) == (1, '')
        return result.stderr.removesuffix('\n')

    for number, (row, (named, *given)) in enumerate(UNFIT.items()):
        rows[row] = named, functools.partial(call, tmp_path / str(number), *given)
    refusals('preflight', rows, None)


def test_preflight_refuses_before_making_anything(machine: Path, tmp_path: Path) -> None:
    command(machine, 'python3', 'echo 3.13 glibc yes')
    directory = tmp_path / 'environment'
    result = run_program(
        *('sh', ROOT / 'scripts' / 'environment.sh', directory, 'no.txt', 1200),
        cwd=ROOT,
        env={'PATH': f'{machine}:/usr/bin:/bin', 'PYTHON': 'python3'},
    )
    assert result.returncode == 1
    assert 'PYTHON=python3.12' in result.stderr
    assert not directory.exists()


# --- make ------------------------------------------------------------------------------------


def make(*arguments: str, **variables: str) -> str:
    if shutil.which('make') is None:
        pytest.skip('make is not installed')
    environment = {**os.environ, 'MAKEFLAGS': '', **variables}
    result = run_program('make', '--no-print-directory', *arguments, cwd=ROOT, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_make_passes_the_options_of_the_demo_on() -> None:
    said = make('-n', 'demo', 'STREAM=my file.dat', 'SIZE=400x250', 'RATE=20000', 'OUT=here')
    command_line = shlex.split(said.replace('\\\n', ' ').split('spike_demo', 1)[1])
    wanted = '--stream|my file.dat|--size|400x250|--rate|20000|--out|here'
    assert command_line == wanted.split('|')


def test_make_passes_orders_camera_and_model_on() -> None:
    given = {
        'ROW_ORDER': 'top_down', 'BIT_ORDER': 'big', 'CHECKPOINT': 'my model', 'FX': '400',
        'CAMERA_INFO': 'my camera.yaml', 'SECONDS': '20', 'DEVICE': 'cuda',
    }  # fmt: skip
    said = make('-n', 'demo', *(f'{name}={value}' for name, value in given.items()))
    command_line = shlex.split(said.replace('\\\n', ' ').split('spike_demo', 1)[1])
    for name, value in given.items():
        option = '--' + name.lower().replace('_', '-')
        assert command_line[command_line.index(option) + 1] == value
    assert '--allow-partial' not in command_line
    assert '--allow-partial' in make('-n', 'demo', 'ALLOW_PARTIAL=1')


def test_make_asks_for_the_bundled_sample_by_default() -> None:
    said = make('-n', 'demo', STREAM='', SIZE='', RATE='', OUT='here')
    assert shlex.split(said.replace('\\\n', ' ').split('spike_demo', 1)[1]) == ['--out', 'here']


def test_make_keeps_another_ros_out() -> None:
    sourced = {
        'AMENT_PREFIX_PATH': '/opt/ros/other',
        'LD_LIBRARY_PATH': '/opt/ros/other/lib',
        'PYTHONPATH': '/opt/ros/other/python',
        'RMW_IMPLEMENTATION': 'rmw_other',
        '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1',
    }
    names = {
        line.split('=')[0] for line in make('--eval=show: ; @env', 'show', **sourced).splitlines()
    }
    assert 'PATH' in names
    assert not names & set(sourced)


def test_every_make_target_that_is_named_exists() -> None:
    """In documents, workflow and hooks."""
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = set(re.findall(r'^([a-z-]+):', makefile, re.MULTILINE))
    texts = [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), ROOT / '.pre-commit-config.yaml']
    for path in texts:
        text = path.read_text(encoding='utf-8')
        named = re.findall(r'(?:`|^|entry: )make (?:--silent )?([a-z-]+)', text, re.MULTILINE)
        assert set(named) <= targets, path.name


# --- The environments --------------------------------------------------------------------------


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A tiny package with the real scripts and a lock that asks for nothing."""
    scripts = tmp_path / 'scripts'
    scripts.mkdir()
    for name in ('environment.sh', 'preflight.sh'):
        (scripts / name).write_bytes((ROOT / 'scripts' / name).read_bytes())
        (scripts / name).chmod(0o755)
    (tmp_path / 'lock.txt').write_text('')
    (tmp_path / 'setup.py').write_text('')
    (tmp_path / 'setup.cfg').write_text('')
    return tmp_path


def make_environment(workshop: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, 'PYTHON': '', **variables}
    command = ('scripts/environment.sh', 'env', 'lock.txt', 1)
    return run_program(*command, cwd=workshop, env=environment)


def pretend_made(workshop: Path) -> None:
    """An environment as environment.sh leaves it: a Python and the record."""
    (workshop / 'env' / 'bin').mkdir(parents=True)
    command(workshop / 'env' / 'bin', 'python', f'exec {sys.executable} "$@"')
    version = f'{sys.version_info.major}.{sys.version_info.minor}'
    (workshop / 'env' / 'made-from.txt').write_text(
        f'# {workshop}/env, Python {version}\n', encoding='utf-8'
    )


def test_environment_is_kept_while_nothing_changed(workshop: Path) -> None:
    pretend_made(workshop)
    result = make_environment(workshop)
    assert (result.returncode, result.stdout, result.stderr) == (0, '', '')


@pytest.mark.parametrize('changed', ['lock.txt', 'setup.py', 'moved', 'python'])
def test_environment_is_made_again_when_something_changed(workshop: Path, changed: str) -> None:
    pretend_made(workshop)
    variables = {}
    if changed == 'moved':
        record = workshop / 'env' / 'made-from.txt'
        record.write_text(record.read_text().replace(str(workshop), '/elsewhere'))
    elif changed == 'python':
        variables = {'PYTHON': 'python9'}
    else:
        (workshop / changed).write_text('# changed\n')
    # A disk that is never large enough shows that a new one was wanted, without downloading it.
    script = workshop / 'scripts' / 'environment.sh'
    script.write_text(script.read_text().replace('"$megabytes" ', '999999999 '))
    result = make_environment(workshop, **variables)
    assert result.returncode == 1
    assert re.search('MB of disk here|PYTHON=python9 does not run', result.stderr)


@pytest.mark.long
def test_an_active_environment_can_be_made_again(workshop: Path) -> None:
    environment = workshop / 'env' / 'bin'
    environment.mkdir(parents=True)
    (environment / 'python3').symlink_to(sys.executable)
    result = make_environment(workshop, PATH=f'{environment}:{os.environ["PATH"]}')
    # The package in this workshop is empty and cannot be installed; the environment is there.
    assert 'not found' not in result.stderr
    assert (environment / 'python').exists()
    assert (environment / 'pip').exists()


@pytest.mark.parametrize(
    ('said', 'remedy'),
    [
        ('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE', 'its hash differs'),
        ('ERROR: [Errno 28] No space left on device', 'the disk is full'),
        ('WARNING: Retrying (Retry(total=4)) after ConnectionError', 'check the network'),
        ('ERROR: No matching distribution found for x==1', 'No matching distribution found for x'),
    ],
)
def test_failed_installation_ends_in_one_line(workshop: Path, said: str, remedy: str) -> None:
    stub = f'''#!/bin/sh
case "$*" in
"-m venv"*)
    mkdir -p env/bin
    printf '#!/bin/sh\\necho "{said}"\\nexit 1\\n' > env/bin/python
    chmod +x env/bin/python ;;
*) echo 3.12 glibc yes ;;
esac
'''
    path = workshop / 'stub'
    path.write_text(stub)
    path.chmod(0o755)
    result = make_environment(workshop, PYTHON=str(path))
    assert result.returncode == 1
    assert remedy in result.stderr
    assert result.stderr.count('\n') == 1
    assert not (workshop / 'env' / 'made-from.txt').exists()


# --- The file check of `make check` -------------------------------------------------------------


HEADER = b'# Copyright 2026 the spike_depth_ros authors\n# SPDX-License-Identifier: Apache-2.0\n'
FAULTS = b'\n## Faults, and the tests that inject them\n\n| fault | test |\n|---|---|\n'


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Check the files of an empty clone, and return the status and what is printed."""
    subprocess.run(['git', 'init', '-q'], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    script = ROOT / 'scripts' / 'check_files.py'

    def check() -> tuple[int, str]:
        # Anew, as it keeps what it has read.
        status = runpy.run_path(str(script))['main']()
        return status, capsys.readouterr().out

    return check


@pytest.mark.parametrize(
    ('name', 'content', 'problem'),
    [
        ('a.yaml', b'a: [1\n', 'does not parse'),
        ('a.toml', b'a = \n', 'does not parse'),
        ('a.xml', b'<a>\n', 'does not parse'),
        ('a.py', b'x = 1\n', 'copyright'),
        ('a.md', b'two \n', 'white space'),
        ('a.md', b'one', 'newline'),
        ('a.md', b'\xff\n', 'UTF-8'),
        ('a.npz', bytes(600 * 1024), 'KiB'),
        ('assets/a.npz', bytes(600 * 1024), None),
        ('a.yaml', b'a: 1\n', None),
        (
            'docs/reference/reliability.md',
            FAULTS + b'| a | `test_a` |\n',
            'test/ has no test_a',
        ),
        ('docs/reference/reliability.md', FAULTS + b'| a | none |\n', 'expected a test'),
        ('training/a.py', HEADER + b'import argparse\n', 'options are parameters'),
        ('training/a.py', HEADER + b'def problems(self): ...\n', 'annotations of fields'),
        ('spike_depth_ros/a.py', HEADER + b'def _checks(): ...\n', 'annotations of fields'),
        ('spike_depth_ros/base/cli.py', HEADER + b'import argparse\n', None),
        ('scripts/a.py', HEADER + b'import argparse\n', None),
    ],
)
def test_file_check(
    tmp_path: Path, checked: Any, name: str, content: bytes, problem: str | None
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    status, printed = checked()
    assert status == (problem is not None), printed
    assert (problem or 'are good') in printed


def test_file_check_finds_the_test_of_a_fault(tmp_path: Path, checked: Any) -> None:
    (tmp_path / 'test' / 'nodes').mkdir(parents=True)
    (tmp_path / 'test' / 'nodes' / 'test_a.py').write_bytes(HEADER + b'def test_a(): ...\n')
    page = tmp_path / 'docs' / 'reference' / 'reliability.md'
    page.parent.mkdir(parents=True)
    page.write_bytes(FAULTS + b'| a | `test_a` |\n\n### More\n\n| b | `test_a`, `test_b` |\n')
    assert checked() == (1, f'{page.relative_to(tmp_path)}: test/ has no test_b\n')


def test_the_file_check_is_a_program(tmp_path: Path) -> None:
    (tmp_path / 'a.md').write_text('one')
    subprocess.run(['git', 'init', '-q'], cwd=tmp_path, check=True)
    result = run_program(sys.executable, ROOT / 'scripts' / 'check_files.py', cwd=tmp_path)
    assert (result.returncode, result.stdout.count('\n')) == (1, 1), result.stderr


# --- The passes of `make test` ------------------------------------------------------------------


def test_a_file_of_tests_is_skipped_without_the_modules_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / 'without_torch.py').write_text("import sys\nsys.modules['torch'] = None\n")
    file = 'test/training/commands/test_bag.py'
    environment = os.environ | {'PYTHONPATH': str(tmp_path), 'PYTEST_ADDOPTS': ''}
    command = (sys.executable, '-m', 'pytest', '-p', 'without_torch', file)
    result = run_program(*command, cwd=ROOT, env=environment)
    assert result.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, result.stdout
    assert 'test/training needs torch, which is not installed' in result.stdout


TESTS = """import pytest
def test_plain(): pass
@pytest.mark.dds
def test_dds(): pass
@pytest.mark.timed
def test_timed(): assert False
@pytest.mark.long
def test_long(): pass
"""


@pytest.mark.parametrize(
    ('arguments', 'status', 'passed', 'failed'),
    [
        (['not long'], 1, 2, 1),
        (['not long', '-m', 'dds or long'], 0, 1, 0),
        (['long', '-k', 'plain or dds'], 5, 0, 0),
    ],
)
def test_passes(
    tmp_path: Path, arguments: list[str], status: int, passed: int, failed: int
) -> None:
    pytest.importorskip('xdist')
    (tmp_path / 'test_a.py').write_text(TESTS)
    marks = 'markers =\n dds: a\n timed: b\n long: c\n'
    (tmp_path / 'pytest.ini').write_text(f'[pytest]\naddopts = --strict-markers\n{marks}')
    expression, *rest = arguments
    result = run_program(
        *(sys.executable, ROOT / 'scripts' / 'run_tests.py', expression, 0, *rest),
        cwd=tmp_path,
        # colcon has options of its own in the environment.
        env=os.environ
        | {
            'PYTEST_ADDOPTS': '',
            'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1',
            'PYTEST_PLUGINS': 'xdist.plugin',
        },
    )
    assert result.returncode == status, result.stdout + result.stderr
    counted = [sum(map(int, re.findall(rf'(\d+) {word}', result.stdout)))
               for word in ('passed', 'failed')]  # fmt: skip
    assert counted == [passed, failed], result.stdout
