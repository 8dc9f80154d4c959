"""Methods of the catalogue as one writes them in PyTorch: what each changes in the plain loop of torch_loop.py.

Images are augmented one by one where torchvision does it, as its transforms draw once for each call; else by batch,
every example with a draw of its own. No torchvision: those of it are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.cases import Case
from benchmarks.peers.torch_loop import layout, model, tensors

Loss = Callable[[Tensor, Tensor], Tensor]


def backward(net: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> None:
    loss(net(x), y).backward()


@dataclass(frozen=True)
class Way:
    """The parts of the loop; by default those of the plain one.

    gradient: leaves the gradients at the parameters; after: what is done with the net after each update
    """

    dropout: float = 0.0
    net: Callable[[nn.Module], nn.Module] = lambda net: net
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam
    batch: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda x, y: (x, y)
    loss: Loss = functional.cross_entropy
    gradient: Callable[[nn.Module, Tensor, Tensor, Loss], None] = backward
    after: Callable[[nn.Module], Callable[[], None]] = lambda net: lambda: None


def prepare(case: Case, way: Way, x: np.ndarray, y: np.ndarray) -> Callable[[], int]:
    """A function that trains `case.steps` steps and returns that number."""
    torch.manual_seed(0)
    inputs, labels = tensors(case, x, y)
    net = way.net(model(replace(case, dropout=way.dropout), x.shape[1:])).to(memory_format=layout(case))
    optimizer, after = way.optimizer(net.parameters(), lr=1e-3, fused=True), way.after(net)

    def run() -> int:
        for rows in torch.randperm(len(inputs))[: case.steps * case.batch].split(case.batch):
            optimizer.zero_grad(set_to_none=True)
            way.gradient(net, *way.batch(inputs[rows], labels[rows]), way.loss)
            optimizer.step()
            after()
        return case.steps

    return run


# -- images and targets ------------------------------------------------------------------------------------------------


def images(change: Callable[[Tensor], Tensor]) -> Way:
    return Way(batch=lambda x, y: (change(x), y))


def flip(x: Tensor) -> Tensor:
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(-1), x)


def crop(x: Tensor, padding: int = 4) -> Tensor:
    size, _, height, width = x.shape
    padded = functional.pad(x, (padding,) * 4, mode="reflect").permute(0, 2, 3, 1)
    starts = torch.randint(0, 2 * padding + 1, (2, size))
    rows, columns = starts[0, :, None] + torch.arange(height), starts[1, :, None] + torch.arange(width)
    return padded[torch.arange(size)[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def rotate(x: Tensor, degrees: float = 15.0) -> Tensor:
    angle = torch.deg2rad(degrees * (2 * torch.rand(len(x)) - 1))
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(len(x))
    matrices = torch.stack([torch.stack([cos, -sin, zero], -1), torch.stack([sin, cos, zero], -1)], 1)
    places = functional.affine_grid(matrices, list(x.shape), align_corners=True)
    return functional.grid_sample(x, places, padding_mode="reflection", align_corners=True)


def mixup(x: Tensor, y: Tensor, alpha: float = 0.2) -> tuple[Tensor, Tensor]:
    weight = torch.distributions.Beta(alpha, alpha).sample()
    partner, targets = torch.randperm(len(x)), functional.one_hot(y, 10).float()
    return torch.lerp(x[partner], x, weight), torch.lerp(targets[partner], targets, weight)


def one_by_one(change: Callable[[Tensor], Tensor]) -> Way:
    return images(lambda x: torch.stack([change(image) for image in x]))


# -- nets and weights --------------------------------------------------------------------------------------------------


def with_batch_norm(net: nn.Module) -> nn.Module:
    def layers() -> Iterator[nn.Module]:
        for layer in [*net.children()][:-1]:
            yield layer
            if isinstance(layer, nn.Linear):
                yield nn.BatchNorm1d(layer.out_features)
            elif isinstance(layer, nn.Conv2d):
                yield nn.BatchNorm2d(layer.out_channels)

    return nn.Sequential(*layers(), [*net.children()][-1])


def kernels(net: nn.Module) -> list[Tensor]:
    return [w for w in net.parameters() if w.ndim > 1]


def with_weight_norm(net: nn.Module) -> nn.Module:
    for layer in net.children():
        if hasattr(layer, "weight"):
            nn.utils.parametrizations.weight_norm(layer)
    return net


def max_norm(net: nn.Module, limit: float = 3.0) -> Callable[[], None]:
    @torch.no_grad()
    def after() -> None:
        for w in kernels(net):
            torch.renorm(w, 2, 0, limit, out=w)

    return after


def averaged(net: nn.Module) -> Callable[[], None]:
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    return lambda: average.update_parameters(net)


# -- gradients ---------------------------------------------------------------------------------------------------------


def lasso(net: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> None:
    (loss(net(x), y) + 1e-5 * sum(w.abs().sum() for w in kernels(net))).backward()


def clipped(net: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> None:
    backward(net, x, y, loss)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)


def fgsm(net: nn.Module, x: Tensor, y: Tensor, loss: Loss, epsilon: float = 0.1, mix: float = 0.5) -> None:
    """The clean loss's gradient serves the update and the attack."""
    x.requires_grad_()
    (mix * loss(net(x), y)).backward()
    attacked = (x.detach() + epsilon * x.grad.sign()).clamp(0, 1)
    ((1 - mix) * loss(net(attacked), y)).backward()


def sam(net: nn.Module, x: Tensor, y: Tensor, loss: Loss, radius: float = 0.05) -> None:
    backward(net, x, y, loss)
    parameters = [*net.parameters()]
    gradients = [w.grad for w in parameters]
    step = radius / nn.utils.get_total_norm(gradients).clamp(min=1e-12).item()
    with torch.no_grad():
        torch._foreach_add_(parameters, gradients, alpha=step)
    net.zero_grad(set_to_none=True)
    backward(net, x, y, loss)
    with torch.no_grad():
        torch._foreach_sub_(parameters, gradients, alpha=step)


METHODS = {
    "horizontal_flip": images(flip),
    "random_crop": images(crop),
    "rotate": images(rotate),
    "gaussian_noise": images(lambda x: x + 0.1 * torch.randn_like(x)),
    "mixup": Way(batch=mixup),
    "label_smoothing": Way(loss=partial(functional.cross_entropy, label_smoothing=0.1)),
    "batch_norm": Way(net=with_batch_norm),
    "dropout": Way(dropout=0.5),
    "weight_norm": Way(net=with_weight_norm),
    "l1": Way(gradient=lasso),
    "l2": Way(optimizer=partial(torch.optim.Adam, weight_decay=1e-4)),
    "elastic_net": Way(gradient=lasso, optimizer=partial(torch.optim.Adam, weight_decay=1e-4)),
    "weight_decay": Way(optimizer=partial(torch.optim.AdamW, weight_decay=1e-2)),
    "max_norm": Way(after=max_norm),
    "fgsm": Way(gradient=fgsm),
    "sam": Way(gradient=sam),
    "gradient_clipping": Way(gradient=clipped),
    "weight_averaging": Way(after=averaged),
}

with suppress(ImportError, RuntimeError):  # RuntimeError: a torchvision built for another torch
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(0.2, 0.2, 0.2, 0.05)
    augmentation = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(32, padding=4, padding_mode="reflect"),
            v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR),
            jitter,
        ]
    )
    METHODS |= {"color_jitter": one_by_one(jitter), "augmentation": one_by_one(augmentation)}
