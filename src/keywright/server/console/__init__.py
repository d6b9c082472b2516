"""The console: pages for people. Handlers translate; `manage` and `people` decide."""
