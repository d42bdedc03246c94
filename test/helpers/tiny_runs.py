# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of networks so small that they train in seconds."""

from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    CrossModalityConfig,
    PretrainConfig,
)
from spike_training.settings.config import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    RunConfig,
    TargetConfig,
    TrainConfig,
)

SETTINGS = {'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'blocks': 1,
            'features': 8, 'head': 4}  # fmt: skip


def tiny_run(out, *stages, **changes):
    return RunConfig(
        out=out,
        stages=list(stages) or [PretrainConfig()],
        model=ModelConfig(settings=SETTINGS),
        data=DataConfig(height=32, width=48, planes=[32, 64]),
        train=TrainConfig(
            steps=3, batch_size=2, warmup_steps=1, validate_every=0, picture_every=0,
            log_every=1, tensorboard=False,
        ),
        evaluate=EvaluateConfig(
            scenes=2, baseline_scenes=2, calibration_scenes=2, batch_size=2, export=False
        ),
        device='cpu',
        threads=1,
        **changes,
    )  # fmt: skip


TARGET = TargetConfig(styles=['indoor'], planes=[48], rate_hz=10e3)


def three_stages(out, resume=False, **adapt):
    return tiny_run(
        out,
        PretrainConfig(name='teacher', input='rgb'),
        CrossModalityConfig(name='mono_cross', teacher='teacher', init_from='teacher'),
        CrossDomainConfig(
            name='bicross',
            init_from='mono_cross',
            adapt=AdaptConfig(adabn_batches=2, **adapt),
        ),
        target=TARGET,
        resume=resume,
    )
