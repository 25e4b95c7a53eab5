"""Background callbacks: each in a process of its own, which can be ended, and which nothing of survives."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from panels.conftest import Folder, given, internal, post

BACKGROUND = internal(
    """
import os, subprocess, time
@callback(Output('o1', 'children'), Input('dd', 'value'), background=True, interval=200, progress=[Output('o2', 'children')],
          running=[(Output('dd', 'disabled'), True, False)], cancel=[Input('stop', 'n_clicks')])
def long(say, value):
    print('said by a job')
    say('half')
    set_props('o2', {'title': value})
    set_props('o2', {'lang': value})
    if value == 'wait':
        sleeping = subprocess.Popen(['sleep', '1000'])
        with open('PLACE', 'w') as file:
            file.write(f'{os.getpid()} {sleeping.pid}')
        say('waiting')
        time.sleep(1000)
    time.sleep(0.2)
    if value == 'crash':
        raise ValueError('no such thing')
    if value == 'exit':
        raise SystemExit('as it likes')
    if value == 'kill':
        os.kill(os.getpid(), 9)
    if value == 'strange':
        return lambda: None
    if value == 'large':
        return 'x' * 5_000_000
    if value == 'none':
        return no_update
    return value
@callback(Output('g', 'figure'), Input('dd', 'n_clicks'), background=True)
async def awaited(clicks):
    import asyncio
    await asyncio.sleep(0)
    return {'layout': {'title': {'text': str(clicks)}}}
@callback(Output('o1', 'title'), Input('dd', 'value'))
def quick(value):
    return f'quick {value}'
""",
    "dcc.Dropdown(['A', 'B'], 'A', id='dd'), html.Button(id='stop'), html.Div(id='o1'), html.Div(id='o2'), dcc.Graph(id='g')",
)


def asked(value: str, query: str = "") -> Any:
    return post("o1.children", [given("dd.value", value)], query)


def again(number: int) -> str:
    """The query of the questions that follow the first one."""
    return f"cacheKey=$key{number}&job=${number}"


def text(place: Path) -> str:
    return BACKGROUND.replace("PLACE", str(place))


def wait(seconds: float) -> Any:
    return ["wait", seconds]


def is_alive(process: int) -> bool:
    try:
        # The third word is its state; one that nobody has waited for yet is dead.
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_dead(process: int) -> None:
    for _ in range(50):
        if not is_alive(process):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {process} is alive")


def test_progress_and_a_result_that_is_kept_until_it_was_asked_for(folder: Folder):
    calls = [asked("A"), wait(0.1), asked("A", again(1)), wait(0.5), asked("A", again(1)), asked("A", again(1))]
    loaded, started, _, running, _, done, once_more = folder.answers("components/own.py", text(folder.path / "x"), *calls)
    assert loaded["messages"] == []
    found = {each["output"]: each for each in loaded["callbacks"]}
    assert found["o1.children"]["background"] == {"interval": 200}
    assert found["o1.children"]["running"] == {"running": {"dd.disabled": True}, "runningOff": {"dd.disabled": False}}
    assert started["body"]["cancel"] == [{"id": "stop", "property": "n_clicks"}]
    side = {"o2": {"title": "A", "lang": "A"}}
    assert running["body"] == {"multi": True, "progress": {"o2.children": "half"}, "sideUpdate": side}
    assert done["body"] == {"multi": True, "response": {"o1": {"children": "A"}}}
    assert once_more["status"] in (200, 204)
    assert not (once_more["body"] or {}).get("response")


def test_the_panels_other_callbacks_go_on_meanwhile(folder: Folder):
    begin = time.monotonic()
    _, _, quick, _, still = folder.answers(
        "components/own.py",
        text(folder.path / "x"),
        asked("wait"),
        post("o1.title", [given("dd.value", "B")]),
        wait(0.3),
        asked("wait", again(1)),
    )
    assert quick["body"]["response"] == {"o1": {"title": "quick B"}}
    assert still["body"]["progress"] == {"o2.children": "waiting"} and "response" not in still["body"]
    assert time.monotonic() - begin < 10


def test_two_browsers_that_ask_for_the_same_have_a_job_each(folder: Folder):
    _, one, other, _, of_one, of_other = folder.answers(
        "components/own.py", text(folder.path / "x"), asked("A"), asked("A"), wait(0.6), asked("A", again(1)), asked("A", again(2))
    )
    assert one["body"]["cacheKey"] == other["body"]["cacheKey"] and one["body"]["job"] != other["body"]["job"]
    for each in (of_one, of_other):
        assert each["body"]["response"] == {"o1": {"children": "A"}}
        assert each["body"]["progress"] == {"o2.children": "half"}


def test_what_a_cancelled_job_has_started_is_dead_when_the_browser_hears_of_it(folder: Folder):
    place = folder.path / "processes"
    cancel = post("stop.id", [given("stop.n_clicks", 1)], "cancelJob=$1")
    _, _, _, cancelled, after, quick = folder.answers(
        "components/own.py",
        text(place),
        asked("wait"),
        wait(0.5),
        cancel,
        asked("wait", again(1)),
        post("o1.title", [given("dd.value", "B")]),
    )
    assert cancelled["status"] in (200, 204), cancelled
    assert not (after["body"] or {}).get("response")
    assert quick["body"]["response"] == {"o1": {"title": "quick B"}}
    for process in place.read_text("utf-8").split():
        assert_dead(int(process))


def test_a_new_run_of_the_same_callback_ends_the_one_before(folder: Folder):
    place = folder.path / "processes"
    _, _, _, _, _, done = folder.answers(
        "components/own.py", text(place), asked("wait"), wait(0.4), asked("A", "oldJob=$1"), wait(0.5), asked("A", again(2))
    )
    assert done["body"]["response"] == {"o1": {"children": "A"}}
    for process in place.read_text("utf-8").split():
        assert_dead(int(process))


def test_failures_are_told_with_the_plugins_own_words(folder: Folder):
    for value, words in (
        ("crash", "no such thing"),
        ("exit", "as it likes"),
        ("kill", "ended by signal 9"),
        ("strange", "cannot leave its process"),
    ):
        *_, failed = folder.answers("components/own.py", text(folder.path / "x"), asked(value), wait(0.6), asked(value, again(1)))
        assert failed["status"] == 500 and words in failed["error"]["message"], failed


def test_large_results_nothing_and_coroutines(folder: Folder):
    clicks = post("g.figure", [given("dd.n_clicks", 3)])
    later = post("g.figure", [given("dd.n_clicks", 3)], again(3))
    *_, large, nothing, awaited = folder.answers(
        "components/own.py",
        text(folder.path / "x"),
        asked("large"),
        asked("none"),
        clicks,
        wait(1),
        asked("large", again(1)),
        asked("none", again(2)),
        later,
    )
    assert len(large["body"]["response"]["o1"]["children"]) == 5_000_000
    assert not nothing["body"].get("response")
    assert awaited["body"]["response"]["g"]["figure"]["layout"]["title"]["text"] == "3"


def test_nothing_is_left_when_the_worker_ends(folder: Folder):
    place = folder.path / "processes"
    folder.answers("components/own.py", text(place), asked("wait"), wait(0.5))
    job = int(place.read_text("utf-8").split()[0])
    assert_dead(job)
    # What a job has started goes with the worker's process group, which the parked interpreter ends; here there is none.
    os.kill(int(place.read_text("utf-8").split()[1]), 9)
