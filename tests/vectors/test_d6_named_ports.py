"""Vectors D6 (64-73): named ports."""

from worlds import FIXTURE, World, fixture, pod, policy, ports

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
BY_RULE = "allow ingress np-rule"
BY_RULE_OUT = "allow egress np-rule"


def ingress_ports(listed: str) -> dict:
    return policy("x", f"{{podSelector: {{}}, ingress: [{{ports: {listed}}}]}}")


def egress_rule(rule: str) -> dict:
    return policy("x", f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{rule}]}}")


def test_d6_064_name_resolves_on_each_destination(world: World) -> None:
    world.check(
        ingress_ports("[{port: http}]"),
        {
            "y/b -> x/a tcp/80": BY_RULE,
            "y/b -> x/a tcp/8080": DENIED,
            "y/b -> x/b tcp/8080": BY_RULE,
            "y/b -> x/b tcp/80": DENIED,
        },
    )


def test_d6_065_protocol_of_the_element_must_be_that_of_the_port(world: World) -> None:
    world.check(ingress_ports("[{port: http, protocol: UDP}]"), {"y/b -> x/a udp/80": DENIED})


def test_d6_066_name_without_protocol_is_tcp(world: World) -> None:
    world.check(ingress_ports("[{port: dns}]"), {"y/b -> x/a udp/53": DENIED})
    world.check(ingress_ports("[{port: dns, protocol: UDP}]"), {"y/b -> x/a udp/53": BY_RULE})


def test_d6_067_egress_resolves_on_the_peer(world: World) -> None:
    world.check(
        egress_rule("{ports: [{port: http}]}"),
        {"x/a -> y/a tcp/8080": BY_RULE_OUT, "x/a -> y/a tcp/80": DENIED_OUT},
    )


def test_d6_068_outside_has_no_names(world: World) -> None:
    world.check(egress_rule("{ports: [{port: http}]}"), {"x/a -> ext tcp/80": DENIED_OUT})


def test_d6_069_block_and_name(world: World) -> None:
    rule = egress_rule("{to: [{ipBlock: {cidr: 10.0.1.0/24}}], ports: [{port: http}]}")
    world.check(rule, {"x/a -> y/a tcp/8080": BY_RULE_OUT, "x/a -> y/b tcp/8080": DENIED_OUT})


def with_init(restart: str | None) -> list[dict]:
    init = {"name": "init", "ports": ports("side=9000")}
    if restart:
        init["restartPolicy"] = restart
    return fixture(pod("x/a", "10.0.0.1", labels={"pod": "a"}, initContainers=[init]))


def test_d6_070_sidecar_ports_count(world: World) -> None:
    rule = ingress_ports("[{port: side}]")
    world.check(rule, {"y/b -> x/a tcp/9000": BY_RULE}, with_init("Always"))
    none = {"named_port_init": "none"}
    world.check(rule, {"y/b -> x/a tcp/9000": DENIED}, with_init("Always"), none)


def test_d6_071_plain_init_ports_do_not_count(world: World) -> None:
    rule = ingress_ports("[{port: side}]")
    world.check(rule, {"y/b -> x/a tcp/9000": DENIED}, with_init(None))
    every = {"named_port_init": "all-init"}
    world.check(rule, {"y/b -> x/a tcp/9000": BY_RULE}, with_init(None), every)


def test_d6_072_repeated_name_is_the_union(world: World) -> None:
    twice = [
        {"name": "one", "ports": ports("http=80")},
        {"name": "two", "ports": ports("http=8081")},
    ]
    objects = fixture(pod("x/a", "10.0.0.1", labels={"pod": "a"}, containers=twice))
    world.check(
        ingress_ports("[{port: http}]"),
        {
            "y/b -> x/a tcp/80": BY_RULE,
            "y/b -> x/a tcp/8081": BY_RULE,
            "y/b -> x/a tcp/8080": DENIED,
        },
        objects,
    )


def test_d6_073_host_network_pod_has_no_names(world: World) -> None:
    assert FIXTURE["x/h"]["spec"]["hostNetwork"]
    named = pod("x/h", "192.168.0.1", labels={"pod": "h"}, declared=("http=80",), hostNetwork=True)
    rule = policy(
        "y", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}"
    )
    world.check(rule, {"y/a -> x/h tcp/80": DENIED_OUT}, fixture(named))
