"""Builds the stages of a Dockerfile on this machine: copies files, and runs steps in a chroot.

Needs root, and mounts of its own: who calls this has been started by `unshare --mount`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile import Dockerfile, Instruction, Stage, expand

PROJECT = Path(__file__).resolve().parents[1]
# What a builder has to know of this machine to reach the packages.
PASSED_ON = ("PIP_", "SSL_CERT_", "REQUESTS_CA_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
AS_USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--no-new-privs"]
AS_USER += ["--bounding-set=-all", "--inh-caps=-all"]
SECONDS = 1800


class StepError(Exception):
    """A step went wrong."""


@dataclass
class Layers:
    """A stage as it comes to be: what it adds to the base image, and where the whole is seen."""

    root: Path
    added: Path
    variables: dict[str, str]
    folder: str = "/"
    user: str = ""
    command: list[str] = field(default_factory=list)


class Rehearsal:
    """All stages, one after the other, in a folder."""

    def __init__(self, plan: Dockerfile, given: Mapping[str, str], work: Path) -> None:
        self.plan = plan
        self.given = given
        self.work = work
        self.done: dict[str, Layers] = {}
        self.steps = 0
        self.skipped: list[str] = []

    def build(self) -> Layers:
        """Rehearse the stages that are needed; gives the last one. Raises StepError."""
        for stage in self.plan.needed():
            if stage.base not in self.done:
                self._skip(stage.line, f"FROM {stage.base}", "no registry and no Docker here")
            if not stage.instructions and self.plan.stage(stage.base) is None:
                continue  # Only there to copy from.
            self.done[stage.name] = self._begin(stage)
            for instruction in stage.instructions:
                self._step(stage, instruction)
        return self.done[self.plan.stages[-1].name]

    def _begin(self, stage: Stage) -> Layers:
        below = self.done.get(stage.base)
        home = self.work / stage.name
        added, root = home / "layer", home / "root"
        for folder in (home / "overlay", root):
            folder.mkdir(parents=True)
        if below is None:
            added.mkdir()
            _as_in_the_base_image(added)
        else:  # A layer cannot lie above another one where both lie in the lowest of them.
            run(["cp", "-a", "--reflink=auto", str(below.added), str(added)])
        options = f"lowerdir=/,upperdir={added},workdir={home / 'overlay'}"
        run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)])
        for bound in ("proc", "dev", "sys"):
            run(["mount", "--rbind", f"/{bound}", str(root / bound)])
        for fresh in ("tmp", "dev/shm", "root"):
            run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / fresh)])
        run(["mount", "--bind", "-o", "ro", sys.base_prefix, str(root / "usr/local")])
        run(["chroot", str(root), "/sbin/ldconfig"])
        if below:
            variables = dict(below.variables)
            return Layers(root, added, variables, below.folder, below.user, list(below.command))
        path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        return Layers(root, added, {"PATH": path})

    def _step(self, stage: Stage, step: Instruction) -> None:
        now = self.done[stage.name]
        arguments = dict(self._arguments(stage, step))
        known = {**arguments, **now.variables}
        left_out = len(self.skipped)
        print(f"[{stage.name}] {step.keyword} {' '.join(step.value.split())[:110]}", flush=True)
        try:
            match step.keyword:
                case "ARG" | "LABEL":
                    return
                case "ENV":
                    now.variables |= {name: expand(value, known) for name, value in step.pairs()}
                case "WORKDIR":
                    now.folder = expand(step.value, known)
                    _inside(now.root, now.folder).mkdir(parents=True, exist_ok=True)
                case "USER":
                    now.user = step.value
                case "CMD":
                    now.command = step.words()
                case "COPY" | "ADD":
                    self._copy(now, step, known)
                case "RUN":
                    self._execute(now, step, arguments)
                case other:
                    raise StepError(f"{other} is not rehearsed: teach it to this program")
        except (OSError, subprocess.SubprocessError, StepError) as error:
            raise StepError(f"line {step.line}: {step.keyword}: {error}") from None
        self.steps += len(self.skipped) == left_out

    def _arguments(self, stage: Stage, until: Instruction) -> Iterator[tuple[str, str]]:
        for step in stage.of("ARG"):
            if step.line < until.line:
                for name, default in step.pairs():
                    yield name, self.given.get(name, default or self.plan.arguments.get(name, ""))

    def _copy(self, now: Layers, step: Instruction, known: Mapping[str, str]) -> None:
        *sources, target = (expand(word, known) for word in step.words())
        origin, stage = PROJECT, step.flag("from")
        if stage is not None and stage not in self.done:
            self._skip(step.line, f"COPY --from={stage}", "nothing of that image is here")
            return
        if stage is not None:
            origin = self.done[stage].root
        place = _inside(now.root, str(Path(now.folder, target)))
        for source in sources:
            if "://" in source:
                self._skip(step.line, f"ADD {source}", "the builder fetches it")
                continue
            path = _inside(origin, source)
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".env")
                shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                file = place / path.name if target.endswith("/") else place
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, file)

    def _execute(self, now: Layers, step: Instruction, arguments: Mapping[str, str]) -> None:
        if "apt-get" in step.value:
            self._skip(step.line, "RUN apt-get", "it would take this machine for the base image")
            return
        if (mounted := step.flag("mount")) and "target=" in mounted:
            cache = self.work / "cache"
            cache.mkdir(exist_ok=True)
            target = _inside(now.root, mounted.partition("target=")[2])
            target.mkdir(parents=True, exist_ok=True)
            run(["mount", "--bind", str(cache), str(target)])
        passed_on = {k: v for k, v in os.environ.items() if k.upper().startswith(PASSED_ON)}
        variables = {"HOME": "/root", **passed_on, **arguments, **now.variables}
        run(chrooted(now, ["sh", "-c", step.value]), variables)

    def _skip(self, line: int, what: str, why: str) -> None:
        self.skipped.append(f"line {line}: {what}: {why}")


def chrooted(stage: Layers, command: list[str], as_user: bool = False) -> list[str]:
    """The command that runs another one in a stage, as root or as the image's user."""
    line = ["chroot", str(stage.root), "env", "--chdir", stage.folder]
    return [*line, *(AS_USER if as_user else []), *command]


def _as_in_the_base_image(layer: Path) -> None:
    """Nobody but Debian's own users, and the base image's libraries below /usr/local."""
    (layer / "etc").mkdir()
    for name in ("passwd", "group"):
        lines = Path("/etc", name).read_text().splitlines()
        kept = [a for a in lines if not 1000 <= int(a.split(":")[2]) < 60000]
        (layer / "etc" / name).write_text("\n".join(kept) + "\n")


def _inside(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def run(command: list[str], variables: Mapping[str, str] | None = None) -> str:
    """Run a command; gives what it prints. Raises StepError, with the end of that, if it fails."""
    environment = dict(variables) if variables is not None else None
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS,
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-25:])
        raise StepError(f"exit code {done.returncode} of {command}\n{end}")
    return done.stdout
