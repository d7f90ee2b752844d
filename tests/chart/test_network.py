"""Who reaches whom by the network policies of the chart, as Kubernetes reads them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support import chart

DASHBOARD, GCS, CLIENT, METRICS, WORKER = 8265, 6379, 10001, 8080, 10500
EXCHANGE = 11000, 11063
"""The first and the last of the ports on which workers hear one another."""
INTERNET = "203.0.113.9"


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod by its labels, or an address outside."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = chart.NAMESPACE
    address: str | None = None


class Network:
    """The network of a farm, with its policies."""

    def __init__(self, values: chart.Values) -> None:
        manifests = chart.render(values)
        self._policies = [policy["spec"] for policy in manifests.of("NetworkPolicy")]
        self._pods = {pod.where: End(pod.labels) for pod in manifests.pods()}

    def pod(self, *words: str) -> End:
        """The pod whose place has all the words."""
        (found,) = [end for where, end in self._pods.items() if set(words) <= set(where.split())]
        return found

    def connects(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Whether the source may leave for the target, and is let in there."""
        ask = (port, protocol)
        return self._allows("Egress", "egress", "to", source, target, ask) and self._allows(
            "Ingress", "ingress", "from", target, source, ask
        )

    def _allows(
        self, kind: str, rules: str, peers: str, own: End, other: End, ask: tuple[int, str]
    ) -> bool:
        if own.address or own.namespace != chart.NAMESPACE:
            return True
        mine = [
            policy
            for policy in self._policies
            if kind in policy["policyTypes"] and selects(policy["podSelector"], own.labels)
        ]
        return not mine or any(
            any(has_port(port, ask) for port in rule.get("ports", [{}]))
            and any(is_peer(peer, other) for peer in rule.get(peers, [{}]))
            for policy in mine
            for rule in policy.get(rules, [])
        )


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def is_peer(peer: dict[str, Any], end: End) -> bool:
    if not peer:
        return True
    if "ipBlock" in peer:
        block = ipaddress.ip_network(peer["ipBlock"]["cidr"])
        return end.address is not None and ipaddress.ip_address(end.address) in block
    if end.address:
        return False
    namespace = {"kubernetes.io/metadata.name": end.namespace}
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], namespace):
            return False
    elif end.namespace != chart.NAMESPACE:
        return False
    return selects(peer.get("podSelector", {}), end.labels)


def has_port(rule: dict[str, Any], ask: tuple[int, str]) -> bool:
    number, protocol = ask
    if not rule:
        return True
    return rule.get("protocol", "TCP") == protocol and rule["port"] <= number <= rule.get(
        "endPort", rule["port"]
    )


OUTSIDE = End(address=INTERNET)
NEIGHBOUR = End({"app": "shop"})
STRANGER = End({"app": "shop"}, "shops")
OPERATOR = End({"app.kubernetes.io/name": "kuberay-operator"}, "kuberay")
PROMETHEUS = End({"app": "prometheus"}, "monitoring")
DNS = End({"k8s-app": "kube-dns"}, "kube-system")


@pytest.fixture(scope="module")
def farm() -> Network:
    """The long-lived cluster, a schedule on it, and one on a cluster of its own."""
    return Network(chart.VALUE_SETS["schedules"])


HEAD, WORKERS = ("RayCluster", "head"), ("RayCluster", "worker")
OWN_HEAD, OWN_WORKERS = ("RayJob", "head"), ("RayJob", "worker")
SUBMITTER, OWN_SUBMITTER = ("CronJob", "farm-dreamray-nightly"), ("RayJob", "submitter")
LAUNCHER = ("CronJob", "farm-dreamray-own")


@pytest.mark.parametrize("port", [GCS, 6380, 6381, 6382, 52365, 10002, WORKER, 10999, *EXCHANGE])
def test_nodes_of_a_cluster_reach_each_other(farm: Network, port: int) -> None:
    for head, worker in ((HEAD, WORKERS), (OWN_HEAD, OWN_WORKERS)):
        assert farm.connects(farm.pod(*worker), farm.pod(*head), port)
        assert farm.connects(farm.pod(*head), farm.pod(*worker), port)
        assert farm.connects(farm.pod(*worker), farm.pod(*worker), port)


@pytest.mark.parametrize("port", [GCS, 6380, 6381, 52365, CLIENT, WORKER, *EXCHANGE])
def test_rays_ports_are_closed_to_all_others(farm: Network, port: int) -> None:
    for source in (
        OUTSIDE,
        NEIGHBOUR,
        STRANGER,
        OPERATOR,
        PROMETHEUS,
        farm.pod(*SUBMITTER),
        farm.pod(*LAUNCHER),
        farm.pod(*OWN_WORKERS),
    ):
        for target in (HEAD, WORKERS):
            assert not farm.connects(source, farm.pod(*target), port)


def test_those_of_the_exchange_are_the_ones_that_workers_are_told(farm: Network) -> None:
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    for where in (WORKERS, OWN_WORKERS):
        told = manifests.pod(*where).environment()["DREAMRAY_EXCHANGE_PORTS"]
        assert told == "{}-{}".format(*EXCHANGE)
        assert not farm.connects(farm.pod(*where), farm.pod(*where), EXCHANGE[1] + 1)


def test_submitters_reach_the_job_server_and_nothing_else_of_ray(farm: Network) -> None:
    assert farm.connects(farm.pod(*SUBMITTER), farm.pod(*HEAD), DASHBOARD)
    assert farm.connects(farm.pod(*OWN_SUBMITTER), farm.pod(*OWN_HEAD), DASHBOARD)
    assert farm.connects(farm.pod("Pod"), farm.pod(*HEAD), DASHBOARD)
    for port in (GCS, CLIENT, METRICS, WORKER):
        assert not farm.connects(farm.pod(*SUBMITTER), farm.pod(*HEAD), port)
    assert not farm.connects(farm.pod(*SUBMITTER), farm.pod(*WORKERS), DASHBOARD)


def test_nobody_else_reaches_the_job_server(farm: Network) -> None:
    for source in (OUTSIDE, NEIGHBOUR, STRANGER, OPERATOR, PROMETHEUS):
        assert not farm.connects(source, farm.pod(*HEAD), DASHBOARD)
    for source in (WORKERS, LAUNCHER, OWN_HEAD):
        assert not farm.connects(farm.pod(*source), farm.pod(*HEAD), DASHBOARD)


def test_the_operator_follows_jobs_on_clusters_that_it_made_for_them(farm: Network) -> None:
    assert farm.connects(OPERATOR, farm.pod(*OWN_HEAD), DASHBOARD)
    assert not farm.connects(OPERATOR, farm.pod(*OWN_HEAD), GCS)
    assert not farm.connects(STRANGER, farm.pod(*OWN_HEAD), DASHBOARD)


def test_all_pods_can_look_up_names(farm: Network) -> None:
    for pod in (HEAD, WORKERS, SUBMITTER, LAUNCHER, OWN_SUBMITTER, ("Pod",)):
        assert farm.connects(farm.pod(*pod), DNS, 53, "UDP")
        assert farm.connects(farm.pod(*pod), DNS, 53)
        assert not farm.connects(farm.pod(*pod), DNS, 80)
        assert not farm.connects(farm.pod(*pod), OUTSIDE, 53)


def test_head_and_workers_reach_storage(farm: Network) -> None:
    for pod in (HEAD, WORKERS, OWN_HEAD, OWN_WORKERS):
        assert farm.connects(farm.pod(*pod), OUTSIDE, 443)
        assert not farm.connects(farm.pod(*pod), OUTSIDE, 80)
    for pod in (SUBMITTER, OWN_SUBMITTER):
        assert not farm.connects(farm.pod(*pod), OUTSIDE, 443)


def test_launchers_and_the_autoscaler_reach_kubernetes(farm: Network) -> None:
    for pod in (LAUNCHER, HEAD, OWN_HEAD):
        assert farm.connects(farm.pod(*pod), OUTSIDE, 6443)
    for pod in (WORKERS, SUBMITTER):
        assert not farm.connects(farm.pod(*pod), OUTSIDE, 6443)


def test_metrics_are_for_prometheus_and_only_while_it_is_to_read_them(farm: Network) -> None:
    assert not farm.connects(PROMETHEUS, farm.pod(*WORKERS), METRICS)
    watched = Network(chart.VALUE_SETS["monitoring"])
    for pod in (HEAD, WORKERS, OWN_WORKERS):
        assert watched.connects(PROMETHEUS, watched.pod(*pod), METRICS)
        assert not watched.connects(STRANGER, watched.pod(*pod), METRICS)


def test_storage_of_ones_own_is_reached_on_its_port() -> None:
    own = Network(chart.VALUE_SETS["storage"])
    minio = End({"app": "minio"}, "storage")
    assert own.connects(own.pod(*WORKERS), minio, 9000)
    assert own.connects(own.pod(*WORKERS), OUTSIDE, 443)  # Keras' weights are fetched.
    for endpoint, port in (("http://s3.lan", 80), ("https://s3.lan:8443/", 8443)):
        other = Network({"s3": {"endpoint": endpoint}})
        assert other.connects(other.pod(*WORKERS), OUTSIDE, port)


def test_peers_can_be_named() -> None:
    named = Network(chart.VALUE_SETS["placed"])
    worker, head = named.pod(*WORKERS), named.pod(*HEAD)
    assert named.connects(worker, End(address="192.0.2.7"), 443)
    assert not named.connects(worker, OUTSIDE, 443)
    assert named.connects(head, End(address="198.51.100.1"), 6443)
    assert not named.connects(head, OUTSIDE, 6443)
    assert named.connects(End({"app": "portal"}), head, DASHBOARD)
    assert named.connects(worker, End(address="169.254.169.254"), 80)


def test_ports_of_name_servers_and_of_kubernetes_can_be_named() -> None:
    odd = Network(
        {
            **chart.VALUE_SETS["schedules"],
            "networkPolicy": {"dnsPorts": [53, 5353], "apiServerPorts": [16443]},
        }
    )
    for pod in (HEAD, WORKERS, SUBMITTER, LAUNCHER, OWN_SUBMITTER):
        assert odd.connects(odd.pod(*pod), DNS, 5353, "UDP")
        assert odd.connects(odd.pod(*pod), DNS, 5353)
    assert odd.connects(odd.pod(*LAUNCHER), OUTSIDE, 16443)
    assert not odd.connects(odd.pod(*LAUNCHER), OUTSIDE, 6443)


def test_without_policies_there_are_none() -> None:
    assert not chart.render({"networkPolicy": {"enabled": False}}).of("NetworkPolicy")
