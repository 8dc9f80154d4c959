"""Export a run to other tools. Each target is a module with `write(run, folder)`.

contents.py      a run's record -> the contents to export: config, learning curves, final metrics
csv.py parquet.py   three tables, built in tables.py
tensorboard.py   one event file per trained model
mlflow.py        a run with a nested run per trained model, in an SQLite store
"""
