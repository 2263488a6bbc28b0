"""From a tree to a deterministic automaton over bytes: Thompson's construction, then subsets of states.

Aho, Lam, Sethi, Ullman, Compilers (2nd ed.), 3.7. For each state the fewest bytes to an accepted end are known.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError
from executors.constrain.regular import Choice, Node, OneOf, Repeat, Sequence

if TYPE_CHECKING:
    import numpy

MOST_STATES = 20_000
MOST_PARTS = 200_000


@dataclass(frozen=True)
class Automaton:
    """`table[state, byte]` is the next state; the last row is the state without a way out. State 0 is the start.

    `distance[state]`: the fewest bytes to an accepted end, 0 where one is. Column 256 stays in its state.
    """

    table: numpy.ndarray  # int32 [states + 1, 257]
    distance: numpy.ndarray  # int32 [states + 1]

    @property
    def dead(self) -> int:
        return int(self.table.shape[0]) - 1

    @property
    def shortest(self) -> int:
        """Bytes of the shortest text."""
        return int(self.distance[0])

    def walk(self, text: bytes, state: int = 0) -> int:
        """The state behind `text`."""
        for byte in text:
            state = int(self.table[state, byte])
        return state

    def accepts(self, text: bytes) -> bool:
        return int(self.distance[self.walk(text)]) == 0


@dataclass
class _Net:
    """States with edges that read a byte of a set, and edges that read nothing."""

    reading: list[tuple[frozenset[int], int] | None] = field(default_factory=list)
    silent: list[list[int]] = field(default_factory=list)

    def state(self) -> int:
        if len(self.reading) >= MOST_PARTS:
            raise AdvisorError("the constraint is too large to decode under", hint="shorten strings and lists in it")
        self.reading.append(None)
        self.silent.append([])
        return len(self.reading) - 1

    def add(self, node: Node, start: int) -> int:
        """The tree behind `start`; returns the state at its end."""
        match node:
            case OneOf(values):
                end = self.state()
                at = self.state()
                self.silent[start].append(at)
                self.reading[at] = (values, end)
                return end
            case Sequence(parts):
                for part in parts:
                    start = self.add(part, start)
                return start
            case Choice(parts):
                end = self.state()
                for part in parts:
                    self.silent[self.add(part, start)].append(end)
                return end
            case Repeat(part, low, high):
                end = self.state()
                for number in range(high):
                    if number >= low:
                        self.silent[start].append(end)
                    inner = self.state()
                    self.silent[start].append(inner)
                    start = self.add(part, inner)
                self.silent[start].append(end)
                return end


def build(node: Node) -> Automaton:
    """The automaton of a tree. Raises AdvisorError when it is too large, or when nothing can be written."""
    import numpy

    net = _Net()
    first = net.state()
    last = net.add(node, first)
    classes, representatives = _byte_classes({edge[0] for edge in net.reading if edge is not None})
    start = _closure(net, [first])
    numbers = {start: 0}
    rows: list[list[int]] = []
    queue = deque([start])
    accepted: list[bool] = []
    while queue:
        current = queue.popleft()
        accepted.append(last in current)
        edges = [edge for state in current if (edge := net.reading[state]) is not None]
        row = []
        for byte in representatives:
            reached = _closure(net, [target for values, target in edges if byte in values])
            if reached and reached not in numbers:
                if len(numbers) >= MOST_STATES:
                    raise AdvisorError(
                        "the constraint is too large to decode under", hint="shorten strings and lists in it"
                    )
                numbers[reached] = len(numbers)
                queue.append(reached)
            row.append(numbers[reached] if reached else -1)
        rows.append(row)
    small = numpy.array(rows, dtype=numpy.int32)
    small[small < 0] = len(rows)
    table: numpy.ndarray = numpy.full((len(rows) + 1, 257), len(rows), dtype=numpy.int32)
    table[:-1, :256] = small[:, classes]
    table[:, 256] = numpy.arange(len(rows) + 1)
    return _pruned(table, small, accepted)


def _pruned(table: numpy.ndarray, small: numpy.ndarray, accepted: list[bool]) -> Automaton:
    """With the distance of each state from an accepted end; ways into states without one are closed."""
    import numpy

    dead = len(accepted)
    before: list[list[int]] = [[] for _ in range(dead)]
    for state, row in enumerate(small.tolist()):
        for target in set(row):
            if target != dead:
                before[target].append(state)
    far = numpy.iinfo(numpy.int32).max
    distance: numpy.ndarray = numpy.full(dead + 1, far, dtype=numpy.int32)
    queue = deque(state for state, is_end in enumerate(accepted) if is_end)
    for state in queue:
        distance[state] = 0
    while queue:
        state = queue.popleft()
        for earlier in before[state]:
            if distance[earlier] == far:
                distance[earlier] = distance[state] + 1
                queue.append(earlier)
    if distance[0] == far:
        raise AdvisorError("nothing satisfies the constraint", hint="correct the schema or the expression")
    lost = distance[table] == far
    table[lost] = dead
    return Automaton(table, distance)


def _closure(net: _Net, states: list[int]) -> frozenset[int]:
    """All states reached without reading; only those that read, or end, matter, but ends are not told apart here."""
    seen = set(states)
    stack = list(states)
    while stack:
        for target in net.silent[stack.pop()]:
            if target not in seen:
                seen.add(target)
                stack.append(target)
    # A state that neither reads nor is an end is only a place on the way.
    return frozenset(state for state in seen if net.reading[state] is not None or not net.silent[state])


def _byte_classes(sets: set[frozenset[int]]) -> tuple[list[int], list[int]]:
    """Class of each byte, and one byte of each class: bytes that are in the same sets behave the same."""
    ordered = list(sets)
    seen: dict[tuple[bool, ...], int] = {}
    representatives: list[int] = []
    classes = []
    for byte in range(256):
        signature = tuple(byte in values for values in ordered)
        if signature not in seen:
            seen[signature] = len(representatives)
            representatives.append(byte)
        classes.append(seen[signature])
    return classes, representatives
