# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings and bags, converted as by ``spike_convert``; nothing half written stays."""

import contextlib
import io
from pathlib import Path
from random import Random
from typing import Any

import mutations
import yaml
from judging import ContractError, Target, check_text

from spike_depth_ros.base import cli
from spike_depth_ros.base.errors import OneLineError
from spike_depth_ros.tools.convert import convert
from spike_depth_ros.tools.convert.bag_summary import summarise
from spike_depth_ros.tools.convert.command import ConvertOptions
from targets import bags, recordings


def make(random: Random) -> dict[str, Any]:
    """A file or a bag, maybe true depth, and options."""
    kind = random.random()
    if kind < 0.4:
        files = random.choice((bags.make_mcap, bags.make_sqlite))(random)
        alone = files.pop('alone')
        options = random.choice(([], [], ['--allow-gaps'], ['--size', '48x32'], ['--rate', '3']))
        layout = random.choice(([], ['--bit-order', 'big', '--row-order', 'top_down']))
        return {**files, 'source': '' if alone else 'bag', 'options': [*options, *layout]}
    made = recordings.make_dat(random) if kind < 0.7 else recordings.make_npz(random)
    size, rate = (
        f'{recordings.WIDTH}x{recordings.HEIGHT}',
        random.choice(('20000', '0.001', '1e6')),
    )
    options = ['--size', size, '--rate', rate, '--planes-per-packet', random.choice('179')]
    options += random.choice(([], ['--fx', '40'], ['--storage', 'sqlite3'], ['--allow-partial']))
    (name,) = made.keys() - {'options'}
    files = {name: made[name]}
    if random.random() < 0.2:
        options += ['--depth', 'depth']
        for plane in (0, 7, random.choice((8, 23, 24, 10**17))):
            suffix = random.choice(('.png', '.npy'))
            files[f'depth/{plane}{suffix}'] = _depth(random, suffix)
    return {**files, 'source': name, 'options': options}


def _depth(random: Random, suffix: str) -> bytes:
    import cv2
    import numpy as np

    shape = (recordings.HEIGHT, recordings.WIDTH)
    if suffix == '.png':
        data = cv2.imencode('.png', np.full(shape, 1500, np.uint16))[1].tobytes()
    else:
        content = io.BytesIO()
        np.save(content, np.ones(shape, np.float32))
        data = content.getvalue()
    return mutations.corrupt(random, data) if random.random() < 0.5 else data


def use(case: dict[str, Any], folder: Path) -> None:
    """Convert it, and what comes of it back."""
    files = {name: data for name, data in case.items() if name not in ('source', 'options')}
    for name, data in files.items():
        path = folder / ('' if '.' in case['source'] else 'bag') / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    source = folder / case['source']
    if not case['source']:  # the storage file alone
        found = sorted((folder / 'bag').iterdir())
        source = next((one for one in found if one.suffix in ('.mcap', '.db3')), folder / 'bag')
    (folder / 'out').mkdir()
    to_bag = '.' in case['source']
    out = folder / 'out' / ('new' if to_bag else 'new.dat')
    options = [str(folder / one) if one == 'depth' else one for one in case['options']]
    try:
        _convert(source, out, options)
    except Exception:
        if left := list(out.parent.iterdir()):
            raise ContractError(f'refused, but {left} stays') from None
        raise
    if not to_bag:
        yaml.safe_dump(summarise(source))
    if not to_bag or source.suffix != '.dat':
        return
    geometry = options[:2]
    back = folder / 'back.dat'
    _convert(out, back, [*geometry, '--rate', '20000'] if '--rate' in options else geometry)
    whole = source.read_bytes()
    if back.read_bytes() != whole[: back.stat().st_size]:
        raise ContractError('the planes differ')


def _convert(source: Path, out: Path, options: list[str]) -> None:
    given = [str(source), '--out', str(out), *options]
    parsed = cli.options(ConvertOptions, 'spike_convert', given)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as told,
    ):
        convert.run(parsed)
    for line in told.getvalue().splitlines():
        check_text(line.replace(str(out.parent.parent), ''))


TARGET = Target(make, use, (OneLineError, OSError), prepare=bags.prepare)
