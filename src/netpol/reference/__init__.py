"""The reference evaluator: judges one flow at a time, slowly and obviously right.

Takes policies, a snapshot and one flow, gives an ``Outcome``. The tests compare the compiled
engine with it; ``explain`` tells its decision step by step.
"""

from netpol.reference.evaluate import ReferenceEvaluator
from netpol.reference.outcome import Match, Outcome, PolicyTrial, RuleTrial, SideOutcome

__all__ = [
    "Match",
    "Outcome",
    "PolicyTrial",
    "ReferenceEvaluator",
    "RuleTrial",
    "SideOutcome",
]
