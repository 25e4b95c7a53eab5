"""Counts words."""

import logging
from collections import Counter

from flowdapt.compute import object_store
from flowdapt.compute.artifacts import get_artifact, list_artifacts

logger = logging.getLogger(__name__)


def split(texts):
    return list(texts)


def count(text):
    if not text:
        raise ValueError("nothing to count")
    return dict(Counter(text.split()))


async def total(counts):
    whole = sum(map(Counter, counts), Counter())
    object_store.put("total", whole)
    report = get_artifact("report", create=True)
    report["words"] = len(whole)
    with report.get_file("top.txt", create=True).open("w") as file:
        file.write("\n".join(f"{word} {number}" for word, number in whole.most_common(2)))
    return whole.most_common(2)


def reports():
    stored = object_store.get("total")
    return [(report.name, report["words"], report.get_file("top.txt").read(mode="r")) for report in list_artifacts()], stored["b"]
