"""A run's numbers for other tools; one file per target, each with `write(run, folder)`.

contents.py      a run's record -> what every target is given: config, learning curves, final metrics
csv.py parquet.py   three tables
tensorboard.py   an event file per lane
mlflow.py        a run with a nested one per lane, in an SQLite store
"""
