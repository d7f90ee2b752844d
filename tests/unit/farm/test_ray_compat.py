"""The Ray that is installed has the private parts that dreamray touches."""

from __future__ import annotations

import inspect
import socket

import pytest

ray = pytest.importorskip("ray")

from dreamray.farm import ray_compat  # noqa: E402


def test_it_tells_which_nodes_are_about_to_leave() -> None:
    from ray._private.state import state

    assert callable(state.get_draining_nodes)


def test_it_prints_the_clusters_errors_where_they_can_be_kept_back() -> None:
    from ray._private import worker

    printing = worker.print_to_stdstream
    with ray_compat.without_cluster_errors():
        assert worker.print_to_stdstream is not printing
    assert worker.print_to_stdstream is printing


def test_it_reads_its_token_anew(caplog: pytest.LogCaptureFixture) -> None:
    ray_compat.reread_token()
    assert caplog.records == []


def test_a_job_server_that_does_not_answer_is_given_up() -> None:
    """It takes the connection, and then says nothing."""
    import requests

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(requests.exceptions.Timeout),
    ):
        ray_compat.job_client(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.1)


def test_it_can_listen_on_this_machine_only() -> None:
    """`ray.init` passes over options that it does not know; this one it knows."""
    assert ray_compat.LOOPBACK.keys() == {"_node_ip_address"}
    assert "_node_ip_address" in inspect.getsource(ray.init)


def test_it_knows_the_processes_that_it_has_started() -> None:
    from ray._private import node, worker

    assert ray_compat.processes_of_ours() == []
    assert hasattr(worker, "_global_node")
    assert "self.all_processes" in inspect.getsource(node.Node.__init__)
    assert callable(worker.shutdown)


def test_its_logs_lie_where_its_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/somewhere")
    assert ray_compat.logs() == "/somewhere/ray/session_latest/logs"
