"""Does it help, by how much, and how sure are we? From run folders to tables; no JAX, nothing is trained.

records.py      a run's folder -> a record, everything in it checked; sweeps.py: a sweep's -> those of its confirmation
collect.py      run folders -> records; damaged ones skipped with their reason
rows.py         records -> rows: runs that differ only in the seed are one; config columns for what differs
compare.py      rows -> Report: summaries, verdicts against a baseline, several data sets
ablation.py     an ablation's arms -> what each method contributes, and the answer in words
searches.py     a sweep's database -> stages, trials, ranges; the expected best of a smaller budget
words.py        numbers, keys and reasons as people read them
tables.py       Report -> tables of words and numbers
formats.py      tables -> terminal, Markdown, LaTeX, CSV, JSON
predictions.py  stored test predictions, checked
curves.py       metrics.jsonl, checked: values over epochs and seeds
charts/         Report -> charts; figures.py: how they look and become PNG, SVG or a part of the page
page.py         Report -> one HTML file; document.py: its frame; look.py: style and script; methods.py: a paragraph
explanations.py what `regexp diagnose` left in run folders -> a part of the page; plots.py: its plots -> charts
"""
