"""`Question`, `Choice`, `DecisionTree`: what is asked and where an answer leads."""

from advisor.domain.base import Frozen
from advisor.domain.condition import Condition, Scalar


class Choice(Frozen):
    """One possible answer. It leads to another question, or to techniques (a leaf), or to both."""

    value: Scalar
    label: str
    meaning: str
    """What choosing it means, in one sentence."""
    next: str | None = None
    opens: str | None = None
    """The question this answer brings up further on, where several goals' questions are asked one after another."""
    techniques: tuple[str, ...] = ()
    """Technique ids this answer opens."""
    suggested_when: Condition | None = None
    """Facts under which this is the prefilled answer, and the answer to "I don't know"."""
    sources: tuple[str, ...] = ()


class Question(Frozen):
    """One question of the walk. `key` is the dotted key of the answers file it fills, e.g. `model.kind`."""

    id: str
    key: str
    text: str
    meaning: str
    why: str
    """Why it is asked: what it decides."""
    section: str = ""
    """The source's own number, e.g. `3c`."""
    kind: str = "choice"
    """choice | many | number | text: how it is answered."""
    unit: str = ""
    choices: tuple[Choice, ...] = ()
    next: str | None = None
    """Where every answer leads, unless the chosen `Choice` says otherwise."""
    ask_when: Condition | None = None
    """Asked only if this holds; otherwise passed over to `next`."""
    default: Scalar | None = None
    default_why: str = ""
    required: bool = False
    sources: tuple[str, ...] = ()


class DecisionTree(Frozen):
    root: str
    questions: tuple[Question, ...]

    def question(self, question_id: str) -> Question:
        """The question of that id. Raises KeyError for an unknown one."""
        for question in self.questions:
            if question.id == question_id:
                return question
        raise KeyError(question_id)
