"""A real Ray of several nodes on this machine, of which one is lost: the numbers are those of one process."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from regexp.sweep.events import WorkerLost
from regexp.sweep.executors.local import Local
from regexp.sweep.executors.ray import Ray
from tests.sweep.lab import records_of, run, sweeping
from tests.sweep.test_executors import HALVED

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own
STORE = {"object_store_memory": 80 * 2**20}


@pytest.fixture
def cluster():
    """Two nodes with two CPUs each, and a head with none."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, **STORE}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        made.add_node(num_cpus=2, **STORE)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_a_node_lost_in_mid_sweep_costs_no_trial(cluster, tmp_path):
    """Halving, so that states go from the lost node's actor to another."""
    (tmp_path / "local").mkdir()
    alone = sweeping(HALVED, executor=Local("cpu"))
    run(alone, tmp_path / "local")
    with closing(Ray("cpu", address=cluster.address)) as pool:
        one = sweeping(HALVED, executor=pool)
        planned = one.planned()
        assert (planned.workers, pool.cpus) == (2, 2)
        one.blocks.measured = replace(one.blocks.measured, size=alone.blocks.measured.size)
        pool.hand = losing(cluster, pool.hand)
        _, events = run(one, tmp_path, planned)
        assert pool.describe() == "2 workers, each 2 x cpu"
    assert records_of(one, tmp_path) == records_of(alone, tmp_path / "local")
    assert [event for event in events if isinstance(event, WorkerLost)]


def losing(cluster, hand):
    """`hand`, but a node goes with the second block that is handed out."""
    count = 0

    def call(worker, task):
        nonlocal count
        hand(worker, task)
        count += 1
        if count == 2:
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)

    return call
