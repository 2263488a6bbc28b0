"""Sentences in other words, by a fixed list: people rarely ask in the words of the documents. Pure."""

from __future__ import annotations

import re

OTHERS = dict(
    pair.split("=")
    for pair in """
    return=give_back returns=gives_back string=text strings=texts list=sequence create=make creates=makes remove=delete
    convert=turn print=show write=put read=fetch file=document files=documents value=content values=contents
    object=thing objects=things get=obtain set=assign check=test find=locate first=earliest last=final number=amount
    name=label names=labels path=location directory=folder directories=folders error=failure raise=throw close=shut
    open=begin_using send=transmit wait=pause add=append call=invoke called=invoked current=present all=every new=fresh
    given=provided specified=stated determine=find_out compute=work_out method=routine argument=parameter
    arguments=parameters empty=without_content copy=duplicate sorted=ordered message=note header=heading line=row
    start=launch stop=halt size=length random=arbitrary time=moment
    """.split()  # noqa: SIM905 - a block of words reads better than quoted strings
)
_WORD = re.compile(r"[A-Za-z_']+")


def in_other_words(sentence: str) -> str:
    """The sentence with the words of the list replaced, in lower case where they are."""
    return _WORD.sub(lambda match: OTHERS.get(match.group().lower(), match.group()).replace("_", " "), sentence)
