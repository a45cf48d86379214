"""What the engine can fail at.

GenError
├── CheckpointMissing (FolderMissing), CheckpointIncomplete, CheckpointCorrupt, UnknownModel
├── SamplingNotSupported, SizeNotSupported, BadPlan, OtherModel
├── PictureUnreadable, EncoderFailed, TextEncoderDied, SectionsMissing, SectionLost
├── DeviceMissing, OutOfMemory, TooLittleMemory (TooLargeSize), MemoryTaken, BadPrecision
├── DiskFull, NanLatents, LimitTooSmall
├── LoraUnusable, AttentionMissing, PreviewUnusable
├── CheckUnusable, PictureHeldBack, FilmHeldBack
├── DownloadFailed
│   ├── HubUnreachable (HubOffline, BadEndpoint, BadProxy, SocksMissing, NoHub)
│   └── NoSuchDownload, DownloadBusy, HubRefused (TokenRefused), HubLacks (NoRepository, CommitGone), CopyLacks,
│       WrongBytes, NoRoom, FileTooLarge
└── Cancelled

An error carries facts, and chats make a sentence of its reason and these. Logs and operators read its own: str(error)
is the English one, error.said() what bot/words can translate. A fact that is a sentence, or a part of one, is made by
`said`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from db.said import Said, said

# How torch and its libraries say that memory ran out, where they have no type for it: a CPU's allocator, the driver and
# CUDA's kernels, cuBLAS, and cuDNN, which drops each kernel whose workspace does not fit until none is left
NO_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "unable to find an engine")


class GenError(Exception):
    """Something the engine could not do; `facts` are plain JSON values that a sentence can be made of."""

    reason: ClassVar[str] = "engine_failed"
    text: ClassVar[str] = "The engine failed."

    def __init__(self, **facts: object) -> None:
        super().__init__(facts)
        self.facts = facts

    def said(self) -> Said:
        """The sentence, which can be said in other languages."""
        try:
            return said(self.text, **self.facts)
        except (KeyError, IndexError):  # a fact is absent: the reason and what is there say more than nothing
            return Said(f"{self.reason} {self.facts}" if self.facts else self.reason)

    def __str__(self) -> str:
        return str(self.said())


class CheckpointMissing(GenError):
    """The weights are not on this machine."""

    reason = "checkpoint_missing"  # facts: name, where
    text = "The weights of {name} are not here ({where}); fetch them with `flipbot download {name}`."


class FolderMissing(CheckpointMissing):
    """The folder of a checkpoint of one's own is not there; chats hear no more than that the weights are not."""

    text = "There is no folder {name}; [model] name takes {known}, or the path of a checkpoint's folder."


class CheckpointIncomplete(GenError):
    """A file of the checkpoint is not there."""

    reason = "checkpoint_incomplete"  # facts: file
    text = "The checkpoint is incomplete: {file} is not there; fetch or copy it again."


class CheckpointCorrupt(GenError):
    """A file of the checkpoint is there and cannot be used."""

    reason = "checkpoint_corrupt"  # facts: file, why
    text = "The checkpoint is damaged: {file} {why}; fetch or copy it again."


class UnknownModel(GenError):
    """No model has this name, and no folder does."""

    reason = "unknown_model"  # facts: name, known
    text = "There is no model {name}; known are {known}, or the path of a checkpoint's folder."


class SamplingNotSupported(GenError):
    """The checkpoint was not made for this order of sections."""

    reason = "sampling_not_supported"  # facts: asked, known
    text = "This checkpoint cannot sample in the order {asked}; it knows {known}."


class SizeNotSupported(GenError):
    """The checkpoint has no such size."""

    reason = "size_not_supported"  # facts: asked, known
    text = "This checkpoint has no size {asked}; [model] size, and that of each quality, can be {known}."


class BadPlan(GenError):
    """A plan says something no section could be made from."""

    reason = "bad_plan"  # facts: key, got, expected
    text = "The plan's {key} is {got}; expected was {expected}."


class OtherModel(GenError):
    """A film cannot be gone on with: another checkpoint made what is kept of it."""

    reason = "other_model"  # facts: made, loaded
    text = "This film was made by {made}, and {loaded} is loaded; only the same one can go on with it."


class PictureUnreadable(GenError):
    """The picture is no picture that Pillow can give the pixels of."""

    reason = "picture_unreadable"
    text = "The picture cannot be read; try another one, as PNG or JPEG."


class EncoderFailed(GenError):
    """The prompt or the picture could not be encoded (or the film: the encoder that makes the file)."""

    reason = "encoder_failed"  # facts: what
    text = "Encoding failed: {what}."


class TextEncoderDied(GenError):
    """The process that encodes prompts ended without an answer, more than once."""

    reason = "text_encoder_died"  # facts: status
    text = "The process that reads prompts ended with status {status}, again and again; it may lack memory."


class SectionsMissing(GenError):
    """Earlier sections that the next one continues from were not handed over."""

    reason = "sections_missing"  # facts: got, least
    text = "The latents of {got} earlier sections are here; {least} are needed to go on."


class SectionLost(GenError):
    """The file of a finished section is gone or damaged."""

    reason = "section_lost"  # facts: file, n
    text = "The file of a finished section, {file}, is gone or damaged."


class DeviceMissing(GenError):
    """The device asked for is not in this machine, or torch cannot use it."""

    reason = "device_missing"  # facts: device
    text = "The device {device} cannot be used here; say `cpu`, or look at `flipbot doctor`."


class OutOfMemory(GenError):
    """The device's memory did not suffice."""

    reason = "out_of_memory"  # facts: doing
    text = "The memory ran out while {doing}; try a smaller size."


class TooLittleMemory(GenError):
    """The checkpoint cannot work in the memory there is; said before anything is loaded."""

    reason = "too_little_memory"  # facts: kind, precision, need, have, ways
    text = "This model needs {need} GiB of {kind} even in {precision}, and {have} GiB may be taken; {ways}."


class TooLargeSize(TooLittleMemory):
    """A smaller size would fit; chats hear no more than that the memory does not do."""

    text = (
        "At {asked} the model needs {need} GiB of {kind} even in {precision}, and {have} GiB may be taken. "
        'It fits at {fits} (write size = "{fits}" under [model]), or close what else uses the memory.'
    )  # facts: those, asked, fits


class MemoryTaken(GenError):
    """The checkpoint could work in the memory there is, but other programs hold too much of it now."""

    reason = "memory_taken"  # facts: kind, precision, need, have; card, as gen/driver.py knows it
    text = (
        "Other programs hold too much memory now: {need} GiB of {kind} are needed ({precision}), and {have} GiB can be "
        "had. Films wait until more is free."
    )


class BadPrecision(GenError):
    """The precision that is configured cannot be had on this machine."""

    reason = "bad_precision"  # facts: precision, why
    text = "[model] precision {precision} does not work here: {why}."


class DiskFull(GenError):
    """No room was left for a file."""

    reason = "disk_full"  # facts: where
    text = "The disk is full ({where}); free some room."


class NanLatents(GenError):
    """The model gave numbers that are none."""

    reason = "nan_latents"  # facts: n
    text = "Section {n} came out as no numbers (NaN); the weights or the precision do not fit this device."


class LoraUnusable(GenError):
    """A LoRA of the configuration cannot be merged."""

    reason = "lora_unusable"  # facts: file, why
    text = "The LoRA {file} {why}. Take it out of [model] loras, or give another file."


class AttentionMissing(GenError):
    """The attention kernel that the configuration names cannot be used here."""

    reason = "attention_missing"  # facts: name, why
    text = "[model] attention is {name}, but {why}; set it to auto, or mend that."


class CheckUnusable(GenError):
    """What is to look at pictures first cannot: then no film is made."""

    reason = "check_unusable"  # facts: file, why
    text = "[safety] image_check cannot be used: {file} {why}. Mend that, or take it out."


class PictureHeldBack(GenError):
    """The owner's classifier holds the picture back."""

    reason = "picture_held_back"
    text = "The picture is held back by the owner's classifier."


class FilmHeldBack(GenError):
    """The owner's classifier holds back what was made of the picture."""

    reason = "film_held_back"
    text = "The section is held back by the owner's classifier."


class DownloadFailed(GenError):
    """Weights could not be fetched; what is here already stays."""

    reason = "download_failed"  # facts: what
    text = "The download failed: {what}."


class NoSuchDownload(DownloadFailed):
    """Nothing is known to fetch under this name."""

    reason = "no_such_download"  # facts: name, known
    text = "There is no download called {name}; there are {known}. tiny needs none: it comes with Flipbot."


class DownloadBusy(DownloadFailed):
    """Another download is at work in the same folder."""

    reason = "download_busy"  # facts: where
    text = "Another download is at work in {where}. Wait until it has ended, and run the same command again."


class HubUnreachable(DownloadFailed):
    """The hub does not answer, or not sensibly."""

    reason = "hub_unreachable"  # facts: where, why
    text = "{where} cannot be reached ({why}). Run the same command again later: it goes on where it stopped."


class HubOffline(HubUnreachable):
    """The environment forbids asking."""

    reason = "hub_offline"  # facts: where
    text = "HF_HUB_OFFLINE is set, so {where} is not asked. Unset it, and run the same command again."


class BadEndpoint(HubUnreachable):
    """HF_ENDPOINT is no address."""

    reason = "bad_endpoint"  # facts: where
    text = "HF_ENDPOINT is {where}, which is no address of a hub: one begins with https:// or http://. Or unset it."


class BadProxy(HubUnreachable):
    """The environment names a proxy of no kind that is known."""

    reason = "bad_proxy"  # facts: where
    text = (
        "{where} cannot be reached: ALL_PROXY, HTTPS_PROXY or HTTP_PROXY is no proxy's address. One begins with "
        "http://, https://, socks5:// or socks5h:// (socks:// is written socks5h://). Change it, or unset it."
    )


class SocksMissing(HubUnreachable):
    """The environment names a SOCKS proxy, and what speaks with one is not installed."""

    reason = "socks_missing"  # facts: where
    text = (
        "{where} cannot be reached: ALL_PROXY, HTTPS_PROXY or HTTP_PROXY is a SOCKS proxy, which takes a package "
        "that is not here. Run `pip install socksio`, or unset it."
    )


class NoHub(HubUnreachable):
    """Something answers that is no hub."""

    reason = "no_hub"  # facts: where
    text = (
        "What answers at {where} is no hub. It may be this network's login page: open {where} in a browser, log in, "
        "and run the same command again. Or HF_ENDPOINT names another server."
    )


class HubRefused(DownloadFailed):
    """The hub wants to know who asks."""

    reason = "hub_refused"  # facts: repo, where
    text = (
        "The hub does not hand out {repo} to just anybody. Accept its terms on {where} with an account of yours, "
        "log in here with `hf auth login` (or set HF_TOKEN), and run the same command again."
    )


class TokenRefused(HubRefused):
    """The hub wants to know who asks, and the token here is of nobody any more."""

    reason = "token_refused"  # facts: repo, where
    text = (
        "{where} does not accept the token (HF_TOKEN, or that of `hf auth login`), and does not hand out {repo} "
        "without one. Renew it, or take it away: unset HF_TOKEN, or run `hf auth logout`."
    )


class HubLacks(DownloadFailed):
    """A file, a commit or a repository is not there."""

    reason = "hub_lacks"  # facts: where, file
    text = "{where} has not got {file}. It may have been moved; a copy of your own can be given with `--from DIR`."


class CommitGone(HubLacks):
    """The repository is there, and the commit is not any more."""


class NoRepository(HubLacks):
    """The whole repository is not there, or not for everybody."""

    reason = "no_repository"  # facts: repo, where
    text = (
        "There is no repository {repo} on {where}, or not for everybody. It may have been moved; a copy of your own "
        "can be given with `--from DIR`."
    )


class CopyLacks(DownloadFailed):
    """The folder of --from has not got a part."""

    reason = "copy_lacks"  # facts: where, file, repo
    text = (
        "In {where} is no {file} of {repo}. Run the same command without `--from` for the rest. `--from` takes a "
        "Hugging Face cache, FramePack's folder, another models folder, clones of the repositories, or a checkpoint in "
        "diffusers' layout."
    )


class WrongBytes(DownloadFailed):
    """A file's size or hash is not what the hub says of it."""

    reason = "wrong_bytes"  # facts: file, where
    text = (
        "{file} from {where} is not what it should be: its size or its hash differs. Nothing of it was kept; run the "
        "same command again, or take another copy."
    )


class NoRoom(DownloadFailed):
    """The disk is too small for what is still to come."""

    reason = "no_room"  # facts: where, needed, free
    text = (
        "There is not enough room in {where}: {needed:.1f} GiB are needed and {free:.1f} GiB are free. Free some, "
        "or set [model] models_dir to a folder on another disk."
    )


class FileTooLarge(DownloadFailed):
    """The disk has room and takes no file as large."""

    reason = "file_too_large"  # facts: where
    text = (
        "The disk of {where} takes no files of that size (is it FAT32, which ends at 4 GiB?). Set [model] models_dir "
        "to a folder on another disk, or format this one as exFAT or NTFS."
    )


class PreviewUnusable(GenError):
    """The decoder of previews cannot be used; films are made without it."""

    text = "[model] preview_decoder: {file} {why}. Previews are rough ones instead; films are the same."


class LimitTooSmall(GenError):
    """No film of that length that is still one fits into so few bytes."""

    reason = "limit_too_small"  # facts: limit_mib, seconds
    text = "A film of {seconds} s does not fit into {limit_mib} MiB, however small its picture."


class Cancelled(GenError):
    """Raised by a caller's on_step to end a section; nothing of it is kept."""

    reason = "cancelled"
    text = "Cancelled."


def ran_out(error: BaseException) -> bool:
    """Whether memory ran out, on whichever device."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)


@contextmanager
def memory(doing: Said) -> Iterator[None]:
    """Where memory runs out, say what was being done. raises: OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if ran_out(error):
            raise OutOfMemory(doing=doing) from error
        raise


def unfit(what: str, name: str) -> Said:
    """Why weights cannot be used that are not those of their config."""
    return said("does not fit its config ({what}: {name})", what=what, name=name)


def by_reason(reason: str) -> type[GenError] | None:
    """The kind of error with this reason."""
    return next((kind for kind in GenError.__subclasses__() if kind.reason == reason), None)


def first_line(error: Exception) -> str:
    """The first line of an error's text that says something; empty where none does."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
