# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering of an adaptation's report and example windows as its page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros import pictures, preview
from spike_depth_ros.evaluation.report.page import number, percent, render_page
from spike_depth_ros.evaluation.report.pictures import as_png, pad_colour_bar
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
from spike_training.sampling.sample import Unlabelled

TEMPLATE = Path(__file__).with_name('adapt.html.j2')

ROWS = 5
"""Held-back windows on the page."""

PAIRS = 2
"""Windows of the recording, and matched scenes, beside the match."""

FloatImage = npt.NDArray[np.float32]


def render(report: Mapping[str, Any], shown: Shown) -> str:
    """Render the page as self-contained HTML.

    Args:
        report: Content of adapt.json.
        shown: Checkpoints and windows to show.
    """
    recordings, match = report['recordings'], report['match']
    exposure = _brightest(shown.windows)
    return render_page(
        TEMPLATE.read_text(encoding='utf-8'),
        title=f'Adaptation {shown.out.stem}',
        subtitle=f'{shown.old.name} adapted to {", ".join(recordings["names"])}: '
        f'{recordings["duration_s"]:.3g} s at {recordings["rate_hz"]:.6g} planes/s, the last part '
        'held back.',
        tiles=_tiles(report),
        warnings=report['warnings'],
        windows=_windows(recordings['rate_hz'], shown, exposure),
        rungs=_rungs(report),
        errors=_errors(report['matched_error']),
        match=_match(match, shown, exposure),
        correction=_correction(report['correction']),
        styles=_styles(report['styles']),
        scale=_scale(report, shown),
        **_lead(report, shown),
    )


def _lead(report: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """Return the verdict in one line, what to do, and the command for it."""
    verdict, rungs, old = report['verdict'], report['rungs'], shown.old.name
    stays = f'No file is written, and {old} stays.'
    if verdict == 'improved':
        (rung,) = (one for one in rungs if one['name'] == report['kept'])
        kind = 'expected'
        basis = (
            'an expectation without labels: where a bag has depth of these places, score the file '
            'by evaluate_bag'
        )
        if _is_measured(report):
            kind, basis = 'measured', 'measured with the depth of the recording'
        return {
            'lead': f'Improved by {rung["name"]}: the {kind} change of the error is '
            f'{rung["expected_change"]:+.0%}.',
            'advice': [
                f'Use {shown.out.name} in place of {old}, after a look at the depth below. The '
                f'verdict is {basis}. In the folder of the file, for a running node:'
            ],
            'command': f'ros2 param set /spike_depth checkpoint $PWD/{shown.out.name}',
        }
    if not rungs:
        return {
            'lead': 'No candidate: the training of every rung failed.',
            'advice': [f'{stays} The output of the command has the reasons.'],
            'command': '',
        }
    if verdict == 'worse':
        advice = (
            'Every candidate seems worse on these places. Record more places, for '
            'longer, or give more --minutes; else keep the old network.'
        )
        lead = 'Worse: no candidate is as good as the old network.'
    elif (
        not _is_measured(report) and report['match']['distance'] > report['match']['full_distance']
    ):
        lead = 'No change: the simulation does not match the recording well enough.'
        advice = (
            f'The distance of the match is {report["match"]["distance"]:.1f}, expected at most '
            f'{report["match"]["full_distance"]:g}: an improvement takes an expected change of '
            f'{_limit_of_improvement(report)} then. Compare the pictures under "Match of the '
            'simulation". A recording in focus and in other light may match; else keep the old '
            'network.'
        )
    else:
        lead = 'No change: no candidate is clearly better.'
        advice = (
            'The old network fits these places about as well. More --minutes, or a longer '
            'recording of more places, may change that.'
        )
    return {'lead': lead, 'advice': [f'{stays} {advice}'], 'command': ''}


def _limit_of_improvement(report: Mapping[str, Any]) -> str:
    limit, _ = find_limits(report['match']['distance'], measured=_is_measured(report))
    told = f'{math.expm1(limit):+.1%} or less'
    if report['recordings']['windows_with_depth_from_motion'] and limit < LIMITS[0]:
        told += f' ({math.expm1(LIMITS[0]):+.1%} if the error by motion changes by that)'
    return told


def _is_measured(report: Mapping[str, Any]) -> bool:
    return bool(report['recordings']['windows_with_depth'])


def _tiles(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    tiles = [('verdict', report['verdict'])]
    if report['shown'] is not None:
        shown = next(rung for rung in report['rungs'] if rung['name'] == report['shown'])
        kind = 'measured' if _is_measured(report) else 'expected'
        change = 'flat depth' if shown['flat'] else f'{shown["expected_change"]:+.0%}'
        tiles.append((f'{kind} change of the error, {shown["name"]}', change))
    match, recordings = report['match'], report['recordings']
    tiles += [
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
    return tiles


@torch.inference_mode()
def _windows(rate_hz: float, shown: Shown, exposure: float) -> dict[str, Any]:
    """Return the rows of held-back windows, with one scale of depth and of uncertainty."""
    chosen, seen = (
        _spread([one for batch in batches for one in _single(batch)], ROWS)
        for batches in (shown.windows, shown.seen)
    )
    depths: list[list[FloatImage]] = []
    percents: list[FloatImage] = []
    known = math.isfinite(shown.fx)
    for path, windows in ((shown.old, chosen), (shown.candidate, seen)):
        if path is None:
            continue
        info, network = load_network(path)
        outputs = [predict(network, one, 'spikes') for one in windows]
        metres = shown.fx / info.canonical_fx if known else 1.0
        depths.append([metres * output.depth[0, 0].numpy() for output in outputs])
        # Of the last network, the candidate.
        percents = [
            100 * info.uncertainty_factor * output.uncertainty[0, 0].numpy() for output in outputs
        ]
    near, far = (float(value) for value in np.percentile(np.stack(depths), (1, 99)))
    most = max(float(np.percentile(np.stack(percents), 98)), 1.0)
    names = [shown.old.name, f'candidate {shown.name}'][: len(depths)]
    rows = []
    for k, window in enumerate(chosen):
        seconds = int(window.index[0]) * int(window.planes_per_bin.sum()) / rate_hz
        rows.append(
            {
                'title': f'{seconds:.2f} s into the held-back part',
                'panels': as_png(
                    [
                        ('picture', pad_colour_bar(_picture(window, exposure))),
                        *(
                            (
                                f'depth: {name}',
                                pictures.depth_panel(of[k], near, max(far, 1.05 * near)),
                            )
                            for name, of in zip(names, depths, strict=True)
                        ),
                        (
                            f'uncertainty: {names[-1]}',
                            pictures.uncertainty_panel(percents[k], most, '%'),
                        ),
                    ]
                ),
            }
        )
    focal = (
        f"at the recording's focal length of {shown.fx:.0f} pixels"
        if known
        else f'at the focal length of {info.canonical_fx:g} pixels, as that of the recording is '
        'unknown'
    )
    text = (
        'Windows that no rung learned from, spread over time. Look for depth that follows objects '
        'rather than their texture, and for even walls and floors. All depths have one colour '
        f'scale, metres {focal}. The uncertainty is half of the 68 % interval, over depth.'
    )
    return {'text': text, 'rows': rows}


def _single(batch: Unlabelled) -> list[Unlabelled]:
    """Return the windows of a batch, on the CPU, as batches of one."""
    here = batch.to('cpu')
    return [
        Unlabelled(here.counts[k : k + 1], here.planes_per_bin, here.index[k : k + 1])
        for k in range(len(here.counts))
    ]


def _spread(windows: Sequence[Unlabelled], number: int) -> list[Unlabelled]:
    """Return windows in equal distances, first and last among them."""
    places = np.linspace(0, len(windows) - 1, min(number, len(windows)))
    return [windows[place] for place in places.round().astype(int).tolist()]


def _brightest(windows: Sequence[Unlabelled]) -> float:
    """Return the firing rate that is shown white: 1 % of the pixels reach it."""
    rates = np.stack([*firing_rates(windows)])
    return max(float(np.percentile(rates, 99)), 1e-3)


def _picture(window: Unlabelled, exposure: float) -> npt.NDArray[np.uint8]:
    return pictures.spike_panel(preview.encode(next(firing_rates([window])) / exposure))


def _change(value: float | None) -> str:
    """Format a log ratio as a relative change."""
    return number(None if value is None else 100 * math.expm1(value), '+.1f') + ' %'


def _difference(value: float | None) -> str:
    return number(value, '+.3f')


_EVIDENCE: dict[str, tuple[str, Callable[[float | None], str], str]] = {
    'measured_error': (
        'measured error', _change,
        'Change of the scale-free Abs Rel on held-back windows of the recording with depth. Where '
        'there are any, it decides.',
    ),
    'motion_error': (
        'error by motion', _change,
        'Change of the scale-free Abs Rel at points that were triangulated from the motion of the '
        'camera, mean over held-back windows.',
    ),
    'matched_error': (
        'matched error', _change,
        'Change of the scale-free Abs Rel on labelled scenes through the matched camera. Less is '
        'better; it has most weight.',
    ),
    'asymmetry': (
        'asymmetry', _change,
        'Change of the difference between depth and the depth of the mirrored window, over the '
        'spread. Less is better.',
    ),
    'edges': (
        'edges', _difference,
        'Difference of the rank correlation (−1 to 1) of depth edges with edges of the picture. '
        'Far above 0, depth may copy texture.',
    ),
    'disorder': (
        'order', percent,
        'Share of pixel pairs, certain in both networks, with the other one nearer than by the '
        'old network.',
    ),
    'spread': (
        'spread', _change,
        'Change of the standard deviation of log depth within images. Below '
        f'{math.expm1(FLAT):.0%} depth is flat, and the verdict worse.',
    ),
    'dependence': (
        'dependence', _change,
        'Change of the difference between depths of different windows. Below '
        f'{math.expm1(UNVARIED):.0%} depth hardly depends on the window, and the verdict worse.',
    ),
    'drift': (
        'drift', _change,
        'Change of the median depth, mean over windows: the metres of the old network move by it.',
    ),
    'drift_spread': (
        'drift between windows', lambda value: _change(value).lstrip('+'),
        'Standard deviation of that change between windows.',
    ),
}  # fmt: skip
"""Heading, format and explanation of the evidence, by name."""


def _rungs(report: Mapping[str, Any]) -> dict[str, Any]:
    rungs, measured = report['rungs'], _is_measured(report)
    in_motion = report['recordings']['windows_with_depth_from_motion']
    kind = 'measured' if measured else 'expected'
    weights = WEIGHTS_IN_MOTION if in_motion else WEIGHTS
    listed = ', '.join(_EVIDENCE[name][0] for name in weights)
    basis = 'with the depth of the recording' if measured else f'by {listed}'
    _, upper = find_limits(report['match']['distance'], measured=measured)
    rows: list[list[str | list[str]]] = [
        ['verdict', *(rung['verdict'] for rung in rungs)],
        [
            [
                f'{kind} change',
                f'Of the scale-free error, {basis}. Improved: {_limit_of_improvement(report)}; '
                f'worse: {math.expm1(upper):+.1%} or more.',
            ],
            *(f'{100 * rung["expected_change"]:+.1f} %' for rung in rungs),
        ],
        [['duration', 'Training and judgement.'], *(f'{rung["seconds"]:.0f} s' for rung in rungs)],
    ]
    names = rungs[0]['evidence'] if rungs else ()
    for name in (one for one in names if rungs[0]['evidence'][one] is not None):
        title, form, meaning = _EVIDENCE.get(name, (name, _difference, ''))
        rows.append([[title, meaning], *(form(rung['evidence'][name]) for rung in rungs)])
    return {
        'text': 'Each rung starts from the best network so far; average is the mean of the '
        'weights of those that improved. Evidence compares it with the old network.',
        'head': ['', *(rung['name'] for rung in rungs)],
        'rows': rows,
    }


def _errors(errors: Mapping[str, Mapping[str, float | None]]) -> list[list[str]]:
    return [
        [name, number(error['scaled']), number(error['metres'])] for name, error in errors.items()
    ]


def _match(match: Mapping[str, Any], shown: Shown, exposure: float) -> dict[str, Any]:
    optics = match['optics']
    sensor = optics['sensor']
    recorded = _spread([one for batch in shown.windows for one in _single(batch)], PAIRS)
    groups = (('recording', recorded), ('matched scene', _spread(_single(shown.scenes), PAIRS)))
    panels = [
        (
            f'{name}, mean rate {float(next(firing_rates([one])).mean()):.3f} spikes/plane',
            _picture(one, exposure),
        )
        for name, windows in groups
        for one in windows
    ]
    return {
        'text': f'Distance {match["distance"]:.2f}, expected at most {match["full_distance"]:g}; '
        f'through an ideal camera {match["before"]:.2f}. The distance compares firing rates, '
        'fine detail, noise, pixel pattern, hot pixels and corners; 1 in one of them is about the '
        'difference between two samples of generated scenes. Places differ, but brightness, '
        'sharpness, noise and lasting patterns of the pictures should look alike. All have the '
        'same exposure.',
        'panels': as_png(panels),
        'rows': [
            [['light', 'Factor on the mean firing rate of the scenes.'], f'{optics["light"]:.2g}'],
            [
                ['contrast', 'Exponent on luminance; above 1 shadows are deeper.'],
                f'{optics["contrast"]:g}',
            ],
            [
                ['vignette', 'Share of the light that the corners lose.'],
                f'{optics["vignette"]:.0%}',
            ],
            [['blur', 'Standard deviation of the blur of the lens.'], f'{optics["blur"]:g} px'],
            [
                ['mismatch', 'Standard deviation of the sensitivity between pixels.'],
                f'{sensor["response_mismatch"]:.1%}',
            ],
            [
                ['dark current', 'Thresholds per second that a pixel gathers in the dark.'],
                f'{sensor["dark_current"]:.3g} /s',
            ],
            [
                ['hot pixels', 'Share of pixels that are far brighter than their light.'],
                f'{sensor["hot_pixels"]:.1%}',
            ],
        ],
    }


def _correction(correction: Mapping[str, Any] | None) -> list[list[str | list[str]]]:
    if correction is None:
        return []
    return [
        ['faulty pixels', str(correction['faulty_pixels'])],
        [
            ['response', 'Standard deviation of the corrected sensitivity between pixels.'],
            percent(correction['gain_std']),
        ],
        [
            ['dark current', 'Mean of the dark spikes that are subtracted.'],
            f'{number(correction["dark_per_s"], ".3g")} /s',
        ],
        ['origin', str(correction['source'])],
    ]


def _styles(shares: Mapping[str, float]) -> list[list[str]]:
    return [[style, percent(shares[style])] for style in sorted(shares, key=lambda s: -shares[s])]


def _scale(report: Mapping[str, Any], shown: Shown) -> list[str]:
    drift = [
        f"The median depth of candidate {rung['name']} differs from the old network's by "
        f'{_change(rung["evidence"]["drift"])} on the held-back windows.'
        for rung in report['rungs']
        if rung['name'] == shown.name
    ]
    return [_SCALES[report['scale']], *drift]


_SCALES = {
    'metric': 'Metric: fitted to the depth of the recording, which a network that improves gets.',
    'inherited': 'Inherited: the metres are those of the old network. Unlabelled recordings show '
    'no absolute sizes, so adaptation does not improve the scale. Compare a known distance with '
    'the depth before relying on metres.',
    'none': 'None: depth is known up to one factor, as by the old network.',
}
