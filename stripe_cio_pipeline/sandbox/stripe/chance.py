"""Repeatable chance, and ids that look random but can be made again from a seed and a number."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
SHORT = 14
"""Characters after the prefix of the ids of customers, products and subscription items."""
_SPACE = 62**SHORT
_PAIR = 62**2


class Chance:
    """Numbers that depend on the seed and on words that say what they decide, never on how many were drawn before.

    So an account lives the same life however its clock is moved, and can be saved without generator states.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, *words: object) -> int:
        """Return 128 bits."""
        text = "|".join(map(str, (self.seed, *words)))
        return int.from_bytes(blake2b(text.encode(), digest_size=16).digest())

    def unit(self, *words: object) -> float:
        """Return a number from 0 up to, not including, 1."""
        return (self.bits(*words) >> 75) / (1 << 53)

    def happens(self, probability: float, *words: object) -> bool:
        """Return `True` with the given probability."""
        return self.unit(*words) < probability

    def between(self, low: int, high: int, *words: object) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self.unit(*words) * (high - low + 1))

    def pick(self, choices: Sequence[T], *words: object) -> T:
        """Return one of the choices."""
        return choices[int(self.unit(*words) * len(choices))]

    def deal(self, cards: Sequence[T], number: int, what: str) -> T:
        """Return a card: each hand of `len(cards)` people gets every card once, in an order of its own."""
        hand, place = divmod(number, len(cards))
        order = sorted(range(len(cards)), key=lambda card: self.unit(what, hand, card))
        return cards[order[place]]

    def token(self, *words: object) -> str:
        """Return 14 letters and digits."""
        return spell(self.bits(*words) % _SPACE)


def spell(number: int) -> str:
    """Spell a number below 62**14 in 14 letters and digits."""
    # Split first: below 2**60 Python divides much faster. This runs for every id on every page.
    high, low = divmod(number, _PAIR**4)
    low, first = divmod(low, _PAIR)
    low, second = divmod(low, _PAIR)
    fourth, third = divmod(low, _PAIR)
    high, fifth = divmod(high, _PAIR)
    seventh, sixth = divmod(high, _PAIR)
    pairs = _PAIRS
    return f"{pairs[first]}{pairs[second]}{pairs[third]}{pairs[fourth]}{pairs[fifth]}{pairs[sixth]}{pairs[seventh]}"


def read(text: str) -> int | None:
    """Return the number that `spell` spelled, or `None` for anything else."""
    if len(text) != SHORT:
        return None
    number = 0
    for position in range(SHORT - 2, -1, -2):
        high, low = _VALUE.get(text[position]), _VALUE.get(text[position + 1])
        if high is None or low is None:
            return None
        number = number * _PAIR + high * 62 + low
    return number


class Scatter:
    """Ids for numbered rows that look random, do not sort, and can be read back to the number."""

    def __init__(self, chance: Chance, name: str) -> None:
        factor = chance.bits("scatter", name) % _SPACE | 1
        if factor % 31 == 0:
            factor += 2
        self._factor = factor
        self._inverse = pow(factor, -1, _SPACE)
        self._shift = chance.bits("shift", name) % _SPACE

    def token(self, number: int) -> str:
        """Return the 14 characters that stand for a row."""
        return spell((number * self._factor + self._shift) % _SPACE)

    def number(self, token: str) -> int | None:
        """Return the row that a token may stand for; the caller checks that there is such a row."""
        value = read(token)
        return None if value is None else (value - self._shift) * self._inverse % _SPACE


class Ids:
    """Makes the ids of one account: short (`cus_` and 14 characters) and long (with the account's mark inside)."""

    SHORT_PREFIXES = frozenset({"cus", "prod", "si"})

    def __init__(self, chance: Chance, mark: str) -> None:
        self._chance = chance
        self.mark = mark
        self.counts: dict[str, int] = {}

    def new(self, prefix: str) -> str:
        """Return the next id with this prefix."""
        count = self.counts[prefix] = self.counts.get(prefix, 0) + 1
        return self.of(prefix, self._chance.token("id", prefix, count))

    def of(self, prefix: str, token: str) -> str:
        """Return the id that a token of 14 characters stands for."""
        if prefix in self.SHORT_PREFIXES:
            return f"{prefix}_{token}"
        if prefix == "req":
            return f"req_{token}"
        if prefix == "cs_test":
            return f"cs_test_a1{token}{token[::-1]}{self.mark}"
        if prefix == "coupon":
            return token[:8]
        return f"{prefix}_1{token[:6]}{self.mark}{token[6:]}"

    def token(self, prefix: str, text: str) -> str | None:
        """Return the token inside an id made by `of`, or `None`."""
        head, _, body = text.partition("_")
        if head != prefix:
            return None
        if prefix in self.SHORT_PREFIXES:
            return body
        if len(body) != 1 + SHORT + len(self.mark) or body[7:-8] != self.mark:
            return None
        return body[1:7] + body[-8:]
