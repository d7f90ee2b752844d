"""The files of cluster/ are valid, safe, and ask only for what there is. Takes about 10 s."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml
from ray.autoscaler.tags import TAG_RAY_CLUSTER_NAME

from dreamray.cli import app
from dreamray.farm.kinds import KIND
from tests.support.crds import check_kuberay_takes
from tests.support.places import PROJECT
from tests.support.s3_server import server_program

CLUSTER = PROJECT / "cluster"

DOCKERFILE = (CLUSTER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((CLUSTER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

each_service = pytest.mark.parametrize("name", SERVICES)
each_cloud = pytest.mark.parametrize("name", ["aws", "gcp"])
each_job = pytest.mark.parametrize("name", ["huge-picture", "bulk"])

HARDENED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
VARIABLE = re.compile(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}")
SECRET = re.compile(r"(?i)(secret|token|password|access_key)")
TAKES_NO_VALUE = {"--head", "--block", "--disable-usage-stats"}


# Dockerfile; what comes of it, tests/kubernetes/test_image.py looks at.


def test_all_images_are_pinned_by_version() -> None:
    images = re.findall(r"(?m)^ARG \w+_IMAGE=(\S+)$", DOCKERFILE)
    assert len(images) == 2
    assert all(PINNED.fullmatch(image) for image in images)
    stages = set(re.findall(r"(?m)^FROM \S+ AS (\S+)$", DOCKERFILE))
    bases = set(re.findall(r"(?m)^FROM (\S+)", DOCKERFILE))
    assert {base for base in bases - stages if not base.startswith("final")} == {
        "${NODE_IMAGE}",
        "${PYTHON_IMAGE}",
    }


def test_the_source_comes_after_what_it_needs() -> None:
    """A change of the source makes a new layer of the source only."""
    dependencies = DOCKERFILE[DOCKERFILE.index("AS dependencies") : DOCKERFILE.index("AS app")]
    copied = re.findall(r"(?m)^COPY (.+) \S+$", dependencies)
    assert copied
    assert "dreamray" not in " ".join(copied).split()


def test_what_the_image_copies_is_in_the_context_and_nothing_else_is() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    steps = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE)
    copied = {word for step in steps for word in step.split()}
    assert copied | {"cluster/weights"} == allowed
    assert all((PROJECT / path).exists() for path in allowed)
    assert "**/.env" in rules


def test_requirements_follow_the_variant() -> None:
    def needs(*variant: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CLUSTER / "requirements.py"), *variant]
        return subprocess.run(command, cwd=PROJECT, text=True, capture_output=True, timeout=60)

    cpu, gpu = (needs(variant).stdout.splitlines() for variant in ("cpu", "gpu"))
    assert any(line.startswith("tensorflow>") for line in cpu)
    assert [line for line in gpu if line not in cpu] == ["tensorflow[and-cuda]>=2.20,<2.22"]
    for wrong in (["GPU"], []):
        assert needs(*wrong).returncode == 1
        assert "cpu or gpu" in needs(*wrong).stderr


def test_weights_that_are_not_the_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.h5"
    file.write_bytes(b"no weights")
    digest = "df0c1fb2cfac6e56c1b0f2b9cb2b7c3a7d1d7a2ad2f8eb8a6cd9ec4ad0ed1a90"

    def check(*arguments: str) -> str:
        command = [sys.executable, str(CLUSTER / "check_weights.py"), *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 1
        return done.stderr

    missing = check(str(file), "")
    assert "WEIGHTS_SHA256 is missing" in missing
    assert "get it again" in check(str(file), digest)
    right = re.search("[0-9a-f]{64}", missing)
    assert right
    assert check(str(file), right[0]).startswith("WEIGHTS: weights ")
    assert "name one file" in check(str(tmp_path), digest)


# compose.yaml


@each_service
def test_services_have_no_rights_and_write_to_tmp_only(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].partition(":")[0] not in ("0", "root", "")
    assert service["mem_limit"]
    forbidden = {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "userns_mode"}
    assert not forbidden & set(service)
    binds = [v for v in service.get("volumes", []) if v["type"] == "bind"]
    assert [v["source"] for v in binds] == (["./data"] if name == "s3" else [])


@each_service
def test_ports_are_published_on_the_machine_itself_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert ports == (["127.0.0.1:8265:8265"] if name == "head" else [])
    assert SERVICES[name]["networks"] == ["farm"]


@each_service
def test_secrets_come_from_the_environment_and_have_to_be_given(name: str) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        if SECRET.search(variable):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), variable
    assert name == "s3" or SERVICES[name]["environment"]["RAY_AUTH_MODE"] == "token"


@each_service
def test_services_wait_for_those_that_say_when_they_are_well(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        assert wanted == {"condition": "service_healthy"}
        assert SERVICES[other]["healthcheck"]["test"][0] == "CMD"
    assert name == "submit" or SERVICES[name]["healthcheck"]


@each_service
def test_images_are_pinned(name: str) -> None:
    assert PINNED.fullmatch(VARIABLE.sub(lambda match: match[1] or "", SERVICES[name]["image"]))


def test_the_example_of_the_environment_has_all_that_is_asked_for_and_no_secrets() -> None:
    lines = (CLUSTER / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    asked = set(re.findall(r"\$\{(\w+)", (CLUSTER / "compose.yaml").read_text()))
    assert set(given) == asked
    assert given["RAY_AUTH_TOKEN"] == given["S3_SECRET_KEY"] == ""
    assert "/.env" in (CLUSTER / ".gitignore").read_text().splitlines()


def test_the_s3_server_is_that_of_the_tests() -> None:
    modules = (CLUSTER / "kubernetes" / "go" / "go.mod").read_text()
    version = re.search(r"\bversity/versitygw (\S+)$", modules, re.M)
    assert version
    assert SERVICES["s3"]["image"].endswith(f":{version[1]}")


def test_the_s3_server_takes_its_command_and_says_that_it_is_well(tmp_path: Path) -> None:
    for folder in ("metadata", "buckets/pictures"):
        (tmp_path / folder).mkdir(parents=True)
    service = SERVICES["s3"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [word.replace("/data/", f"{tmp_path}/") for word in service["command"]]
    command[command.index(":9000")] = f"127.0.0.1:{port}"
    url = service["healthcheck"]["test"][-1].replace(":9000/", f":{port}/")
    keys = dict.fromkeys(service["environment"], "rehearsal-secret")
    program = server_program()
    with subprocess.Popen([program, *command], env={**os.environ, **keys}) as server:
        try:
            assert answers(url)
            assert not answers(url.replace("/health", "/pictures"))
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Whether a server that may just be starting answers a question without credentials."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        try:
            return bool(opener.open(url, timeout=5).status == 200)
        except urllib.error.HTTPError:
            return False
        except OSError:
            time.sleep(0.05)
    return False


# ray up


@functools.cache
def cloud(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((CLUSTER / f"{name}.yaml").read_text()))


@each_cloud
def test_ray_takes_the_cluster(name: str) -> None:
    import ray.autoscaler
    from ray.autoscaler._private.util import prepare_config, validate_config

    schema = json.loads(Path(ray.autoscaler.__file__).with_name("ray-schema.json").read_text())
    jsonschema.validate(cloud(name), schema)
    validate_config(prepare_config(json.loads(json.dumps(cloud(name)))))


@each_cloud
def test_gpus_are_on_spot_and_come_from_none_and_the_head_has_no_tasks(name: str) -> None:
    types = cloud(name)["available_node_types"]
    head = types.pop(cloud(name)["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    for workers in types.values():
        assert workers["min_workers"] == 0
        assert 0 < workers["max_workers"] <= cloud(name)["max_workers"]
        assert workers["resources"]["GPU"] == 1
        assert workers["labels"][KIND]
        assert re.search("(?i)spot", json.dumps(workers["node_config"]))
    types[cloud(name)["head_node_type"]] = head
    start = " ".join(cloud(name)["head_start_ray_commands"])
    assert "--num-cpus=0" in start
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start


@each_cloud
def test_all_nodes_ask_for_the_token_and_the_dashboard_stays_on_the_head(name: str) -> None:
    for kind in ("head", "worker"):
        commands = cloud(name)[f"{kind}_start_ray_commands"]
        (start,) = [command for command in commands if "ray start" in command]
        assert "export RAY_AUTH_MODE=token;" in start
        assert "--dashboard-host" not in start
    assert cloud(name)["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"
    assert "IpPermissions" not in json.dumps(cloud(name))
    assert {".git", "cluster/.env", "cluster/data"} <= set(cloud(name)["rsync_exclude"])


@each_cloud
def test_setup_commands_are_shell(name: str) -> None:
    for key, value in cloud(name).items():
        for command in value if key.endswith("_commands") else []:
            subprocess.run(["bash", "-n", "-c", command], check=True, timeout=10)


def test_the_head_ends_and_names_no_machines_but_those_of_its_cluster() -> None:
    """Jobs run beside the head's autoscaler, with its role: on AWS they could end any machine."""
    readme = (CLUSTER / "README.md").read_text()
    policy = json.loads(readme.partition("```json")[2].partition("```")[0])
    name = cloud("aws")["cluster_name"]
    conditions = {
        (action, json.dumps(statement.get("Condition")))
        for statement in policy["Statement"]
        for action in actions(statement)
        if action in ("ec2:TerminateInstances", "ec2:CreateTags", "ec2:*", "*")
    }
    own = json.dumps({"StringEquals": {f"aws:ResourceTag/{TAG_RAY_CLUSTER_NAME}": name}})
    new = json.dumps({"StringEquals": {"ec2:CreateAction": "RunInstances"}})
    assert conditions == {
        ("ec2:TerminateInstances", own),
        ("ec2:CreateTags", own),
        ("ec2:CreateTags", new),
    }


def actions(statement: dict[str, Any]) -> list[str]:
    """What a statement of a policy allows."""
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


# RayJobs


@functools.cache
def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CLUSTER / f"rayjob-{name}.yaml").read_text()))


def pods(name: str) -> dict[str, dict[str, Any]]:
    spec = manifests(name)[0]["spec"]
    cluster = spec["rayClusterSpec"]
    workers = {g["groupName"]: g["template"] for g in cluster["workerGroupSpecs"]}
    return {
        "submitter": spec["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        **workers,
    }


@each_job
def test_kuberay_takes_the_job(name: str) -> None:
    check_kuberay_takes(manifests(name)[0])


@each_job
def test_kubernetes_takes_pods_and_policy(name: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    _, policy = manifests(name)
    templates = [
        {"apiVersion": "v1", "kind": "Pod", **pod, "metadata": {"name": "x"}}
        for pod in pods(name).values()
    ]
    for manifest in (policy, *templates):
        kubernetes.validate(manifest, kubernetes.latest_version(), strict=True)


@each_job
def test_every_container_is_hardened(name: str) -> None:
    job, _ = manifests(name)
    for kind, pod in pods(name).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, kind
        assert spec["securityContext"]["runAsUser"] == 1000
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in spec["containers"]:
            assert container["securityContext"] == HARDENED, kind
            assert container["resources"]["limits"]["memory"]
            assert PINNED.fullmatch(container["image"])
            assert {"name": "HOME", "value": "/tmp"} in container["env"]
            for variable in container["env"]:
                assert not SECRET.search(variable["name"]) or "valueFrom" in variable
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    options = job["spec"]["rayClusterSpec"]["autoscalerOptions"]
    assert options["securityContext"] == HARDENED


@each_job
def test_every_mount_has_its_volume(name: str) -> None:
    options = manifests(name)[0]["spec"]["rayClusterSpec"]["autoscalerOptions"]
    for kind, pod in pods(name).items():
        mounts = [m for c in pod["spec"]["containers"] for m in c["volumeMounts"]]
        mounts += options["volumeMounts"] if kind == "head" else []
        assert {m["name"] for m in mounts} == {v["name"] for v in pod["spec"]["volumes"]}


@each_job
def test_the_cluster_asks_for_a_token_comes_from_nothing_and_goes_away(name: str) -> None:
    spec = manifests(name)[0]["spec"]
    cluster = spec["rayClusterSpec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] > 0
    assert cluster["authOptions"]["mode"] == "token"
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in cluster["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == 0 < group["maxReplicas"]
    key = {"secretKeyRef": {"name": cluster["authOptions"]["secretName"], "key": "auth_token"}}
    for pod in pods(name).values():
        environment = {v["name"]: v for v in pod["spec"]["containers"][0]["env"]}
        assert environment["RAY_AUTH_TOKEN"]["valueFrom"] == key


@each_job
def test_only_its_own_pods_and_the_operator_reach_ray(name: str) -> None:
    _, policy = manifests(name)
    selector = policy["spec"]["podSelector"]
    for pod in pods(name).values():
        assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
    among, operator = policy["spec"]["ingress"]
    assert among["from"] == [{"podSelector": selector}]
    assert [port["port"] for port in operator["ports"]] == [8265]


@each_job
def test_workers_and_ray_are_as_many_and_as_new_as_the_cluster_has(name: str) -> None:
    spec = manifests(name)[0]["spec"]
    (group,) = spec["rayClusterSpec"]["workerGroupSpecs"]
    words = shlex.split(spec["entrypoint"])
    assert words[words.index("--workers") + 1].endswith(f":{group['maxReplicas']}")
    constraints = (PROJECT / "constraints.txt").read_text().splitlines()
    assert f"ray=={spec['rayClusterSpec']['rayVersion']}" in constraints


# What they run


def dreamray_commands() -> Iterator[list[str]]:
    for name in ("huge-picture", "bulk"):
        yield shlex.split(manifests(name)[0]["spec"]["entrypoint"])
    yield SERVICES["submit"]["command"]
    readme = (CLUSTER / "README.md").read_text().replace("\\\n", " ")
    for line in readme.splitlines():
        if line.startswith("    ") and (found := re.search(r"dreamray (render|bulk) .*", line)):
            yield shlex.split(found[0])


@pytest.mark.parametrize("command", list(dreamray_commands()), ids=" ".join)
def test_dreamray_takes_its_options(command: list[str]) -> None:
    name, *arguments = command[1:]
    known = typer.main.get_command(app.app).commands  # type: ignore[attr-defined]
    known[name].make_context(name, arguments)


def test_ray_takes_its_options() -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    commands = [SERVICES[name]["command"] for name in ("head", "worker")]
    for name in ("aws", "gcp"):
        for kind in ("head", "worker"):
            line = cloud(name)[f"{kind}_start_ray_commands"][-1]
            commands.append(shlex.split(line.rpartition(";")[2]))
    for command in commands:
        assert command[:2] == ["ray", "start"]
        for word in command[2:]:
            option, equals, _ = word.partition("=")
            assert option in known
            assert bool(equals) != (option in TAKES_NO_VALUE)
