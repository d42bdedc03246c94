# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the shape of the tree: statements, dialects, sites that ask for a task, floors, walks.

    python -m scripts.measure_house [--json FILE] [--no-walks]

Counts are over syntax trees, of files that git tracks. A change of form is to lower them:

- statements: ``ast.stmt`` without docstrings; of them lines that only refuse
- dialects: ways to say type, range, choices or text of a value, and sites of each, by the words
  that they had before one schema; scripts/check_files.py refuses new ones
- tasks: sites that ask for the task of a network or its metadata
- floors: rooms are the modules and folders at the top of a package; a room stands one floor above
  the highest that it imports. Circles are pairs of rooms that import each other.
- walks: modules entered on the way from a packet to depth, and from a config to its first loss
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import functools
import importlib
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

PARTS = {
    'core': ('spike_depth_ros/', 'launch/'),
    'training': ('training/', 'scripts/rooms/'),  # where rooms of Blender were before
    'tests': ('test/',),
    'around': ('benchmarks/', 'scripts/', 'setup.py'),
}
"""Files of each part, by the beginning of their paths."""

PRODUCT = ('core', 'training')

PACKAGES = {
    'core': 'spike_depth_ros',
    'training': 'training/spike_training',
    'worlds': 'training/spike_worlds',
}
"""Folder of each package of the product."""

TASK_NAMES = {'depth', 'fused', 'image', 'stereo', 'translation', 'upsample'}


class Dialect(NamedTuple):
    """Way to say what a value may be.

    Attributes:
        files: Regular expression of the paths where it is spoken.
        site: Regular expression of a place in the text where it says something.
    """

    files: str
    site: str


DIALECTS = {
    'problems() of settings': Dialect(r'^training/.*', r'def problems\('),
    'coercion of settings': Dialect(
        r'settings/reading\.py$', r'def _(hints|plain|convert|fits|is_number|describe)\('
    ),
    'architectures': Dialect(r'tasks/architectures\.py$', r'def _?check\w*'),
    'checkpoint checks': Dialect(r'spike_depth_ros/checkpoint\.py$', r'_Check\b'),
    'node parameters': Dialect(r'^spike_depth_ros/nodes/', r'\bParameter\(\s*\''),
    'argparse types': Dialect(r'^(?!spike_depth_ros/base/cli)', r'\badd_argument\(|\badd\(\s*\'-'),
    'ifs of commands': Dialect(
        r'(commands/\w+|command)\.py$', r'parser\.error\(|raise ConfigError\('
    ),
    'options of readers': Dialect(r'datasets/readers/', r'\boption \w+'),
    'stored files of adapt': Dialect(r'spike_training/adaptation/', r'def number\('),
    'settings of tables': Dialect(r'tables/(settings|paper|plan)\.py$', r'\byield (\(?$|f?[\'"])'),
    'labels': Dialect(r'spike_training/labelling/', r'raise \w+Error\('),
    'calibrations': Dialect(r'(calibration|geometry/rig|safe_yaml)\.py$', r'raise \w+Error\('),
}


@dataclasses.dataclass(frozen=True)
class Module:
    """Python file of the tree.

    Attributes:
        path: Its path from the root.
        text: Its content.
        tree: Its syntax tree.
    """

    path: str
    text: str
    tree: ast.Module

    @property
    def part(self) -> str | None:
        """Part of the tree that it is of."""
        found = (name for name, begins in PARTS.items() if self.path.startswith(begins))
        return next(found, None)


def tracked(root: Path = ROOT) -> list[Module]:
    """Read the Python files that git tracks."""
    listed = subprocess.run(
        ['git', 'ls-files', '*.py'], cwd=root, check=True, capture_output=True, text=True
    ).stdout.split('\n')
    found = []
    for path in filter(None, listed):
        text = (root / path).read_text(encoding='utf-8')
        found.append(Module(path, text, ast.parse(text)))
    return found


def docstrings(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that are only text."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node


def statements(tree: ast.AST) -> int:
    """Count statements, without docstrings."""
    every = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    return every - sum(1 for _ in docstrings(tree))


def refusing_lines(tree: ast.AST) -> int:
    """Count lines of ``raise``, of ifs that only raise, and of functions that only check."""
    lines: set[int] = set()
    texts = {line for node in docstrings(tree) for line in _lines(node)}
    for node in ast.walk(tree):
        refuses = isinstance(node, ast.Raise)
        if isinstance(node, ast.If):
            refuses = all(isinstance(one, ast.Raise) for one in node.body) and not node.orelse
        elif isinstance(node, ast.FunctionDef):
            refuses = re.match(r'_?(problems|check_)', node.name) is not None
        if refuses:
            lines.update(_lines(node))
    return len(lines - texts)


def _lines(node: ast.AST) -> range:
    assert isinstance(node, ast.stmt)
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def dialects(modules: Sequence[Module]) -> dict[str, int]:
    """Count the sites of each dialect; those without any are spoken no more."""
    return {
        name: sum(
            len(re.findall(one.site, module.text, re.MULTILINE))
            for module in modules
            if module.part in PRODUCT and re.search(one.files, module.path)
        )
        for name, one in DIALECTS.items()
    }


def asks_for_task(node: ast.AST) -> bool:
    """Return True for a site that asks for a task, or for the metadata of one."""
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in ('isinstance', 'issubclass'):
            return False
        return any(_is_info(name) for name in ast.walk(node.args[-1]))
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        return any(_named(side) == 'task' for side in sides) and not any(
            isinstance(one, ast.Is | ast.IsNot) for one in node.ops
        )
    if isinstance(node, ast.Match):
        return _named(node.subject) in ('task', 'info')
    if isinstance(node, ast.Dict):
        keys = [key for key in node.keys if key is not None]
        texts = {key.value for key in keys if isinstance(key, ast.Constant)} & TASK_NAMES
        return len(texts) > 1 or sum(_is_info(key) for key in keys) > 1
    return False


def _named(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ''


def _is_info(node: ast.AST) -> bool:
    return re.fullmatch(r'(Checkpoint|Spike|Depth|Fused|Image|Stereo|Translation|Upsample)Info',
                        _named(node)) is not None  # fmt: skip


class House(NamedTuple):
    """Rooms of a package, and how they stand on each other.

    Attributes:
        rooms: Number of rooms.
        floors: Number of floors.
        circles: Pairs of rooms that import each other, with the imports of the rarer direction.
    """

    rooms: int
    floors: int
    circles: dict[str, int]


def house(modules: Sequence[Module], folder: str) -> House:
    """Return the rooms and floors of a package; imports for types alone do not count."""
    package = folder.rsplit('/', 1)[-1]
    imports: dict[str, dict[str, int]] = {}
    for module in modules:
        if not module.path.startswith(f'{folder}/'):
            continue
        room = module.path.removeprefix(f'{folder}/').split('/')[0].removesuffix('.py')
        known = imports.setdefault(room, {})
        for name in _imported(module.tree):
            parts = name.split('.')
            if parts[0] == package and len(parts) > 1 and parts[1] != room:
                known[parts[1]] = known.get(parts[1], 0) + 1
    rooms = [room for room in imports if room != '__init__']
    circles = {}
    for k, one in enumerate(rooms):
        for other in rooms[k + 1 :]:
            there, back = imports[one].get(other, 0), imports[other].get(one, 0)
            if there and back:
                circles[f'{one} <-> {other}'] = min(there, back)

    @functools.cache
    def floor(room: str, way: tuple[str, ...] = ()) -> int:
        below = [one for one in imports.get(room, {}) if one in imports and one not in way]
        return 1 + max((floor(one, (*way, room)) for one in below), default=0)

    return House(len(rooms), max(map(floor, rooms), default=0), circles)


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the names of modules that are imported when the file is."""
    for node in tree.body:
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Import):
                yield from (alias.name for alias in part.names)
            elif isinstance(part, ast.ImportFrom) and part.module:
                yield from (f'{part.module}.{alias.name}' for alias in part.names)


class Walk(NamedTuple):
    """Way of a call through the modules of the product.

    Attributes:
        rooms: Modules that were entered.
        steps: Pairs of modules of which one was entered from the other, by a call or its return;
            loops do not count again.
        returns: Steps into a module that was entered before.
    """

    rooms: int
    steps: int
    returns: int


class _Arrived(BaseException):
    """End of a walk."""


def walk(run: Callable[[], object], until: Callable[[FrameType], bool] | None = None) -> Walk:
    """Follow a call.

    Args:
        run: What is called.
        until: Returns True for the frame whose return ends the walk; None: it ends by itself.
    """
    way: list[str] = []
    roots = tuple(str(ROOT / folder) + '/' for folder in PACKAGES.values())

    def place(frame: FrameType | None) -> str | None:
        while frame is not None and not frame.f_code.co_filename.startswith(roots):
            frame = frame.f_back
        return None if frame is None else frame.f_code.co_filename

    def follow(frame: FrameType, event: str, argument: object) -> None:
        if event not in ('call', 'return'):
            return
        here = place(frame if event == 'call' else frame.f_back)
        if here is not None and (not way or way[-1] != here):
            way.append(here)
        if event == 'return' and until is not None and until(frame):
            sys.setprofile(None)
            raise _Arrived

    sys.setprofile(follow)
    try:
        run()
    except _Arrived:
        pass
    finally:
        sys.setprofile(None)
    rooms, steps = len({*way}), len({*itertools.pairwise(way)})
    return Walk(rooms, steps, steps - (rooms - 1))


def packet_to_depth() -> Walk:
    """Follow a packet of a stream to the depth of its window."""
    from spike_depth_ros.estimator import DepthEstimator
    from spike_depth_ros.observation import Observation
    from spike_depth_ros.stream.ingest import Ingest, StreamSettings

    bags = importlib.import_module('kit.bags')  # of the tests
    planes = 256
    spikes = bags.moving_bars(planes)
    ingest = Ingest(
        StreamSettings(128, policy='every', ring_planes=2 * planes, spike_rate_hz=20_000.0),
        lambda kind, text: None,
    )
    ingest.on_camera_info(bags.camera())
    estimator = DepthEstimator.from_checkpoint(device='cpu', threads=1)
    packets = [bags.packet(bags.START, spikes[:128]), bags.packet(bags.START, spikes[128:])]
    packets[1].header.stamp = bags.packet(bags.START + 128 * bags.PERIOD, spikes[:1]).header.stamp

    def run() -> None:
        for packet in packets:
            ingest.on_spikes(packet)
        assert ingest.ring is not None  # once there is a packet
        window = ingest.ring.take(timeout_s=1.0)
        assert window is not None
        estimator.predict(Observation(window, bags.FX))

    return walk(run)


def config_to_loss() -> Walk:
    """Follow the smallest shipped config from its file to the first loss."""
    from spike_training.runs import pipeline
    from spike_training.settings.reading import load_config

    with tempfile.TemporaryDirectory() as folder:

        def run() -> None:
            config = load_config(ROOT / 'training/configs/smoke.yaml')
            config = dataclasses.replace(config, out=Path(folder) / 'run', device='cpu')
            pipeline.run(config)

        return walk(run, _returns_loss)


def _returns_loss(frame: FrameType) -> bool:
    from spike_training.engine.stage import Stage

    is_stage = isinstance(frame.f_locals.get('self'), Stage)
    return frame.f_code.co_name == 'forward' and is_stage


def measure(modules: Sequence[Module], walks: bool = True) -> dict[str, Any]:
    """Return all figures."""
    of_part: dict[str, list[Module]] = {name: [] for name in PARTS}
    for module in modules:
        if module.part is not None:
            of_part[module.part].append(module)
    product = [module for name in PRODUCT for module in of_part[name]]
    spoken = dialects(modules)
    found: dict[str, Any] = {
        'statements': {k: sum(statements(m.tree) for m in v) for k, v in of_part.items()},
        'lines': {k: sum(m.text.count('\n') for m in v) for k, v in of_part.items()},
        'files': {name: len(part) for name, part in of_part.items()},
        'lines that refuse': sum(refusing_lines(module.tree) for module in product),
        'sites that ask for a task': sum(
            asks_for_task(node) for module in product for node in ast.walk(module.tree)
        ),
        'dialects': {name: sites for name, sites in spoken.items() if sites},
        'house': {name: house(modules, at)._asdict() for name, at in PACKAGES.items()},
    }
    if walks:
        found['walks'] = {
            'packet to depth': packet_to_depth()._asdict(),
            'config to loss': config_to_loss()._asdict(),
        }
    return found


def lines_of(found: Mapping[str, Any], indent: str = '') -> Iterator[str]:
    """Yield the figures as text."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield f'{indent}{name}: {len(value) if name == "dialects" else ""}'.rstrip()
            yield from lines_of(value, indent + '  ')
        else:
            yield f'{indent}{name}: {value}'


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split('\n')[0])
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures there')
    parser.add_argument('--no-walks', action='store_true', help='of syntax trees alone')
    options = parser.parse_args(args)
    sys.path[:0] = [str(ROOT), str(ROOT / 'training'), str(ROOT / 'test')]
    found = measure(tracked(), not options.no_walks)
    print('\n'.join(lines_of(found)))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
