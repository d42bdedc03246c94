# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Catalogue of furniture models: the archives of the Debian package sweethome3d-furniture.

An archive (``.sh3f``) is a zip file of OBJ models with a table of properties, whose format is that
of Sweet Home 3D's furniture libraries: ``KEY#NUMBER=VALUE``, lengths in centimetres.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections import defaultdict
from pathlib import Path

from spike_depth_ros.base.errors import OneLineError

FOLDER = Path('/usr/share/sweethome3d/furniture')
"""Folder where the Debian package puts its archives."""

TABLE = 'PluginFurnitureCatalog.properties'
LICENCES = {
    'BlendSwap-CC-0': 'CC0 1.0',
    'BlendSwap-CC-BY': 'CC BY 3.0',
    'KatorLegaz': 'CC BY 3.0 US',
    'Scopia': 'CC BY 3.0',
}
"""Licence of the models of each archive, from the package's copyright file; others are not read.

``Reallusion`` holds figures of people, which are left out.
"""

_PEOPLE = re.compile(r'\b(human|people|male|female|mannequin)\b', re.IGNORECASE)
_LONGEST_M = 120.0
_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class FurnitureError(OneLineError):
    """Furniture that is missing or cannot be read."""


@dataclasses.dataclass(frozen=True)
class Model:
    """Model of a piece of furniture.

    Attributes:
        key: Archive and name in it, ``Scopia/bed1``.
        name: What it is, in English: ``Bed``.
        category: Category of the catalogue: ``Bedroom``.
        size: Width, depth and height, metres.
        elevation: Usual height of its bottom above the floor, metres.
        top: Height above its bottom at which things stand on it, metres; None: nothing does.
        rotation: Rotation of the model's points, by rows, before it is scaled to its size.
        archive: Archive with the model.
        member: Name of the OBJ file in it.
        creator: Name of the author.
        licence: Licence of the model.
    """

    key: str
    name: str
    category: str
    size: tuple[float, float, float]
    elevation: float = 0.0
    top: float | None = None
    rotation: tuple[float, ...] = _UPRIGHT
    archive: Path = Path()
    member: str = ''
    creator: str = ''
    licence: str = ''


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Models of the archives.

    Attributes:
        models: Models by their keys.
        skipped: Keys of models that were left out, by reason.
    """

    models: dict[str, Model]
    skipped: dict[str, list[str]]

    def attribution(self) -> str:
        """Return a text that names the authors of all models and their licences."""
        by_author: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key, model in sorted(self.models.items()):
            by_author[model.licence, model.creator].append(key.partition('/')[2])
        lines = [
            'The rooms are furnished with 3D models of the Debian package sweethome3d-furniture.',
            'They were scaled, recoloured, arranged and rendered. Their authors and licences:',
        ]
        for (licence, creator), names in sorted(by_author.items()):
            lines += ['', f'{creator} ({licence}): {", ".join(names)}']
        lines += [
            '',
            'CC BY 3.0: https://creativecommons.org/licenses/by/3.0/',
            'CC BY 3.0 US: https://creativecommons.org/licenses/by/3.0/us/',
            'CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/',
        ]
        return '\n'.join(lines) + '\n'


def read_catalogue(folder: Path = FOLDER) -> Catalogue:
    """Read the models of the archives in a folder; figures of people are left out.

    Args:
        folder: Folder with the archives.

    Raises:
        FurnitureError: No archive is there, or one is damaged.
    """
    archives = [path for name in LICENCES if (path := folder / f'{name}.sh3f').is_file()]
    if not archives:
        raise FurnitureError(
            f'{folder} holds no furniture: sudo apt-get install sweethome3d-furniture, or unpack '
            'the package (apt-get download sweethome3d-furniture, dpkg -x) and give its folder '
            'usr/share/sweethome3d/furniture as --furniture'
        )
    models: dict[str, Model] = {}
    skipped: dict[str, list[str]] = defaultdict(list)
    for archive in archives:
        try:
            with zipfile.ZipFile(archive) as file:
                text = file.read(TABLE).decode('iso-8859-1')
                members = {info.filename: info.file_size for info in file.infolist()}
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise FurnitureError(
                f'{archive}: expected a furniture library of Sweet Home 3D ({error}); install '
                'sweethome3d-furniture again'
            ) from error
        for row in _rows(text):
            model = _model(archive, row, members)
            if isinstance(model, Model):
                models[model.key] = model
            else:
                reason, key = model
                skipped[reason].append(key)
    return Catalogue(models, dict(skipped))


def _rows(text: str) -> list[dict[str, str]]:
    """Return the properties of each piece."""
    rows: dict[int, dict[str, str]] = defaultdict(dict)
    for line in text.splitlines():
        if match := re.match(r'(\w+)#(\d+)=(.*)', line):
            rows[int(match[2])][match[1]] = match[3].strip()
    return [rows[number] for number in sorted(rows)]


def _model(archive: Path, row: dict[str, str], members: dict[str, int]) -> Model | tuple[str, str]:
    """Return a model, or the reason why it cannot be used and its key."""
    member = row.get('model', '').lstrip('/')
    key = f'{archive.stem}/{Path(member).parent.name or row.get("name", "?")}'
    if _PEOPLE.search(f'{row.get("name", "")} {row.get("tags", "")}'):
        return 'figure of a person', key
    try:
        width, depth, height = (float(row[name]) / 100 for name in ('width', 'depth', 'height'))
        elevation = float(row.get('elevation', 0)) / 100
        top = float(row.get('dropOnTopElevation', row['height'])) / 100
        rotation = (
            tuple(map(float, row['modelRotation'].split())) if 'modelRotation' in row else ()
        )
    except (KeyError, ValueError):
        return 'no size in the catalogue', key
    if not (min(width, depth, height) > 0 and max(width, depth, height) < _LONGEST_M):
        return 'no size in the catalogue', key
    if not members.get(member) or len(rotation) not in (0, 9):
        return 'no model in the archive', key
    return Model(
        key=key,
        name=row.get('name', ''),
        category=row.get('category', ''),
        size=(width, depth, height),
        elevation=elevation,
        top=top if top >= 0 else None,
        rotation=rotation or _UPRIGHT,
        archive=archive,
        member=member,
        creator=row.get('creator', '') or 'unknown author',
        licence=LICENCES[archive.stem],
    )
