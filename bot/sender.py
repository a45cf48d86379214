"""What a front-end can do for the poster, and how it says that it could not.

SendError
├── PutOff       too fast, for this chat or for all of them: not before retry_after_s
├── Failed       it did not happen; the same may work later
├── Unknown      no answer came: it may have happened, or still happen
├── Gone         the message is not there any more
├── Unreachable  nobody can speak in this chat: no further calls until something there changes
├── Closed       the thread or topic was put away: open it with `revive`, or speak in `elsewhere`
├── Blocked      the platform's filter refuses the text: say it without the person's words
├── TooBig       the file is larger than the chat takes
└── Moved        the chat has another id now

A platform's own errors end in its front-end: only these reach the poster.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bot.chat import ChatMessage, Style
from db.models import Platform


class SendError(Exception):
    """The root of what a call can end with."""


class PutOff(SendError):
    """Not before retry_after_s. scope: this "chat", or "all" of the platform."""

    def __init__(self, retry_after_s: float, scope: Literal["chat", "all"] = "chat") -> None:
        super().__init__(f"put off for {retry_after_s} s ({scope})")
        self.retry_after_s, self.scope = retry_after_s, scope


class Failed(SendError):
    """It did not happen: the platform says so, or it was never asked."""


class Unknown(SendError):
    """The answer was lost on the way: nobody knows whether it happened."""


class Gone(SendError):
    """Somebody deleted the message."""


class Unreachable(SendError):
    """The bot may not see the chat or speak in it, or was blocked; the text says which."""


class Closed(SendError):
    """The thread is archived, or the topic closed. elsewhere: the chat above it, where it cannot be opened again."""

    def __init__(self, elsewhere: str | None = None) -> None:
        super().__init__("closed" if elsewhere is None else f"closed for good, {elsewhere} is above it")
        self.elsewhere = elsewhere


class Blocked(SendError):
    """AutoMod or the like."""


class TooBig(SendError):
    """limit_bytes: what the chat takes, where the platform said it."""

    def __init__(self, limit_bytes: int | None = None) -> None:
        super().__init__(f"too big, the limit is {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class Moved(SendError):
    """A group became a supergroup."""

    def __init__(self, chat_id: str) -> None:
        super().__init__(f"moved to {chat_id}")
        self.chat_id = chat_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place in a chat. message_id is none for a new message. filmed: the message has a film, as far as is known"""

    chat_id: str
    message_id: str | None = None
    thread_id: str | None = None
    reply_to: str | None = None
    server_id: str = ""
    filmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film as a file, to be put into a message.

    kind: "preview" moves silently while it grows, "final" is the film
    name: that people see, alt: what it shows, for those who cannot see it
    poster: a small JPEG of it; spoiler: hidden until somebody clicks it
    """

    path: Path
    kind: Literal["preview", "final"]
    name: str
    width: int
    height: int
    duration_ms: int
    poster: Path | None = None
    alt: str = ""
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a chat may be spoken to.

    budget:  (calls, within seconds), of our own calls there
    old:     the same for messages older than `old_after_s`, which then get no text-only edits
    media_s: between two films in one message; text_s: between text-only edits of one message
    whole:   (calls, within seconds) of all chats together
    """

    budget: tuple[int, float]
    media_s: float
    text_s: float
    old: tuple[int, float] | None = None
    old_after_s: float = 55 * 60.0
    whole: tuple[int, float] | None = None


DISCORD = Pace(budget=(4, 5.0), media_s=5.0, text_s=15.0, old=(1, 4.0))
TELEGRAM_PRIVATE = Pace(budget=(1, 1.5), media_s=5.0, text_s=20.0, whole=(20, 1.0))
TELEGRAM_GROUP = Pace(budget=(10, 60.0), media_s=8.0, text_s=30.0, whole=(20, 1.0))


class Sender(Protocol):
    """A front-end, to the poster. Every call raises one of SendError, and nothing else.

    nonce:      a second `send` with the same nonce is the same message, for some minutes; so it may be repeated
    text_first: a new message is text, its film is put in by an edit
    """

    platform: Platform
    nonce: bool
    text_first: bool
    style: Style

    def pace(self, chat_id: str) -> Pace:
        """How fast this chat may be spoken to."""

    def limit_bytes(self, spot: Spot) -> int:
        """How large a file may be there."""

    def send(self, spot: Spot, message: ChatMessage, film: Film | None, nonce: str) -> Awaitable[str]:
        """Send a new message; returns its id."""

    def edit(self, spot: Spot, message: ChatMessage, film: Film | None) -> Awaitable[None]:
        """Change the message. film: the one it shall have; None leaves what it has. Nothing to change is no error."""

    def delete(self, spot: Spot) -> Awaitable[None]:
        """Delete the message; one that is not there any more is no error."""

    def notify(self, spot: Spot, text: str, user_id: str, nonce: str, *, silent: bool) -> Awaitable[None]:
        """Reply to the message with a short one that pings this person, and nobody else; silent: without a sound."""

    def revive(self, spot: Spot, text: str) -> Awaitable[None]:
        """Open an archived thread again, by saying something short there."""

    def alone(self, user_id: str) -> Awaitable[str]:
        """The id of the chat with this person alone, whether or not they let anything in there."""
