"""Values of the chart: each does something, is documented, and is refused where it is nonsense."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.support import chart
from tests.support.places import PROJECT

SCRIPT = PROJECT / "helm" / "values_table.py"


def _load_script() -> Any:
    spec = importlib.util.spec_from_file_location("values_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCUMENTED = {
    ".".join(value.path): value.default
    for value in _load_script().documented((chart.FOLDER / "values.yaml").read_text())
}

ACCOUNT = {"s3.existingSecret": "s3"}
RUN = {"schedules": [chart.schedule()]}
OWN = {"schedules": [chart.schedule(runOn="rayJob")]}
QUEUED = {"schedules": [chart.schedule(runOn="rayJob", queue="gpus")]}
VOLUME = {"weights.source": "volume"}
URI = {"weights.source": "uri", "weights.uri": "s3://weights/a.h5"}
CA = {"ca.secret": "ours"}
GPU_TYPE = {"workerDefaults.gpu.type": "L4"}
PROMETHEUS = {"monitoring.podMonitor.enabled": True}
RULES = {"monitoring.rules.enabled": True}
DASHBOARD = {"monitoring.dashboard.enabled": True}
NODES = {"pool": "a"}
TAINTS = [{"key": "a", "operator": "Exists"}]
PEER = [{"podSelector": {"matchLabels": {"app": "a"}}}]
RESOURCES = {"requests": {"cpu": "7"}}
SPREAD = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
ROUTE = {"networkPolicy.submitters": PEER, "httpRoute.parentRefs": [{"name": "a"}]}
ROUTED = {**ROUTE, "httpRoute.enabled": True}

CHANGES: dict[str, Any] = {
    "nameOverride": "dreams",
    "fullnameOverride": "dreams",
    "image.repository": "registry.example/dreamray",
    "image.tag": "2",
    "image.digest": "sha256:" + 64 * "a",
    "image.pullPolicy": "Always",
    "image.pullSecrets": ["registry"],
    "rayVersion": "2.61.0",
    "auth.existingSecret": "another",
    "serviceAccount.create": ({"serviceAccount.name": "ours"}, False),
    "serviceAccount.name": "ours",
    "serviceAccount.annotations": {"role": "a"},
    "podSecurity.runAsUser": 1234,
    "podSecurity.fsGroup": 1234,
    "podLabels": {"team": "a"},
    "podAnnotations": {"note": "a"},
    "env": [{"name": "A", "value": "b"}],
    "extraVolumes": [{"name": "a", "emptyDir": {}}],
    "extraVolumeMounts": (
        {"extraVolumes": [{"name": "a", "emptyDir": {}}]},
        [{"name": "a", "mountPath": "/a"}],
    ),
    "storage.tmpSize": "1Gi",
    "s3.endpoint": "http://minio:9000",
    "s3.region": "eu",
    "s3.existingSecret": "s3",
    "s3.accessKeyIdKey": (ACCOUNT, "id"),
    "s3.secretAccessKeyKey": (ACCOUNT, "key"),
    "ca.configMap": "ours",
    "ca.secret": "ours",
    "ca.key": (CA, "ca.pem"),
    "weights.source": "volume",
    "weights.uri": (URI, "s3://weights/b.h5"),
    "weights.volume.existingClaim": (VOLUME, "ours"),
    "weights.volume.size": (VOLUME, "2Gi"),
    "weights.volume.storageClassName": (VOLUME, "nfs"),
    "weights.volume.accessModes": (VOLUME, ["ReadWriteOnce"]),
    "cluster.enabled": False,
    "cluster.upgradeStrategy": "None",
    "head.resources": RESOURCES,
    "head.nodeSelector": NODES,
    "head.tolerations": TAINTS,
    "head.affinity": {"podAntiAffinity": {}},
    "head.priorityClassName": "high",
    "head.topologySpreadConstraints": SPREAD,
    "head.dnsPolicy": "Default",
    "head.dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "head.resourceClaims": [{"name": "card", "resourceClaimTemplateName": "l4"}],
    "head.initContainers": [{"name": "a", "image": "a"}],
    "autoscaler.idleTimeoutSeconds": 7,
    "autoscaler.upscalingMode": "Conservative",
    "autoscaler.resources": RESOURCES,
    "failureDetection.periodMs": 7,
    "failureDetection.timeoutMs": 7,
    "failureDetection.failureThreshold": 7,
    "failureDetection.initialDelayMs": 7,
    "workerGroups": [chart.group("a"), chart.group("b")],
    "workerDefaults.minReplicas": 2,
    "workerDefaults.maxReplicas": ({"workerGroups": [chart.group()]}, 7),
    "workerDefaults.gpu.count": 2,
    "workerDefaults.gpu.type": "L4",
    "workerDefaults.gpu.typeLabel": (GPU_TYPE, "gpu"),
    "workerDefaults.gpu.resource": "amd.com/gpu",
    "workerDefaults.spot": "gke",
    "workerDefaults.resources": RESOURCES,
    "workerDefaults.nodeSelector": NODES,
    "workerDefaults.tolerations": TAINTS,
    "workerDefaults.affinity": {"podAntiAffinity": {}},
    "workerDefaults.priorityClassName": "high",
    "workerDefaults.topologySpreadConstraints": SPREAD,
    "workerDefaults.dnsPolicy": "Default",
    "workerDefaults.dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "workerDefaults.resourceClaims": [{"name": "card", "resourceClaimTemplateName": "l4"}],
    "workerDefaults.initContainers": [{"name": "a", "image": "a"}],
    "workerDefaults.runtimeClassName": "nvidia",
    "workerDefaults.idleTimeoutSeconds": 7,
    "workerDefaults.drainSeconds": 7,
    "schedules": [chart.schedule()],
    "scheduleDefaults.timeZone": (RUN, "Europe/Berlin"),
    "scheduleDefaults.suspend": (RUN, True),
    "scheduleDefaults.runOn": (RUN, "rayJob"),
    "scheduleDefaults.command": (RUN, "render"),
    "scheduleDefaults.settings": (RUN, {"iterations": 7}),
    "scheduleDefaults.deadlineSeconds": (RUN, 7),
    "scheduleDefaults.startingDeadlineSeconds": (RUN, 70),
    "scheduleDefaults.successfulJobsHistoryLimit": (RUN, 7),
    "scheduleDefaults.failedJobsHistoryLimit": (RUN, 7),
    "scheduleDefaults.retries": (RUN, 7),
    "scheduleDefaults.groups": (
        {**OWN, "workerGroups": [chart.group("a"), chart.group("b")]},
        ["b"],
    ),
    "scheduleDefaults.keepSeconds": (OWN, 7),
    "scheduleDefaults.queue": (OWN, "gpus"),
    "scheduleDefaults.elastic": (QUEUED, True),
    "scheduleDefaults.replicas": (QUEUED, {"gpu": 1}),
    "submitter.resources": RESOURCES,
    "submitter.nodeSelector": NODES,
    "submitter.tolerations": TAINTS,
    "submitter.affinity": {"podAntiAffinity": {}},
    "submitter.priorityClassName": "high",
    "submitter.topologySpreadConstraints": SPREAD,
    "submitter.dnsPolicy": "Default",
    "submitter.dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "submitter.resourceClaims": [{"name": "card", "resourceClaimTemplateName": "l4"}],
    "submitter.initContainers": [{"name": "a", "image": "a"}],
    "submitter.patienceSeconds": 7,
    "podDisruptionBudget.enabled": False,
    "httpRoute.enabled": (ROUTE, True),
    "httpRoute.parentRefs": (ROUTED, [{"name": "b"}]),
    "httpRoute.hostnames": (ROUTED, ["dreams.example"]),
    "httpRoute.annotations": (ROUTED, {"a": "b"}),
    "networkPolicy.enabled": False,
    "networkPolicy.dns": PEER,
    "networkPolicy.dnsPorts": [5353],
    "networkPolicy.s3": PEER,
    "networkPolicy.apiServer": PEER,
    "networkPolicy.apiServerPorts": [16443],
    "networkPolicy.prometheus": (PROMETHEUS, PEER),
    "networkPolicy.operator": (OWN, PEER),
    "networkPolicy.submitters": PEER,
    "networkPolicy.extraEgress": [{"to": PEER}],
    "monitoring.labels": (PROMETHEUS, {"release": "a"}),
    "monitoring.podMonitor.enabled": True,
    "monitoring.podMonitor.interval": (PROMETHEUS, "7s"),
    "monitoring.rules.enabled": True,
    "monitoring.rules.stalledMinutes": (RULES, 7),
    "monitoring.rules.failedShare": (RULES, 0.7),
    "monitoring.rules.idleMinutes": (RULES, 7),
    "monitoring.dashboard.enabled": True,
    "monitoring.dashboard.labels": (DASHBOARD, {"a": "b"}),
    "testDeadlineSeconds": 7,
    "extraObjects": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}],
}
"""For each value another one than the default; where it has an effect only beside others, those
first."""


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Values by their paths, as a tree."""
    tree: dict[str, Any] = {
        "auth": {"existingSecret": "token"}
    }  # None that is made anew each time.
    for path, value in flat.items():
        *folders, name = path.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return tree


def rendered(flat: dict[str, Any]) -> str:
    """The manifests, without what is random."""
    manifests = chart.render(nested(flat))
    for pod in manifests.of("Pod"):
        for variable in pod["spec"]["containers"][0]["env"]:
            if variable["name"] == "RUN":
                variable["value"] = "a random name"
    return json.dumps(manifests, sort_keys=True)


@pytest.mark.parametrize("path", DOCUMENTED)
def test_every_documented_value_has_an_effect(path: str) -> None:
    change = CHANGES[path]
    base, value = change if isinstance(change, tuple) else ({}, change)
    assert value != DOCUMENTED[path]
    assert rendered(base) != rendered({**base, path: value})


def test_every_value_is_documented() -> None:
    values = yaml.safe_load((chart.FOLDER / "values.yaml").read_text())
    told = set(DOCUMENTED)
    for path in leaves(values):
        assert any(".".join(path[: end + 1]) in told for end in range(len(path))), path


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((chart.FOLDER / "values.schema.json").read_text())
    known = {".".join(path) for path in declared(schema, schema["$defs"]) if path != ("global",)}
    assert known == set(DOCUMENTED)


def test_the_table_in_the_readme_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_the_readme_shows_is_taken() -> None:
    readme = (chart.FOLDER / "README.md").read_text()
    example = readme.partition("```yaml")[2].partition("```")[0]
    assert chart.render(yaml.safe_load(example)).of("CronJob")


@pytest.mark.parametrize(
    "unknown",
    [
        {"workerGroup": []},
        {"image": {"name": "a"}},
        {"workerGroups": [chart.group(gpus=1)]},
        {"workerGroups": [chart.group(gpu={"number": 1})]},
        {"workerDefaults": {"replicas": 1}},
        {"schedules": [chart.schedule(cron="* * * * *")]},
        {"schedules": [chart.schedule(settings={"iteration": 3})]},
        {"schedules": [chart.schedule(settings={"address": "auto"})]},
        {"monitoring": {"enabled": True}},
        {"head": {"resources": {"request": {}}}},
    ],
    ids=str,
)
def test_unknown_names_are_refused(unknown: dict[str, Any]) -> None:
    assert "additional properties" in chart.refusal(unknown)


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"schedules": [{"name": "a"}]}, "/schedules/0"),
        ({"schedules": [chart.schedule(schedule="2 o'clock")]}, "/schedules/0/schedule"),
        ({"schedules": [chart.schedule(schedule="TZ=UTC 0 2 * * *")]}, "/schedules/0/schedule"),
        ({"schedules": [chart.schedule(runOn="farm")]}, "/schedules/0/runOn"),
        ({"schedules": [chart.schedule("Nightly")]}, "/schedules/0/name"),
        ({"schedules": [chart.schedule(deadlineSeconds=0)]}, "/schedules/0/deadlineSeconds"),
        ({"workerGroups": [chart.group(spot="azure")]}, "/workerGroups/0/spot"),
        ({"workerGroups": [chart.group(maxReplicas=0)]}, "/workerGroups/0/maxReplicas"),
        ({"workerGroups": [chart.group(gpu={"count": -1})]}, "/workerGroups/0/gpu/count"),
        ({"workerGroups": [chart.group(resources={"limits": {"memory": "lots"}})]}, "memory"),
        ({"s3": {"endpoint": "minio:9000"}}, "/s3/endpoint"),
        ({"podSecurity": {"runAsUser": 0}}, "/podSecurity/runAsUser"),
        ({"image": {"digest": "abc"}}, "/image/digest"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"head": {"dnsPolicy": "ClusterFirstWithHostNet"}}, "/head/dnsPolicy"),
        ({"submitter": {"initContainers": [{"name": "a"}]}}, "/submitter/initContainers/0"),
        ({"rayVersion": 2.6}, "/rayVersion"),
        ({"monitoring": {"rules": {"failedShare": 5}}}, "failedShare"),
        ({"networkPolicy": {"prometheus": []}}, "/networkPolicy/prometheus"),
        ({"networkPolicy": {"dnsPorts": []}}, "/networkPolicy/dnsPorts"),
        # More than Helm can pass on without a change.
        ({"schedules": [chart.schedule(settings={"seed": 2**53})]}, "/settings/seed"),
        ({"weights": {"source": "imagenet"}}, "/weights/source"),
    ],
    ids=str,
)
def test_values_of_the_wrong_kind_are_refused_where_they_are(bad: Any, place: str) -> None:
    assert place in chart.refusal(bad)


LONG = "a-name-that-is-rather-long-for-this"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"fullnameOverride": "9-lives"}, "set fullnameOverride"),
        ({"fullnameOverride": 41 * "a"}, "at most 40 small letters"),
        ({"workerGroups": [chart.group(), chart.group()]}, 'two are called "gpu"'),
        ({"schedules": [chart.schedule(), chart.schedule()]}, 'two are called "nightly"'),
        ({"weights": {"source": "uri"}}, "set weights.uri, or weights.source=image"),
        ({"weights": {"uri": "s3://a/b.h5"}}, "set weights.source=uri"),
        ({"ca": {"configMap": "a", "secret": "b"}}, "leave one of them empty"),
        ({"podLabels": {"app.kubernetes.io/component": "submitter"}}, "select by app.kubernetes"),
        ({"podLabels": {"dreamray/cluster": "farm"}}, "select by dreamray/cluster"),
        ({"podLabels": {"ray.io/node-type": "head"}}, "select by ray.io/node-type"),
        ({"env": [{"name": "RAY_AUTH_MODE", "value": "disabled"}]}, "sets RAY_AUTH_MODE already"),
        (
            {"env": [{"name": "RAY_CLUSTER_NAME", "value": "a"}]},
            "KubeRay or another entry sets RAY_C",
        ),
        ({"env": [{"name": "HOME", "value": "/root"}]}, "sets HOME already"),
        (
            {"s3": {"region": "eu"}, "env": [{"name": "AWS_REGION", "value": "us"}]},
            "sets AWS_REGION already",
        ),
        ({"env": 2 * [{"name": "A", "value": "b"}]}, "sets A already"),
        ({"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}, 'a volume "tmp" already'),
        ({"extraVolumes": 2 * [{"name": "a", "emptyDir": {}}]}, 'a volume "a" already'),
        ({"extraVolumeMounts": [{"name": "a", "mountPath": "/a"}]}, "add it there"),
        (
            {
                "extraVolumes": [{"name": "a", "emptyDir": {}}],
                "extraVolumeMounts": [{"name": "a", "mountPath": "/tmp/"}],
            },
            "mounted at /tmp/ already",
        ),
        ({"schedules": [chart.schedule("dashboard", runOn="rayJob")]}, "ConfigMap is called farm-"),
        ({"serviceAccount": {"create": False}}, "set serviceAccount.name"),
        (
            {"serviceAccount": {"create": False, "name": "a"}, **OWN},
            "set serviceAccount.create=true",
        ),
        ({"workerGroups": [chart.group(minReplicas=5)]}, "raise maxReplicas"),
        (
            {"workerGroups": [chart.group(resources={"limits": {"memory": ""}})]},
            "resources/limits/memory",
        ),
        ({"workerDefaults": {"resources": {"limits": None}}}, "resources.limits.memory"),
        ({"workerGroups": [chart.group(gpu={"count": 0, "type": "L4"})]}, "set gpu.count=1"),
        (
            {"workerGroups": [chart.group(resources={"limits": {"nvidia.com/gpu": 1}})]},
            "write gpu.count instead",
        ),
        ({"cluster": {"enabled": False}, **RUN}, "set cluster.enabled=true, or runOn: rayJob"),
        ({"schedules": [chart.schedule(queue="gpus")]}, "queue is for runs on a cluster of"),
        ({"schedules": [chart.schedule(groups=["gpu"])]}, "groups is for runs on a cluster of"),
        (
            {"schedules": [chart.schedule(runOn="rayJob", replicas={"gpu": 1})]},
            "replicas is for runs with a queue",
        ),
        (
            {"schedules": [chart.schedule(runOn="rayJob", elastic=True)]},
            "elastic is for runs with a queue",
        ),
        (
            {
                "schedules": [
                    chart.schedule(runOn="rayJob", queue="q", elastic=True, replicas={"gpu": 1})
                ]
            },
            "replicas is for runs with a queue that are not elastic",
        ),
        ({"httpRoute": {"enabled": True}}, "set httpRoute.parentRefs and cluster.enabled=true"),
        (
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}},
            "name its pods in networkPolicy.submitters",
        ),
        ({"workerDefaults": {"gpu": {"resource": ""}}}, "set resourceClaims and resources.claims"),
        ({"schedules": [chart.schedule(runOn="rayJob", groups=["cpu"])]}, "there are: gpu"),
        (
            {
                "workerGroups": [chart.group("a"), chart.group("b")],
                "schedules": [
                    chart.schedule(runOn="rayJob", queue="q", groups=["a"], replicas={"b": 1})
                ],
            },
            "replicas has group b, which is not among groups",
        ),
        (
            {"schedules": [chart.schedule(command="render", settings={"include": "*.png"})]},
            "dreamray render has no option include",
        ),
        (
            {"schedules": [chart.schedule(settings={"preview": "s3://a/b.png"})]},
            "dreamray bulk has no option preview",
        ),
        ({"schedules": [chart.schedule(f"{LONG}-so", runOn="rayJob")]}, "32 are allowed"),
        ({"schedules": [chart.schedule(LONG)], "fullnameOverride": 20 * "a"}, "52 are allowed"),
        ({"schedules": [chart.schedule(source="pictures/")]}, "neither an s3:// URI nor an abs"),
        ({"schedules": [chart.schedule(destination="/dreams")]}, "a path that no pod has"),
        ({"workerGroups": []}, "so nobody would dream; add an entry"),
        (
            {"workerGroups": [chart.group(), chart.group("c", gpu={"count": 0})], **RUN},
            "settings.gpus-per-worker: 1, or 0",
        ),
        (
            {"workerDefaults": {"resources": {"requests": {"cpu": 2}}}, **RUN},
            "a worker takes 4 CPUs and 1 GPUs",
        ),
        ({"schedules": [chart.schedule(settings={"gpus-per-worker": 2})]}, "4 CPUs and 2 GPUs"),
        ({"schedules": [chart.schedule(settings={"threads": 16})]}, "takes 16 CPUs"),
    ],
    ids=str,
)
def test_values_that_do_not_fit_each_other_are_refused_with_what_to_write(
    bad: dict[str, Any], message: str
) -> None:
    assert message in chart.refusal(bad)


def test_a_part_of_a_cpu_is_a_cpu_to_ray() -> None:
    chart.render({"workerDefaults": {"resources": {"requests": {"cpu": "3500m"}}}, **RUN})


def test_a_picture_may_leave_out_what_the_defaults_have_for_sets() -> None:
    values = {
        "scheduleDefaults": {"settings": {"max-failures": "5%", "iterations": 9}},
        "schedules": [
            chart.schedule("set"),
            chart.schedule("one", command="render", settings={"max-failures": False}),
        ],
    }
    args = chart.render(values).pod("CronJob", "farm-dreamray-one").container["args"]
    assert "--iterations=9" in args
    assert not [word for word in args if "max-failures" in word]


def test_what_the_chart_does_not_set_may_be_set_in_the_environment() -> None:
    region = [{"name": "AWS_REGION", "value": "us"}]
    pods = [chart.render({"env": region}).pod("RayCluster", part) for part in ("head", "worker")]
    assert [pod.environment()["AWS_REGION"] for pod in pods] == ["us", "us"]


def test_a_name_that_looks_like_something_else_stays_a_name() -> None:
    """To YAML `on` is a truth value, `1e3` a number, and `0777` the number 511."""
    odd = {
        "auth": {"existingSecret": "0777"},
        "serviceAccount": {"name": "1e3"},
        "image": {"pullSecrets": ["123"]},
        "s3": {"existingSecret": "1e3", "accessKeyIdKey": "yes", "secretAccessKeyKey": "1"},
        "ca": {"secret": "0777", "key": "1.0"},
        "weights": {
            "source": "volume",
            "volume": {"storageClassName": "1", "existingClaim": ""},
        },
        "head": {"priorityClassName": "1"},
        "workerDefaults": {"runtimeClassName": "no", "priorityClassName": "off"},
        "workerGroups": [chart.group("on"), chart.group("1e3"), chart.group("0777")],
        "schedules": [
            chart.schedule("123", runOn="rayJob", queue="1"),
            chart.schedule("nightly", settings={"memory": "1e3"}),
        ],
    }
    manifests = chart.render(odd)
    plain = json.dumps(manifests)
    for written in ("511", "1000.0", "true", "false", "null"):
        for key in ("name", "secretName", "serviceAccountName", "groupName", "key", "claimName"):
            assert f'"{key}": {written}' not in plain
    spec = manifests.one("RayCluster")["spec"]
    assert [group["groupName"] for group in spec["workerGroupSpecs"]] == ["on", "1e3", "0777"]
    assert spec["authOptions"]["secretName"] == "0777"
    worker = manifests.pod("RayCluster", "worker", "on").spec
    assert (worker["serviceAccountName"], worker["runtimeClassName"]) == ("1e3", "no")
    assert (worker["priorityClassName"], worker["imagePullSecrets"]) == ("off", [{"name": "123"}])
    key = manifests.pod("RayCluster", "head").environment()["AWS_ACCESS_KEY_ID"]["secretKeyRef"]
    assert key == {"name": "1e3", "key": "yes"}
    assert manifests.one("PersistentVolumeClaim")["spec"]["storageClassName"] == "1"
    assert manifests.one("RayJob")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "1"


def test_the_name_of_a_release_may_look_like_something_else() -> None:
    """Labels and names are texts to Kubernetes, and nothing else is taken for one."""
    for release, name in (("123", "farm"), ("farm", "on")):
        arguments = ["template", release, str(chart.FOLDER), "--set-string"]
        done = chart.helm(*arguments, f"fullnameOverride={name}")
        (cluster,) = [m for m in yaml.safe_load_all(done.stdout) if m["kind"] == "RayCluster"]
        assert cluster["metadata"]["name"] == name
        assert cluster["metadata"]["labels"]["app.kubernetes.io/instance"] == release
        head = cluster["spec"]["headGroupSpec"]["template"]["metadata"]
        assert head["labels"]["app.kubernetes.io/instance"] == release


def leaves(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all values that are no tables."""
    if not isinstance(values, dict) or not values:
        return [path]
    return [leaf for name, part in values.items() for leaf in leaves(part, (*path, name))]


def declared(
    schema: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    """The paths that a schema names, without those in lists, and in what is passed on."""
    properties = schema.get("properties")
    if not properties:
        return [path]
    return [
        found
        for name, part in properties.items()
        for found in declared(part, definitions, (*path, name))
    ]
