"""`python -m tests.torture`: runs that are killed, damaged stores, wild input; see `harness`."""

import sys

from tests.torture.harness import main

sys.exit(main())
