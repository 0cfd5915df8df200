"""Compress handwritten digits to a few numbers, and draw the digits again from these numbers.

    python examples/autoencoder.py           a minute or two; saves weights and a picture in out/
    python examples/autoencoder.py --help    the options

Convolutions with stride 2 make the image small and end in a code of 16 numbers; transposed
convolutions make a large image of the code again. The picture shows digits, what the network draws
from their codes, and what it draws from codes between two digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.datasets import MNIST
from tinynet.utils.data import DataLoader


class Autoencoder(nn.Module):
    """An encoder from images to codes, and a decoder from codes to logits of pixels."""

    def __init__(self, code):
        super().__init__()
        self.encoder = nn.Sequential(  # (N, 1, 28, 28)
            nn.Conv2d(1, 16, kernel_size=4, stride=2, padding=1), nn.ReLU(),  # (N, 16, 14, 14)
            nn.Conv2d(16, 32, kernel_size=4, stride=2, padding=1), nn.ReLU(),  # (N, 32, 7, 7)
            nn.Flatten(), nn.Linear(32 * 7 * 7, code),
        )  # fmt: skip
        self.decoder = nn.Sequential(  # (N, code)
            nn.Linear(code, 32 * 7 * 7), nn.ReLU(), nn.Unflatten(1, (32, 7, 7)),
            nn.ConvTranspose2d(32, 16, kernel_size=4, stride=2, padding=1),  # (N, 16, 14, 14)
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, kernel_size=4, stride=2, padding=1),  # (N, 1, 28, 28)
        )  # fmt: skip

    def forward(self, x):
        return self.decoder(self.encoder(x))


@tinynet.no_grad()
def evaluate(model, loader):
    """The mean loss per pixel, over all images."""
    model.eval()
    total = count = 0
    for images, _ in loader:
        total += F.binary_cross_entropy_with_logits(model(images), images) * len(images)
        count += len(images)
    return total.item() / count  # .item() waits for a GPU, so it is called once


@tinynet.no_grad()
def draw(path, model, images, device):
    """Three rows: digits, the digits drawn from their codes, and codes between two of them."""
    model.eval()
    codes = model.encoder(images.to(device))
    weight = tinynet.linspace(0, 1, len(images)).unsqueeze(1).to(device)
    between = codes[:1] * (1 - weight) + codes[-1:] * weight
    titles = (
        "digits",
        f"drawn again, each from {codes.shape[1]} numbers",
        "drawn from codes between the first digit and the last",
    )
    rows = (images, model.decoder(codes).sigmoid().cpu(), model.decoder(between).sigmoid().cpu())
    figure = Figure(figsize=(len(images), 4), layout="constrained")
    for part, title, row in zip(figure.subfigures(3, 1), titles, rows, strict=True):
        part.suptitle(title, fontsize=10)
        for axes, image in zip(part.subplots(1, len(images), squeeze=False).flat, row, strict=True):
            axes.imshow(image[0].numpy(), cmap="gray_r", vmin=0, vmax=1)
            axes.axis("off")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training digits")
    parser.add_argument("--batch-size", type=int, default=64, help="digits per step")
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate of Adam")
    parser.add_argument("--code", type=int, default=16, help="numbers that stand for a digit")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number>")
    parser.add_argument(
        "--data",
        help="folder with the MNIST files; else TINYNET_DATA, the cache, a download or the subset",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same result")
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for weights and picture"
    )
    options = parser.parse_args()
    if options.epochs < 1 or options.batch_size < 1 or options.code < 1 or not options.lr > 0:
        parser.error("--epochs, --batch-size, --code and --lr must be positive")

    tinynet.manual_seed(options.seed)
    model = Autoencoder(options.code).to(options.device)
    train, test = (MNIST(options.data, train=part) for part in (True, False))
    train_loader = DataLoader(train, options.batch_size, shuffle=True, device=options.device)
    test_loader = DataLoader(test, 500, device=options.device)
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)

    for epoch in range(1, options.epochs + 1):
        model.train()
        for images, _ in tqdm(train_loader, f"epoch {epoch}/{options.epochs}"):
            loss = F.binary_cross_entropy_with_logits(model(images), images)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(f"epoch {epoch}: loss of a pixel {evaluate(model, test_loader):.4f} on test digits")

    options.out.mkdir(parents=True, exist_ok=True)
    tinynet.save(model.state_dict(), options.out / "autoencoder.safetensors")
    draw(options.out / "autoencoder.png", model, test[:10][0], options.device)
    print(f"weights: {options.out / 'autoencoder.safetensors'}")
    print(f"picture: {options.out / 'autoencoder.png'}")


if __name__ == "__main__":
    main()
