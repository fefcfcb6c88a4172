"""Vectors D5 (54-63): ports; those the API refuses are in tests/kube."""

from worlds import World, policy

DENIED = "deny ingress np-implicit-deny"
BY_RULE = "allow ingress np-rule"


def ingress_ports(ports: str) -> dict:
    return policy("x", f"{{podSelector: {{}}, ingress: [{{ports: {ports}}}]}}")


def test_d5_054_port_without_protocol_is_tcp(world: World) -> None:
    world.check(
        ingress_ports("[{port: 80}]"),
        {"y/a -> x/a udp/80": DENIED, "y/a -> x/a tcp/80": BY_RULE},
    )


def test_d5_055_range_holds_both_its_ends(world: World) -> None:
    world.check(
        ingress_ports("[{port: 80, endPort: 90}]"),
        {
            "y/a -> x/a tcp/79": DENIED,
            "y/a -> x/a tcp/80": BY_RULE,
            "y/a -> x/a tcp/90": BY_RULE,
            "y/a -> x/a tcp/91": DENIED,
        },
    )


def test_d5_056_range_of_one(world: World) -> None:
    world.check(
        ingress_ports("[{port: 80, endPort: 80}]"),
        {
            "y/a -> x/a tcp/79": DENIED,
            "y/a -> x/a tcp/80": BY_RULE,
            "y/a -> x/a tcp/81": DENIED,
        },
    )


def test_d5_060_sctp_is_not_tcp(world: World) -> None:
    world.check(
        ingress_ports("[{protocol: SCTP, port: 80}]"),
        {"y/a -> x/a tcp/80": DENIED, "y/a -> x/a sctp/80": BY_RULE},
    )


def test_d5_061_source_ports_never_count(world: World) -> None:
    rule = ingress_ports("[{port: 80}]")
    world.check(rule, {"y/a -> x/a tcp/5000": DENIED}, sport=80)


def test_d5_062_rule_with_ports_and_no_known_port(world: World) -> None:
    rule = ingress_ports("[{port: 80}]")
    world.check(rule, {"y/a -> x/a tcp": "unknown ingress unknown-port"})
    answer = world.answer(rule, "y/a -> x/a tcp")
    assert answer.ingress == ("unknown", "unknown-port", "x/p", 0)


def test_d5_063_portless_rule_settles_an_unknown_port(world: World) -> None:
    rules = policy("x", "{podSelector: {}, ingress: [{ports: [{port: 80}]}, {}]}")
    world.check(rules, {"y/a -> x/a tcp": BY_RULE})
    assert world.answer(rules, "y/a -> x/a tcp").ingress == ("allow", "np-rule", "x/p", 1)
