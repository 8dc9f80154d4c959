"""Compare runs: does a method help, by how much, and how certain is that? Trains nothing and does not import JAX.

records.py      read and validate a run folder -> Record; sweeps.py: a sweep folder -> records of its confirmation
collect.py      find run folders -> records; skips damaged folders and reports the reason
rows.py         group records that differ only in the seed into rows; choose the config columns to show
compare.py      rows -> Report: summaries, verdicts against a baseline, comparison across datasets
ablation.py     the arms of an ablation -> the contribution of each method, and a summary in words
searches.py     a sweep's database -> stages, trials, ranges; expected best score of a smaller budget
words.py        format numbers, config keys and reasons
tables.py       Report -> tables of text and numbers
formats.py      tables -> terminal, Markdown, LaTeX, CSV, JSON
predictions.py  read and validate stored test predictions
curves.py       read and validate metrics.jsonl: values by epoch and seed
charts/         Report -> charts; figures.py: their style, and rendering to PNG, SVG or inline SVG
page.py         Report -> one HTML file; document.py: its frame; look.py: style and script; methods.py: methods section
explanations.py results of `regexp diagnose` in run folders -> a section of the page; plots.py: their plots -> charts
"""
