"""What the bot says no with.

BotError
└── Refused    what a person asked for cannot be done; carries the sentence's key and its numbers
    └── Gone        the service that was asked does not answer any more
        └── Silent  it runs, and does not answer
"""


class BotError(Exception):
    """The root of this room's errors."""


class Refused(BotError):
    """A request that is turned down with one sentence.

    key:   a key of bot/words ("refused.picture_empty")
    facts: what the sentence's fields are filled with
    """

    def __init__(self, key: str, /, **facts: object) -> None:
        super().__init__(key, facts)
        self.key = key
        self.facts = facts

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.key} {facts}".strip()


class Gone(Refused):
    """The service that was asked has stopped meanwhile."""


class Silent(Gone):
    """The service that was asked is there and says nothing: it is stopped, or far too busy."""
