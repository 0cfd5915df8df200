"""Train a small convolutional network to read handwritten digits; it takes about a minute.

Weights and a picture go to out/. mnist_resumable.py is for long runs: it resumes after a stop.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.datasets import MNIST
from tinynet.transforms import Compose, Normalize, ToTensor
from tinynet.utils.data import DataLoader

# 0.1307 and 0.3081 are the mean and the standard deviation of all training pixels
normalise = Compose([ToTensor(), Normalize(0.1307, 0.3081)])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, kernel_size=5, padding=2), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, kernel_size=5, padding=2), nn.BatchNorm2d(32)
        self.dropout, self.linear = nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):  # (N, 1, 28, 28)
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)  # (N, 16, 14, 14)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)  # (N, 32, 7, 7)
        return self.linear(self.dropout(x.flatten(1)))  # (N, 10): one score for each digit


def draw(path, model, losses, accuracies, test, guesses):
    figure = Figure(figsize=(11, 6), layout="constrained")
    curves, filters, mistakes = figure.subfigures(3, 1, height_ratios=[3, 1, 1.2])
    axes = curves.add_subplot(1, 2, 1, title="loss on every tenth training batch")
    axes.semilogy(losses, linewidth=0.8)
    axes = curves.add_subplot(1, 2, 2, title="accuracy on test digits after each epoch")
    axes.plot(range(1, len(accuracies) + 1), accuracies, "o-", color="tab:green")
    filters.suptitle("filters of the first convolution (red: positive, blue: negative)")
    weights = model.conv1.weight.detach().cpu().numpy()[:, 0]
    for place, weight in enumerate(weights, start=1):
        axes = filters.add_subplot(1, 16, place, xticks=[], yticks=[])
        axes.imshow(weight, cmap="RdBu_r", vmin=-abs(weights).max(), vmax=abs(weights).max())
    wrong = (guesses != test.targets).numpy().nonzero()[0]
    mistakes.suptitle(f"{len(wrong)} of {len(test):,} test digits read wrongly")
    for place, i in enumerate(wrong[:16], start=1):
        axes = mistakes.add_subplot(1, 16, place, xticks=[], yticks=[])
        axes.set_title(f"{test.targets[i].item()} as {guesses[i].item()}")
        axes.imshow(test.data[i].numpy(), cmap="gray_r")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training digits")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same result")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path, default="out", help="folder for weights and picture")
    options = parser.parse_args()

    tinynet.manual_seed(options.seed)
    model = Net().to(options.device)
    train, test = (MNIST(train=part, transform=normalise) for part in (True, False))
    order = tinynet.Generator()
    train_loader = DataLoader(train, 64, shuffle=True, generator=order, device=options.device)
    test_loader = DataLoader(test, 500, device=options.device)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, options.epochs * len(train_loader))
    losses, accuracies = [], []

    for epoch in range(1, options.epochs + 1):
        order.manual_seed(options.seed + epoch)  # another order in each epoch
        model.train()
        bar = tqdm(train_loader, f"epoch {epoch}/{options.epochs}")
        for step, (images, labels) in enumerate(bar):
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            if step % 10 == 0:  # reading the loss makes a GPU wait, so not at every step
                losses.append(loss.item())
                bar.set_postfix(loss=f"{losses[-1]:.3f}")
        model.eval()
        with tinynet.no_grad():
            guesses = tinynet.cat([model(images).argmax(1) for images, _ in test_loader]).cpu()
        accuracies.append((guesses == test.targets).float().mean().item())
        print(f"epoch {epoch}: test accuracy {accuracies[-1]:.2%}")

    options.out.mkdir(parents=True, exist_ok=True)
    tinynet.save(model.state_dict(), options.out / "mnist.safetensors")
    draw(options.out / "mnist.png", model, losses, accuracies, test, guesses)
    print(f"weights and picture: {options.out}/mnist.safetensors, {options.out}/mnist.png")


if __name__ == "__main__":
    main()
