"""What ``train.py`` and ``evaluate.py`` do: translate a config into calls, and errors into exit codes."""
