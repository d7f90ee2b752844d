"""A signal ends the command, whatever hangs, and all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dreamray.cli import interruption, merge
from dreamray.cli.app import main
from tests.support.places import PROJECT

HANGS = {
    "in C": """
import ctypes
mutex = ctypes.create_string_buffer(64)
print("ready", flush=True)
for _ in range(2): ctypes.CDLL(None).pthread_mutex_lock(mutex)
""",
    "while it tidies up": """
try:
    print("ready", flush=True)
    time.sleep(60)
finally: threading.Event().wait(60)
""",
    "in a thread that the end waits for": """
threading.Thread(target=time.sleep, args=(60,)).start()
print("ready", flush=True)
time.sleep(60)
""",
}


@pytest.fixture(autouse=True)
def _attached() -> Iterator[None]:
    """The tests may run under nohup, and what they start would ignore SIGHUP, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@contextmanager
def begun(code: str, within: float) -> Iterator[subprocess.Popen[str]]:
    """A process that hangs, with so many seconds to end in good order."""
    whole = f"""
import sys, threading, time
from dreamray.cli import interruption
interruption.WITHIN = {within}
interruption.goes_on("go on")
interruption.watch()
try:
    exec(sys.argv[1])
except KeyboardInterrupt:
    interruption.say()
    sys.exit(interruption.INTERRUPTED)
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-c", whole, code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            process.ready = process.stdout.readline()  # type: ignore[attr-defined]
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS.keys())
def test_what_hangs_ends_when_its_time_is_over(code: str, number: signal.Signals) -> None:
    with begun(code, within=0.3) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "dreamray: interrupted; go on\n"


def test_under_nohup_it_outlives_its_terminal() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('ready', flush=True)"
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with begun(code, within=60) as process:
            assert process.wait(20) == 0
    finally:
        signal.signal(signal.SIGHUP, ignored)


def test_a_second_signal_ends_it_at_once_but_not_an_echo_of_the_first() -> None:
    with begun(HANGS["while it tidies up"], within=60) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130


def test_what_it_has_started_ends_too_also_where_it_is_stopped() -> None:
    code = """
import subprocess
inner = "import subprocess; subprocess.run(['sleep', '60'])"
child = subprocess.Popen([sys.executable, "-c", inner])
while True:
    found = interruption._descendants(child.pid)
    if found: break
    time.sleep(0.01)
import os, signal
os.kill(child.pid, signal.SIGSTOP)
try:
    print(child.pid, *found, flush=True)
    child.wait()
finally: threading.Event().wait(60)
"""
    with begun(code, within=0.1) as process:
        pids = [int(pid) for pid in process.ready.split()]  # type: ignore[attr-defined]
        assert len(pids) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
    until = time.monotonic() + 10
    while any(is_there(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_terminal_that_is_full_does_not_hold_it() -> None:
    code = """
import os
os.set_blocking(2, False)
try:
    while True: os.write(2, b"x" * 4096)
except BlockingIOError: pass
os.set_blocking(2, True)
print("ready", flush=True)
threading.Event().wait(60)
"""
    with begun(code, within=0.2) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130


def is_there(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemError("a callback's"), OSError(5)])
def test_it_is_said_also_where_a_command_does_nothing_about_it(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever becomes of it on its way out of a library."""

    def interrupted(*_: object, **__: object) -> str:
        raise error

    has_come = threading.Event()
    has_come.set()
    monkeypatch.setattr(interruption, "_interrupted", has_come)
    monkeypatch.setattr(merge, "describe_picture", interrupted)
    monkeypatch.setattr(interruption, "watch", lambda: None)
    monkeypatch.setattr(interruption, "_said", threading.Lock())
    monkeypatch.setattr(interruption, "_goes_on", "")
    monkeypatch.setattr(sys, "argv", ["dreamray", "show", "cat.png"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == interruption.INTERRUPTED
    assert capfd.readouterr().err == "dreamray: interrupted\n"
