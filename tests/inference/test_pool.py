"""The pool of workers of a cluster, with a stand-in for Ray whose workers die as told."""

from collections import Counter
from types import SimpleNamespace

import pytest

from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.storage import Store
from maskwright.inference import cluster
from maskwright.inference.cluster import RayWorkers
from maskwright.inference.shards import Job, Shard


class ActorDiedError(Exception):
    """What Ray raises for a call to a worker that has ended."""


class Actor:
    """A worker: its calls are run when they are waited for."""

    def __init__(self, ray):
        self.ray, self.is_alive = ray, True
        self.open = SimpleNamespace(remote=lambda _job, _options: self._call(None))
        self.run = SimpleNamespace(remote=self._call)

    def _call(self, shard):
        call = (self, shard, self.ray.number)
        self.ray.number += 1
        self.ray.open_calls.append(call)
        self.ray.most_calls = max(self.ray.most_calls, len(self.ray.open_calls))
        return call


class FakeRay:
    """Ray as the pool uses it; `answer` gives the failure of a shard, if any, and to open."""

    exceptions = SimpleNamespace(RayActorError=ActorDiedError)

    def __init__(self, answer, cores=2, never_open=()):
        self.answer, self.cores, self.never_open = answer, cores, set(never_open)
        self.open_calls, self.number, self.most_calls, self.num_actors = [], 0, 0, 0

    def init(self, **_options):
        pass

    def shutdown(self):
        pass

    def cluster_resources(self):
        return {"CPU": float(self.cores)}

    def remote(self, **_options):
        return lambda _kind: SimpleNamespace(remote=self._make)

    def _make(self):
        self.num_actors += 1
        actor = Actor(self)
        actor.opens = self.num_actors not in self.never_open
        return actor

    def wait(self, calls, num_returns):
        assert num_returns == 1
        ready = [call for call in calls if call[1] is not None or call[0].opens]
        self.open_calls.remove(ready[-1])  # the last one is done first
        return [ready[-1]], []

    def get(self, call):
        actor, shard, _ = call
        assert actor.is_alive
        try:
            failure = self.answer(shard)
        except ActorDiedError:
            actor.is_alive = False
            raise
        return shard.index if shard is not None and failure is None else failure


def make_shards(num):
    return [Shard(index, ((f"{index}.png", 1, ""),)) for index in range(num)]


def run(ray, shards, monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "_import_ray", lambda: ray)
    (tmp_path / ".shards").mkdir(exist_ok=True)
    job = Job(open_model=lambda **_: None, kinds=(), out=str(tmp_path))
    return list(RayWorkers()(job, shards))


def test_every_shard_is_done_once_and_a_worker_has_one_at_a_time(monkeypatch, tmp_path):
    ray = FakeRay(lambda _shard: None, cores=3)
    done = run(ray, make_shards(20), monkeypatch, tmp_path)
    assert sorted(done) == list(range(20))
    assert (ray.num_actors, ray.most_calls) == (3, 3)
    assert run(ray, [], monkeypatch, tmp_path) == []


def test_the_shard_of_a_worker_that_dies_goes_to_another(monkeypatch, tmp_path):
    deaths = Counter()

    def answer(shard):
        if shard is not None and shard.index in {3, 7} and deaths[shard.index] < 2:
            deaths[shard.index] += 1
            raise ActorDiedError

    ray = FakeRay(answer)
    done = run(ray, make_shards(10), monkeypatch, tmp_path)
    assert sorted(done) == list(range(10))
    assert ray.num_actors == 2 + 4
    assert not list((tmp_path / ".shards").iterdir())  # workers note what they have done


def test_a_shard_that_ends_three_workers_is_noted_as_failed(monkeypatch, tmp_path):
    def answer(shard):
        if shard is not None and shard.index == 1:
            raise ActorDiedError

    shards = make_shards(4)
    done = run(FakeRay(answer), shards, monkeypatch, tmp_path)
    assert sorted(done) == [0, 1, 2, 3]
    text = Store(str(tmp_path)).read(shards[1].name).decode()
    assert "1.png: not predicted: 3 workers in a row ended while they had it" in text


def test_a_node_that_never_comes_back_holds_nobody_up(monkeypatch, tmp_path):
    deaths = []

    def answer(shard):
        if shard is not None and shard.index == 2 and not deaths:
            deaths.append(shard)
            raise ActorDiedError

    ray = FakeRay(answer, never_open=[3])  # the one that is started for the dead one
    assert sorted(run(ray, make_shards(6), monkeypatch, tmp_path)) == list(range(6))


def test_an_error_of_a_worker_is_raised_as_it_was(monkeypatch, tmp_path):
    failure = cluster._Failure("BundleError", "model 7 produced NaN")
    ray = FakeRay(lambda shard: shard and failure)
    with pytest.raises(BundleError, match="model 7 produced NaN"):
        run(ray, make_shards(3), monkeypatch, tmp_path)


def test_a_cluster_that_cannot_be_reached_is_named(monkeypatch, tmp_path):
    tries = []

    def refuse(**_options):
        tries.append(1)
        raise RuntimeError("The current node timed out during startup.\nAnd more")

    ray = FakeRay(lambda _shard: None)
    ray.init = refuse
    monkeypatch.setattr(cluster, "_import_ray", lambda: ray)
    job = Job(open_model=lambda **_: None, kinds=(), out=str(tmp_path))
    with pytest.raises(ConfigError, match=r"at this machine: The current node timed out dur"):
        list(RayWorkers()(job, make_shards(1)))
    assert len(tries) == 3
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: "):
        list(RayWorkers.parse("ray:127.0.0.1:1")(job, make_shards(1)))
    assert len(tries) == 3
