# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training: the settings of a run, and the files that a run is continued from."""

import functools
import io
import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import mutations
import torch
import yaml
from judging import Target

from kit import stages
from kit.runs import tiny_run
from spike_depth_ros.checkpoint import CheckpointError, load
from spike_training.engine.checkpoints import newest_model
from spike_training.errors import ConfigError, TrainingError
from spike_training.runs import pipeline
from spike_training.runs.sessions import Session
from spike_training.settings.config import check, to_yaml
from spike_training.settings.reading import load_config, read_arguments
from targets.calibrations import dump

STEPS = 6
ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ('smoke', 'mini', 'unet_lite', 'transfer', 'paper_nyu_respike')


@functools.cache
def _config(name: str) -> Any:
    return yaml.safe_load((ROOT / 'training' / 'configs' / f'{name}.yaml').read_text())


@functools.cache
def _options() -> tuple[tuple[str, Any], ...]:
    """All settings of a run by their full names, as options give them."""
    smoke = str(ROOT / 'training' / 'configs' / 'smoke.yaml')
    tree = yaml.safe_load(to_yaml(read_arguments(['--config', smoke])))
    return tuple(_flat(tree, ''))


def _flat(tree: dict[str, Any], where: str) -> Any:
    for name, value in tree.items():
        yield f'{where}{name}', value
        if isinstance(value, dict):
            yield from _flat(value, f'{where}{name}.')


def make_config(random: Random) -> dict[str, Any]:
    """A file of settings, and options beside it."""
    tree = _config(random.choice(CONFIGS))
    if random.random() < 0.8:
        tree = mutations.mutate_tree(random, tree)
    options = []
    for _ in range(random.choice((0, 0, 1, 2))):
        name, value = random.choice(_options())
        if random.random() < 0.7:
            value = mutations.value(random)
        text = json.dumps(value) if random.random() < 0.5 else str(value)
        if random.random() < 0.1:
            name = mutations.text(random, name)
        # Arguments of a process hold no NUL and are UTF-8.
        pair = [f'--{name}', text]
        joined = random.random() < 0.3
        options += ['='.join(pair)] if joined else pair[: random.choice((1, 2, 2, 2, 2))]
    options = [one.encode(errors='replace').decode().replace('\0', '') for one in options]
    return {'config.yaml': dump(random, tree), 'options': options}


def use_config(case: dict[str, Any], folder: Path) -> None:
    """Read the settings as ``run.py train`` does; what is written of them is read again."""
    path = folder / 'config.yaml'
    path.write_bytes(case['config.yaml'])
    given = ['--config', str(path), '--out', str(folder / 'run'), *case['options']]
    config = read_arguments(given)
    check(config)
    path.write_text(to_yaml(config), encoding='utf-8')
    again = load_config(path)
    assert to_yaml(again) == to_yaml(config)


@functools.cache
def _run() -> Path:
    """A run of a stage that is done."""
    out = Path(tempfile.mkdtemp()) / 'run'
    config = tiny_run(out)
    pipeline._init_run_dir(config)
    with Session(out, torch.device('cpu')):
        stages.train(out / 'one', steps=STEPS)
    return out


def make_resume(random: Random) -> dict[str, Any]:
    """The files of a run, one or two of them changed."""
    files = {
        str(path.relative_to(_run())): path.read_bytes()
        for path in sorted(_run().rglob('*'))
        if path.is_file()
    }
    # Pages are written anew, the reports and the result too; what is read comes first.
    read = [name for name in files if name.startswith('one/') or name.endswith(('.yaml', '.json'))]
    for name in random.sample(read, random.choice((1, 1, 2))):
        if random.random() < 0.05 and name != 'sessions.json':
            del files[name]
        elif name.endswith(('.json', '.jsonl')) and random.random() < 0.6:
            lines = files[name].decode().splitlines() if name.endswith('l') else [files[name]]
            number = random.randrange(len(lines))
            tree = mutations.mutate_tree(random, json.loads(lines[number]))
            text = json.dumps(tree)
            if name.endswith('l'):
                text = '\n'.join([*lines[:number], text, *lines[number + 1 :], ''])
            files[name] = text.encode(errors='replace')
        elif name.endswith('.yaml') and random.random() < 0.6:
            files[name] = dump(random, mutations.mutate_tree(random, yaml.safe_load(files[name])))
        elif name.endswith('.pt') and random.random() < 0.6:
            files[name] = _state(random, files[name])
        else:
            files[name] = mutations.corrupt(random, files[name])
    return files


def _state(random: Random, data: bytes) -> bytes:
    """A state with another value in it, saved again."""
    state = torch.load(io.BytesIO(data), weights_only=True)
    parts = [state, state['stage'], state['optimizers'], state['ema'], state['ema']['average']]
    parts += list(state['optimizers'].values())
    part = random.choice(parts)
    key = random.choice(list(part))
    if random.random() < 0.3:
        del part[key]
    elif isinstance(part[key], torch.Tensor) and random.random() < 0.6:
        part[key] = part[key][None].expand(2, *part[key].shape)
    else:
        part[key] = mutations.value(random)
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def use_resume(case: dict[str, Any], folder: Path) -> None:
    """Continue the run, by the parts of ``run.py train --resume true``, with a smaller network."""
    out = folder / 'run'
    for name, data in case.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    pipeline._init_run_dir(tiny_run(out, resume=True))
    if case['sessions.json'] != (_run() / 'sessions.json').read_bytes():
        with Session(out, torch.device('cpu')):
            pass
    stages.train(out / 'one', steps=STEPS)
    load(newest_model(out / 'one'))


def prepare_config() -> None:
    """Import what checks of settings need."""
    _options()
    check(read_arguments(['--config', str(ROOT / 'training' / 'configs' / 'smoke.yaml')]))


def prepare_resume() -> None:
    """Train the run."""
    _run()


CONFIG = Target(make_config, use_config, (ConfigError,), lines=80, prepare=prepare_config)
RESUME = Target(
    make_resume, use_resume, (TrainingError, ConfigError, CheckpointError), lines=80,
    prepare=prepare_resume,
)  # fmt: skip
