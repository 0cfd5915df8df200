"""mnist.py for long runs: it resumes after a stop, shares the work among processes, and reports.

    python examples/mnist_resumable.py --checkpoint runs/1             a run that can be resumed
    python examples/mnist_resumable.py --checkpoint runs/1 --resume    after a stop of any kind
    mpiexec -n 4 python examples/mnist_resumable.py                    four processes share the work
    python examples/mnist_resumable.py --report                        also writes report.html
    python examples/mnist_resumable.py --watch                         a page to follow it on

A resumed run ends with the same bits as a run that nobody stopped, and it may be resumed with
another number of processes. The net and the picture are those of mnist.py; with the same seed both
programs end with the same weights.
"""

import argparse
import time
from pathlib import Path

from mnist import Net, draw, normalise
from tqdm import tqdm

import tinynet
import tinynet.nn.functional as F
from tinynet import distributed, optim
from tinynet.datasets import MNIST
from tinynet.nn.parallel import DistributedDataParallel
from tinynet.utils.data import DataLoader, DistributedSampler


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--epochs", type=int, default=5, help="passes over the training digits (5)")
    add("--batch-size", type=int, default=64, help="digits per step, over all processes (64)")
    add("--lr", type=float, default=0.1, help="largest learning rate of the schedule (0.1)")
    add("--device", default="cpu", help="cpu, cuda or cuda:<number> (cpu)")
    add("--data", help="folder with the MNIST files, if not the one named by TINYNET_DATA")
    add("--seed", type=int, default=0, help="the same seed gives the same result (0)")
    add("--out", type=Path, default="out", help="folder for weights, picture and report (out)")
    add("--report", action="store_true", help="also write report.html")
    add(
        "--watch", nargs="?", const="127.0.0.1", metavar="ADDRESS",
        help="serve a page on this machine that shows the training (127.0.0.1, any free port)",
    )  # fmt: skip
    add("--checkpoint", type=Path, metavar="DIR", help="folder for the state of the run")
    add("--checkpoint-every", type=int, default=100, metavar="STEPS", help="save so often (100)")
    add("--resume", action="store_true", help="start from the checkpoint, if there is one")
    options = parser.parse_args()
    if options.checkpoint_every < 1:
        parser.error("--checkpoint-every must be positive")
    if options.resume and not options.checkpoint:
        parser.error("--resume needs --checkpoint DIR")
    return parser, options


def load_digits(folder, rank):
    """The training and the test digits. Rank 0 goes first, so that they are downloaded once."""
    if rank > 0:
        distributed.barrier()
    parts = [MNIST(folder, train=part, transform=normalise) for part in (True, False)]
    if rank == 0:
        distributed.barrier()
    return parts


def resume(options, parser, say, **parts):
    """The checkpoint of this run, or None without --checkpoint; with --resume, it is restored."""
    if not options.checkpoint:
        return None
    settings = {name: getattr(options, name) for name in ("epochs", "batch_size", "lr", "seed")}
    saved = dict(settings)
    path = options.checkpoint / "mnist.safetensors"
    checkpoint = tinynet.Checkpoint(path, settings=saved, **parts)
    if not options.resume and path.exists():
        parser.error(f"{path} exists: go on from it with --resume, or choose another folder")
    if options.resume and checkpoint.restore():
        history = parts["history"]
        say(f"going on after step {history['steps']}, in epoch {history['epoch']}")
    if saved != settings:
        parser.error(
            f"the checkpoint was made with {saved}, now it is {settings}; "
            "a run can only go on as it began"
        )
    return checkpoint


def record(history, loss, model):
    """Write down the loss and the gradient norms: what the picture and the report show."""
    history["loss"].append((history["seen"], loss.item()))
    for name, parameter in model.named_parameters():
        norm = parameter.grad.square().sum().sqrt().item()
        history["gradients"].setdefault(name, []).append((history["seen"], norm))


@tinynet.no_grad()
def evaluate(model, loader):
    """What the model takes each digit for, and the part of the digits that it reads correctly."""
    model.eval()
    guesses = tinynet.cat([model(images).argmax(1) for images, _ in loader]).cpu()
    return guesses, (guesses == loader.dataset.targets).float().mean().item()


def kept_steps(steps, count=40):
    """The steps before which the first kernels are kept: dense at first, where most changes."""
    return {round(steps ** (k / count)) - 1 for k in range(count)}


def watch(options, model, image, history, say):
    """The page that --watch asks for, or None."""
    if not options.watch:
        return None
    curves = {name: history[name] for name in ("loss", "accuracy", "gradients")}
    page = tinynet.explain.watch(model, image, address=options.watch, name="MNIST", **curves)
    say(f"watch the training: {page.url}")
    return page


def main():
    parser, options = parse_options()

    # mpiexec starts this program several times; each process is a rank. Alone, it is rank 0.
    distributed.init_process_group()
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    say = print if rank == 0 else (lambda text: None)

    tinynet.manual_seed(options.seed)
    model = Net().to(options.device)
    train, test = load_digits(options.data, rank)
    sampler = DistributedSampler(train, seed=options.seed)  # this rank's share of each batch
    share = -(-options.batch_size // ranks)  # rounded up
    train_loader = DataLoader(train, share, sampler=sampler, device=options.device)
    test_loader = DataLoader(test, 500, device=options.device)
    optimizer = optim.SGD(
        model.parameters(), options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    steps_per_epoch = -(-len(train) // options.batch_size)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, options.lr, epochs=options.epochs, steps_per_epoch=steps_per_epoch
    )

    # All that changes during training: what a checkpoint must hold.
    history = {
        "epoch": 1, "steps": 0, "seen": 0, "loss": [], "gradients": {}, "accuracy": [],
        "kernels": [],
    }  # fmt: skip
    checkpoint = resume(
        options, parser, say,
        model=model, optimizer=optimizer, scheduler=scheduler, loader=train_loader, history=history,
    )  # fmt: skip
    if rank > 0:  # dropout masks of its own, from a far part of the same stream of random numbers
        tinynet.default_generator.numpy.bit_generator.advance(rank << 96)
    kept = kept_steps(options.epochs * steps_per_epoch)
    parallel = DistributedDataParallel(model)  # averages the gradients of all ranks

    page = watch(options, model, test[0][0], history, say) if rank == 0 else None
    try:
        while history["epoch"] <= options.epochs:
            epoch, start, before = history["epoch"], time.perf_counter(), history["seen"]
            sampler.set_epoch(epoch)  # another order in each epoch
            parallel.train()
            bar = tqdm(
                total=len(train), initial=before % len(train), unit=" images",
                desc=f"epoch {epoch}/{options.epochs}", disable=rank > 0,
            )  # fmt: skip
            for images, labels in train_loader:
                if history["steps"] in kept:
                    history["kernels"].append((history["seen"], model.conv1.weight.tolist()))
                loss = F.cross_entropy(parallel(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                if history["steps"] % 10 == 0:  # reading the loss makes a GPU wait
                    record(history, loss, model)
                    bar.set_postfix(loss=f"{loss.item():.3f}")
                history["steps"] += 1
                history["seen"] += ranks * len(images)
                bar.update(ranks * len(images))
                if page:
                    page.update()
                if rank == 0 and checkpoint and history["steps"] % options.checkpoint_every == 0:
                    checkpoint.save()
            bar.close()
            speed = (epoch * len(train) - before) / (time.perf_counter() - start)
            history["epoch"] += 1
            history["seen"] = epoch * len(train)  # without the repeats that made the shares equal
            if rank == 0:
                _, accuracy = evaluate(model, test_loader)
                history["accuracy"].append((epoch, accuracy))
                if checkpoint:
                    checkpoint.save()
                print(f"epoch {epoch}: test accuracy {accuracy:.2%}, {speed:,.0f} images/s")
    except KeyboardInterrupt:
        # No checkpoint here: this may be the middle of a step, from which a run can't go on.
        say("\nstopped; what has been learned so far is saved")

    if rank == 0:
        options.out.mkdir(parents=True, exist_ok=True)
        tinynet.save(model.state_dict(), options.out / "mnist.safetensors")
        print(f"weights: {options.out / 'mnist.safetensors'}")
        if history["accuracy"]:
            losses, accuracies = ([y for _, y in history[k]] for k in ("loss", "accuracy"))
            guesses, _ = evaluate(model, test_loader)
            draw(options.out / "mnist.png", model, losses, accuracies, test, guesses)
            print(f"picture: {options.out / 'mnist.png'}")
        if options.report:
            curves = {name: history[name] for name in ("loss", "accuracy", "gradients", "kernels")}
            report = tinynet.explain.report(model, *test[:], name="MNIST", **curves)
            print(f"report: {report.save(options.out / 'report.html')}")
    if page:
        page.close()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
