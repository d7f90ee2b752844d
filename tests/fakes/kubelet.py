"""A pod on a rehearsed host: its containers are processes with the pod's network, files and user.

    pod = RehearsedPod(host, manifest, objects, names)
    assert pod.start("wait-gcs-ready").wait(60) == 0
    node = pod.start("ray-worker")

As a kubelet would have it: command, arguments and variables are the manifest's, with secrets,
config maps and fields put in; the root is this machine's own, read-only if the manifest says so,
under an overlay of the container's own, and volumes are mounted where the manifest mounts them;
user, group, rights and the host's name are those of the pod. In place of the image there are this
Python's environment and the project, with the variables of the image's Dockerfile. Processes are
numbered with the machine's, and may take as much of it as they want. Needs overlayfs and root.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from tests.fakes.kuberay import quantity
from tests.fakes.pod_variables import (
    PROJECT,
    data_of,
    environment,
    expanded,
    field_of,
    image_environment,
)
from tests.support import namespaces
from tests.support.hosts import Host, hosts_unavailable

Manifest = dict[str, Any]

SERVICE_ACCOUNT_TOKEN = "a token of this rehearsal"
"""What a pod shows to the Kubernetes API."""

# `folder` and `file` make one in the container's root, and put its path here into `at`. Links on
# the way, such as /var/run, are those of the container.
_MAKE_ROOT = """
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
for part in proc sys dev; do mount --rbind "/$part" "$root/$part"; done
folder() { at=$root$(chroot "$root" realpath -m "$1"); mkdir -p "$at"; }
file() { folder "$(dirname "$1")"; at=$root$(chroot "$root" realpath -m "$1"); touch "$at"; }
"""

_ASK_UNTIL_READY = """
import pathlib, sys, time, urllib.request
url, process = sys.argv[1:]
while True:
    try:
        sys.exit(urllib.request.urlopen(url, timeout=5).status != 200)
    except OSError:
        if "Z (zombie)" in pathlib.Path(f"/proc/{process}/status").read_text():
            sys.exit(1)
        time.sleep(0.5)
"""


class Container:
    """A container that was started: its process, and what it printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def out(self) -> str:
        """Its standard output."""
        return self._log.with_suffix(".out").read_text()

    @property
    def err(self) -> str:
        """Its standard error."""
        return self._log.with_suffix(".err").read_text()

    def wait(self, timeout: float) -> int:
        """Its exit code; raises TimeoutError, with what it printed, if it has none in time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"no end after {timeout} s:\n{self.out}\n{self.err}") from None


class RehearsedPod:
    """A pod on a host of its own.

    `objects` are the manifests that it may refer to; `names` are the addresses that its containers
    find by name, and the only ones.
    """

    def __init__(
        self, host: Host, manifest: Manifest, objects: Iterable[Manifest], names: Mapping[str, str]
    ) -> None:
        self.host = host
        self.name: str = manifest["metadata"]["name"]
        self.labels: dict[str, str] = manifest["metadata"]["labels"]
        self.manifest = manifest
        self._objects = list(objects)
        self._folder = host.folder / self.name
        self._folder.mkdir()
        self._serial = count()
        self._started: list[Container] = []
        lines = {"localhost": "127.0.0.1", self.name: host.address, **names}
        self._file("hosts", "".join(f"{address} {name}\n" for name, address in lines.items()))
        # Nobody answers on this machine, where glibc asks without a line here.
        self._file("resolv.conf", "")
        self._file("passwd", "root:x:0:0::/:/bin/sh\ndreamray:x:1000:1000::/tmp:/bin/bash\n")
        for volume in manifest["spec"].get("volumes", []):
            self._fill(volume)

    def container(self, name: str) -> Manifest:
        """The container, or the one that runs before, of that name; raises LookupError."""
        spec = self.manifest["spec"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            if container["name"] == name:
                return dict(container)
        raise LookupError(f"the pod {self.name} has no container {name}")

    def start(
        self, name: str, without: Iterable[str] = (), env: Mapping[str, str] | None = None
    ) -> Container:
        """Start the container, `without` some of its variables and with others in `env`."""
        container, base = self.container(name), self._folder / f"{name}-{next(self._serial)}"
        variables = environment(container, self.manifest, self._objects)
        variables = {**image_environment(), **variables, **(env or {})}
        variables = {key: value for key, value in variables.items() if key not in set(without)}
        words = [*container["command"], *container.get("args", [])]
        command = [expanded(word, variables) for word in words]
        base.mkdir()
        script = base.with_suffix(".sh")
        script.write_text("\n".join(self._script(container, base)))
        inside = ["env", "-i", *(f"{key}={value}" for key, value in variables.items()), *command]
        start = ["unshare", "--uts", "--ipc", "sh", "-eu", str(script), *inside]
        out, err = base.with_suffix(".out"), base.with_suffix(".err")
        with out.open("wb") as to_out, err.open("wb") as to_err:
            started = Container(self.host.popen(start, stdout=to_out, stderr=to_err), base)
        self._started.append(started)
        return started

    def wait_until_ready(self, container: Container, timeout: float) -> bool:
        """Whether its probe calls the container ready before it ends, or the time is over.

        A kubelet asks from the node, which no policy hinders, and without a token.
        """
        probe = self.manifest["spec"]["containers"][0]["readinessProbe"]["httpGet"]
        url = f"http://{self.host.address}:{probe['port']}{probe['path']}"
        ask = [sys.executable, "-c", _ASK_UNTIL_READY, url, str(container.process.pid)]
        try:
            return self.host.run(ask, timeout=timeout).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def end(self) -> None:
        """Ask all containers to end, and kill them when their time is over."""
        for container in self._started:
            container.process.terminate()
        until = time.monotonic() + self.manifest["spec"].get("terminationGracePeriodSeconds", 30)
        for container in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                container.process.wait(max(0, until - time.monotonic()))
        namespaces.kill(self.host.processes())
        for container in self._started:
            container.process.wait()

    def printed(self) -> str:
        """All that its containers printed so far."""
        files = sorted(self._folder.glob("*.out")) + sorted(self._folder.glob("*.err"))
        return "\n".join(f"{file.name}:\n{file.read_text()}" for file in files)

    def _script(self, container: Manifest, base: Path) -> list[str]:
        """Puts the container's root together below `base`, and becomes its command, `"$@"`."""
        lines = [f"base={base} root={base}/root", _MAKE_ROOT]
        for name in ("hosts", "resolv.conf", "passwd"):
            lines += _bind(self._folder / name, f"/etc/{name}")
        for mount in container.get("volumeMounts", []):
            lines += self._mount(mount)
        for path in _image_paths():
            lines += _bind(path, str(path), read_only=True)
            # Others than root may come here, as in an image.
            lines += [f'chmod a+x "$root"{shlex.quote(str(above))}' for above in path.parents]
        context = {**self.manifest["spec"].get("securityContext", {})}
        context |= container.get("securityContext", {})
        if context.get("readOnlyRootFilesystem"):
            lines.append('mount -o remount,ro "$root"')
        lines.append(f"hostname {self.name}")
        return [*lines, f'exec chroot "$root" {shlex.join(_rights(context))} "$@"']

    def _mount(self, mount: Manifest) -> list[str]:
        (volume,) = [v for v in self.manifest["spec"]["volumes"] if v["name"] == mount["name"]]
        path = mount["mountPath"]
        if volume.get("emptyDir", {}).get("medium") == "Memory":
            size = volume["emptyDir"].get("sizeLimit")
            options = f"mode=1777{f',size={quantity(size)}' if size else ''}"
            return [f"folder {shlex.quote(path)}", f'mount -t tmpfs -o {options} tmpfs "$at"']
        source = self._folder / "volumes" / mount["name"]
        return _bind(source, path, read_only=bool(mount.get("readOnly")))

    def _fill(self, volume: Manifest) -> None:
        folder = self._folder / "volumes" / volume["name"]
        folder.mkdir(parents=True)
        if "emptyDir" in volume:
            folder.chmod(0o1777)
            return
        if "projected" in volume:
            for source in volume["projected"]["sources"]:
                self._project(source, folder)
        for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if source := volume.get(key):
                name = source.get("name") or source.get("secretName")
                content = data_of(kind, name, self._objects)
                known = [{"key": entry, "path": entry} for entry in content]
                for item in source.get("items", known):
                    (folder / item["path"]).write_text(content[item["key"]])

    def _project(self, source: Manifest, folder: Path) -> None:
        match source:
            case {"serviceAccountToken": {"path": path}}:
                (folder / path).write_text(SERVICE_ACCOUNT_TOKEN)
            case {"configMap": {"name": name, "items": items}}:
                content = data_of("ConfigMap", name, self._objects)
                for item in items:
                    (folder / item["path"]).write_text(content[item["key"]])
            case {"downwardAPI": {"items": items}}:
                for item in items:
                    text = field_of(item["fieldRef"]["fieldPath"], self.manifest["metadata"])
                    (folder / item["path"]).write_text(text)
            case other:
                raise LookupError(f"a volume of {other} is not rehearsed")

    def _file(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)


@functools.cache
def pods_unavailable() -> str | None:
    """Why this machine cannot rehearse pods; None if it can."""
    if reason := hosts_unavailable():
        return reason
    if shutil.which("setpriv") is None:
        return "rehearsed pods need setpriv, of util-linux"
    layers = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root"
    layers += " && mount -t overlay overlay /mnt/root"
    layers += " -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", layers], capture_output=True)
    return f"rehearsed pods need overlayfs: {done.stderr.decode()}" if done.returncode else None


def _image_paths() -> list[Path]:
    """What an image would have: the interpreter, its packages, and the project.

    A folder in another one of them, such as an environment in the project, comes with that one.
    """
    paths = {Path(sys.prefix), Path(sys.base_prefix), PROJECT}
    outer = (path for path in paths if paths.isdisjoint(path.parents))
    return sorted(path for path in outer if path != Path("/usr"))


def _bind(source: Path, path: str, read_only: bool = False) -> list[str]:
    """Lines of a script that mount a file or folder at a path of the container."""
    lines = [
        f"{'folder' if source.is_dir() else 'file'} {shlex.quote(path)}",
        f'mount --bind {shlex.quote(str(source))} "$at"',
    ]
    return [*lines, 'mount -o remount,bind,ro "$at"'] if read_only else lines


def _rights(context: Manifest) -> list[str]:
    """The program that takes on a security context, and leaves root's rights behind."""
    command = ["setpriv"]
    if (user := context.get("runAsUser")) is not None:
        group = context.get("runAsGroup", user)
        groups = context.get("fsGroup", group)
        command += [f"--reuid={user}", f"--regid={group}", f"--groups={groups}"]
    if context.get("capabilities", {}).get("drop") == ["ALL"]:
        command += ["--bounding-set=-all", "--inh-caps=-all"]
    if context.get("allowPrivilegeEscalation") is False:
        command.append("--no-new-privs")
    return command
