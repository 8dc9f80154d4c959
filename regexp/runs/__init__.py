"""Read and write the folders in runs/. No other package writes there; config/ reads config.yaml.

Uses the standard library and NumPy only, and ml_dtypes for bfloat16 arrays. A missing, damaged or unreadable file
raises RunError with its path and the reason.

runs/<name>/            created by an exclusive mkdir; an existing name gets -2, -3, ...
├── config.yaml           the resolved config, with every default
├── manifest.json         command, versions, device, git commit, seeds, data hash, seconds, status, reason
├── metrics.jsonl         one line per epoch and seed
├── summary.json          metrics per seed at the selected and the last epoch, with mean and standard deviation
├── predictions.npz       seeds, rows, targets, outputs (numbers in the units of the target) on the test split
└── checkpoints/          last and best, each with its predecessor; one checksummed file each

Every file is written atomically: temporary file -> fsync -> rename -> fsync of the folder.
"""

from __future__ import annotations

from regexp.runs.run import Run, list_runs

__all__ = ["Run", "list_runs"]
