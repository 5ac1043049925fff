"""Hypothesis profiles, chosen by the environment variable HYPOTHESIS_PROFILE (default: ``default``)."""

import os

from hypothesis import HealthCheck, Phase, settings

# Drawing a network is slow beside running it; that is no fault of a test.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]

settings.register_profile("quick", max_examples=5, deadline=None, suppress_health_check=SLOW, derandomize=True)
settings.register_profile("default", max_examples=25, deadline=None, suppress_health_check=SLOW, derandomize=True)
# One failure is all that is asked of a mutant: no time is spent on making the example small.
settings.register_profile(
    "mutants", settings.get_profile("default"), phases=(Phase.explicit, Phase.generate)
)
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
