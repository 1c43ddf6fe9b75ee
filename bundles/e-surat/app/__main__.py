"""`python3 -m app migrate`: the migrate hook."""

import sys

from layanan.command import main

from app import SERVICE

sys.exit(main(SERVICE, sys.argv[1:]))
