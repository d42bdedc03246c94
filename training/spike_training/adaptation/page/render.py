# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering of an adaptation's report and example windows as its page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.evaluation.report.pictures import as_png, pad_colour_bar
from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.blocks import (
    Block,
    Cell,
    Figure,
    Figures,
    Page,
    Section,
    Table,
    Text,
    number,
    numbers,
    percent,
)
from spike_depth_ros.pages.html import render_page
from spike_depth_ros.stream import preview
from spike_training.adaptation.candidates import load_network
from spike_training.adaptation.correction import firing_rates
from spike_training.adaptation.evidence import (
    FLAT,
    LIMITS,
    UNVARIED,
    WEIGHTS,
    WEIGHTS_IN_MOTION,
    find_limits,
)
from spike_training.adaptation.page import Shown
from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Batch, Unlabelled

ROWS = 5
"""Held-back windows on the page."""

PAIRS = 2
"""Windows of the recording, and matched scenes, beside the match."""

FloatImage = npt.NDArray[np.float32]


EVIDENCE = {
    'metric_error': (
        'error in metres',
        'Change of the Abs Rel in metres on held-back windows with depth, errors above 1 taken as '
        '1. It decides.',
    ),
    'measured_error': (
        'measured error',
        'Change of the scale-free Abs Rel on held-back windows of the recording with depth. Where '
        'there are any, it decides, unless there is a second eye.',
    ),
    'motion_error': (
        'error by motion',
        'Change of the scale-free Abs Rel at points that were triangulated from the motion of the '
        'camera, mean over held-back windows.',
    ),
    'matched_error': (
        'matched error',
        'Change of the scale-free Abs Rel on labelled scenes through the matched camera. Less is '
        'better; it has most weight.',
    ),
    'asymmetry': (
        'asymmetry',
        'Change of the difference between depth and the depth of the mirrored window, over the '
        'spread. Less is better.',
    ),
    'edges': (
        'edges',
        'Difference of the rank correlation (−1 to 1) of depth edges with edges of the picture. '
        'Far above 0, depth may copy texture.',
    ),
    'disorder': (
        'order',
        'Share of pixel pairs, certain in both networks, with the other one nearer than by the '
        'old network.',
    ),
    'spread': (
        'spread',
        'Change of the standard deviation of log depth within images. Below '
        f'{math.expm1(FLAT):.0%} depth is flat, and the verdict worse.',
    ),
    'dependence': (
        'dependence',
        'Change of the difference between depths of different windows. Below '
        f'{math.expm1(UNVARIED):.0%} depth hardly depends on the window, and the verdict worse.',
    ),
    'drift': (
        'drift',
        'Change of the median depth, mean over windows: the metres of the old network move by it.',
    ),
    'drift_spread': (
        'drift between windows',
        'Standard deviation of that change between windows.',
    ),
}
"""Name of each evidence in the table, and what it is."""

SCALES = {
    'metric': 'Metric: fitted to the depth of the recording, which a network that improves gets.',
    'inherited': 'Inherited: the metres are those of the old network. Unlabelled recordings show '
    'no absolute sizes, so adaptation does not improve the scale. Compare a known distance with '
    'the depth before relying on metres.',
    'none': 'None: depth is known up to one factor, as by the old network.',
}
"""Where the metres of a candidate are from."""


def render(report: Mapping[str, Any], shown: Shown) -> str:
    """Render the page as self-contained HTML.

    Args:
        report: Content of adapt.json.
        shown: Checkpoints and windows to show.
    """
    return render_page(page_of(report, shown))


def page_of(report: Mapping[str, Any], shown: Shown) -> Page:
    """Return the page as blocks; the arguments are those of :func:`render`."""
    recordings = report['recordings']
    exposure = _brightest(shown.windows)
    return Page(
        title=f'Adaptation {shown.out.stem}',
        subtitle=f'{shown.old.name} adapted to {", ".join(recordings["names"])}: '
        f'{recordings["duration_s"]:.3g} s at {recordings["rate_hz"]:.6g} planes/s, the last part '
        'held back.',
        sections=[
            _held_back(report, shown, exposure),
            _candidates(report),
            *_two_eyes(report),
            _matched_error(report),
            _match(report, shown, exposure),
            _styles(report),
            _scale(report, shown),
        ],
        tiles=_tiles(report, _kind(report)),
        warnings=report['warnings'],
        lead=[*_lead(report, shown)],
    )


def _kind(report: Mapping[str, Any]) -> str:
    """Return how the verdict was found."""
    return 'measured' if report['recordings']['windows_with_depth'] else 'expected'


def _error(report: Mapping[str, Any]) -> str:
    """Return which error the verdict is of."""
    return 'error' if report['pairs'] is None else 'error in metres'


def _whose(report: Mapping[str, Any]) -> str:
    """Return of what the depth is that a verdict was measured with."""
    pairs = report['pairs']
    matched = pairs is not None and pairs['depth'] == 'matched'
    return 'that both eyes match' if matched else 'of the recording'


def _limits(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return the changes from which on a candidate is improved, or worse."""
    measured = _kind(report) == 'measured'
    limits = find_limits(report['match']['distance'], measured=measured)
    improved = f'{math.expm1(limits[0]):+.1%} or less'
    in_motion = report['recordings']['windows_with_depth_from_motion']
    if in_motion and limits[0] < LIMITS[0]:
        improved += f' ({math.expm1(LIMITS[0]):+.1%} if the error by motion changes by that)'
    return improved, f'{math.expm1(limits[1]):+.1%}'


def _lead(report: Mapping[str, Any], shown: Shown) -> Iterator[Text]:
    """Yield the verdict, and what to do now."""
    match, candidates, kind = report['match'], report['rungs'], _kind(report)
    old, out = shown.old.name, shown.out.name
    stays = f'No file is written, and {old} stays.'
    if report['verdict'] == 'improved':
        best = next(one for one in candidates if one['name'] == report['kept'])
        change = number(best['expected_change'], '+.0%')
        yield Text(
            f'Improved by {best["name"]}: the {kind} change of the {_error(report)} is {change}.',
            'bold',
        )
        how = (
            f'measured with the depth {_whose(report)}'
            if kind == 'measured'
            else 'an expectation without labels: where a bag has depth of these places, score the '
            'file by evaluate_bag'
        )
        yield Text(
            f'Use {out} in place of {old}, after a look at the depth below. The verdict is {how}. '
            'In the folder of the file, for a running node:'
        )
        yield Text(f'ros2 param set /spike_depth checkpoint $PWD/{out}', 'code')
    elif not candidates:
        yield Text('No candidate: the training of every stage failed.', 'bold')
        yield Text(f'{stays} The output of the command has the reasons.')
    elif report['verdict'] == 'worse':
        yield Text('Worse: no candidate is as good as the old network.', 'bold')
        yield Text(
            f'{stays} Every candidate seems worse on these places. Record more places, for '
            'longer, or give more --minutes; else keep the old network.'
        )
    elif kind == 'expected' and match['distance'] > match['full_distance']:
        yield Text('No change: the simulation does not match the recording well enough.', 'bold')
        yield Text(
            f'{stays} The distance of the match is {match["distance"]:.1f}, expected at most '
            f'{match["full_distance"]:g}: an improvement takes an expected change of '
            f'{_limits(report)[0]} then. Compare the pictures under "Match of the simulation". A '
            'recording in focus and in other light may match; else keep the old network.'
        )
    else:
        yield Text('No change: no candidate is clearly better.', 'bold')
        yield Text(
            f'{stays} The old network fits these places about as well. More --minutes, or a '
            'longer recording of more places, may change that.'
        )


def _held_back(report: Mapping[str, Any], shown: Shown, exposure: float) -> Section:
    windows, canonical_fx = _windows(shown, exposure)
    known = f"at the recording's focal length of {shown.fx:.0f} pixels."
    unknown = (
        f'at the focal length of {canonical_fx:g} pixels, as that of the recording is unknown.'
    )
    grey = (
        ' Grey in the matched depth: no match, or a disparity of 4 pixels or less.'
        if report['pairs']
        else ''
    )
    about = (
        'Windows that no candidate learned from, spread over time. Look for depth that follows '
        'objects rather than their texture, and for even walls and floors. All depths have one '
        f'colour scale, metres {known if math.isfinite(shown.fx) else unknown} The uncertainty is '
        f'half of the 68 % interval, over depth.{grey}'
    )
    blocks: list[Block | str] = [Text(about, 'quiet'), *windows]
    return Section('Held-back windows', blocks, small=True)


def _candidates(report: Mapping[str, Any]) -> Section:
    candidates, kind = report['rungs'], _kind(report)
    improved, worse = _limits(report)
    in_motion = report['recordings']['windows_with_depth_from_motion']
    weights = WEIGHTS_IN_MOTION if in_motion else WEIGHTS
    basis = (
        f'with the depth {_whose(report)}'
        if kind == 'measured'
        else f'by {", ".join(EVIDENCE[name][0] for name in weights)}'
    )
    of = _error(report) if report['pairs'] else 'scale-free error'
    change = f'Of the {of}, {basis}. Improved: {improved}; worse: {worse} or more.'
    known = candidates[0]['evidence'].items() if candidates else ()
    rows: list[list[Cell]] = [
        ['verdict', *(one['verdict'] for one in candidates)],
        [
            (f'{kind} change', change),
            *(f'{100 * one["expected_change"]:+.1f} %' for one in candidates),
        ],
        [('duration', 'Training and test.'), *(f'{one["seconds"]:.0f} s' for one in candidates)],
        *(
            [
                [*EVIDENCE.get(name, (name,))],
                *(FORMS.get(name, _change)(one['evidence'][name]) for one in candidates),
            ]
            for name, value in known
            if value is not None
        ),
    ]
    about = (
        'Each starts from the best network so far; average is the mean of the weights of those '
        'that improved. Evidence compares it with the old network.'
    )
    header = ['', *(one['name'] for one in candidates)]
    return Section('Candidates', [Text(about, 'quiet'), Table(header, rows)])


def _two_eyes(report: Mapping[str, Any]) -> Iterator[Section]:
    pairs = report['pairs']
    if not pairs:
        return
    recorded = (
        '; the errors are those at depth that was recorded' if pairs['depth'] == 'recorded' else ''
    )
    about = (
        'Depth of held-back pixels, by disparities above 4 pixels on which both eyes agree'
        f'{recorded}. Errors above 1 are taken as 1, as some matches are false.'
    )
    factor = 'Matched depth over that of the old network, median of the adaptation part.'
    rows: list[list[Cell]] = [
        ['baseline', f'{pairs["baseline_m"]:g} m'],
        ['focal length', f'{pairs["fx_px"]:.4g} px'],
        ['pairs', str(pairs['number'])],
        ['matched pixels', percent(pairs['matched_share'])],
        [('factor of scale', factor), number(pairs['scale_factor'])],
    ]
    errors = [[name, number(found['bounded'])] for name, found in report['measured_error'].items()]
    yield Section(
        'Two eyes',
        [
            Text(about, 'quiet'),
            Table(['pairs', 'value'], rows),
            Table(['network', 'Abs Rel in metres ↓'], errors),
        ],
    )


def _matched_error(report: Mapping[str, Any]) -> Section:
    about = (
        'Generated scenes that no candidate learned from, simulated with the matched camera. Abs '
        'Rel is the mean of |predicted − true| / true over pixels; 0 is perfect. Scale-free: the '
        'median of each image is aligned with the truth first. It shows errors of these scenes, '
        'not of the recording.'
    )
    # Generated places may have other sizes than those that two eyes measure.
    kinds = {'scaled': 'scale-free Abs Rel ↓'}
    if not report['pairs']:
        kinds['metres'] = 'Abs Rel in metres ↓'
    rows = [[name, *numbers(found, kinds)] for name, found in report['matched_error'].items()]
    table = Table(['network', *kinds.values()], rows)
    return Section('Error on matched labelled scenes', [Text(about, 'quiet'), table])


def _match(report: Mapping[str, Any], shown: Shown, exposure: float) -> Section:
    match = report['match']
    optics = match['optics']
    sensor = optics['sensor']
    about = (
        f'Distance {match["distance"]:.2f}, expected at most {match["full_distance"]:g}; through '
        f'an ideal camera {match["before"]:.2f}. The distance compares firing rates, fine detail, '
        'noise, pixel pattern, hot pixels and corners; 1 in one of them is about the difference '
        'between two samples of generated scenes. Places differ, but brightness, sharpness, noise '
        'and lasting patterns of the pictures should look alike. All have the same exposure.'
    )
    camera: list[list[Cell]] = [
        [('light', 'Factor on the mean firing rate of the scenes.'), f'{optics["light"]:.2g}'],
        [
            ('contrast', 'Exponent on luminance; above 1 shadows are deeper.'),
            f'{optics["contrast"]:g}',
        ],
        [('vignette', 'Share of the light that the corners lose.'), f'{optics["vignette"]:.0%}'],
        [('blur', 'Standard deviation of the blur of the lens.'), f'{optics["blur"]:g} px'],
        [
            ('mismatch', 'Standard deviation of the sensitivity between pixels.'),
            f'{sensor["response_mismatch"]:.1%}',
        ],
        [
            ('dark current', 'Thresholds per second that a pixel gathers in the dark.'),
            f'{sensor["dark_current"]:.3g} /s',
        ],
        [
            ('hot pixels', 'Share of pixels that are far brighter than their light.'),
            f'{sensor["hot_pixels"]:.1%}',
        ],
    ]
    blocks: list[Block | str] = [
        Text(about, 'quiet'),
        Figures(_match_panels(shown, exposure), 'panels'),
        Table(['parameter', 'value'], camera, 'Camera of the simulation'),
    ]
    correction = report['correction']
    if correction:
        response = 'Standard deviation of the corrected sensitivity between pixels.'
        dark = 'Mean of the dark spikes that are subtracted.'
        rows: list[list[Cell]] = [
            ['faulty pixels', str(correction['faulty_pixels'])],
            [('response', response), percent(correction['gain_std'])],
            [('dark current', dark), f'{correction["dark_per_s"]:.3g} /s'],
            ['origin', str(correction['source'])],
        ]
        told = 'The file has it only if candidate sensor was improved.'
        blocks.append(
            Table(['parameter', 'value'], rows, 'Correction of the sensor', caption=told)
        )
    return Section('Match of the simulation', blocks, small=True)


def _styles(report: Mapping[str, Any]) -> Section:
    about = (
        'Share of each style of generated scenes by the similarity of their features to the '
        "recording's. Labelled scenes are drawn by these shares."
    )
    shares = sorted(report['styles'].items(), key=lambda one: one[1], reverse=True)
    rows = [[name, percent(share)] for name, share in shares]
    return Section('Styles of the places', [Text(about, 'quiet'), Table(['style', 'share'], rows)])


def _scale(report: Mapping[str, Any], shown: Shown) -> Section:
    of_pairs = report['pairs'] and report['scale'] == 'metric'
    by_eyes = 'Metric: measured by both eyes, for every candidate.'
    blocks = [Text(by_eyes if of_pairs else SCALES[report['scale']])]
    blocks += [
        Text(
            f"The median depth of candidate {one['name']} differs from the old network's by "
            f'{_change(one["evidence"]["drift"])} on the held-back windows.'
        )
        for one in report['rungs']
        if one['name'] == shown.name
    ]
    return Section('Scale', blocks)


def _change(value: float | None) -> str:
    """Format a log ratio as a relative change."""
    return number(None if value is None else 100 * math.expm1(value), '+.1f') + ' %'


FORMS: dict[str, Callable[[float | None], str]] = {
    'edges': lambda value: number(value, '+.3f'),
    'disorder': percent,
    'drift_spread': lambda value: _change(value).lstrip('+'),
}
"""Format of the evidence, by name; others are changes."""


def _tiles(report: Mapping[str, Any], kind: str) -> list[tuple[str, str]]:
    match, recordings = report['match'], report['recordings']
    tiles = [('verdict', report['verdict'])]
    for one in report['rungs']:
        if one['name'] == report['shown']:
            change = 'flat depth' if one['flat'] else f'{one["expected_change"]:+.0%}'
            error = 'error' if report['pairs'] is None else 'error in metres'
            tiles.append((f'{kind} change of the {error}, {one["name"]}', change))
    return [
        *tiles,
        (
            f'distance of the match, expected at most {match["full_distance"]:g}',
            f'{match["distance"]:.2f}',
        ),
        (
            f'held-back windows; {recordings["windows_with_depth_from_motion"]} with depth from '
            'the motion of the camera',
            str(recordings['held_back_windows']),
        ),
    ]


@torch.inference_mode()
def _windows(shown: Shown, exposure: float) -> tuple[list[Figures], float]:
    """Return held-back windows, with one scale of depth and of uncertainty, and their fx."""
    chosen, seen = (_spread(batches, ROWS) for batches in (shown.windows, shown.seen))
    depths: dict[str, list[FloatImage]] = {}
    percents: list[FloatImage] = []
    for name, path, windows in (
        (shown.old.name, shown.old, chosen),
        (f'candidate {shown.name}', shown.candidate, seen),
    ):
        if path is None:
            continue
        info, network = load_network(path)
        outputs = [predict(network, one, 'spikes') for one in windows]
        metres = shown.fx / info.canonical_fx if math.isfinite(shown.fx) else 1.0
        depths[name] = [metres * output.depth[0, 0].numpy() for output in outputs]
        # Of the last network, the candidate.
        percents = [
            100
            * info.uncertainty_factor
            * info.relative_error(output.depth[0, 0].numpy(), output.uncertainty[0, 0].numpy())
            for output in outputs
        ]
    matched = _spread_depths(shown.matched, ROWS)
    seen_m = np.concatenate([np.ravel(one) for of in (*depths.values(), matched) for one in of])
    near, far = (float(value) for value in np.nanpercentile(seen_m, (1, 99)))
    far = max(far, 1.05 * near)
    most = max(float(np.percentile(np.stack(percents), 98)), 1.0)
    rows = []
    for k, window in enumerate(chosen):
        panels = [('picture', pad_colour_bar(_picture(window, exposure)))]
        if matched:
            both_eyes = pictures.depth_panel(matched[k], near, far)
            panels.append(('depth: both eyes, matched', both_eyes))
        panels += [
            (f'depth: {name}', pictures.depth_panel(of[k], near, far))
            for name, of in depths.items()
        ]
        uncertainty = pictures.uncertainty_panel(percents[k], most, '%')
        panels.append((f'uncertainty: {[*depths][-1]}', uncertainty))
        title = f'Window {int(window.index[0]) + 1} of those held back'
        rows.append(Figures(as_png(panels), 'panels', title))
    return rows, info.canonical_fx


def _match_panels(shown: Shown, exposure: float) -> list[Figure]:
    """Return windows of the recording and matched scenes, of the same exposure."""
    groups = {'recording': shown.windows, 'matched scene': [shown.scenes]}
    return as_png(
        [
            (
                f'{name}, mean rate {float(next(firing_rates([one])).mean()):.3f} spikes/plane',
                _picture(one, exposure),
            )
            for name, batches in groups.items()
            for one in _spread(batches, PAIRS)
        ]
    )


def _spread(batches: Sequence[Unlabelled], number: int) -> list[Unlabelled]:
    """Return windows in equal distances, first and last among them, as batches of one."""
    windows = [
        Unlabelled(here.counts[k : k + 1], here.planes_per_bin, here.index[k : k + 1])
        for here in (batch.to('cpu') for batch in batches)
        for k in range(len(here.counts))
    ]
    places = np.linspace(0, len(windows) - 1, min(number, len(windows)))
    return [windows[place] for place in places.round().astype(int).tolist()]


def _spread_depths(batches: Sequence[Batch], number: int) -> list[FloatImage]:
    """Return the depth of windows as :func:`_spread` chooses them; none without windows."""
    if not batches:
        return []
    depths: FloatImage = torch.cat([batch.depth[:, 0] for batch in batches]).cpu().numpy()
    places = np.linspace(0, len(depths) - 1, min(number, len(depths)))
    return [depths[place] for place in places.round().astype(int).tolist()]


def _brightest(windows: Sequence[Unlabelled]) -> float:
    """Return the firing rate that is shown white: 1 % of the pixels reach it."""
    rates = np.stack([*firing_rates(windows)])
    return max(float(np.percentile(rates, 99)), 1e-3)


def _picture(window: Unlabelled, exposure: float) -> npt.NDArray[np.uint8]:
    return pictures.spike_panel(preview.encode(next(firing_rates([window])) / exposure))
