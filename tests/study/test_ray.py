"""A real Ray of several nodes on this machine, of which one is lost: the numbers are those of one process."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from dataclasses import replace

import pytest

from regexp.study.sweep.events import WorkerLost
from regexp.study.sweep.executors.local import Local
from regexp.study.sweep.executors.ray import Ray
from tests.study.lab import records_of, run, sweeping
from tests.study.test_executors import HALVED

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


def test_an_actor_and_a_node_that_are_lost_cost_no_trial(cluster, tmp_path):
    """First one actor's process, which Ray begins anew; then the node of the other. By halving, states travel, too."""
    (tmp_path / "local").mkdir()
    alone = sweeping(HALVED, executor=Local("cpu"))
    run(alone, tmp_path / "local")
    with closing(Ray("cpu", address=cluster.address)) as pool:
        one = sweeping(HALVED, executor=pool)
        planned = one.planned()
        assert (planned.workers, pool.cpus) == (2, 2)
        one.blocks.measured = replace(one.blocks.measured, size=alone.blocks.measured.size)
        pool.hand = losing(cluster, pool, pool.hand)
        _, events = run(one, tmp_path, planned)
        assert pool.describe() == "2 workers, each 2 x cpu"
    assert records_of(one, tmp_path) == records_of(alone, tmp_path / "local")
    assert len([event for event in events if isinstance(event, WorkerLost)]) >= 2


def losing(cluster, pool, hand):
    """`hand`, but the first block's actor dies of it, and when it is back, the other's node is lost with a block."""
    import ray

    places = ray.get([actor.__ray_call__.remote(place) for actor in pool.actors])
    killed, lost = [], []

    def call(worker, task):
        other = bool(killed) and worker != killed[0] and not lost
        if other:  # without this wait it might be through with every block before the first is back
            ray.get(pool.actors[killed[0]].ready.options(max_task_retries=-1).remote(pool.setup))
        hand(worker, task)
        if not killed:
            os.kill(places[worker][0], signal.SIGKILL)
            killed.append(worker)
        elif other:
            (node,) = [n for n in cluster.list_all_nodes() if n.node_id == places[worker][1]]
            cluster.remove_node(node, allow_graceful=False)
            lost.append(node)

    return call


def place(actor):
    """(process, node)."""
    import ray

    return os.getpid(), ray.get_runtime_context().get_node_id()
