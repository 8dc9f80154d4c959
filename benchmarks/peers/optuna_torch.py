"""Optuna's random sampler driving a PyTorch loop: the usual script, with data resident and a fused Adam."""

from __future__ import annotations

import sys

import optuna
import torch
from torch import nn

from benchmarks.searches import SEARCHES, Search, splits


def train(search: Search, arrays: tuple[torch.Tensor, ...], setting: dict[str, float]) -> float:
    """Validation accuracy of one setting."""
    x, y, x_val, y_val = arrays
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    size = x.shape[1]
    for units in search.hidden:
        layers += [nn.Linear(size, units), nn.ReLU(), nn.Dropout(setting["dropout"])]
        size = units
    net = nn.Sequential(*layers, nn.Linear(size, 10))
    optimizer = torch.optim.Adam(net.parameters(), setting["rate"], weight_decay=setting["l2"], fused=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=setting["smoothing"])
    for _ in range(search.epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x) - search.batch + 1, search.batch):
            rows = order[start : start + search.batch]
            optimizer.zero_grad(set_to_none=True)
            loss_of(net(x[rows]), y[rows]).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        return (net(x_val).argmax(1) == y_val).float().mean().item()


def main(search: Search) -> None:
    torch.set_num_threads(search.threads)
    x, y, x_val, y_val = splits(search)
    arrays = (torch.tensor(x), torch.tensor(y).long(), torch.tensor(x_val), torch.tensor(y_val).long())
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: train(search, arrays, search.suggest(trial)), n_trials=search.trials)
    print(study.best_value)


if __name__ == "__main__":
    main(SEARCHES[sys.argv[1]].sized(int(sys.argv[2])))
