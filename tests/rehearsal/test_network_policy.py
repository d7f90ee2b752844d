"""NetworkPolicies become the rules of nftables that Kubernetes' rules of them ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.network_policy import Pod, ruleset, selects
from tests.support import chart

HEAD = Pod("10.0.0.1", {"part": "head"}, "dreams")
WORKER = Pod("10.0.0.2", {"part": "worker", "spot": "yes"}, "dreams")
STRANGER = Pod("10.0.0.9", {"part": "worker"}, "shops")
PODS = [HEAD, WORKER, STRANGER]


def policy(namespace: str | None = None, **spec: Any) -> dict[str, Any]:
    inside = {"namespace": namespace} if namespace else {}
    return {"metadata": inside, "spec": {"podSelector": {}, **spec}}


def allowed(way: str, *policies: dict[str, Any], pod: Pod = HEAD) -> list[str] | None:
    """What the rules of a way allow beside answers and the pod itself; None if all is."""
    lines = [line.strip() for line in ruleset(pod, PODS, policies, "dreams").splitlines()]
    begin = lines.index(f"chain {way} {{")
    chain = lines[begin + 1 : lines.index("}", begin)]
    hook, itself, answers, *rules = chain
    assert itself.endswith('ifname "lo" accept')
    assert answers == "ct state established,related accept"
    if hook.endswith("policy accept;"):
        assert not rules
        return None
    assert hook.endswith("policy drop;")
    return rules


def ingress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return policy(policyTypes=["Ingress"], ingress=list(rules), **more)


def egress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return policy(policyTypes=["Egress"], egress=list(rules), **more)


def peers(*peers: dict[str, Any]) -> dict[str, Any]:
    return ingress({"from": list(peers)})


def test_a_pod_that_no_policy_selects_is_open() -> None:
    others = [
        policy("shops", policyTypes=["Ingress", "Egress"]),
        ingress(podSelector={"matchLabels": {"part": "worker"}}),
    ]
    for way in ("ingress", "egress"):
        assert allowed(way) is None
        assert allowed(way, *others) is None
    assert allowed("ingress", *others, pod=WORKER) == []


def test_a_policy_without_rules_denies_only_the_ways_that_it_is_about() -> None:
    assert allowed("ingress", policy(policyTypes=["Ingress", "Egress"])) == []
    assert allowed("egress", policy(policyTypes=["Ingress", "Egress"])) == []
    assert allowed("egress", ingress()) is None
    assert allowed("ingress", egress()) is None


def test_ways_that_are_not_named_follow_from_the_rules() -> None:
    assert allowed("ingress", policy()) == []
    assert allowed("egress", policy()) is None
    assert allowed("egress", policy(egress=[{}])) == ["accept"]


def test_an_empty_rule_allows_all_and_policies_add_to_each_other() -> None:
    assert allowed("ingress", ingress(), ingress({})) == ["accept"]
    one, other = peers({"ipBlock": {"cidr": "192.0.2.0/24"}}), ingress({"ports": [{"port": 80}]})
    expected = ["ip saddr 192.0.2.0/24 accept", "tcp dport 80 accept"]
    assert allowed("ingress", one, other) == expected


def test_pods_are_selected_in_the_policys_namespace_unless_it_names_others() -> None:
    worker = {"matchLabels": {"part": "worker"}}
    shops = {"matchLabels": {"kubernetes.io/metadata.name": "shops"}}
    for peer, found in (
        ({"podSelector": worker}, "10.0.0.2"),
        ({"podSelector": {}}, "10.0.0.1, 10.0.0.2"),
        ({"namespaceSelector": shops}, "10.0.0.9"),
        ({"namespaceSelector": {}}, "10.0.0.1, 10.0.0.2, 10.0.0.9"),
        ({"namespaceSelector": {}, "podSelector": worker}, "10.0.0.2, 10.0.0.9"),
    ):
        assert allowed("ingress", peers(peer)) == [f"ip saddr {{ {found} }} accept"]


def test_peers_that_are_not_there_open_nothing() -> None:
    nobody = {"podSelector": {"matchLabels": {"part": "nobody"}}}
    assert allowed("ingress", peers(nobody)) == []


def test_a_block_of_addresses_may_have_holes() -> None:
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}
    assert allowed("egress", egress({"to": [{"ipBlock": block}]})) == [
        "ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 ip daddr != 10.2.0.0/16 accept"
    ]


def test_each_peer_is_allowed_each_port() -> None:
    ports = [
        {"port": 6379},
        {"port": 10002, "endPort": 10999, "protocol": "TCP"},
        {"port": 53, "protocol": "UDP"},
        {"protocol": "UDP"},
    ]
    to = [{"ipBlock": {"cidr": "192.0.2.1/32"}}, {"podSelector": {}}]
    conditions = ["tcp dport 6379", "tcp dport 10002-10999", "udp dport 53", "meta l4proto udp"]
    assert allowed("egress", egress({"to": to, "ports": ports})) == [
        f"ip daddr {other} {condition} accept"
        for other in ("192.0.2.1/32", "{ 10.0.0.1, 10.0.0.2 }")
        for condition in conditions
    ]


def test_a_named_port_is_refused() -> None:
    with pytest.raises(ValueError, match="named ports are not rehearsed"):
        ruleset(HEAD, PODS, [ingress({"ports": [{"port": "http"}]})], "dreams")


@pytest.mark.parametrize(
    ("operator", "values", "takes"),
    [
        ("In", ["head", "worker"], [True, True, False]),
        ("NotIn", ["head"], [False, True, True]),
        ("Exists", [], [True, True, False]),
        ("DoesNotExist", [], [False, False, True]),
    ],
)
def test_expressions_of_selectors(operator: str, values: list[str], takes: list[bool]) -> None:
    expression = {"key": "part", "operator": operator, "values": values}
    for labels, taken in zip((HEAD.labels, WORKER.labels, {}), takes, strict=True):
        assert selects({"matchExpressions": [expression]}, labels) is taken
    both = {"matchLabels": {"spot": "yes"}, "matchExpressions": [expression]}
    assert selects(both, WORKER.labels) is takes[1]
    assert not selects(both, HEAD.labels)


def test_an_operator_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no operator Near"):
        selects({"matchExpressions": [{"key": "part", "operator": "Near"}]}, {})


def test_nft_takes_the_rules_of_the_chart(tmp_path: Path) -> None:
    """Of all value sets: `nft --check` reads them and changes nothing."""
    if shutil.which("nft") is None or os.geteuid() != 0:
        pytest.skip("needs root and nft, of nftables")
    lines = set()
    for values in chart.VALUE_SETS.values():
        manifests = chart.render(values)
        policies = manifests.of("NetworkPolicy")
        pods = [
            Pod(f"10.0.0.{number}", pod.labels, chart.NAMESPACE)
            for number, pod in enumerate(manifests.pods())
        ]
        for pod in pods:
            file = tmp_path / "rules"
            file.write_text(ruleset(pod, pods, policies, chart.NAMESPACE))
            done = subprocess.run(["nft", "--check", "--file", str(file)], capture_output=True)
            assert done.returncode == 0, done.stderr.decode()
            lines |= set(file.read_text().split("\n"))
    assert len([line for line in lines if line.endswith("accept")]) > 20
