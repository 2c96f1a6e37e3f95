"""Machine code of ours that runs in the notebook's own process.

code  EmbeddedCode: a .s file of a package as a function, assembled once
"""
