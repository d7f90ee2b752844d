"""Schedules: when runs begin, what they run, and who starts them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import typer

from dreamray.cli.app import app
from tests.support import chart


def cron(**entry: Any) -> dict[str, Any]:
    """The CronJob of one entry."""
    spec: dict[str, Any] = chart.render({"schedules": [chart.schedule(**entry)]}).one("CronJob")
    return spec["spec"]


def command(values: chart.Values | None = None, **entry: Any) -> list[str]:
    """What is run in the Ray cluster for one entry."""
    manifests = chart.render({**(values or {}), "schedules": [chart.schedule(**entry)]})
    if jobs := manifests.of("RayJob"):
        return shlex.split(jobs[0]["spec"]["entrypoint"])
    args = manifests.pod("CronJob").container["args"]
    return list(args[args.index("--") + 1 :])


def test_a_run_does_not_begin_beside_another_one_and_its_time_is_known() -> None:
    spec = cron(timeZone="Europe/Berlin", deadlineSeconds=7200)
    assert spec["concurrencyPolicy"] == "Forbid"
    assert (spec["schedule"], spec["timeZone"]) == ("0 2 * * *", "Europe/Berlin")
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 3)
    assert spec["startingDeadlineSeconds"] == 3600
    job = spec["jobTemplate"]["spec"]
    args = job["template"]["spec"]["containers"][0]["args"]
    assert "--deadline=7200" in args
    assert job["activeDeadlineSeconds"] > 7200


@pytest.mark.parametrize("where", ["cluster", "rayJob"])
def test_the_pod_that_follows_a_run_outlives_it_however_late_the_cluster_answers(
    where: str,
) -> None:
    """Told to end, it would let the run go on, and nobody would stop that at its deadline."""
    entry = chart.schedule(runOn=where, deadlineSeconds=600, retries=4)
    values = {"schedules": [entry], "submitter": {"patienceSeconds": 1800}}
    job = chart.render(values).one("CronJob")["spec"]["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] >= 600 + 5 * 1800


def test_a_run_may_wait_in_a_queue_as_long_as_it_takes() -> None:
    """Nothing ends the pod that waits for it: another run would begin beside the queued one."""
    queued = chart.render(chart.VALUE_SETS["queue"])
    assert "activeDeadlineSeconds" not in queued.one("CronJob")["spec"]["jobTemplate"]["spec"]
    assert queued.one("RayJob")["spec"]["activeDeadlineSeconds"] > 0


def test_a_large_number_is_written_out() -> None:
    assert (
        cron(deadlineSeconds=2_000_000)["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 2002100
    )
    assert "--seed=123456789" in command(settings={"seed": 123456789})


@pytest.mark.parametrize("where", ["cluster", "rayJob"])
def test_settings_are_options_of_the_command(where: str) -> None:
    settings = {
        "layer": ["mixed4[12,40]=2", "mixed5=1.5"],
        "iterations": 30,
        "step": 0.02,
        "overwrite": True,
        "quiet": False,
        "workers": "2:8",
        "gpus-per-worker": 0.5,
    }
    assert command(runOn=where, settings=settings) == [
        "dreamray",
        "bulk",
        "s3://pictures/new/",
        "s3://dreams/new/",
        "--gpus-per-worker=0.5",
        "--iterations=30",
        "--layer=mixed4[12,40]=2",
        "--layer=mixed5=1.5",
        "--overwrite",
        "--step=0.02",
        "--workers=2:8",
    ]


def test_workers_are_asked_for_that_are_not_there_yet() -> None:
    large = {"requests": {"cpu": "16"}}
    groups = [
        chart.group("a", maxReplicas=3, gpu={"count": 4}, resources=large),
        chart.group("b", maxReplicas=2),
    ]
    asked = command({"workerGroups": groups})
    assert "--workers=1:14" in asked
    assert "--gpus-per-worker=1" in asked
    assert "--workers=1:2" in command({"workerGroups": groups}, runOn="rayJob", groups=["b"])
    cpu = command({"workerGroups": [chart.group("c", gpu={"count": 0})]})
    assert "--workers=1:4" in cpu
    assert not [option for option in cpu if "gpus" in option]


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"gpus-per-worker": 1}, 3 * 4 + 2),
        ({"gpus-per-worker": 0.5}, 3 * 4 + 2),  # There are 4 CPUs for each.
        ({"gpus-per-worker": 0.5, "threads": 2}, 3 * 8 + 2 * 2),
        ({"gpus-per-worker": 4}, 3),
        ({"gpus-per-worker": 0}, 7),
        ({"gpus-per-worker": 0, "threads": 8}, 7 * 2),
    ],
    ids=str,
)
def test_no_workers_are_asked_for_of_groups_that_are_not_for_the_run(
    settings: dict[str, Any], most: int
) -> None:
    """Else the others' nodes come up for it, with GPUs that nobody uses."""
    large = {"requests": {"cpu": "16"}}
    groups = [
        chart.group("large", maxReplicas=3, gpu={"count": 4}, resources=large),
        chart.group("small", maxReplicas=2),
        chart.group("processors", maxReplicas=7, gpu={"count": 0}, resources=large),
    ]
    assert f"--workers=1:{most}" in command({"workerGroups": groups}, settings=settings)
    if not settings["gpus-per-worker"]:
        of_one_kind = command({"workerGroups": groups[1:2]}, settings={"gpus-per-worker": 0})
        assert "--workers=1:2" in of_one_kind


@pytest.mark.parametrize(
    "odd",
    ["s3://it's/a b/", 's3://"/$HOME/', "s3://$(RUN)/`x`", "s3://\\/é/", "s3://$$(RUN)/a$$b/$"],
)
def test_names_come_through_as_they_are(odd: str) -> None:
    for where in ("cluster", "rayJob"):
        written = command(source=odd, runOn=where)[2]
        assert chart.expanded(written, {"RUN": "another name"}) == odd


@pytest.mark.parametrize(
    ("variable", "label", "options"),
    [
        ("RUN", "job-name", {"nightly": "--id=$(RUN)", "own": "--owner-job=$(RUN)"}),
        (
            "OWNER",
            "controller-uid",
            {"nightly": "--owner=$(OWNER)", "own": "--owner-uid=$(OWNER)"},
        ),
    ],
)
def test_a_run_is_known_by_its_job(variable: str, label: str, options: dict[str, str]) -> None:
    """So a new pod finds what the one before has begun. A name may be used again; a UID never."""
    field = {"fieldPath": f"metadata.labels['batch.kubernetes.io/{label}']"}
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    for name, option in options.items():
        pod = manifests.pod("CronJob", f"farm-dreamray-{name}")
        assert pod.environment()[variable] == {"fieldRef": field}
        assert option in pod.container["args"]
    (test,) = manifests.of("Pod")
    assert f"{label}']" not in json.dumps(test)


def test_a_ray_job_is_not_called_as_the_job_that_makes_it() -> None:
    """KubeRay makes a Job of exactly the RayJob's name to submit the run, and allows 47 letters."""
    longest = 32 - len("farm-dreamray-")
    manifests = chart.render({"schedules": [chart.schedule(longest * "a", runOn="rayJob")]})
    job = f"{manifests.one('CronJob')['metadata']['name']}-{10 * '9'}"
    args = manifests.pod("CronJob").container["args"]
    (option,) = [chart.expanded(arg, {"RUN": job}) for arg in args if arg.startswith("--name=")]
    name = option.removeprefix("--name=")
    assert name != job
    assert len(name) <= 47


def test_only_an_attempt_that_did_not_reach_the_cluster_is_repeated() -> None:
    job = cron(retries=5)["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 5
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    ignore, fail = job["podFailurePolicy"]["rules"]
    assert ignore["action"] == "Ignore"
    assert ignore["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert fail["action"] == "FailJob"
    codes = fail["onExitCodes"]
    assert codes["operator"] == "NotIn"
    assert not {1, 2, 124, 130} & set(codes["values"])
    assert 75 in codes["values"]
    assert codes["values"] == sorted(codes["values"])


def test_a_cluster_of_its_own_goes_away_after_the_run() -> None:
    entry = chart.schedule(runOn="rayJob", keepSeconds=30, deadlineSeconds=600, retries=2)
    spec = chart.render({"schedules": [entry]}).one("RayJob")["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] == 30
    assert spec["activeDeadlineSeconds"] == 600
    assert spec["backoffLimit"] == 0
    assert spec["submitterConfig"]["backoffLimit"] == 2
    assert spec["submitterPodTemplate"]["spec"]["restartPolicy"] == "Never"
    assert spec["rayClusterSpec"]["autoscalerOptions"]["version"] == "v2"


def test_a_cluster_of_its_own_is_made_like_the_long_lived_one() -> None:
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    own = manifests.one("RayJob")["spec"]["rayClusterSpec"]
    farm = manifests.one("RayCluster")["spec"]
    del farm["upgradeStrategy"]
    assert json.loads(json.dumps(own).replace("schedule-own", "farm")) == farm


def test_a_queue_gets_a_cluster_of_a_fixed_size() -> None:
    job = chart.render(chart.VALUE_SETS["queue"]).one("RayJob")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is False
    assert "autoscalerOptions" not in cluster
    (group,) = cluster["workerGroupSpecs"]
    assert (group["minReplicas"], group["replicas"], group["maxReplicas"]) == (2, 2, 2)
    assert "--workers=1:2" in shlex.split(job["spec"]["entrypoint"])


def test_an_elastic_run_is_scaled_as_kueue_admits_it() -> None:
    job = chart.render(chart.VALUE_SETS["elastic"]).one("RayJob")
    assert job["metadata"]["annotations"] == {"kueue.x-k8s.io/elastic-job": "true"}
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is True
    fixed = chart.render(chart.VALUE_SETS["queue"]).one("RayJob")
    assert "annotations" not in fixed["metadata"]


def test_defaults_of_schedules_hold_where_an_entry_says_nothing() -> None:
    values = {
        "scheduleDefaults": {"runOn": "rayJob", "settings": {"iterations": 9, "tile": 512}},
        "schedules": [chart.schedule("a", runOn="cluster", settings={"iterations": 5})],
    }
    manifests = chart.render(values)
    assert not manifests.of("RayJob")
    args = manifests.pod("CronJob").container["args"]
    assert {"--iterations=5", "--tile=512"} <= set(args)


@pytest.mark.parametrize("name", ["bulk", "render"])
def test_the_settings_of_the_chart_are_the_options_of_the_command_line(name: str) -> None:
    commands: Any = typer.main.get_command(app)
    if name not in commands.commands:
        pytest.skip(f"there is no dreamray {name} yet")
    options = {
        option.removeprefix("--")
        for parameter in commands.commands[name].params
        for option in parameter.secondary_opts or parameter.opts  # --no-x, where x is the default
        if option.startswith("--")
    }
    known = set(schema_of_settings())
    theirs = {"help", "address", "exchange-ports"}  # The cluster is the chart's to choose.
    assert options - theirs <= known
    of_bulk = {"include", "format", "overwrite", "max-failures", "batch", "padded", "no-report"}
    of_render = {"fresh", "keep-work", "preview"}
    assert known - options <= (of_bulk if name == "render" else of_render)


def schema_of_settings() -> dict[str, Any]:
    schema = json.loads((chart.FOLDER / "values.schema.json").read_text())
    properties: dict[str, Any] = schema["$defs"]["settings"]["properties"]
    return properties
