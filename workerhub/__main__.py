"""`python -m workerhub` is `workerhub`."""

from workerhub.cli import main

if __name__ == "__main__":
    main()
