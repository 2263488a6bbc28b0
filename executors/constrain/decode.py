"""`Constrained`: the masks that keep a generation inside an automaton and let it end within its budget.

The mask of a state depends on the state alone while there are tokens enough; near the end of the budget tokens that
leave too little room for the shortest way to an end go too. Every byte has a token: a way of n bytes takes at most n.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError
from executors.constrain.automaton import Automaton, build
from executors.constrain.spec import Constraint
from executors.constrain.tokens import LONGEST_TOKEN, TokenBytes, token_bytes

if TYPE_CHECKING:
    import numpy
    import torch

CACHED_MASKS = 1024
CACHED_LANDINGS = 256
"""States whose tokens are kept: a few hundred kB each."""


def compile_constraint(constraint: Constraint, tokenizer: Any, vocabulary: int) -> Constrained:
    """What `constraint` allows, for one tokenizer. Raises AdvisorError when it allows nothing or is too large."""
    return Constrained(build(constraint.language()), token_bytes(tokenizer, vocabulary))


class Constrained:
    """An automaton over the tokens of one tokenizer."""

    def __init__(self, automaton: Automaton, tokens: TokenBytes) -> None:
        self.automaton, self.tokens = automaton, tokens
        self._mask = lru_cache(maxsize=CACHED_MASKS)(self._allowed)
        self._landing = lru_cache(maxsize=CACHED_LANDINGS)(self._landed)

    def require(self, budget: int) -> None:
        """Raises AdvisorError when the shortest allowed text may not fit into `budget` tokens."""
        if self.automaton.shortest > budget:
            raise AdvisorError(
                f"the constraint needs up to {self.automaton.shortest} tokens for its shortest answer",
                why=f"max_tokens is {budget}",
                hint="raise max_tokens, or make the schema smaller",
            )

    def advance(self, state: int, token: int) -> int:
        """The state behind one more token."""
        raw = self.tokens.by_id.get(token)
        return self.automaton.walk(raw, state) if raw is not None else self.automaton.dead

    def allowed(self, state: int, remaining: int) -> numpy.ndarray:
        """Bool [vocabulary]: tokens after which an end can still be reached with `remaining - 1` more."""
        if remaining > int(self.automaton.distance[state]) + 2 * LONGEST_TOKEN + self._spread:
            return self._mask(state)
        return self._allowed(state, remaining - 1)

    def is_end(self, state: int) -> bool:
        return int(self.automaton.distance[state]) == 0

    @property
    def _spread(self) -> int:
        """The farthest any state lies from an end: with more tokens left than that no mask depends on the budget."""
        import numpy

        known = self.automaton.distance[self.automaton.distance < numpy.iinfo(numpy.int32).max]
        return int(known.max())

    def _allowed(self, state: int, room: int | None = None) -> numpy.ndarray:
        import numpy

        ids, distances = self._landing(state)
        mask: numpy.ndarray = numpy.zeros(self.tokens.vocabulary, dtype=bool)
        mask[ids if room is None else ids[distances <= room]] = True
        return mask

    def _landed(self, state: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The tokens that may follow a state, and how far each leaves it from an end: the same at every budget."""
        import numpy

        table, dead = self.automaton.table, self.automaton.dead
        alive = numpy.arange(len(self.tokens.ids))
        at: numpy.ndarray = numpy.full(len(alive), state, dtype=numpy.int32)
        ended: list[tuple[numpy.ndarray, numpy.ndarray]] = []
        for column in range(LONGEST_TOKEN):
            byte = self.tokens.rows[alive, column]
            is_over = byte == 256
            ended.append((alive[is_over], at[is_over]))
            alive, at, byte = alive[~is_over], at[~is_over], byte[~is_over]
            at = table[at, byte]
            lives = at != dead
            alive, at = alive[lives], at[lives]
            if not len(alive):
                break
        ended.append((alive, at))
        rows = numpy.concatenate([rows for rows, _ in ended])
        states = numpy.concatenate([states for _, states in ended])
        return self.tokens.ids[rows].astype(numpy.int32), self.automaton.distance[states]

    def processor(self, rows: int, budget: int, ends: list[int], skip: int) -> Any:
        """A logits processor for one call of `generate` over `rows` prompts of `skip` tokens each.

        `budget`: max_new_tokens; `ends`: ids of tokens that end an answer. Raises AdvisorError when it cannot fit.
        """
        self.require(budget)
        states = [0] * rows
        is_over = [False] * rows
        seen = skip

        def process(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            nonlocal seen
            import torch

            while seen < ids.shape[1]:
                for row, token in enumerate(ids[:, seen].tolist()):
                    is_over[row] = is_over[row] or token in ends
                    states[row] = states[row] if is_over[row] else self.advance(states[row], token)
                seen += 1
            remaining = budget - (ids.shape[1] - skip)
            for row in range(rows):
                forbidden = torch.ones(scores.shape[1], dtype=torch.bool)
                if not is_over[row]:
                    mask = self.allowed(states[row], remaining)
                    forbidden[: len(mask)] = ~torch.from_numpy(mask)
                if is_over[row] or self.is_end(states[row]):
                    forbidden[ends] = False
                scores[row].masked_fill_(forbidden.to(scores.device), float("-inf"))
            return scores

        return process
