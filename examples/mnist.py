"""Train a small convolutional network to read handwritten digits.

    python examples/mnist.py                 a minute; saves weights and a picture in out/
    python examples/mnist.py --help          what can be chosen
    mpiexec -n 4 python examples/mnist.py    four processes share the work (docs/distributed.md)

With ``--checkpoint DIR`` a run that is stopped, whatever stops it, can go on where it was: add ``--resume``. It ends with the same
bits as a run that nobody stopped. It can also go on with another number of processes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tqdm import tqdm

import tinynet
import tinynet.nn.functional as F
from tinynet import distributed, nn, optim
from tinynet.datasets import MNIST
from tinynet.nn.parallel import DistributedDataParallel
from tinynet.utils.data import DataLoader, DistributedSampler

MEAN, STD = 0.1307, 0.3081  # of all training pixels


class Net(nn.Module):
    """Two convolutions, each halving the image after it, and a linear layer that names the digit."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=5, padding=2)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5, padding=2)
        self.norm2 = nn.BatchNorm2d(32)
        self.dropout = nn.Dropout(0.3)
        self.linear = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):  # (N, 1, 28, 28)
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)  # (N, 16, 14, 14)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)  # (N, 32, 7, 7)
        return self.linear(self.dropout(x.flatten(1)))  # (N, 10)


def train_epoch(model, loader, optimizer, scheduler, bar, history, every_step):
    model.train()
    ranks = distributed.get_world_size()
    for images, labels in loader:  # this rank's share of a batch
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if history["steps"] % 10 == 0:  # not at every step: reading a value makes a GPU wait
            history["loss"].append((history["seen"], loss.item()))
            for name, parameter in model.module.named_parameters():
                history["gradients"].setdefault(name, []).append(
                    (history["seen"], parameter.grad.square().sum().sqrt().item())
                )
            bar.set_postfix(loss=f"{loss.item():.3f}")
        history["steps"] += 1
        history["seen"] += ranks * len(images)
        bar.update(ranks * len(images))
        every_step()


@tinynet.no_grad()
def evaluate(model, loader):
    """The accuracy, the true labels and the predicted ones."""
    model.eval()
    truth, guess = [], []
    for images, labels in loader:
        truth.append(labels)
        guess.append(model(images).argmax(1))
    truth, guess = tinynet.cat(truth).cpu(), tinynet.cat(guess).cpu()  # a GPU is waited for once
    return (truth == guess).float().mean().item(), truth, guess


def draw(path, model, history, test, guess):
    """One picture: the curves, what the first layer learned, and the digits that were read wrongly."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 5.8), layout="constrained")
    curves, below = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    left, right = curves.subplots(1, 2)
    seen, losses = zip(*history["loss"], strict=True)
    left.plot(seen, losses, color="tab:blue", linewidth=0.8)
    left.set(
        title="loss on training batches", xlabel="images seen", ylabel="cross-entropy", yscale="log"
    )
    epochs, accuracies = zip(*history["accuracy"], strict=True)
    right.plot(epochs, [100 * a for a in accuracies], "o-", color="tab:green")
    right.set(
        title=f"accuracy on test digits, at last {accuracies[-1]:.2%}", xlabel="epoch", ylabel="%"
    )
    right.set_xticks(epochs if len(epochs) < 15 else epochs[:: len(epochs) // 10])
    for axes in (left, right):
        axes.grid(alpha=0.3)

    filters, wrong = below.subfigures(1, 2)
    filters.suptitle("filters of the first convolution (red: positive, blue: negative)")
    weights = model.conv1.weight.detach().cpu().numpy()[:, 0]
    most = abs(weights).max()
    for axes, weight in zip(filters.subplots(2, 8).flat, weights, strict=True):
        axes.imshow(weight, cmap="RdBu_r", vmin=-most, vmax=most)
        axes.axis("off")
    mistakes = (guess != test.targets).numpy().nonzero()[0]
    wrong.suptitle(
        f"{len(mistakes)} of {len(test):,} test digits read wrongly"
        + (", the first of them" if len(mistakes) > 16 else "")
    )
    for place, axes in enumerate(wrong.subplots(2, 8).flat):
        axes.axis("off")
        if place < len(mistakes):
            number = mistakes[place]
            axes.imshow(test.data[int(number)].numpy(), cmap="gray_r")
            axes.set_title(
                f"{test.targets[int(number)].item()} read as {guess[int(number)].item()}",
                fontsize=7,
            )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training digits")
    parser.add_argument(
        "--batch-size", type=int, default=64, help="digits in a step, of all processes together"
    )
    parser.add_argument(
        "--lr", type=float, default=0.1, help="the largest learning rate of the one-cycle schedule"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number>")
    parser.add_argument(
        "--data",
        default=None,
        help="folder with the MNIST files; else TINYNET_DATA, the cache, a download or the subset",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same result")
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for weights and picture"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="also write report.html: curves, gradients, filters, feature maps, mistakes",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="folder to keep in what it takes to go on after a stop",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=int,
        default=100,
        metavar="STEPS",
        help="how often that is written, beside each epoch's end",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint, if there is one"
    )
    options = parser.parse_args()
    if (
        options.epochs < 1
        or options.batch_size < 1
        or options.checkpoint_every < 1
        or not options.lr > 0
    ):
        parser.error("--epochs, --batch-size, --checkpoint-every and --lr must be positive")
    if options.resume and not options.checkpoint:
        parser.error("--resume needs --checkpoint DIR")

    # Started by mpiexec, this program runs several times at once; each process is a rank. Otherwise it is the one rank, 0.
    distributed.init_process_group()
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    say = print if rank == 0 else (lambda text: None)
    tinynet.manual_seed(options.seed)
    model = Net().to(options.device)

    def normalise(images):
        return (images - MEAN) / STD

    if rank > 0:
        distributed.barrier()  # until rank 0 has downloaded what there is to download
    train = MNIST(options.data, train=True, transform=normalise)
    test = MNIST(options.data, train=False, transform=normalise)
    if rank == 0:
        distributed.barrier()
    sampler = DistributedSampler(train, seed=options.seed)
    train_loader = DataLoader(
        train, -(-options.batch_size // ranks), sampler=sampler, device=options.device
    )  # rounded up
    test_loader = DataLoader(test, 500, device=options.device)

    optimizer = optim.SGD(
        model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer,
        options.lr,
        epochs=options.epochs,
        steps_per_epoch=-(-len(train) // options.batch_size),
    )
    history = {"epoch": 1, "steps": 0, "seen": 0, "loss": [], "gradients": {}, "accuracy": []}

    checkpoint = None
    if options.checkpoint:
        settings = {name: getattr(options, name) for name in ("epochs", "batch_size", "lr", "seed")}
        saved = dict(settings)
        checkpoint = tinynet.Checkpoint(
            options.checkpoint / "mnist.safetensors",
            model=model, optimizer=optimizer, scheduler=scheduler, loader=train_loader, history=history, settings=saved,
        )  # fmt: skip
        if not options.resume and checkpoint.path.exists():
            parser.error(
                f"{checkpoint.path} exists: go on from it with --resume, or choose another folder"
            )
        if options.resume and checkpoint.restore():
            say(f"going on after step {history['steps']}, in epoch {history['epoch']}")
        if saved != settings:
            parser.error(
                f"the checkpoint was made with {saved}, now it is {settings}; a run can only go on as it began"
            )

    if rank > 0:  # dropout masks of its own, from a far part of the same stream of random numbers
        tinynet.default_generator.numpy.bit_generator.advance(rank << 96)
    parallel = DistributedDataParallel(model)

    def every_step():
        if rank == 0 and checkpoint and history["steps"] % options.checkpoint_every == 0:
            checkpoint.save()

    guess = None
    try:
        while history["epoch"] <= options.epochs:
            epoch, start, before = history["epoch"], time.perf_counter(), history["seen"]
            sampler.set_epoch(epoch)
            name = f"epoch {epoch}/{options.epochs}"
            with tqdm(
                total=len(train),
                initial=before % len(train),
                unit=" images",
                desc=name,
                disable=rank > 0,
            ) as bar:
                train_epoch(parallel, train_loader, optimizer, scheduler, bar, history, every_step)
            seconds = time.perf_counter() - start
            history["epoch"] += 1
            history["seen"] = epoch * len(
                train
            )  # not those that were repeated to make the shares equal
            if rank > 0:
                continue
            accuracy, _, guess = evaluate(model, test_loader)
            history["accuracy"].append((epoch, accuracy))
            if checkpoint:
                checkpoint.save()
            print(
                f"epoch {epoch}: test accuracy {accuracy:.2%}, {(history['seen'] - before) / seconds:,.0f} images/s"
            )
    except KeyboardInterrupt:
        # no checkpoint here: this may be the middle of a step, and the last one is where the run can go on exactly
        say("\nstopped; what has been learned so far is kept")

    if rank == 0:
        options.out.mkdir(parents=True, exist_ok=True)
        tinynet.save(model.state_dict(), options.out / "mnist.safetensors")
        print(f"weights: {options.out / 'mnist.safetensors'}")
        if history["accuracy"]:
            if guess is None:  # resumed, and nothing was left to do
                _, _, guess = evaluate(model, test_loader)
            draw(options.out / "mnist.png", model, history, test, guess)
            print(f"picture: {options.out / 'mnist.png'}")
        if options.report:
            curves = {name: history[name] for name in ("loss", "accuracy", "gradients")}
            report = tinynet.explain.report(model, *test[:], name="MNIST", **curves)
            print(f"report: {report.save(options.out / 'report.html')}")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
