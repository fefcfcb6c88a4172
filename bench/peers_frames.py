"""Takes a world, gives polars joins that judge its flows: the relations of ``bench.peers_sql``."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.peers import Flat
from bench.peers_sql import ANY_TARGET, relations
from bench.population import Array
from bench.shapes import World
from netpol.model.batch import FlowBatch

__all__ = ["PolarsPeer"]


class PolarsPeer:
    """The rules as data frames; flows are joined by the distinct classes they fall into."""

    def __init__(self, world: World) -> None:
        import polars as pl

        self.pl = pl
        flat = Flat(world)
        self.frames: dict[str, Any] = {
            name: pl.DataFrame(
                dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
                if rows
                else {column: [] for column in columns}
            )
            for name, (columns, rows) in relations(flat).items()
        }
        self.frames["pod"] = pl.DataFrame({"address": flat.addresses, "workload": flat.owner}).cast(
            pl.Int64
        )

    def _addresses(self, flow: Any) -> Any:
        pl, frames = self.pl, self.frames
        addresses = pl.concat([flow["src"], flow["dst"].alias("src")]).unique().sort()
        return (
            pl.DataFrame({"address": addresses})
            .join_asof(frames["block"].sort("first"), left_on="address", right_on="first")
            .join(frames["pod"], on="address", how="left")
            .select("address", pl.col("workload").fill_null(-1), pl.col("class").alias("block"))
        )

    def _classified(self, flow: Any) -> Any:
        pl = self.pl
        addresses = self._addresses(flow)
        ports = (
            flow.select(pl.col("protocol") * 65536 + pl.col("dport")).unique().to_series().sort()
        )
        services = pl.DataFrame({"at": ports}).join_asof(
            self.frames["port"].sort("first"), left_on="at", right_on="first"
        )
        return (
            flow.with_columns(at=pl.col("protocol") * 65536 + pl.col("dport"))
            .join(addresses.rename({"address": "src", "workload": "source"}), on="src")
            .rename({"block": "source_block"})
            .join(addresses.rename({"address": "dst", "workload": "target"}), on="dst")
            .rename({"block": "target_block"})
            .join(services.select("at", pl.col("class").alias("service")), on="at")
        )

    def _allowed(self, flows: Any, side: str, own: str, other: str, block: str) -> Any:
        """Return the distinct combinations that some rule of the side allows."""
        pl, frames = self.pl, self.frames
        columns = [own, other, block, "service"]
        on_side = frames["subject"].filter(pl.col("side") == side)
        keys = flows.select(
            pl.col(own).alias("workload"), pl.col(other).alias("peer"),
            pl.col(block).alias("block"), pl.col("target").alias("pod"), "service",
        ).unique()  # fmt: skip
        rules = keys.join(on_side, on="workload").join(
            frames["service"], left_on=["rule", "service"], right_on=["rule", "class"]
        )
        rules = rules.filter((pl.col("target") == ANY_TARGET) | (pl.col("target") == pl.col("pod")))
        by_workload = frames["peer_workload"].with_columns(is_peer=True)
        by_block = frames["peer_block"].with_columns(in_block=True)
        matched = rules.join(
            by_workload, left_on=["rule", "peer"], right_on=["rule", "workload"], how="left"
        ).join(by_block, left_on=["rule", "block"], right_on=["rule", "class"], how="left")
        found = matched.filter(
            pl.col("everyone") | pl.col("is_peer").fill_null(False)
            | pl.col("in_block").fill_null(False)
        )  # fmt: skip
        names = dict(zip(["workload", "peer", "block", "service"], columns, strict=True))
        return found.select(list(names)).unique().rename(names).with_columns(allowed=True), columns

    def evaluate(self, batch: FlowBatch) -> Array:
        """Return uint8[n] verdicts."""
        pl = self.pl
        names = ("src", "dst", "protocol", "dport")
        flow = pl.DataFrame({name: getattr(batch, name) for name in names}).cast(pl.Int64)
        flows = self._classified(flow.with_row_index("i"))
        denied = pl.lit(False)
        for side, own, other, block in (
            ("Egress", "source", "target", "target_block"),
            ("Ingress", "target", "source", "source_block"),
        ):
            isolated = self.frames["isolated"].filter(pl.col("side") == side)["workload"]
            allowed, columns = self._allowed(flows, side, own, other, block)
            flows = flows.join(allowed.rename({"allowed": side}), on=columns, how="left")
            denied |= pl.col(own).is_in(isolated.implode()) & pl.col(side).is_null()
        told = flows.select("i", denied.alias("verdict")).sort("i")
        return np.asarray(told["verdict"].to_numpy(), np.uint8)
