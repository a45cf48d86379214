"""Downloads from a hub on loopback, through the real client, on its good and bad days; and from copies."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session
from PIL import Image

from gen import hub as hubs
from gen.card import PRESETS, find_checkpoint
from gen.config import ModelConfig
from gen.doctor import plan, weights
from gen.engine import Engine
from gen.errors import (
    BadEndpoint,
    BadProxy,
    CheckpointCorrupt,
    CheckpointIncomplete,
    CheckpointMissing,
    CopyLacks,
    DiskFull,
    DownloadBusy,
    DownloadFailed,
    FileTooLarge,
    HubLacks,
    HubOffline,
    HubRefused,
    HubUnreachable,
    NoHub,
    NoRepository,
    NoRoom,
    NoSuchDownload,
    SocksMissing,
    TokenRefused,
    WrongBytes,
)
from gen.files import MANIFEST, Manifest, check, faults
from gen.hub import Fetched, Patience, download
from gen.plan import make_plan
from gen.sources import HUNYUAN, REDUX, SOURCES, home_of
from gen.weights import load
from tests.fakes.hub import COMMIT, Hub, Repo, serve, sha256
from tests.fakes.hub_golden import F1, hub_of_golden

MODEL = "framepack-f1"
SHARD = "diffusion_pytorch_model-00002-of-00003.safetensors"
QUICK = Patience(tries=3, wait_s=0.01)


class Seen:
    """What a watcher was told."""

    def __init__(self) -> None:
        self.total = 0
        self.done: list[int] = []
        self.checked: list[str] = []

    def begin(self, total: int) -> None:
        self.total = total

    def at(self, done: int, file: str) -> None:
        self.done.append(done)

    def checking(self, file: str) -> None:
        self.checked.append(file)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)  # what is kept of a broken answer
    close_session()  # it remembers the proxies of an earlier test
    with serve(hub_of_golden()) as served:
        yield served
    close_session()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def fetch(hub: Hub, models: Path, seen: Seen | None = None) -> Fetched:
    return download(MODEL, models, seen or Seen(), endpoint=hub.url, patience=QUICK)


def test_what_is_needed_is_fetched_and_nothing_else(hub: Hub, models: Path) -> None:
    seen = Seen()
    done = fetch(hub, models, seen)
    assert done.total == done.fetched == seen.total == seen.done[-1]
    assert seen.done == sorted(seen.done)
    assert {path.name for path in models.iterdir() if path.is_dir()} == {home_of(repo) for repo in (F1, HUNYUAN, REDUX)}
    there = {path.name for path in (models / home_of(HUNYUAN) / "text_encoder").iterdir()}
    assert "model-00003-of-00003.safetensors" not in there
    assert done.skipped == ["model-00003-of-00003.safetensors"]
    assert list(done.unread) == ["model-00002-of-00003.safetensors"]
    assert done.unproven == []
    assert not (models / home_of(HUNYUAN) / "transformer").exists()
    assert not list(models.rglob("*.part"))
    asked = [path for method, path, _ in hub.asked if method == "GET"]
    assert not [path for path in asked if "README" in path or "image_embedder" in path]
    check(find_checkpoint(MODEL, models))
    assert find_checkpoint(MODEL, models).card == PRESETS[MODEL]
    assert faults(MODEL, models) == []


def test_what_was_fetched_is_loaded_and_makes_a_section(hub: Hub, models: Path, picture: Image.Image) -> None:
    fetch(hub, models)
    checkpoint = find_checkpoint(MODEL, models)
    engine = Engine(load(checkpoint), checkpoint.card)
    whole = make_plan(checkpoint.card, picture_size=picture.size, seconds=1, prompts=[(0.0, "A red boat.")], seed=1)
    plan = replace(whole, width=48, height=32, steps=2)  # the card's own sizes are for more than a test
    conditioning = engine.encode(plan, picture)
    latents = engine.sample(plan, conditioning, [], 0)
    assert latents.shape == (1, 16, 9, 4, 6)
    final, provisional, _ = engine.decode(plan, conditioning, [latents], 0)
    assert (len(final) + len(provisional), plan.model) == (37, PRESETS[MODEL].identity)


def test_the_commit_and_the_hashes_are_written_down_and_kept_to(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    manifest = Manifest.read(models / home_of(F1), F1)
    assert manifest.revision == COMMIT
    assert manifest.files[SHARD]["sha256"] == sha256(hub.repos[F1].files[SHARD])
    (models / home_of(F1) / SHARD).unlink()
    hub.repos[F1] = Repo({}, commit="f" * 40)  # somebody began anew: nothing is mixed
    with pytest.raises(HubLacks):
        fetch(hub, models)


def test_where_the_commit_is_gone_the_newest_is_taken_and_what_is_the_same_kept(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    files = {**hub.repos[F1].files}
    config = "config.json"
    files[config] = files[config].replace(b"FramepackTransformer3DModel", b"FramepackTransformer3DMODEL")
    assert len(files[config]) == len(hub.repos[F1].files[config])
    hub.repos[F1] = Repo(files, commit="f" * 40)
    hub.asked.clear()
    done = fetch(hub, models)
    assert done.moved == [F1]
    assert done.fetched == len(files[config])
    assert not hub.downloads(SHARD)
    assert (models / home_of(F1) / config).read_bytes() == files[config]
    assert Manifest.read(models / home_of(F1), F1).revision == "f" * 40
    assert fetch(hub, models).moved == []


def test_a_second_download_fetches_nothing(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    sent, seen = hub.sent, Seen()
    asked = len(hub.asked)
    done = fetch(hub, models, seen)
    assert done.fetched == 0
    assert seen.checked == []
    assert seen.done[-1] == done.total
    assert {path.split("/")[1] for _, path, _ in hub.asked[asked:]} == {"api"}
    assert hub.sent - sent < 20_000  # three listings


def test_the_other_model_shares_what_is_common(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    hub.repos[SOURCES["framepack"]["transformer"].repo] = hub.repos[F1]
    done = download("framepack", models, Seen(), endpoint=hub.url, patience=QUICK)
    assert done.fetched == sum(
        len(data) for name, data in hub.repos[F1].files.items() if name.endswith((".safetensors", ".json"))
    )
    check(find_checkpoint("framepack", models))


def test_a_connection_that_breaks_is_gone_on_with(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["break"]
    fetch(hub, models)
    half = len(hub.repos[F1].files[SHARD]) // 2
    assert hub.downloads(SHARD) == ["", f"bytes={half - half % 4096}-"]
    check(find_checkpoint(MODEL, models))


def test_a_process_that_was_killed_goes_on_where_it_stopped(hub: Hub, models: Path) -> None:
    data = hub.repos[F1].files[SHARD]

    class Killed(BaseException):
        pass

    class Watching(Seen):
        def at(self, done: int, file: str) -> None:
            if file == SHARD:
                raise Killed

    with pytest.raises(Killed):
        fetch(hub, models, Watching())
    # What a kill in the middle leaves behind: some of the bytes
    (part,) = models.rglob(f".{SHARD}*.part")
    part.write_bytes(data[:1000])
    hub.asked.clear()
    done = fetch(hub, models)
    assert hub.downloads(SHARD) == ["bytes=1000-"]
    assert (models / home_of(F1) / SHARD).read_bytes() == data
    assert done.total > 0


def test_a_second_download_at_the_same_time_is_refused_and_harms_nothing(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["hold"]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch, hub, models)
        assert hub.held.wait(60)
        with pytest.raises(DownloadBusy, match=r"Another download is at work in .*models"):
            fetch(hub, models)
        hub.let_go.set()
        first.result(60)
    assert (models / home_of(F1) / SHARD).read_bytes() == hub.repos[F1].files[SHARD]
    assert fetch(hub, models).fetched == 0


def test_a_wrong_byte_is_noticed_and_the_file_fetched_again(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["flip"]
    fetch(hub, models)
    assert hub.downloads(SHARD) == ["", ""]
    assert (models / home_of(F1) / SHARD).read_bytes() == hub.repos[F1].files[SHARD]


def test_a_small_file_is_checked_too(hub: Hub, models: Path) -> None:
    hub.wrong["vae/config.json"] = ["flip", "flip"]
    with pytest.raises(WrongBytes, match=r"vae/config\.json"):
        fetch(hub, models)


def test_a_file_that_stays_wrong_is_refused_and_not_kept(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["flip", "flip"]
    with pytest.raises(WrongBytes, match=SHARD):
        fetch(hub, models)
    assert not (models / home_of(F1) / SHARD).exists()
    assert not list(models.rglob("*.part"))


def test_a_file_that_is_short_is_completed(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["short"]
    fetch(hub, models)
    assert hub.downloads(SHARD) == ["", f"bytes={len(hub.repos[F1].files[SHARD]) - 1}-"]


def test_a_size_that_contradicts_the_listing_is_refused(hub: Hub, models: Path) -> None:
    hub.wrong_size.add(SHARD)
    with pytest.raises(WrongBytes, match=SHARD):
        fetch(hub, models)


def test_a_busy_hub_is_asked_again(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["503", "503"]
    hub.down = [503]
    fetch(hub, models)
    assert len(hub.downloads(SHARD)) == 3


def test_a_signed_address_that_ran_out_is_asked_for_anew(hub: Hub, models: Path) -> None:
    hub.wrong[SHARD] = ["break", "403"]
    fetch(hub, models)
    asked = [(method, path.split("/")[1] == "lfs") for method, path, _ in hub.asked if path.endswith(SHARD)]
    assert asked == [("HEAD", False), ("GET", True), ("GET", True), ("HEAD", False), ("GET", True)]
    (models / home_of(F1) / SHARD).unlink()
    hub.wrong[SHARD] = ["403"] * 99
    with pytest.raises(HubUnreachable, match="it answered 403"):
        fetch(hub, models)


def test_a_hub_that_stays_away_is_said_in_a_sentence(hub: Hub, models: Path) -> None:
    hub.down = [500] * 99
    with pytest.raises(HubUnreachable, match=r"500.*goes on where it stopped"):
        fetch(hub, models)
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        download(MODEL, models, Seen(), endpoint="http://127.0.0.1:9", patience=QUICK)


def test_offline_is_said(hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubOffline, match="Unset it"):
        fetch(hub, models)


@pytest.mark.parametrize(
    ("proxy", "kind", "do"),
    [
        ("socks://127.0.0.1:9", BadProxy, "socks5h://"),
        ("http://127.0.0.1:port", BadProxy, "unset"),
        ("socks5://127.0.0.1:9", SocksMissing, "pip install socksio"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_said(
    hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, kind: type[HubUnreachable], do: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(kind, match=do):
        fetch(hub, models)


@pytest.mark.parametrize("said", [b"<html>Welcome to our hotel", b"{}", b"[]", b'{"id": "a/b", "siblings": [{}]}'])
def test_an_answer_that_is_no_hubs_is_said(hub: Hub, models: Path, said: bytes) -> None:
    hub.said = said
    with pytest.raises(NoHub, match="login page"):
        fetch(hub, models)


@pytest.mark.parametrize("endpoint", ["hf-mirror.com", "ftp://hf-mirror.com", "http://127.0.0.1:port"])
def test_an_endpoint_that_is_no_address_is_said_at_once(hub: Hub, models: Path, endpoint: str) -> None:
    with pytest.raises(BadEndpoint, match=f"HF_ENDPOINT is {endpoint}"):
        download(MODEL, models, Seen(), endpoint=endpoint, patience=Patience(tries=99, wait_s=60))


def test_a_token_that_cannot_be_sent_keeps_nothing_public_away(
    hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_пароль")
    fetch(hub, models)
    assert not [path for path, sent in hub.tokens if sent]


def test_the_library_itself_says_nothing(hub: Hub, models: Path, caplog: pytest.LogCaptureFixture) -> None:
    hub.wrong[SHARD] = ["503", "break"]
    fetch(hub, models)
    assert not [record for record in caplog.records if record.name.startswith("huggingface_hub")]


def test_a_file_that_is_not_there_any_more_is_named(hub: Hub, models: Path) -> None:
    del hub.repos[HUNYUAN].files["vae/diffusion_pytorch_model.safetensors"]
    with pytest.raises(HubLacks, match=r"vae/diffusion_pytorch_model\.safetensors"):
        fetch(hub, models)
    hub.wrong[SHARD] = ["404"]
    (models / home_of(F1) / SHARD).unlink(missing_ok=True)
    with pytest.raises(HubLacks):
        fetch(hub, models)


def test_a_gated_repository_asks_for_a_login_and_gets_the_token(
    hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos[REDUX].gated = True
    with pytest.raises(HubRefused, match=r"flux_redux_bfl.*hf auth login"):
        fetch(hub, models)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    fetch(hub, models)
    assert [path for path, sent in hub.tokens if sent]
    assert not [path for path, sent in hub.tokens if sent and "/lfs/" in path]  # another host does not see it
    assert faults(MODEL, models) == []


def test_an_expired_token_keeps_nothing_public_away(hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_last_year")
    fetch(hub, models)
    assert len([path for path, sent in hub.tokens if sent]) == 1
    hub.repos[REDUX].gated = True
    with pytest.raises(TokenRefused, match=r"does not accept the token.*unset HF_TOKEN"):
        fetch(hub, models)


def test_a_repository_that_is_not_there_is_said(hub: Hub, models: Path) -> None:
    del hub.repos[REDUX]
    with pytest.raises(NoRepository, match=f"There is no repository {REDUX}"):
        fetch(hub, models)


def test_a_disk_that_is_too_small_is_said_before(hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(models.parent)
    monkeypatch.setattr(hubs.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(NoRoom, match=r"1\.0 GiB are needed and 0\.0 GiB are free.*models_dir"):
        fetch(hub, models)
    assert not hub.downloads(SHARD)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_or_quota_that_fills_up_is_said(hub: Hub, models: Path, number: int) -> None:
    class Full(Seen):
        def at(self, done: int, file: str) -> None:
            raise OSError(number, "No space left on device")

    with pytest.raises(DiskFull):
        fetch(hub, models, Full())


def test_a_disk_that_takes_no_large_files_is_said(hub: Hub, models: Path) -> None:
    class Small(Seen):
        def at(self, done: int, file: str) -> None:
            raise OSError(errno.EFBIG, "File too large")

    with pytest.raises(FileTooLarge, match=r"takes no files of that size.*FAT32"):
        fetch(hub, models, Small())


def test_an_unknown_model_is_answered_with_those_there_are(models: Path) -> None:
    with pytest.raises(NoSuchDownload, match="framepack, framepack-f1"):
        download("tiny", models, Seen())


def test_a_folder_that_may_not_be_written_to_is_said(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadFailed, match="file"):
        fetch(hub, tmp_path / "file" / "models")


# From a copy


def from_copy(folder: Path, models: Path) -> Fetched:
    return download(MODEL, models, Seen(), source=folder)


def test_another_models_dir_is_linked_and_checked(hub: Hub, models: Path, tmp_path: Path) -> None:
    fetch(hub, models)
    done = from_copy(models, tmp_path / "new")
    assert done.unproven == []
    assert faults(MODEL, tmp_path / "new") == []
    shard = tmp_path / "new" / home_of(F1) / SHARD
    assert shard.samefile(models / home_of(F1) / SHARD)
    assert Manifest.read(tmp_path / "new" / home_of(F1), F1).revision == COMMIT


@pytest.mark.parametrize("stopped_at", ["sha256", "link"])
def test_a_copy_that_was_being_checked_is_never_written_into(
    hub: Hub, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: str
) -> None:
    fetch(hub, models)
    shutil.copytree(models, tmp_path / "copy")
    shard = tmp_path / "copy" / home_of(F1) / SHARD
    shard.write_bytes(shard.read_bytes()[:-1000])
    (tmp_path / "copy" / home_of(F1) / MANIFEST).unlink()
    cut = shard.read_bytes()

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    class Watching(Seen):
        def checking(self, file: str) -> None:
            if file == SHARD:
                patch.setattr(hubs.hashlib if stopped_at == "sha256" else hubs.os, stopped_at, killed)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        download(MODEL, tmp_path / "new", Watching(), source=tmp_path / "copy")
    assert not [path for path in (tmp_path / "new").rglob("*") if path.name.startswith(f".{SHARD}")]
    download(MODEL, tmp_path / "new", Seen(), endpoint=hub.url, patience=QUICK)
    assert shard.read_bytes() == cut


def test_a_copy_with_a_wrong_byte_is_refused(hub: Hub, models: Path, tmp_path: Path) -> None:
    fetch(hub, models)
    path = models / home_of(F1) / SHARD
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(WrongBytes, match=SHARD):
        from_copy(models, tmp_path / "new")
    assert not (tmp_path / "new" / home_of(F1) / SHARD).exists()
    fetch(hub, models)  # and a download mends it
    assert faults(MODEL, models) == []
    assert path.read_bytes() == hub.repos[F1].files[SHARD]


@pytest.mark.parametrize("within", ["hub", "hf_download/hub"])
def test_a_hub_cache_is_taken_from_by_its_blobs(hub: Hub, models: Path, tmp_path: Path, within: str) -> None:
    copied = tmp_path / "hub-cache"
    cache = copied / within
    for repo, kept in hub.repos.items():
        root = cache / f"models--{home_of(repo)}"
        (root / "blobs").mkdir(parents=True)
        for name, data in kept.files.items():
            link = root / "snapshots" / COMMIT / name
            link.parent.mkdir(parents=True, exist_ok=True)
            blob = root / "blobs" / sha256(data)
            blob.write_bytes(data)
            link.symlink_to(os.path.relpath(blob, link.parent))
    done = from_copy(copied, models)
    assert done.unproven == []
    assert faults(MODEL, models) == []
    shard = models / home_of(F1) / SHARD
    assert not shard.is_symlink()
    blob = cache / f"models--{home_of(F1)}" / "blobs" / sha256(hub.repos[F1].files[SHARD])
    assert shard.samefile(blob)
    blob.write_bytes(b"\0" * blob.stat().st_size)
    shutil.rmtree(models)
    with pytest.raises(WrongBytes):
        from_copy(copied, models)


def test_a_plain_checkpoint_folder_is_taken_and_its_hashes_written_down(
    hub: Hub, models: Path, tmp_path: Path, checkpoint: object
) -> None:
    plain = tmp_path / "plain"
    for part in SOURCES[MODEL]:
        (plain / part).mkdir(parents=True)
    golden = Path(__file__).parents[1] / "golden"
    for kind in ("weights", "encoders"):
        shutil.copytree(golden / kind, plain, dirs_exist_ok=True)
    done = from_copy(plain, models)
    assert len(done.unproven) > 5
    assert faults(MODEL, models) == []
    (plain / "vae" / "config.json").unlink()
    with pytest.raises(CopyLacks, match=r"is no vae/config\.json of hunyuanvideo-community/HunyuanVideo"):
        from_copy(plain, tmp_path / "new")


def bare_copy(models: Path, folder: Path) -> Path:
    """What a person has of the weights who knows no hashes of them."""
    shutil.copytree(models, folder)
    for notes in folder.rglob(MANIFEST):
        notes.unlink()
    return folder


def test_a_copy_whose_shard_is_cut_off_is_not_complete_and_a_better_one_is_taken(
    hub: Hub, models: Path, tmp_path: Path
) -> None:
    fetch(hub, models)
    good, bad = bare_copy(models, tmp_path / "good"), bare_copy(models, tmp_path / "bad")
    shard = bad / home_of(F1) / SHARD
    shard.write_bytes(shard.read_bytes()[:-1000])
    with pytest.raises(CheckpointCorrupt, match=rf"{SHARD} is cut off"):
        from_copy(bad, tmp_path / "new")
    from_copy(good, tmp_path / "new")
    assert faults(MODEL, tmp_path / "new") == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"has_image_proj": true', b'"has_image_proj": false', "another model's transformer.*has_image_proj"),
        (b'"num_layers": 2', b'"num_layers": 3', "does not fit its config"),
    ],
)
def test_a_copy_of_another_models_transformer_is_not_complete(
    hub: Hub, models: Path, tmp_path: Path, old: bytes, new: bytes, why: str
) -> None:
    fetch(hub, models)
    good, bad = bare_copy(models, tmp_path / "good"), bare_copy(models, tmp_path / "bad")
    config = bad / home_of(F1) / "config.json"
    assert old in config.read_bytes()
    config.write_bytes(config.read_bytes().replace(old, new))
    with pytest.raises(CheckpointCorrupt, match=why):
        from_copy(bad, tmp_path / "new")
    from_copy(good, tmp_path / "new")
    assert faults(MODEL, tmp_path / "new") == []


def test_a_copy_with_some_of_the_parts_is_taken_from_and_the_hub_has_the_rest(
    hub: Hub, models: Path, tmp_path: Path
) -> None:
    fetch(hub, models)
    copy = bare_copy(models, tmp_path / "copy")
    shutil.rmtree(copy / home_of(HUNYUAN) / "vae")
    (copy / home_of(F1) / SHARD).unlink()
    new = tmp_path / "new"
    with pytest.raises(CopyLacks, match=rf"{SHARD} of {F1}\. Run the same command without `--from` for the rest"):
        from_copy(copy, new)
    hub.asked.clear()
    fetch(hub, new)
    got = {path.split("/")[-1] for method, path, _ in hub.asked if method == "GET" and "/lfs/" in path}
    assert got == {SHARD, "diffusion_pytorch_model.safetensors"}


def test_parts_that_are_whole_here_need_not_be_in_a_copy(hub: Hub, models: Path, tmp_path: Path) -> None:
    fetch(hub, models)
    total = fetch(hub, models).total
    copy = tmp_path / "copy" / home_of(F1)
    shutil.move(models / home_of(F1), copy)
    done = from_copy(tmp_path / "copy", models)
    assert faults(MODEL, models) == []
    assert done.total == total > done.fetched > 0


def test_where_links_cannot_be_made_it_is_copied(
    hub: Hub, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(hub, models)

    def no_link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(hubs.os, "link", no_link)
    from_copy(models, tmp_path / "new")
    assert not (tmp_path / "new" / home_of(F1) / SHARD).samefile(models / home_of(F1) / SHARD)
    assert faults(MODEL, tmp_path / "new") == []


# What the doctor is told


@pytest.mark.skipif(sys.platform == "win32", reason="of file systems that Unix mounts")
@pytest.mark.parametrize("answer", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_files_cannot_be_locked_a_download_works_all_the_same(
    hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr("fcntl.flock", no_locks)
    fetch(hub, models)
    assert faults(MODEL, models) == []


def test_a_leftover_shard_beside_a_whole_file_takes_nothing_away(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    vae = models / home_of(HUNYUAN) / "vae"
    (vae / "diffusion_pytorch_model-00001-of-00002.safetensors").write_bytes(b"left over")
    assert faults(MODEL, models) == []


def test_every_missing_and_short_file_is_named(hub: Hub, models: Path) -> None:
    with pytest.raises(CheckpointMissing, match=f"flipbot download {MODEL}"):
        find_checkpoint(MODEL, models)
    (missing,) = faults(MODEL, models)
    assert isinstance(missing, CheckpointMissing)
    fetch(hub, models)
    (models / home_of(F1) / SHARD).unlink()
    (models / home_of(HUNYUAN) / "tokenizer" / "tokenizer.json").unlink()
    vae = models / home_of(HUNYUAN) / "vae" / "diffusion_pytorch_model.safetensors"
    vae.write_bytes(vae.read_bytes()[:5000])
    found = faults(MODEL, models)
    assert {type(error) for error in found} == {CheckpointIncomplete, CheckpointCorrupt}
    said = " ".join(map(str, found))
    assert all(name in said for name in (SHARD, "tokenizer.json", "has 5000 bytes of"))
    assert len(found) == 3
    (models / home_of(REDUX) / "image_encoder" / "config.json").unlink()
    assert len(faults(MODEL, models)) == 4


def test_every_file_that_is_gone_or_changed_is_named_and_none_that_never_was(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    hunyuan = models / home_of(HUNYUAN)
    gone = [
        models / home_of(F1) / "diffusion_pytorch_model.safetensors.index.json",
        models / home_of(F1) / SHARD,
        hunyuan / "text_encoder" / "model.safetensors.index.json",
        hunyuan / "tokenizer" / "special_tokens_map.json",
        hunyuan / "tokenizer_2" / "vocab.json",
        hunyuan / "tokenizer_2" / "merges.txt",
    ]
    for path in gone:
        path.unlink()
    other = hunyuan / "vae" / "config.json"
    other.write_bytes(other.read_bytes().replace(b"16", b"17"))
    for path in models.rglob("*"):  # as copies have it that were made without their times
        os.utime(path, (1, 1))
    found = faults(MODEL, models)
    assert {str(error.facts["file"]) for error in found} == set(map(str, [*gone, other]))
    assert len(found) == 7
    assert {error.facts["why"] for error in found if "why" in error.facts} == {"was changed since it was checked"}
    fetch(hub, models)
    assert faults(MODEL, models) == []


def test_without_notes_an_absent_index_is_named_all_the_same(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    index = models / home_of(F1) / "diffusion_pytorch_model.safetensors.index.json"
    index.unlink()
    (models / home_of(F1) / MANIFEST).unlink()
    assert [error.facts["file"] for error in faults(MODEL, models)] == [str(index)]


def test_the_doctor_says_what_to_do_and_nothing_that_does_not_help(models: Path, tmp_path: Path) -> None:
    def said(name: str) -> list[str]:
        model = ModelConfig(name=name, device="cpu", ram_limit_gib=8.0)
        return [each.sentence for each in (*weights(model, models), *plan(model, models)) if each.fine is False]

    unknown = said("framepack-f2")
    assert unknown == [
        "Model framepack-f2: There is no model framepack-f2; known are tiny, framepack, framepack-f1, or the path of a "
        "checkpoint's folder."
    ]
    assert "There is no folder /no/such;" in said("/no/such")[0] and len(said("/no/such")) == 1
    missing, memory = said("framepack-f1")
    assert "fetch them with `flipbot download framepack-f1`" in missing
    assert "of RAM even in fp8" in memory  # said before 40 GiB are fetched
    (tmp_path / "empty").mkdir()
    incomplete, do = said(str(tmp_path / "empty"))
    assert "config.json is not there" in incomplete
    assert do.startswith("Copy the checkpoint's folder here once more")


def test_the_doctor_says_how_long_a_processor_takes(models: Path, hub: Hub) -> None:
    fetch(hub, models)
    (note,) = [each for each in plan(ModelConfig(name="framepack-f1"), models, ("384",)) if each.fine is None]
    assert "576x256" in note.sentence
    assert "take 1.0 hours even at 1 TFLOP/s" in note.sentence
    assert not [each for each in plan(ModelConfig(name="tiny"), models) if each.fine is None]


def test_notes_that_cannot_be_read_are_made_again(hub: Hub, models: Path) -> None:
    fetch(hub, models)
    (models / home_of(F1) / MANIFEST).write_text("{")
    seen = Seen()
    done = fetch(hub, models, seen)
    assert done.fetched == 0
    assert SHARD in seen.checked
