# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Acceptance test of the candidates of an adaptation, and the calibration of the best one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from spike_depth_ros.checkpoint import load, save
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.candidates import load_network
from spike_training.adaptation.correction import AnyBatch, Corrections
from spike_training.adaptation.evidence import (
    AllScores,
    Evidence,
    Scores,
    Verdict,
    choose,
    compare,
    compute_outputs,
    decide,
    expected_change,
    is_flat,
    score,
)
from spike_training.adaptation.findings import Findings
from spike_training.adaptation.motion import LEAST_MOVING, label_by_motion
from spike_training.adaptation.windows import LARGEST, Recorded
from spike_training.choices import Split
from spike_training.evaluation.calibration import calibrate
from spike_training.evaluation.matched_depth import fit_scale
from spike_training.evaluation.range_ends import MAX_AT_END, share_at_end
from spike_training.sampling.sample import Batch, Unlabelled

OLD = 'old'
"""Name of the old network beside those of candidates."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Candidate that was tested.

    Attributes:
        name: Name of the stage that it was trained by.
        checkpoint: Its checkpoint.
        evidence: Evidence against the old network.
        verdict: Verdict by this evidence.
        seconds: Duration of training and test in this run.
        corrected: True if its windows are corrected for the sensor.
        scores: Its scores.
        at_end: Share of its pixels that lie at one end of the range of depth.
    """

    name: str
    checkpoint: Path
    evidence: Evidence
    verdict: Verdict
    seconds: float
    corrected: bool
    scores: AllScores
    at_end: float = 0.0

    @property
    def expected_change(self) -> float:
        """Expected or measured relative change of the error."""
        return expected_change(self.evidence)

    def describe(self) -> str:
        """Describe the verdict in one line."""
        reason = f'expected {self.expected_change:+.1%}'
        if self.at_end > MAX_AT_END:
            reason = f'{self.at_end:.0%} of its depth lie at one end of the range'
        elif is_flat(self.evidence):
            reason = 'its depth is flat'
        elif self.evidence.metric_error is not None:
            reason = f'metres {self.expected_change:+.1%}'
        elif self.evidence.measured_error is not None:
            reason = f'measured {self.expected_change:+.1%}'
        return f'{self.name}: {self.verdict} ({reason})'


def choose_shown(candidates: Sequence[Candidate]) -> Candidate | None:
    """Choose what to show beside the old network: the kept candidate, or the one nearest to it."""
    nearest = min(
        candidates, key=lambda one: (is_flat(one.evidence), one.expected_change), default=None
    )
    return choose(candidates) or nearest


def overall_verdict(candidates: Sequence[Candidate]) -> Verdict:
    """Return the verdict on all candidates of an adaptation."""
    if choose(candidates) is not None:
        return 'improved'
    worse = candidates and all(one.verdict == 'worse' for one in candidates)
    return 'worse' if worse else 'no change'


class Comparison:
    """Comparison of candidates with the old network, on what tells which of them is better.

    Args:
        old: The old network.
        info: Its metadata.
        windows: Held-back windows.
        scenes: Labelled scenes, simulated as the recording's camera sees.
        measured: Held-back windows with depth; may be none.
        moving: Held-back windows with depth from motion; too few of them are left out.
        corrections: Corrections of the sensor; None: there is nothing to correct.
        in_metres: True if windows with depth tell about metres, too.

    Attributes:
        info: Metadata of the old network.
        moving: Windows with depth from motion that count.
        scores: Scores of the old network.
        seconds: Duration of a test.
    """

    def __init__(
        self,
        old: nn.Module,
        info: DepthInfo,
        windows: Sequence[Unlabelled],
        scenes: Sequence[Batch],
        measured: Sequence[Batch],
        moving: Sequence[Batch],
        corrections: Corrections | None,
        in_metres: bool = False,
    ) -> None:
        self.info = info
        self.moving = moving if len(moving) >= LEAST_MOVING else []
        self._windows, self._scenes, self._measured = windows, scenes, measured
        self._corrections, self._in_metres = corrections, in_metres
        begin = time.monotonic()
        self._outputs = compute_outputs(old, windows)
        self.scores = self._score(old, corrected=False)
        self.seconds = time.monotonic() - begin

    def compare(
        self, network: nn.Module, corrected: bool, factor: float = 1.0
    ) -> tuple[Evidence, AllScores]:
        """Return the evidence about a candidate, and its scores.

        Args:
            network: The candidate.
            corrected: True to correct the windows that it sees; the old network sees raw ones.
            factor: Factor on its depth, of another canonical focal length than the old network's.
        """
        scores = self._score(network, corrected, factor)
        outputs = compute_outputs(network, self.seen(self._windows, corrected), factor)
        both = self.scores, scores
        return compare(self._outputs, outputs, self._windows, both, self._in_metres), scores

    def seen(self, windows: Sequence[AnyBatch], corrected: bool) -> list[AnyBatch]:
        """Return windows of the recording as a candidate sees them: corrected, or raw."""
        given = self._corrections if corrected else None
        return [one if given is None else given.recorded.correct(one) for one in windows]

    def scenes_seen(self, scenes: Sequence[AnyBatch], corrected: bool) -> list[AnyBatch]:
        """Return simulated windows as a candidate sees them: corrected, or raw."""
        given = self._corrections if corrected else None
        return [one if given is None else given.simulated.correct(one) for one in scenes]

    def _score(self, network: nn.Module, corrected: bool, factor: float = 1.0) -> AllScores:
        def on_recordings(windows: Sequence[Batch]) -> Scores | None:
            if not windows:
                return None
            return score(network, self.info, self.seen(windows, corrected), factor)

        return AllScores(
            score(network, self.info, self.scenes_seen(self._scenes, corrected), factor),
            on_recordings(self._measured),
            on_recordings(self.moving),
        )


class AcceptanceTest(Comparison):
    """Test of the candidates of an adaptation against the old network.

    Args:
        old: The old network.
        info: Its metadata.
        recorded: The recordings.
        findings: Findings about camera and places.
        device: Device of the networks.

    Attributes:
        windows: Held-back windows.
        scenes: Some of the labelled scenes.
    """

    def __init__(
        self,
        old: nn.Module,
        info: DepthInfo,
        recorded: Recorded,
        findings: Findings,
        device: torch.device,
    ) -> None:
        self._recorded, self._findings, self._device = recorded, findings, device
        self.windows = [window.to(device) for window in recorded.tested]
        scenes, corrections = self._labelled('test'), findings.corrections
        self.scenes = scenes[0].unlabelled()
        moving: list[Batch] = []
        if not recorded.measured:  # which decides alone
            moving = label_by_motion(
                recorded.held_back, info, LARGEST, recorded.sizes.moving,
                None if corrections is None else corrections.recorded, device,
            )  # fmt: skip
        super().__init__(
            old, info, self.windows, scenes, recorded.measured, moving, corrections,
            in_metres=recorded.pairs is not None,
        )  # fmt: skip

    @property
    def scale(self) -> str:
        """Kind of the scale of an improved network, as in a checkpoint."""
        if self._recorded.pairs is not None:
            return 'metric'
        if self.info.scale == 'none':
            return 'none'
        return 'metric' if self._recorded.known and self._recorded.measured else 'inherited'

    def test(self, name: str, checkpoint: Path, begin: float, corrected: bool) -> Candidate:
        """Test a candidate, on corrected windows or raw ones.

        Args:
            name: Name of the candidate.
            checkpoint: Its checkpoint.
            begin: Time of the monotonic clock when its training began.
            corrected: True to correct the windows that it sees.
        """
        info, network = self._load(checkpoint)
        factor = self.info.canonical_fx / info.canonical_fx
        evidence, scores = self.compare(network, corrected, factor)
        at_end = share_at_end(network, info, self.seen(self.windows, corrected))
        verdict = decide(evidence, self._findings.match.distance)
        return Candidate(
            name, checkpoint, evidence, 'worse' if at_end > MAX_AT_END else verdict,
            time.monotonic() - begin, corrected, scores, at_end,
        )  # fmt: skip

    def calibrate(self, candidate: Candidate, out: Path) -> None:
        """Write the checkpoint of a candidate with calibrated uncertainty, and its scale."""
        weights = load(candidate.checkpoint)[1]
        info, network = self._load(candidate.checkpoint)
        scenes = self.scenes_seen(self._labelled('calibration'), candidate.corrected)
        if self._recorded.pairs is not None:
            # Its metres are those of the pairs, and generated places may have other sizes.
            sizes = 1 / fit_scale(network, info.canonical_fx, scenes)
            scenes = [dataclasses.replace(one, depth=sizes * one.depth) for one in scenes]
        info = dataclasses.replace(calibrate(network, info, scenes), scale=self.scale)
        if self.scale == 'metric' and self._recorded.pairs is None:
            # Depth is proportional to the ratio of the focal lengths.
            known = self.seen(self._recorded.known, candidate.corrected)
            scale = fit_scale(network, info.canonical_fx, known)
            print(f'{out}: scale times {scale:.3f}, by the depth of the recording')
            info = dataclasses.replace(info, canonical_fx=info.canonical_fx / scale)
        corrections = self._corrections if candidate.corrected else None
        save(out, weights, info, None if corrections is None else corrections.sensor)

    def _labelled(self, split: Split) -> list[Batch]:
        """Return labelled scenes, simulated on the CPU on any machine."""
        found, number = self._findings, self._recorded.sizes.scenes
        return [one.to(self._device) for one in found.scenes.batches(found.styles, split, number)]

    def _load(self, checkpoint: Path) -> tuple[DepthInfo, nn.Module]:
        info, network = load_network(checkpoint)
        return info, network.to(self._device)
