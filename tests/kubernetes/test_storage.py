"""Storage with a certificate of our own authority; weights by a URI, and from a volume."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster_pictures import dream, put
from tests.support.commands import run
from tests.support.kubernetes import S3_KEYS, VALUES, Farm, Kubernetes, apply
from tests.support.weights_file import write_drawn

PLACE = "s3-tls"
"""Namespace, pod and Service of the server, and the folder with its buckets."""
ENDPOINT = f"https://{PLACE}.{PLACE}:7071"
PICTURE = "noise.png"
WEIGHTS = "inception.h5"
MOUNTED = "/var/cache/dreamray"
"""Where the chart mounts the volume."""
IMAGENET = "models/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
OPTIONS = ["--layer=mixed0=1", "--octaves=1", "--iterations=3", "--threads=1"]


@dataclass(frozen=True)
class Vault:
    """An S3 server that speaks TLS. `certificate` is that of who signed its own."""

    folder: Path
    certificate: Path

    @property
    def buckets(self) -> Path:
        """The folder whose folders are its buckets."""
        return self.folder / "buckets"


def make_certificates(folder: Path) -> None:
    """An authority, ca.crt, and what it has signed for the server: tls.crt, tls.key."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    authority = ["-subj", "/CN=our authority", "-keyout", "ca.key", "-out", "ca.crt"]
    server = ["-subj", f"/CN={PLACE}", "-keyout", "tls.key", "-out", "tls.csr"]
    (folder / "names").write_text(f"subjectAltName=DNS:{PLACE}.{PLACE}\n")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
    for command in (
        ["req", "-x509", *key, "-days", "2", *authority],
        ["req", *key, *server],
        ["x509", "-req", "-in", "tls.csr", *signed, "-days", "2", "-out", "tls.crt"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


def server_manifests() -> list[dict[str, Any]]:
    """The server on the first node, over a folder of this machine."""
    keys = ["--access", S3_KEYS["AWS_ACCESS_KEY_ID"], "--secret", S3_KEYS["AWS_SECRET_ACCESS_KEY"]]
    tls = ["--cert", "/tls/tls.crt", "--key", "/tls/tls.key"]
    place = ["posix", "--sidecar", "/data/metadata", "/data/buckets"]
    container = {
        "name": "s3",
        "image": "localhost/versitygw:1",
        "imagePullPolicy": "Never",
        "command": ["/versitygw", "--port", ":7071", *keys, *tls, *place],
        "readinessProbe": {"tcpSocket": {"port": 7071}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "tls", "mountPath": "/tls"},
        ],
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": "node1"},
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [
            {"name": "data", "hostPath": {"path": f"/srv/dreamray/{PLACE}", "type": "Directory"}},
            {"name": "tls", "secret": {"secretName": "tls"}},
        ],
    }
    meta = {"name": PLACE, "namespace": PLACE, "labels": {"app": PLACE}}
    service = {"selector": {"app": PLACE}, "ports": [{"port": 7071}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
    ]


@pytest.fixture(scope="module")
def vault(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """The server on its way, with a picture and weights in it."""
    certificates = tmp_path_factory.mktemp("certificates")
    make_certificates(certificates)
    vault = Vault(kubernetes.state / "data" / PLACE, certificates / "ca.crt")
    (vault.folder / "metadata").mkdir(parents=True)
    for bucket in ("pictures", "dreams", "weights"):
        (vault.buckets / bucket).mkdir(parents=True)
    put(vault.buckets / "pictures", PICTURE)
    write_drawn(vault.buckets / "weights" / WEIGHTS, "mixed0")
    run("kubectl", "create", "namespace", PLACE)
    try:
        pair = [
            f"--{part}={certificates / 'tls'}.{end}"
            for part, end in (("cert", "crt"), ("key", "key"))
        ]
        run("kubectl", "create", "secret", "tls", "tls", f"--namespace={PLACE}", *pair)
        apply(*server_manifests())
        yield vault
    finally:
        run("kubectl", "delete", "namespace", PLACE, timeout=180)
        shutil.rmtree(vault.folder)


@pytest.fixture(scope="module")
def claim(kubernetes: Kubernetes) -> Iterator[Path]:
    """The folder behind a volume, `keras`, that all nodes have."""
    folder = kubernetes.state / "data" / "keras"
    (folder / "models").mkdir(parents=True)
    write_drawn(folder / WEIGHTS, "mixed0")
    (folder / IMAGENET).write_bytes((folder / WEIGHTS).read_bytes())
    put(folder, PICTURE)
    for place in (folder, folder / "models"):
        place.chmod(0o777)  # A folder of a node is not made that of fsGroup, as other volumes are.
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": "/srv/dreamray/keras", "type": "Directory"},
        "storageClassName": "of-the-test",
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "keras"}}
    apply({**volume, "spec": spec})
    try:
        yield folder
    finally:
        run("kubectl", "delete", "persistentvolume", "keras", "--wait=false")
        shutil.rmtree(folder)


def make_claim(farm: Farm) -> None:
    """Claim the volume for a farm."""
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "of-the-test",
        "volumeName": "keras",
    }
    meta = {"name": "keras", "namespace": farm.namespace}
    kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    apply({**kind, "metadata": meta, "spec": spec})


@pytest.fixture(scope="module")
def farms(kubernetes: Kubernetes, vault: Vault, claim: Path) -> Iterator[tuple[Farm, Farm]]:
    """One that takes weights from storage behind TLS, one that takes them from the volume."""
    trusting = {
        "s3": {**VALUES["s3"], "endpoint": ENDPOINT},
        "ca": {"configMap": "our-ca"},
        "env": [],
        "weights": {"source": "uri", "uri": f"s3://weights/{WEIGHTS}"},
    }
    keeping = {
        "env": [],
        "weights": {"source": "volume", "volume": {"existingClaim": "keras"}},
    }
    with (
        Farm(kubernetes, "storage-tls", trusting) as one,
        Farm(kubernetes, "storage-volume", keeping) as other,
    ):
        one.kubectl("create", "configmap", "our-ca", f"--from-file=ca.crt={vault.certificate}")
        make_claim(other)
        for farm in (one, other):
            farm.install(wait=False)
        yield one, other


@pytest.fixture(scope="module")
def trusting(farms: tuple[Farm, Farm]) -> Farm:
    """The farm that trusts our authority, when its head is ready."""
    farms[0].head()
    return farms[0]


@pytest.fixture(scope="module")
def keeping(farms: tuple[Farm, Farm]) -> Farm:
    """The farm with a volume for Keras' weights, when its head is ready."""
    farms[1].head()
    return farms[1]


@pytest.fixture(scope="module")
def expected(vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sha256 of what one process here makes of the picture, with the same weights."""
    source, result = (
        vault.buckets / "pictures" / PICTURE,
        tmp_path_factory.mktemp("alone") / PICTURE,
    )
    weights = f"--weights={vault.buckets / 'weights' / WEIGHTS}"
    dream("render", source, result, *OPTIONS, weights)
    return sha256(result.read_bytes()).hexdigest()


def test_storage_of_our_own_authority_is_trusted(
    trusting: Farm, vault: Vault, expected: str
) -> None:
    """By a driver and its worker; the weights come from there too. Bytes are those of a process."""
    result = f"s3://dreams/{PICTURE}"
    print(trusting.submit("render", f"s3://pictures/{PICTURE}", result, *OPTIONS, "--workers=1:1"))
    found = sha256((vault.buckets / "dreams" / PICTURE).read_bytes()).hexdigest()
    print(f"{found}, of one process {expected}")
    assert found == expected


def test_without_its_certificate_it_is_not(trusting: Farm) -> None:
    """What a farm without `ca` would say, in the one line of operations.md."""
    render = ["dreamray", "render", f"s3://pictures/{PICTURE}", "/tmp/dream.png"]
    unset = ["env", "--unset=AWS_CA_BUNDLE", "--unset=RAY_ADDRESS"]
    done = trusting.head().exec(*unset, *render, check=False)
    print(done.stderr)
    assert done.returncode == 2
    assert "is not trusted; set AWS_CA_BUNDLE" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_claim_is_where_keras_weights_are_looked_for_and_kept(
    keeping: Farm, claim: Path
) -> None:
    """Others in their place are not used; where nobody offers them, that is said."""
    head = keeping.head()
    head.exec("touch", f"{MOUNTED}/models/mark")
    assert (claim / "models" / "mark").stat().st_uid == 1000
    render = ["dreamray", "render", f"{MOUNTED}/{PICTURE}", "/tmp/dream.png"]
    done = head.exec("env", "--unset=RAY_ADDRESS", *render, check=False)
    print(done.stderr)
    assert done.returncode != 0
    assert f"{MOUNTED}/{IMAGENET}: wrong checksum, so it is not used" in done.stderr
    assert "weights imagenet: the download failed" in done.stderr


def test_any_weights_may_lie_in_the_volume(keeping: Farm, expected: str) -> None:
    """By their path. Bytes are those that the same file gives elsewhere."""
    head = keeping.head()
    render = ["dreamray", "render", f"{MOUNTED}/{PICTURE}", "/tmp/dream.png", *OPTIONS]
    head.exec("env", "--unset=RAY_ADDRESS", *render, f"--weights={MOUNTED}/{WEIGHTS}")
    assert head.exec("sha256sum", "/tmp/dream.png").stdout.split()[0] == expected
