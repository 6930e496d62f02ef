"""`python -m chargerd.ctl` is `chargerctl`."""

import sys

from chargerd.ctl.commands import main

sys.exit(main())
