import threading

from core.events import CancelToken, ReplyStats


def test_cancel_is_one_way_and_runs_callbacks_once() -> None:
    token = CancelToken()
    calls: list[str] = []
    token.on_cancel(lambda: calls.append("before"))
    assert not token.is_cancelled
    assert calls == []
    token.cancel()
    token.cancel()
    assert token.is_cancelled
    assert calls == ["before"]
    token.on_cancel(lambda: calls.append("after"))
    assert calls == ["before", "after"]


def test_cancel_inside_on_cancel_does_not_wait_for_itself() -> None:
    """Ctrl-C may land in the middle of on_cancel, in the same thread."""
    cancel = CancelToken()
    calls: list[str] = []

    class Interrupting(list[object]):
        def append(self, callback: object) -> None:
            super().append(callback)
            cancel.cancel()

    cancel._callbacks = Interrupting()  # type: ignore[assignment]
    cancel.on_cancel(lambda: calls.append("stopped"))
    assert calls == ["stopped"]


def test_cancel_from_many_threads_runs_callbacks_once() -> None:
    token = CancelToken()
    calls: list[int] = []
    token.on_cancel(lambda: calls.append(1))
    threads = [threading.Thread(target=token.cancel) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_speeds_count_what_was_really_done() -> None:
    stats = ReplyStats(prompt_tokens=100, cached_tokens=60, generated_tokens=11, prefill_s=2.0, decode_s=5.0, seed=1)
    assert stats.prefill_tokens_per_s == 20.0
    assert stats.decode_tokens_per_s == 2.0


def test_speeds_without_time_or_tokens_are_zero() -> None:
    stats = ReplyStats(prompt_tokens=4, cached_tokens=4, generated_tokens=1, prefill_s=0.0, decode_s=0.0, seed=1)
    assert stats.prefill_tokens_per_s == 0.0
    assert stats.decode_tokens_per_s == 0.0
