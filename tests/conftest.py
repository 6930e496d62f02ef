"""What every test run shares: how Hypothesis searches, and what the collector looks at."""

import gc

from hypothesis import settings

# The time a machine takes for one example says nothing here; pytest-timeout bounds the whole test.
settings.register_profile("chargerd", deadline=None, print_blob=True)
settings.load_profile("chargerd")


def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end. To look through them again and again stops every thread for tenths
    of a second, and among these are peers at a line that have to answer in less.
    """
    gc.collect()
    gc.freeze()


MAX_NAME_CHARS = 200


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A certificate is made anew in each process, and workers have to agree on the names of tests."""
    return argname if isinstance(val, str | bytes) and len(val) > MAX_NAME_CHARS else None
