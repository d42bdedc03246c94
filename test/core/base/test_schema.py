# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dataclasses by their annotations: read from trees, checked, explained."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from spike_depth_ros.base.schema import (
    STRICT,
    Problems,
    Reading,
    across,
    fields_of,
    meanings_of,
    problems_of,
    read,
    refuse,
)
from spike_depth_ros.base.values import NOT_EMPTY, Count, Positive, Share


@dataclass
class Lens:
    """Lens.

    Attributes:
        blur: Standard deviation of the blur,
            pixels.
    """

    blur: Positive = 0.5
    vignette: Share = 0.0
    """Share of the light that
    the corners lose."""


@dataclass
class Camera:
    """Camera with lenses."""

    name: str
    size: tuple[Count, Count] = (3, 4)
    lens: Lens = field(default_factory=Lens)
    others: Annotated[list[Lens], NOT_EMPTY] = field(default_factory=lambda: [Lens()])
    spare: Lens | None = None
    rest: dict[str, Any] = field(default_factory=dict)

    @across('size', 'lens')
    def _lens_of_size(self) -> Problems:
        if self.lens.blur > min(self.size):
            yield f'lens.blur is {self.lens.blur:g}: expected at most {min(self.size)}'


@dataclass
class Wide(Camera):
    @across()
    def _named(self) -> Problems:
        if self.name != 'wide':
            yield f'name is {self.name!r}: expected wide'


def read_camera(given, how=STRICT, kind=Camera):
    problems = []
    return read(kind, given, problems, how=how), problems


def test_a_tree_becomes_the_dataclass():
    camera, problems = read_camera({
        'name': 'a', 'size': [1, 2], 'lens': {'blur': 1}, 'others': [{'vignette': 0.5}, {}],
        'spare': {'blur': 2}, 'rest': {'b': [1]},
    })  # fmt: skip
    assert problems == []
    assert camera == Camera(
        'a', (1, 2), Lens(1.0), [Lens(vignette=0.5), Lens()], Lens(2.0), {'b': [1]}
    )
    assert [*problems_of(camera)] == []
    assert read_camera({'name': 'a', 'spare': None})[0].spare is None


def test_all_problems_of_names_and_types_are_told_at_once_and_keep_their_defaults():
    given = {
        'name': 'a', 'siez': 1, 'size': [1], 'lens': {'blur': 'x', 'q': 1},
        'others': [3, {'z': 0}], 'spare': 5, 'lens2': {},
    }  # fmt: skip
    camera, problems = read_camera(given, Reading(renamed={'lens2': 'lens'}))
    assert problems == [
        'siez is unknown: did you mean size?',
        'size is [1]: expected a list of 2, each a whole number',
        "lens.blur is 'x': expected a number",
        'lens.q is unknown: expected one of blur, vignette',
        'others[0] is 3: expected settings, "name: value"',
        'others[1].z is unknown: expected one of blur, vignette',
        'spare is 5: expected settings, "name: value"',
        'lens2 is now lens',
    ]
    assert camera == Camera('a', others=[Lens(), Lens()])


def test_a_field_without_default_that_is_missing_or_wrong_leaves_nothing_to_build():
    assert read_camera({}) == (None, ['name is missing: expected a text'])
    assert read_camera({'name': 3}) == (None, ['name is 3: expected a text'])


def test_elements_may_be_read_in_another_way():
    how = Reading(element=lambda kind, given, problems, where: (kind, dict(given), where))
    camera, problems = read_camera({'name': 'a', 'others': [{'x': 1}]}, how)
    assert (camera.others, problems) == ([(Lens, {'x': 1}, 'others[0].')], [])


def test_ranges_are_told_for_each_field_and_for_what_it_holds():
    camera = Camera('a', (0, 4), Lens(-1.0), [Lens(), Lens(vignette=1.0)], Lens(0.0))
    assert [*problems_of(camera, 'camera.')] == [
        'camera.size[0] is 0: expected 1 or more',
        'camera.lens.blur is -1: expected above 0',
        'camera.others[1].vignette is 1: expected 0 to below 1',
        'camera.spare.blur is 0: expected above 0',
    ]
    assert [*problems_of(Camera('a', others=[]))] == ['others is []: expected one or more']


def test_checks_across_fields_wait_for_those_that_they_need():
    blurred = Camera('a', lens=Lens(9.0))
    assert [*problems_of(blurred)] == ['lens.blur is 9: expected at most 3']
    assert [*problems_of(dataclasses.replace(blurred, size=(0, 1)))] == [
        'size[0] is 0: expected 1 or more'
    ]
    # Those of a subclass come after those of its base.
    assert [*problems_of(Wide('a', lens=Lens(9.0)))] == [
        'lens.blur is 9: expected at most 3', "name is 'a': expected wide",
    ]  # fmt: skip


def test_a_refusal_is_one_line_of_the_wanted_kind():
    class WrongError(ValueError):
        pass

    with pytest.raises(
        WrongError, match=r'^blur is -1: .*; vignette is 2: expected 0 to below 1$'
    ):
        refuse(Lens(-1.0, 2.0), WrongError)
    refuse(Lens())


def test_meanings_stand_under_fields_in_attributes_and_in_args():
    assert meanings_of(Lens) == {
        'blur': 'Standard deviation of the blur, pixels.',
        'vignette': 'Share of the light that the corners lose.',
    }

    def enlarge(factor, other=1):
        """Enlarge.

        Args:
            factor: Of height
                and width.
            other: Nothing: at all.

        Raises:
            ValueError: Never.
        """

    assert meanings_of(enlarge) == {'factor': 'Of height and width.', 'other': 'Nothing: at all.'}


def test_fields_have_types_with_and_without_checks_and_defaults():
    fields = fields_of(Camera)
    assert (fields['size'].type, fields['size'].default) == (tuple[int, int], (3, 4))
    assert fields['size'].hint == tuple[Count, Count]
    assert fields['name'].default is dataclasses.MISSING
    assert fields['lens'].default == Lens()
