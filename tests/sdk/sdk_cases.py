"""Cases: what is asked of a provider through its SDK, and what the provider is to answer. Imports no SDK."""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple, TypeVar

from provider_server import Answer, ProviderServer

AskT = TypeVar("AskT", bound=Callable[[Any], Any])
SOON: Final = {"retry-after": "0", "retry-after-ms": "1"}
"""So that an SDK which is asked to wait does not."""
Ending = Literal["answered", "dropped", "left", "timeout"]
"""How the last attempt ends: with its answer, also one that the caller lets go of and never closes; in the middle of
its stream; or in silence."""


class Case(NamedTuple):
    """One thing that services do with an SDK."""

    name: str
    feature: str
    """The column it stands for in the table of SDKs."""
    answers: tuple[Answer, ...]
    ask: Callable[[Any], Any]
    """Takes the SDK's clients, returns what the caller sees; a coroutine function is awaited."""
    ending: Ending
    differing: dict[str, Any]
    """Fields of the last event that are not as the exchange expects, because this SDK asks differently; with `...`,
    that may be anything."""


class Cases:
    """The cases of one SDK."""

    def __init__(
        self, title: str, open_clients: Callable[[ProviderServer], Any], *, made_up: str | None = None
    ) -> None:
        self.title: Final = title
        """The name of its distribution."""
        self.open_clients: Final = open_clients
        self.made_up: Final = made_up
        """A pattern for what the SDK makes up itself in its answers: ids and times, another each time."""
        self.cases: Final[list[Case]] = []

    def __call__(
        self, feature: str, *exchanges: str | Answer, ending: Ending = "answered", **differing: Any
    ) -> Callable[[AskT], AskT]:
        """Enter a function as a case that is answered with these exchanges, one for each attempt."""
        answers = tuple(one if isinstance(one, Answer) else Answer(one) for one in exchanges)

        def enter(ask: AskT) -> AskT:
            name = ask.__name__.removeprefix("ask_")
            self.cases.append(Case(name, feature, answers, ask, ending, differing))
            return ask

        return enter

    @property
    def exchanges(self) -> set[str]:
        """The names of all exchanges that the cases need."""
        return {answer.exchange for case in self.cases for answer in case.answers}


def busy_once(refusal: str, answer: str) -> tuple[Answer, Answer]:
    """Return the answers of a call whose first attempt is turned away."""
    return Answer(refusal, SOON, asked_as=answer), Answer(answer)


def held(exchange: str, pieces: int = 4) -> Answer:
    """Return an answer that stops in its middle, so that whoever leaves it early has not seen its end."""
    return Answer(exchange, held_after=pieces)


def silent(exchange: str) -> Answer:
    """Return an answer that never comes."""
    return Answer(exchange, held_after=0)


def texts(pieces: Iterable[bytes]) -> list[str]:
    """Return the whole of a body's bytes as text; how the network cuts it is not the SDK's doing."""
    return [b"".join(pieces).decode("latin-1")]
