"""What somebody hears whose request met a trouble of the machine."""

from contextlib import suppress

from bot.errors import Refused
from db.errors import DiskFull, MediaAway
from db.media import Media
from db.trouble import TROUBLE

MIB = 1 << 20


def held_up(media: Media, trouble: Exception, least: int) -> Refused:
    """A sentence for one of TROUBLE. It asks the disk: call it from a thread. least: bytes that shall stay free"""
    if isinstance(trouble, MediaAway):
        return Refused("refused.media_away")
    if isinstance(trouble, DiskFull):
        free = 0
        with suppress(*TROUBLE):
            free = media.free_bytes()
        return Refused("refused.disk_full", free_mib=free // MIB, need_mib=least // MIB)
    return Refused("refused.held_up")
