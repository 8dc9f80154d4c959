"""configs/quickstart.yaml as a script that one would write with PyTorch; prints the mean test accuracy."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.quickstart_data import (
    BATCH,
    DROPOUT,
    EPOCHS,
    HIDDEN,
    INPUT_DROPOUT,
    L2,
    LEARNING_RATE,
    PATIENCE,
    SEEDS,
    SMOOTHING,
    parts,
)


def network() -> nn.Sequential:
    """Return the MLP with dropout on its inputs and hidden units."""
    layers: list[nn.Module] = [nn.Dropout(INPUT_DROPOUT)]
    width = 64
    for units in HIDDEN:
        linear = nn.Linear(width, units)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        layers += [linear, nn.ReLU(), nn.Dropout(DROPOUT)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 10))


def train(seed: int) -> float:
    """Return the test accuracy at the epoch with the least validation loss."""
    torch.manual_seed(seed)
    (x, y), (x_val, y_val), (x_test, y_test) = (
        (torch.from_numpy(inputs), torch.from_numpy(labels)) for inputs, labels in parts(seed)
    )
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    weights = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    best, best_state, waited = float("inf"), model.state_dict(), 0
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x[rows]), y[rows], label_smoothing=SMOOTHING)
            loss = loss + 0.5 * L2 * sum((weight**2).sum() for weight in weights)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            validation = functional.cross_entropy(model(x_val), y_val).item()
        if validation < best:
            best, best_state, waited = validation, copy.deepcopy(model.state_dict()), 0
        else:
            waited += 1
            if waited >= PATIENCE:
                break
    model.load_state_dict(best_state)
    with torch.no_grad():
        return (model(x_test).argmax(1) == y_test).float().mean().item()


if __name__ == "__main__":
    print(sum(map(train, SEEDS)) / len(SEEDS))
