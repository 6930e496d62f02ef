"""What every test run shares: how Hypothesis searches."""

from hypothesis import settings

# The time a machine takes for one example says nothing here; pytest-timeout bounds the whole test.
settings.register_profile("chargerd", deadline=None, print_blob=True)
settings.load_profile("chargerd")
