# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What pip is asked to install is what the code imports, and the README's snippet runs on it."""

import ast
import functools
import os
import re
import sys
import venv

import numpy as np
import pytest

from kit.programs import ROOT, declared_distribution, run_program

TRAINING = ROOT / 'training'
SOURCES = {'spike_depth_ros': ROOT, 'spike_training': TRAINING, 'spike_worlds': TRAINING}
OF = {
    'PIL': 'pillow', 'cv2': 'opencv-python-headless',
    'huggingface_hub': 'timm',  # brings it
    'lightning_fabric': 'lightning-fabric', 'onnx_ir': 'onnx-ir', 'rerun': 'rerun-sdk',
    'rerun_cli': 'rerun-sdk', 'yaml': 'PyYAML',
}  # fmt: skip
"""Distribution of a module that has another name."""

OF_ROSBAGS = {'backports', 'compression'}
"""Modules that rosbags brings or that the newest Python has."""

NETWORKS = {'torch', 'timm', 'transformers'}
"""Distributions that commands import for networks that need them alone."""


@pytest.fixture(scope='module')
def declared():
    return declared_distribution()


def file_of(module):
    """The file of a module of ours; None: of others."""
    source = SOURCES.get(module.split('.')[0])
    if source is None:
        return None
    path = source.joinpath(*module.split('.'))
    return next((p for p in (path / '__init__.py', path.with_suffix('.py')) if p.is_file()), None)


@functools.cache
def imported(path, within_functions):
    """The modules, and names in them, that a file imports."""
    found, waiting = set(), [ast.parse(path.read_text(encoding='utf-8'))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING':
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
            elif isinstance(node, ast.expr):
                continue
            elif within_functions or not isinstance(node, ast.FunctionDef):
                waiting.append(node)
    return found


def distributions(modules, within_functions=True):
    """Third-party distributions that modules of ours import, and what they import of ours."""
    found, seen, waiting = set(), set(), [*modules]
    while waiting:
        module = waiting.pop()
        path = file_of(module)
        if module in seen or path is None:
            continue
        seen.add(module)
        waiting += [module.rpartition('.')[0]]
        for name in imported(path, within_functions):
            first = name.split('.')[0]
            if first in SOURCES:
                waiting.append(name)
            elif first not in sys.stdlib_module_names | OF_ROSBAGS:
                found.add(OF.get(first, first))
    return found


def modules_below(name):
    path = file_of(name)
    folder = path.parent if path.name == '__init__.py' else None
    if folder is None:
        return [name]
    files = (one.relative_to(folder).with_suffix('').parts for one in folder.rglob('*.py'))
    return ['.'.join([name, *parts]).removesuffix('.__init__') for parts in files]


def names(requirements):
    return {re.split(r'[<>=]', one)[0] for one in requirements}


def snippet():
    """The snippet of README's section "Library"."""
    section = (ROOT / 'README.md').read_text(encoding='utf-8').split('## Library')[1]
    return section.split('```python\n')[1].split('```')[0]


def test_the_library_imports_only_what_pip_installs(declared):
    tree = ast.parse(snippet())
    wanted = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    wanted = {one for one in wanted if file_of(one)} | {'spike_depth_ros.estimator'}
    wanted |= {'spike_depth_ros.filters.upsampling', 'spike_depth_ros.stereo.estimator'}
    found = distributions(wanted, within_functions=False)
    assert {'numpy', 'PyYAML'} <= found <= set(declared.install_requires)


@pytest.mark.parametrize(
    ('extra', 'packages'),
    [
        ('bags', ['io.bags', 'tools.convert', 'tools.reconstruct', 'tools.upsample']),
        ('evaluate', ['evaluation', 'tools.evaluate']),
        ('view', ['tools.view']),
    ],
)
def test_an_extra_has_what_its_commands_import(declared, extra, packages):
    modules = [one for name in packages for one in modules_below(f'spike_depth_ros.{name}')]
    found = distributions(modules) - NETWORKS
    given = {*declared.install_requires, *names(declared.extras_require[extra])}
    assert {'rosbags'} < found <= given


def test_training_imports_only_what_its_extras_have(declared):
    given = {*declared.install_requires, *names(declared.extras_require['teacher'])}
    found = distributions(modules_below('spike_training'))
    assert {'torch', 'peft', 'h5py'} < found <= given
    trained = {*declared.install_requires, *names(declared.extras_require['train'])}
    assert found - {'peft', 'transformers'} <= trained


def test_environments_have_what_setup_py_names(declared):
    """One list for pip, one for each lock: the same distributions, bounds of versions alike."""
    asked = {}
    for name in ('runtime', 'test', 'view'):
        text = (ROOT / 'requirements' / f'{name}.in').read_text(encoding='utf-8')
        lines = re.findall(r'^([A-Za-z][^#;\n]*)', text, re.MULTILINE)
        asked[name] = {re.split(r'[<>=]', line)[0].strip(): line.strip() for line in lines}
    extras = declared.extras_require
    for lock, wanted in {
        'runtime': [*declared.install_requires, *extras['evaluate']],
        'test': [*extras['teacher'], *extras['test']],
        'view': [*declared.install_requires, *extras['view']],
    }.items():
        given = asked[lock] | (asked['runtime'] if lock == 'test' else {})
        for one in wanted:
            name = re.split(r'[<>=]', one)[0]
            assert name in given, f'{name} is in setup.py, not in requirements/{lock}.in'
            if '<' in one and '==' not in given[name]:
                bounds = (text.removeprefix(name).split(',') for text in (one, given[name]))
                assert len({frozenset(each) for each in bounds}) == 1, (one, given[name])


# --- Installed by pip alone --------------------------------------------------------------------


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The package as pip builds it from a copy of what git knows, so that nothing is left here."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    listed = run_program('git', 'ls-files', '-co', '--exclude-standard', cwd=ROOT)
    assert listed.returncode == 0, listed.stderr
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and not name.startswith('test/'):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(path.read_bytes())
    built = run_program(
        sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation',
        '--wheel-dir', folder, source, env=apart(),
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob('*.whl')
    return found


def apart():
    """The environment of a shell without ours."""
    left_out = ('PYTHONPATH', 'PYTHONHOME', 'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH', 'VIRTUAL_ENV')
    return {name: value for name, value in os.environ.items() if name not in left_out}


def installed(folder, wheel, extra=''):
    """Make an environment with the package; return its folder of programs."""
    venv.create(folder, with_pip=True)
    wanted = f'{wheel}[{extra}]' if extra else str(wheel)
    done = run_program(folder / 'bin' / 'pip', 'install', '-q', wanted, env=apart())
    assert done.returncode == 0, done.stderr
    return folder / 'bin'


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.kind
def test_the_readme_runs_on_what_pip_installs(tmp_path, wheel, declared):
    programs = installed(tmp_path / 'bare', wheel)
    assert not list((tmp_path / 'bare').rglob('cv2'))
    done = run_program(programs / 'python', '-c', snippet(), cwd=tmp_path, env=apart())
    assert (done.returncode, done.stderr) == (0, '')
    from PIL import Image

    with Image.open(tmp_path / 'depth.png') as image:
        pixels = np.asarray(image)
    assert (pixels.shape[0], pixels.shape[2]) == (250, 3)
    assert pixels.shape[1] > 400  # beside depth is a bar of metres
    assert len(np.unique(pixels[:, :400].reshape(-1, 3), axis=0)) > 50
    for script in declared.entry_points['console_scripts']:
        name, module = (part.strip() for part in script.split('='))
        shown = run_program(programs / name, '--help', env=apart())
        if 'commands:' in module:  # a node
            assert shown.returncode == 1
            assert shown.stderr.startswith(f'{name}: error: needs ROS 2'), shown.stderr
            assert shown.stderr.count('\n') == 1
        else:
            assert (shown.returncode, shown.stderr) == (0, '')
            assert shown.stdout.startswith('usage:')


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize('extra', ['bags', 'evaluate', 'view'])
def test_an_extra_alone_runs_its_commands(tmp_path, wheel, extra):
    if extra == 'view' and sys.version_info < (3, 11):
        pytest.skip('Rerun needs Python 3.11')
    programs = installed(tmp_path / extra, wheel, extra)

    def run(*command):
        done = run_program(programs / command[0], *command[1:], cwd=tmp_path, env=apart())
        assert done.returncode == 0, done.stderr

    (sample,) = (tmp_path / extra).rglob('office.npz')
    if extra == 'view':
        run('spike_view', sample, '--every', '200', '--save', 'view.rrd')
        assert (tmp_path / 'view.rrd').stat().st_size > 10_000
        return
    run('spike_convert', sample, '--out', 'bag')
    if extra == 'evaluate':
        run('evaluate_bag', 'bag', '--out', 'scores')
        assert (tmp_path / 'scores' / 'report.html').is_file()
        return
    run('spike_convert', 'bag', '--out', 'planes.dat')
    run('spike_reconstruct', 'bag', '--every', '200', '--out', 'pictures')
    depth = np.full((40, 60), 2.0, np.float32)
    np.save(tmp_path / 'small.npy', depth)
    run('spike_upsample', 'small.npy', '--factor', '2', '--out', 'large.npy')
    assert np.abs(np.load(tmp_path / 'large.npy') - 2).max() < 0.01
