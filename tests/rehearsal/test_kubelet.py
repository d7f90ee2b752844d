"""A kubelet's part of the rehearsal: variables, files and commands of a container are its pod's."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.kubelet import RehearsedPod, pods_unavailable
from tests.fakes.pod_variables import environment, expanded, image_environment
from tests.support.hosts import Host, Hosts

SECRET = {
    "kind": "Secret",
    "metadata": {"name": "account"},
    "data": {"key": base64.b64encode(b"secret").decode()},
}
CONFIG = {"kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": {"a.sh": "A", "b.sh": "B"}}


def pod(**spec: Any) -> dict[str, Any]:
    meta = {"name": "pod-0", "namespace": "dreams", "labels": {"job/name": "run-1"}}
    return {"metadata": meta, "spec": spec}


def variables(*env: dict[str, Any]) -> dict[str, str]:
    return environment({"env": list(env)}, pod(), [SECRET, CONFIG])


def reference(kind: str, **source: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: source}}


def test_variables_are_what_they_refer_to() -> None:
    assert variables(reference("secretKeyRef", name="account", key="key")) == {"X": "secret"}
    assert variables(reference("configMapKeyRef", name="scripts", key="a.sh")) == {"X": "A"}
    assert variables(reference("fieldRef", fieldPath="metadata.name")) == {"X": "pod-0"}
    assert variables(reference("fieldRef", fieldPath="metadata.labels['job/name']")) == {
        "X": "run-1"
    }
    earlier = {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2 $(C)"}
    assert variables(*earlier) == {"A": "1", "B": "12 $(C)"}


@pytest.mark.parametrize(
    "missing",
    [
        reference("secretKeyRef", name="other", key="key"),
        reference("secretKeyRef", name="account", key="other"),
        reference("resourceFieldRef", resource="limits.cpu"),
    ],
)
def test_what_is_not_there_ends_it(missing: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        variables(missing)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("--id=$(RUN)", "--id=run-1"),
        ("$(NOBODY) $RUN ${RUN}", "$(NOBODY) $RUN ${RUN}"),
        ("$$(RUN)", "$(RUN)"),
        ("a$$b", "a$b"),
    ],
)
def test_names_in_brackets_are_put_in_as_kubernetes_does(text: str, result: str) -> None:
    assert expanded(text, {"RUN": "run-1"}) == result


def test_the_image_gives_its_variables() -> None:
    found = image_environment()
    assert found["HOME"] == found["RAY_TMPDIR"] == "/tmp"
    assert not [name for name in found if "TOKEN" in name or name.startswith("AWS_")]


LOOK = r"""
id -u; id -g; id -G; hostname; pwd; cat /var/run/scripts/a.sh; echo; ls /run/scripts
getent hosts head; touch /data/mark && echo written
touch /run/scripts/mark /mark 2>&1; df --output=size /dev/shm
grep -E 'CapEff|NoNewPrivs' /proc/self/status; echo "$X"
"""


@pytest.fixture
def host(hosts: Hosts) -> Host:
    if reason := pods_unavailable():
        pytest.skip(reason)
    return hosts[1]


def test_a_container_has_its_files_its_user_and_its_names(host: Host) -> None:
    container = {
        "name": "look",
        "command": ["sh", "-c"],
        "args": [LOOK],
        "env": [{"name": "X", "value": "1"}],
        "securityContext": {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "scripts", "mountPath": "/var/run/scripts", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }
    volumes = [
        {
            "name": "scripts",
            "configMap": {"name": "scripts", "items": [{"key": "a.sh", "path": "a.sh"}]},
        },
        {"name": "data", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    ]
    security = {"runAsUser": 1000, "runAsGroup": 1001, "fsGroup": 1002}
    manifest = pod(securityContext=security, containers=[container], volumes=volumes)
    rehearsed = RehearsedPod(host, manifest, [CONFIG], {"head": "198.18.0.1"})
    started = rehearsed.start("look", env={"X": "2"})
    assert started.wait(30) == 0, started.err
    lines = [" ".join(line.split()) for line in started.out.splitlines()]
    assert lines == [
        *("1000", "1001", "1001 1002", "pod-0", "/", "A", "a.sh", "198.18.0.1 head", "written"),
        "touch: cannot touch '/run/scripts/mark': Read-only file system",
        "touch: cannot touch '/mark': Read-only file system",
        *("1K-blocks", "8192", "CapEff: 0000000000000000", "NoNewPrivs: 1", "2"),
    ]
    assert not Path("/run/scripts").exists()


def test_containers_of_a_pod_share_volumes_and_nothing_else(host: Host) -> None:
    script = "cat /data/mark; echo $0 > /data/mark; touch /etc/mark-of-$0; ls /etc | grep mark-of"
    containers = [
        {
            "name": name,
            "command": ["sh", "-c", script, name],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        for name in ("one", "two")
    ]
    volumes = [{"name": "data", "emptyDir": {}}]
    manifest = pod(initContainers=containers[:1], containers=containers[1:], volumes=volumes)
    rehearsed = RehearsedPod(host, manifest, [], {})
    for name, expected in (("one", "mark-of-one\n"), ("two", "one\nmark-of-two\n")):
        started = rehearsed.start(name)
        assert started.wait(30) == 0, started.err
        assert started.out == expected
    assert not Path("/etc/mark-of-one").exists()
    with pytest.raises(LookupError, match="no container three"):
        rehearsed.start("three")


def test_a_container_that_does_not_end_says_what_it_printed(host: Host) -> None:
    container = {"name": "slow", "command": ["sh", "-c", "echo here; exec sleep 100"]}
    slow = RehearsedPod(host, pod(containers=[container]), [], {}).start("slow")
    while "here" not in slow.out:
        assert slow.process.poll() is None, slow.err
    with pytest.raises(TimeoutError, match="here"):
        slow.wait(0.1)
