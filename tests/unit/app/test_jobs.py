"""JobRunner and Mailbox: order, threads, joining of events, cancelling and a bounded end."""

import threading

import pytest

from app.jobs import Job, JobRunner, coalesce
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted, PromptProgress, Saved, TextDelta

pytestmark = pytest.mark.gui


@pytest.fixture
def runner(qapp):
    made = JobRunner()
    yield made
    assert made.shutdown(5)


def a_job() -> Job:
    return Job("engine", lambda c, e: None, CancelToken(), print, print, print)


def test_every_callback_runs_on_the_windows_thread(qtbot, runner) -> None:
    threads: list[threading.Thread] = []

    def work(cancel, emit):
        threads.append(threading.current_thread())
        emit("event")
        return "result"

    got: list[object] = []
    runner.start("engine", work, on_event=lambda e: got.append((e, threading.current_thread())), on_done=got.append)
    qtbot.waitUntil(lambda: runner.is_idle)
    assert got == [("event", threading.main_thread()), "result"]
    assert threads[0].name == "tern-engine"


def test_jobs_of_a_lane_follow_each_other(qtbot, runner) -> None:
    done: list[int] = []
    for number in range(50):
        runner.start("store", lambda _c, _e, n=number: n, on_done=done.append)
    qtbot.waitUntil(lambda: runner.is_idle)
    assert done == list(range(50))


def test_events_keep_their_order_and_lose_no_text(qtbot, runner) -> None:
    texts: list[str] = []

    def work(_cancel, emit):
        for number in range(20_000):
            emit(TextDelta(f"{number},"))

    runner.start("engine", work, on_event=lambda event: texts.append(event.text))
    qtbot.waitUntil(lambda: runner.is_idle)
    assert "".join(texts) == "".join(f"{number}," for number in range(20_000))
    assert len(texts) < 2_000


def test_an_error_reaches_on_failed_only(qtbot, runner, caplog) -> None:
    failed: list[BaseException] = []

    def work(_cancel, _emit):
        raise AppError(ErrorCode.PROMPT_EMPTY)

    runner.start("engine", work, on_done=lambda _r: pytest.fail("done"), on_failed=failed.append)
    qtbot.waitUntil(lambda: runner.is_idle)
    assert isinstance(failed[0], AppError)
    runner.start("engine", lambda _c, _e: 1 / 0, on_failed=failed.append)
    qtbot.waitUntil(lambda: runner.is_idle)
    assert isinstance(failed[1], ZeroDivisionError)
    assert "a job in the lane engine failed" in caplog.text


def test_the_timer_runs_only_while_there_is_work(qtbot, runner) -> None:
    assert not runner.mailbox.is_ticking
    gate = threading.Event()
    runner.start("load", lambda _c, _e: gate.wait(5))
    assert runner.mailbox.is_ticking
    gate.set()
    qtbot.waitUntil(lambda: runner.is_idle)
    assert not runner.mailbox.is_ticking


def test_cancelling_before_the_start_skips_the_work(qtbot, runner) -> None:
    gate = threading.Event()
    runner.start("engine", lambda _c, _e: gate.wait(5))
    ran: list[object] = []
    done: list[object] = []
    runner.start("engine", lambda _c, _e: ran.append(1), on_done=done.append).cancel()
    gate.set()
    qtbot.waitUntil(lambda: runner.is_idle)
    assert ran == []
    assert done == [None]


def test_the_end_cancels_answers_but_carries_out_what_saves(qapp) -> None:
    runner = JobRunner()
    saved: list[int] = []
    started = threading.Event()

    def answer(cancel, _emit):
        stopped = threading.Event()
        cancel.on_cancel(stopped.set)
        started.set()
        stopped.wait(5)
        saved.append(0)

    runner.start("engine", answer)
    assert started.wait(5)
    for number in (1, 2, 3):
        runner.start("store", lambda _c, _e, n=number: saved.append(n))
    assert runner.shutdown(5)
    assert sorted(saved) == [0, 1, 2, 3]
    assert runner.start("engine", lambda _c, _e: None).is_cancelled


def test_the_end_is_bounded(qapp) -> None:
    runner = JobRunner()
    gate, started = threading.Event(), threading.Event()
    runner.start("load", lambda _c, _e: (started.set(), gate.wait(20)))
    assert started.wait(5)
    assert not runner.shutdown(0.1)
    gate.set()


def test_coalescing_joins_text_and_keeps_the_latest_progress() -> None:
    one, two = a_job(), a_job()
    letters = [
        (one, PromptProgress(1, 9)),
        (one, PromptProgress(2, 9)),
        (one, TextDelta("a")),
        (one, TextDelta("b")),
        (two, TextDelta("c")),
        (one, TextDelta("d")),
        (one, Saved(1)),
        (one, TextDelta("e")),
    ]
    joined = coalesce(letters)
    assert [event for _, event in joined] == [
        PromptProgress(2, 9),
        TextDelta("ab"),
        TextDelta("c"),
        TextDelta("d"),
        Saved(1),
        TextDelta("e"),
    ]
    assert [job for job, _ in joined] == [one, one, two, one, one, one]


def test_a_job_that_was_asked_to_stop_is_no_failure(qtbot, runner, caplog) -> None:
    ended: list[object] = []

    def work(_cancel, _emit):
        raise Interrupted

    runner.start("load", work, on_done=ended.append, on_failed=ended.append)
    qtbot.waitUntil(lambda: runner.is_idle)
    assert ended == [None]
    assert not caplog.records


def test_a_lane_is_busy_from_the_start_of_a_job_to_its_delivered_end(qtbot, runner) -> None:
    assert runner.busy_lanes == frozenset()
    runner.start("download", lambda _cancel, _emit: None)
    assert runner.busy_lanes == {"download"}
    qtbot.waitUntil(lambda: runner.is_idle)
    assert runner.busy_lanes == frozenset()
