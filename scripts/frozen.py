# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare what the package does with what is written down: a change of form changes nothing.

    python scripts/frozen.py write|compare [SECTION ...]

``compare`` prints each difference to test/frozen.json and exits with 1 if there is one; ``write``
writes the sections anew. Without names all sections of :data:`SECTIONS` are meant: about four
minutes on two cores, most of them in ``smoke`` and ``demo``.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
FROZEN = ROOT / 'test' / 'frozen.json'
ASSETS = ROOT / 'spike_depth_ros' / 'assets'
CONFIGS = ROOT / 'training' / 'configs'

sys.path[:0] = [str(ROOT), str(ROOT / 'training')]


class Section(NamedTuple):
    """Part of what is frozen.

    Attributes:
        observe: Returns what the package does, for JSON.
        tolerance: Difference of two floats that is none, relative to the larger one or absolute,
            whichever is larger; 0: they must be equal.
    """

    observe: Callable[[], dict[str, Any]]
    tolerance: float


def files() -> dict[str, Any]:
    """SHA-256 of each shipped file, and the metadata of each model."""
    from spike_depth_ros.base.results import hash_file
    from spike_depth_ros.checkpoint import ALL_SHIPPED, find_checkpoint, load_info
    from spike_depth_ros.tasks.base import CheckpointInfo

    shipped = {path.name: hash_file(path) for path in sorted(ASSETS.iterdir()) if path.is_file()}
    metadata = {
        name: json.loads(load_info(find_checkpoint(name), CheckpointInfo).to_json())
        for name in ALL_SHIPPED
    }
    return {'sha256': shipped, 'metadata': metadata}


def scenes() -> dict[str, Any]:
    """Figures of each field of some scenes of each style and split."""
    from spike_worlds.generator import STYLES, SceneGenerator

    chosen = ((3, 'train', (0, 1, 900)), (11, 'calibration', (0, 7)), (3, 'test', (1, 2)))
    found: dict[str, Any] = {}
    for style in STYLES:
        for seed, split, indices in chosen:
            batch = SceneGenerator(seed, style, split).batch(indices)
            found[f'{style} {split} {seed}'] = {
                field.name: _figures(getattr(batch, field.name))
                for field in dataclasses.fields(batch)
            }
    return found


def pictures() -> dict[str, Any]:
    """Figures of the images of a scene of each style."""
    from spike_worlds.generator import STYLES, SceneGenerator
    from spike_worlds.render import render

    found: dict[str, Any] = {}
    for style in STYLES:
        images = render(SceneGenerator(3, style).batch([1]), 48, 72, 'cpu', with_rgb=True)
        parts = {
            'inverse_depth': 1 / images.depth,
            'luminance': images.luminance,
            'rgb': images.rgb,
            'flow': images.flow,
        }
        found[style] = {name: _figures(np.asarray(part)) for name, part in parts.items()}
    return found


def tables() -> dict[str, Any]:
    """Folder names of the units of each shipped table, which end in hashes of their settings."""
    from spike_training.errors import ConfigError, DataSetError
    from spike_training.tables.plan import load_table
    from spike_training.tables.units import units_of

    found: dict[str, Any] = {}
    for path in sorted((CONFIGS / 'tables').glob('*.yaml')):
        try:
            table = load_table(path)
        except (ConfigError, DataSetError) as error:
            # The check of the settings comes before that of the files that they name.
            if 'no such checkpoint' not in str(error) and not isinstance(error, DataSetError):
                raise
            found[path.stem] = ['needs files that do not ship']
            continue
        names: set[str] = set()
        for row in table.rows:
            if row.config.stages:
                scoring = units_of(row, table.settings.seeds[0], Path())
                names |= {unit.folder.name for unit in (scoring, *scoring.needs)}
        found[path.stem] = sorted(names)
    return found


SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    'depth': (
        'dpt_tiny',
        {'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'heads': 3, 'blocks': 1}
        | {'features': 8, 'head': 4},
    ),
    'image': ('recon_lite', {}),
    'stereo': ('stereo_lite', {'stem': 8, 'features': 8}),
    'upsample': ('upsample_lite', {}),
    'fused': ('fuse_lite', {'pool': 2, 'features2': 8, 'head': 8, 'upsampling': 'convex'}),
    'translation': ('translator', {'width': 4, 'blocks': 1}),
}
"""Architecture and settings of a small network of each task."""


def checkpoints() -> dict[str, Any]:
    """Bytes of a small checkpoint of each task, figures of its outputs, hash of its export."""
    import torch

    from spike_depth_ros.checkpoint import hash_weights, load, save
    from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
    from spike_depth_ros.tasks.base import CheckpointInfo
    from spike_training.tasks.base import task_of

    found: dict[str, Any] = {}
    for task in SMALL:
        info = small_info(task)
        torch.manual_seed(0)
        initial = weights_of(build(info))
        weights = {name: exact_weights(name, value) for name, value in initial.items()}
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, 'model.safetensors')
            save(path, weights, info)
            info, weights = load(path, CheckpointInfo)
            content = path.read_bytes()
        network = build_with_weights(info, weights).eval()
        feeds = inputs_of(info)
        with torch.inference_mode():
            further = [4] if task == 'upsample' else []  # the factor
            output = network(*(torch.from_numpy(value) for value in feeds), *further)
        found[task] = {
            'metadata': json.loads(info.to_json()),
            'sha256': hashlib.sha256(content).hexdigest(),
            'weights_sha256': hash_weights(weights),
            # Their shapes are within the SHA-256.
            'initial': _figures(np.concatenate([v.ravel() for _, v in sorted(initial.items())])),
            'outputs': {name: _figures(value) for name, value in _images_of(output)},
        }
        exported = task_of(task).export
        if exported is not None:  # else it is for training alone
            content = exported.load().to_onnx(network, info)
            found[task]['onnx_sha256'] = hashlib.sha256(content).hexdigest()
    return found


def small_info(task: str) -> Any:
    """Return the metadata of a small network of a task."""
    from spike_depth_ros.tasks.base import TASKS

    architecture, settings = SMALL[task]
    kind = TASKS[task].info
    given: dict[str, Any] = {
        'planes': 32,
        'planes_range': (16, 64),
        'bins': 4,
        'rate_hz_range': (10_000.0, 40_000.0),
        'min_depth': 0.3,
        'max_depth': 80.0,
        'canonical_fx': 400.0,
        'fx_range': (200.0, 800.0),
        'max_age_s': 0.05,
        'factors': (2, 4, 8, 16),
    }
    if task == 'image':
        given |= {'planes': 41, 'planes_range': (41, 41), 'bins': 41}
    if task == 'fused':
        given |= {'bins': 9}
    fields = {field.name for field in dataclasses.fields(kind)}
    return kind(
        architecture=architecture,
        settings=_all_settings(architecture, settings),
        stage='frozen',
        package_version='0',
        **{name: value for name, value in given.items() if name in fields},
    )


def _all_settings(architecture: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    from spike_depth_ros.tasks.architectures import SETTINGS

    return dataclasses.asdict(SETTINGS[architecture](**changed))


def exact_weights(name: str, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return weights that are the same on every processor, and fit into float16."""
    if like.dtype.kind != 'f':
        return like
    draws = np.random.default_rng(zlib.crc32(name.encode())).random(like.shape, np.float32)
    if name.endswith('running_var'):
        values = 0.5 + draws
    else:
        fan_in = max(1, like.size // max(1, like.shape[0] if like.ndim > 1 else like.size))
        values = (2 * draws - 1) * np.float32(np.sqrt(3 / fan_in)) * (1 if like.ndim > 1 else 0.1)
        if like.ndim == 1 and name.endswith('weight'):  # of a normalisation
            values = 1 + values
    return values.astype(np.float16).astype(like.dtype)


def inputs_of(info: Any) -> list[npt.NDArray[Any]]:
    """Return fixed inputs of a network."""
    from spike_depth_ros.tasks.fused import FusedInfo
    from spike_depth_ros.tasks.translation import TranslationInfo
    from spike_depth_ros.tasks.upsample import UpsampleInfo

    draws = np.random.default_rng(5)
    if isinstance(info, UpsampleInfo):
        return [(1 + 3 * draws.random((1, 1, 24, 36), np.float32)).astype(np.float32)]
    if isinstance(info, TranslationInfo):
        return [draws.random((1, 3, 32, 48), np.float32)]
    eyes = sum(name in ('spikes', 'right') for name in info.inputs)
    planes = np.full(info.bins, 8 if info.planes > info.bins else 1, np.int32)
    size = (eyes, info.bins, 64, 96)
    counts = (draws.random(size, np.float32) * (planes[0] + 1)).astype(np.uint16)
    feeds: list[npt.NDArray[Any]] = [counts, planes]
    if isinstance(info, FusedInfo):
        feeds.append(draws.random((1, 3, 64, 96), np.float32))
    return feeds


def _images_of(output: Any) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield name and array of each output of a network."""
    import torch

    if isinstance(output, torch.Tensor):
        yield 'output', output.numpy()
        return
    fields = output._asdict() if hasattr(output, '_asdict') else vars(output)
    for name, value in fields.items():
        if isinstance(value, torch.Tensor):
            yield name, value.numpy()


def helps() -> dict[str, Any]:
    """Texts of every ``--help``, by command: paragraphs and options in alphabetical order."""
    found = {}
    for name, command in sorted(_with_subcommands(_commands()).items()):
        done = _run(*command, '--help')
        found[name] = sorted_help(done.stdout)
    return found


def _commands() -> dict[str, list[str]]:
    """Return the start of each command by its name."""
    scripts = re.findall(r"'(\w+) = ([\w.]+):(\w+)'", (ROOT / 'setup.py').read_text())
    start = 'import sys; sys.argv[0] = {!r}; from {} import {} as main; sys.exit(main())'
    found = {name: ['-c', start.format(name, module, main)] for name, module, main in scripts}
    found['run.py'] = [str(ROOT / 'training' / 'run.py')]
    return found


def _with_subcommands(commands: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return all commands, and the subcommands of those that have some."""
    found = dict(commands)
    for name in ('run.py', 'spike_inspect'):
        text = _run(*commands[name], '--help').stdout
        names = re.findall(r'^  ([a-z][\w-]*) +[A-Z]', text, re.MULTILINE)
        if not names:
            raise RuntimeError(f'{name} --help lists no subcommands')
        for subcommand in names:
            found[f'{name} {subcommand}'] = [*commands[name], subcommand]
    return found


def sorted_help(text: str) -> list[str]:
    """Return the parts of a help: usage, paragraphs, and options with their texts; sorted."""
    usage, _, rest = text.partition('\n\n')
    parts = [' '.join(sorted(re.findall(r'\[[^][]*(?:\[[^][]*\][^][]*)*\]|\S+', usage)))]
    for paragraph in rest.split('\n\n'):
        # An option or a positional argument begins at two columns; what follows is indented more.
        for part in re.split(r'\n(?=  \S|\S)', paragraph.strip('\n')):
            words = ' '.join(part.split())
            if words:
                parts.append(words)
    return sorted(parts)


def smoke() -> dict[str, Any]:
    """Figures of the training of smoke.yaml."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, 'run')
        program, config = ROOT / 'training' / 'run.py', CONFIGS / 'smoke.yaml'
        _run(str(program), 'bicross', '--config', str(config), '--out', str(out))
        report = json.loads((out / 'report.json').read_text())
    sets: dict[str, Any] = report['sets']
    return {name: one['predictors']['network'] for name, one in sets.items()}


def evaluated_bag() -> dict[str, Any]:
    """Figures of ``evaluate_bag`` on a bag of the office that ships, on one thread."""
    commands = _commands()
    with tempfile.TemporaryDirectory() as name:
        bag, out = Path(name, 'bag'), Path(name, 'out')
        office = ASSETS / 'office.npz'
        _run(*commands['spike_convert'], str(office), '--out', str(bag))
        _run(*commands['evaluate_bag'], str(bag), '--out', str(out), '--threads', '1')
        metrics = json.loads((out / 'metrics.json').read_text())
    found: dict[str, Any] = _numbers_of(metrics)
    return found


def demo() -> dict[str, Any]:
    """Names in the summary of the demo at a quarter of the rate, and counts that do not vary."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, 'out')
        _run(*_commands()['spike_demo'], '--speed', '0.25', '--seconds', '8', '--out', str(out))
        summary = json.loads((out / 'summary.json').read_text())
    fixed = ('planes_dropped', 'accounting_difference', 'losses')
    return {'names': _names_of(summary), 'counts': {name: summary[name] for name in fixed}}


SECTIONS = {
    'files': Section(files, 0),
    # Processors differ in the last bits.
    'scenes': Section(scenes, 1e-6),
    # A pixel at an outline may show the other solid.
    'pictures': Section(pictures, 1e-4),
    'tables': Section(tables, 0),
    'checkpoints': Section(checkpoints, 1e-4),
    'helps': Section(helps, 0),
    'evaluated_bag': Section(evaluated_bag, 1e-3),
    # A training multiplies the last bits in which processors differ.
    'smoke': Section(smoke, 0.02),
    'demo': Section(demo, 0),
}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this tree first on its path; show what it printed if it fails."""
    path = os.pathsep.join([str(ROOT), str(ROOT / 'training'), os.environ.get('PYTHONPATH', '')])
    env = {**os.environ, 'PYTHONPATH': path, 'COLUMNS': '100', 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [sys.executable, *arguments], env=env, cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f'{" ".join(arguments[-8:])}: status {done.returncode}\n{done.stderr}')
    return done


def _numbers_of(tree: Any) -> Any:
    """Return a tree without texts that name versions, times or files, and without durations."""
    left_out = re.compile(
        r'seconds|duration|_s$|date|time|commit|version|sha256|path|latency|per_s'
    )
    if isinstance(tree, Mapping):
        return {k: _numbers_of(v) for k, v in tree.items() if not left_out.search(k)}
    if isinstance(tree, list):
        return [_numbers_of(value) for value in tree]
    return None if isinstance(tree, str) else tree


def _names_of(tree: Any) -> Any:
    """Return the names in a tree, and the types of its values."""
    if isinstance(tree, Mapping):
        return {name: _names_of(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_names_of(tree[0])] if tree else []
    return 'number' if isinstance(tree, (int, float)) else type(tree).__name__


def _figures(array: npt.NDArray[Any]) -> list[Any]:
    """Return shape, values that are not finite, mean, deviation and a sum of weighted values."""
    values = array.astype(np.float64).ravel()
    finite = values[np.isfinite(values)]
    weights = np.arange(1, values.size + 1) * 0.6180339887 % 1 - 0.5
    total = float((np.where(np.isfinite(values), values, 0) * weights).sum())
    size = max(float(np.abs(finite).sum()), 1e-9)
    moments = (float(finite.mean()), float(finite.std())) if finite.size else (0.0, 0.0)
    return [
        list(array.shape),
        int(values.size - finite.size),
        *(float(f'{one:.9g}') for one in (*moments, total / size)),
    ]


def differences(expected: Any, found: Any, tolerance: float, where: str = '') -> Iterator[str]:
    """Yield a line for each difference of two trees."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            place = f'{where}: {name}' if where else name
            if name not in found:
                yield f'{place}: is gone'
            elif name not in expected:
                yield f'{place}: is new'
            else:
                yield from differences(expected[name], found[name], tolerance, place)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) == len(found) and not all(isinstance(one, str) for one in expected):
            for i, (one, other) in enumerate(zip(expected, found, strict=True)):
                yield from differences(one, other, tolerance, f'{where}[{i}]')
        else:
            gone = [one for one in expected if one not in found]
            new = [one for one in found if one not in expected]
            yield from (f'{where}: was {one!r}' for one in gone)
            yield from (f'{where}: is now {one!r}' for one in new)
    elif isinstance(expected, float) and isinstance(found, (int, float)) and tolerance:
        if not abs(expected - found) <= tolerance * max(abs(expected), abs(found), 1.0):
            yield f'{where}: {found}, was {expected}, of which at most {tolerance} may differ'
    elif expected != found:
        yield f'{where}: {found!r}, was {expected!r}'


def main() -> int:
    """Write or compare the chosen sections; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('action', choices=['write', 'compare'])
    parser.add_argument('sections', nargs='*', metavar='SECTION', help=', '.join(SECTIONS))
    arguments = parser.parse_args()
    chosen = arguments.sections or [*SECTIONS]
    if unknown := [name for name in chosen if name not in SECTIONS]:
        parser.error(f'SECTION {unknown[0]}: expected one of {", ".join(SECTIONS)}')
    frozen = json.loads(FROZEN.read_text()) if FROZEN.exists() else {}
    status = 0
    for name in chosen:
        section = SECTIONS[name]
        found = json.loads(json.dumps(section.observe()))
        if arguments.action == 'write':
            frozen[name] = found
            continue
        lines = [*differences(frozen.get(name, {}), found, section.tolerance)]
        print(f'{name}: {f"{len(lines)} differences" if lines else "as it was"}', flush=True)
        for line in lines:
            print(f'  {line}')
        status |= bool(lines)
    if arguments.action == 'write':
        text = json.dumps({name: frozen[name] for name in SECTIONS if name in frozen}, indent=1)
        # Numbers of a list side by side.
        text = re.sub(r'(?<=[\[,])\n\s+(?=-?[\d\[])|(?<=[\d\]])\n\s+(?=\])', ' ', text)
        FROZEN.write_text(text + '\n')
    return status


if __name__ == '__main__':
    sys.exit(main())
