"""The Ray that is installed has the private parts that dreamray touches."""

from __future__ import annotations

import inspect

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


def test_a_job_server_is_asked_with_a_time_out() -> None:
    from ray.job_submission import JobSubmissionClient

    parameters = inspect.signature(JobSubmissionClient._do_request).parameters
    assert [*parameters][:3] == ["self", "method", "endpoint"]
    assert any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def test_it_can_listen_on_this_machine_only() -> None:
    """`ray.init` passes over options that it does not know; this one it knows."""
    assert ray_compat.LOOPBACK.keys() == {"_node_ip_address"}
    assert "_node_ip_address" in inspect.getsource(ray.init)
