# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering by Blender: exact depth, metres of furniture, broken models, resuming.

Needs bpy (training/spike_worlds/blender/requirements.txt). With Blender's environment:

    PYTHONPATH=.:training:test python -m pytest --noconftest -p no:cacheprovider FILE
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('bpy', reason='needs training/spike_worlds/blender/requirements.txt')

from PIL import Image

from spike_worlds import rendered_set
from spike_worlds.blender import make
from spike_worlds.blender.catalogue import FOLDER, LICENCES, Model
from spike_worlds.blender.geometry import camera_axes
from spike_worlds.blender.plan import Box, Item, Lamp, Material, Room
from spike_worlds.blender.render import BrokenModelError, RoomRenderer, load_mesh

pytestmark = pytest.mark.long

FURNITURE = Path(os.environ.get('ROOMS_FURNITURE', FOLDER))
GREY = Material('plain', 1, (0.3, 0.3, 0.3), (0.6, 0.6, 0.6))
WIDTH, HEIGHT, FOCAL = 96, 64, 0.7


def boxes() -> tuple[Box, Box]:
    return Box((2.6, 1.5, 0.5), (0.8, 0.6, 1.0), 0.4, GREY), Box(
        (2.2, 0.7, 0.3), (0.5, 0.4, 0.6), 0.0, GREY
    )


def room_of(*own: Box) -> Room:
    room = Room('living', (4.0, 3.0, 2.5), GREY, [GREY] * 4, GREY)
    room.boxes += own
    room.lamps.append(Lamp((2.0, 1.5, 2.2), 60, (1.0, 1.0, 1.0)))
    return room


def through(eye, rays, low, high):
    """Return where rays enter and leave a box, in units of the rays."""
    with np.errstate(divide='ignore', invalid='ignore'):
        one, other = (low - eye) / rays, (high - eye) / rays
    return np.fmin(one, other).max(-1), np.fmax(one, other).min(-1)


def test_depth_of_a_room_of_two_boxes_by_hand() -> None:
    renderer = RoomRenderer({}, WIDTH, HEIGHT)
    room = room_of(*boxes())
    renderer.build(room, np.random.default_rng(0))
    eye, axes = np.array([0.7, 1.4, 1.2]), camera_axes(0.05, -0.25, 0.1)
    found = renderer.depth(eye, axes, FOCAL)
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    f = FOCAL * WIDTH
    rays = np.stack(
        [(u - (WIDTH - 1) / 2) / f, (v - (HEIGHT - 1) / 2) / f, np.ones_like(f * u)], -1
    )
    rays = rays @ axes.T
    _, truth = through(eye, rays, np.zeros(3), np.array(room.size))
    for box in boxes():
        cos, sin = np.cos(box.heading), np.sin(box.heading)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        half = np.array(box.size) / 2
        enter, leave = through(turn @ (eye - box.centre), rays @ turn.T, -half, half)
        hit = (enter < leave) & (enter > 0) & (enter < truth)
        assert hit.mean() > 0.01
        truth = np.where(hit, enter, truth)
    assert np.abs(found - truth).max() < 1e-3


def archive_of(folder: Path, **files: str) -> Path:
    path = folder / 'models.sh3f'
    with zipfile.ZipFile(path, 'w') as archive:
        for name, text in files.items():
            archive.writestr(f'{name}/{name}.obj', text)
    return path


def model_of(archive: Path, name: str, **changes: object) -> Model:
    return Model(
        name, name, 'Living room', (0.5, 0.8, 1.2), archive=archive, member=f'{name}/{name}.obj',
        **changes,
    )  # fmt: skip


WEDGE = 'v 0 0 0\nv 30 0 0\nv 0 10 0\nv 0 0 7\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\nv 99 99 99\n'
"""A corner in any units, y up, with a point that no face uses."""


def points_of(mesh) -> np.ndarray:
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get('co', points)
    used = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get('vertex_index', used)
    return points.reshape(-1, 3)[used]


def test_a_model_gets_the_metres_of_the_catalogue_upright_with_its_front_ahead(tmp_path) -> None:
    model = model_of(archive_of(tmp_path, wedge=WEDGE), 'wedge')
    points = points_of(load_mesh(model, np.random.default_rng(0)))
    assert points.min(0) == pytest.approx([-0.25, -0.4, 0])
    assert points.max(0) == pytest.approx([0.25, 0.4, 1.2])
    top = points[points[:, 2].argmax()]  # of the model's y: at its left, at its back (y up)
    assert top == pytest.approx([-0.25, 0.4, 1.2])


def test_broken_models_are_left_out_and_noted(tmp_path) -> None:
    archive = archive_of(
        tmp_path, wedge=WEDGE, empty='v 0 0 0\n', point='v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n'
    )
    models = {name: model_of(archive, name) for name in ('wedge', 'empty', 'point', 'gone')}
    for name in ('empty', 'point', 'gone'):
        with pytest.raises(BrokenModelError):
            load_mesh(models[name], np.random.default_rng(0))
    renderer = RoomRenderer(models, WIDTH, HEIGHT)
    room = room_of()
    room.items += [Item(name, (2.0, 1.5, 0.0), 0.0, models[name].size) for name in models]
    renderer.build(room, np.random.default_rng(0))
    assert renderer.broken.keys() == {'empty', 'point', 'gone'}
    depth = renderer.depth(np.array([2.0, 1.5, 2.4]), camera_axes(0, -np.pi / 2, 0), FOCAL)
    assert depth.min() == pytest.approx(1.2, abs=0.05)  # the wedge is there


needs_furniture = pytest.mark.skipif(
    not all((FURNITURE / f'{name}.sh3f').exists() for name in LICENCES),
    reason='needs sweethome3d-furniture; its folder as ROOMS_FURNITURE',
)


def command_of(out: Path, views: int, processes: int = 1) -> list[str]:
    """Return the command that makes a small set."""
    arguments = [
        '--views', views, '--out', out, '--processes', processes, '--seed', 5, '--width', 96,
        '--height', 64, '--furniture', FURNITURE,
    ]  # fmt: skip
    return [sys.executable, make.__file__, *map(str, arguments)]


@needs_furniture
def test_a_killed_process_leaves_whole_views_and_the_same_command_goes_on(tmp_path) -> None:
    out = tmp_path / 'set'
    running = subprocess.Popen(command_of(out, 6), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if ': 2 of 6 views' in line:
            running.kill()
            break
    running.wait(60)
    time.sleep(1.0)
    done = [*out.rglob(rendered_set.VIEW)]
    time.sleep(10.0)
    assert [*out.rglob(rendered_set.VIEW)] == done, 'the worker ends with its parent'
    assert len([path for path in done if not path.parent.name.startswith('.')]) < 6
    again = subprocess.run(command_of(out, 6), capture_output=True, text=True, timeout=600)
    assert again.returncode == 0, again.stderr
    assert len([*out.glob('room_*/view_*/' + rendered_set.VIEW)]) == 6


@needs_furniture
def test_a_full_disk_is_told_and_the_same_command_goes_on(tmp_path) -> None:
    out = tmp_path / 'set'
    out.mkdir()
    mount = f'mount -t tmpfs -o size=128k none {out}; '
    script = f'{mount}{shlex.join(command_of(out, 20))}; status=$?; ls -A {out}/*; exit $status'
    command = ['unshare', '-Urm', 'sh', '-c', script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'No space left on device' in line
    assert 'the same command goes on' in line
    assert 'view_00' in done.stdout


@needs_furniture
def test_a_set_is_made_resumes_and_is_a_function_of_its_seed(tmp_path) -> None:
    def made(folder: str, views: int, processes: int = 1) -> Path:
        out = tmp_path / folder
        command = command_of(out, views, processes)
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        return out

    one, other = made('one', 12), made('other', 3)
    assert (one / rendered_set.ATTRIBUTION).read_text().count('CC') > 20
    kept = (other / 'room_00000' / 'view_01' / rendered_set.VIEW).stat().st_mtime_ns
    shutil.rmtree(other / 'room_00000' / 'view_02')
    (other / 'room_00000' / '.view_02').mkdir()  # of an interrupted process
    made('other', 12, 2)
    assert (other / 'room_00000' / 'view_01' / rendered_set.VIEW).stat().st_mtime_ns == kept
    assert not [*other.rglob('.view*')]
    views = sorted(path.relative_to(one).parent for path in one.rglob(rendered_set.VIEW))
    assert len(views) == 12
    for view in views:
        first, second = (
            np.asarray(Image.open(root / view / rendered_set.DEPTH)) for root in (one, other)
        )
        assert np.array_equal(first, second)
        about = [
            json.loads((root / view / rendered_set.VIEW).read_text()) for root in (one, other)
        ]
        for name in ('camera', 'eye', 'axes', 'mean_rate', 'light'):
            assert about[0][name] == about[1][name]
