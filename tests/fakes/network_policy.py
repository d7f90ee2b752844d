"""NetworkPolicies as rules of nftables, which each pod has in a network namespace of its own.

    text = ruleset(pod, pods, policies)
    host.run(["nft", "--file", path_with(text)])

What Kubernetes promises is kept: a pod that no policy selects is open; one that is selected may do
what the rules of any of its policies allow, and nothing else; answers come through, and a pod
reaches itself. What is not allowed vanishes, as with most networks of clusters.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Manifest = Mapping[str, Any]
Kind = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class Pod:
    """A pod as policies see it: its address, and the labels by which they select it."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "default"


def ruleset(
    pod: Pod, pods: Sequence[Pod], policies: Iterable[Manifest], namespace: str = "default"
) -> str:
    """What `nft` is to load in the pod's network namespace; it replaces what is there.

    `pods` are all that there are, `namespace` is that of policies that name none. Raises
    ValueError for what no policy of ours has: named ports.
    """
    mine = []
    for policy in policies:
        inside = policy["metadata"].get("namespace", namespace)
        if inside == pod.namespace and selects(policy["spec"].get("podSelector", {}), pod.labels):
            mine.append(policy["spec"])
    lines = ["flush ruleset", "table inet policies {"]
    lines += _chain("ingress", "input", "iifname", _rules("Ingress", mine, pod.namespace, pods))
    lines += _chain("egress", "output", "oifname", _rules("Egress", mine, pod.namespace, pods))
    return "\n".join([*lines, "}", ""])


def selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _holds(expression: Manifest, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"there is no operator {other} in a label selector")


def _kinds(spec: Manifest) -> Sequence[str]:
    return spec.get("policyTypes") or ("Ingress", *(["Egress"] if spec.get("egress") else []))


def _rules(
    kind: Kind, policies: list[Manifest], namespace: str, pods: Sequence[Pod]
) -> list[str] | None:
    """What is allowed, a line each; None if all is, as no policy is about this direction."""
    about = [policy for policy in policies if kind in _kinds(policy)]
    if not about:
        return None
    peers = "from" if kind == "Ingress" else "to"
    return [
        f"{other}{port}accept"
        for policy in about
        for rule in policy.get(kind.lower()) or []
        for other in _others(rule.get(peers), kind, namespace, pods)
        for port in _ports(rule.get("ports"))
    ]


def _others(
    peers: list[Manifest] | None, kind: Kind, namespace: str, pods: Sequence[Pod]
) -> Iterator[str]:
    """What a packet's other end must be, once for each peer that there is; no peers are all."""
    side = "saddr" if kind == "Ingress" else "daddr"
    if not peers:
        yield ""
    for peer in peers or []:
        if block := peer.get("ipBlock"):
            yield f"ip {side} {ipaddress.IPv4Network(block['cidr'])} " + "".join(
                f"ip {side} != {ipaddress.IPv4Network(left_out)} "
                for left_out in block.get("except", [])
            )
        elif found := [pod.address for pod in pods if _is_peer(peer, pod, namespace)]:
            yield f"ip {side} {{ {', '.join(sorted(found))} }} "


def _is_peer(peer: Manifest, pod: Pod, namespace: str) -> bool:
    if "namespaceSelector" in peer:
        # The one label that Kubernetes itself gives to namespaces.
        here = selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": pod.namespace})
    else:
        here = pod.namespace == namespace
    return here and selects(peer.get("podSelector", {}), pod.labels)


def _ports(ports: list[Manifest] | None) -> Iterator[str]:
    """What a packet's port must be, once for each; no ports are all."""
    if not ports:
        yield ""
    for port in ports or []:
        protocol, first = port.get("protocol", "TCP").lower(), port.get("port")
        if isinstance(first, str):
            raise ValueError(f"port {first}: named ports are not rehearsed; give its number")
        if first is None:
            yield f"meta l4proto {protocol} "
        else:
            last = port.get("endPort", first)
            yield f"{protocol} dport {first if last == first else f'{first}-{last}'} "


def _chain(name: str, hook: str, interface: str, rules: list[str] | None) -> list[str]:
    policy = "accept" if rules is None else "drop"
    inner = [f"type filter hook {hook} priority filter; policy {policy};"]
    inner += [f'{interface} "lo" accept', "ct state established,related accept", *(rules or [])]
    return [f"  chain {name} {{", *(f"    {line}" for line in inner), "  }"]
