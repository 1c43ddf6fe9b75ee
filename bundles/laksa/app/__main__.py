"""`python3 -m app migrate | backup | restore | verify`: the hooks."""

import sys

from layanan.command import main

from app import SERVICE

sys.exit(main(SERVICE, sys.argv[1:]))
