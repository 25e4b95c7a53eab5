"""Every golden message decodes and encodes back to itself; the Rust tests read the same files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pegboard import _messages
from pegboard._errors import ProtocolError
from pegboard._messages import Direction, Finished, dump_json, encode, finished_header
from pegboard._session import Session, head

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "messages"
FILES = sorted(FOLDER.glob("*.json"))
CLASSES = {
    "to-worker": _messages.TO_WORKER,
    "from-worker": _messages.FROM_WORKER,
    "to-zygote": _messages.TO_ZYGOTE,
    "from-zygote": _messages.FROM_ZYGOTE,
}


def test_there_is_a_file_per_message():
    wanted = {f"{channel}-{each.type_name.replace('_', '-')}" for channel, classes in CLASSES.items() for each in classes}
    assert {path.stem for path in FILES} == wanted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path):
    golden = json.loads(path.read_text("utf-8"))
    whole = bytes.fromhex(golden["frame"])
    session = Session()
    session.feed(whole)
    frame = session.next_frame()
    assert frame is not None and not session.is_inside_frame
    assert frame.header == golden["header"]
    assert [bytes(part).hex() for part in frame.parts] == golden["parts"]
    channel = path.stem.rsplit("-", path.stem.count("-") - 1)[0]
    assert channel == golden["channel"]
    message = Direction(CLASSES[channel]).parse(frame.header)
    again = encode(message)
    assert again == dump_json(golden["header"])
    assert head(again, frame.parts) + b"".join(frame.parts) == whole


def test_unknown_fields_are_ignored():
    assert Direction(_messages.TO_WORKER).parse({"type": "ping", "sequence": 3, "new": True}) == _messages.Ping(3)


@pytest.mark.parametrize(
    "header", [{}, {"type": "nonsense"}, {"type": "ping"}, {"type": "stage", "call": 1, "context": 5, "stage": "", "target": ""}]
)
def test_what_is_no_message_is_refused(header: dict[str, object]):
    with pytest.raises(ProtocolError, match="unreadable message"):
        Direction(_messages.TO_WORKER).parse(header)


@pytest.mark.parametrize("descriptors", [0, 3])
def test_the_short_way_says_the_same(descriptors: int):
    assert finished_header(5, 77, descriptors) == encode(Finished(5, 77, descriptors))


def test_lone_surrogates_become_text():
    data = dump_json({"a": "x\ud800ü"})
    assert json.loads(data) == {"a": "x\\ud800ü"}
    assert data.decode("utf-8")


def test_message_classes_have_a_type():
    for classes in CLASSES.values():
        assert all(each.type_name and dataclasses.is_dataclass(each) for each in classes)
