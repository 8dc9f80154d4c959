"""Coarse-to-fine search: many settings for a few epochs in wide ranges, then fewer, longer, in narrower ones.

section.py    the words of the config's `sweep:` section
space.py      parameters, their scales, and a setting put into an experiment
samplers.py   settings: grid, random, sobol; Optuna's tpe, gp and cma_es by ask and tell
narrow.py     the next stage's ranges, from the best of this one
blocks.py     trials in training, as lanes of programs of one size, so that a structure is compiled once
records.py    what a trial came to; Optuna's RDB storage holds them
conclude.py   the winner, its confirmed score, importance, warnings
driver.py     the order of all this: a generator of events; asks, trains, tells
"""
