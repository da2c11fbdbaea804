"""Downloads with faults drawn from a seed: each ends with the exact file or without it, and little is fetched twice.

    python tests/faults/fault_downloads.py --n 300

Every fifth download runs in the real child process, which is killed (SIGKILL) at a random byte and begun again. The
others run in this process, with connections that break, stall, lie or come damaged, with stops between, and with bits
flipped on the disk. Prints one JSON object; the exit code is 1 when a rule was broken.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from fake_hub import FakeHub, Fault, Served, running_hub  # noqa: E402

from core.child import child_command, child_environ  # noqa: E402
from core.errors import AppError  # noqa: E402
from core.events import DownloadRestarted, RestartReason  # noqa: E402
from core.models.download_fetch import Fetcher, Machine  # noqa: E402
from core.models.download_messages import Message, encode_request  # noqa: E402
from core.models.part_file import BLOCK_BYTES, CHUNK_BYTES  # noqa: E402

WEIGHTS = "model.safetensors"
KINDS = ("cut", "cut", "cut", "stall", "flip", "flip", "length", "status", "range", "whole", "redirect", "drip")


class StoppedError(Exception):
    """The download is given up here, as if its process had ended."""


@dataclass
class Tally:
    """What came of all downloads."""

    exact: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    stops: int = 0
    flips_sent: int = 0
    flips_on_disk: int = 0
    most_fetched_twice: int = 0
    broken: list[str] = field(default_factory=list)


class OneDownload:
    """One seeded download, from its first byte to its end."""

    def __init__(self, seed: int, directory: Path, tally: Tally) -> None:
        self.seed, self.tally = seed, tally
        self.random = random.Random(seed)
        self.directory = directory
        self.data = self.random.randbytes(self.random.randint(1, 1_500_000))
        self.restarts: list[DownloadRestarted] = []
        self.flipped_on_disk = False

    def run(self) -> None:
        with running_hub({WEIGHTS: self.data}) as hub:
            if self.seed % 5 == 0:
                self._kill_a_child(hub)
            hub.faults.extend(self._faults())
            for _ in range(10):  # a person who tries again after each refusal
                error = self._finish(hub)
                self._judge_end(error)
                if error is None:
                    break
            self._judge_whole(hub)

    def _faults(self) -> list[Fault]:
        return [self._fault(self.random.choice(KINDS)) for _ in range(self.random.randint(0, 4))]

    def _fault(self, kind: str) -> Fault:
        self.tally.faults[kind] += 1
        at = self.random.randrange(len(self.data))
        match kind:
            case "cut":
                return Fault(cut_at=at)
            case "stall":
                return Fault(stall_at=at)
            case "flip":
                return Fault(flip_at=at)
            case "length":
                return Fault(length_delta=self.random.choice((-3, -1, 1, 100)))
            case "status":
                return Fault(status=self.random.choice((404, 416, 429, 500, 503)), retry_after="1")
            case "range":
                return Fault(wrong_range=True, cut_at=at)
            case "whole":
                return Fault(ignores_range=True, cut_at=at)
            case "redirect":
                return Fault(redirect_to="http://198.51.100.7/elsewhere")
            case _:
                return Fault(drip_bytes=self.random.randint(1_000, 30_000), cut_at=at)

    def _kill_a_child(self, hub: FakeHub) -> None:
        """Let the hub stop at a random byte, and kill the child when it has taken all up to there."""
        held_at = self.random.randrange(len(self.data))
        hub.faults.append(Fault(stall_at=held_at))
        process = subprocess.Popen(
            child_command("core.models.download_child"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=child_environ(os.environ),
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(encode_request(hub.request(self.directory)))
        process.stdin.close()
        part = self.directory / f"{WEIGHTS}.part"
        expected = held_at // BLOCK_BYTES * BLOCK_BYTES
        give_up = time.monotonic() + 60
        while not hub.is_stalled.wait(0.01) or not part.exists() or part.stat().st_size < expected:
            if time.monotonic() > give_up:
                self.tally.broken.append(f"seed {self.seed}: the child did not get to byte {held_at}")
                break
            time.sleep(0.005)
        process.kill()
        process.wait()
        hub.released.set()
        self.tally.kills += 1

    def _finish(self, hub: FakeHub) -> AppError | None:
        """Begin again after each stop, until it ends."""
        while True:
            try:
                Fetcher(hub.request(self.directory), self._on_event, Machine(sleep=self._sleep)).run()
                return None
            except AppError as error:
                return error
            except StoppedError:
                self.tally.stops += 1
                if self.random.random() < 0.3:
                    self._flip_on_disk()

    def _sleep(self, _s: float) -> None:
        if self.random.random() < 0.3:
            raise StoppedError

    def _on_event(self, event: Message) -> None:
        if isinstance(event, DownloadRestarted):
            self.restarts.append(event)
            self.tally.restarts[event.reason.value] += 1

    def _flip_on_disk(self) -> None:
        part = self.directory / f"{WEIGHTS}.part"
        stored = bytearray(part.read_bytes()) if part.exists() else bytearray()
        if not stored:
            return
        # What is not a whole block is dropped anyway: it is no damage that has to be found.
        at = self.random.randrange(len(stored) // BLOCK_BYTES * BLOCK_BYTES or 1)
        stored[at] ^= 1 << self.random.randrange(8)
        part.write_bytes(stored)
        self.flipped_on_disk = len(stored) >= BLOCK_BYTES
        self.tally.flips_on_disk += self.flipped_on_disk

    def _judge_end(self, error: AppError | None) -> None:
        final = self.directory / WEIGHTS
        if error is None:
            self.tally.exact += 1
            self._require(final.read_bytes() == self.data, "the file is there and wrong")
        else:
            self.tally.refused[error.code.value] += 1
            self._require(not final.exists(), f"{error} left a file")

    def _judge_whole(self, hub: FakeHub) -> None:
        self._require((self.directory / WEIGHTS).exists(), "it never ended well")
        reasons = {event.reason for event in self.restarts}
        if self.flipped_on_disk:
            self._require(RestartReason.BLOCK_DAMAGED in reasons, "a bit flipped on the disk was not found")
        served = [item for item in hub.served if item.name == WEIGHTS]
        flips = [item for item in served if _sent_flip(item.fault.flip_at, item.start, item.sent)]
        self.tally.flips_sent += len(flips)
        if flips and not reasons - {RestartReason.HASH_WRONG}:  # else what was flipped may have been dropped unread
            self._require(RestartReason.HASH_WRONG in reasons, "a byte flipped on the way was not found")
        if not self.restarts:
            self._measure(served)

    def _measure(self, served: list[Served]) -> None:
        """Find how much each connection fetched again of what the one before it had brought."""
        end = 0
        for item in served:
            twice = end - item.start
            self.tally.most_fetched_twice = max(self.tally.most_fetched_twice, twice)
            self._require(twice <= CHUNK_BYTES, f"{twice} bytes were fetched twice")
            was_taken = not item.fault.length_delta and not item.fault.wrong_range
            end = (
                item.start + item.sent if was_taken or (not item.start and not item.fault.length_delta) else item.start
            )

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            self.tally.broken.append(f"seed {self.seed}: {what}")


def _sent_flip(flip_at: int | None, start: int, sent: int) -> bool:
    return flip_at is not None and start <= flip_at < start + sent


def run(n: int, first_seed: int) -> Tally:
    """Run `n` downloads, one seed each."""
    tally = Tally()
    for seed in range(first_seed, first_seed + n):
        with tempfile.TemporaryDirectory() as directory:
            OneDownload(seed, Path(directory), tally).run()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    tally = run(arguments.n, arguments.seed)
    figures = vars(tally) | {"n": arguments.n, "seconds": round(time.monotonic() - started, 1)}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
