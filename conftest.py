"""Repository-wide test settings: the plugin under test is loaded by its entry point; this file only adds what the repository's own tests need."""

pytest_plugins = ["pytester"]
