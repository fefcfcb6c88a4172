"""The benchmark's generators: repeatable, of the sizes promised, and valid input."""

from ipaddress import ip_address, ip_network

import msgspec
import numpy as np
import pytest

from bench import shapes
from bench.peers import MaskPeer, PythonPeer, ordinary_flows
from netpol.kube.policies import read_policies
from netpol.kube.snapshot import read_snapshot
from netpol.kube.validation.defaults import apply_defaults
from netpol.kube.validation.policies import validate_policy

MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)
KINDS = [("small", "synthetic"), ("small", "real"), *((k, None) for k in shapes.ADVERSARIAL_KINDS)]


@pytest.fixture(scope="module", params=shapes.SHAPES)
def world(request):
    return shapes.make_world("small", request.param, seed=3, ipv6=True)


def adversarial(kind):
    return shapes.make_adversarial(kind, size="small")


def same_batches(a, b):
    columns = zip(a.columns(), b.columns(), strict=True)
    return all(x == y and np.array_equal(p, q) for (x, p), (y, q) in columns)


def pods_of(world):
    return [pod for pod in world.snapshot.pods if not pod.spec.host_network]


def policies_of(world):
    return [loaded.policy for loaded in world.policies.policies]


def rules_of(world):
    """Give (peers, ports) of every rule."""
    out = []
    for policy in policies_of(world):
        out += [(rule.from_ or [], rule.ports or []) for rule in policy.spec.ingress or []]
        out += [(rule.to or [], rule.ports or []) for rule in policy.spec.egress or []]
    return out


def test_same_seed_same_world(world):
    again = shapes.make_world(world.size, world.shape, 3, ipv6=True)
    assert again.snapshot == world.snapshot
    assert again.policies == world.policies
    assert same_batches(shapes.make_flows(world, 500, 9), shapes.make_flows(again, 500, 9))
    text = shapes.make_conntrack_text(world, 200, 9)
    assert shapes.make_conntrack_text(again, 200, 9) == text


def test_other_seed_other_world(world):
    other = shapes.make_world(world.size, world.shape, 4, ipv6=True)
    assert other.snapshot != world.snapshot
    assert other.policies != world.policies
    assert not same_batches(shapes.make_flows(world, 500, 9), shapes.make_flows(world, 500, 10))


@pytest.mark.parametrize("shape", shapes.SHAPES)
@pytest.mark.parametrize("size", ["small", "middle"])
def test_sizes(size, shape):
    pods, policies = shapes.SIZES[size]
    world = shapes.make_world(size, shape)
    assert len(pods_of(world)) == len(world.population.pod_v4) == pods
    assert len(world.policies) == policies
    assert len(world.population.service_v4) == len(world.snapshot.services)


def test_names_and_addresses_are_unique(world):
    snapshot = world.snapshot
    for group in (snapshot.pods, snapshot.services, snapshot.endpoint_slices, snapshot.namespaces):
        names = [(item.metadata.namespace, item.metadata.name) for item in group]
        assert len(set(names)) == len(names)
    for addresses in (world.population.pod_v4, world.population.service_v4):
        assert len(np.unique(addresses)) == len(addresses)


def test_pods_are_inside_the_pod_cidrs_of_their_node(world):
    cidrs = {n.metadata.name: [*map(ip_network, n.spec.pod_cidrs)] for n in world.snapshot.nodes}
    for pod in pods_of(world):
        for entry, network in zip(pod.status.pod_ips, cidrs[pod.spec.node_name], strict=True):
            assert ip_address(entry.ip) in network


def test_population_is_the_snapshot(world):
    pods = pods_of(world)
    v4 = [int(ip_address(pod.status.pod_ip)) for pod in pods]
    assert v4 == world.population.pod_v4.tolist()
    v6 = [ip_address(pod.status.pod_ips[1].ip).packed for pod in pods]
    assert v6 == [row.tobytes() for row in world.population.pod_v6]


@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_policies_are_valid_and_defaulted(kind, shape):
    made = shapes.make_world(kind, shape) if shape else adversarial(kind)
    known = {n.metadata.name for n in made.snapshot.namespaces}
    names = {(p.metadata.namespace, p.metadata.name) for p in policies_of(made)}
    assert len(names) == len(made.policies)
    assert {namespace for namespace, _ in names} <= known
    for policy in policies_of(made):
        assert apply_defaults(policy) == policy
        assert validate_policy(policy) == ([], [])


@pytest.mark.parametrize("syntax", ["json", "yaml"])
def test_written_manifests_read_back_the_same(syntax, world, tmp_path):
    path = tmp_path / f"cluster.{syntax}"
    assert shapes.write_manifests(world, path, syntax) == path.stat().st_size
    assert [each.policy for each in read_policies([path]).policies] == policies_of(world)
    snapshot = read_snapshot([path])
    assert snapshot.namespaces == world.snapshot.namespaces
    assert snapshot.nodes == world.snapshot.nodes
    assert snapshot.services == world.snapshot.services
    assert snapshot.endpoint_slices == world.snapshot.endpoint_slices
    assert len(snapshot.pods) == len(world.snapshot.pods)
    for read, made in zip(snapshot.pods, world.snapshot.pods, strict=True):
        assert read.metadata.labels == made.metadata.labels
        assert read.spec == made.spec
        assert read.status.pod_ips == made.status.pod_ips


def test_overlapping_cidrs_are_distinct_and_have_excepts():
    blocks = [
        peer.ip_block for peers, _ in rules_of(adversarial("overlapping-cidrs")) for peer in peers
    ]
    assert len({block.cidr for block in blocks}) == len(blocks) == 10_000
    assert all(block.except_ for block in blocks)


def test_adversarial_counts():
    assert [len(peers) for peers, _ in rules_of(adversarial("many-peers"))] == [10_000]
    ports = {port.port for _, listed in rules_of(adversarial("port-boundaries")) for port in listed}
    assert ports == set(range(2, 65536, 2))
    heavy = adversarial("rules-300")
    assert (len(heavy.policies), len(rules_of(heavy))) == (294, 300)
    assert len(rules_of(adversarial("heavy-endpoint"))) == 294 * 68


def test_all_select_all_has_one_namespace():
    world = adversarial("all-select-all")
    homes = {pod.metadata.namespace for pod in pods_of(world)}
    assert homes == {policy.metadata.namespace for policy in policies_of(world)}
    assert len(homes) == 1
    assert len(world.policies) == 5_000


def test_own_labels_are_all_different():
    pods = pods_of(adversarial("own-labels"))
    assert len({msgspec.json.encode(pod.metadata.labels) for pod in pods}) == 1_000


def test_adversarial_worlds_are_repeatable():
    for kind in shapes.ADVERSARIAL_KINDS:
        first, again = adversarial(kind), adversarial(kind)
        assert first.policies == again.policies
        assert first.snapshot == again.snapshot


def test_flows_families(world):
    four = shapes.make_flows(world, 2_000, family="v4", popularity="uniform")
    assert four.src.dtype == np.uint32
    six = shapes.make_flows(world, 2_000, family="v6")
    assert not (six.src[:, :12] == MAPPED).all(axis=1).any()
    pods = {row.tobytes() for row in world.population.pod_v6}
    assert 0.8 < sum(row.tobytes() in pods for row in six.dst) / len(six) < 0.95
    mixed = shapes.make_flows(world, 2_000, family="mixed")
    src, dst = ((side[:, :12] == MAPPED).all(axis=1) for side in (mixed.src, mixed.dst))
    assert np.array_equal(src, dst)
    assert 0.4 < dst.mean() < 0.6


def test_v6_flows_need_a_dual_stack_world():
    with pytest.raises(ValueError, match="ipv6=True"):
        shapes.make_flows(shapes.make_world("small"), 10, family="mixed")


def test_conntrack_text_has_the_published_width(world, tmp_path):
    text = shapes.make_conntrack_text(world, 3_000)
    lines = text.decode().splitlines()
    assert len(lines) == 3_000
    assert 225 < len(text) / len(lines) < 240
    assert all(line.count(" src=") == 2 for line in lines)
    assert shapes.write_conntrack(world, tmp_path / "dump", 3_000) == len(text)
    assert (tmp_path / "dump").read_bytes() == text


def test_conntrack_text_repeats_in_blocks(world, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.conntrack_text.BLOCK_LINES", 100)
    shapes.write_conntrack(world, tmp_path / "dump", 250)
    lines = (tmp_path / "dump").read_text().splitlines()
    assert len(lines) == 250
    assert lines[:100] == lines[100:200]
    assert lines[:50] == lines[200:]


def test_peers_agree():
    world = shapes.make_world("small", "real")
    batch = ordinary_flows(world, 800)
    masks = MaskPeer(world).evaluate(batch)
    assert np.array_equal(PythonPeer(world).evaluate(batch), masks)
    assert 0 < masks.mean() < 1
