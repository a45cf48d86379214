"""`python -m gen.train COMMAND`: what makes the tiny checkpoint, step by step."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from gen.train.effects import EFFECTS
from gen.train.photos import ENOUGH
from gen.train.whole import Unready, aside, need

WORK = Path("/tmp/tiny-train")


def _untrained(args: argparse.Namespace) -> None:
    from gen.train.untrained import make_untrained

    make_untrained(args.directory, args.seed)


def _data(args: argparse.Namespace) -> None:
    from gen.train.photos import gather, sources

    print(gather(args.work / "photos.npz", sources(), args.least))  # noqa: T201


def _text(args: argparse.Namespace) -> None:
    from gen.train.text import LEARNED, train_text
    from gen.train.untrained import save_encoders

    if args.on:
        need(args.checkpoint / "text_encoder", "without --on `text` makes encoders; run it")
    args.work.mkdir(parents=True, exist_ok=True)
    with aside(args.checkpoint) as made:
        if args.on:
            for part in LEARNED:
                shutil.copytree(args.checkpoint / part, made / part)
        else:
            save_encoders(made)
        right = train_text(made, args.steps, log=args.work / "text.jsonl", on=args.on, rate=args.rate)
    print(f"{right:.1%} of fresh captions are told rightly")  # noqa: T201


def _unheard(args: argparse.Namespace) -> None:
    from gen.train.text import Text, misread
    from gen.train.unheard import ASKED

    need(args.checkpoint / "text_encoder", "run `text`")
    wrong = misread(Text(args.checkpoint))
    for effect, prompt, (llama, clip) in wrong:
        print(f"{prompt}: {effect}, read as {llama} (Llama) and {clip} (CLIP)")  # noqa: T201
    print(f"{len(wrong)} of {sum(map(len, ASKED.values()))} are misread by one or both")  # noqa: T201


def _vae(args: argparse.Namespace) -> None:
    from gen.train.export import export_vae
    from gen.train.vae import VaeRun, train_vae

    need(args.work / "photos.npz", "run `data`")
    minutes = (args.still_minutes, args.clip_minutes)
    train_vae(VaeRun(args.work, *minutes, args.device, args.many, linear_minutes=args.linear_minutes))
    export_vae(args.work, args.checkpoint)


def _clips(args: argparse.Namespace) -> None:
    from gen.train.clips import make_shards

    need(args.work / "photos.npz", "run `data`")
    need(args.checkpoint / "image_encoder", "run `text`")
    need(args.checkpoint / "vae", "run `vae`")
    make_shards(args.work, args.checkpoint, args.minutes, args.keep, args.device)


def _transformer(args: argparse.Namespace) -> None:
    from gen.train.flow import FlowRun, train_flow

    need(args.checkpoint / "text_encoder", "run `text`")
    need(args.checkpoint / "vae", "run `vae`")
    if not any((args.work / "clips").glob("*.pt")):
        raise Unready(f"There are no films in {args.work / 'clips'}: run `clips` first, or beside this.")
    train_flow(FlowRun(args.work, args.checkpoint, args.minutes, device=args.device, many=args.many))


def _export(args: argparse.Namespace) -> None:
    from gen.train.export import export

    need(args.work / "photos.npz", "run `data`")
    need(args.work / "flow.pt", "run `transformer`")
    need(args.checkpoint / "vae", "run `vae`")
    export(args.work, args.checkpoint, trained=args.trained, understands=tuple(args.understands), note=args.note)


def _sheet(args: argparse.Namespace) -> None:
    from gen.train.sheet import make_sheet

    photos = Path(__file__).parents[2] / "tests" / "photos"
    need(args.checkpoint / "flipbot.json", "run `export`")
    make_sheet(args.checkpoint, photos, args.output, args.sections, args.photos)


def _examples(args: argparse.Namespace) -> None:
    from gen.train.sheet import make_examples

    need(args.checkpoint / "flipbot.json", "run `export`")
    need(args.picture, "name a picture")
    make_examples(args.checkpoint, args.picture, args.output, args.sections)


def _resume(args: argparse.Namespace) -> None:
    from gen.train.export import resume

    need(args.checkpoint / "flipbot.json", "name a checkpoint with --checkpoint")
    resume(args.checkpoint, args.work, encoder=args.encoder)


def _all(args: argparse.Namespace) -> None:
    args.linear_minutes = args.minutes * 0.05
    args.still_minutes, args.clip_minutes = args.minutes * 0.15, args.minutes * 0.1
    args.keep, args.trained, args.understands, args.on, args.steps = 400, False, [], False, 1200
    args.rate = 2e-3
    args.least = ENOUGH
    args.note = "Trained, but not measured yet: flipbot bench tiny tells what it can do."
    for step, minutes in ((_data, 0.0), (_text, 0.0), (_vae, 0.0), (_clips, 0.1), (_transformer, 0.6), (_export, 0.0)):
        step(argparse.Namespace(**vars(args) | {"minutes": args.minutes * minutes}))


STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "all": _all,
    "untrained": _untrained,
    "data": _data,
    "text": _text,
    "unheard": _unheard,
    "vae": _vae,
    "clips": _clips,
    "transformer": _transformer,
    "export": _export,
    "sheet": _sheet,
    "examples": _examples,
    "resume": _resume,
}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run one step of the making."""
    parser = argparse.ArgumentParser(prog="python -m gen.train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    untrained = commands.add_parser("untrained", help="write a checkpoint with random weights")
    untrained.add_argument("directory", type=Path)
    untrained.add_argument("--seed", type=int, default=0)
    everything = commands.add_parser("all", help="steps 1 to 6, one after the other")
    everything.add_argument("--minutes", type=float, default=360.0, help="for all of it")
    data = commands.add_parser("data", help="1: gather the pictures that are installed here")
    data.add_argument("--least", type=int, default=ENOUGH, help="go on with so few photographs (default: %(default)s)")
    text = commands.add_parser("text", help="2: make the encoders, and train the two for text")
    text.add_argument(
        "--on", action="store_true", help="train those on that are there: the transformer knows their states"
    )
    text.add_argument("--steps", type=int, default=1200, help="500 are enough to learn new texts with --on")
    text.add_argument("--rate", type=float, default=2e-3, help="of learning, at its highest; less forgets less")
    commands.add_parser("unheard", help="which prompts the text encoders misread, of those that are never trained on")
    vae = commands.add_parser("vae", help="3: train the VAE, or go on; then write it to the checkpoint")
    vae.add_argument("--linear-minutes", type=float, default=10.0, help="for the linear code it begins with")
    vae.add_argument("--still-minutes", type=float, default=40.0, help="learning from stills, earlier runs included")
    vae.add_argument("--clip-minutes", type=float, default=20.0, help="then from stills and clips")
    clips = commands.add_parser("clips", help="4: render films and encode them; runs beside step 5")
    clips.add_argument("--minutes", type=float, default=60.0)
    clips.add_argument("--keep", type=int, default=400, help="shards of 16 films that are kept, the newest")
    flow = commands.add_parser("transformer", help="5: train the transformer, or go on")
    flow.add_argument("--minutes", type=float, default=120.0, help="the whole budget, earlier runs included")
    export = commands.add_parser("export", help="6: write transformer and card to the checkpoint")
    export.add_argument("--trained", action="store_true", help="say on the card that it does what it lists")
    export.add_argument(
        "--understands", nargs="*", choices=EFFECTS, default=[], help="effects that pass `flipbot bench tiny`"
    )
    export.add_argument("--note", default="", help="what the card tells people (default: NOTE of export.py)")
    sheet = commands.add_parser("sheet", help="films of the held-out photographs as one picture to look at")
    sheet.add_argument("output", type=Path)
    sheet.add_argument("--sections", type=int, default=4)
    sheet.add_argument("--photos", nargs="*", default=[], help="names of held-out photographs, default all")
    examples = commands.add_parser("examples", help="7: a film for each effect of the card, and their sheet")
    examples.add_argument("--picture", type=Path, default=Path(__file__).parents[2] / "examples" / "photo.jpg")
    examples.add_argument("--output", type=Path, default=Path(__file__).parents[2] / "docs" / "tiny.png")
    examples.add_argument("--sections", type=int, default=4)
    resume = commands.add_parser("resume", help="begin a working folder from a checkpoint's weights")
    resume.add_argument("--encoder", action="store_true", help="train the VAE's encoder on, too (on stills)")
    for command in commands.choices.values():
        command.add_argument("--work", type=Path, default=WORK, help="folder of the training state")
        command.add_argument("--checkpoint", type=Path, help="folder of the checkpoint (default: WORK/checkpoint)")
    for command in (everything, vae, clips, flow):
        command.add_argument("--device", default="cpu", help="cpu or cuda")
        command.add_argument("--many", type=int, default=1, help="times the batch; 8 to 16 on a GPU")
    resume.description = "Then go on with data, clips and transformer."
    args = parser.parse_args(arguments)
    args.checkpoint = args.checkpoint or args.work / "checkpoint"
    try:
        _device(getattr(args, "device", "cpu"))
        STEPS[args.command](args)
    except Unready as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _device(name: str) -> None:
    """See that there is such a device, before minutes of work."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number or "0").isdecimal():
        raise Unready(f"--device is cpu or cuda, not {name}.")
    if kind == "cuda":
        import torch

        if torch.cuda.device_count() <= int(number or 0):
            raise Unready(f"There is no {name} here: PyTorch sees {torch.cuda.device_count()} cards.")


if __name__ == "__main__":
    sys.exit(main())
