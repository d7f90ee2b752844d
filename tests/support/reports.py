"""Pictures of a set, and runs, that reports tell of."""

from dreamray.bulk.record import Record, Seconds, State
from dreamray.bulk.report import ReportEntry, RunState, Summary

STARTED = "2026-11-22T18:00:00Z"
BEFORE, AFTER = "2026-11-21T10:00:00Z", "2026-11-22T18:30:00Z"
ATTACK = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'&amp;</script><!--"
HOSTILE = [
    "quotes \"double\" 'single' `back`.png",
    "<img src=x onerror=window.hacked=1>.png",
    "a folder #1/100%/what? a+b & c.png",
    "%41%2e%2e.png",
    "javascript:window.hacked=1.png",
    "new\nline\ttab\r.png",
    "turned \u202egnp.exe",
    "夢/été/\U0001f43b.png",
    "not UTF-8 \udcff\udc80.png",
    "back\\slash.png",
    "${x} $title {{y}}.png",
    "n" * 250 + ".png",
]


def entry(record, kept=False):
    return ReportEntry(record, kept, record.source)


def done(output, kept=False, **more):
    values = {"width": 400, "height": 300, "seconds": Seconds(0.1, 0.2, 1.5, 0.2)}
    values |= {"worker": "host/1", "finished": AFTER}
    return entry(Record(output, f"/in/{output}", State.DONE, **values | more), kept)


def failed(output, error="{source}: this is no picture; look at it", **more):
    source = f"/in/{output}"
    return entry(Record(output, source, State.FAILED, error=error.format(source=source), **more))


def many(count, **more):
    for i in range(count):
        name = f"folder/{i:06}.png"
        yield failed(name, **more) if i % 10 == 3 else done(name, **more)


def summary(state=RunState.RUNNING, **more):
    counts = {"total": 100, "done": 60, "kept": 10, "failed": 5}
    values = counts | {"destination": "/out", "source": "/in", "settings": "dream:\n  octaves: 3\n"}
    values |= {"weights": "imagenet", "weights_sha256": "ab" * 32}
    values |= {"seconds": 120.0, "started": STARTED, "as_of": AFTER}
    return Summary(state=state, **values | more)
