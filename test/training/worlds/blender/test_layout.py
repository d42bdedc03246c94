# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layout of furnished rooms, cameras in them and the catalogue of furniture, without Blender."""

from __future__ import annotations

import itertools
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kit.rooms import models
from spike_worlds import rendered_set
from spike_worlds.blender import make
from spike_worlds.blender.catalogue import FurnitureError, read_catalogue
from spike_worlds.blender.geometry import (
    Footprint,
    camera_axes,
    free_way,
    overlap,
    panels,
    rotation,
    walls_of,
)
from spike_worlds.blender.groups import group_models
from spike_worlds.blender.layout import KINDS, make_room
from spike_worlds.blender.textures import SIZE, TEXTURES, make_texture
from spike_worlds.blender.views import FOCAL, HEIGHTS, sample_view

GROUPS = group_models(models())
ROOMS = [make_room(3, number, GROUPS) for number in range(60)]


def test_a_room_is_a_function_of_seed_and_number() -> None:
    again = make_room(3, 7, GROUPS)
    assert again == ROOMS[7]
    assert make_room(4, 7, GROUPS) != again
    first, second = (sample_view(again, 3, 7, 1, 0) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(sample_view(again, 3, 7, 1, 1).eye, first.eye)


def test_rooms_of_all_kinds_are_furnished() -> None:
    assert {room.kind for room in ROOMS} == KINDS.keys()
    assert np.median([len(room.items) for room in ROOMS]) > 10


def test_furniture_stands_in_the_room_on_the_floor_or_on_a_top_that_things_stand_on() -> None:
    known = models()
    for room in ROOMS:
        inside = [i for i in room.items if known[i.key].category != 'Doors and windows']
        tops = [i.position[2] + (known[i.key].top or np.nan) for i in inside]
        for item in inside:
            assert item.size == known[item.key].size
            corners = item.footprint.corners()
            assert (corners > -1e-6).all()
            assert (corners < np.array(room.size[:2]) + 1e-6).all()
            bottom = item.position[2]
            usual = known[item.key].elevation
            assert min(abs(bottom - one) for one in (0.0, usual, *tops) if one == one) < 1e-9
            assert item.footprint.top <= room.size[2] + 1e-6


def test_things_overlap_only_where_a_chair_is_pushed_under_a_table() -> None:
    for room in ROOMS:
        for one, other in itertools.combinations(room.items, 2):
            if overlap(one.footprint, other.footprint, 0.02):
                keys = {one.key, other.key}
                stacked = keys & {'chair', 'swivel'} and keys & {'table', 'desk'}
                on_top = one.position[2] != other.position[2]  # on a seat below a chair's back
                assert stacked or on_top, (room.kind, one, other)


def test_nothing_stands_before_a_door() -> None:
    for room in ROOMS:
        walls = walls_of(*room.size[:2])
        for opening in [o for o in room.openings if not o.outside]:
            before = walls[opening.wall].point((opening.begin + opening.end) / 2, 0.4)
            for item in room.items:
                if item.key != opening.key:
                    assert not item.footprint.contains(before[None])[0]


def test_cameras_are_in_the_room_at_heights_of_robots_and_hands() -> None:
    for number, room in enumerate(ROOMS):
        for k in range(3):
            view = sample_view(room, 3, number, k, 0)
            assert (view.eye > 0).all()
            assert (view.eye < room.size).all()
            assert any(low <= view.eye[2] <= high for _, (low, high) in HEIGHTS)
            assert FOCAL[0] <= view.focal <= FOCAL[1]
            assert 0 < view.mean_rate <= 1
            assert np.allclose(view.axes.T @ view.axes, np.eye(3))
            later, axes = view.at(0.01)
            assert np.allclose(later - view.eye, 0.01 * view.velocity)
            assert np.allclose(axes, view.axes @ rotation(0.01 * view.turning))


def test_axes_of_a_camera_by_hand() -> None:
    level = camera_axes(0, 0, 0)  # looks along x: right is -y, down is -z
    assert np.allclose(level, [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    assert np.allclose(camera_axes(0, np.pi / 2, 0)[:, 2], [0, 0, 1])
    assert np.allclose(camera_axes(0, 0, np.pi / 2)[:, 0], [0, 0, -1])  # clockwise
    assert np.allclose(rotation((0, 0, np.pi / 2)) @ [1, 0, 0], [0, 1, 0])


def test_overlap_and_free_way_by_hand() -> None:
    box = Footprint(2, 2, 0.5, 0.5, 0, 0, 1)
    turned = Footprint(3.1, 2, 0.5, 0.5, np.pi / 4, 0, 1)  # its corner reaches to x = 2.39
    assert overlap(box, turned)
    assert not overlap(box, turned._replace(x=3.25))
    assert not overlap(box, turned._replace(bottom=1, top=2))
    assert free_way(np.array([0.5, 2.0]), 0, 0.5, [box], (4, 4)) == pytest.approx(1.0)
    assert free_way(np.array([0.5, 2.0]), 0, 1.5, [box], (4, 4)) == pytest.approx(3.5)


def test_panels_cover_a_wall_but_its_holes() -> None:
    found = panels(4, 2.5, [(1, 2, 0.8, 2), (3, 3.5, 0, 2)])
    assert sum((b - a) * (d - c) for a, b, c, d in found) == pytest.approx(10 - 1.2 - 1.0)
    assert not any(a < 1.5 < b and c < 1 < d for a, b, c, d in found)


@pytest.mark.parametrize('kind', TEXTURES)
def test_textures_differ_by_seed_alone(kind: str) -> None:
    dark, bright = (0.2, 0.1, 0.1), (0.9, 0.8, 0.7)
    one, again, other = (make_texture(kind, seed, dark, bright) for seed in (1, 1, 2))
    assert one.shape == (SIZE, SIZE, 3)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def write_archive(folder: Path) -> Path:
    table = """
name#1=Bed
category#1=Bedroom
model#1=/x/bed/bed.obj
width#1=160
depth#1=200.5
height#1=90
dropOnTopElevation#1=-1
creator#1=Jane
name#2=Vase
model#2=/x/vase/vase.obj
width#2=20
depth#2=20
name#3=Lamp
model#3=/x/lamp/lamp.obj
width#3=0
depth#3=20
height#3=20
name#4=Table
model#4=/x/table/table.obj
width#4=100
depth#4=50
height#4=70
name#5=Male
tags#5=Human, People
model#5=/x/male/male.obj
width#5=60
depth#5=40
height#5=180
"""
    with zipfile.ZipFile(folder / 'Scopia.sh3f', 'w') as archive:
        archive.writestr('PluginFurnitureCatalog.properties', table)
        archive.writestr('x/bed/bed.obj', 'v 0 0 0')
    return folder


def test_models_without_size_or_file_and_people_are_left_out_and_named(tmp_path: Path) -> None:
    found = read_catalogue(write_archive(tmp_path))
    assert [*found.models] == ['Scopia/bed']
    bed = found.models['Scopia/bed']
    assert (bed.size, bed.top, bed.creator) == ((1.6, 2.005, 0.9), None, 'Jane')
    assert found.skipped == {
        'no size in the catalogue': ['Scopia/vase', 'Scopia/lamp'],
        'no model in the archive': ['Scopia/table'],
        'figure of a person': ['Scopia/male'],
    }
    assert 'Jane (CC BY 3.0): bed' in found.attribution()


def test_missing_or_damaged_furniture_is_one_line_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(FurnitureError, match='apt-get install sweethome3d-furniture'):
        read_catalogue(tmp_path)
    (tmp_path / 'Scopia.sh3f').write_bytes(b'PK')
    with pytest.raises(FurnitureError, match='install sweethome3d-furniture again'):
        read_catalogue(tmp_path)


def test_the_command_refuses_what_it_cannot_do_in_one_line(tmp_path, capsys, monkeypatch) -> None:
    def told(*arguments: str) -> str:
        assert make.main(['--out', str(tmp_path / 'set'), *arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert '--views is 0' in told('--views', '0')
    monkeypatch.setitem(sys.modules, 'bpy', None)
    monkeypatch.setattr(make.importlib.util, 'find_spec', lambda name: None)
    assert 'pip install -r training/spike_worlds/blender/requirements.txt' in told()
    monkeypatch.setattr(make.importlib.util, 'find_spec', lambda name: name)
    assert 'apt-get install sweethome3d-furniture' in told('--furniture', str(tmp_path))
    archive = str(write_archive(tmp_path))
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'other.txt').write_text('')
    assert 'holds no set' in told('--furniture', archive)
    (tmp_path / 'set' / 'rooms.json').write_text('{"format": "spike_depth_ros rendered rooms"}')
    assert 'version None, expected 1' in told('--furniture', archive)


def test_a_set_is_not_gone_on_with_by_models_of_other_authors(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(make.importlib.util, 'find_spec', lambda name: name)
    out, archive = tmp_path / 'set', write_archive(tmp_path)
    out.mkdir()
    manifest = {
        'format': rendered_set.FORMAT,
        'version': rendered_set.VERSION,
        'seed': 0,
        'width': 384,
        'height': 256,
        'views_per_room': make.VIEWS_PER_ROOM,
    }
    (out / '.rooms.json.1.unfinished').touch()
    (out / rendered_set.MANIFEST).write_text(json.dumps(manifest))
    (out / rendered_set.ATTRIBUTION).write_text('Joe (CC0 1.0): bed')
    assert make.main(['--out', str(out), '--furniture', str(archive)]) == 1
    assert 'give the --furniture that the set was begun with' in capsys.readouterr().err
    assert (out / rendered_set.ATTRIBUTION).read_text() == 'Joe (CC0 1.0): bed'
    assert not (out / '.rooms.json.1.unfinished').exists()
