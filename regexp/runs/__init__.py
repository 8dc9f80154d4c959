"""The only code that writes runs/, and that reads it but for config.yaml, which config/ reads.

Standard library and NumPy alone; ml_dtypes for arrays of bfloat16. What is missing, damaged or not allowed is a
RunError with its path and the reason.

runs/<name>/            made by an exclusive mkdir; a taken name gets -2, -3, ...
├── config.yaml           resolved: every default written out
├── manifest.json         command, versions, device, git commit, seeds, data hash, seconds, status, reason
├── metrics.jsonl         one line per epoch and seed
├── summary.json          numbers per seed at the chosen and the last epoch, with mean and standard deviation
├── predictions.npz       seeds, rows, targets, outputs (numbers in the target's units) on the test split
└── checkpoints/          last and best, each with the one before it; one file each, checksummed

Every file is written to a temporary one -> fsync -> rename -> fsync of the folder.
"""

from __future__ import annotations

from regexp.runs.run import Run, list_runs

__all__ = ["Run", "list_runs"]
