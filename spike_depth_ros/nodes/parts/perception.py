# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes from spikes to depth share: inputs, inference, outputs."""

from __future__ import annotations

import abc
from typing import TypeVar

from spike_depth_ros.filters.scale_from_height import ScaleFromHeight
from spike_depth_ros.filters.temporal_filter import TemporalFilter
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.depth_outputs import DepthOutputs
from spike_depth_ros.nodes.parts.depth_parameters import PerceptionParameters
from spike_depth_ros.nodes.parts.inference import (
    IDLE_S,
    LONG_IDLE_S,
    Estimator,
    Inference,
    Observations,
)
from spike_depth_ros.nodes.parts.lifecycle import ManagedNode
from spike_depth_ros.nodes.parts.motion_thread import MotionThread
from spike_depth_ros.nodes.parts.topic_inputs import TopicInputs

SettingsT = TypeVar('SettingsT', bound=PerceptionParameters)


class PerceptionNode(ManagedNode[SettingsT]):
    """Lifecycle node from spike topics to depth.

    Args:
        name: Its name.
        kind: Dataclass of its parameters.
    """

    def __init__(self, name: str, kind: type[SettingsT]) -> None:
        super().__init__(name, kind)
        self._outputs: DepthOutputs | None = None
        self._inputs: TopicInputs | None = None
        self._inference: Inference | None = None
        self._temporal = TemporalFilter(0.0)

    def _stop(self) -> None:
        """Unsubscribe and end inference, if they run."""
        if self._inputs is not None:
            self._inputs.stop()
        self._inputs = None
        if self._inference is not None:
            self._inference.stop()
        if self._outputs is not None:
            self._outputs.stop()
        self._forget_streams()

    def _release(self) -> None:
        """Release models and publishers, if there are any."""
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = None
        self._close_models()

    @abc.abstractmethod
    def _forget_streams(self) -> None:
        """Drop inference, which has ended, and what it read."""

    @abc.abstractmethod
    def _close_models(self) -> None:
        """Close the models, if there are any."""

    def _make_inference(
        self,
        estimator: Estimator,
        source: Observations,
        scale: ScaleFromHeight | None = None,
        motion: MotionThread | None = None,
    ) -> Inference:
        """Make the thread from observations to the publishers, which wake it."""
        assert self._outputs is not None
        made = Inference(
            estimator,
            source,
            self._outputs,
            self._warn,
            lambda: process.lower_priority(self._warn_of_priority),
            LONG_IDLE_S if self._outputs.has_matched_events else IDLE_S,
            scale,
            self._temporal,
            motion,
        )
        self._outputs.matched = made.wake
        return made

    def _use(self, settings: SettingsT) -> None:
        """Use other values of the parameters that may change while the node runs."""
        super()._use(settings)
        self._temporal.time_constant_s = settings.filter.temporal
        if self._outputs is not None:
            self._outputs.use(settings)

    def _warn_of_priority(self, text: str) -> None:
        if 'priority' not in self._warned:
            self._warn('priority', text)
