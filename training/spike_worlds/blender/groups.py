# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Groups of models by their use, chosen by name, category and size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from spike_worlds.blender.catalogue import Model

Range = tuple[float, float]
Groups = dict[str, list[Model]]


class Group(NamedTuple):
    """Models that serve one purpose.

    Attributes:
        names: Pattern of their whole names.
        height: Limits of their heights, metres.
        width: Limits of width and depth, metres.
        category: Pattern of the whole category.
        elevation: Limits of their usual heights above the floor, metres.
    """

    names: str
    height: Range = (0.0, 2.6)
    width: Range = (0.0, 4.0)
    category: str = '.*'
    elevation: Range = (0.0, 0.05)


_TABLES = r'(?!bar|technical|children|cafe).*\btable\b.*|island'
_CHAIRS = r'(?!baby|child|deck|relax|wheel|beach|bar|office|folding).*\bchair\b.*'

GROUPS: dict[str, Group] = {
    'sofa': Group(r'(?!opened).*(sofa|couch).*', width=(0.6, 3.5)),
    'armchair': Group(r'.*armchair(?! ottoman).*|puff|relax chair', width=(0.5, 1.3)),
    'chair': Group(_CHAIRS, (0.6, 1.25), (0.3, 0.9), 'Living room|Kitchen|Office'),
    'office_chair': Group(r'office chair|armchair|chair', (0.8, 1.25), (0.4, 0.9), 'Office'),
    'stool': Group(r'.*stool|bar chair', (0.3, 1.2)),
    'table': Group(_TABLES, (0.62, 0.85), (0.6, 2.4), 'Living room|Kitchen|Office'),
    'small_table': Group(r'.*table.*', (0.55, 0.8), (0.4, 0.95), 'Living room|Exterior|Kitchen'),
    'coffee_table': Group(r'.*table.*', (0.3, 0.6), (0.4, 1.6), 'Living room|Exterior'),
    'desk': Group(r'.*desk.*|table on trestles|wooden.*table', (0.65, 1.1), (0.7, 2.2)),
    'bed': Group(r'(child |bunk )?bed|captain.s bed|day bed|hospital bed|futon', width=(0.6, 2.4)),
    'bedside': Group(r'bedside table|stool', (0.35, 0.6), (0.3, 0.6)),
    'wardrobe': Group(r'wardrobe|cupboard|clothes rack|locker', (1.2, 2.45)),
    'bookcase': Group(
        r'.*bookcase|(vertical )?shelves|contemporary living room|box', (0.7, 2.3), (0.25, 3.4),
        'Living room|Bedroom|Office',
    ),
    'cabinet': Group(
        r'dresser.*|chest|.*cabinet|box|fireplace|aquarium|safe|filing.*|television cabinet|'
        r'upright piano|dressing table|changing table', (0.4, 1.7), (0.3, 2.3),
        'Living room|Bedroom|Office|Miscellaneous',
    ),
    'tv_stand': Group(r'tv stand|coffee table|chest', (0.3, 0.85), (0.4, 1.7)),
    'tv': Group(r'tv.*', (0.3, 0.8), (0.05, 1.1), 'Living room'),
    'plant': Group(
        r'.*plant|ficus|yucca|spathiphyllum|flowers|christmas tree|.*lily|tulips', (0.55, 2.2)
    ),
    'pot': Group(r'.*plant|cactus|bamboo|tulips?|orchids|bonsai tree|flowers|.*lily', (0.1, 0.65)),
    'floor_lamp': Group(r'.*lamp', (1.1, 2.0), category='Lights'),
    'table_lamp': Group(r'.*lamp|.*lantern|candle', (0.12, 0.85), (0.0, 0.6), 'Lights'),
    'pendant': Group(
        r'(pendant |ceiling )?lamp|hanging light|ceiling fan', (0.05, 1.0), elevation=(1.6, 2.5)
    ),
    'wall_thing': Group(
        r'radiator|air conditioning - int.*|wall flat tv|cuckoo clock|dart game|towel rack|'
        r'intercom.*|wall hanger|.*switch|.*plug', (0.05, 1.3), elevation=(0.06, 2.3),
    ),
    'radiator': Group(r'radiator', (0.3, 1.0), elevation=(0.0, 0.2)),
    'base_cabinet': Group(
        r'(small |drawers )?(lower )?cabinet|drawers cabinet|sink( cabinet)?|.*washing machine|'
        r'dryer machine|large stove|double oven|propane stove', (0.55, 1.25), (0.4, 1.2),
        'Kitchen',
    ),
    'upper_cabinet': Group(
        r'.*cabinet|hood', (0.1, 0.9), category='Kitchen', elevation=(1.3, 2.0)
    ),
    'fridge': Group(r'.*(fridge|refrigerator)|high cabinet', (1.2, 2.2), category='Kitchen'),
    'kitchen_thing': Group(r'(?!.*tool|towel|.*hood).*', (0.02, 0.5), (0.03, 0.5), 'Kitchen'),
    'desk_thing': Group(
        r'laptop|apple.*|.*phone|.*printer.*|letter tray|penbox|calendar|book|coffee (mug|cup)|'
        r'headphones|radio|desk lamp|tablet|.*camera|stapler|newspaper|speaker|mini stereo|tape.*',
        (0.01, 0.6), (0.02, 0.6),
    ),
    'screen': Group(r'laptop|apple imac.*|tv.*', (0.2, 0.6), (0.1, 0.8)),
    'home_thing': Group(
        r'vase|book|gift|radio|clock|frame.*|candle|aquarium|mp3.*|car model|biplane|teddy bear|'
        r'bowl.*|jar|.*bottle|apples|rubik.*|chessboard|toy train|xylophone|doll|old jar|teapot|'
        r'plate.*|cup|wood toy|.*fan|basketball|hat|cap|handbag|folded clothes', (0.02, 0.5),
        (0.03, 0.55),
    ),
    'bathroom_thing': Group(r'.*', (0.05, 0.4), (0.03, 0.4), 'Bathroom'),
    'bath': Group(
        r'bath|corner bathtub|island bath|shower stall', (0.5, 2.1), category='Bathroom'
    ),
    'toilet': Group(r'toilets unit|bidet', category='Bathroom'),
    'washbasin': Group(r'washbasin|.*vanity', (0.8, 2.3), category='Bathroom'),
    'washing_machine': Group(r'.*(washing|dryer) ?machine|clothes basket'),
    'floor_thing': Group(
        r'box|(open )?cardboard box|crate|backpack|suitcase|soccer ball|basketball|dustbin|'
        r'bullet trash can|recycling bin|clothes basket|slippers|sneakers|.*shoes|cat|dog|bulldog|'
        r'siamese cat|rocking horse|teddy bear|speaker|umbrella|vase|table fan|.*fan|gift|potty|'
        r'small step ladder|shopping basket|.*trunk|tricycle|skateboard|electric guitar|puff|'
        r'wood logs|box|stool|rabbit|doll house|handbag|briefcase', (0.08, 1.15), (0.08, 1.1),
    ),
    'whiteboard': Group(r'white ?board'),
    'water_cooler': Group(r'water cooler|.*printer.*|extinguisher', (0.15, 1.5)),
    'bench': Group(r'.*bench|class seat|little bank', (0.35, 1.1), (0.3, 2.7)),
    'machine': Group(
        r'pool table|table tennis|football table|treadmill|fitness tower|indoor bike|workbench|'
        r'fork lift|grand piano|flipper|abdominal bench|wheelbarrow|bicycle|bike|motorbike|'
        r'shipping container|technical table|scooter|furnace|wheelchair|trampoline|step ladder',
        width=(0.2, 6.1),
    ),
    'crate': Group(r'crate|barrel|pallet|box|.*trash ?can|cone', (0.1, 1.0), (0.3, 1.3)),
    'curtain': Group(r'curtain', elevation=(0.0, 0.2)),
    'carpet': Group(r'.*rug|.*carpet|bathmat|doormat', (0.0, 0.05), (0.4, 3.0)),
    'window': Group(
        r'(?!.*shutter).*window.*', (0.8, 2.3), (0.0, 2.6), 'Doors and windows', (0.0, 1.2)
    ),
    'door': Group(r'(exterior |glass )?door', (1.9, 2.3), (0.0, 1.2), 'Doors and windows'),
    'double_door': Group(r'double door.*', (1.9, 2.3), (0.0, 2.0), 'Doors and windows'),
}  # fmt: skip
"""Groups that rooms are furnished from."""


def group_models(models: Mapping[str, Model]) -> Groups:
    """Return the models of each group, in the order of their keys.

    Args:
        models: Models by their keys.
    """
    ordered = [models[key] for key in sorted(models)]
    return {name: [m for m in ordered if _belongs(m, group)] for name, group in GROUPS.items()}


def _belongs(model: Model, group: Group) -> bool:
    width, depth, height = model.size
    return bool(
        re.fullmatch(group.names, model.name, re.IGNORECASE)
        and re.fullmatch(group.category, model.category)
        and group.height[0] <= height <= group.height[1]
        and group.width[0] <= max(width, depth) <= group.width[1]
        and group.elevation[0] <= model.elevation <= group.elevation[1]
    )
