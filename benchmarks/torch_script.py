"""What a user would write: a plain PyTorch loop, channels last, that reads gradients from `.grad`."""

import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, inner, outer, stride, residual):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.stride, self.lacking, self.residual = stride, outer - inner, residual

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if not self.residual:
            return functional.relu(y)
        if self.lacking:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.lacking))
        return functional.relu(x + y)


def network(depth, width, channels, residual=True):
    """Return the network of He et al. 2015 with option A."""
    blocks, inner = [], width
    for stage, outer in enumerate((width, 2 * width, 4 * width)):
        for block in range((depth - 2) // 6):
            blocks.append(Block(inner, outer, 2 if stage and not block else 1, residual))
            inner = outer
    model = nn.Sequential(
        nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inner, 10),
    )  # fmt: skip
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return model.to(memory_format=torch.channels_last)


def trained(architecture, images, labels, steps, batch, rate, measured):
    """Return a network trained by plain SGD, and the norms of its kernels' gradients at the measured steps."""
    model = network(*architecture)
    kernels = [weight for weight in model.parameters() if weight.dim() > 1]
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    norms, order = [], []
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(images))
        part, order = order[:batch], order[batch:]
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(images[part]), labels[part]).backward()
        if step in measured:
            norms.append([float(kernel.grad.norm()) for kernel in kernels])
        optimizer.step()
    return model, norms


def main(data, architectures, steps, batch, rate, every):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with np.load(data) as file:
        x_train, y_train, x_test, y_test = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    mean, std = x_train.mean(), x_train.std()

    def images(x):
        x = torch.from_numpy(((x - mean) / std).astype(np.float32).transpose(0, 3, 1, 2))
        return x.contiguous(memory_format=torch.channels_last)

    x_train, x_test, y_train = images(x_train), images(x_test), torch.from_numpy(y_train.astype(np.int64))
    measured, accuracies = range(0, steps, every) if every else (), []
    for depth, width, skip in architectures:
        architecture = depth, width, x_train.shape[1], skip != "none"
        model, _ = trained(architecture, x_train, y_train, steps, batch, rate, measured)
        model.eval()
        with torch.no_grad():
            predicted = model(x_test).argmax(1).numpy()
        accuracies.append(float((predicted == y_test).mean()))
    print(json.dumps(accuracies))


if __name__ == "__main__":
    main(sys.argv[1], *json.loads(sys.argv[2]))
