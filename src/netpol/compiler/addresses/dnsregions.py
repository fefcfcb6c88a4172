"""Takes a region and the DNS answers for an address in it, gives the region it is at a time (B4.6).

What DNS says of an address is not a property of a range, and changes: so it is put on top of the
region the address lies in, for those addresses alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netpol.compiler.addresses.peers import AddressPeers
from netpol.compiler.addresses.regions import Region

__all__ = ["DnsRegions"]


@dataclass(frozen=True, slots=True)
class DnsRegions:
    """What DNS answers add, for both sides' address peers."""

    egress: AddressPeers
    ingress: AddressPeers

    @property
    def addresses(self) -> set[int]:
        """The addresses that DNS says anything of."""
        return {*self.egress.answered, *self.ingress.answered}

    def __bool__(self) -> bool:
        return bool(self.egress.answered) or bool(self.ingress.answered)

    def edges(self, address: int) -> Iterator[int]:
        """Yield the times at which the region of an address may change."""
        yield from self.egress.edges(address)
        yield from self.ingress.edges(address)

    def at(self, address: int, region: Region, time: int | None) -> Region:
        """Return the region with what DNS says of an address; None is "time not recorded"."""
        egress = self.egress.learned(address, time)
        ingress = self.ingress.learned(address, time)
        if not egress and not ingress:
            return region
        return region._replace(
            egress=self.egress.sets.joined(region.egress, egress),
            ingress=self.ingress.sets.joined(region.ingress, ingress),
        )

    def all_at(self, address: int, region: Region) -> Iterator[Region]:
        """Yield every region that an address may be."""
        yield self.at(address, region, None)
        for time in set(self.edges(address)):
            yield self.at(address, region, time)
