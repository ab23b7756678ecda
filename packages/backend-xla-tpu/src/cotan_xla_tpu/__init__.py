"""cotan's StableHLO backend: programs go whole to XLA, on TPU, CPU or any PJRT plugin. See ``backend``."""
