# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains each kind of stage on one global batch, however it is divided.

In float64, with the statistics of batch norms as they are and views that draw nothing: then
nothing but the order of sums depends on the number of processes. As a script:

    global_batch.py OUT PROCESSES BATCH_SIZE

every process writes the losses of its part of each batch to OUT/RANK.json.
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch

from kit.runs import SMALL
from kit.stages import CONFIG, INFO, RampSource
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_training.engine.fabric import make_fabric
from spike_training.engine.loop import fit
from spike_training.evaluation.statistics import batch_norms
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    CrossModalityConfig,
    PretrainConfig,
    ViewConfig,
)
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.methods.bicross.stages.cross_modality import CrossModality
from spike_training.methods.bicross.stages.pretrain import Pretrain
from spike_training.sampling.sample import DomainPair
from spike_training.settings.config import ModelConfig

STEPS = 4
SAME = ViewConfig(
    flip=False, gain=1, gamma=1, vignette=0, mismatch=0, dark=0, drop=0, drop_bins=0
)  # fmt: skip


def network(inputs='spikes'):
    torch.manual_seed(len(inputs))
    model = ModelConfig()
    bins = 32 if inputs == 'spikes' else 3
    return dpt_tiny(bins, (model.min_depth, model.max_depth), SMALL, inputs).double()


def make_stage(kind):
    model = ModelConfig()
    if kind == 'pretrain':
        return Pretrain(network(), PretrainConfig(), model)
    if kind == 'cross_modality':
        config = CrossModalityConfig(teacher='teacher')
        return CrossModality(network(), network('rgb'), config, model, SMALL.dim).double()
    adapt = AdaptConfig(statistics='frozen', views=SAME, remove_drift=True)
    config = CrossDomainConfig(adapt=adapt)
    return CrossDomain(network(), config, model, SMALL.dim).double()


KINDS = ('pretrain', 'cross_modality', 'cross_domain')


def frozen_and_noted(stage):
    """The stage, its batch norms in eval mode; and the list that its losses go to."""
    losses, train, forward = [], stage.train, stage.forward

    def training(mode=True):
        train(mode)
        for layer in batch_norms(stage):
            layer.eval()
        return stage

    def noted(batch, phase):
        parts = forward(batch, phase)
        losses.append(parts['loss'].item())
        return parts

    stage.train, stage.forward = training, noted
    return stage, losses


def losses_of(kind, folder, fabric, batch_size, accumulate=1):
    """The loss of every batch that this process trains on, in their order."""
    source = RampSource(with_rgb=True)
    if kind == 'cross_domain':
        source = DomainPair(source, RampSource(styles=('indoor',), seed=7))
    stage, losses = frozen_and_noted(make_stage(kind))
    fit(
        stage,
        train=source,
        validation=source,
        config=dataclasses.replace(
            CONFIG, steps=STEPS, batch_size=batch_size, accumulate=accumulate,
            learning_rate=1e-2, warmup_steps=1, validate_every=0,
        ),
        folder=folder / kind,
        info=INFO,
        fabric=fabric,
        seed=5,
    )  # fmt: skip
    return losses


if __name__ == '__main__':
    torch.set_num_threads(1)
    out, processes, size = Path(sys.argv[1]), *map(int, sys.argv[2:])
    fabric = make_fabric('cpu', processes, '32-true')
    found = {kind: losses_of(kind, out, fabric, size) for kind in KINDS}
    (out / f'{fabric.global_rank}.json').write_text(json.dumps(found))
