"""Claims whose check is given its results by their figures' ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isaclib.experiments.engine import claims


@dataclass(frozen=True)
class Claim(claims.Claim):
    """See :class:`isaclib.experiments.engine.claims.Claim`."""

    def verdict(self, results: Mapping[str, Any]) -> claims.Verdict:
        """Verdict on stored results by their figures' ids."""
        presets = tuple(dict.fromkeys(result.preset for result in results.values()))
        return self._at_scale(self.check(results), presets)
