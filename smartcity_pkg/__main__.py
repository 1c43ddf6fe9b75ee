"""`python -m smartcity_pkg` is the `smartcity` command."""

from smartcity_pkg.cli.app import main

main()
