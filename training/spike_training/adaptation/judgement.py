# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judgement of the candidates of an adaptation, and the calibration of the best one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from spike_depth_ros.checkpoint import DepthInfo, load, save
from spike_training.adaptation.correction import AnyBatch, Corrections
from spike_training.adaptation.gate import (
    AllScores,
    Evidence,
    Scores,
    Verdict,
    choose,
    compare,
    compute_outputs,
    expected_change,
    fit_scale,
    is_flat,
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

if TYPE_CHECKING:
    from lightning_fabric import Fabric

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
        seconds: Duration of training and judgement in this run.
        corrected: True if its windows are corrected for the sensor.
    """

    name: str
    checkpoint: Path
    evidence: Evidence
    verdict: Verdict
    seconds: float
    corrected: bool

    @property
    def expected_change(self) -> float:
        """Expected or measured relative change of the error."""
        return expected_change(self.evidence)

    def describe(self) -> str:
        """Describe the verdict in one line."""
        reason = f'expected {self.expected_change:+.1%}'
        if is_flat(self.evidence):
            reason = 'its depth is flat'
        elif self.evidence.measured_error is not None:
            reason = f'measured {self.expected_change:+.1%}'
        return f'{self.name}: {self.verdict} ({reason})'


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

    Attributes:
        info: Metadata of the old network.
        moving: Windows with depth from motion that count.
        scores: Scores of the old network.
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
    ) -> None:
        self.info = info
        self.moving = moving if len(moving) >= LEAST_MOVING else []
        self._windows, self._scenes, self._measured = windows, scenes, measured
        self._corrections = corrections
        self._outputs = compute_outputs(old, windows)
        self.scores = self._score(old, corrected=False)

    def compare(self, network: nn.Module, corrected: bool) -> tuple[Evidence, AllScores]:
        """Return the evidence about a candidate, and its scores.

        Args:
            network: The candidate.
            corrected: True to correct the windows that it sees; the old network sees raw ones.
        """
        scores = self._score(network, corrected)
        outputs = compute_outputs(network, self.seen(self._windows, corrected))
        return compare(self._outputs, outputs, self._windows, (self.scores, scores)), scores

    def seen(self, windows: Sequence[AnyBatch], corrected: bool) -> list[AnyBatch]:
        """Return windows of the recording as a candidate sees them: corrected, or raw."""
        given = self._corrections if corrected else None
        return [one if given is None else given.recorded.correct(one) for one in windows]

    def scenes_seen(self, scenes: Sequence[AnyBatch], corrected: bool) -> list[AnyBatch]:
        """Return simulated windows as a candidate sees them: corrected, or raw."""
        given = self._corrections if corrected else None
        return [one if given is None else given.simulated.correct(one) for one in scenes]

    def _score(self, network: nn.Module, corrected: bool) -> AllScores:
        def on_recordings(windows: Sequence[Batch]) -> Scores | None:
            return score(network, self.info, self.seen(windows, corrected)) if windows else None

        return AllScores(
            score(network, self.info, self.scenes_seen(self._scenes, corrected)),
            on_recordings(self._measured),
            on_recordings(self.moving),
        )


class Judge:
    """Judge of the candidates of an adaptation.

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
        scenes: Some of the labelled scenes.
        comparison: Comparison with the old network.
        scores: Scores of each network, by name.
        rungs: Judged rungs, in their order.
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
        self.rungs: list[Rung] = []
        self._recorded, self._match, self._styles = recorded, match, styles
        self._info, self._seed, self._device = info, seed, fabric.device
        self._corrections = corrections
        self._windows = [window.to(self._device) for window in recorded.judged]
        scenes = self._labelled('test')
        self.scenes = scenes[0].unlabelled()
        moving: list[Batch] = []
        if not recorded.measured:  # which decides alone
            moving = label_by_motion(
                recorded.held_back, info, LARGEST, MOVING,
                None if corrections is None else corrections.recorded, self._device,
            )  # fmt: skip
        self.comparison = Comparison(
            old, info, self._windows, scenes, recorded.measured, moving, corrections
        )
        self.scores = {OLD: self.comparison.scores}

    @property
    def scale(self) -> str:
        """Kind of the scale of an improved network, as in a checkpoint."""
        if self._info.scale == 'none':
            return 'none'
        return 'metric' if self._recorded.known and self._recorded.measured else 'inherited'

    @property
    def kept(self) -> Rung | None:
        """Best one of the improved rungs so far; None if there is none."""
        return choose(self.rungs)

    @property
    def shown(self) -> Rung | None:
        """Rung to show beside the old network: the kept one, or the one that came nearest."""
        nearest = min(
            self.rungs,
            key=lambda one: (is_flat(one.evidence), one.expected_change),
            default=None,
        )
        return self.kept or nearest

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
            The rung, which is then in ``rungs``.
        """
        evidence, self.scores[name] = self.comparison.compare(self._load(checkpoint), corrected)
        rung = Rung(
            name, checkpoint, evidence, judge(evidence, self._match.distance),
            time.monotonic() - begin, corrected,
        )  # fmt: skip
        self.rungs.append(rung)
        return rung

    def windows_seen(self, corrected: bool) -> list[Unlabelled]:
        """Return the held-back windows, corrected for the sensor or raw."""
        return self.comparison.seen(self._windows, corrected)

    def calibrate(self, rung: Rung, out: Path) -> None:
        """Write the checkpoint of a rung with calibrated uncertainty, and its scale."""
        info, weights = load(rung.checkpoint)
        network = self._load(rung.checkpoint)
        scenes = self.comparison.scenes_seen(self._labelled('calibration'), rung.corrected)
        info = dataclasses.replace(
            info,
            uncertainty_factor=fit_uncertainty_factor(network, info, scenes),
            uncertainty_calibrated=True,
            scale=self.scale,
        )
        if self.scale == 'metric':
            # Depth is proportional to the ratio of the focal lengths.
            known = self.comparison.seen(self._recorded.known, rung.corrected)
            scale = fit_scale(network, info, known)
            print(f'{out}: scale times {scale:.3f}, by the depth of the recording')
            info = dataclasses.replace(info, canonical_fx=info.canonical_fx / scale)
        corrections = self._corrections if rung.corrected else None
        save(out, weights, info, None if corrections is None else corrections.sensor)

    def _labelled(self, split: Split) -> list[Batch]:
        source = matched_source(
            self._recorded.windows, self._match, self._styles, self._info, split, self._seed
        )
        return [
            source.samples(range(first, first + BATCH_SIZE)).to(self._device)
            for first in range(0, SCENES, BATCH_SIZE)
        ]

    def _load(self, checkpoint: Path) -> nn.Module:
        return load_network(checkpoint)[1].to(self._device)
