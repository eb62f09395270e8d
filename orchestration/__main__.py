"""`python -m orchestration` is `lqo`."""

from orchestration.cli import main

main()
