"""Builds the JupyterLab extension and the VS Code extension; scripts/build-frontend runs it."""
