# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judgement of the candidates of an adaptation, and the calibration of the best one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from spike_depth_ros.checkpoint import DepthInfo, load, save
from spike_depth_ros.stream.correction import SensorCorrection
from spike_training.adaptation.correction import AnyBatch, Corrections, CountCorrector
from spike_training.adaptation.gate import (
    AllScores,
    Evidence,
    Scores,
    Verdict,
    compare,
    compute_outputs,
    expected_change,
    fit_scale,
    judge,
    score,
)
from spike_training.adaptation.ladder import load_network, matched_source
from spike_training.adaptation.matching import Match
from spike_training.adaptation.motion import LEAST_MOVING, label_by_motion
from spike_training.adaptation.windows import BATCH_SIZE, LARGEST, Recorded
from spike_training.datasets.splits import Split
from spike_training.evaluation.calibration import fit_uncertainty_factor
from spike_training.sampling.sample import Batch, Unlabelled

OLD = 'old'
"""Name of the old network beside those of rungs."""

MOVING = 36
"""Held-back windows whose depth from motion is tried."""

SCENES = 72
"""Labelled scenes that candidates are judged on."""


@dataclasses.dataclass(frozen=True)
class Rung:
    """Candidate of a rung.

    Attributes:
        name: Name of the rung.
        checkpoint: Its checkpoint.
        evidence: Evidence of the gate against the old network.
        verdict: Verdict of the gate.
        expected_change: Expected relative change of the error.
        seconds: Duration of training and judgement in this run.
        corrected: True if its windows are corrected for the sensor.
    """

    name: str
    checkpoint: Path
    evidence: Evidence
    verdict: Verdict
    expected_change: float
    seconds: float
    corrected: bool

    def describe(self) -> str:
        """Describe the verdict in one line."""
        kind = 'expected' if self.evidence.measured_error is None else 'measured'
        return f'{self.name}: {self.verdict} ({kind} {self.expected_change:+.1%})'


class Judge:
    """Judge of candidates against the old network on held-back windows.

    Args:
        old: The old network.
        info: Its metadata.
        recorded: The recordings.
        match: Match of the simulation.
        styles: Styles of the labelled scenes, in turn.
        seed: Seed of the scenes.
        fabric: Launched fabric.
        corrections: Corrections of the sensor; None: there is nothing to correct.

    Attributes:
        info: Metadata of the old network.
        scenes: Some of the labelled scenes.
        scores: Scores of each network, by name.
        moving: Windows with depth from the motion of the camera; none if they are too few, or if
            measured depth decides.
        rungs: Judged rungs, in their order.
        kept: The best one of the improved rungs; None if there is none.
    """

    def __init__(
        self,
        old: nn.Module,
        info: DepthInfo,
        recorded: Recorded,
        match: Match,
        styles: Sequence[str],
        seed: int,
        fabric: Fabric,
        corrections: Corrections | None,
    ) -> None:
        self.info = info
        self.rungs: list[Rung] = []
        self.kept: Rung | None = None
        self._recorded, self._match, self._styles = recorded, match, styles
        self._seed, self._device = seed, fabric.device
        self._sensor: SensorCorrection | None = None
        self._of_recordings: CountCorrector | None = None
        self._of_scenes: CountCorrector | None = None
        if corrections is not None:
            self._sensor, self._of_recordings, self._of_scenes = corrections
        self._windows = [window.to(self._device) for window in recorded.judged]
        self._matched = self._labelled('test')
        self.scenes = self._matched[0].unlabelled()
        self.moving: list[Batch] = []
        if not recorded.measured:  # which decides alone
            found = label_by_motion(
                recorded.held_back, info, LARGEST, MOVING, self._of_recordings, self._device
            )
            self.moving = found if len(found) >= LEAST_MOVING else []
        self._old = compute_outputs(old, self._windows)
        self.scores = {OLD: self._score(old, corrected=False)}

    @property
    def scale(self) -> str:
        """Kind of the scale of an improved network, as in a checkpoint."""
        if self.info.scale == 'none':
            return 'none'
        return 'metric' if self._recorded.known and self._recorded.measured else 'inherited'

    @property
    def verdict(self) -> Verdict:
        """Verdict on all rungs so far."""
        if self.kept is not None:
            return 'improved'
        worse = self.rungs and all(rung.verdict == 'worse' for rung in self.rungs)
        return 'worse' if worse else 'no change'

    def judge(self, name: str, checkpoint: Path, begin: float, corrected: bool) -> Rung:
        """Judge the checkpoint of a rung, on corrected windows or raw ones.

        Args:
            name: Name of the rung.
            checkpoint: Its checkpoint.
            begin: Time of the monotonic clock when it began.
            corrected: True to correct the windows that the candidate sees.

        Returns:
            The rung, which is then in ``rungs``, and in ``kept`` if it is the best so far.
        """
        network = self._load(checkpoint)
        self.scores[name] = self._score(network, corrected)
        outputs = compute_outputs(network, self.windows_seen(corrected))
        evidence = compare(
            self._old, outputs, self._windows, (self.scores[OLD], self.scores[name])
        )  # fmt: skip
        rung = Rung(
            name, checkpoint, evidence, judge(evidence, self._match.distance),
            expected_change(evidence), time.monotonic() - begin, corrected,
        )  # fmt: skip
        self.rungs.append(rung)
        least = 0.0 if self.kept is None else self.kept.expected_change
        if rung.verdict == 'improved' and rung.expected_change < least:
            self.kept = rung
        return rung

    def windows_seen(self, corrected: bool) -> list[Unlabelled]:
        """Return the held-back windows, corrected for the sensor or raw."""
        return _seen(self._windows, self._of_recordings if corrected else None)

    def calibrate(self, rung: Rung, out: Path) -> None:
        """Write the checkpoint of a rung with calibrated uncertainty, and its scale."""
        info, weights = load(rung.checkpoint)
        network = self._load(rung.checkpoint)
        scenes = _seen(self._labelled('calibration'), self._of_scenes if rung.corrected else None)
        info = dataclasses.replace(
            info,
            uncertainty_factor=fit_uncertainty_factor(network, info, scenes),
            uncertainty_calibrated=True,
            scale=self.scale,
        )
        if self.scale == 'metric':
            # Depth is proportional to the ratio of the focal lengths.
            corrector = self._of_recordings if rung.corrected else None
            scale = fit_scale(network, info, _seen(self._recorded.known, corrector))
            print(f'{out}: scale times {scale:.3f}, by the depth of the recording')
            info = dataclasses.replace(info, canonical_fx=info.canonical_fx / scale)
        save(out, weights, info, self._sensor if rung.corrected else None)

    def _labelled(self, split: Split) -> list[Batch]:
        source = matched_source(
            self._recorded.windows, self._match, self._styles, self.info, split, self._seed
        )
        return [
            source.samples(range(first, first + BATCH_SIZE)).to(self._device)
            for first in range(0, SCENES, BATCH_SIZE)
        ]

    def _score(self, network: nn.Module, corrected: bool) -> AllScores:
        """Score a network on matched scenes, and on windows of the recordings with depth."""

        def on_recordings(windows: Sequence[Batch]) -> Scores | None:
            seen = _seen(windows, self._of_recordings if corrected else None)
            return score(network, self.info, seen) if seen else None

        scenes = _seen(self._matched, self._of_scenes if corrected else None)
        return AllScores(
            score(network, self.info, scenes),
            on_recordings(self._recorded.measured),
            on_recordings(self.moving),
        )

    def _load(self, checkpoint: Path) -> nn.Module:
        return load_network(checkpoint)[1].to(self._device)


def _seen(windows: Sequence[AnyBatch], corrector: CountCorrector | None) -> list[AnyBatch]:
    """Return windows as a candidate sees them: corrected, or raw without a corrector."""
    return [one if corrector is None else corrector.correct(one) for one in windows]
