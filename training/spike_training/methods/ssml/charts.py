# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that the stages of SSML log."""

from spike_training.settings.method import ScalarChart

CHARTS = (
    ScalarChart(
        title='Loss',
        axis='loss',
        names={'loss': 'loss', 'rec': 'L_rec, blind spot', 'mutual': 'L_mutual'},
        text='L_rec compares with noisy labels: its noise stays when the picture is right.',
    ),
    ScalarChart(
        title='PSNR of the exported network on generated scenes',
        axis='PSNR, dB',
        names={'psnr': ''},
        text='Against the true firing rate at the reference plane, 1 being white. Not trained on '
        'in self-supervised stages.',
    ),
)
